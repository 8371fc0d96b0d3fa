/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory as the root of a host, for the tests of conf: files, links, PCI functions. Whatever
 * cannot be built ends the program. */
#ifndef CONF_ROOT_H
#define CONF_ROOT_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../../conf/conf.h"

struct root {
	char path[64];
	int fd;
	struct pvb_ctx *ctx;
	struct pvb_err err;
};

#define WORLD(ok) \
	do { \
		if (!(ok)) { \
			perror("building the test's world: " #ok); \
			abort(); \
		} \
	} while (0)

static inline int root_setup(void **state)
{
	struct root *root = calloc(1, sizeof(*root));

	WORLD(root);
	snprintf(root->path, sizeof(root->path), "/tmp/pvebind-conf.XXXXXX");
	WORLD(mkdtemp(root->path));
	root->fd = open(root->path, O_DIRECTORY | O_CLOEXEC);
	WORLD(root->fd >= 0);
	WORLD(pvb_ctx_new(&root->ctx, root->path, &root->err) == 0);
	*state = root;
	return 0;
}

static inline int entry_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static inline int root_teardown(void **state)
{
	struct root *root = *state;

	pvb_ctx_free(root->ctx);
	close(root->fd);
	WORLD(nftw(root->path, entry_remove, 16, FTW_DEPTH | FTW_PHYS) == 0);
	free(root);
	return 0;
}

/* The folders above path. */
static inline void root_parents(const struct root *root, const char *path)
{
	char part[512];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		WORLD(mkdirat(root->fd, part, 0755) == 0 || errno == EEXIST);
	}
}

static inline void root_bytes(const struct root *root, const char *path, const void *data, size_t size)
{
	int fd;

	root_parents(root, path);
	fd = openat(root->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	WORLD(fd >= 0);
	WORLD(write(fd, data, size) == (ssize_t)size);
	WORLD(fchmod(fd, 0640) == 0);
	close(fd);
}

static inline void root_put(const struct root *root, const char *path, const char *text)
{
	root_bytes(root, path, text, strlen(text));
}

static inline void root_mkdir(const struct root *root, const char *path)
{
	root_parents(root, path);
	WORLD(mkdirat(root->fd, path, 0755) == 0);
}

static inline void root_link(const struct root *root, const char *path, const char *target)
{
	root_parents(root, path);
	WORLD(symlinkat(target, root->fd, path) == 0);
}

/* A node of Proxmox VE: called pve1, with /etc/pve as pmxcfs shows it. */
static inline void root_node(const struct root *root)
{
	root_mkdir(root, "etc/pve/nodes/pve1/qemu-server");
	root_link(root, "etc/pve/local", "nodes/pve1");
	root_link(root, "etc/pve/qemu-server", "nodes/pve1/qemu-server");
	root_mkdir(root, "var");
	root_link(root, "var/run", "/run");
}

static inline void root_vm(const struct root *root, unsigned vmid, const char *config)
{
	char path[128];

	snprintf(path, sizeof(path), "etc/pve/nodes/pve1/qemu-server/%u.conf", vmid);
	root_put(root, path, config);
}

/* A function on the root bus, or below a port; ids as "10de:24b0:1043:8866". */
static inline void root_function(const struct root *root, const char *bdf, const char *port, const char *ids, int group)
{
	char device[160], path[256], text[256];
	struct conf_id id;

	WORLD(conf_id_parse(ids, &id));
	snprintf(device, sizeof(device), "sys/devices/pci0000:00/%s%s%s", port ? port : "", port ? "/" : "", bdf);
	snprintf(path, sizeof(path), "%s/modalias", device);
	snprintf(text, sizeof(text), "pci:v%08Xd%08Xsv%08Xsd%08Xbc03sc00i00\n", id.vendor, id.device, id.subvendor,
		 id.subdevice);
	root_put(root, path, text);
	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/devices/%s", group, bdf);
	snprintf(text, sizeof(text), "../../../../devices/%s", device + strlen("sys/devices/"));
	root_link(root, path, text);
	snprintf(path, sizeof(path), "%s/iommu_group", device);
	snprintf(text, sizeof(text), "%s../../../kernel/iommu_groups/%d", port ? "../" : "", group);
	root_link(root, path, text);
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", bdf);
	snprintf(text, sizeof(text), "../../../devices/%s", device + strlen("sys/devices/"));
	root_link(root, path, text);
}

/* The slot 01:00: a card with sound, below a port, in group 15. */
static inline void root_gpu(const struct root *root)
{
	root_function(root, "0000:01:00.0", "0000:00:01.0", "10de:24b0:1043:8866", 15);
	root_function(root, "0000:01:00.1", "0000:00:01.0", "10de:228b:1043:8866", 15);
}

/* A process; blanks separate its arguments. */
static inline void root_process(const struct root *root, int pid, const char *args)
{
	char path[64], copy[256];
	size_t size = strlen(args) + 1;

	WORLD(size <= sizeof(copy));
	memcpy(copy, args, size);
	for (char *c = copy; *c; c++)
		if (*c == ' ')
			*c = '\0';
	snprintf(path, sizeof(path), "proc/%d/cmdline", pid);
	root_bytes(root, path, copy, size);
}

/* That text has part in it; shows the text when it has not. */
#define assert_has(text, part) \
	do { \
		if (!strstr((text), (part))) \
			fail_msg("'%s' is not in: %s", (part), (text)); \
	} while (0)

#endif
