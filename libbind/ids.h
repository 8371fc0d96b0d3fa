/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ids.c, for names.c and usb.c. */
#ifndef PVEBIND_IDS_H
#define PVEBIND_IDS_H

#include "internal.h"

struct pvb_ids {
	const char *text; /* the file, mapped */
	size_t size;      /* 0: there is none */
};
/* Fails where libpci may know better: the file is packed, or elsewhere. */
int pvb_ids_open(struct pvb_ids *ids, const char *path) PVB_MUST_CHECK;
void pvb_ids_close(struct pvb_ids *ids);
/* "Intel Corporation 82574L"; "Network controller". False: not there, or it does not fit. */
bool pvb_ids_device(const struct pvb_ids *ids, uint16_t vendor, uint16_t device, char *buf, size_t size);
bool pvb_ids_class(const struct pvb_ids *ids, uint32_t class_code, char *buf, size_t size);

#endif
