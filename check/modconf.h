/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What modprobe.d says, for the checks of it. */
#ifndef PVEBIND_CHECK_MODCONF_H
#define PVEBIND_CHECK_MODCONF_H

#include "kernels.h"
#include "../conf/modconf.h"

/* false: it cannot be read, and the check has said so (unknown). Free with pvb_modconf_clear() in any case. */
bool modconf_read(struct check_run *run, struct pvb_modconf *conf) PVB_MUST_CHECK;
/* Advice behind a finding about a line that is to go, or to be changed. */
void modconf_advise(struct check_run *run, const struct pvb_modconf_line *line, const char *text);

#endif
