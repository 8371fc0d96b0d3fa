/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See faketree.h. */
#define _GNU_SOURCE
#include "ft_internal.h"

#include <ftw.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#define SHM_MIN (1u << 30) /* bytes: for the largest host, in several tests at once */

void ft_fail(const char *what)
{
	fprintf(stderr, "faketree: %s: %s\n", what, strerror(errno));
	abort();
}

/* ---- files ---------------------------------------------------------------- */

void ft_mkdir(struct ft_tree *t, const char *path)
{
	struct fk_path p = fk_path("%s", path);

	if (mkdirat(t->fd, p.s, 0755) == 0 || errno == EEXIST)
		return;
	for (char *s = strchr(p.s, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		mkdirat(t->fd, p.s, 0755);
		*s = '/';
	}
	if (mkdirat(t->fd, p.s, 0755) < 0 && errno != EEXIST)
		ft_fail(path);
}

static void mkdir_above(struct ft_tree *t, const char *path)
{
	struct fk_path p = fk_path("%s", path);

	if (strrchr(p.s, '/')) {
		*strrchr(p.s, '/') = '\0';
		ft_mkdir(t, p.s);
	}
}

void ft_put(struct ft_tree *t, const char *path, const void *data, size_t size)
{
	int err = fk_put(t->fd, path, data, size, 0644);

	if (err == -ENOENT) {
		mkdir_above(t, path);
		err = fk_put(t->fd, path, data, size, 0644);
	}
	errno = -err;
	if (err)
		ft_fail(path);
}

void ft_write(struct ft_tree *t, const char *path, const char *text)
{
	ft_put(t, path, text, strlen(text));
}

void ft_append(struct ft_tree *t, const char *path, const char *text)
{
	char all[65536];

	fk_get(t->fd, path, all, sizeof(all) - 1);
	if (*all)
		strcat(all, "\n");
	strncat(all, text, sizeof(all) - strlen(all) - 1);
	ft_write(t, path, all);
}

/* An attribute "dir/name". */
__attribute__((format(printf, 4, 5))) void ft_attr(struct ft_tree *t, const char *dir, const char *name, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ft_write(t, fk_path("%s/%s", dir, name).s, text);
}

void ft_link(struct ft_tree *t, const char *path, const char *target)
{
	mkdir_above(t, path);
	if (symlinkat(target, t->fd, path) < 0)
		ft_fail(path);
}

/* Both "sys/…" */
void ft_sys_link(struct ft_tree *t, const char *path, const char *target)
{
	mkdir_above(t, path);
	errno = -fk_symlink(t->fd, path, target);
	if (errno)
		ft_fail(path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void ft_remove(struct ft_tree *t, const char *path)
{
	char full[PATH_MAX + 512];

	snprintf(full, sizeof(full), "%s/%s", t->path, path);
	nftw(full, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

bool ft_exists(struct ft_tree *t, const char *path)
{
	return faccessat(t->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

const char *ft_read(struct ft_tree *t, const char *path)
{
	static char text[262144];

	fk_get(t->fd, path, text, sizeof(text));
	return text;
}

/* ---- the host --------------------------------------------------------------- */

void ft_preload(char **argv)
{
	const char *so = getenv("FAKEKERNEL_SO"), *loaded = getenv("LD_PRELOAD"), *asan = getenv("ASAN_OPTIONS");
	char beside[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", beside, PATH_MAX - 1);

	if (loaded && strstr(loaded, "fakekernel"))
		return;
	beside[n > 0 ? n : 0] = '\0';
	if (!so && n > 0) {
		strcpy(strrchr(beside, '/'), "/fakekernel.so");
		so = beside;
	}
	/* asan wants to be first among the libraries, which is not needed for what is intercepted here */
	setenv("ASAN_OPTIONS", fk_path("%s%sverify_asan_link_order=0", asan ? asan : "", asan ? ":" : "").s, 1);
	setenv("LD_PRELOAD", so ? so : "", 1);
	if (so && access(so, R_OK) == 0)
		execv("/proc/self/exe", argv);
	ft_fail(so ? so : "fakekernel.so");
}

static void add_proc(struct ft_tree *t)
{
	ft_write(t, "proc/self/mountinfo", "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n");
	ft_write(t, "proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	ft_write(t, "proc/net/route", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n");
	ft_write(t, "proc/net/ipv6_route", "");
	ft_write(t, "proc/net/tcp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
		 "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1\n");
	ft_write(t, "proc/net/tcp6", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
	ft_write(t, "proc/consoles", "tty0                 -WU (EC p  )    4:1\n");
	ft_write(t, "proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n");
	ft_write(t, "proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz root=/dev/sda1 ro quiet intel_iommu=on iommu=pt\n");
	ft_write(t, "proc/sys/kernel/random/boot_id", "11111111-2222-4333-8444-555555555555\n");
	ft_write(t, "proc/fb", "");
	ft_write(t, "proc/iomem", "");
}

static void add_pve(struct ft_tree *t)
{
	ft_write(t, "etc/hostname", "pve1\n");
	ft_mkdir(t, "etc/pve/nodes/pve1/qemu-server");
	ft_mkdir(t, "etc/pve/nodes/pve1/lxc");
	ft_mkdir(t, "etc/pve/mapping");
	ft_link(t, "etc/pve/local", "nodes/pve1");
	ft_link(t, "etc/pve/qemu-server", "nodes/pve1/qemu-server");
	ft_link(t, "etc/pve/lxc", "nodes/pve1/lxc");
	ft_mkdir(t, "run/lock/qemu-server");
	ft_mkdir(t, "run/qemu-server");
	ft_link(t, "var/run", "../run");
	ft_link(t, "var/lock", "../run/lock");
}

static void add_sys(struct ft_tree *t)
{
	static const char *const dirs[] = {
		"sys/bus/pci/devices", "sys/bus/pci/drivers", "sys/bus/pci/slots", "sys/kernel/iommu_groups",
		"sys/class/vtconsole", "sys/class/graphics", "sys/class/net", "sys/class/block", "sys/class/vfio-dev",
		"sys/class/iommu", "sys/block", "sys/dev/block", "sys/module", "dev/vfio", ".kernel/parked",
	};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		ft_mkdir(t, dirs[i]);
	ft_write(t, "sys/bus/pci/drivers_probe", "");
	ft_write(t, "sys/bus/pci/drivers_autoprobe", "1\n");
	ft_write(t, "dev/vfio/vfio", "");
}

struct ft_tree *ft_new(void)
{
	struct ft_tree *t = calloc(1, sizeof(*t));
	const char *tmp = getenv("TMPDIR");
	/* Memory first: a host of 1024 functions is 26,000 files, 0.3 s there and 8 s on a disk. A container has often no more
	 * than 64 MiB of it, which is too little. */
	struct statvfs fs;
	bool shm = access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize >= SHM_MIN;
	struct fk_path at = fk_path("%s/pvebind-tree.XXXXXX", shm ? "/dev/shm" : tmp ? tmp : "/tmp");

	if (!t || !mkdtemp(at.s) || !realpath(at.s, t->path))
		ft_fail(at.s);
	t->fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->fd < 0 || setenv(FK_ENV, t->path, 1) < 0)
		ft_fail(t->path);
	add_sys(t);
	add_proc(t);
	add_pve(t);
	return t;
}

void ft_free(struct ft_tree *t)
{
	unsetenv(FK_ENV);
	nftw(t->path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
	close(t->fd);
	free(t);
}

/* ---- parts ------------------------------------------------------------------- */

void ft_driver(struct ft_tree *t, const char *name, const char *module, const char *ids, unsigned flags)
{
	static const char *const attrs[] = { "bind", "unbind", "new_id", "remove_id", "uevent" };
	struct fk_path dir = fk_path("sys/bus/pci/drivers/%s", name), own = fk_path(".kernel/drivers/%s", name);

	if (ft_exists(t, own.s))
		return;
	for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++)
		ft_attr(t, dir.s, attrs[i], "%s", "");
	ft_attr(t, own.s, "order", "%u\n", ++t->drivers);
	ft_write(t, fk_path("%s/ids", own.s).s, ids ? ids : "");
	if (flags & FT_VFIO)
		ft_attr(t, own.s, "vfio", "%s", "");
	if (!module)
		return;
	ft_attr(t, fk_path("sys/module/%s", module).s, "refcnt", "0\n");
	ft_attr(t, fk_path("sys/module/%s", module).s, "initstate", "live\n");
	ft_sys_link(t, fk_path("%s/module", dir.s).s, fk_path("sys/module/%s", module).s);
	ft_sys_link(t, fk_path("sys/module/%s/drivers/pci:%s", module, name).s, dir.s);
}

void ft_vfio(struct ft_tree *t)
{
	ft_driver(t, "vfio-pci", "vfio_pci", "ffffffff ffffffff ffffffff ffffffff 0 0 1\n", FT_VFIO);
	ft_attr(t, "sys/module/vfio_iommu_type1", "refcnt", "0\n");
}

const char *ft_device_path(struct ft_tree *t, const char *bdf)
{
	static char path[512];
	char target[512];
	ssize_t n = readlinkat(t->fd, fk_path("sys/bus/pci/devices/%s", bdf).s, target, sizeof(target) - 1);

	if (n < 0)
		ft_fail(bdf);
	target[n] = '\0';
	snprintf(path, sizeof(path), "sys/%.500s", strstr(target, "devices/"));
	return path;
}

static void add_config(struct ft_tree *t, const char *dir, const struct ft_function *f)
{
	unsigned char c[64] = { 0 };

	memcpy(c, (uint16_t[]){ (uint16_t)f->vendor, (uint16_t)f->device, 0x0007, 0x0010 }, 8);
	c[9] = f->class_code & 0xff;
	c[10] = (f->class_code >> 8) & 0xff;
	c[11] = (f->class_code >> 16) & 0xff;
	c[14] = f->secondary ? 0x01 : 0x00;
	if (f->secondary)
		c[25] = c[26] = (unsigned char)f->secondary;
	else
		memcpy(c + 0x2c, (uint16_t[]){ (uint16_t)f->subvendor, (uint16_t)f->subdevice }, 4);
	ft_put(t, fk_path("%s/config", dir).s, c, sizeof(c));
}

/* Where a slot has several functions, each of their headers says so. */
static void slot_mark(struct ft_tree *t, const char *address)
{
	struct fk_path configs[8];
	size_t n = 0;

	for (unsigned fn = 0; fn < 8; fn++) {
		struct fk_path bdf = fk_path("%.*s%u", (int)strlen(address) - 1, address, fn);

		if (ft_exists(t, fk_path("sys/bus/pci/devices/%s", bdf.s).s))
			configs[n++] = fk_path("%s/config", ft_device_path(t, bdf.s));
	}
	for (size_t i = 0; n > 1 && i < n; i++) {
		char bytes[4097];
		int size = fk_get(t->fd, configs[i].s, bytes, sizeof(bytes));

		if (size <= 14)
			continue; /* without one */
		bytes[14] = (char)(bytes[14] | 0x80);
		ft_put(t, configs[i].s, bytes, (size_t)size);
	}
}

/* One memory BAR, at an address of its own. */
static void add_resource(struct ft_tree *t, const char *dir)
{
	char text[1024];
	unsigned long start = 0xc0000000ul + t->bars++ * 0x1000000ul;
	size_t n = (size_t)sprintf(text, "0x%016lx 0x%016lx 0x%016x\n", start, start + 0xffffff, 0x42208);

	for (int i = 1; i < 13; i++)
		n += (size_t)sprintf(text + n, "0x%016x 0x%016x 0x%016x\n", 0, 0, 0);
	ft_write(t, fk_path("%s/resource", dir).s, text);
}

static void add_ids(struct ft_tree *t, const char *dir, const struct ft_function *f)
{
	ft_attr(t, dir, "vendor", "0x%04x\n", f->vendor);
	ft_attr(t, dir, "device", "0x%04x\n", f->device);
	ft_attr(t, dir, "subsystem_vendor", "0x%04x\n", f->subvendor);
	ft_attr(t, dir, "subsystem_device", "0x%04x\n", f->subdevice);
	ft_attr(t, dir, "class", "0x%06x\n", f->class_code);
	ft_attr(t, dir, "revision", "0x00\n");
	ft_attr(t, dir, "modalias", "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X\n", f->vendor, f->device, f->subvendor,
	     f->subdevice, f->class_code >> 16, (f->class_code >> 8) & 0xff, f->class_code & 0xff);
}

static void add_reset(struct ft_tree *t, const char *dir, const struct ft_function *f)
{
	const char *newline = f->reset && *f->reset ? "\n" : "";

	if (!f->reset)
		return;
	ft_attr(t, dir, "reset", "%s", "");
	ft_attr(t, dir, "reset_method", "%s%s", f->reset, newline);
	ft_attr(t, fk_path(".kernel/devices/%s", f->address).s, "reset_methods", "%s%s", f->reset, newline);
}

static void add_bridge(struct ft_tree *t, const char *dir, const struct ft_function *f)
{
	if (!f->secondary)
		return;
	ft_mkdir(t, fk_path("%s/pci_bus/%.*s%02x", dir, (int)(strchr(f->address, ':') + 1 - f->address), f->address,
			    f->secondary).s);
	ft_attr(t, dir, "secondary_bus_number", "%u\n", f->secondary);
	ft_attr(t, dir, "subordinate_bus_number", "%u\n", f->secondary);
	ft_attr(t, dir, "reset_subordinate", "%s", "");
}

static void add_group(struct ft_tree *t, const char *dir, const struct ft_function *f)
{
	struct fk_path group = fk_path("sys/kernel/iommu_groups/%d", f->group);

	if (f->group < 0 || t->no_iommu)
		return;
	if (!ft_exists(t, "sys/class/iommu/dmar0"))
		ft_mkdir(t, "sys/class/iommu/dmar0");
	ft_attr(t, group.s, "type", "DMA\n");
	ft_sys_link(t, fk_path("%s/devices/%s", group.s, f->address).s, dir);
	ft_sys_link(t, fk_path("%s/iommu_group", dir).s, group.s);
}

static void add_binding(struct ft_tree *t, const char *dir, const struct ft_function *f)
{
	if (!f->driver)
		return;
	ft_sys_link(t, fk_path("%s/driver", dir).s, fk_path("sys/bus/pci/drivers/%s", f->driver).s);
	ft_sys_link(t, fk_path("sys/bus/pci/drivers/%s/%s", f->driver, f->address).s, dir);
}

void ft_function(struct ft_tree *t, const struct ft_function *f)
{
	struct fk_path top = fk_path("sys/devices/pci%.*s", (int)(strrchr(f->address, ':') - f->address), f->address);
	struct fk_path dir = fk_path("%s/%s", f->parent ? ft_device_path(t, f->parent) : top.s, f->address);

	ft_mkdir(t, dir.s);
	ft_sys_link(t, fk_path("sys/bus/pci/devices/%s", f->address).s, dir.s);
	ft_sys_link(t, fk_path("%s/subsystem", dir.s).s, "sys/bus/pci");
	add_ids(t, dir.s, f);
	add_config(t, dir.s, f);
	slot_mark(t, f->address);
	add_resource(t, dir.s);
	ft_attr(t, dir.s, "driver_override", "(null)\n");
	ft_attr(t, dir.s, "enable", "%d\n", f->driver ? 1 : 0);
	ft_attr(t, dir.s, "power/control", f->secondary ? "auto\n" : "on\n");
	ft_attr(t, dir.s, "power/runtime_status", "active\n");
	ft_attr(t, dir.s, "d3cold_allowed", "1\n");
	add_reset(t, dir.s, f);
	add_bridge(t, dir.s, f);
	add_group(t, dir.s, f);
	add_binding(t, dir.s, f);
}

void ft_virtual(struct ft_tree *t, const char *pf, const char *vf)
{
	struct fk_path p = fk_path("%s", ft_device_path(t, pf)), v = fk_path("%s", ft_device_path(t, vf));
	int n = atoi(ft_read(t, fk_path("%s/sriov_numvfs", p.s).s));

	ft_sys_link(t, fk_path("%s/physfn", v.s).s, p.s);
	ft_sys_link(t, fk_path("%s/virtfn%d", p.s, n).s, v.s);
	ft_attr(t, p.s, "sriov_numvfs", "%d\n", n + 1);
	ft_attr(t, p.s, "sriov_totalvfs", "8\n");
}

void ft_makes(struct ft_tree *t, const char *bdf, const char *driver, const char *path)
{
	ft_append(t, fk_path(".kernel/devices/%s/%s.makes", bdf, driver).s, fk_path("%s\n", path).s);
	if (strcmp(ft_driver_of(t, bdf), driver) != 0 && fk_park(t->fd, path) < 0)
		ft_fail(path);
}

void ft_evicts(struct ft_tree *t, const char *bdf, const char *path)
{
	ft_append(t, fk_path(".kernel/devices/%s/evicts", bdf).s, fk_path("%s\n", path).s);
}
