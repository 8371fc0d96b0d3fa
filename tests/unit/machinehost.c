/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host itself lives on: disks, what is mapped onto them, mounts, bridges. */
#define _GNU_SOURCE
#include "machineparts.h"

#include <stdlib.h>

/* Where a class link leads to: "sys/devices/…". Empty: there is none. */
static struct fk_path link_path(struct ft_tree *t, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(t->fd, path, target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = '\0';
	return strstr(target, "devices/") ? fk_path("sys/%s", strstr(target, "devices/")) : fk_path("%s", "");
}

static void block_put(struct ft_tree *t, const char *dir, const char *name, const char *dev, unsigned partition)
{
	ft_attr(t, dir, "dev", "%s\n", dev);
	ft_attr(t, dir, "size", "976773168\n");
	ft_mkdir(t, fk_path("%s/holders", dir).s);
	ft_mkdir(t, fk_path("%s/slaves", dir).s);
	ft_sys_link(t, fk_path("%s/subsystem", dir).s, "sys/class/block");
	if (partition)
		ft_attr(t, dir, "partition", "%u\n", partition);
	else
		ft_sys_link(t, fk_path("sys/block/%s", name).s, dir);
	ft_sys_link(t, fk_path("sys/class/block/%s", name).s, dir);
	ft_sys_link(t, fk_path("sys/dev/block/%s", dev).s, dir);
	ft_write(t, fk_path("dev/%s", name).s, "");
}

/* "disk BDF NAME MAJOR:MINOR [PARTITIONS]": as a SATA disk is, below its controller. */
int machine_disk(struct machine *m, const struct script_words *w)
{
	int partitions = w->n > 4 ? atoi(w->word[4]) : 0;
	struct fk_path dir, part;
	unsigned major, minor;

	if (!ft_exists(m->t, fk_path("sys/bus/pci/devices/%s", w->word[1]).s))
		return machine_fail(m, "there is no function %s", w->word[1]);
	if (sscanf(w->word[3], "%u:%u", &major, &minor) != 2)
		return machine_fail(m, "disk needs MAJOR:MINOR");
	dir = fk_path("%s/ata%u/host%u/target%u:0:0/%u:0:0:0/block/%s", ft_device_path(m->t, w->word[1]), minor / 16 + 1,
		      minor / 16, minor / 16, minor / 16, w->word[2]);
	block_put(m->t, dir.s, w->word[2], w->word[3], 0);
	for (int i = 1; i <= partitions; i++) {
		part = fk_path("%s%d", w->word[2], i);
		block_put(m->t, fk_path("%s/%s", dir.s, part.s).s, part.s, fk_path("%u:%u", major, minor + (unsigned)i).s,
			  (unsigned)i);
	}
	return 0;
}

/* "mapped dm-0 MAJOR:MINOR NAME ON…": a logical volume, a crypt device, on other block devices. */
int machine_mapped(struct machine *m, const struct script_words *w)
{
	struct fk_path dir = fk_path("sys/devices/virtual/block/%s", w->word[1]), on;

	block_put(m->t, dir.s, w->word[1], w->word[2], 0);
	ft_attr(m->t, dir.s, "dm/name", "%s\n", w->word[3]);
	ft_attr(m->t, dir.s, "dm/uuid", "LVM-%s\n", w->word[3]);
	ft_link(m->t, fk_path("dev/mapper/%s", w->word[3]).s, fk_path("../%s", w->word[1]).s);
	for (int i = 4; i < w->n; i++) {
		on = link_path(m->t, fk_path("sys/class/block/%s", w->word[i]).s);
		if (!*on.s)
			return machine_fail(m, "there is no block device %s", w->word[i]);
		ft_sys_link(m->t, fk_path("%s/slaves/%s", dir.s, w->word[i]).s, on.s);
		ft_sys_link(m->t, fk_path("%s/holders/%s", on.s, w->word[1]).s, dir.s);
	}
	return 0;
}

/* "mount POINT TYPE SOURCE [MAJOR:MINOR]": the first one, which must be /, begins the table anew. */
int machine_mount(struct machine *m, const struct script_words *w)
{
	struct fk_path info = fk_path("30 1 %s / %s rw,relatime shared:1 - %s %s rw\n", w->n > 4 ? w->word[4] : "0:26",
				      w->word[1], w->word[2], w->word[3]);
	struct fk_path plain = fk_path("%s %s %s rw,relatime 0 0\n", w->word[3], w->word[1], w->word[2]);

	if (!strcmp(w->word[1], "/")) {
		ft_write(m->t, "proc/self/mountinfo", info.s);
		ft_write(m->t, "proc/self/mounts", plain.s);
		ft_remove(m->t, "proc/mounts");
		ft_link(m->t, "proc/mounts", "self/mounts");
		return 0;
	}
	ft_append(m->t, "proc/self/mountinfo", info.s);
	ft_append(m->t, "proc/self/mounts", plain.s);
	return 0;
}

/* "bridge NAME MEMBER [default]": with its member, and the host's address and default route on it. */
int machine_bridge(struct machine *m, const struct script_words *w)
{
	struct fk_path own = fk_path("sys/devices/virtual/net/%s", w->word[1]);
	struct fk_path member = link_path(m->t, fk_path("sys/class/net/%s", w->word[2]).s);

	if (!*member.s)
		return machine_fail(m, "there is no interface %s", w->word[2]);
	if (!ft_exists(m->t, own.s)) {
		ft_attr(m->t, own.s, "operstate", "up\n");
		ft_attr(m->t, own.s, "flags", "0x1003\n");
		ft_attr(m->t, own.s, "bridge/stp_state", "0\n");
		ft_sys_link(m->t, fk_path("%s/subsystem", own.s).s, "sys/class/net");
		ft_sys_link(m->t, fk_path("sys/class/net/%s", w->word[1]).s, own.s);
	}
	ft_sys_link(m->t, fk_path("%s/master", member.s).s, own.s);
	ft_sys_link(m->t, fk_path("%s/upper_%s", member.s, w->word[1]).s, own.s);
	ft_sys_link(m->t, fk_path("%s/lower_%s", own.s, w->word[2]).s, member.s);
	if (w->n > 3 && !strcmp(w->word[3], "default")) {
		ft_append(m->t, "proc/net/route",
			  fk_path("%s\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
				  "%s\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", w->word[1], w->word[1]).s);
		ft_append(m->t, "proc/net/if_inet6",
			  fk_path("fe80000000000000505400fffe123456 03 40 20 80 %8s\n", w->word[1]).s);
	}
	return 0;
}
