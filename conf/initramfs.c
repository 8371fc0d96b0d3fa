/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether an initramfs has the modules' configuration as it is now. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "initramfs.h"

struct youngest {
	char path[256];
	int64_t time; /* nanoseconds since the epoch; 0: none */
};

static int64_t file_time(struct pvb_ctx *ctx, const char *path)
{
	_conf_close_ int fd = pvb_open(ctx, path, O_PATH);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static void youngest_see(struct pvb_ctx *ctx, struct youngest *youngest, const char *path)
{
	int64_t time = file_time(ctx, path);

	if (time > youngest->time && conf_copy(youngest->path, sizeof(youngest->path), path))
		youngest->time = time;
}

/* What initramfs-tools copies into the initramfs of all this (its hooks/kmod, mkinitramfs): not /etc/modules, which is
 * read when the root file system is there. */
static void youngest_find(struct pvb_ctx *ctx, struct youngest *youngest)
{
	_conf_strv_ char **names = NULL;
	char path[256];

	*youngest = (struct youngest){ .time = 0 };
	youngest_see(ctx, youngest, "/etc/initramfs-tools/modules");
	if (pvb_sysfs_list(ctx, "etc/modprobe.d", &names) < 0)
		return;
	for (char **name = names; *name; name++) {
		snprintf(path, sizeof(path), "/etc/modprobe.d/%s", *name);
		if (strlen(path) > 5 && !strcmp(path + strlen(path) - 5, ".conf"))
			youngest_see(ctx, youngest, path);
	}
}

/* A file that is written while the initramfs is made is in it, or will be in the next. */
#define INITRAMFS_SLACK ((int64_t)5 * 1000000000)

void initramfs_look(struct pvb_ctx *ctx, const char *release, struct initramfs *initramfs)
{
	struct youngest youngest;
	int64_t made;

	youngest_find(ctx, &youngest);
	*initramfs = (struct initramfs){ .youngest = "" };
	if (youngest.time)
		conf_copy(initramfs->youngest, sizeof(initramfs->youngest), youngest.path);
	snprintf(initramfs->path, sizeof(initramfs->path), "/boot/initrd.img-%s", release);
	made = file_time(ctx, initramfs->path);
	initramfs->there = made != 0;
	initramfs->stale = made && youngest.time > made + INITRAMFS_SLACK;
}
