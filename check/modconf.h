/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What modprobe.d says, for the checks of it. */
#ifndef PVEBIND_CHECK_MODCONF_H
#define PVEBIND_CHECK_MODCONF_H

#include "kernels.h"

/* false: it cannot be read, and the check has said so (unknown). Free with pvb_modconf_clear() in any case. */
bool modconf_read(struct check_run *run, struct pvb_modconf *conf) PVB_MUST_CHECK;
#define MODCONF_PLACE_MAX 300
/* "/etc/modprobe.d/vfio.conf:3" into buf, which is returned. */
const char *modconf_place(const struct pvb_modconf_line *line, char buf[MODCONF_PLACE_MAX]);
/* Whether the line counts, is of this kind, and about this module. */
bool modconf_is(const struct pvb_modconf_line *line, enum pvb_modconf_kind kind, const char *module);
/* The next word of a value at or behind *at, which moves past it, and its size; NULL: there is none. */
const char *modconf_word(const char **at, size_t *size);
/* Advice behind a finding about a line that is to go, or to be changed. */
void modconf_advise(struct check_run *run, const struct pvb_modconf_line *line, const char *text);

#endif
