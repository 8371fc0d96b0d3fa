/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PVEBIND_CONTAINER_H
#define PVEBIND_CONTAINER_H

#include "../conf/front.h"

/* pre-start of a container that has pvebind for its hookscript: lends nothing; the start is refused, with the reason,
 * while a VM has a device that it needs. */
enum front_status container_start(struct front *front, unsigned id);

#endif
