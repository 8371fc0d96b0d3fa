/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a function's configuration space says of it: bytes in, facts out. Numbers as in linux/pci_regs.h. */
#include <linux/pci_regs.h>
#include <string.h>

#include "internal.h"

#define CAPABILITIES_MAX 48                  /* room for no more; a list that is longer is a loop */
#define EXTENDED_MAX ((4096 - 256) / 8)
#define HEADER_SIZE 64
#define HARD_WIRED (PCI_BASE_ADDRESS_SPACE_IO | PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH) /* a BAR's */
#define REBAR_ENTRY 8                        /* bytes a BAR: capability and control */

struct space {
	const uint8_t *bytes;
	size_t size;
};

/* What lies outside reads as a device that is gone does: all ones. */
static uint32_t space_get(const struct space *s, size_t at, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint32_t)(at + i < s->size ? s->bytes[at + i] : 0xff) << 8 * i;
	return value;
}

/* Off the bus. Not by the vendor alone: a VF's reads 0xffff (SR-IOV 3.4.1). */
static bool space_gone(const struct space *s)
{
	for (size_t i = 0; i < HEADER_SIZE; i++)
		if (s->bytes[i] != 0xff)
			return false;
	return true;
}

/* ---- the header --------------------------------------------------------------------- */

static void header_parse(const struct space *s, struct pvb_details *d)
{
	uint32_t type = space_get(s, PCI_HEADER_TYPE, 1), command = space_get(s, PCI_COMMAND, 2);

	/* Functions but the first make it one, whatever the bit says (pci_scan_slot()). */
	d->multifunction = type & 0x80 || d->addr.fn > 0;
	d->memory_on = command & PCI_COMMAND_MEMORY;
	d->master_on = command & PCI_COMMAND_MASTER;
}

/* The kernel drops all it knew of a BAR that it found no room for, but the bits that say what it is are hard-wired. A
 * 32-bit memory BAR has none that would tell it from nothing. */
static void bars_unassigned_find(const struct space *s, struct pvb_details *d)
{
	bool normal = (space_get(s, PCI_HEADER_TYPE, 1) & 0x7f) == PCI_HEADER_TYPE_NORMAL;

	for (size_t i = 0; normal && i < PVB_BARS; i++) {
		struct pvb_bar *bar = &d->bars[i];
		uint32_t value = space_get(s, PCI_BASE_ADDRESS_0 + 4 * i, 4);
		bool wide = !(value & PCI_BASE_ADDRESS_SPACE_IO) && value & PCI_BASE_ADDRESS_MEM_TYPE_64;

		if (!bar->present && value & HARD_WIRED) {
			bar->present = bar->unassigned = true;
			bar->io = value & PCI_BASE_ADDRESS_SPACE_IO;
			bar->is_64bit = wide;
			bar->prefetchable = !bar->io && value & PCI_BASE_ADDRESS_MEM_PREFETCH;
		}
		i += wide; /* the next one is its upper half */
	}
}

/* ---- capabilities ---------------------------------------------------------------------- */

static int speed_of(uint32_t code)
{
	static const int speeds[] = { -1, 2500, 5000, 8000, 16000, 32000, 64000 };

	return code < ARRAY_SIZE(speeds) ? speeds[code] : -1;
}

/* A VF's are all zero, and what is integrated has none. */
static void link_parse(const struct space *s, size_t at, struct pvb_details *d)
{
	uint32_t most = space_get(s, at + PCI_EXP_LNKCAP, 4), now = space_get(s, at + PCI_EXP_LNKSTA, 2);

	if (d->pcie_type == PVB_PCIE_INTEGRATED || d->pcie_type == PVB_PCIE_EVENT_COLLECTOR || !(most & PCI_EXP_LNKCAP_MLW))
		return;
	d->link_speed_max = speed_of(most & PCI_EXP_LNKCAP_SLS);
	d->link_width_max = (int)((most & PCI_EXP_LNKCAP_MLW) >> 4);
	if (!(now & PCI_EXP_LNKSTA_NLW))
		return;
	d->link_speed = speed_of(now & PCI_EXP_LNKSTA_CLS);
	d->link_width = (int)((now & PCI_EXP_LNKSTA_NLW) >> 4);
}

static void capability_parse(const struct space *s, size_t at, struct pvb_details *d)
{
	switch (space_get(s, at, 1)) {
	case PCI_CAP_ID_PM:
		d->has_pm = true;
		d->no_soft_reset = space_get(s, at + PCI_PM_CTRL, 2) & PCI_PM_CTRL_NO_SOFT_RESET;
		break;
	case PCI_CAP_ID_EXP:
		d->pcie_type = (enum pvb_pcie_type)((space_get(s, at + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_TYPE) >> 4);
		d->has_flr = d->has_flr || space_get(s, at + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR;
		link_parse(s, at, d);
		break;
	case PCI_CAP_ID_AF:
		d->has_flr = d->has_flr || space_get(s, at + PCI_AF_CAP, 1) & PCI_AF_CAP_FLR;
		break;
	default:
		break;
	}
}

static void capabilities_parse(const struct space *s, struct pvb_details *d)
{
	bool cardbus = (space_get(s, PCI_HEADER_TYPE, 1) & 0x7f) == PCI_HEADER_TYPE_CARDBUS;
	size_t at = space_get(s, cardbus ? PCI_CB_CAPABILITY_LIST : PCI_CAPABILITY_LIST, 1) & ~3u;

	d->pcie_type = PVB_PCIE_NONE;
	if (!(space_get(s, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		return;
	for (unsigned n = 0; n < CAPABILITIES_MAX && at >= HEADER_SIZE; n++) {
		capability_parse(s, at, d);
		at = space_get(s, at + PCI_CAP_LIST_NEXT, 1) & ~3u;
	}
}

/* ---- extended capabilities ---------------------------------------------------------------- */

static void rebar_parse(const struct space *s, size_t at, struct pvb_details *d)
{
	unsigned n = (space_get(s, at + PCI_REBAR_CTRL, 4) & PCI_REBAR_CTRL_NBAR_MASK) >> PCI_REBAR_CTRL_NBAR_SHIFT;

	d->has_rebar = true;
	for (unsigned i = 0; i < n && i < PVB_BARS; i++) {
		uint32_t capability = space_get(s, at + PCI_REBAR_CAP + REBAR_ENTRY * (size_t)i, 4);
		uint32_t control = space_get(s, at + PCI_REBAR_CTRL + REBAR_ENTRY * (size_t)i, 4);
		unsigned index = control & PCI_REBAR_CTRL_BAR_IDX;
		unsigned size = (control & PCI_REBAR_CTRL_BAR_SIZE) >> PCI_REBAR_CTRL_BAR_SHIFT;

		if (index >= PVB_BARS)
			continue;
		/* From 1 MiB, bit 4, to 128 TiB, bit 31, and on in the control's upper half. */
		d->bars[index].sizes = capability >> 4 | (uint64_t)(control >> 16) << 28;
		d->bars[index].resized = size < 44 ? (uint64_t)1 << (size + 20) : 0;
	}
}

static void extended_parse_one(const struct space *s, size_t at, uint32_t header, struct pvb_details *d)
{
	switch (PCI_EXT_CAP_ID(header)) {
	case PCI_EXT_CAP_ID_ACS:
		d->has_acs = true;
		d->acs_capability = (uint16_t)space_get(s, at + PCI_ACS_CAP, 2);
		d->acs_control = (uint16_t)space_get(s, at + PCI_ACS_CTRL, 2);
		break;
	case PCI_EXT_CAP_ID_REBAR:
		rebar_parse(s, at, d);
		break;
	case PCI_EXT_CAP_ID_SRIOV:
		d->has_sriov = true;
		break;
	case PCI_EXT_CAP_ID_ATS:
		d->has_ats = true;
		break;
	default:
		break;
	}
}

static void extended_parse(const struct space *s, struct pvb_details *d)
{
	size_t at = 256;

	for (unsigned n = 0; n < EXTENDED_MAX && at >= 256 && at + 4 <= s->size; n++) {
		uint32_t header = space_get(s, at, 4);

		if (header == 0 || header == 0xffffffff)
			return;
		extended_parse_one(s, at, header, d);
		at = PCI_EXT_CAP_NEXT(header);
	}
}

/* ---- what it comes to --------------------------------------------------------------------------- */

/* What is missing in the capability may be taken for hard-wired (pci_acs_flags_enabled()). */
static int acs_suffices(const struct pvb_details *d)
{
	unsigned wanted = PVB_ACS_WANTED & d->acs_capability;

	if (!(d->known & PVB_KNOWN_EXTENDED))
		return -1;
	return d->has_acs && (d->acs_control & wanted) == wanted;
}

/* pci_acs_enabled() of drivers/pci/pci.c. */
static int isolates(const struct pvb_details *d)
{
	switch (d->pcie_type) {
	case PVB_PCIE_UNKNOWN:
		return -1;
	case PVB_PCIE_NONE:
	case PVB_PCIE_TO_PCI:
	case PVB_PCIE_FROM_PCI:
	case PVB_PCIE_EVENT_COLLECTOR:
		return 0;
	case PVB_PCIE_ROOT_PORT:
	case PVB_PCIE_DOWNSTREAM:
		return acs_suffices(d);
	case PVB_PCIE_ENDPOINT:
	case PVB_PCIE_LEGACY_ENDPOINT:
	case PVB_PCIE_UPSTREAM:
	case PVB_PCIE_INTEGRATED:
	default:
		return d->multifunction ? acs_suffices(d) : 1;
	}
}

void pvb_capabilities_parse(const uint8_t *bytes, size_t size, struct pvb_details *d)
{
	struct space s = { bytes, size };

	if (size < HEADER_SIZE || space_gone(&s))
		return;
	d->known |= PVB_KNOWN_HEADER;
	header_parse(&s, d);
	if (d->known & PVB_KNOWN_BARS)
		bars_unassigned_find(&s, d);
	if (size >= 256) {
		d->known |= PVB_KNOWN_CAPABILITIES;
		capabilities_parse(&s, d);
	}
	/* The kernel gives 256 bytes of conventional PCI, and of Express where it cannot reach more. */
	if (size >= 4096 || (size >= 256 && d->pcie_type == PVB_PCIE_NONE)) {
		d->known |= PVB_KNOWN_EXTENDED;
		extended_parse(&s, d);
	}
	d->isolates = isolates(d);
}
