/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PVEBIND_SEED_H
#define PVEBIND_SEED_H

#include "../conf/front.h"

#define SEED_NICE 19 /* what a guard has until it is up, nice(2) */

/* Have a guard started for a lend that has begun, without waiting for it. As front.begun wants it. */
void seed_sow(struct front *front, unsigned vmid, uint64_t generation);

#endif
