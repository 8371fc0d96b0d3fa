/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which processes have a device's nodes open or mapped. */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "holders.h"

#define LOOK_NS 2000000000 /* for one process */
#define PARTS_MAX 4
#define PART_PROCESSES 250 /* their descriptors and maps take longer than one more child */

static void target_look(const struct pvb_ctx *ctx, const struct pvb_node *node, struct pvb_target *target)
{
	_cleanup_close_ int fd = pvb_open(ctx, node->path, O_PATH);
	const char *slash = strrchr(node->path, '/');
	dev_t rdev = makedev(node->major, node->minor);
	mode_t type = node->block ? S_IFBLK : S_IFCHR;
	struct stat st;
	bool here;

	*target = (struct pvb_target){ .node = node, .base = slash ? slash + 1 : node->path };
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

/* Every open file that its module's reference count knows of would show there: the cheap sign that there is none. */
static bool node_idle(const struct pvb_ctx *ctx, const struct pvb_node *node)
{
	char path[PVB_PATH_MAX];
	uint64_t count;

	if (!*node->counted_by || pvb_format(path, sizeof(path), "sys/module/%s/refcnt", node->counted_by) < 0)
		return false;
	return pvb_sysfs_read_number(ctx, path, &count) == 0 && count == 0;
}

/* Whether anybody may have one open. */
static bool nodes_busy(const struct pvb_ctx *ctx, const struct pvb_nodes *nodes)
{
	const struct pvb_node *idle = NULL; /* the last that is: a card's nodes mostly are of one module */

	for (size_t i = 0; i < nodes->n; i++) {
		const struct pvb_node *node = &nodes->list[i];

		if (!(idle && !strcmp(idle->counted_by, node->counted_by)) && !node_idle(ctx, node))
			return true;
		idle = node;
	}
	return false;
}

static void nodes_look(struct pvb_search *s, const struct pvb_nodes *nodes)
{
	for (size_t i = 0; i < nodes->n; i++) {
		target_look(s->ctx, &nodes->list[i], &s->targets[i]);
		s->maps = s->maps || nodes->list[i].mappable;
	}
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

/* What one part of the search has found, whose end says whether it came to its end. */
static int part_take(struct pvb_holders *holders, const char *text, size_t size, int at)
{
	size_t n = size / sizeof(struct pvb_holder);
	struct pvb_holder *more = reallocarray(holders->list, holders->n + n + 1, sizeof(*more));
	bool ended = false;

	if (!more)
		return -ENOMEM;
	holders->list = more;
	for (size_t i = 0; i < n; i++) {
		struct pvb_holder holder;

		memcpy(&holder, text + i * sizeof(holder), sizeof(holder));
		if (holder.pid < 0)
			continue;
		if (!holder.pid) {
			holders->unreadable += (unsigned)holder.at;
			ended = true;
		} else if (!holder_known(holders, &holder)) {
			holders->list[holders->n++] = holder;
		}
	}
	if (!ended && !holders->incomplete) {
		holders->incomplete = true;
		holders->hung_at = at;
	}
	return 0;
}

static int part_end(struct pvb_ctx *ctx, struct pvb_ask *ask, const struct pvb_search *part, struct pvb_holders *holders)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	/* Where one hangs, the others have had that time already. */
	int r = pvb_ask_end(ctx, ask, holders->incomplete ? LOOK_NS / 4 : LOOK_NS, &text, &size);

	return r == 0 || r == -ETIMEDOUT ? part_take(holders, text, size, *part->at) : r;
}

/* Nothing may be left out: a part that no process was to be had for is tried for again when the others' have ended, and one
 * that there was no time for is one that did not come to its end. */
static int parts_ask(struct pvb_ctx *ctx, struct pvb_search *parts, struct pvb_holders *holders)
{
	struct pvb_ask asks[PARTS_MAX];
	unsigned n = parts->parts, started = 0;
	int result = 0;

	while (started < n && pvb_ask_start(ctx, pvb_search_run, &parts[started], &asks[started]) == 0)
		started++;
	for (unsigned i = 0; i < started; i++) {
		int r = part_end(ctx, &asks[i], &parts[i], holders);

		result = r < 0 ? r : result;
	}
	for (unsigned i = started; i < n && result == 0; i++) {
		result = pvb_ask_start(ctx, pvb_search_run, &parts[i], &asks[i]);
		if (result == 0)
			result = part_end(ctx, &asks[i], &parts[i], holders);
	}
	return result == -ETIMEDOUT ? part_take(holders, NULL, 0, 0) : result;
}

/* One part for so many processes, as far as there are processors for them. */
static unsigned parts_count(const struct pvb_ctx *ctx)
{
	_cleanup_close_ int proc_fd = pvb_open(ctx, "proc", O_PATH | O_DIRECTORY);
	unsigned parts = 1;
	cpu_set_t set;
	struct stat st;

	/* Of /proc it is the number of processes, and some (proc_root_getattr(), fs/proc/root.c). */
	if (proc_fd >= 0 && fstat(proc_fd, &st) == 0)
		parts += (unsigned)st.st_nlink / PART_PROCESSES;
	if (sched_getaffinity(0, sizeof(set), &set) == 0 && (unsigned)CPU_COUNT(&set) < parts)
		parts = (unsigned)CPU_COUNT(&set);
	return parts < PARTS_MAX ? parts : PARTS_MAX;
}

/* /proc/PID/maps waits for the process's memory lock, which a process that is stuck in the kernel may hold: so
 * children look, and past its time what is left is unknown. */
static int search_ask(struct pvb_ctx *ctx, const struct pvb_search *s, struct pvb_holders *holders)
{
	_cleanup_free_ struct pvb_search *parts = calloc(PARTS_MAX, sizeof(*parts));
	unsigned n = parts_count(ctx);
	int r, *at;

	if (!parts)
		return -ENOMEM;
	at = mmap(NULL, PARTS_MAX * sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		parts[i] = *s;
		parts[i].part = i;
		parts[i].parts = n;
		parts[i].at = &at[i];
	}
	r = parts_ask(ctx, parts, holders);
	munmap(at, PARTS_MAX * sizeof(*at));
	if (holders->n)
		qsort(holders->list, holders->n, sizeof(*holders->list), holder_compare);
	return r;
}

int pvb_holders_find(struct pvb_ctx *ctx, const struct pvb_nodes *nodes, struct pvb_holders *holders)
{
	_cleanup_free_ struct pvb_target *targets = calloc(nodes->n ? nodes->n : 1, sizeof(*targets));
	struct pvb_search s = { .ctx = ctx, .targets = targets, .n = nodes->n };
	int r;

	*holders = (struct pvb_holders){ .n = 0 };
	if (!targets)
		return -ENOMEM;
	if (!nodes_busy(ctx, nodes))
		return 0;
	nodes_look(&s, nodes);
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
	if (!holders->hung_at) {
		snprintf(buf, size, "there was no time left to look at who uses it");
		return true;
	}
	snprintf(path, sizeof(path), "proc/%d/comm", holders->hung_at);
	if (pvb_read_file(ctx, path, PVB_NAME_MAX, &comm, NULL) == 0)
		comm[strcspn(comm, "\n")] = '\0';
	snprintf(buf, size, "%s (pid %d) could not be looked into within %d s", comm && *comm ? comm : "a process",
		 holders->hung_at, (int)(LOOK_NS / 1000000000));
	return true;
}
