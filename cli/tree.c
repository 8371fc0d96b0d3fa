/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind list for people: group, slot, function. */
#include <stdarg.h>
#include <string.h>

#include "list.h"

/* Facts of one line, parted by "; ". What does not fit is left off. */
struct facts {
	char text[1024];
	size_t used;
};

static void PVB_PRINTF(2, 3) fact(struct facts *facts, const char *fmt, ...)
{
	size_t room = sizeof(facts->text) - facts->used;
	int n = snprintf(facts->text + facts->used, room, "%s", facts->used ? "; " : "");
	va_list ap;

	if ((size_t)n < room) {
		va_start(ap, fmt);
		n += vsnprintf(facts->text + facts->used + n, room - (size_t)n, fmt, ap);
		va_end(ap);
	}
	if ((size_t)n < room)
		facts->used += (size_t)n;
	facts->text[facts->used] = '\0';
}

/* ---- what a line says of a function ---- */

/* '-' and '_' are the same in a module's name. */
static bool module_same(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
			return false;
	return *a == *b;
}

/* Modules that would drive it as well: ", or nouveau, nvidiafb". */
static void others_add(char *buf, size_t size, char **names, const struct pvb_function *fn, const char *first)
{
	bool any = false;

	for (char **name = names; name && *name; name++) {
		size_t used = strlen(buf);

		if (module_same(*name, fn->module) || module_same(*name, fn->driver))
			continue;
		snprintf(buf + used, size - used, "%s%s", any ? ", " : first, *name);
		any = true;
	}
}

static void driver_add(struct facts *facts, const struct list_row *row)
{
	const struct pvb_function *fn = row->fn;
	char others[256] = "";

	others_add(others, sizeof(others), row->kind->modules, fn, *fn->driver ? ", else " : ", for ");
	others_add(others, sizeof(others), row->kind->variants, fn, ", for VMs also ");
	if (*fn->driver)
		fact(facts, "on %s%s", fn->driver, others);
	else
		fact(facts, "no driver%s", others);
}

static const char *speed_text(int speed, char buf[16])
{
	snprintf(buf, 16, speed % 1000 ? "%d.%d GT/s" : "%d GT/s", speed / 1000, speed % 1000 / 100);
	return buf;
}

static void link_add(struct facts *facts, const struct pvb_details *d)
{
	char now[16], most[16];

	if (d->link_width_max < 0 || d->link_speed_max < 0)
		return;
	speed_text(d->link_speed_max, most);
	if (d->link_width < 0 || d->link_speed < 0)
		fact(facts, "no link now, %s x%d at most", most, d->link_width_max);
	else if (d->link_width < d->link_width_max || d->link_speed < d->link_speed_max)
		fact(facts, "link %s x%d of %s x%d", speed_text(d->link_speed, now), d->link_width, most, d->link_width_max);
	else
		fact(facts, "link %s x%d", most, d->link_width_max);
}

static void size_text(uint64_t size, char buf[24])
{
	static const char *const units[] = { "MiB", "GiB", "TiB" };
	unsigned unit = 0;

	for (size >>= 20; size >= 1024 && unit < 2; unit++)
		size >>= 10;
	snprintf(buf, 24, "%llu %s", (unsigned long long)size, units[unit]);
}

/* The one that can be largest: a graphics card's memory. */
static void rebar_add(struct facts *facts, const struct pvb_details *d)
{
	const struct pvb_bar *largest = NULL;
	char now[24], most[24];

	for (size_t i = 0; i < PVB_BARS; i++)
		if (d->bars[i].sizes && (!largest || d->bars[i].sizes > largest->sizes))
			largest = &d->bars[i];
	if (!largest)
		return;
	size_text(largest->resized, now);
	size_text((uint64_t)1 << (20 + 63 - __builtin_clzll(largest->sizes)), most);
	fact(facts, "resizable BAR %s of %s", now, most);
}

static void sriov_add(struct facts *facts, const struct pvb_function *fn)
{
	char addr[PVB_ADDR_MAX];

	if (fn->is_vf)
		fact(facts, "virtual function of %s", pvb_addr_format(&fn->physfn, addr));
	if (fn->num_vfs)
		fact(facts, "has %u virtual function%s, so it stays itself", fn->num_vfs, fn->num_vfs > 1 ? "s" : "");
}

static void facts_make(const struct list_row *row, struct facts *facts)
{
	const struct pvb_function *fn = row->fn;

	if (*row->kind->name && *row->kind->class_name)
		fact(facts, "%s", row->kind->class_name);
	driver_add(facts, row);
	if (!fn->bridge && *fn->reset_methods)
		fact(facts, "reset: %s", fn->reset_methods);
	else if (!fn->bridge)
		fact(facts, "no reset of its own");
	sriov_add(facts, fn);
	if (row->details && !fn->bridge) {
		link_add(facts, row->details);
		rebar_add(facts, row->details);
	}
}

/* ---- lines ---- */

static void PVB_PRINTF(3, 4) line_print(unsigned column, enum cli_ink ink, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("%*s%s", (int)column, "", cli_ink(ink));
	cli_wrap(column, "%s", text);
	fputs(cli_ink(CLI_PLAIN), stdout);
}

static void vms_print(const struct list_row *row, unsigned column)
{
	for (size_t i = 0; i < row->num_vms; i++) {
		const struct list_vm *vm = row->vms[i];

		line_print(column, CLI_CYAN, "VM %u%s%s%s names it: %s", vm->vmid, *vm->name ? " (" : "", vm->name,
			   *vm->name ? ")" : "", vm->origin);
	}
}

static void state_print(const struct list_row *row, unsigned column)
{
	const struct pvb_lend *lend = row->lend;

	if (row->use && *row->use->disks)
		line_print(column, CLI_YELLOW, "the host uses a disk of it: %s", row->use->disks);
	if (row->use && *row->use->nics)
		line_print(column, CLI_YELLOW, "the host uses its network: %s", row->use->nics);
	if (lend)
		line_print(column, CLI_GREEN, "lent to %s: %s%s", lend->label, lend->unfinished ? "unfinished " : "",
			   pvb_state_name(lend->state));
	if (row->fn->off_bus)
		line_print(column, CLI_RED, "does not answer: it has fallen off the bus");
	if (row->stuck)
		line_print(column, CLI_RED, "hangs in the kernel: %s", row->stuck);
	if (row->details && row->details->hung)
		line_print(column, CLI_RED, "the kernel does not answer about it: it is being reset, or hangs");
}

static void row_print(const struct list_row *row, unsigned indent)
{
	struct facts facts = { .used = 0 };
	char addr[PVB_ADDR_MAX], name[32];
	unsigned column;

	pvb_addr_format(&row->fn->addr, addr);
	column = indent + (unsigned)strlen(addr) + 2;
	printf("%*s%s%s%s  ", (int)indent, "", cli_ink(CLI_BOLD), addr, cli_ink(CLI_PLAIN));
	cli_wrap(column, "%s [%04x:%04x]", list_name(row, name, sizeof(name)), row->fn->vendor, row->fn->device);
	facts_make(row, &facts);
	line_print(indent + 2, CLI_DIM, "%s", facts.text);
	state_print(row, indent + 2);
	vms_print(row, indent + 2);
}

/* ---- slots and groups ---- */

/* Rows from i on, before end, that are of one slot. */
static size_t slot_size(const struct list *list, size_t i, size_t end)
{
	struct pvb_addr slot = list->rows[i].fn->addr;
	size_t n = 1;

	slot.fn = PVB_FN_ALL;
	while (i + n < end && pvb_addr_matches(&slot, &list->rows[i + n].fn->addr))
		n++;
	return n;
}

static size_t chosen_count(const struct list *list, size_t i, size_t n)
{
	size_t count = 0;

	for (size_t k = i; k < i + n; k++)
		count += list->rows[k].chosen;
	return count;
}

static void slot_print(const struct list *list, size_t i, size_t n)
{
	const struct pvb_function *fn = list->rows[i].fn;
	struct pvb_addr slot = fn->addr;
	char addr[PVB_ADDR_MAX], bridge[PVB_ADDR_MAX];
	bool several = chosen_count(list, i, n) > 1;

	slot.fn = PVB_FN_ALL;
	if (several)
		printf("  %s%s%s\n", pvb_addr_format(&slot, addr), fn->num_bridges ? ", behind " : "",
		       fn->num_bridges ? pvb_addr_format(&fn->bridges[0], bridge) : "");
	for (size_t k = i; k < i + n; k++)
		if (list->rows[k].chosen)
			row_print(&list->rows[k], several ? 4 : 2);
}

static void group_head(const struct list *list, size_t i, size_t n)
{
	size_t count = chosen_count(list, i, n);
	int group = list->rows[i].fn->group;
	char part[64] = "";

	if (group < 0) {
		printf("%sIn no IOMMU group%s: cannot be lent; pvebind check tells why\n", cli_ink(CLI_BOLD), cli_ink(CLI_PLAIN));
		return;
	}
	if (count < n)
		snprintf(part, sizeof(part), " (%zu of its %zu functions)", count, n);
	printf("%sIOMMU group %d%s%s\n", cli_ink(CLI_BOLD), group, cli_ink(CLI_PLAIN), part);
}

static int group_print(const struct list *list, size_t i, size_t n, struct pvb_err *err)
{
	struct pvb_group_reason reason = { .why = PVB_GROUP_ALONE };
	int r = 0;

	if (list_group_mixed(list, i, n))
		r = list_group_explain(list, i, n, &reason, err);
	if (r == 0 && reason.why != PVB_GROUP_ALONE)
		line_print(2, CLI_YELLOW, "shared, so all of it goes to one VM: %s", reason.text);
	for (size_t k = i, size; r == 0 && k < i + n; k += size) {
		size = slot_size(list, k, i + n);
		slot_print(list, k, size);
	}
	return r;
}

int list_text(const struct list *list, struct pvb_err *err)
{
	bool first = true, headless = false;
	int r = 0;

	for (size_t i = 0, n; r == 0 && i < list->n; i += n) {
		bool none = list->rows[i].fn->group < 0;

		n = list_group_size(list, i);
		if (!chosen_count(list, i, n))
			continue;
		if (!first && !(none && headless))
			putchar('\n');
		if (!(none && headless))
			group_head(list, i, n);
		first = false;
		headless = none;
		r = group_print(list, i, n, err);
	}
	return r;
}
