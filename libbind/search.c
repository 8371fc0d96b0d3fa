/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk through /proc: which processes have a device's nodes open or mapped. */
#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "holders.h"

#define LIFE_NS 200000000
#define SEARCH_BUFFER 65536

/* A small file below /proc/PID; "" when the process is gone. */
static void proc_read(const struct pvb_search *s, int pid, const char *name, char *buf, size_t size)
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

static void owner_read(const struct pvb_search *s, int pid, struct pvb_holder *holder)
{
	char text[4096];

	proc_read(s, pid, "cgroup", text, sizeof(text));
	pvb_owner_parse(text, holder);
}

/* Sent at once, so that it is known even if a later process cannot be looked into. */
static int holder_send(struct pvb_search *s, int pid, struct pvb_target *target, bool mapped)
{
	struct pvb_holder holder = { .pid = pid, .mapped = mapped, .at = (size_t)(target - s->targets) };

	if (target->found == pid)
		return 0;
	target->found = pid;
	snprintf(holder.node, sizeof(holder.node), "%s", target->node->path);
	proc_read(s, pid, "comm", holder.command, sizeof(holder.command));
	holder.command[strcspn(holder.command, "\n")] = '\0';
	/* Another lend that asks the kernel about its console by this card's frame buffer: closed before this is told. */
	if (!mapped && !strncmp(target->node->path, "/dev/fb", 7) && !strcmp(holder.command, PVB_ASKER))
		return 0;
	owner_read(s, pid, &holder);
	if (s->ctx->identify && !s->ctx->identify(s->ctx->identify_data, pid, holder.who, sizeof(holder.who)))
		*holder.who = '\0';
	return write(s->fd, &holder, sizeof(holder)) == (ssize_t)sizeof(holder) ? 0 : -EPIPE;
}

/* Whether a descriptor's link may lead to one of the nodes: it is in a folder dev, of whatever root, or has the name
 * of one. Only then is it followed: following a link to a file on a dead network file system would hang. */
static bool link_may_match(const struct pvb_search *s, const char *link)
{
	const char *slash = strrchr(link, '/');

	/* What nearly every process has open, and no device of ours. */
	if (!strcmp(link, "/dev/null") || !strncmp(link, "/dev/pts/", 9) || !strcmp(link, "/dev/urandom"))
		return false;
	if (strstr(link, "/dev/"))
		return true;
	for (size_t i = 0; slash && i < s->n; i++)
		if (!strcmp(slash + 1, s->targets[i].base))
			return true;
	return false;
}

/* What name (followed) is, or what it is called where nodes have no number. */
static struct pvb_target *target_find(const struct pvb_search *s, int dir_fd, const char *name, const char *link)
{
	struct stat st = { .st_mode = 0 };

	if (fstatat(dir_fd, name, &st, 0) < 0)
		st.st_mode = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct pvb_target *target = &s->targets[i];

		if (target->type && target->type == (st.st_mode & S_IFMT) && target->rdev == st.st_rdev)
			return target;
		if (!target->type && !strcmp(target->node->path, link))
			return target;
	}
	return NULL;
}

static int fd_look(struct pvb_search *s, int pid, int dir_fd, const char *name)
{
	struct pvb_target *target;
	char link[PVB_PATH_MAX];
	/* NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions): it takes dirfd() of an open directory for what may fail */
	ssize_t n = readlinkat(dir_fd, name, link, sizeof(link) - 1);

	if (n < 0)
		return 0; /* closed meanwhile */
	link[n] = '\0';
	if (!link_may_match(s, link))
		return 0;
	target = target_find(s, dir_fd, name, link);
	return target ? holder_send(s, pid, target, false) : 0;
}

/* Open a directory below proc. NULL with *r = 0: its process is gone, or cannot be looked into (counted); else with an error.
 * Gone may be also who was there when it was opened: fdopendir() looks at it once more, and since Linux 6.2 that counts
 * descriptors (proc_fd_getattr()). */
static DIR *proc_opendir(struct pvb_search *s, const char *path, int *r)
{
	int fd = openat(s->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;

	*r = 0;
	if (fd < 0) {
		s->unreadable += errno != ENOENT && errno != ESRCH;
		return NULL;
	}
	dir = fdopendir(fd);
	if (dir)
		return dir;
	*r = errno == ENOENT || errno == ESRCH ? 0 : -ENOMEM;
	close(fd);
	return NULL;
}

/* *seen: how many descriptors there were. */
static int fds_look(struct pvb_search *s, int pid, const char *path, unsigned *seen)
{
	int r;
	_cleanup_closedir_ DIR *dir = proc_opendir(s, path, &r);

	*seen = !dir; /* unreadable: no reason to ask its threads */
	if (!dir)
		return r;
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
static int threads_look(struct pvb_search *s, int pid)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char path[PVB_PATH_MAX];
	unsigned seen;
	int r;

	snprintf(path, sizeof(path), "%d/task", pid);
	dir = proc_opendir(s, path, &r);
	if (!dir)
		return r;
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
static int map_look(struct pvb_search *s, int pid, const char *line)
{
	struct pvb_target *target = NULL;
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

static int maps_look(struct pvb_search *s, int pid)
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
	setvbuf(file, s->buffer, _IOFBF, SEARCH_BUFFER); /* few reads: each begins with a search in the kernel */
	while (r == 0 && getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		r = map_look(s, pid, line);
	}
	return r;
}

static int process_look(struct pvb_search *s, int pid)
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

/* A sign of life from time to time: only a single process that takes long is one that hangs. */
static int life_show(struct pvb_search *s)
{
	const struct pvb_holder none = { .pid = -1 };
	int64_t now = pvb_now_ns();

	if (now - s->shown_ns < LIFE_NS)
		return 0;
	s->shown_ns = now;
	return write(s->fd, &none, sizeof(none)) == (ssize_t)sizeof(none) ? 0 : -EPIPE;
}

/* By the number, so that no process is in two parts or in none, mixed, as those of a service may all be even. */
static bool is_ours(const struct pvb_search *s, int pid)
{
	return ((uint32_t)pid * 2654435761u >> 16) % s->parts == s->part;
}

static int processes_look(struct pvb_search *s)
{
	int r;
	_cleanup_closedir_ DIR *dir = proc_opendir(s, ".", &r);

	if (!dir)
		return r < 0 ? r : -EIO;
	for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
		if (!isdigit((unsigned char)*entry->d_name) || !is_ours(s, atoi(entry->d_name)))
			continue;
		*s->at = atoi(entry->d_name);
		r = process_look(s, *s->at);
		if (r == 0)
			r = life_show(s);
	}
	return r;
}

void pvb_search_run(struct pvb_ctx *ctx, void *data, int fd)
{
	struct pvb_search *s = data;
	struct pvb_holder end = { .pid = 0 };
	char buffer[SEARCH_BUFFER];

	s->buffer = buffer;
	s->ctx = ctx;
	s->fd = fd;
	s->proc_fd = pvb_open(ctx, "proc", O_RDONLY | O_DIRECTORY);
	if (s->proc_fd < 0 || processes_look(s) < 0)
		_exit(1);
	end.at = s->unreadable;
	if (write(fd, &end, sizeof(end)) != (ssize_t)sizeof(end))
		_exit(1);
}
