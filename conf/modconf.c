/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of modprobe.d. */
#include <string.h>

#include "kernels.h"
#include "modconf.h"

const char *modconf_place(const struct pvb_modconf_line *line, char buf[MODCONF_PLACE_MAX])
{
	return conf_place(buf, MODCONF_PLACE_MAX, line->file, line->line);
}

bool modconf_is(const struct pvb_modconf_line *line, enum pvb_modconf_kind kind, const char *module)
{
	return line->effective && line->kind == kind && module_equal(line->module, module);
}

const char *modconf_word(const char **at, size_t *size)
{
	const char *word = *at + strspn(*at, " \t\r");

	*size = strcspn(word, " \t\r");
	*at = word + *size;
	return *size ? word : NULL;
}
