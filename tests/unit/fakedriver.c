/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Matching, probe, remove and vfio: drivers/base/dd.c, drivers/pci/pci-driver.c, drivers/vfio. */
#define _GNU_SOURCE
#include "fk_internal.h"

#include <signal.h>
#include <stdlib.h>

/* ---- devices and ids ------------------------------------------------------- */

unsigned fk_attribute(const char *bdf, const char *name)
{
	return fk_number(fk_path("sys/bus/pci/devices/%s/%s", bdf, name).s);
}

bool fk_device_find(const char *bdf, struct device *d)
{
	struct fk_path at = fk_path("sys/bus/pci/devices/%s", bdf);
	char target[256];
	ssize_t n = strchr(bdf, '/') || !*bdf ? -1 : readlinkat(fk_root, at.s, target, sizeof(target) - 1);
	const char *p;

	if (n <= 0)
		return false;
	target[n] = '\0';
	p = strstr(target, "devices/");
	snprintf(d->path, sizeof(d->path), "sys/%.250s", p ? p : "");
	snprintf(d->bdf, sizeof(d->bdf), "%.63s", bdf);
	fk_link_base(fk_path("%s/driver", at.s).s, d->driver);
	fk_get(fk_root, fk_path("%s/driver_override", at.s).s, d->override, sizeof(d->override));
	if (!strcmp(d->override, "(null)"))
		d->override[0] = '\0';
	d->id = (struct id){ fk_attribute(bdf, "vendor"), fk_attribute(bdf, "device"), fk_attribute(bdf, "subsystem_vendor"),
			     fk_attribute(bdf, "subsystem_device"), fk_attribute(bdf, "class"), 0, 0 };
	return p != NULL;
}

int fk_id_parse(const char *text, struct id *id)
{
	*id = (struct id){ ANY, ANY, ANY, ANY, 0, 0, 0 };
	return sscanf(text, "%x %x %x %x %x %x %x", &id->vendor, &id->device, &id->subvendor, &id->subdevice,
		      &id->class, &id->mask, &id->override_only);
}

/* pci_match_one_device() */
bool fk_id_covers(const struct id *id, const struct id *of)
{
	return (id->vendor == ANY || id->vendor == of->vendor) && (id->device == ANY || id->device == of->device) &&
	       (id->subvendor == ANY || id->subvendor == of->subvendor) &&
	       (id->subdevice == ANY || id->subdevice == of->subdevice) && !((id->class ^ of->class) & id->mask);
}

static bool ids_cover(const char *path, const struct id *of, bool overridden)
{
	char text[8192], *save = NULL;
	struct id id;

	fk_get(fk_root, path, text, sizeof(text));
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (fk_id_parse(l, &id) >= 2 && fk_id_covers(&id, of) && (!id.override_only || overridden))
			return true;
	return false;
}

struct fk_path fk_driver_file(const char *driver, const char *name)
{
	return fk_path(".kernel/drivers/%s/%s", driver, name);
}

/* pci_match_device(): the override alone decides where there is one; then new_id, then the table. */
bool fk_driver_matches(const char *driver, const char *override, const struct id *id)
{
	if (*override)
		return !strcmp(override, driver);
	return ids_cover(fk_driver_file(driver, "dynids").s, id, false) || ids_cover(fk_driver_file(driver, "ids").s, id, false);
}

/* ---- vfio ------------------------------------------------------------------- */

static bool is_vfio(const char *driver)
{
	return *driver && fk_exists(fk_driver_file(driver, "vfio").s);
}

/* vfio_pci_core's probe: bridges, PFs with VFs and devices without an IOMMU group are not for it. */
static int vfio_refuses(const struct device *d)
{
	unsigned char header[64] = { 0 };
	int fd = openat(fk_root, fk_path("%s/config", d->path).s, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, header, sizeof(header)) < 0)
		header[14] = 0;
	if (fd >= 0)
		close(fd);
	if ((header[14] & 0x7f) || !fk_exists(fk_path("%s/iommu_group", d->path).s))
		return -EINVAL;
	return fk_attribute(d->bdf, "sriov_numvfs") ? -EBUSY : 0;
}

static bool group_has_vfio(const char *group)
{
	struct names *members = fk_list(fk_path("sys/kernel/iommu_groups/%s/devices", group).s);
	struct device d;
	bool found = false;

	for (int i = 0; i < members->n; i++)
		found |= fk_device_find(members->s[i], &d) && is_vfio(d.driver);
	free(members);
	return found;
}

/* A regular file stands in for the group's node; /dev/vfio/devices only where the kernel has device cdevs. */
static void vfio_appear(const struct device *d, const char *group)
{
	struct fk_path dir = fk_path("%s/vfio-dev", d->path), at;
	int n = 0;

	while (fk_exists(fk_path("sys/class/vfio-dev/vfio%d", n).s))
		n++;
	mkdirat(fk_root, dir.s, 0755);
	at = fk_path("%s/vfio-dev/vfio%d", d->path, n);
	mkdirat(fk_root, at.s, 0755);
	fk_replace(fk_path("%s/dev", at.s).s, fk_path("511:%d\n", n).s);
	fk_symlink(fk_root, fk_path("sys/class/vfio-dev/vfio%d", n).s, at.s);
	if (fk_exists("dev/vfio/devices"))
		fk_replace(fk_path("dev/vfio/devices/vfio%d", n).s, "");
	if (!fk_exists(fk_path("dev/vfio/%s", group).s))
		fk_replace(fk_path("dev/vfio/%s", group).s, "");
}

static void vfio_vanish(const struct device *d, const char *group)
{
	struct fk_path dir = fk_path("%s/vfio-dev", d->path);
	struct names *all = fk_list(dir.s);

	for (int i = 0; i < all->n; i++) {
		unlinkat(fk_root, fk_path("sys/class/vfio-dev/%s", all->s[i]).s, 0);
		unlinkat(fk_root, fk_path("dev/vfio/devices/%s", all->s[i]).s, 0);
		unlinkat(fk_root, fk_path("%s/%s/dev", dir.s, all->s[i]).s, 0);
		unlinkat(fk_root, fk_path("%s/%s", dir.s, all->s[i]).s, AT_REMOVEDIR);
	}
	unlinkat(fk_root, dir.s, AT_REMOVEDIR);
	if (!group_has_vfio(group))
		unlinkat(fk_root, fk_path("dev/vfio/%s", group).s, 0);
	free(all);
}

/* A write lease is to be had only on a file that nobody else has open: who asks for one knows. Who opens it
 * meanwhile waits, and sends a signal, which must then be one that harms nobody. */
static bool node_open(const char *path)
{
	int fd = openat(fk_root, path, O_RDONLY | O_CLOEXEC);
	bool busy = fd >= 0 && !fcntl(fd, F_SETSIG, SIGWINCH) && fcntl(fd, F_SETLEASE, F_WRLCK) < 0 && errno == EAGAIN;

	if (fd >= 0)
		close(fd);
	return busy;
}

/* vfio_unregister_group_dev() sleeps until the last file is closed. */
static void vfio_wait_closed(const struct device *d, const char *group)
{
	struct names *own = fk_list(fk_path("%s/vfio-dev", d->path).s);
	struct fk_path cdev = fk_path("dev/vfio/devices/%s", own->n ? own->s[0] : "none");

	while (node_open(fk_path("dev/vfio/%s", group).s) || node_open(cdev.s))
		fk_spend(5);
	free(own);
}

/* ---- the driver core ----------------------------------------------------------- */

/* really_probe(): 0 bound, -EBUSY bound already, else the driver's error. */
int fk_probe(const char *driver, const struct device *d)
{
	const char *who[] = { driver, d->bdf };
	struct verdict v;
	struct fk_path link = fk_path("%s/driver", d->path), home = fk_path("sys/bus/pci/drivers/%s", driver);
	char group[NAME];
	int err;

	fk_spend(fk_rules(fk_judge_slow, who).slow_ms);
	if (fk_exists(link.s))
		return -EBUSY;
	v = fk_rules(fk_judge_probe, who);
	err = v.action[0] ? -fk_errno_of(v.action) : is_vfio(driver) ? vfio_refuses(d) : 0;
	if (err)
		return err;
	fk_symlink(fk_root, link.s, home.s);
	fk_symlink(fk_root, fk_path("%s/%s", home.s, d->bdf).s, d->path);
	fk_each_line(fk_path(".kernel/devices/%s/evicts", d->bdf).s, fk_park);
	fk_each_line(fk_path(".kernel/devices/%s/%s.makes", d->bdf, driver).s, fk_unpark);
	if (is_vfio(driver) && fk_link_base(fk_path("%s/iommu_group", d->path).s, group))
		vfio_appear(d, group);
	fk_console_follow();
	return 0;
}

/* device_release_driver() of a device that has one. */
void fk_release(const struct device *d)
{
	const char *who[] = { d->driver, d->bdf };
	bool vfio = is_vfio(d->driver);
	char group[NAME];

	fk_link_base(fk_path("%s/iommu_group", d->path).s, group);
	if (vfio)
		vfio_wait_closed(d, group);
	fk_spend(fk_rules(fk_judge_slow, who).slow_ms);
	fk_each_line(fk_path(".kernel/devices/%s/%s.makes", d->bdf, d->driver).s, fk_park);
	unlinkat(fk_root, fk_path("%s/driver", d->path).s, 0);
	unlinkat(fk_root, fk_path("sys/bus/pci/drivers/%s/%s", d->driver, d->bdf).s, 0);
	if (vfio)
		vfio_vanish(d, group);
	fk_console_follow();
}

static int by_order(const void *a, const void *b)
{
	unsigned x = fk_number(fk_driver_file(a, "order").s), y = fk_number(fk_driver_file(b, "order").s);

	return x < y ? -1 : x > y;
}

/* device_attach(): each matching driver in turn, until one takes the device. */
void fk_attach(const struct device *d)
{
	struct names *drivers = fk_list(".kernel/drivers");
	bool taken = false;

	qsort(drivers->s, (size_t)drivers->n, NAME, by_order);
	for (int i = 0; i < drivers->n && !taken; i++)
		taken = fk_driver_matches(drivers->s[i], d->override, &d->id) && !fk_probe(drivers->s[i], d);
	free(drivers);
}

/* driver_attach(): a driver tries all that is free. */
void fk_attach_all(const char *driver)
{
	struct names *all = fk_list("sys/bus/pci/devices");
	struct device d;

	for (int i = 0; i < all->n; i++)
		if (fk_device_find(all->s[i], &d) && !d.driver[0] && fk_driver_matches(driver, d.override, &d.id))
			fk_probe(driver, &d);
	free(all);
}
