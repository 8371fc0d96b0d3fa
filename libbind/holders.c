/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which processes have a device's nodes open or mapped, and whose they are. */
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "internal.h"

/* One node looked for. In a container the same device may have another path, so its number counts where it has one. */
struct target {
	const char *node;
	const char *base;
	mode_t type;   /* S_IFCHR, S_IFBLK; 0: no device node here (a test's tree) */
	dev_t rdev;
	dev_t fs;      /* where the node itself is: what /proc/PID/maps shows */
	ino_t inode;
};

struct search {
	struct pvb_ctx *ctx;
	struct pvb_holders *holders;
	struct target *targets;
	size_t n;
	bool maps; /* whether mappings tell anything */
	int proc_fd;
};

static void target_look(const struct pvb_ctx *ctx, const char *node, struct target *target)
{
	_cleanup_close_ int fd = pvb_open(ctx, node, O_PATH);
	const char *slash = strrchr(node, '/');
	struct stat st;

	*target = (struct target){ .node = node, .base = slash ? slash + 1 : node };
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	target->fs = st.st_dev;
	target->inode = st.st_ino;
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return;
	target->type = st.st_mode & S_IFMT;
	target->rdev = st.st_rdev;
}

/* A small file below /proc/PID; "" when the process is gone. */
static void proc_read(const struct search *s, int pid, const char *name, char *buf, size_t size)
{
	char path[64];
	_cleanup_close_ int fd = -1;
	ssize_t n = -1;

	snprintf(path, sizeof(path), "%d/%s", pid, name);
	fd = openat(s->proc_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0)
		n = read(fd, buf, size - 1);
	buf[n > 0 ? n : 0] = '\0';
}

static bool name_ends(const char *name, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len > n && !strncmp(name + len - n, suffix, n);
}

static void name_copy(char buf[PVB_NAME_MAX], const char *name, size_t len)
{
	snprintf(buf, PVB_NAME_MAX, "%.*s", (int)(len < PVB_NAME_MAX ? len : PVB_NAME_MAX - 1), name);
}

/* "/lxc/105/ns/…", "/lxc.payload.105/…" → 105; "/system.slice/x.service", "/qemu.slice/101.scope",
 * "/user.slice/user-0.slice/user@0.service/…" → the outermost unit: the one that systemctl here knows.
 * Units inside a container are the container's business. */
static void cgroup_parse(const char *path, struct pvb_holder *holder)
{
	static const char payload[] = "lxc.payload.";
	bool lxc = false;

	for (const char *part = path; *part;) {
		size_t len = strcspn(part, "/");

		if (lxc && len)
			name_copy(holder->container, part, len);
		else if (len > sizeof(payload) - 1 && !strncmp(part, payload, sizeof(payload) - 1))
			name_copy(holder->container, part + sizeof(payload) - 1, len - (sizeof(payload) - 1));
		else if (name_ends(part, len, ".service") || name_ends(part, len, ".scope"))
			name_copy(holder->unit, part, len);
		if (*holder->container || *holder->unit)
			return;
		lxc = len == 3 && !strncmp(part, "lxc", 3);
		part += len + (part[len] == '/');
	}
}

/* The unified hierarchy's line "0::PATH", else (cgroup v1) systemd's own "1:name=systemd:PATH". */
static const char *cgroup_path(char *text)
{
	const char *path = NULL;
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *systemd = strstr(line, ":name=systemd:");

		if (!strncmp(line, "0::", 3) && strcmp(line, "0::/") != 0)
			return line + 3;
		if (systemd)
			path = systemd + strlen(":name=systemd:");
	}
	return path;
}

static bool holder_known(const struct pvb_holders *holders, int pid, const char *node)
{
	for (size_t i = holders->n; i-- > 0;)
		if (holders->list[i].pid == pid && !strcmp(holders->list[i].node, node))
			return true;
	return false;
}

static int holder_add(struct search *s, int pid, const char *node, bool mapped)
{
	struct pvb_holders *holders = s->holders;
	struct pvb_holder *holder, *more;
	char text[4096];
	const char *path;

	if (holder_known(holders, pid, node))
		return 0;
	more = realloc(holders->list, (holders->n + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	holders->list = more;
	holder = &more[holders->n++];
	*holder = (struct pvb_holder){ .pid = pid, .mapped = mapped };
	name_copy(holder->node, node, strlen(node));
	proc_read(s, pid, "comm", holder->command, sizeof(holder->command));
	holder->command[strcspn(holder->command, "\n")] = '\0';
	proc_read(s, pid, "cgroup", text, sizeof(text));
	path = cgroup_path(text);
	if (path)
		cgroup_parse(path, holder);
	if (s->ctx->identify && !s->ctx->identify(s->ctx->identify_data, pid, holder->who, sizeof(holder->who)))
		*holder->who = '\0';
	return 0;
}

/* Whether a descriptor's link may lead to one of the nodes. Only then is it followed: following a link to a
 * file on a dead network file system would hang. */
static bool link_may_match(const struct search *s, const char *link)
{
	const char *slash = strrchr(link, '/');

	if (!strncmp(link, "/dev/", 5))
		return true;
	for (size_t i = 0; slash && i < s->n; i++)
		if (!strcmp(slash + 1, s->targets[i].base))
			return true;
	return false;
}

static const struct target *target_find(const struct search *s, int dir_fd, const char *name, const char *link)
{
	struct stat st = { .st_mode = 0 };

	if (fstatat(dir_fd, name, &st, 0) < 0)
		st.st_mode = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct target *target = &s->targets[i];

		if (target->type && target->type == (st.st_mode & S_IFMT) && target->rdev == st.st_rdev)
			return target;
		if (!target->type && !strcmp(target->node, link))
			return target;
	}
	return NULL;
}

static int fd_look(struct search *s, int pid, int dir_fd, const char *name)
{
	const struct target *target;
	char link[PVB_PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, link, sizeof(link) - 1);

	if (n < 0)
		return 0; /* closed meanwhile */
	link[n] = '\0';
	if (!link_may_match(s, link))
		return 0;
	target = target_find(s, dir_fd, name, link);
	return target ? holder_add(s, pid, target->node, false) : 0;
}

/* Open a directory below proc. 1 when its process is gone, or it cannot be looked into (counted). */
static int proc_opendir(struct search *s, const char *path, DIR **dir)
{
	int fd = openat(s->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		s->holders->unreadable += errno != ENOENT && errno != ESRCH;
		return 1;
	}
	*dir = fdopendir(fd);
	if (*dir)
		return 0;
	close(fd);
	return -ENOMEM;
}

/* *seen: how many descriptors there were. */
static int fds_look(struct search *s, int pid, const char *path, unsigned *seen)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int r = proc_opendir(s, path, &dir);

	*seen = r == 1; /* unreadable: no reason to ask its threads */
	if (r != 0)
		return r < 0 ? r : 0;
	for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		(*seen)++;
		r = fd_look(s, pid, dirfd(dir), entry->d_name);
	}
	return r;
}

/* A killed QEMU that is letting go of its memory: the main thread has ended and shows no
 * descriptor any more, while other threads still hold them all. */
static int threads_look(struct search *s, int pid)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char path[PVB_PATH_MAX];
	unsigned seen;
	int r;

	snprintf(path, sizeof(path), "%d/task", pid);
	r = proc_opendir(s, path, &dir);
	if (r != 0)
		return r < 0 ? r : 0;
	for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
		if (!isdigit((unsigned char)*entry->d_name) || atoi(entry->d_name) == pid)
			continue;
		if (pvb_format(path, sizeof(path), "%d/task/%s/fd", pid, entry->d_name) == 0)
			r = fds_look(s, pid, path, &seen);
	}
	return r;
}

/* "7f1c… rw-s 00000000 00:06 412 /dev/nvidiactl": by the node's own place, since a bind mount changes only the path. */
static int map_look(struct search *s, int pid, const char *line)
{
	unsigned maj, min;
	uint64_t inode;
	int at = 0;

	if (sscanf(line, "%*s %*s %*s %x:%x %" SCNu64 " %n", &maj, &min, &inode, &at) != 3 || !inode || !at)
		return 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct target *target = &s->targets[i];
		size_t len = strcspn(line + at, "\n");

		if ((target->inode == inode && target->fs == makedev(maj, min)) ||
		    (len == strlen(target->node) && !strncmp(line + at, target->node, len)))
			return holder_add(s, pid, target->node, true);
	}
	return 0;
}

static int maps_look(struct search *s, int pid)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	char path[32];
	int fd, r = 0;

	snprintf(path, sizeof(path), "%d/maps", pid);
	fd = openat(s->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		s->holders->unreadable += errno != ENOENT && errno != ESRCH;
		return 0;
	}
	file = fdopen(fd, "re");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && getline(&line, &size, file) > 0)
		r = map_look(s, pid, line);
	return r;
}

static int process_look(struct search *s, int pid)
{
	unsigned before = s->holders->unreadable, seen = 0;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "%d/fd", pid);
	r = fds_look(s, pid, path, &seen);
	if (r == 0 && !seen)
		r = threads_look(s, pid);
	if (r == 0 && s->maps && s->holders->unreadable == before)
		r = maps_look(s, pid);
	return r;
}

static int processes_look(struct search *s)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int r = proc_opendir(s, ".", &dir);

	if (r != 0)
		return r < 0 ? r : -EIO;
	for (struct dirent *entry; r == 0 && (entry = readdir(dir));)
		if (isdigit((unsigned char)*entry->d_name))
			r = process_look(s, atoi(entry->d_name));
	return r;
}

int pvb_holders_find(struct pvb_ctx *ctx, const char *const *nodes, size_t n, struct pvb_holders *holders)
{
	_cleanup_free_ struct target *targets = calloc(n ? n : 1, sizeof(*targets));
	_cleanup_close_ int proc_fd = pvb_open(ctx, "proc", O_RDONLY | O_DIRECTORY);
	struct search s = { .ctx = ctx, .holders = holders, .targets = targets, .n = n, .proc_fd = proc_fd };
	int r;

	*holders = (struct pvb_holders){ .n = 0 };
	if (!targets)
		return -ENOMEM;
	if (proc_fd < 0)
		return proc_fd;
	for (size_t i = 0; i < n; i++) {
		target_look(ctx, nodes[i], &targets[i]);
		/* A mapping of a vfio device is of an anonymous file, never of these nodes; the
		 * walk through all mappings of the machine would cost more than all the rest. */
		s.maps = s.maps || strncmp(nodes[i], "/dev/vfio/", 10) != 0;
	}
	r = processes_look(&s);
	if (r < 0)
		pvb_holders_clear(holders);
	return r;
}

void pvb_holders_clear(struct pvb_holders *holders)
{
	free(holders->list);
	*holders = (struct pvb_holders){ .n = 0 };
}

const char *pvb_holder_describe(const struct pvb_holder *holder, char *buf, size_t size)
{
	const char *command = *holder->command ? holder->command : "a process";

	if (*holder->who)
		snprintf(buf, size, "%s (%s, pid %d)", holder->who, command, holder->pid);
	else if (*holder->container)
		snprintf(buf, size, "%s (pid %d, container %s)", command, holder->pid, holder->container);
	else if (*holder->unit)
		snprintf(buf, size, "%s (pid %d, %s)", command, holder->pid, holder->unit);
	else
		snprintf(buf, size, "%s (pid %d)", command, holder->pid);
	return buf;
}
