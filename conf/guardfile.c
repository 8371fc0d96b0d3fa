/* SPDX-License-Identifier: GPL-2.0-or-later */
/* run/pvebind/VMID.guard: "PID GENERATION", locked by the lend's guard as long as it lives. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "vmguard.h"

#define DIRECTORY "run/pvebind"

static const char *file_name(unsigned vmid, char buf[32])
{
	snprintf(buf, 32, "%u.guard", vmid);
	return buf;
}

static int file_open(const struct pvb_ctx *ctx, unsigned vmid, int flags)
{
	_conf_close_ int dir = pvb_open(ctx, DIRECTORY, O_RDONLY | O_DIRECTORY);
	char name[32];
	int fd = dir < 0 ? dir : openat(dir, file_name(vmid, name), flags | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 && dir >= 0 ? -errno : fd;
}

static bool file_read(int fd, struct vmguard_file *file)
{
	char text[64] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 &&
	       sscanf(text, "%d %" SCNu64, &file->pid, &file->generation) == 2;
}

static int file_write(int fd, uint64_t generation)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%d %" PRIu64 "\n", (int)getpid(), generation);

	return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n ? 0 : -EIO;
}

/* Open file description locks: they go with the guard however it ends, and who only looks need not take one. */
static int file_lock(int fd, int command, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	int r;

	do
		r = fcntl(fd, command, &lock);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : lock.l_type;
}

/* -EEXIST: a guard of this generation has it. */
static int file_lock_as(int fd, uint64_t generation)
{
	struct vmguard_file other = { .pid = 0 };
	int r = file_lock(fd, F_OFD_SETLK, F_WRLCK);

	if (r != -EAGAIN && r != -EACCES)
		return r;
	if (file_read(fd, &other) && other.generation == generation)
		return -EEXIST;
	/* It sees its lend go, and follows. */
	return file_lock(fd, F_OFD_SETLKW, F_WRLCK);
}

int vmguard_file_take(const struct pvb_ctx *ctx, unsigned vmid, uint64_t generation, struct pvb_err *err)
{
	struct stat st = { .st_nlink = 0 };
	int fd = -1, r;

	/* Who had it may have removed it meanwhile: then the lock is on nothing. */
	do {
		if (fd >= 0)
			close(fd);
		fd = file_open(ctx, vmid, O_RDWR | O_CREAT);
		r = fd < 0 ? fd : file_lock_as(fd, generation);
	} while (r >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0);
	if (r >= 0)
		r = file_write(fd, generation);
	if (r >= 0)
		return fd;
	if (fd >= 0)
		close(fd);
	if (r == -EEXIST)
		return pvb_err_set(err, r, "VM %u has a guard already", vmid);
	return pvb_err_set(err, r, "cannot lock /" DIRECTORY "/%u.guard: %s; VM %u has no guard", vmid, strerror(-r), vmid);
}

void vmguard_file_remove(const struct pvb_ctx *ctx, unsigned vmid)
{
	_conf_close_ int dir = pvb_open(ctx, DIRECTORY, O_RDONLY | O_DIRECTORY);
	char name[32];

	if (dir >= 0)
		unlinkat(dir, file_name(vmid, name), 0);
}

bool vmguard_file_look(const struct pvb_ctx *ctx, unsigned vmid, struct vmguard_file *file)
{
	_conf_close_ int fd = file_open(ctx, vmid, O_RDONLY);
	struct vmguard_file ignored = { .pid = 0 };

	if (fd < 0 || file_lock(fd, F_OFD_GETLK, F_WRLCK) != F_WRLCK)
		return false;
	if (!file_read(fd, file ? file : &ignored) && file)
		*file = ignored;
	return true;
}
