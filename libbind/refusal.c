/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refusals have names, so that a person can lift one on purpose and a program can tell them apart. */
#include <stdarg.h>
#include <string.h>

#include "internal.h"

static const struct {
	const char *name;
	bool liftable; /* by allow = …; the others would only fail later, or harm somebody else */
} known[] = {
	{ "no-iommu", false },	 { "group-shared", true }, { "identity", false },    { "ambiguous", false },
	{ "in-use-by-vm", false }, { "held", false },	   { "host-disk", true },    { "host-network", true },
	{ "last-console", true },  { "sriov-parent", true }, { "driver-gate", true }, { "stuck", false },
	{ "off-bus", false },	 { "reserved-by-pve", false }, { "backup", false },   { "disabled", false },
};

bool pvb_refusal_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].name, name))
			return true;
	return false;
}

const char *pvb_refusal_name(size_t i)
{
	return i < ARRAY_SIZE(known) ? known[i].name : NULL;
}

bool pvb_refusal_liftable(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].name, name))
			return known[i].liftable;
	return false;
}

static struct pvb_refusal *refusal_new(struct pvb_refusals *refusals)
{
	struct pvb_refusal *more = realloc(refusals->list, (refusals->n + 1) * sizeof(*more));

	if (!more)
		return NULL;
	refusals->list = more;
	more += refusals->n++;
	memset(more, 0, sizeof(*more));
	return more;
}

int pvb_refuse(struct pvb_refusals *refusals, const char *name, const struct pvb_addr *addr, const char *fmt, ...)
{
	struct pvb_refusal *refusal = refusal_new(refusals);
	va_list ap;

	if (!refusal)
		return -ENOMEM;
	snprintf(refusal->name, sizeof(refusal->name), "%s", name);
	if (addr) {
		refusal->addr = *addr;
		refusal->has_addr = true;
	}
	va_start(ap, fmt);
	vsnprintf(refusal->text, sizeof(refusal->text), fmt, ap);
	va_end(ap);
	return 0;
}

int pvb_refusals_copy(struct pvb_refusals *dst, const struct pvb_refusals *src)
{
	for (size_t i = 0; i < src->n; i++) {
		struct pvb_refusal *refusal = refusal_new(dst);

		if (!refusal)
			return -ENOMEM;
		*refusal = src->list[i];
	}
	return 0;
}

void pvb_refusals_allow(struct pvb_refusals *refusals, const struct pvb_request *request)
{
	for (size_t i = 0; i < refusals->n; i++) {
		struct pvb_refusal *refusal = &refusals->list[i];

		for (size_t k = 0; k < request->num_allow; k++)
			if (pvb_refusal_liftable(refusal->name) && !strcmp(request->allow[k].name, refusal->name) &&
			    refusal->has_addr && pvb_addr_matches(&request->allow[k].addr, &refusal->addr))
				refusal->allowed = true;
	}
}

void pvb_refusals_clear(struct pvb_refusals *refusals)
{
	free(refusals->list);
	memset(refusals, 0, sizeof(*refusals));
}
