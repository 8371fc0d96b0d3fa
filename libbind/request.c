/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wanted, and how: defaults and ownership. */
#include <string.h>

#include "internal.h"

void pvb_settings_default(struct pvb_settings *settings)
{
	*settings = (struct pvb_settings){
		.reset = "auto",
		.host_driver = "auto",
		.unload = "auto",
		.guard = true,
		.keep_on_reboot = true,
		.device_timeout_ms = 30000,
		.hook_timeout_ms = 45000,
	};
}

void pvb_request_clear(struct pvb_request *request)
{
	free(request->wanted);
	free(request->allow);
	pvb_refusals_clear(&request->refusals);
	memset(request, 0, sizeof(*request));
}

void pvb_lend_clear(struct pvb_lend *lend)
{
	free(lend->devices);
	memset(lend, 0, sizeof(*lend));
}
