/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a hookscript is, and whether root may run it without fear. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "vm.h"

static bool file_look(const struct check_run *run, const char *path, int flags, struct stat *st)
{
	_conf_close_ int fd = pvb_open(run->host.ctx, path, O_PATH | flags);

	return fd >= 0 && fstat(fd, st) == 0;
}

enum hook_kind hook_kind(const struct check_run *run, const char *path)
{
	char target[PVB_NAME_MAX];
	struct stat st, own;

	if (!file_look(run, path, O_NOFOLLOW, &st))
		return HOOK_NONE;
	/* By its name, so that one that was installed elsewhere, or is gone, is known too. */
	if (S_ISLNK(st.st_mode) && pvb_sysfs_link(run->host.ctx, path, target, sizeof(target)) == 0 &&
	    !strcmp(target, "pvebind-hook"))
		return HOOK_OURS;
	if (file_look(run, path, 0, &st) && file_look(run, HOOK_FILE, 0, &own) && st.st_dev == own.st_dev &&
	    st.st_ino == own.st_ino)
		return HOOK_OURS;
	return HOOK_OTHER;
}

/* Below a test root files are whose the tester is. */
static bool owner_is_root(const struct check_run *run, const struct stat *st)
{
	return st->st_uid == 0 || (strcmp(pvb_ctx_root(run->host.ctx), "/") != 0 && st->st_uid == geteuid());
}

static bool place_untrusted(const struct check_run *run, const char *path, const char *what, char *why, size_t size)
{
	struct stat st;

	if (!file_look(run, path, 0, &st))
		return false;
	if (!owner_is_root(run, &st))
		snprintf(why, size, "%s %s belongs to user %u", what, path, st.st_uid);
	else if (st.st_mode & (S_IWGRP | S_IWOTH) && !(S_ISDIR(st.st_mode) && st.st_mode & S_ISVTX))
		snprintf(why, size, "%s %s can be written by others than root (mode %04o)", what, path,
			 st.st_mode & 07777u);
	else
		return false;
	return true;
}

bool hook_untrusted(const struct check_run *run, const char *path, char *why, size_t size)
{
	_conf_free_ char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (place_untrusted(run, path, "the file", why, size))
		return true;
	if (!slash || slash == folder)
		return false;
	*slash = '\0';
	return place_untrusted(run, folder, "the folder", why, size);
}

bool hook_is_set(const struct check_run *run)
{
	char path[PATH_MAX];
	struct pvb_err ignored;

	return *run->host.vm.hookscript &&
	       conf_storage_snippet(run->host.ctx, run->host.vm.hookscript, path, sizeof(path), &ignored) == 0 &&
	       hook_kind(run, path) == HOOK_OURS;
}
