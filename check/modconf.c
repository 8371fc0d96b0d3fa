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

void modconf_advise(struct check_run *run, const struct pvb_modconf_line *line, const char *text)
{
	check_advise(run, "%s", text);
	check_command(run, "nano +%u %s", line->line, line->file);
	initramfs_commands(run);
}
