/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 10: where high availability takes the VM, and whether its devices are there. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vm.h"

#define HA_FOLDER "/etc/pve/ha/"
#define HA_RULES_PM "usr/share/perl5/PVE/HA/Rules.pm"
#define LACKS_MAX 16
#define NAMES_MAX 512 /* bytes for a list of nodes */

/* Why the VM does without a device on some of the nodes. */
struct lack {
	char why[320];         /* "mapping 'gpu' (hostpci0) has no device" */
	char nodes[NAMES_MAX]; /* "pve2, pve3" */
};

struct ha {
	struct check_run *run;
	char bound[NAMES_MAX];     /* the only nodes that it may be started on, as the rule or group has them; "": any */
	struct conf_settings here; /* what pvebind.ini says on this node */
	const char *node;          /* that is looked at */
	bool lacking;              /* … and lacks something */
	char others[NAMES_MAX];    /* nodes that it may be started on, but for this one: "pve2, pve3" */
	char whole[NAMES_MAX];     /* those that lack nothing: "pve1,pve3" */
	struct lack lacks[LACKS_MAX];
	size_t n;
};

static void name_add(char names[NAMES_MAX], const char *separator, const char *name)
{
	size_t used = strlen(names);

	snprintf(names + used, NAMES_MAX - used, "%s%s", used ? separator : "", name);
}

/* ---- which nodes ---- */

/* "pve1:2,pve2", with priorities. */
static bool nodes_have(const char *nodes, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = nodes; *p; p += strcspn(p, ",; \t"), p += strspn(p, ",; \t"))
		if (!strncmp(p, name, n) && (!p[n] || strchr(":,; \t", p[n])))
			return true;
	return false;
}

/* Of Proxmox VE 9: PVE/HA/Rules/NodeAffinity.pm. */
static bool rule_binds(const struct conf_block *rule, const char *resource)
{
	const char *resources = conf_block_value(rule, "resources");

	return !strcmp(rule->type, "node-affinity") && resources && conf_list_has(resources, resource) &&
	       !conf_block_on(rule, "disable") && conf_block_on(rule, "strict");
}

/* Of the versions before: PVE/HA/Groups.pm. */
static bool group_binds(const struct conf_block *group, const char *name)
{
	return name && !strcmp(group->id, name) && conf_block_on(group, "restricted");
}

/* The nodes that a rule, or the resource's group, keeps the VM on. */
static void bound_find(struct ha *ha, const struct conf_block *resource)
{
	struct pvb_ctx *ctx = ha->run->host.ctx;
	struct conf_blocks rules, groups;
	struct pvb_err ignored; /* there need not be any */
	const char *nodes = NULL;
	char name[32];

	snprintf(name, sizeof(name), "vm:%u", ha->run->host.vmid);
	if (conf_blocks_load(ctx, HA_FOLDER "groups.cfg", &groups, &ignored) == 0)
		for (size_t i = 0; i < groups.n; i++)
			if (group_binds(&groups.list[i], conf_block_value(resource, "group")))
				nodes = conf_block_value(&groups.list[i], "nodes");
	if (conf_blocks_load(ctx, HA_FOLDER "rules.cfg", &rules, &ignored) == 0)
		for (size_t i = 0; i < rules.n; i++)
			if (rule_binds(&rules.list[i], name))
				nodes = conf_block_value(&rules.list[i], "nodes");
	snprintf(ha->bound, sizeof(ha->bound), "%s", nodes ? nodes : "");
	conf_blocks_clear(&groups);
	conf_blocks_clear(&rules);
}

/* ---- what is not there ---- */

static void PVB_PRINTF(2, 3) lack_add(struct ha *ha, const char *fmt, ...)
{
	char why[sizeof(ha->lacks[0].why)];
	size_t i = 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	ha->lacking = true;
	while (i < ha->n && strcmp(ha->lacks[i].why, why) != 0)
		i++;
	if (i == LACKS_MAX)
		return;
	if (i == ha->n)
		ha->lacks[ha->n++] = (struct lack){ .nodes = "" };
	memcpy(ha->lacks[i].why, why, sizeof(why));
	name_add(ha->lacks[i].nodes, ", ", ha->node);
}

static void address_lack(struct ha *ha, const char *origin)
{
	lack_add(ha, "%s names a device of this node by its address: there that is nothing, or something else", origin);
}

static void mapping_look(struct ha *ha, const char *origin, const char *name)
{
	struct conf_mapping mapping;
	struct pvb_err ignored; /* a mapping that is bad everywhere is named by the check that reads it for this node */

	if (conf_mapping_load(ha->run->host.ctx, name, ha->node, &mapping, &ignored) == -ENOENT)
		lack_add(ha, "mapping '%s' (%s) has no device: the start is refused", name, origin);
	conf_mapping_clear(&mapping);
}

static void hostpcis_look(struct ha *ha)
{
	for (unsigned i = 0; i < CONF_HOSTPCI_MAX; i++) {
		const struct conf_hostpci *hostpci = vm_hostpci(ha->run, i);
		char origin[16];

		snprintf(origin, sizeof(origin), "hostpci%u", i);
		if (hostpci && *hostpci->mapping)
			mapping_look(ha, origin, hostpci->mapping);
		else if (hostpci)
			address_lack(ha, origin);
	}
}

/* An address that stands in the same line for both nodes was hardly meant for both. */
static void device_look(struct ha *ha, const struct conf_device *there)
{
	const struct conf_device *here = conf_settings_device(&ha->here, there->name);
	char origin[96];

	snprintf(origin, sizeof(origin), "[device %s]", there->name);
	if (there->match.kind == CONF_MATCH_NONE)
		lack_add(ha, "%s has no match: the start is refused", origin);
	else if (there->match.kind == CONF_MATCH_MAPPING)
		mapping_look(ha, origin, there->match.mapping);
	else if (there->match.kind == CONF_MATCH_ADDR && here && here->match.line == there->match.line)
		address_lack(ha, origin);
}

static void names_look(struct ha *ha, const struct conf_settings *there)
{
	const struct conf_names *names = &there->options.devices;

	for (unsigned i = 0; i < names->n; i++) {
		const struct conf_device *device = conf_settings_device(there, names->list[i]);

		if (!strcmp(names->list[i], "hostpci"))
			hostpcis_look(ha);
		else if (device)
			device_look(ha, device);
		else if (names->line == ha->here.options.devices.line)
			address_lack(ha, "devices");
	}
}

/* A node's own pvebind.ini is not seen from here. */
static bool is_own(const struct ha *ha, const struct conf_settings *settings)
{
	return !ha->run->host.front->config && !strcmp(settings->file, CONF_INI_LOCAL);
}

static void node_look(struct ha *ha)
{
	struct check_host *host = &ha->run->host;
	struct conf_settings there;
	struct pvb_err err;
	int r = conf_settings_load(host->ctx, host->front->config, host->vmid, ha->node, &there, &err);

	if (r < 0)
		lack_add(ha, "the start is refused: %s", err.text);
	else if (is_own(ha, &there) && there.options.devices.line)
		lack_add(ha, "what this node's own " CONF_INI_LOCAL " says of its devices does not count");
	else if (is_own(ha, &there))
		hostpcis_look(ha);
	else
		names_look(ha, &there);
	conf_settings_clear(&there);
}

static void nodes_look(struct ha *ha, char *const *names)
{
	const char *own = ha->run->host.node;

	for (; *names; names++) {
		if (*ha->bound && !nodes_have(ha->bound, *names))
			continue;
		ha->node = *names;
		ha->lacking = false;
		if (strcmp(*names, own) != 0) {
			name_add(ha->others, ", ", *names);
			node_look(ha);
		}
		if (!ha->lacking)
			name_add(ha->whole, ",", *names);
	}
	if (!*ha->whole)
		name_add(ha->whole, ",", own);
}

/* ---- what is said ---- */

static unsigned long tries_get(const struct conf_block *resource, const char *key)
{
	const char *value = conf_block_value(resource, key);
	unsigned long tries = 1; /* PVE/HA/Resources.pm */

	if (value)
		conf_number_parse(value, 1000, &tries);
	return tries;
}

/* What becomes of a start that fails: PVE::HA's LRM.pm (handle_service_exitcode), Manager.pm (next_state_started). */
static const char *policy_text(const struct conf_block *resource, char *buf, size_t size)
{
	unsigned long tries = tries_get(resource, "max_restart") + 1, moves = tries_get(resource, "max_relocate");
	int n = snprintf(buf, size, "a start that fails is tried %lu time%s", tries, tries == 1 ? "" : "s");

	if (moves)
		snprintf(buf + n, size - (size_t)n, ", then on another node (%lu at most), then the VM is in state error", moves);
	else
		snprintf(buf + n, size - (size_t)n, ", then the VM is in state error");
	return buf;
}

/* Rules took the place of groups in Proxmox VE 9. */
static void commands_say(const struct ha *ha)
{
	unsigned vmid = ha->run->host.vmid;

	if (pvb_sysfs_exists(ha->run->host.ctx, HA_RULES_PM)) {
		check_command(ha->run, "ha-manager rules add node-affinity vm%u-here --resources vm:%u --nodes %s --strict 1", vmid, vmid,
			      ha->whole);
		return;
	}
	check_command(ha->run, "ha-manager groupadd vm%u-here --nodes %s --restricted 1", vmid, ha->whole);
	check_command(ha->run, "ha-manager set vm:%u --group vm%u-here", vmid, vmid);
}

static void nodes_say(const struct ha *ha, const char *place, const struct conf_block *resource)
{
	unsigned vmid = ha->run->host.vmid;
	char policy[160];

	policy_text(resource, policy, sizeof(policy));
	if (!*ha->others && *ha->bound)
		check_ok(ha->run, place, "high availability keeps VM %u on this node", vmid);
	else if (!*ha->others)
		check_ok(ha->run, place, "high availability starts VM %u again; there is no other node", vmid);
	else if (!ha->n)
		check_ok(ha->run, place,
			 "high availability may start VM %u on %s, where its devices have their names, in mappings or pvebind.ini; pvebind must be there as well; %s",
			 vmid, ha->others, policy);
	for (size_t i = 0; i < ha->n; i++)
		check_warn(ha->run, place, "high availability may start VM %u on %s, where %s%s%s", vmid, ha->lacks[i].nodes,
			   ha->lacks[i].why, i ? "" : "; ", i ? "" : policy);
	if (!ha->n)
		return;
	check_advise(ha->run,
		     "Name the devices by a mapping that has an entry for each node (Datacenter, Resource Mappings); or keep the VM where they are:");
	commands_say(ha);
}

static void resource_say(struct check_run *run, const struct conf_block *resource)
{
	struct check_host *host = &run->host;
	struct ha ha = { .run = run };
	_conf_strv_ char **names = NULL;
	const char *state = conf_block_value(resource, "state");
	char place[VM_PLACE_MAX];
	struct pvb_err ignored; /* what is wrong with it is another check's to say */

	check_place(place, sizeof(place), HA_FOLDER "resources.cfg", resource->line);
	if (state && !strcmp(state, "ignored")) {
		check_ok(run, place, "high availability ignores VM %u", host->vmid);
		return;
	}
	if (conf_settings_load(host->ctx, host->front->config, host->vmid, host->node, &ha.here, &ignored) < 0 ||
	    conf_node_list(host->ctx, &names) < 0) {
		check_unknown(run, place, "high availability starts VM %u; on which nodes it has devices cannot be seen", host->vmid);
	} else {
		bound_find(&ha, resource);
		nodes_look(&ha, names);
		nodes_say(&ha, place, resource);
	}
	conf_settings_clear(&ha.here);
}

static void ha_check(struct check_run *run)
{
	struct conf_blocks resources = { .n = 0 };
	char vmid[16];
	struct pvb_err err;
	bool found = false;
	int r;

	if (!vm_borrows(run))
		return;
	r = conf_blocks_load(run->host.ctx, HA_FOLDER "resources.cfg", &resources, &err);
	snprintf(vmid, sizeof(vmid), "%u", run->host.vmid);
	for (size_t i = 0; r == 0 && i < resources.n; i++) {
		if (strcmp(resources.list[i].type, "vm") != 0 || strcmp(resources.list[i].id, vmid) != 0)
			continue;
		resource_say(run, &resources.list[i]);
		found = true;
	}
	conf_blocks_clear(&resources);
	if (r < 0 && r != -ENOENT)
		check_unknown(run, HA_FOLDER "resources.cfg", "what high availability does cannot be read: %s",
			      strerror(-r));
	else if (!vm_cluster_there(run))
		check_unknown(run, "/etc/pve",
			      "what high availability does cannot be seen: Proxmox VE's cluster file system is not there");
	else if (!found)
		check_ok(run, HA_FOLDER "resources.cfg", "high availability does not move VM %u", run->host.vmid);
}

const struct check check_vmha[] = {
	{ "vm-ha", "High availability does not move the VM away from its devices", CHECK_VM, "10", ha_check },
	{ .id = NULL },
};
