/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which processes have a device's nodes open or mapped, and whose they are. */
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "internal.h"

#define LOOK_NS 2000000000

/* One node looked for. In a container the same device may have another path, so its number counts where it has one. */
struct target {
	const struct pvb_node *node;
	const char *base;
	mode_t type;   /* S_IFCHR, S_IFBLK; 0: no device node here (a test's tree) */
	dev_t rdev;
	dev_t fs;      /* where the node itself is: what /proc/PID/maps shows */
	ino_t inode;
	int found;     /* the process it was found in last: once is enough */
};

struct search {
	struct pvb_ctx *ctx;
	struct target *targets;
	size_t n;
	bool maps; /* whether mappings tell anything */
	int proc_fd;
	int fd;    /* where what is found goes: struct pvb_holder, one after the other */
	unsigned unreadable;
	volatile int *at; /* the process that is looked into */
};

static void target_look(const struct pvb_ctx *ctx, const struct pvb_node *node, struct target *target)
{
	_cleanup_close_ int fd = pvb_open(ctx, node->path, O_PATH);
	const char *slash = strrchr(node->path, '/');
	dev_t rdev = makedev(node->major, node->minor);
	mode_t type = node->block ? S_IFBLK : S_IFCHR;
	struct stat st;
	bool here;

	*target = (struct target){ .node = node, .base = slash ? slash + 1 : node->path };
	if (rdev && ctx->real_root) {
		target->type = type;
		target->rdev = rdev;
	}
	here = fd >= 0 && fstat(fd, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode));
	/* Under another name than expected, it is found by its number alone. */
	if (!here || (rdev && (st.st_rdev != rdev || (st.st_mode & S_IFMT) != type)))
		return;
	target->type = st.st_mode & S_IFMT;
	target->rdev = st.st_rdev;
	target->fs = st.st_dev;
	target->inode = st.st_ino;
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

static void owner_read(const struct search *s, int pid, struct pvb_holder *holder)
{
	char text[4096];
	const char *path;

	proc_read(s, pid, "cgroup", text, sizeof(text));
	path = cgroup_path(text);
	if (path)
		cgroup_parse(path, holder);
}

/* Sent at once, so that it is known even if a later process cannot be looked into. */
static int holder_send(struct search *s, int pid, struct target *target, bool mapped)
{
	struct pvb_holder holder = { .pid = pid, .mapped = mapped, .at = (size_t)(target - s->targets) };

	if (target->found == pid)
		return 0;
	target->found = pid;
	name_copy(holder.node, target->node->path, strlen(target->node->path));
	proc_read(s, pid, "comm", holder.command, sizeof(holder.command));
	holder.command[strcspn(holder.command, "\n")] = '\0';
	owner_read(s, pid, &holder);
	if (s->ctx->identify && !s->ctx->identify(s->ctx->identify_data, pid, holder.who, sizeof(holder.who)))
		*holder.who = '\0';
	return write(s->fd, &holder, sizeof(holder)) == (ssize_t)sizeof(holder) ? 0 : -EPIPE;
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

/* What name (followed) is, or what it is called where nodes have no number. */
static struct target *target_find(const struct search *s, int dir_fd, const char *name, const char *link)
{
	struct stat st = { .st_mode = 0 };

	if (fstatat(dir_fd, name, &st, 0) < 0)
		st.st_mode = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct target *target = &s->targets[i];

		if (target->type && target->type == (st.st_mode & S_IFMT) && target->rdev == st.st_rdev)
			return target;
		if (!target->type && !strcmp(target->node->path, link))
			return target;
	}
	return NULL;
}

static int fd_look(struct search *s, int pid, int dir_fd, const char *name)
{
	struct target *target;
	char link[PVB_PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, link, sizeof(link) - 1);

	if (n < 0)
		return 0; /* closed meanwhile */
	link[n] = '\0';
	if (!link_may_match(s, link))
		return 0;
	target = target_find(s, dir_fd, name, link);
	return target ? holder_send(s, pid, target, false) : 0;
}

/* Open a directory below proc. 1 when its process is gone, or it cannot be looked into (counted). */
static int proc_opendir(struct search *s, const char *path, DIR **dir)
{
	int fd = openat(s->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		s->unreadable += errno != ENOENT && errno != ESRCH;
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

/* "7f1c00001000-7f1c00002000 rw-s 00000000 00:06 412 /dev/nvidiactl": where the file itself is, and its name. */
static bool map_parse(const char *line, dev_t *fs, ino_t *inode, const char **name)
{
	char *p = strchr(line, ' ');
	unsigned long maj, min;

	for (int i = 0; p && i < 2; i++)
		p = strchr(p + 1, ' ');
	if (!p)
		return false;
	maj = strtoul(p, &p, 16);
	min = *p == ':' ? strtoul(p + 1, &p, 16) : 0;
	*fs = makedev(maj, min);
	*inode = strtoul(p, &p, 10);
	*name = p + strspn(p, " ");
	return *inode != 0;
}

/* By the node's own place; a container's own node is elsewhere, but has the number. */
static int map_look(struct search *s, int pid, const char *line)
{
	struct target *target = NULL;
	char path[96];
	const char *name;
	ino_t inode;
	dev_t fs;

	if (!map_parse(line, &fs, &inode, &name))
		return 0;
	for (size_t i = 0; !target && i < s->n; i++)
		if (s->targets[i].inode == inode && s->targets[i].fs == fs)
			target = &s->targets[i];
	if (!target && link_may_match(s, name)) {
		snprintf(path, sizeof(path), "%d/map_files/%.*s", pid, (int)strcspn(line, " "), line);
		target = target_find(s, s->proc_fd, path, name);
	}
	return target ? holder_send(s, pid, target, true) : 0;
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
		s->unreadable += errno != ENOENT && errno != ESRCH;
		return 0;
	}
	file = fdopen(fd, "re");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		r = map_look(s, pid, line);
	}
	return r;
}

static int process_look(struct search *s, int pid)
{
	unsigned before = s->unreadable, seen = 0;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "%d/fd", pid);
	r = fds_look(s, pid, path, &seen);
	if (r == 0 && !seen)
		r = threads_look(s, pid);
	if (r == 0 && s->maps && s->unreadable == before)
		r = maps_look(s, pid);
	return r;
}

static int processes_look(struct search *s)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int r = proc_opendir(s, ".", &dir);

	if (r != 0)
		return r < 0 ? r : -EIO;
	for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		*s->at = atoi(entry->d_name);
		r = process_look(s, *s->at);
	}
	return r;
}

/* In the child. What ends it is a record without a process. */
static void search_run(struct pvb_ctx *ctx, void *data, int fd)
{
	struct search *s = data;
	struct pvb_holder end = { .pid = 0 };

	s->ctx = ctx;
	s->fd = fd;
	s->proc_fd = pvb_open(ctx, "proc", O_RDONLY | O_DIRECTORY);
	if (s->proc_fd < 0 || processes_look(s) < 0)
		_exit(1);
	end.at = s->unreadable;
	if (write(fd, &end, sizeof(end)) != (ssize_t)sizeof(end))
		_exit(1);
}

/* ---- in the parent ------------------------------------------------------------------ */

/* Every open file that its module's reference count knows of would show there: the cheap sign that there is none. */
static bool node_idle(const struct pvb_ctx *ctx, const struct pvb_node *node)
{
	char path[PVB_PATH_MAX];
	uint64_t count;

	if (!*node->counted_by || pvb_format(path, sizeof(path), "sys/module/%s/refcnt", node->counted_by) < 0)
		return false;
	return pvb_sysfs_read_number(ctx, path, &count) == 0 && count == 0;
}

static bool nodes_look(struct search *s, const struct pvb_nodes *nodes)
{
	bool any = false;

	for (size_t i = 0; i < nodes->n; i++) {
		const struct pvb_node *node = &nodes->list[i];

		target_look(s->ctx, node, &s->targets[i]);
		any = any || !node_idle(s->ctx, node);
		s->maps = s->maps || node->mappable;
	}
	return any;
}

static bool holder_known(const struct pvb_holders *holders, const struct pvb_holder *holder)
{
	for (size_t i = holders->n; i-- > 0;)
		if (holders->list[i].pid == holder->pid && holders->list[i].at == holder->at)
			return true;
	return false;
}

static int holder_compare(const void *a, const void *b)
{
	const struct pvb_holder *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int holders_take(struct pvb_holders *holders, const char *text, size_t size)
{
	size_t n = size / sizeof(struct pvb_holder);

	holders->incomplete = true;
	holders->list = calloc(n ? n : 1, sizeof(*holders->list));
	if (!holders->list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct pvb_holder holder;

		memcpy(&holder, text + i * sizeof(holder), sizeof(holder));
		if (!holder.pid) {
			holders->unreadable = (unsigned)holder.at;
			holders->incomplete = false;
		} else if (!holder_known(holders, &holder)) {
			holders->list[holders->n++] = holder;
		}
	}
	qsort(holders->list, holders->n, sizeof(*holders->list), holder_compare);
	return 0;
}

/* /proc/PID/maps waits for the process's memory lock, which a process that is stuck in the kernel may hold: so a
 * child looks, and past its time what is left is unknown. */
static int search_ask(struct pvb_ctx *ctx, struct search *s, struct pvb_holders *holders)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	s->at = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->at == MAP_FAILED)
		return -ENOMEM;
	r = pvb_ask(ctx, search_run, s, pvb_now_ns() + LOOK_NS, &text, &size);
	if (r == 0 || r == -ETIMEDOUT)
		r = holders_take(holders, text, size);
	holders->hung_at = *s->at;
	munmap((void *)(uintptr_t)s->at, sizeof(int));
	return r;
}

int pvb_holders_find(struct pvb_ctx *ctx, const struct pvb_nodes *nodes, struct pvb_holders *holders)
{
	_cleanup_free_ struct target *targets = calloc(nodes->n ? nodes->n : 1, sizeof(*targets));
	struct search s = { .ctx = ctx, .targets = targets, .n = nodes->n };
	int r;

	*holders = (struct pvb_holders){ .n = 0 };
	if (!targets)
		return -ENOMEM;
	if (!nodes_look(&s, nodes))
		return 0;
	r = search_ask(ctx, &s, holders);
	if (r < 0)
		pvb_holders_clear(holders);
	return r;
}

void pvb_holders_clear(struct pvb_holders *holders)
{
	free(holders->list);
	*holders = (struct pvb_holders){ .n = 0 };
}

bool pvb_holders_unknown(struct pvb_ctx *ctx, const struct pvb_holders *holders, char *buf, size_t size)
{
	_cleanup_free_ char *comm = NULL;
	char path[32];

	*buf = '\0';
	if (!holders->incomplete && !holders->unreadable)
		return false;
	if (!holders->incomplete) {
		snprintf(buf, size, "%u process%s could not be looked into", holders->unreadable, holders->unreadable > 1 ? "es" : "");
		return true;
	}
	snprintf(path, sizeof(path), "proc/%d/comm", holders->hung_at);
	if (pvb_read_file(ctx, path, PVB_NAME_MAX, &comm, NULL) == 0)
		comm[strcspn(comm, "\n")] = '\0';
	snprintf(buf, size, "%s (pid %d) could not be looked into within %d s", comm && *comm ? comm : "a process",
		 holders->hung_at, (int)(LOOK_NS / 1000000000));
	return true;
}

void pvb_holder_self(struct pvb_ctx *ctx, struct pvb_holder *self)
{
	_cleanup_free_ char *text = NULL;
	const char *path;

	*self = (struct pvb_holder){ .pid = (int)getpid() };
	if (pvb_read_file(ctx, "proc/self/cgroup", 4096, &text, NULL) < 0)
		return;
	path = cgroup_path(text);
	if (path)
		cgroup_parse(path, self);
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
