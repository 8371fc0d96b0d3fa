/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of this host has to be learned, to be masked: the names of it, and its serial numbers. */
#include <stdio.h>
#include <string.h>

#include "report.h"

#define FILE_MAX 65536

/* ---- names ---- */

/* "zeus.olymp.example": all of it, the host, and the domain, in which there may be others. */
static void host_learn(struct mask *mask, const char *name)
{
	size_t n = strcspn(name, ".");
	char first[PVB_NAME_MAX];

	mask_learn(mask, "HOST", name, MASK_WORDS);
	if (!name[n] || strspn(name, "0123456789.") == strlen(name))
		return;
	snprintf(first, sizeof(first), "%.*s", (int)n, name);
	mask_learn(mask, "HOST", first, MASK_WORDS);
	if (strchr(name + n + 1, '.'))
		mask_learn(mask, "HOST", name + n + 1, MASK_WORDS);
}

/* The words of a line behind its first one. */
static void line_learn(struct mask *mask, char *line)
{
	char *save = NULL;

	strtok_r(line, " \t", &save);
	for (char *word; (word = strtok_r(NULL, " \t", &save));)
		if (strncmp(word, "ip6-", 4) != 0 && strncmp(word, "localhost", 9) != 0)
			host_learn(mask, word);
}

/* Lines of a file that begin with one of these words ("": any), without comments. */
static void lines_learn(struct mask *mask, struct pvb_ctx *ctx, const char *path, const char *const *keys)
{
	_conf_free_ char *text = NULL;
	char *save = NULL;

	if (pvb_read_file(ctx, path, FILE_MAX, &text, NULL) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line[strcspn(line, "#")] = '\0';
		line += strspn(line, " \t");
		for (size_t i = 0; keys[i]; i++)
			if (!strncmp(line, keys[i], strlen(keys[i]))) {
				line_learn(mask, line);
				break;
			}
	}
}

static void word_learn(struct mask *mask, struct pvb_ctx *ctx, const char *path, const char *kind)
{
	char text[256];

	if (pvb_sysfs_read(ctx, path, text, sizeof(text)) == 0)
		mask_learn(mask, kind, conf_trim(text), MASK_WORDS);
}

static void host_file_learn(struct mask *mask, struct pvb_ctx *ctx, const char *path)
{
	char text[256];

	if (pvb_sysfs_read(ctx, path, text, sizeof(text)) == 0)
		host_learn(mask, conf_trim(text));
}

static void hosts_learn(struct mask *mask, struct pvb_ctx *ctx)
{
	static const char *const any[] = { "", NULL }, *const domains[] = { "search", "domain", NULL },
				 *const cluster[] = { "cluster_name:", "name:", NULL };
	_conf_strv_ char **nodes = NULL;
	char node[PVB_NAME_MAX];

	mask_learn(mask, "HOST", conf_node_name(ctx, node, sizeof(node)), MASK_WORDS);
	host_file_learn(mask, ctx, "etc/hostname");
	host_file_learn(mask, ctx, "etc/mailname");
	host_file_learn(mask, ctx, "proc/sys/kernel/hostname");
	lines_learn(mask, ctx, "etc/hosts", any);
	lines_learn(mask, ctx, "etc/resolv.conf", domains);
	lines_learn(mask, ctx, "etc/pve/corosync.conf", cluster);
	if (pvb_sysfs_list(ctx, "etc/pve/nodes", &nodes) == 0)
		for (char **name = nodes; *name; name++)
			mask_learn(mask, "HOST", *name, MASK_WORDS);
}

static void storages_learn(struct mask *mask, struct pvb_ctx *ctx)
{
	struct conf_storage *list = NULL;
	struct pvb_err ignored;
	size_t n = 0;

	if (conf_storage_list(ctx, &list, &n, &ignored) == 0)
		for (size_t i = 0; i < n; i++)
			mask_learn(mask, "STORAGE", list[i].id, MASK_WORDS);
	free(list);
}

static void vms_learn(struct mask *mask, struct pvb_ctx *ctx)
{
	_conf_free_ unsigned *vmids = NULL;
	struct pvb_err ignored;
	size_t n = 0;

	if (conf_vm_list(ctx, &vmids, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		struct conf_vm vm = { .vmid = 0 };

		if (conf_vm_load(ctx, vmids[i], NULL, &vm, &ignored) == 0)
			mask_learn(mask, "NAME", vm.name, MASK_ENCLOSED);
		conf_vm_clear(&vm);
	}
}

/* ---- numbers ---- */

/* "naa.5000c500a1b2c3d4", which multipath calls 35000c500a1b2c3d4; "t10.ATA     Samsung SSD 870 EVO     S5Y1NX0R123". */
static void wwid_learn(struct mask *mask, struct pvb_ctx *ctx, const char *path)
{
	char text[256], *all, *dot, *last;

	if (pvb_sysfs_read(ctx, path, text, sizeof(text)) < 0)
		return;
	all = conf_trim(text);
	dot = strchr(all, '.');
	last = strrchr(all, ' ');
	mask_learn(mask, "WWN", all, MASK_WORDS);
	if (last) {
		mask_learn(mask, "SERIAL", last + 1, MASK_WORDS);
	} else if (dot) {
		mask_learn(mask, "WWN", dot + 1, MASK_WORDS);
		*dot = '3';
		mask_learn(mask, "WWN", dot, MASK_WORDS);
	}
}

static void disks_learn(struct mask *mask, struct pvb_ctx *ctx)
{
	static const char *const files[] = { "serial", "device/serial" }, *const wwids[] = { "wwid", "device/wwid" };
	_conf_strv_ char **disks = NULL;
	char path[400];

	if (pvb_sysfs_list(ctx, "sys/block", &disks) < 0)
		return;
	for (char **disk = disks; *disk; disk++)
		for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
			snprintf(path, sizeof(path), "sys/block/%.255s/%s", *disk, files[i]);
			word_learn(mask, ctx, path, "SERIAL");
			snprintf(path, sizeof(path), "sys/block/%.255s/%s", *disk, wwids[i]);
			wwid_learn(mask, ctx, path);
		}
}

/* The identifiers of boot partitions, of which checks name those that Proxmox VE keeps. */
static void partitions_learn(struct mask *mask, struct pvb_ctx *ctx)
{
	_conf_free_ char *text = NULL;
	char *save = NULL;

	if (pvb_read_file(ctx, "etc/kernel/proxmox-boot-uuids", FILE_MAX, &text, NULL) < 0)
		return;
	for (char *word = strtok_r(text, " \t\n", &save); word; word = strtok_r(NULL, " \t\n", &save))
		mask_learn(mask, "UUID", word, MASK_WORDS);
}

void report_learn(struct mask *mask, struct pvb_ctx *ctx)
{
	static const char *const files[] = { "product_serial", "board_serial", "chassis_serial", "product_uuid",
					     "board_asset_tag", "chassis_asset_tag" };
	char path[64];

	hosts_learn(mask, ctx);
	storages_learn(mask, ctx);
	vms_learn(mask, ctx);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "sys/class/dmi/id/%s", files[i]);
		word_learn(mask, ctx, path, "SERIAL");
	}
	disks_learn(mask, ctx);
	partitions_learn(mask, ctx);
	word_learn(mask, ctx, "etc/machine-id", "UUID");
}
