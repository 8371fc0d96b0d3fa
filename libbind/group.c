/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why an IOMMU group is shared. The kernel (pci_device_group(), drivers/iommu/iommu.c) goes up from a function to the first
 * bridge above which every one keeps apart what is below it (pci_acs_path_enabled()); all on the way is one group, and what
 * speaks for one function of a slot speaks for the others that have no ACS either. So the highest bridge of a group is the one
 * that decides.
 */
#include <stdarg.h>
#include <string.h>

#include "internal.h"

struct look {
	const struct pvb_function *const *members;
	const struct pvb_details *details;
	size_t n;
	struct pvb_group_reason *reason;
};

static bool slot_same(const struct pvb_addr *a, const struct pvb_addr *b)
{
	return a->domain == b->domain && a->bus == b->bus && a->dev == b->dev;
}

static size_t member_find(const struct look *l, const struct pvb_addr *addr)
{
	size_t i = 0;

	while (i < l->n && pvb_addr_compare(&l->members[i]->addr, addr) != 0)
		i++;
	return i;
}

/* The member that is the highest bridge of the group above fn; n: none. */
static size_t top_find(const struct look *l, const struct pvb_function *fn)
{
	for (size_t i = fn->num_bridges; i-- > 0;) {
		size_t found = member_find(l, &fn->bridges[i]);

		if (found < l->n)
			return found;
	}
	return l->n;
}

static void PVB_PRINTF(3, 4) explain(struct look *l, enum pvb_group_why why, const char *fmt, ...)
{
	va_list ap;

	l->reason->why = why;
	va_start(ap, fmt);
	vsnprintf(l->reason->text, sizeof(l->reason->text), fmt, ap);
	va_end(ap);
}

static const char *bridge_word(const struct pvb_details *d)
{
	if (d->pcie_type == PVB_PCIE_ROOT_PORT)
		return "root port";
	return d->pcie_type == PVB_PCIE_UPSTREAM || d->pcie_type == PVB_PCIE_DOWNSTREAM ? "switch port" : "bridge";
}

/* others: more than one bridge of the slot decides. */
static void bridge_explain(struct look *l, size_t i, bool others)
{
	const struct pvb_details *d = &l->details[i];
	const char *and = others ? ", nor the others of its slot" : "", *word = bridge_word(d);
	char name[PVB_ADDR_MAX];

	l->reason->has_addr = true;
	l->reason->addr = l->members[i]->addr;
	pvb_addr_format(&l->reason->addr, name);
	if (d->pcie_type == PVB_PCIE_TO_PCI || d->pcie_type == PVB_PCIE_FROM_PCI || d->pcie_type == PVB_PCIE_NONE)
		explain(l, PVB_GROUP_CONVENTIONAL, "%s is a bridge to conventional PCI, and nothing behind it can be told apart",
			name);
	else if (d->isolates < 0)
		explain(l, PVB_GROUP_UNKNOWN,
			"all behind %s is one group; whether that %s has ACS cannot be read (only root can)", name, word);
	else if (d->isolates > 0)
		explain(l, PVB_GROUP_UNKNOWN,
			"all behind %s is one group, although that %s has ACS enabled now: the kernel found it otherwise at boot, or has a quirk for it",
			name, word);
	else if (d->has_acs)
		explain(l, PVB_GROUP_ACS_OFF,
			"the %s %s does not keep apart what is behind it%s: it has ACS, but that is not enabled", word, name, and);
	else
		explain(l, PVB_GROUP_NO_ACS, "the %s %s cannot keep apart what is behind it%s: it has no ACS", word, name, and);
}

static void slot_explain(struct look *l, const struct pvb_addr *addr, bool known)
{
	char name[PVB_ADDR_MAX];

	l->reason->has_addr = true;
	l->reason->addr = *addr;
	l->reason->addr.fn = PVB_FN_ALL;
	pvb_addr_format(&l->reason->addr, name);
	if (known)
		explain(l, PVB_GROUP_SLOT, "the functions of slot %s have no ACS between them", name);
	else
		explain(l, PVB_GROUP_SLOT, "they are functions of one slot, %s", name);
}

void pvb_group_explain(const struct pvb_function *const *members, const struct pvb_details *details, size_t n,
		       struct pvb_group_reason *reason)
{
	struct look l = { members, details, n, reason };
	const struct pvb_function *first = NULL;
	size_t count = 0, top = n;
	bool one_slot = true, tops_differ = false, apart = true, known = true;

	memset(reason, 0, sizeof(*reason));
	for (size_t i = 0; i < n; i++) {
		size_t above;

		if (members[i]->bridge)
			continue;
		first = first ? first : members[i];
		count++;
		one_slot = one_slot && slot_same(&members[i]->addr, &first->addr);
		apart = apart && details[i].isolates > 0;
		known = known && details[i].isolates >= 0;
		above = top_find(&l, members[i]);
		tops_differ = tops_differ || (above < n && top < n && above != top);
		top = top < n ? top : above;
	}
	if (count < 2)
		return;
	if (one_slot && (top == n || !apart))
		slot_explain(&l, &first->addr, known);
	else if (top < n)
		bridge_explain(&l, top, tops_differ);
	else
		explain(&l, PVB_GROUP_UNKNOWN,
			"no bridge of the group is above them all: the firmware, the IOMMU or a quirk of the kernel puts them together");
}
