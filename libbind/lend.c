/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lends as their journals and the devices' records tell of them. Reads only. */
#include <fcntl.h>
#include <string.h>

#include "lend.h"

int pvb_lend_read(struct pvb_ctx *ctx, const char *name, struct pvb_lend *lend, struct pvb_err *err)
{
	struct pvb_journal j;
	int r = pvb_journal_read(ctx, name, &j, err);

	if (r < 0)
		return r;
	*lend = j.lend;
	memset(&j.lend, 0, sizeof(j.lend));
	pvb_journal_clear(&j);
	return 0;
}

int pvb_lend_names(struct pvb_ctx *ctx, char ***names, struct pvb_err *err)
{
	static const char suffix[] = ".journal";
	_cleanup_strv_ char **files = NULL;
	size_t kept = 0;
	int r = pvb_sysfs_list(ctx, PVB_STATE_DIR, &files);

	if (r < 0)
		return pvb_err_set(err, r, "cannot list /" PVB_STATE_DIR ": %s", strerror(-r));
	for (size_t i = 0; files[i]; i++) {
		size_t n = strlen(files[i]);
		char *file = files[i];

		files[i] = NULL; /* so that the list stays whole whatever happens */
		if (n > sizeof(suffix) - 1 && !strcmp(file + n - (sizeof(suffix) - 1), suffix)) {
			file[n - (sizeof(suffix) - 1)] = '\0';
			files[kept++] = file;
		} else {
			free(file);
		}
	}
	*names = files;
	files = NULL;
	return 0;
}

const char *pvb_device_record_name(const struct pvb_addr *addr, char buf[PVB_NAME_MAX])
{
	char text[PVB_ADDR_MAX];

	snprintf(buf, PVB_NAME_MAX, "%s", pvb_addr_format(addr, text));
	return buf;
}

static int holder_get(struct pvb_ctx *ctx, const char *body, char *buf, size_t size)
{
	_cleanup_close_ int fd = -1;
	char path[PVB_PATH_MAX];

	if (!pvb_line_is(body, "device") || pvb_line_get(body, "lend", buf, size) < 0)
		return -ENOENT;
	/* The journal comes before the records and goes after them: a record alone is a leftover. */
	fd = pvb_open(ctx, pvb_journal_path(buf, path), O_PATH | O_NOFOLLOW);
	return fd < 0 ? fd : 0;
}

int pvb_device_holder(struct pvb_ctx *ctx, const struct pvb_addr *addr, char *buf, size_t size)
{
	_cleanup_free_ char *body = NULL;
	char name[PVB_NAME_MAX];
	int r = pvb_record_peek(ctx, pvb_device_record_name(addr, name), &body);

	return r < 0 ? r : holder_get(ctx, body, buf, size);
}

int pvb_record_holder(struct pvb_ctx *ctx, const struct pvb_record *record, char *buf, size_t size)
{
	return holder_get(ctx, record->body, buf, size);
}

/* Records go as soon as their devices are home, and before the journal. */
bool pvb_lend_has(struct pvb_ctx *ctx, const struct pvb_lend *lend, size_t i)
{
	char holder[32];
	int r;

	if (lend->state != PVB_FAILED && lend->state != PVB_RETURNING)
		return true;
	r = pvb_device_holder(ctx, &lend->devices[i].addr, holder, sizeof(holder));
	/* What cannot be read may be ours: to take it for another's would be to forget the device. */
	return r < 0 ? r != -ENOENT : !strcmp(holder, lend->name);
}

const char *pvb_lend_devices(struct pvb_ctx *ctx, const struct pvb_lend *lend, char *buf, size_t size)
{
	char addr[PVB_ADDR_MAX];
	size_t used = 0;

	*buf = '\0';
	for (size_t i = 0; i < lend->num_devices && used < size; i++)
		if (pvb_lend_has(ctx, lend, i))
			used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "",
						 pvb_addr_format(&lend->devices[i].addr, addr));
	return buf;
}

/* Who hangs in a slot's reset has its groups open, and would be waited for in vain: marked as stuck, or, when his hook
 * was killed, only known by the device's lock. lock_fds: those that we have ourselves. */
static bool group_counts(struct pvb_ctx *ctx, const struct pvb_lend *lend, const int *lock_fds, size_t i)
{
	const struct pvb_home *home = &lend->devices[i];
	char what[320], name[PVB_NAME_MAX];

	if (home->stays || home->group < 0 || !pvb_lend_has(ctx, lend, i))
		return false;
	if (lock_fds ? lock_fds[i] < 0 : pvb_record_locked(ctx, pvb_device_record_name(&home->addr, name)))
		return false;
	return pvb_stuck_check(ctx, &home->addr, what, sizeof(what)) == 0;
}

int pvb_lend_groups_wait(struct pvb_ctx *ctx, const struct pvb_lend *lend, const int *lock_fds, int64_t deadline_ns)
{
	_cleanup_free_ int *groups = calloc(lend->num_devices ? lend->num_devices : 1, sizeof(*groups));
	size_t n = 0;

	if (!groups)
		return -ENOMEM;
	for (size_t i = 0; i < lend->num_devices; i++) {
		bool known = !group_counts(ctx, lend, lock_fds, i);

		for (size_t k = 0; k < n; k++)
			known = known || groups[k] == lend->devices[i].group;
		if (!known)
			groups[n++] = lend->devices[i].group;
	}
	return pvb_vfio_wait_free(ctx, groups, n, deadline_ns);
}
