/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What service.c and stopping.c share: a systemd unit or a container of the host. */
#ifndef PVEBIND_SERVICE_H
#define PVEBIND_SERVICE_H

#include "internal.h"

struct pvb_service {
	bool container;
	const char *name;              /* "lightdm.service", "105" */
	char words[PVB_NAME_MAX + 16]; /* for sentences */
};

/* ENDING: a stop that was given up goes on by itself. MISSING: masked, too. */
enum pvb_condition { SERVICE_STOPPED, SERVICE_FAILED, SERVICE_RUNS, SERVICE_ENDING, SERVICE_MISSING };

/* Of a PVB_OP_STOP's argument, "unit lightdm.service" or "container 105", which must outlive it. */
struct pvb_service pvb_service_of(const char *arg);
/* Ask systemctl or pct, five seconds at most. triggers: what would start the unit again, its sockets, timers and
 * paths, blank-separated. */
int pvb_service_look(const struct pvb_ctx *ctx, const struct pvb_service *service, enum pvb_condition *condition,
		     char *triggers, size_t size, struct pvb_err *err) PVB_MUST_CHECK;
/* Whether it has processes, or may have: RUNS or ENDING. */
bool pvb_service_runs(enum pvb_condition condition);
/* Both wait until it is done. */
int pvb_service_stop(const struct pvb_ctx *ctx, const struct pvb_service *service, int64_t deadline_ns,
		     struct pvb_err *err) PVB_MUST_CHECK;
int pvb_service_start(const struct pvb_ctx *ctx, const struct pvb_service *service, int64_t deadline_ns,
		      struct pvb_err *err) PVB_MUST_CHECK;

#endif
