/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a function's keys say, and the attributes that sysfs makes of it. */
#define _GNU_SOURCE
#include "machineparts.h"

#include <linux/pci_regs.h>
#include <stdlib.h>

const char *machine_key(const struct machine_function *f, const char *name)
{
	size_t n = strlen(name);

	for (int i = 0; i < f->num_keys; i++)
		if (!strncmp(f->keys[i], name, n) && f->keys[i][n] == '=')
			return f->keys[i] + n + 1;
	return NULL;
}

unsigned machine_key_number(const struct machine_function *f, const char *name, int base, unsigned without)
{
	const char *value = machine_key(f, name);

	return value ? (unsigned)strtoul(value, NULL, base) : without;
}

/* ---- its configuration space ---------------------------------------------------------- */

/* "16M" */
static uint64_t size_parse(const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	uint64_t size = strtoull(text, &end, 0);
	const char *unit = *end ? strchr(units, *end) : NULL;

	return unit ? size << 10 * (unit - units + 1) : size;
}

/* "SIZE[,64][,pref][,io][,at=ADDRESS][,unassigned]"; without at= below 4 GiB, each where no other is. */
static void bar_parse(struct ft_tree *t, struct machine_bar *bar, const char *text)
{
	const char *at = strstr(text, ",at=");

	bar->size = size_parse(text);
	bar->io = strstr(text, ",io") != NULL;
	bar->wide = strstr(text, ",64") != NULL;
	bar->prefetchable = strstr(text, ",pref") != NULL;
	bar->unassigned = strstr(text, ",unassigned") != NULL;
	if (at)
		bar->start = strtoull(at + 4, NULL, 16);
	else if (bar->io)
		bar->start = 0x3000 + t->bars++ % 0xc0 * 0x100;
	else
		bar->start = 0x80000000ull + (t->bars++ & 0x3ff) * 0x100000ull;
}

static const char *const speeds[] = { "Unknown", "2.5", "5.0", "8.0", "16.0", "32.0", "64.0" };
#define SPEEDS (sizeof(speeds) / sizeof(speeds[0]))

/* "8" is 8.0 GT/s: 3 */
static unsigned speed_parse(const char *text)
{
	unsigned code = 1;

	while (code < SPEEDS - 1 && strtod(speeds[code], NULL) < strtod(text, NULL))
		code++;
	return code;
}

/* "8x16" or, where it could do more, "2.5x8/16x16" */
static void link_parse(struct machine_config *c, const char *text)
{
	const char *most = strchr(text, '/') ? strchr(text, '/') + 1 : text;

	c->speed = speed_parse(text);
	c->width = (unsigned)atoi(strchrnul(text, 'x') + 1);
	c->max_speed = speed_parse(most);
	c->max_width = (unsigned)atoi(strchrnul(most, 'x') + 1);
}

static unsigned type_of(const struct machine_function *f)
{
	static const struct { const char *name; unsigned type; } types[] = {
		{ "endpoint", PCI_EXP_TYPE_ENDPOINT }, { "legacy", PCI_EXP_TYPE_LEG_END }, { "root-port", PCI_EXP_TYPE_ROOT_PORT },
		{ "upstream", PCI_EXP_TYPE_UPSTREAM }, { "downstream", PCI_EXP_TYPE_DOWNSTREAM },
		{ "pci-bridge", PCI_EXP_TYPE_PCI_BRIDGE }, { "integrated", PCI_EXP_TYPE_RC_END },
	};
	const char *type = machine_key(f, "type");

	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i].name, type))
			return types[i].type;
	if (!machine_key(f, "parent"))
		return machine_key(f, "secondary") ? PCI_EXP_TYPE_ROOT_PORT : PCI_EXP_TYPE_RC_END;
	return machine_key(f, "secondary") ? PCI_EXP_TYPE_DOWNSTREAM : PCI_EXP_TYPE_ENDPOINT;
}

static void bars_parse(struct ft_tree *t, struct machine_function *f)
{
	bool any = false;

	for (size_t i = 0; i < MACHINE_BARS; i++) {
		const char *value = machine_key(f, i < 6 ? fk_path("bar%zu", i).s : "rom");
		const char *sizes = i < 6 ? machine_key(f, fk_path("rebar%zu", i).s) : NULL;

		if (value)
			bar_parse(t, &f->config.bar[i], value);
		if (sizes)
			f->config.resizable[i] = (uint32_t)strtoul(sizes, NULL, 16) << 4;
		any = any || value;
	}
	if (!any && !f->config.secondary && !f->config.vf)
		bar_parse(t, &f->config.bar[0], "64K");
}

void machine_config_parse(struct ft_tree *t, struct machine_function *f)
{
	struct machine_config *c = &f->config;
	const char *reset = machine_key(f, "reset"), *sub = machine_key(f, "sub"), *type = machine_key(f, "type");
	const char *aer = machine_key(f, "aer"), *config = machine_key(f, "config"), *power = machine_key(f, "power");

	memset(c, 0, sizeof(*c));
	sscanf(machine_key(f, "id"), "%x:%x", &c->vendor, &c->device);
	if (sub)
		sscanf(sub, "%x:%x", &c->subvendor, &c->subdevice);
	c->class_code = machine_key_number(f, "class", 16, 0);
	c->revision = machine_key_number(f, "rev", 16, 0);
	c->secondary = machine_key_number(f, "secondary", 16, 0);
	c->subordinate = machine_key_number(f, "subordinate", 16, c->secondary);
	sscanf(f->bdf, "%*x:%x", &c->bus);
	c->pcie = !type || strcmp(type, "pci") != 0;
	c->type = type_of(f);
	c->no_flr = !reset || !strstr(reset, "flr");
	c->no_soft_reset = !reset || !strstr(reset, "pm");
	c->off = config && !strcmp(config, "off");
	c->vf = machine_key(f, "vf-of") != NULL;
	c->power = power && !strcmp(power, "D3hot") ? 3 : 0;
	c->acs = machine_key(f, "acs") ? (int)machine_key_number(f, "acs", 16, 0) : -1;
	c->ari = machine_key(f, "ari") != NULL;
	c->aer = c->pcie && c->type != PCI_EXP_TYPE_RC_END && (!aer || strcmp(aer, "none"));
	if (machine_key(f, "sriov"))
		sscanf(machine_key(f, "sriov"), "%u/%u", &c->vfs, &c->total_vfs);
	if (machine_key(f, "link"))
		link_parse(c, machine_key(f, "link"));
	bars_parse(t, f);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

void machine_config_put(struct ft_tree *t, const struct machine_function *f)
{
	const char *given = machine_key(f, "config");
	unsigned char bytes[4096];
	size_t n = 0;

	if (!given || !strcmp(given, "off"))
		n = machine_config_make(&f->config, bytes);
	for (const char *s = n ? "" : given; n < sizeof(bytes) && hex_digit(s[0]) >= 0 && hex_digit(s[1]) >= 0; s += 2)
		bytes[n++] = (unsigned char)(hex_digit(s[0]) << 4 | hex_digit(s[1]));
	ft_put(t, fk_path("%s/config", ft_device_path(t, f->bdf)).s, bytes, n);
}

/* ---- its attributes ----------------------------------------------------------------------- */

static void resource_put(struct ft_tree *t, const char *dir, const struct machine_config *c)
{
	char text[2048] = "";
	size_t n = 0;

	for (size_t i = 0; i < 13; i++) {
		const struct machine_bar *bar = i < MACHINE_BARS ? &c->bar[i] : NULL;
		uint64_t start = bar && !bar->unassigned ? bar->start : 0, end = bar && bar->size ? start + bar->size - 1 : 0;
		unsigned flags = 0; /* <linux/ioport.h> */

		if (bar && bar->size)
			flags = bar->io ? 0x40101 : 0x40200 | (bar->wide ? 0x100004 : 0) | (bar->prefetchable ? 0x2008 : 0) |
					(i == 6 ? 0x6000 : 0);
		if (flags && bar->unassigned)
			flags |= 0x20000000;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "0x%016llx 0x%016llx 0x%016llx\n",
				      (unsigned long long)(flags ? start : 0), (unsigned long long)end, (unsigned long long)flags);
	}
	ft_write(t, fk_path("%s/resource", dir).s, text);
	for (size_t i = 0; i < 6; i++) {
		if (c->resizable[i])
			ft_attr(t, dir, fk_path("resource%zu_resize", i).s, "%016x\n", c->resizable[i] >> 4);
		if (c->bar[i].size)
			ft_attr(t, dir, fk_path("resource%zu", i).s, "%s", "");
	}
}

static void link_put(struct ft_tree *t, const char *dir, const struct machine_config *c)
{
	if (!c->width)
		return;
	ft_attr(t, dir, "current_link_speed", "%s GT/s PCIe\n", speeds[c->speed]);
	ft_attr(t, dir, "current_link_width", "%u\n", c->width);
	ft_attr(t, dir, "max_link_speed", "%s GT/s PCIe\n", speeds[c->max_speed]);
	ft_attr(t, dir, "max_link_width", "%u\n", c->max_width);
}

/* aer=CORRECTABLE/NONFATAL/FATAL; the kernel's words, drivers/pci/pcie/aer.c. */
static void aer_put(struct ft_tree *t, const char *dir, const struct machine_function *f)
{
	static const char fatal_words[] =
		"Undefined 0\nDLP %u\nSDES 0\nTLP 0\nFCP 0\nCmpltTO %u\nCmpltAbrt 0\nUnxCmplt 0\nRxOF 0\nMalfTLP 0\nECRC 0\n"
		"UnsupReq 0\nACSViol 0\nUncorrIntErr 0\nBlockedTLP 0\nAtomicOpBlocked 0\nTLPBlockedErr 0\nPoisonTLPBlocked 0\n"
		"TOTAL_ERR_%s %u\n";
	const char *counts = machine_key(f, "aer");
	unsigned correctable = 0, nonfatal = 0, fatal = 0;

	if (!f->config.aer)
		return;
	if (counts)
		sscanf(counts, "%u/%u/%u", &correctable, &nonfatal, &fatal);
	ft_attr(t, dir, "aer_dev_correctable", "RxErr %u\nBadTLP 0\nBadDLLP 0\nRollover 0\nTimeout 0\nNonFatalErr 0\n"
		"CorrIntErr 0\nHeaderOF 0\nTOTAL_ERR_COR %u\n", correctable, correctable);
	ft_attr(t, dir, "aer_dev_nonfatal", fatal_words, 0u, nonfatal, "NONFATAL", nonfatal);
	ft_attr(t, dir, "aer_dev_fatal", fatal_words, fatal, 0u, "FATAL", fatal);
}

static void sriov_put(struct ft_tree *t, const char *dir, const struct machine_config *c)
{
	if (!c->total_vfs)
		return;
	ft_attr(t, dir, "sriov_totalvfs", "%u\n", c->total_vfs);
	ft_attr(t, dir, "sriov_numvfs", "%u\n", c->vfs);
	ft_attr(t, dir, "sriov_drivers_autoprobe", "1\n");
	ft_attr(t, dir, "sriov_offset", "1\n");
	ft_attr(t, dir, "sriov_stride", "1\n");
}

void machine_attributes_put(struct ft_tree *t, const struct machine_function *f)
{
	const struct machine_config *c = &f->config;
	struct fk_path dir = fk_path("%s", ft_device_path(t, f->bdf));
	const char *power = machine_key(f, "power"), *runtime = machine_key(f, "runtime"), *control = machine_key(f, "control");

	ft_attr(t, dir.s, "revision", "0x%02x\n", c->revision);
	ft_attr(t, dir.s, "numa_node", "%d\n", machine_key(f, "numa") ? atoi(machine_key(f, "numa")) : -1);
	ft_attr(t, dir.s, "irq", "%d\n", c->secondary ? 24 : 16);
	ft_attr(t, dir.s, "power_state", "%s\n", power ? power : "D0");
	ft_attr(t, dir.s, "d3cold_allowed", "%u\n", machine_key_number(f, "d3cold", 10, 1));
	if (runtime)
		ft_attr(t, dir.s, "power/runtime_status", "%s\n", runtime);
	if (control)
		ft_attr(t, dir.s, "power/control", "%s\n", control);
	if (c->class_code >> 8 == 0x0300)
		ft_attr(t, dir.s, "boot_vga", "%u\n", machine_key_number(f, "boot_vga", 10, 0));
	if (c->secondary)
		ft_attr(t, dir.s, "subordinate_bus_number", "%u\n", c->subordinate);
	if (c->bar[6].size)
		ft_attr(t, dir.s, "rom", "%s", "");
	resource_put(t, dir.s, c);
	link_put(t, dir.s, c);
	aer_put(t, dir.s, f);
	sriov_put(t, dir.s, c);
	machine_config_put(t, f);
}
