/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a PCI option ROM says of itself. */
#include <string.h>

#include "rom.h"

#define PCIR_POINTER 0x18
#define PCIR_SIZE 0x18
#define UNIT 512
#define LAST_IMAGE 0x80
#define CODE_LEGACY 0
#define CODE_EFI 3
#define DEVICES_MAX 256

static uint16_t word(const uint8_t *data)
{
	return (uint16_t)(data[0] | data[1] << 8);
}

static bool is_image(const uint8_t *data, size_t size, size_t at)
{
	return at + PCIR_POINTER + 2 <= size && data[at] == 0x55 && data[at + 1] == 0xaa;
}

/* The PCI data structure of the image at at; NULL: there is none. */
static const uint8_t *pcir(const uint8_t *data, size_t size, size_t at)
{
	size_t where = at + word(data + at + PCIR_POINTER);

	return where + PCIR_SIZE <= size && !memcmp(data + where, "PCIR", 4) ? data + where : NULL;
}

/* NVIDIA's firmware files have "NVGI" and tables before the ROM. */
static void header_find(const uint8_t *data, size_t size, struct rom *rom)
{
	rom->fault = ROM_NO_HEADER;
	if (size < 4 || memcmp(data, "NVGI", 4) != 0)
		return;
	rom->fault = ROM_NVIDIA_HEADER;
	for (size_t at = 0; !rom->start && at + UNIT <= size; at += UNIT)
		if (is_image(data, size, at) && pcir(data, size, at))
			rom->start = at;
}

void rom_read(const uint8_t *data, size_t size, struct rom *rom)
{
	size_t at = 0, length;

	*rom = (struct rom){ .fault = ROM_GOOD };
	if (!is_image(data, size, 0)) {
		header_find(data, size, rom);
		return;
	}
	do {
		const uint8_t *info = is_image(data, size, at) ? pcir(data, size, at) : NULL;

		if (!info) {
			rom->fault = rom->images ? ROM_CUT : ROM_NO_PCIR;
			return;
		}
		if (!rom->images++) {
			rom->vendor = word(info + 4);
			rom->device = word(info + 6);
		}
		rom->legacy = rom->legacy || info[0x14] == CODE_LEGACY;
		rom->efi = rom->efi || info[0x14] == CODE_EFI;
		length = (size_t)word(info + 0x10) * UNIT;
		if (!length || at + length > size) {
			rom->fault = ROM_CUT;
			return;
		}
		at += length;
		if (info[0x15] & LAST_IMAGE)
			return;
	} while (true);
}

bool rom_lists(const uint8_t *data, size_t size, uint16_t device)
{
	const uint8_t *info = is_image(data, size, 0) ? pcir(data, size, 0) : NULL;
	size_t at = info ? (size_t)(info - data) + word(info + 8) : 0;

	if (!info || info[0x0c] < 3 || !word(info + 8))
		return false;
	for (unsigned i = 0; i < DEVICES_MAX && at + 2 <= size && word(data + at); i++, at += 2)
		if (word(data + at) == device)
			return true;
	return false;
}
