/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The writes that the fake kernel takes, its locks and its access to the tree; see fakekernel.h. */
#define _GNU_SOURCE
#include "fk_internal.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <time.h>

__thread int fk_root = -1;
static __thread int kernel_lock = -1;

/* ---- locks and time ------------------------------------------------------ */

static int lock(const char *name)
{
	int fd = openat(fk_root, fk_path(".kernel/lock.%s", name).s, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
		;
	return fd;
}

static void kernel_enter(void)
{
	kernel_lock = lock("kernel");
}

static void kernel_leave(void)
{
	close(kernel_lock);
}

/* Sleep with only the device's lock held, as a driver does: other devices go on meanwhile. */
void fk_spend(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	if (!ms)
		return;
	kernel_leave();
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
	kernel_enter();
}

/* ---- the tree ------------------------------------------------------------ */

bool fk_exists(const char *path)
{
	return faccessat(fk_root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* By rename, so that a reader in another process sees the old text or the new one, as in sysfs. */
int fk_replace(const char *path, const char *text)
{
	struct fk_path tmp = fk_path(".kernel/tmp.%ld", syscall(SYS_gettid));
	struct stat st;
	mode_t mode = fstatat(fk_root, path, &st, 0) == 0 ? st.st_mode & 07777 : 0644;
	int err = fk_put(fk_root, tmp.s, text, strlen(text), mode);

	if (!err && renameat(fk_root, tmp.s, fk_root, path) < 0)
		err = -errno;
	return err;
}

/* The last component of a link's target; false and "" when there is no link. */
bool fk_link_base(const char *path, char buf[NAME])
{
	char target[512];
	ssize_t n = readlinkat(fk_root, path, target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = '\0';
	snprintf(buf, NAME, "%.63s", strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
	return n > 0;
}

/* A directory's entries in numeric order, the caller's to free; never NULL. */
struct names *fk_list(const char *dir)
{
	struct names *names = calloc(1, sizeof(*names));
	struct dirent **entries = NULL;
	int n = scandirat(fk_root, dir, &entries, NULL, versionsort);

	if (!names)
		abort();
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.' && names->n < 4096)
			snprintf(names->s[names->n++], NAME, "%.63s", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return names;
}

unsigned fk_number(const char *path)
{
	char text[32];

	return fk_get(fk_root, path, text, sizeof(text)) < 0 ? 0 : (unsigned)strtoul(text, NULL, 0);
}

/* ---- a write ------------------------------------------------------------------------ */

static void note(const struct call *c, const char *result)
{
	char line[5120];
	size_t n = (size_t)snprintf(line, sizeof(line), "%d %s \"", getpid(), c->path);
	int fd = openat(fk_root, ".writes", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	for (size_t i = 0; i < c->size && n < sizeof(line) - 64; i++) {
		unsigned char ch = (unsigned char)c->value[i];

		if (ch == '\n')
			n += (size_t)snprintf(line + n, 8, "\\n");
		else if (ch >= ' ' && ch < 127 && ch != '"' && ch != '\\')
			line[n++] = (char)ch;
		else
			n += (size_t)snprintf(line + n, 8, "\\x%02x", ch);
	}
	n += (size_t)snprintf(line + n, 64, "\" %s\n", result);
	syscall(SYS_write, fd, line, n);
	close(fd);
}

/* SIGKILL alone ends a hang here; the real one survives even that. */
static void hang(const struct call *c)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	note(c, "hung");
	kernel_leave();
	for (;;)
		pause();
}

static void die(const struct call *c)
{
	note(c, "died");
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* The kernel's lock is held. 0 or -errno. */
static int perform_locked(const struct call *c)
{
	struct verdict v = fk_rules(fk_judge_write, c);
	int err = -fk_errno_of(v.action);

	fk_spend(v.slow_ms);
	if (!strcmp(v.action, "hang"))
		hang(c);
	if (!strcmp(v.action, "die"))
		die(c);
	if (!err && c->size && strcmp(v.action, "lost") != 0) /* an empty write never gets to a store function */
		err = fk_store(c);
	if (!strcmp(v.action, "die-after"))
		die(c);
	note(c, err ? strerrorname_np(-err) : *v.action == 'l' ? "lost" : "ok");
	return err;
}

/* As in the kernel, what changes a device's driver or override holds that device's lock. */
int fk_perform(const struct call *c)
{
	bool by_value = strstr(c->path, "/drivers") && !strstr(c->path, "_id");
	char name[NAME];
	int device_lock, err;

	mkdirat(fk_root, ".kernel", 0755);
	snprintf(name, sizeof(name), "%.63s", by_value ? c->word : c->object);
	device_lock = lock(strchr(name, '/') ? "none" : name);
	kernel_enter();
	err = perform_locked(c);
	kernel_leave();
	close(device_lock);
	return err;
}

/* sys/devices/… → the short path; what has none stays. */
static void shorten(char *path, size_t size)
{
	char *last = NULL, copy[PATH_MAX];
	unsigned a, b, c, d;

	for (char *p = path; (p = strchr(p, '/')); p++)
		if (sscanf(p, "/%x:%x:%x.%x", &a, &b, &c, &d) == 4)
			last = p;
	if (!strncmp(path, "sys/devices/virtual/vtconsole/", 30))
		snprintf(copy, sizeof(copy), "sys/class/%s", path + 20);
	else if (last && !strncmp(path, "sys/devices/pci", 15))
		snprintf(copy, sizeof(copy), "sys/bus/pci/devices%s", last);
	else
		return;
	snprintf(path, size, "%s", copy);
}

/* The path a descriptor leads to, when it is below the fake's /sys. */
static bool is_ours(int fd, char *path, size_t size, char *top)
{
	const char *env = getenv(FK_ENV);
	struct fk_path link = fk_path("/proc/self/fd/%d", fd);
	char target[PATH_MAX];
	ssize_t n = env && realpath(env, top) ? readlink(link.s, target, sizeof(target) - 1) : -1;
	size_t len = n > 0 ? strlen(top) : 0;

	if (n <= 0)
		return false;
	target[n] = '\0';
	if (strncmp(target, top, len) != 0 || strncmp(target + len, "/sys/", 5) != 0)
		return false;
	fk_deleted_trim(target); /* another writer's put() came between */
	snprintf(path, size, "%s", target + len + 1);
	return true;
}

/* True when the write was the fake's to do; *result is then what write() returns. */
static bool take(int fd, const void *data, size_t size, ssize_t *result)
{
	char path[PATH_MAX], top[PATH_MAX];
	struct call c = { .size = size };
	int before = errno, err = -EINVAL;

	if (!is_ours(fd, path, sizeof(path), top)) {
		errno = before;
		return false;
	}
	shorten(path, sizeof(path));
	snprintf(c.path, sizeof(c.path), "%.500s", path);
	sscanf(c.path, strncmp(path, "sys/bus/", 8) ? "sys/%*[^/]/%*[^/]/%63[^/]" : "sys/bus/%*[^/]/%*[^/]/%63[^/]",
	       c.object);
	fk_root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (size < sizeof(c.value)) {
		memcpy(c.value, data, size);
		memcpy(c.word, data, size);
		if (size && c.word[size - 1] == '\n')
			c.word[size - 1] = '\0';
		err = fk_perform(&c);
	}
	close(fk_root);
	errno = err ? -err : before;
	*result = err ? -1 : (ssize_t)size;
	return true;
}

ssize_t write(int fd, const void *data, size_t size)
{
	ssize_t result;

	return take(fd, data, size, &result) ? result : syscall(SYS_write, fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	ssize_t result;

	return take(fd, data, size, &result) ? result : syscall(SYS_pwrite64, fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) __attribute__((alias("pwrite")));

/* sysfs hands all pieces to the store function at once. */
ssize_t writev(int fd, const struct iovec *iov, int n)
{
	char all[4096];
	size_t size = 0;
	ssize_t result;

	for (int i = 0; i < n && size + iov[i].iov_len <= sizeof(all); size += iov[i++].iov_len)
		memcpy(all + size, iov[i].iov_base, iov[i].iov_len);
	return take(fd, all, size, &result) ? result : syscall(SYS_writev, fd, iov, n);
}
