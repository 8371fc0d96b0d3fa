/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that use the devices: which of them are to be stopped, and which speak against lending. */
#include <string.h>

#include "lend.h"

/* ---- what the settings name -------------------------------------------------------- */

static bool strv_has(char *const *list, const char *text)
{
	for (; *list; list++)
		if (!strcmp(*list, text))
			return true;
	return false;
}

static int stops_add(char **args, size_t *n, const char *names, const char *prefix, const char *suffix)
{
	_cleanup_free_ char *copy = strdup(names);
	char arg[sizeof(((struct pvb_op *)0)->arg)], *save = NULL;

	if (!copy)
		return -ENOMEM;
	for (char *name = strtok_r(copy, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		/* As systemctl understands a name without a dot. */
		if (pvb_format(arg, sizeof(arg), "%s%s%s", prefix, name, strchr(name, '.') ? "" : suffix) < 0)
			return -ENAMETOOLONG;
		if (strv_has(args, arg))
			continue;
		args[*n] = strdup(arg);
		if (!args[(*n)++])
			return -ENOMEM;
	}
	return 0;
}

int pvb_stops_list(const struct pvb_settings *settings, char ***out)
{
	size_t room = 1 + sizeof(settings->stop_units) + sizeof(settings->stop_containers), n = 0;
	_cleanup_strv_ char **args = calloc(room / 2, sizeof(*args)); /* a name and a blank each, at least */
	int r = args ? 0 : -ENOMEM;

	if (r == 0 && settings->busy_stop)
		r = stops_add(args, &n, settings->stop_units, "unit ", ".service");
	if (r == 0 && settings->busy_stop)
		r = stops_add(args, &n, settings->stop_containers, "container ", "");
	if (r < 0)
		return r;
	*out = args;
	args = NULL;
	return 0;
}

/* display-manager.service is a link to lightdm.service, which is what a process's cgroup says. False: no alias. */
static bool alias_follow(struct pvb_ctx *ctx, char name[PVB_NAME_MAX])
{
	static const char *const folders[] = { "etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system" };
	char path[PVB_PATH_MAX], target[PVB_NAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		if (pvb_format(path, sizeof(path), "%s/%s", folders[i], name) < 0 ||
		    pvb_sysfs_link(ctx, path, target, sizeof(target)) < 0 || !strchr(target, '.') || !strcmp(target, name))
			continue;
		memcpy(name, target, PVB_NAME_MAX);
		return true;
	}
	return false;
}

bool pvb_stop_covers(struct pvb_ctx *ctx, const char *arg, const struct pvb_holder *holder)
{
	char name[PVB_NAME_MAX];

	if (!strncmp(arg, "container ", 10))
		return !strcmp(holder->container, arg + 10);
	if (strncmp(arg, "unit ", 5) != 0 || !*holder->unit || pvb_format(name, sizeof(name), "%s", arg + 5) < 0)
		return false;
	for (int i = 0; i < 4; i++) {
		if (!strcmp(name, holder->unit))
			return true;
		if (!alias_follow(ctx, name))
			return false;
	}
	return false;
}

/* ---- who uses the devices -------------------------------------------------------------- */

int pvb_busy_look(struct pvb_ctx *ctx, const struct pvb_settings *settings, const struct pvb_snapshot *snapshot,
		  struct pvb_busy *busy)
{
	int r;

	*busy = (struct pvb_busy){ .ctx = ctx, .settings = settings };
	r = pvb_stops_list(settings, &busy->stops);
	for (size_t i = 0; r == 0 && i < pvb_snapshot_count(snapshot); i++) {
		const struct pvb_function *fn = pvb_snapshot_get(snapshot, i);

		if (!fn->bridge && !fn->vfio)
			r = pvb_device_nodes(ctx, fn, &busy->nodes);
	}
	if (r == 0 && busy->nodes.n)
		r = pvb_holders_find(ctx, &busy->nodes, &busy->holders);
	return r;
}

void pvb_busy_clear(struct pvb_busy *busy)
{
	pvb_nodes_clear(&busy->nodes);
	pvb_holders_clear(&busy->holders);
	pvb_strv_free(busy->stops);
	busy->stops = NULL;
}

/* Whether the function's driver has another device as well. */
static bool driver_has_others(struct pvb_ctx *ctx, const struct pvb_function *fn)
{
	_cleanup_strv_ char **names = NULL;
	char path[PVB_PATH_MAX];
	struct pvb_addr addr;
	unsigned n = 0;

	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", fn->driver);
	if (pvb_sysfs_list(ctx, path, &names) < 0)
		return false;
	for (char **name = names; *name; name++)
		n += pvb_addr_parse(*name, &addr, NULL) == 0;
	return n > 1;
}

/* Whether this open file is in the way of the function. Who has only /dev/nvidiactl uses another GPU, if there is one
 * (nvidia counts per GPU; whether the module can be unloaded is the gate's question); KFD has all GPUs at once. udev
 * opens every disk for a moment to see what is on it, and closes it by itself. */
static bool holder_matters(const struct pvb_busy *busy, const struct pvb_holder *holder, const struct pvb_function *fn)
{
	const struct pvb_node *node = &busy->nodes.list[holder->at];

	if (pvb_addr_compare(&node->addr, &fn->addr) != 0)
		return false;
	if (node->block && !strcmp(holder->unit, "systemd-udevd.service"))
		return false;
	return !(node->shared && !strcmp(fn->driver, "nvidia") && driver_has_others(busy->ctx, fn));
}

static bool holder_covered(const struct pvb_busy *busy, const struct pvb_holder *holder)
{
	for (char **arg = busy->stops; *arg; arg++)
		if (pvb_stop_covers(busy->ctx, *arg, holder))
			return true;
	return false;
}

/* ---- saying so ---------------------------------------------------------------------------- */

struct said {
	char list[250];                  /* "Xorg (pid 812, lightdm.service) has /dev/dri/card0 open; …" */
	char units[100], containers[40]; /* what could be stopped */
	unsigned n;                      /* processes */
};

/* Append with a separator unless it is there as a word; false, and not there, when it does not fit. */
static bool word_add(char *list, size_t size, const char *separator, const char *word)
{
	size_t have = strlen(list), n = strlen(word);

	for (const char *p = strstr(list, word); p; p = strstr(p + 1, word))
		if ((p == list || p[-1] == ' ') && (!p[n] || p[n] == ' '))
			return true;
	if (pvb_format(list + have, size - have, "%s%s", have ? separator : "", word) == 0)
		return true;
	list[have] = '\0';
	return false;
}

/* A service can be started again as it was; a session or a transient scope cannot. */
static bool unit_stoppable(const char *unit)
{
	size_t n = strlen(unit);

	return n > 8 && !strcmp(unit + n - 8, ".service") && strncmp(unit, "user@", 5) != 0;
}

/* One process, with all its nodes that matter: those behind the first of its entries too. */
static void process_words(const struct pvb_busy *busy, size_t at, const struct pvb_function *fn, char *buf, size_t size)
{
	const struct pvb_holder *first = &busy->holders.list[at];
	char who[200], nodes[160] = "";
	bool mapped = true;

	for (size_t i = at; i < busy->holders.n; i++) {
		const struct pvb_holder *holder = &busy->holders.list[i];
		bool shared = busy->nodes.list[holder->at].shared;
		char node[PVB_NAME_MAX + 16];

		if (holder->pid != first->pid || !holder_matters(busy, holder, fn))
			continue;
		snprintf(node, sizeof(node), "%s%s", holder->node, shared ? " (shared)" : "");
		word_add(nodes, sizeof(nodes), ", ", node);
		mapped = mapped && holder->mapped;
	}
	snprintf(buf, size, "%s has %s %s", pvb_holder_describe(first, who, sizeof(who)), nodes, mapped ? "mapped" : "open");
}

static bool process_said(const struct pvb_busy *busy, size_t at, const struct pvb_function *fn)
{
	for (size_t i = 0; i < at; i++)
		if (busy->holders.list[i].pid == busy->holders.list[at].pid && holder_matters(busy, &busy->holders.list[i], fn))
			return true;
	return false;
}

static bool process_say(const struct pvb_busy *busy, size_t at, const struct pvb_function *fn, struct said *said)
{
	const struct pvb_holder *holder = &busy->holders.list[at];
	char words[sizeof(said->list)];

	process_words(busy, at, fn, words, sizeof(words));
	if (!word_add(said->list, sizeof(said->list), "; ", words))
		return false;
	if (unit_stoppable(holder->unit) && !*holder->who)
		word_add(said->units, sizeof(said->units), " ", holder->unit);
	if (*holder->container)
		word_add(said->containers, sizeof(said->containers), " ", holder->container);
	said->n++;
	return true;
}

static int said_refuse(const struct pvb_busy *busy, const struct pvb_function *fn, const char *name, const struct said *said,
		       struct pvb_refusals *refusals)
{
	const char *them = said->n > 1 ? "them" : "it";
	char addr[PVB_ADDR_MAX], lists[200];

	pvb_addr_format(&fn->addr, addr);
	snprintf(lists, sizeof(lists), "%s%s%s%s%s", *said->units ? "stop-units = " : "", said->units,
		 *said->units && *said->containers ? ", " : "", *said->containers ? "stop-containers = " : "", said->containers);
	if (!strcmp(name, "backup"))
		return pvb_refuse(refusals, name, &fn->addr,
				  "%s is in use: %s; nothing is stopped for a backup: stop %s first, or back up while the VM runs",
				  addr, said->list, them);
	if (!*lists)
		return pvb_refuse(refusals, name, &fn->addr, "%s is in use: %s: end %s first", addr, said->list, them);
	return pvb_refuse(refusals, name, &fn->addr, "%s is in use: %s: stop %s, or let pvebind do it: %s%s", addr, said->list, them,
			  busy->settings->busy_stop ? "add " : "busy = stop and ", lists);
}

/* All processes that are covered by what may be stopped, or all that are not: in as many sentences as it takes. */
static int processes_refuse(const struct pvb_busy *busy, const struct pvb_function *fn, bool covered, struct pvb_refusals *refusals)
{
	const char *name = covered ? "backup" : "held";
	struct said said = { .n = 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < busy->holders.n; i++) {
		const struct pvb_holder *holder = &busy->holders.list[i];

		if (!holder_matters(busy, holder, fn) || process_said(busy, i, fn) || holder_covered(busy, holder) != covered)
			continue;
		if (process_say(busy, i, fn, &said))
			continue;
		r = said_refuse(busy, fn, name, &said, refusals);
		said = (struct said){ .n = 0 };
		process_say(busy, i, fn, &said);
	}
	return r == 0 && said.n ? said_refuse(busy, fn, name, &said, refusals) : r;
}

static bool function_has_nodes(const struct pvb_busy *busy, const struct pvb_function *fn)
{
	for (size_t i = 0; i < busy->nodes.n; i++)
		if (!pvb_addr_compare(&busy->nodes.list[i].addr, &fn->addr))
			return true;
	return false;
}

int pvb_busy_judge(const struct pvb_busy *busy, const struct pvb_function *fn, struct pvb_refusals *refusals)
{
	char addr[PVB_ADDR_MAX], why[160];
	int r = processes_refuse(busy, fn, false, refusals);

	/* A backup runs unasked, at night: the host's services are not stopped for it. */
	if (r == 0 && !strcmp(busy->settings->tag, "backup"))
		r = processes_refuse(busy, fn, true, refusals);
	if (r == 0 && function_has_nodes(busy, fn) && pvb_holders_unknown(busy->ctx, &busy->holders, why, sizeof(why)))
		r = pvb_refuse(refusals, "held", &fn->addr, "%s may be in use: %s; run pvebind as root, or end what hangs",
			       pvb_addr_format(&fn->addr, addr), why);
	return r;
}

bool pvb_busy_who(const struct pvb_busy *busy, const struct pvb_snapshot *snapshot, char *buf, size_t size)
{
	for (size_t i = 0; i < pvb_snapshot_count(snapshot); i++) {
		const struct pvb_function *fn = pvb_snapshot_get(snapshot, i);

		for (size_t k = 0; k < busy->holders.n; k++)
			if (holder_matters(busy, &busy->holders.list[k], fn)) {
				process_words(busy, k, fn, buf, size);
				return true;
			}
	}
	return pvb_holders_unknown(busy->ctx, &busy->holders, buf, size);
}

bool pvb_busy_next(const struct pvb_busy *busy, const struct pvb_function *fn, size_t *at, struct pvb_user *user)
{
	for (; *at < busy->holders.n; (*at)++) {
		const struct pvb_holder *holder = &busy->holders.list[*at];

		if (!holder_matters(busy, holder, fn) || process_said(busy, *at, fn))
			continue;
		*user = (struct pvb_user){ .pid = holder->pid, .stops = holder_covered(busy, holder) };
		memcpy(user->who, holder->who, sizeof(user->who));
		process_words(busy, (*at)++, fn, user->text, sizeof(user->text));
		return true;
	}
	return false;
}
