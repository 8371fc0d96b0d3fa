/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A function's configuration space, as plausible as what looks at it needs; offsets and bits as in <linux/pci_regs.h>. */
#define _GNU_SOURCE
#include "machineparts.h"

#include <linux/pci_regs.h>

/* Bytes being made: where the next capability goes, and where its address is to stand. */
struct space {
	unsigned char *b;
	size_t next, link;
	size_t next_extended, link_extended;
};

static void put16(unsigned char *b, size_t at, unsigned value)
{
	b[at] = value & 0xff;
	b[at + 1] = (value >> 8) & 0xff;
}

static void put32(unsigned char *b, size_t at, uint32_t value)
{
	put16(b, at, value & 0xffff);
	put16(b, at + 2, value >> 16);
}

/* A capability of that size: its place. */
static size_t capability(struct space *s, unsigned id, size_t size)
{
	size_t at = s->next;

	s->b[s->link] = (unsigned char)at;
	s->b[at] = (unsigned char)id;
	s->link = at + 1;
	s->next += (size + 3) & ~(size_t)3;
	return at;
}

static size_t extended(struct space *s, unsigned id, unsigned version, size_t size)
{
	size_t at = s->next_extended;

	if (s->link_extended)
		put16(s->b, s->link_extended + 2, (unsigned)(s->b[s->link_extended + 2] & 0xf) | (unsigned)at << 4);
	put16(s->b, at, id);
	put16(s->b, at + 2, version);
	s->link_extended = at;
	s->next_extended += (size + 3) & ~(size_t)3;
	return at;
}

static void ids_put(unsigned char *b, const struct machine_config *c)
{
	put16(b, PCI_VENDOR_ID, c->vf ? 0xffff : c->vendor);
	put16(b, PCI_DEVICE_ID, c->vf ? 0xffff : c->device);
	put16(b, PCI_COMMAND, c->vf ? PCI_COMMAND_MASTER : PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	put16(b, PCI_STATUS, PCI_STATUS_CAP_LIST);
	b[PCI_REVISION_ID] = (unsigned char)c->revision;
	b[PCI_CLASS_PROG] = c->class_code & 0xff;
	b[PCI_CLASS_DEVICE] = (c->class_code >> 8) & 0xff;
	b[PCI_CLASS_DEVICE + 1] = (c->class_code >> 16) & 0xff;
	b[PCI_CACHE_LINE_SIZE] = 0x10;
	b[PCI_HEADER_TYPE] = (unsigned char)((c->secondary ? PCI_HEADER_TYPE_BRIDGE : 0) | (c->multifunction ? 0x80 : 0));
	if (c->secondary) {
		b[PCI_PRIMARY_BUS] = (unsigned char)c->bus;
		b[PCI_SECONDARY_BUS] = (unsigned char)c->secondary;
		b[PCI_SUBORDINATE_BUS] = (unsigned char)c->subordinate;
		return;
	}
	put16(b, PCI_SUBSYSTEM_VENDOR_ID, c->subvendor);
	put16(b, PCI_SUBSYSTEM_ID, c->subdevice);
}

static void bars_put(unsigned char *b, const struct machine_config *c)
{
	for (size_t i = 0; i < MACHINE_BARS - 1 && !c->vf; i++) {
		const struct machine_bar *bar = &c->bar[i];
		size_t at = PCI_BASE_ADDRESS_0 + 4 * i;
		uint64_t start = bar->unassigned ? 0 : bar->start;

		if (!bar->size)
			continue;
		put32(b, at, (uint32_t)start | (bar->io ? PCI_BASE_ADDRESS_SPACE_IO : 0) |
			     (bar->wide ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) | (bar->prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0));
		if (bar->wide && i < 5)
			put32(b, at + 4, (uint32_t)(start >> 32));
	}
}

static void power_put(struct space *s, const struct machine_config *c)
{
	size_t at = capability(s, PCI_CAP_ID_PM, 8);

	put16(s->b, at + PCI_PM_PMC, 0xc803);
	put16(s->b, at + PCI_PM_CTRL, c->power | (c->no_soft_reset ? PCI_PM_CTRL_NO_SOFT_RESET : 0));
}

static void express_put(struct space *s, const struct machine_config *c)
{
	bool port = c->type == PCI_EXP_TYPE_ROOT_PORT || c->type == PCI_EXP_TYPE_DOWNSTREAM;
	size_t at = capability(s, PCI_CAP_ID_EXP, 0x3c);

	put16(s->b, at + PCI_EXP_FLAGS, 2 | c->type << 4 | (port ? PCI_EXP_FLAGS_SLOT : 0));
	put32(s->b, at + PCI_EXP_DEVCAP, 0x8001 | (c->no_flr ? 0 : PCI_EXP_DEVCAP_FLR));
	if (!c->width)
		return;
	put32(s->b, at + PCI_EXP_LNKCAP, c->max_speed | c->max_width << 4);
	put16(s->b, at + PCI_EXP_LNKSTA, c->speed | c->width << 4);
	put32(s->b, at + PCI_EXP_LNKCAP2, ((2u << c->max_speed) - 2));
	put16(s->b, at + PCI_EXP_LNKCTL2, c->max_speed);
}

static void sriov_put(struct space *s, const struct machine_config *c)
{
	size_t at = extended(s, PCI_EXT_CAP_ID_SRIOV, 1, PCI_EXT_CAP_SRIOV_SIZEOF);

	put16(s->b, at + PCI_SRIOV_CTRL, c->vfs ? PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE : 0);
	put16(s->b, at + PCI_SRIOV_INITIAL_VF, c->total_vfs);
	put16(s->b, at + PCI_SRIOV_TOTAL_VF, c->total_vfs);
	put16(s->b, at + PCI_SRIOV_NUM_VF, c->vfs);
	put16(s->b, at + PCI_SRIOV_VF_STRIDE, 1);
	put16(s->b, at + PCI_SRIOV_VF_OFFSET, 1);
}

/* The control word's size field: 0 is 1 MiB. */
static unsigned size_code(uint64_t size)
{
	unsigned code = 0;

	while (code < 43 && (1ull << (20 + code)) < size)
		code++;
	return code;
}

static void resizable_put(struct space *s, const struct machine_config *c)
{
	unsigned n = 0;
	size_t at;

	for (size_t i = 0; i < 6; i++)
		n += c->resizable[i] != 0;
	if (!n)
		return;
	at = extended(s, PCI_EXT_CAP_ID_REBAR, 1, 4 + 8 * n);
	for (unsigned i = 0; i < 6; i++) {
		if (!c->resizable[i])
			continue;
		put32(s->b, at + PCI_REBAR_CAP, c->resizable[i]);
		put32(s->b, at + PCI_REBAR_CTRL, i | n << PCI_REBAR_CTRL_NBAR_SHIFT |
						 size_code(c->bar[i].size) << PCI_REBAR_CTRL_BAR_SHIFT);
		at += 8;
	}
}

static void extended_put(struct space *s, const struct machine_config *c)
{
	/* Who has none has zeros there, not another one at the list's head. */
	if (c->aer)
		extended(s, PCI_EXT_CAP_ID_ERR, 2, 0x48);
	if (c->acs >= 0) {
		size_t at = extended(s, PCI_EXT_CAP_ID_ACS, 1, 8);

		put16(s->b, at + PCI_ACS_CAP, (unsigned)c->acs);
		put16(s->b, at + PCI_ACS_CTRL, (unsigned)c->acs & 0x1d); /* what the kernel sets: pci_std_enable_acs() */
	}
	if (c->ari)
		extended(s, PCI_EXT_CAP_ID_ARI, 1, 8);
	if (c->total_vfs)
		sriov_put(s, c);
	resizable_put(s, c);
}

size_t machine_config_make(const struct machine_config *c, unsigned char bytes[4096])
{
	struct space s = { .b = bytes, .next = 0x40, .link = PCI_CAPABILITY_LIST, .next_extended = PCI_CFG_SPACE_SIZE };

	memset(bytes, c->off ? 0xff : 0, 4096);
	if (c->off)
		return c->pcie ? 4096 : 256;
	ids_put(bytes, c);
	if (!c->secondary)
		bars_put(bytes, c);
	power_put(&s, c);
	if (!c->pcie)
		return 256;
	express_put(&s, c);
	extended_put(&s, c);
	return 4096;
}
