/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of modprobe.d, as pvb_modconf_read() gives them. */
#ifndef PVEBIND_CONF_MODCONF_H
#define PVEBIND_CONF_MODCONF_H

#include "conf.h"

#define MODCONF_PLACE_MAX 300
/* "/etc/modprobe.d/vfio.conf:3" into buf, which is returned. */
const char *modconf_place(const struct pvb_modconf_line *line, char buf[MODCONF_PLACE_MAX]);
/* Whether the line counts, is of this kind, and about this module. */
bool modconf_is(const struct pvb_modconf_line *line, enum pvb_modconf_kind kind, const char *module);
/* The next word of a value at or behind *at, which moves past it, and its size; NULL: there is none. */
const char *modconf_word(const char **at, size_t *size);

#endif
