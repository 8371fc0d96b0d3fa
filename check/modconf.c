/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What modprobe.d says, for the checks of it. */
#include <string.h>

#include "modconf.h"

bool modconf_read(struct check_run *run, struct pvb_modconf *conf)
{
	struct pvb_err err;
	int r = pvb_modconf_read(run->host.ctx, conf, &err);

	if (r == -ENOENT)
		check_unknown(run, "/etc/modprobe.d", "there is no configuration of kernel modules to look into");
	else if (r < 0)
		check_unknown(run, "/etc/modprobe.d", "%s", err.text);
	return r == 0;
}

const char *modconf_place(const struct pvb_modconf_line *line, char buf[MODCONF_PLACE_MAX])
{
	return check_place(buf, MODCONF_PLACE_MAX, line->file, line->line);
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

void modconf_advise(struct check_run *run, const struct pvb_modconf_line *line, const char *text)
{
	check_advise(run, "%s", text);
	check_command(run, "nano +%u %s", line->line, line->file);
	initramfs_commands(run);
}
