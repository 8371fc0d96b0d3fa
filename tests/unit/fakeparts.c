/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hangs on devices: frame buffers, consoles, interfaces, disks; see faketree.h. */
#define _GNU_SOURCE
#include "ft_internal.h"

#include <stdlib.h>

/* A directory below the device, with its class link; its attributes are written next, then ft_class_done(). */
struct fk_path ft_class_device(struct ft_tree *t, const char *bdf, const char *class, const char *name)
{
	struct fk_path own = fk_path("%s/%s/%s", ft_device_path(t, bdf), class, name);

	ft_mkdir(t, own.s);
	ft_sys_link(t, fk_path("sys/class/%s/%s", class, name).s, own.s);
	ft_sys_link(t, fk_path("%s/device", own.s).s, ft_device_path(t, bdf));
	ft_sys_link(t, fk_path("%s/subsystem", own.s).s, fk_path("sys/class/%s", class).s);
	return own;
}

/* From now on the class device comes and goes with driver. */
void ft_class_done(struct ft_tree *t, const char *bdf, const char *driver, const char *class, const char *name)
{
	ft_makes(t, bdf, driver, fk_path("sys/class/%s/%s", class, name).s);
	ft_makes(t, bdf, driver, fk_path("%s/%s", ft_device_path(t, bdf), class).s);
}

void ft_framebuffer(struct ft_tree *t, const char *bdf, const char *driver, const char *name)
{
	unsigned n = t->framebuffers++;
	struct fk_path fb = fk_path("fb%u", n), card = fk_path("card%u", n), own;

	own = ft_class_device(t, bdf, "graphics", fb.s);
	ft_attr(t, own.s, "name", "%s\n", name);
	ft_attr(t, own.s, "dev", "29:%u\n", n);
	own = ft_class_device(t, bdf, "drm", card.s);
	ft_attr(t, own.s, "dev", "226:%u\n", n);
	ft_class_done(t, bdf, driver, "graphics", fb.s);
	ft_class_done(t, bdf, driver, "drm", card.s);
	ft_write(t, fk_path("dev/dri/%s", card.s).s, "");
	if (!strcmp(ft_driver_of(t, bdf), driver))
		ft_append(t, "proc/fb", fk_path("%u %s\n", n, name).s);
}

void ft_firmware(struct ft_tree *t, const char *bdf, const char *name)
{
	unsigned n = t->framebuffers++;
	struct fk_path fb = fk_path("sys/class/graphics/fb%u", n);
	struct fk_path own = fk_path("sys/devices/platform/efi-framebuffer.0/graphics/fb%u", n);
	unsigned long start = strtoul(ft_read(t, fk_path("%s/resource", ft_device_path(t, bdf)).s), NULL, 0);

	ft_attr(t, own.s, "name", "%s\n", name);
	ft_sys_link(t, fk_path("%s/subsystem", own.s).s, "sys/class/graphics");
	ft_sys_link(t, fb.s, own.s);
	ft_append(t, "proc/fb", fk_path("%u %s\n", n, name).s);
	ft_append(t, "proc/iomem", fk_path("  %08lx-%08lx : BOOTFB\n", start, start + 0x3fffff).s);
	ft_evicts(t, bdf, fb.s);
	ft_evicts(t, bdf, "sys/devices/platform/efi-framebuffer.0");
}

static void add_vtcon(struct ft_tree *t, const char *name, const char *what, const char *bound)
{
	struct fk_path own = fk_path("sys/devices/virtual/vtconsole/%s", name);

	ft_attr(t, own.s, "name", "%s\n", what);
	ft_attr(t, own.s, "bind", "%s\n", bound);
	ft_sys_link(t, fk_path("sys/class/vtconsole/%s", name).s, own.s);
}

void ft_console(struct ft_tree *t, bool sticky)
{
	add_vtcon(t, "vtcon0", "(S) dummy device", "0");
	add_vtcon(t, "vtcon1", "(M) frame buffer device", "1");
	ft_mkdir(t, "sys/devices/virtual/graphics/fbcon");
	ft_sys_link(t, "sys/class/graphics/fbcon", "sys/devices/virtual/graphics/fbcon");
	if (sticky)
		ft_write(t, ".kernel/fbcon-sticky", "");
}

void ft_netdev(struct ft_tree *t, const char *bdf, const char *driver, const char *name, bool default_route)
{
	struct fk_path own = ft_class_device(t, bdf, "net", name);

	ft_attr(t, own.s, "operstate", "up\n");
	ft_attr(t, own.s, "flags", "0x1003\n");
	ft_attr(t, own.s, "ifindex", "2\n");
	ft_attr(t, own.s, "address", "52:54:00:12:34:56\n");
	ft_class_done(t, bdf, driver, "net", name);
	if (!default_route)
		return;
	ft_append(t, "proc/net/route", fk_path("%s\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", name).s);
	ft_append(t, "proc/net/route", fk_path("%s\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", name).s);
	ft_append(t, "proc/net/if_inet6", fk_path("fe80000000000000505400fffe123456 02 40 20 80 %8s\n", name).s);
}

/* A block device and the links that lead to it, which come and go with it. */
static void add_block(struct ft_tree *t, const char *bdf, const char *dir, const char *name, unsigned minor)
{
	struct fk_path own = fk_path("%s/%s", dir, name), links[] = {
		fk_path("sys/class/block/%s", name), fk_path("sys/dev/block/259:%u", minor), fk_path("sys/block/%s", name),
	};
	unsigned partition = minor % 8;

	ft_attr(t, own.s, "dev", "259:%u\n", minor);
	ft_attr(t, own.s, "size", "2097152\n");
	ft_mkdir(t, fk_path("%s/holders", own.s).s);
	ft_sys_link(t, fk_path("%s/subsystem", own.s).s, "sys/class/block");
	if (partition)
		ft_attr(t, own.s, "partition", "%u\n", partition);
	for (unsigned i = 0; i < (partition ? 2 : 3); i++) {
		ft_sys_link(t, links[i].s, own.s);
		ft_makes(t, bdf, "nvme", links[i].s);
	}
	ft_write(t, fk_path("dev/%s", name).s, "");
}

void ft_nvme(struct ft_tree *t, const char *bdf, unsigned n, const char *mountpoint)
{
	struct fk_path name = fk_path("nvme%u", n), ctrl = ft_class_device(t, bdf, "nvme", name.s);
	struct fk_path disk = fk_path("nvme%un1", n), own = fk_path("%s/%s", ctrl.s, disk.s);

	add_block(t, bdf, ctrl.s, disk.s, n * 8);
	add_block(t, bdf, own.s, fk_path("%sp1", disk.s).s, n * 8 + 1);
	add_block(t, bdf, own.s, fk_path("%sp2", disk.s).s, n * 8 + 2);
	ft_class_done(t, bdf, "nvme", "nvme", name.s);
	if (mountpoint)
		ft_append(t, "proc/self/mountinfo", fk_path("%u 22 259:%u / %s rw,relatime shared:2 - ext4 /dev/%sp2 rw\n", 60 + n,
							 n * 8 + 2, mountpoint, disk.s).s);
}

void ft_process(struct ft_tree *t, int pid, const char *comm, const char *cmdline, const char *node)
{
	struct fk_path dir = fk_path("proc/%d", pid), words = fk_path("%s ", cmdline);
	size_t n = strlen(words.s);

	for (char *s = words.s; *s; s++)
		if (*s == ' ')
			*s = '\0';
	ft_put(t, fk_path("%s/cmdline", dir.s).s, words.s, n);
	ft_attr(t, dir.s, "comm", "%s\n", comm);
	ft_attr(t, dir.s, "cgroup", "0::/system.slice/%s.service\n", comm);
	ft_attr(t, dir.s, "stat", "%d (%s) S 1 %d %d 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0\n", pid, comm, pid, pid);
	ft_attr(t, dir.s, "maps", "%s", "");
	ft_link(t, fk_path("%s/fd/0", dir.s).s, "/dev/null");
	if (node)
		ft_link(t, fk_path("%s/fd/3", dir.s).s, node);
}

void ft_vm(struct ft_tree *t, unsigned vmid, const char *config)
{
	ft_write(t, fk_path("etc/pve/nodes/pve1/qemu-server/%u.conf", vmid).s, config);
}

void ft_module_use(struct ft_tree *t, const char *name, int by)
{
	struct fk_path dir = fk_path("sys/module/%s", name);

	ft_attr(t, dir.s, "refcnt", "%d\n", atoi(ft_read(t, fk_path("%s/refcnt", dir.s).s)) + by);
}

void ft_module(struct ft_tree *t, const char *name, const char *driver, const char *uses)
{
	struct fk_path dir = fk_path("sys/module/%s", name), own = fk_path(".kernel/modules/%s", name);
	char list[256], *save = NULL;

	ft_attr(t, dir.s, "refcnt", "0\n");
	ft_attr(t, dir.s, "initstate", "live\n");
	ft_mkdir(t, fk_path("%s/holders", dir.s).s);
	ft_mkdir(t, own.s);
	/* So that libkmod finds it by its name, without an index. */
	ft_append(t, "etc/modprobe.d/fake.conf", fk_path("alias %s %s\n", name, name).s);
	if (driver)
		ft_attr(t, own.s, "driver", "%s\n", driver);
	snprintf(list, sizeof(list), "%s", uses ? uses : "");
	for (char *w = strtok_r(list, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		ft_append(t, fk_path("%s/uses", own.s).s, fk_path("%s\n", w).s);
		ft_sys_link(t, fk_path("sys/module/%s/holders/%s", w, name).s, dir.s);
		ft_module_use(t, w, 1);
	}
}
