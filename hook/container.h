/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PVEBIND_CONTAINER_H
#define PVEBIND_CONTAINER_H

#include "../conf/front.h"

/* A phase of a container that has pvebind for its hookscript: lends nothing; its start is refused, with the reason, while
 * a VM has a device that it needs. */
enum front_status container_phase(struct front *front, unsigned id, const char *phase);

#endif
