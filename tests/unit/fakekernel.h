/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fake kernel: fakekernel.so, preloaded into the product under test, takes
 * every write below $FAKEKERNEL_ROOT/sys and does to the tree what the kernel
 * would do: bind, unbind, probe, store, reset, move the console. It fails, dies,
 * hangs or is slow where DIR/.faults says so, and notes every write in DIR/.writes.
 * faketree.h builds such trees and reads the notes.
 *
 * Paths in .faults and .writes are the short ones, whatever path was opened:
 *   sys/bus/pci/devices/BDF/ATTR · sys/bus/pci/drivers/NAME/ATTR · sys/class/vtconsole/vtconN/bind
 * and, for what libkmod asks of the kernel, "insert_module" and "delete_module", the value being the module's name.
 *
 * DIR/.faults, one rule a line, read anew at each write; # begins a comment:
 *   PATH-GLOB [VALUE-GLOB] ACTION [nth=N|always]   what a matching write does
 *   probe DRIVER BDF fail|ERRNO [nth=N|always]     DRIVER's probe() of BDF returns that ("fail": EIO)
 *   slow DRIVER BDF MS                             its probe() and remove() take so long
 * Globs are fnmatch(3)'s, and "*" matches "/" too; a value is matched without its newline, an empty one
 * by ""; a blank in a value by "?". nth=N: only the Nth write that matches this line; else each one does.
 * Every rule that is due counts; all slow= add up, the first other action is taken.
 *   EIO, EBUSY, …   nothing is done, the write fails so
 *   lost            nothing is done, the write succeeds
 *   slow=MS         the write takes so much longer
 *   hang            the write never returns and only SIGKILL ends it; the device's lock stays held
 *   die             the process is killed before the effect
 *   die-after       … after the effect, before the write returns
 *
 * DIR/.writes, one line a write: PID PATH "VALUE" RESULT, the value escaped as
 * in C, the result ok, ERRNO, lost, hung or died.
 *
 * DIR/.hangs, a glob a line, as the tree has the files ("proc/fb"): reading them never returns, and only SIGKILL ends it.
 *
 * DIR/.kernel is what a kernel keeps to itself (faketree.c fills it in):
 *   drivers/NAME/order       registration order, lowest first
 *   drivers/NAME/ids         static id table: "vendor device subvendor subdevice class mask override_only", hex
 *   drivers/NAME/dynids      what new_id added
 *   drivers/NAME/vfio        exists: a vfio driver
 *   devices/BDF/reset_methods  what its hardware supports (reset_method is what is chosen)
 *   devices/BDF/DRIVER.makes   paths that exist only while DRIVER has the device
 *   devices/BDF/evicts         paths that go for good when any driver takes it (firmware frame buffers)
 *   modules/NAME/uses        modules it needs, a line each; modules/NAME/driver  the PCI driver it registers
 *   parked/                  where those paths are meanwhile, "/" written as "!"
 *   fbcon-sticky             exists: fbcon's vtconsole stays when the last frame buffer goes, and
 *                            comes back unbound
 *   fbcon                    path of the vtconsole that went with the last frame buffer
 *   lock.*, hits.*, tmp.*    locks; how often a rule matched; texts being written
 */
#ifndef FAKEKERNEL_H
#define FAKEKERNEL_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FK_ENV "FAKEKERNEL_ROOT"

/* A path below the tree's root, returned by value so that it needs no freeing. */
struct fk_path {
	char s[512];
};

static inline __attribute__((format(printf, 1, 2))) struct fk_path fk_path(const char *fmt, ...)
{
	struct fk_path p;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p.s, sizeof(p.s), fmt, ap);
	va_end(ap);
	return p;
}

/* A file's text without its last newline; its length, or -1 (and "") when there is none. */
static inline int fk_get(int root, const char *path, char *buf, size_t size)
{
	int fd = openat(root, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	if (n > 0 && buf[n - 1] == '\n')
		buf[--n] = '\0';
	return (int)n;
}

/* Make or overwrite a file. By the bare system call, so that the fake kernel does not see it. */
static inline int fk_put(int root, const char *path, const void *data, size_t size, mode_t mode)
{
	int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	long n;

	if (fd < 0)
		return -errno;
	n = syscall(SYS_write, fd, data, size);
	close(fd);
	return n == (long)size ? 0 : -EIO;
}

/* Links in /sys are relative and stay in it: from and target are both "sys/…". */
static inline int fk_symlink(int root, const char *from, const char *target)
{
	char text[512] = "";
	size_t n = 0;

	for (const char *p = strchr(from, '/') + 1; (p = strchr(p, '/')); p++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "../");
	snprintf(text + n, sizeof(text) - n, "%s", strchr(target, '/') + 1);
	return symlinkat(text, root, from) < 0 ? -errno : 0;
}

static inline struct fk_path fk_parked(const char *path)
{
	struct fk_path p = fk_path(".kernel/parked/%s", path);

	for (char *s = strrchr(p.s, '\0') - strlen(path); *s; s++)
		if (*s == '/')
			*s = '!';
	return p;
}

/* Take a file, link or directory out of the tree, and put it back. */
static inline int fk_park(int root, const char *path)
{
	return renameat(root, path, root, fk_parked(path).s) < 0 ? -errno : 0;
}

static inline int fk_unpark(int root, const char *path)
{
	return renameat(root, fk_parked(path).s, root, path) < 0 ? -errno : 0;
}

#endif
