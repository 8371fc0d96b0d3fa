/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways into the host, and which of them go with the devices that this run is about. */
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "ways.h"

#define ROUTES_MAX (16 << 20)
#define STACK_MAX 8 /* bridge on VLAN on bond, and then some */

bool ways_function_goes(const struct check_host *host, const struct pvb_function *fn)
{
	for (size_t i = 0; i < host->num_devices; i++) {
		const struct pvb_function *device = host->devices[i];

		if (pvb_addr_compare(&device->addr, &fn->addr) == 0)
			return true;
		if (!fn->bridge && fn->group >= 0 && fn->group == device->group)
			return true;
	}
	return false;
}

/* ---- interfaces ---- */

/* The PCI function an interface hangs on, at any depth (a USB adapter's is its controller). False: on none. */
static bool interface_function(const struct check_host *host, const char *name, struct pvb_addr *addr)
{
	char path[IFNAMSIZ + 32], target[512], *save = NULL;
	_conf_close_ int fd = -1;
	bool found = false;
	ssize_t n;

	snprintf(path, sizeof(path), "sys/class/net/%.*s", IFNAMSIZ, name);
	fd = pvb_open(host->ctx, path, O_PATH | O_NOFOLLOW);
	n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	for (char *part = strtok_r(target, "/", &save); part; part = strtok_r(NULL, "/", &save))
		if (strchr(part, '.') && strchr(part, ':') && pvb_addr_parse(part, addr, NULL) == 0)
			found = true;
	return found;
}

static void interface_note(const struct check_host *host, const char *name, const char *top, struct ways *ways)
{
	const struct pvb_function *fn = NULL;
	struct pvb_addr addr;
	char *text;

	if (interface_function(host, name, &addr) && host->snapshot)
		fn = pvb_snapshot_find(host->snapshot, &addr);
	text = fn && ways_function_goes(host, fn) ? ways->goes : ways->stays;
	if (!*text && !strcmp(name, top))
		conf_copy(text, sizeof(ways->stays), name);
	else if (!*text)
		snprintf(text, sizeof(ways->stays), "%s through %s", top, name);
}

static bool interface_virtual(const struct check_host *host, const char *name)
{
	char path[IFNAMSIZ + 48];

	snprintf(path, sizeof(path), "sys/devices/virtual/net/%.*s", IFNAMSIZ, name);
	return pvb_sysfs_exists(host->ctx, path);
}

/* Down to what has hardware: a bridge's ports, a bond's members, a VLAN's interface are its lower_* links. Ports of Open
 * vSwitch all hang on ovs-system, whatever bridge they are in. */
static void interface_walk(const struct check_host *host, const char *name, const char *top, unsigned depth, struct ways *ways)
{
	_conf_strv_ char **entries = NULL;
	char path[IFNAMSIZ + 32];
	bool lower = false;

	snprintf(path, sizeof(path), "sys/class/net/%.*s", IFNAMSIZ, name);
	if (depth > STACK_MAX || pvb_sysfs_list(host->ctx, path, &entries) < 0)
		return;
	for (char **entry = entries; *entry; entry++) {
		if (strncmp(*entry, "lower_", 6) != 0)
			continue;
		lower = true;
		interface_walk(host, *entry + 6, top, depth + 1, ways);
	}
	if (!lower && !interface_virtual(host, name) && *entries)
		interface_note(host, name, top, ways);
	else if (!lower && strcmp(name, "ovs-system") != 0 && pvb_sysfs_exists(host->ctx, "sys/class/net/ovs-system"))
		interface_walk(host, "ovs-system", top, depth + 1, ways);
}

/* ---- routes ---- */

/* A line of /proc/net/route or /proc/net/ipv6_route (an IPv6 one has its interface at the end). Link-local and multicast
 * routes, which every interface has, are none. */
static bool route_parse(const char *line, char name[IFNAMSIZ], bool *is_default)
{
	unsigned destination, mask, length, first;
	char net[33];

	if (sscanf(line, "%15s %8x %*x %*x %*d %*u %*d %8x", name, &destination, &mask) == 3) {
		*is_default = destination == 0 && mask == 0;
		return strcmp(name, "lo") && (destination & 0xffff) != 0xfea9; /* 169.254, as the kernel stores it */
	}
	if (sscanf(line, "%32[0-9a-f] %2x %*s %*x %*s %*x %*x %*x %*x %15s", net, &length, name) != 3 || strlen(net) != 32 ||
	    sscanf(net, "%4x", &first) != 1)
		return false;
	*is_default = length == 0 && strspn(net, "0") == 32;
	return strcmp(name, "lo") && (first & 0xffc0) != 0xfe80 && (first & 0xff00) != 0xff00;
}

static void routes_walk(const struct check_host *host, const char *table, bool defaults, struct ways *ways)
{
	char name[IFNAMSIZ];
	bool is_default;

	for (const char *line = table; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (route_parse(line, name, &is_default) && is_default == defaults)
			interface_walk(host, name, name, 0, ways);
}

static void routes_look(const struct check_host *host, struct ways *ways)
{
	static const char *const files[] = { "proc/net/route", "proc/net/ipv6_route" };
	char *tables[2] = { NULL, NULL };

	for (size_t i = 0; i < 2; i++)
		if (pvb_read_file(host->ctx, files[i], ROUTES_MAX, &tables[i], NULL) == 0)
			ways->routes_known = true;
		else
			tables[i] = NULL;
	for (int defaults = 1; defaults >= 0 && !*ways->stays && !*ways->goes; defaults--)
		for (size_t i = 0; i < 2; i++)
			if (tables[i])
				routes_walk(host, tables[i], defaults, ways);
	free(tables[0]);
	free(tables[1]);
}

/* ---- the rest ---- */

static bool folder_filled(const struct pvb_ctx *ctx, const char *path)
{
	_conf_strv_ char **names = NULL;

	return pvb_sysfs_list(ctx, path, &names) == 0 && *names;
}

/* /sys/class/ipmi has an entry once a driver talks to it; SPMI is the table by which the firmware tells of it. */
static bool bmc_there(const struct pvb_ctx *ctx)
{
	return folder_filled(ctx, "sys/class/ipmi") || pvb_sysfs_exists(ctx, "dev/ipmi0") ||
	       pvb_sysfs_exists(ctx, "sys/firmware/acpi/tables/SPMI");
}

static void functions_look(const struct check_host *host, struct ways *ways)
{
	for (size_t i = 0; host->snapshot && i < pvb_snapshot_count(host->snapshot); i++) {
		const struct pvb_function *fn = pvb_snapshot_get(host->snapshot, i);
		bool display = fn->class_code >> 16 == 0x03;

		if (!display && fn->class_code >> 16 != 0x02)
			continue;
		if (ways_function_goes(host, fn))
			ways->taken = ways->taken ? ways->taken : fn;
		else if (display && !fn->vfio && !ways->display)
			ways->display = fn;
	}
}

void ways_look(const struct check_host *host, struct ways *ways)
{
	unsigned in = pvb_ways_in(host->ctx);

	*ways = (struct ways){
		.listens = in & PVB_WAY_NETWORK, .serial = in & PVB_WAY_SERIAL, .bmc = bmc_there(host->ctx),
		.listens_known = pvb_sysfs_exists(host->ctx, "proc/net/tcp") || pvb_sysfs_exists(host->ctx, "proc/net/tcp6"),
	};
	routes_look(host, ways);
	functions_look(host, ways);
}
