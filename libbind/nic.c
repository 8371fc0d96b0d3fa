/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the host uses a network interface: addresses and routes, its own or those of what is stacked on it. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "critical.h"

#define STACK_MAX 64 /* interfaces: one, and the bridges, bonds and VLANs on it */

struct stack {
	struct pvb_ctx *ctx;
	struct pvb_uses *uses;
	const char *nic;                /* the interface below the function */
	char names[STACK_MAX][IFNAMSIZ]; /* it, then all that is stacked on it */
	size_t n;
	const struct pvb_tables *tables;
};

/* "" for the interface itself, " through vmbr0" for one on top of it. */
static const char *stack_through(const struct stack *s, size_t i, char buf[IFNAMSIZ + 16])
{
	snprintf(buf, IFNAMSIZ + 16, i ? " through %s" : "%.0s", s->names[i]);
	return buf;
}

static void stack_add(struct stack *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->names[i], name))
			return;
	if (s->n == STACK_MAX || pvb_format(s->names[s->n], IFNAMSIZ, "%s", name) < 0) {
		pvb_uses_add(s->uses, "%s carries more interfaces than can be looked at", s->nic);
		return;
	}
	s->n++;
}

/* What is directly on the interface: its upper_* links, and its master (the same, but for old kernels). */
static int uppers_add(struct stack *s, const char *name)
{
	_cleanup_strv_ char **entries = NULL;
	char path[PVB_PATH_MAX], master[IFNAMSIZ];
	int r = pvb_format(path, sizeof(path), "sys/class/net/%s", name);

	if (r == 0)
		r = pvb_sysfs_list(s->ctx, path, &entries);
	if (r) {
		pvb_uses_add(s->uses, "what is on %s cannot be read (%s)", name, strerror(-r));
		return r == -ENOMEM ? r : 0;
	}
	for (char **entry = entries; *entry; entry++)
		if (!strncmp(*entry, "upper_", 6))
			stack_add(s, *entry + 6);
	if (pvb_format(path, sizeof(path), "sys/class/net/%s/master", name) == 0 &&
	    pvb_sysfs_link(s->ctx, path, master, sizeof(master)) == 0 && *master)
		stack_add(s, master);
	return 0;
}

/* Link-local and loopback addresses come by themselves and serve nobody elsewhere. */
static bool address_counts(const struct ifaddrs *entry, char *text, size_t size)
{
	const struct sockaddr_in *in4 = (const void *)entry->ifa_addr;
	const struct sockaddr_in6 *in6 = (const void *)entry->ifa_addr;

	if (!entry->ifa_addr)
		return false;
	if (entry->ifa_addr->sa_family == AF_INET)
		return ntohl(in4->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET &&
		       inet_ntop(AF_INET, &in4->sin_addr, text, (socklen_t)size);
	if (entry->ifa_addr->sa_family == AF_INET6)
		return !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) && !IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) &&
		       inet_ntop(AF_INET6, &in6->sin6_addr, text, (socklen_t)size);
	return false;
}

/* Returns whether there was one. */
static bool addresses_look(struct stack *s, size_t i)
{
	char text[INET6_ADDRSTRLEN], list[160] = "", through[IFNAMSIZ + 16];
	size_t len = strlen(s->names[i]), have = 0, n = 0;

	for (const struct ifaddrs *entry = s->tables->addresses; entry; entry = entry->ifa_next) {
		/* An IPv4 address may carry a label, "eth0:1", in the name's place. */
		if (strncmp(entry->ifa_name, s->names[i], len) != 0 ||
		    (entry->ifa_name[len] && entry->ifa_name[len] != ':'))
			continue;
		if (!address_counts(entry, text, sizeof(text)))
			continue;
		if (pvb_format(list + have, sizeof(list) - have, "%s%s", n++ ? " and " : "", text) < 0)
			list[have] = '\0';
		have = strlen(list);
	}
	if (n)
		pvb_uses_add(s->uses, "%s has the address%s %s%s", s->nic, n > 1 ? "es" : "", list,
			     stack_through(s, i, through));
	return n > 0;
}

/* A line of /proc/net/route: "eth0 00000000 0102A8C0 0003 0 0 0 00000000 …": interface, destination, …, mask. */
static bool route4_parse(const char *line, char name[IFNAMSIZ], bool *is_default)
{
	unsigned destination, mask;

	if (sscanf(line, "%15s %8x %*x %*x %*d %*u %*d %8x", name, &destination, &mask) != 3)
		return false;
	*is_default = destination == 0 && mask == 0;
	return true;
}

/* A line of /proc/net/ipv6_route: destination, its prefix length, …, interface at the end. Every interface
 * that is up has fe80::/64 and ff00::/8, which say nothing. */
static bool route6_parse(const char *line, char name[IFNAMSIZ], bool *is_default)
{
	char destination[33];
	unsigned first, length;

	if (sscanf(line, "%32s %2x %*s %*x %*s %*x %*x %*x %*x %15s", destination, &length, name) != 3)
		return false;
	if (sscanf(destination, "%4x", &first) != 1 || (first & 0xffc0) == 0xfe80 || (first & 0xff00) == 0xff00)
		return false;
	*is_default = length == 0 && strspn(destination, "0") == 32;
	return true;
}

typedef bool route_parse_fn(const char *line, char name[IFNAMSIZ], bool *is_default);

static int routes_look(struct stack *s, size_t i, const char *table, route_parse_fn *parse, bool *any, bool *dflt)
{
	_cleanup_free_ char *copy = strdup(table);
	char name[IFNAMSIZ], *save = NULL;
	bool is_default;

	if (!copy)
		return -ENOMEM;
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!parse(line, name, &is_default) || strcmp(name, s->names[i]) != 0)
			continue;
		*any = true;
		*dflt = *dflt || is_default;
	}
	return 0;
}

/* Everything one interface of the stack is used for. */
static int interface_look(struct stack *s, size_t i)
{
	bool addressed, any = false, dflt = false;
	char through[IFNAMSIZ + 16];
	int r = 0;

	/* Ports of Open vSwitch hang on this one interface, whatever bridge they are in; sysfs does not
	 * say which, so that none can be called unused. */
	if (!strcmp(s->names[i], "ovs-system"))
		pvb_uses_add(s->uses, "%s is a port of Open vSwitch", s->nic);
	addressed = addresses_look(s, i);
	r = routes_look(s, i, s->tables->routes4, route4_parse, &any, &dflt);
	if (r == 0)
		r = routes_look(s, i, s->tables->routes6, route6_parse, &any, &dflt);
	if (dflt)
		pvb_uses_add(s->uses, "%s carries the default route%s", s->nic, stack_through(s, i, through));
	else if (any && !addressed)
		pvb_uses_add(s->uses, "%s carries a route%s", s->nic, stack_through(s, i, through));
	return r;
}

static int nic_look(struct stack *s, const char *path)
{
	const char *slash = strrchr(path, '/');
	int r = 0;

	s->nic = slash ? slash + 1 : path;
	s->n = 0;
	stack_add(s, s->nic);
	for (size_t i = 0; r == 0 && i < s->n; i++) {
		r = uppers_add(s, s->names[i]);
		if (r == 0)
			r = interface_look(s, i);
	}
	return r;
}

static int table_read(struct pvb_ctx *ctx, const char *path, bool may_lack, struct pvb_uses *unread, char **text)
{
	int r = pvb_read_file(ctx, path, 64 << 20, text, NULL);

	if (r == 0 || r == -ENOMEM)
		return r;
	if (r != -ENOENT || !may_lack)
		pvb_uses_add(unread, "/%s cannot be read to see whether they are used (%s)", path, strerror(-r));
	*text = strdup("");
	return *text ? 0 : -ENOMEM;
}

/* Once for all functions. */
static int tables_read(struct pvb_ctx *ctx, struct pvb_tables *tables)
{
	int r = 0;

	if (tables->routes6)
		return 0;
	/* The kernel has no root directory: a test's tree knows only routes. */
	if (!tables->routes4 && ctx->real_root && getifaddrs(&tables->addresses) < 0)
		pvb_uses_add(&tables->nics_unread, "addresses cannot be read to see whether they are used (%s)",
			     strerror(errno));
	if (!tables->routes4)
		r = table_read(ctx, "proc/net/route", false, &tables->nics_unread, &tables->routes4);
	if (r == 0)
		r = table_read(ctx, "proc/net/ipv6_route", true, &tables->nics_unread, &tables->routes6); /* absent without IPv6 */
	return r;
}

void pvb_tables_clear(struct pvb_tables *tables)
{
	if (tables->addresses)
		freeifaddrs(tables->addresses);
	free(tables->mounts);
	free(tables->swaps);
	free(tables->routes4);
	free(tables->routes6);
	memset(tables, 0, sizeof(*tables));
}

int pvb_nic_uses(struct pvb_ctx *ctx, struct pvb_tables *tables, const struct pvb_paths *nics, struct pvb_uses *uses)
{
	struct stack s = { .ctx = ctx, .uses = uses, .tables = tables };
	int r = tables_read(ctx, tables);

	if (r == 0 && *tables->nics_unread.text)
		pvb_uses_add(uses, "%s", tables->nics_unread.text);
	for (size_t i = 0; r == 0 && i < nics->n; i++)
		r = nic_look(&s, nics->list[i]);
	return r;
}
