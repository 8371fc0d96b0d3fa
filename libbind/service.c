/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Systemd units and containers that use the devices: stopped before they move, started again after. */
#include <string.h>

#include "internal.h"

int pvb_services_plan(struct pvb_builder *b)
{
	(void)b;
	return 0;
}

int pvb_effect_stop(struct pvb_step *step, struct pvb_err *err)
{
	return pvb_err_set(err, -ENOSYS, "cannot do that to %s yet", step->op->arg);
}

int pvb_effect_stop_undo(struct pvb_step *step, struct pvb_err *err)
{
	return pvb_err_set(err, -ENOSYS, "cannot do that to %s yet", step->op->arg);
}
