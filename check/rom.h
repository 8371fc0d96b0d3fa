/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rom: what a PCI option ROM says of itself (PCI Firmware Specification 3.x, 5.1). Knows nothing of checks. */
#ifndef PVEBIND_CHECK_ROM_H
#define PVEBIND_CHECK_ROM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rom_fault {
	ROM_GOOD,
	ROM_NO_HEADER,  /* it does not begin with 55 AA */
	ROM_NVIDIA_HEADER, /* … but with NVIDIA's own header of a firmware file; the ROM begins at .start */
	ROM_NO_PCIR,    /* 55 AA, and no PCI data structure where it points to */
	ROM_CUT,        /* it ends before its last image does, or has no last image */
};

struct rom {
	enum rom_fault fault;
	size_t start;            /* of ROM_NVIDIA_HEADER: where "55 AA" is; 0: nowhere */
	uint16_t vendor, device; /* of the first image */
	bool legacy, efi;        /* images for a BIOS (code type 0) and for UEFI (3) */
	unsigned images;
};

/* data: all of the file. */
void rom_read(const uint8_t *data, size_t size, struct rom *rom);
/* Whether the list of further devices of the first image (PCI data structure, revision 3) has it. */
bool rom_lists(const uint8_t *data, size_t size, uint16_t device);

#endif
