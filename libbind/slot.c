/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resetting a slot: the secondary-bus reset that a card without a reset of its own needs, and that takes all its
 * functions at once. VFIO does it for who has all of them open (Documentation/driver-api/vfio.rst; checks in
 * drivers/vfio/pci/vfio_pci_core.c); in newer kernels the bridge above has an attribute, reset_subordinate, which
 * checks nothing.
 */
#include <fcntl.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "reset.h"

#define GROUPS_MAX 8 /* a slot has 8 functions */

struct slot {
	struct pvb_ctx *ctx;
	const struct pvb_home *const *fns;
	size_t n;
	int container_fd;
	int groups[GROUPS_MAX], group_fds[GROUPS_MAX];
	size_t num_groups;
	struct pvb_err *err;
};

static bool slot_has(const struct slot *s, const struct pvb_addr *addr)
{
	for (size_t i = 0; i < s->n; i++)
		if (pvb_addr_compare(&s->fns[i]->addr, addr) == 0)
			return true;
	return false;
}

static const char *slot_name(const struct slot *s, char buf[PVB_ADDR_MAX])
{
	struct pvb_addr addr = s->fns[0]->addr;

	addr.fn = s->n > 1 ? PVB_FN_ALL : addr.fn;
	return pvb_addr_format(&addr, buf);
}

static int foreign_refuse(const struct slot *s, const struct pvb_addr *foreign)
{
	char text[PVB_ADDR_MAX], other[PVB_ADDR_MAX];

	return pvb_err_set(s->err, -ENOTTY, "%s cannot be reset: that would reset %s as well, which is not lent with it",
			   slot_name(s, text), pvb_addr_format(foreign, other));
}

/* ---- by VFIO ------------------------------------------------------------------------ */

static int group_open(struct slot *s, int group)
{
	char path[32], text[PVB_ADDR_MAX];
	int fd;

	for (size_t i = 0; i < s->num_groups; i++)
		if (s->groups[i] == group)
			return 0;
	if (s->num_groups == GROUPS_MAX)
		return pvb_err_set(s->err, -E2BIG, "%s is in more IOMMU groups than a slot has functions",
				   slot_name(s, text));
	snprintf(path, sizeof(path), "dev/vfio/%d", group);
	fd = pvb_open(s->ctx, path, O_RDWR);
	if (fd == -EBUSY)
		return pvb_err_set(s->err, fd, "%s cannot be reset: somebody has /%s open", slot_name(s, text), path);
	if (fd < 0)
		return pvb_err_set(s->err, fd, "cannot open /%s: %s", path, strerror(-fd));
	s->groups[s->num_groups] = group;
	s->group_fds[s->num_groups++] = fd;
	return 0;
}

/* All groups into one container with an IOMMU: without that no device file is to be had. */
static int container_open(struct slot *s)
{
	s->container_fd = pvb_open(s->ctx, "dev/vfio/vfio", O_RDWR);
	if (s->container_fd < 0)
		return pvb_err_set(s->err, s->container_fd, "cannot open /dev/vfio/vfio: %s", strerror(-s->container_fd));
	for (size_t i = 0; i < s->num_groups; i++)
		if (ioctl(s->group_fds[i], VFIO_GROUP_SET_CONTAINER, &s->container_fd) < 0)
			return pvb_err_set(s->err, -errno, "cannot use /dev/vfio/%d: %s", s->groups[i],
					   errno == EPERM ? "a member of the group has a host driver" : strerror(errno));
	if (ioctl(s->container_fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		return pvb_err_set(s->err, -errno, "cannot set up the IOMMU for VFIO: %s", strerror(errno));
	return 0;
}

/* What the reset of device_fd would take: ours only, or -ENOTTY. */
static int dependents_check(const struct slot *s, int device_fd)
{
	struct vfio_pci_hot_reset_info probe = { .argsz = sizeof(probe) };
	_cleanup_free_ struct vfio_pci_hot_reset_info *info = NULL;
	char text[PVB_ADDR_MAX];
	size_t size;

	/* ENOSPC, and the count, is the usual answer; ENODEV: no slot or bus to reset (the root bus). */
	if (ioctl(device_fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &probe) < 0 && errno != ENOSPC)
		return pvb_err_set(s->err, -ENOTTY, "%s cannot be reset as a slot: %s", slot_name(s, text), strerror(errno));
	size = sizeof(*info) + probe.count * sizeof(info->devices[0]);
	info = calloc(1, size);
	if (!info)
		return pvb_err_set(s->err, -ENOMEM, "out of memory");
	info->argsz = (uint32_t)size;
	if (ioctl(device_fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info) < 0)
		return pvb_err_set(s->err, -errno, "cannot learn what a reset of %s would take: %s", slot_name(s, text),
				   strerror(errno));
	for (uint32_t i = 0; i < info->count; i++) {
		const struct vfio_pci_dependent_device *d = &info->devices[i];
		struct pvb_addr addr = { .domain = d->segment, .bus = d->bus, .dev = d->devfn >> 3, .fn = d->devfn & 7 };

		if (!slot_has(s, &addr))
			return foreign_refuse(s, &addr);
	}
	return 0;
}

static int hot_reset(const struct slot *s, int device_fd)
{
	/* The head, of 32-bit words too, with room for the descriptors at its end. */
	uint32_t words[sizeof(struct vfio_pci_hot_reset) / sizeof(uint32_t) + GROUPS_MAX] = { 0 };
	struct vfio_pci_hot_reset *reset = (void *)words;
	char text[PVB_ADDR_MAX];

	reset->argsz = sizeof(words);
	reset->count = (uint32_t)s->num_groups;
	for (size_t i = 0; i < s->num_groups; i++)
		reset->group_fds[i] = s->group_fds[i];
	if (ioctl(device_fd, VFIO_DEVICE_PCI_HOT_RESET, reset) == 0)
		return 0;
	return pvb_err_set(s->err, -errno, "the reset of %s failed: %s", slot_name(s, text), strerror(errno));
}

static int vfio_reset_opened(struct slot *s)
{
	_cleanup_close_ int device_fd = -1;
	char name[PVB_ADDR_MAX];
	int r = container_open(s);

	if (r < 0)
		return r;
	/* Opening it makes vfio-pci enable the device, and try its own reset. */
	pvb_addr_format(&s->fns[0]->addr, name);
	for (size_t i = 0; device_fd < 0 && i < s->num_groups; i++)
		if (s->groups[i] == s->fns[0]->group)
			device_fd = ioctl(s->group_fds[i], VFIO_GROUP_GET_DEVICE_FD, name);
	if (device_fd < 0)
		return pvb_err_set(s->err, -errno, "cannot open %s through VFIO: %s", name, strerror(errno));
	r = dependents_check(s, device_fd);
	return r < 0 ? r : hot_reset(s, device_fd);
}

/* -EBUSY: a group is open, so that no other way may be tried either. */
static int vfio_reset(struct slot *s)
{
	int r = pvb_module_load(s->ctx, "vfio_iommu_type1", NULL, s->err);

	for (size_t i = 0; r == 0 && i < s->n; i++)
		r = group_open(s, s->fns[i]->group);
	if (r == 0)
		r = vfio_reset_opened(s);
	if (s->container_fd >= 0)
		close(s->container_fd);
	for (size_t i = 0; i < s->num_groups; i++)
		close(s->group_fds[i]);
	s->num_groups = 0;
	return r;
}

/* ---- by the bridge ------------------------------------------------------------------- */

/* Whether everything below the bridge but bridges is ours. *found: how much that is. */
static int below_check(const struct slot *s, const struct pvb_addr *bridge, unsigned depth, unsigned *found)
{
	_cleanup_strv_ char **names = NULL;
	char path[PVB_PATH_MAX];
	struct pvb_addr addr;
	int r = pvb_sysfs_list(s->ctx, pvb_device_path(bridge, "", path), &names);

	if (r < 0 || depth > 32)
		return pvb_err_set(s->err, r < 0 ? r : -ELOOP, "cannot see what is below the bridge /%s", path);
	for (char **name = names; r == 0 && *name; name++) {
		if (!strchr(*name, '.') || pvb_addr_parse(*name, &addr, NULL) < 0)
			continue;
		if (pvb_sysfs_exists(s->ctx, pvb_device_path(&addr, "pci_bus", path)))
			r = below_check(s, &addr, depth + 1, found);
		else if (!slot_has(s, &addr))
			r = foreign_refuse(s, &addr);
		else
			(*found)++;
	}
	return r;
}

/* The attribute asks nobody: that nobody has the functions open is ours to know. */
static int unopened_check(const struct slot *s)
{
	char text[PVB_ADDR_MAX];

	for (size_t i = 0; i < s->n; i++) {
		int r = s->fns[i]->group < 0 ? 0 : pvb_vfio_group_busy(s->ctx, s->fns[i]->group);

		if (r < 0)
			return pvb_err_set(s->err, r, "cannot tell whether /dev/vfio/%d is open: %s", s->fns[i]->group,
					   strerror(-r));
		if (r > 0)
			return pvb_err_set(s->err, -EBUSY, "%s cannot be reset: somebody has /dev/vfio/%d open",
					   slot_name(s, text), s->fns[i]->group);
	}
	return 0;
}

/* why: what was wrong with the way by VFIO. */
static int bridge_reset(const struct slot *s, const struct pvb_addr *bridge, const char *why)
{
	char path[PVB_PATH_MAX], text[PVB_ADDR_MAX], name[PVB_ADDR_MAX];
	unsigned found = 0;
	int r;

	slot_name(s, text);
	if (!bridge || !pvb_sysfs_exists(s->ctx, pvb_device_path(bridge, "reset_subordinate", path)))
		return pvb_err_set(s->err, -ENOTTY, "%s cannot be reset as a slot: by VFIO not (%s), nor by its bridge, which has no reset_subordinate",
				   text, why);
	r = below_check(s, bridge, 0, &found);
	if (r == 0 && found != s->n)
		return pvb_err_set(s->err, -ENOTTY, "%s cannot be reset by the bridge %s: not all of it is below that",
				   text, pvb_addr_format(bridge, name));
	if (r == 0)
		r = unopened_check(s);
	if (r < 0)
		return r;
	r = pvb_sysfs_write(s->ctx, path, "1");
	if (r < 0)
		return pvb_err_set(s->err, r, "the reset of %s by its bridge %s failed: %s", text,
				   pvb_addr_format(bridge, name), strerror(-r));
	return 0;
}

static int survivors_check(const struct slot *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n; i++)
		r = pvb_reset_survived(s->ctx, &s->fns[i]->addr, s->err);
	return r;
}

int pvb_reset_slot(struct pvb_ctx *ctx, const struct pvb_home *const *fns, size_t n, const struct pvb_addr *bridge,
		   char *how, size_t size, struct pvb_err *err)
{
	struct slot s = { .ctx = ctx, .fns = fns, .n = n, .container_fd = -1, .err = err };
	char why[sizeof(err->text)], text[PVB_ADDR_MAX];
	int r;

	snprintf(how, size, "%s", "");
	if (n == 0)
		return pvb_err_set(err, -ENOTTY, "no function to reset");
	r = vfio_reset(&s);
	if (r == 0) {
		snprintf(how, size, "VFIO hot reset");
		return survivors_check(&s);
	}
	if (r == -EBUSY || r == -ENOMEM)
		return r;
	snprintf(why, sizeof(why), "%s", err->text);
	r = bridge_reset(&s, bridge, why);
	if (r < 0)
		return r;
	snprintf(how, size, "the bridge %s", pvb_addr_format(bridge, text));
	return survivors_check(&s);
}
