/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one PCI function is, read from sysfs without ever taking its device lock. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "internal.h"

/* A function that is looked at; dir is its directory, as reading by that is much cheaper than by whole paths. */
struct look {
	struct pvb_ctx *ctx;
	struct pvb_function *fn;
	int dir;
	const struct pvb_among *among;
	char target[PVB_PATH_MAX]; /* of its link in PVB_DEVICES_DIR */
	bool no_bridge, single;    /* as its header says: false where that was not read */
};

/* "pci:v00001234d00001111sv00001AF4sd00001100bc03sc80i00" has every id in one read. Not the
 * uevent file: some kernels (6.10) take the device lock to show that. */
static int ids_read(const struct look *l)
{
	struct pvb_function *fn = l->fn;
	unsigned v, d, sv, sd, bc, sc, pi;
	int r = pvb_sysfs_read_at(l->dir, "modalias", fn->modalias, sizeof(fn->modalias));

	if (r < 0)
		return r;
	if (sscanf(fn->modalias, "pci:v%8xd%8xsv%8xsd%8xbc%2xsc%2xi%2x", &v, &d, &sv, &sd, &bc, &sc, &pi) != 7)
		return -EBADMSG;
	fn->vendor = (uint16_t)v;
	fn->device = (uint16_t)d;
	fn->subvendor = (uint16_t)sv;
	fn->subdevice = (uint16_t)sd;
	fn->class_code = bc << 16 | sc << 8 | pi;
	return 0;
}

/* The standard header: revision, and whether the device still answers at all. */
#define CONFIG_NS 1000000000
#define HEADER_SIZE 64
#define HEADER_TYPE 14
#define MULTIFUNCTION 0x80

static void config_answer(struct pvb_ctx *ctx, void *data, int fd)
{
	const struct pvb_function *fn = data;
	char path[PVB_PATH_MAX];
	uint8_t header[HEADER_SIZE];
	ssize_t n = pvb_sysfs_read_bytes(ctx, pvb_device_path(&fn->addr, "config", path), header, sizeof(header));

	if (n > 0 && write(fd, header, (size_t)n) != n)
		_exit(1);
}

/* While a function is reset, reading its configuration space waits, uninterruptibly and for a minute with a dead card. That a
 * guest does, or vfio-pci as a QEMU ends, without any lock of ours: so a child reads it. */
static ssize_t config_ask(struct pvb_ctx *ctx, struct pvb_function *fn, uint8_t header[HEADER_SIZE])
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int r = pvb_ask(ctx, config_answer, fn, CONFIG_NS, &text, &size);

	if (r < 0 || size > HEADER_SIZE)
		return -EIO;
	memcpy(header, text, size);
	return (ssize_t)size;
}

/* Reads the header into what of it the look wants; off_bus and revision into fn. */
static void config_read(struct look *l)
{
	struct pvb_function *fn = l->fn;
	uint8_t header[HEADER_SIZE];
	ssize_t n;

	if (fn->vfio)
		n = config_ask(l->ctx, fn, header);
	else
		n = pvb_sysfs_read_bytes_at(l->dir, "config", header, sizeof(header));
	if (n < 16)
		return;
	fn->revision = header[8];
	/* A VF's ids read as 0xffff by specification (SR-IOV 3.4.1): they prove nothing there. */
	fn->off_bus = !fn->is_vf && header[0] == 0xff && header[1] == 0xff;
	if (fn->off_bus)
		return;
	l->no_bridge = (header[HEADER_TYPE] & 0x7f) == 0;
	/* The kernel does not look for more where function 0 does not say that there are (next_fn() of pci_scan_slot()), and it
	 * is the same header that it asks; but for virtual functions, and where it goes by ARI. */
	l->single = fn->addr.fn == 0 && !(header[HEADER_TYPE] & MULTIFUNCTION) && !fn->is_vf && !fn->num_vfs;
}

static int driver_read(const struct look *l)
{
	const struct pvb_function *like = l->among->like;
	struct pvb_function *fn = l->fn;
	int r = pvb_sysfs_link_at(l->dir, "driver", fn->driver, sizeof(fn->driver));

	if (r < 0 || !*fn->driver)
		return r;
	if (like && !strcmp(like->driver, fn->driver)) {
		memcpy(fn->module, like->module, sizeof(fn->module));
		fn->vfio = like->vfio;
		return 0;
	}
	r = pvb_sysfs_link_at(l->dir, "driver/module", fn->module, sizeof(fn->module));
	if (r < 0)
		return r;
	/* vfio-dev is there for vfio-pci and for every variant driver (drivers/vfio/vfio_main.c, since 6.1). */
	fn->vfio = !strcmp(fn->driver, "vfio-pci") || pvb_sysfs_exists_at(l->dir, "vfio-dev");
	return 0;
}

static int group_read(const struct look *l)
{
	char text[16];
	int r = pvb_sysfs_link_at(l->dir, "iommu_group", text, sizeof(text));

	l->fn->group = r == 0 && *text ? atoi(text) : -1;
	return r;
}

/* sriov_numvfs takes the device lock even to be read; the virtfnN links tell the same. */
static void sriov_read(const struct look *l)
{
	char attr[32] = "virtfn0", name[PVB_ADDR_MAX + 8];
	struct pvb_function *fn = l->fn;

	if (pvb_sysfs_link_at(l->dir, "physfn", name, sizeof(name)) == 0 && *name)
		fn->is_vf = pvb_addr_parse(name, &fn->physfn, NULL) == 0;
	while (pvb_sysfs_exists_at(l->dir, attr))
		snprintf(attr, sizeof(attr), "virtfn%u", ++fn->num_vfs);
}

/* "../../../devices/pci0000:00/0000:00:02.0/0000:01:00.0": the addresses before the last are its bridges. */
static void bridges_read(struct look *l)
{
	char *part, *save = NULL;
	struct pvb_function *fn = l->fn;
	struct pvb_addr chain[ARRAY_SIZE(fn->bridges) + 1];
	size_t n = 0;

	for (part = strtok_r(l->target, "/", &save); part && n < ARRAY_SIZE(chain); part = strtok_r(NULL, "/", &save))
		if (strchr(part, '.') && pvb_addr_parse(part, &chain[n], NULL) == 0)
			n++;
	while (n > 1)
		fn->bridges[fn->num_bridges++] = chain[--n - 1];
}

/* Of a function 0 that says it is alone the next one is asked for all the same: a device with ARI need not say it there. */
static bool slot_shared(const struct look *l)
{
	struct pvb_addr other = l->fn->addr;
	char path[PVB_PATH_MAX];

	for (other.fn = 0; other.fn < (l->single ? 2 : 8); other.fn++)
		if (other.fn != l->fn->addr.fn && pvb_sysfs_exists(l->ctx, pvb_device_path(&other, "", path)))
			return true;
	return false;
}

/* reset_method is absent where there is none (and before Linux 5.15). The kernel makes the list as a function
 * is found: function 0 has "bus" in it although its siblings, found later, make a bus reset of one
 * function impossible (-ENOTTY from pci_parent_bus_reset()). */
static void reset_methods_read(const struct look *l)
{
	char list[PVB_NAME_MAX], *method, *save = NULL;
	struct pvb_function *fn = l->fn;
	bool shared;

	if (pvb_sysfs_read_at(l->dir, "reset_method", list, sizeof(list)) < 0)
		return;
	shared = strstr(list, "bus") && slot_shared(l);
	for (method = strtok_r(list, " ", &save); method; method = strtok_r(NULL, " ", &save)) {
		if (shared && (!strcmp(method, "bus") || !strcmp(method, "cxl_bus")))
			continue;
		if (*fn->reset_methods)
			strcat(fn->reset_methods, " ");
		strcat(fn->reset_methods, method);
	}
}

/* Somebody of ours works on the device, or hangs over it. */
static bool worked_on(const struct look *l)
{
	char text[PVB_ADDR_MAX], what[320];

	pvb_addr_format(&l->fn->addr, text);
	if (l->among->records && !pvb_records_have(l->ctx, l->among->records, text))
		return false;
	return pvb_record_locked(l->ctx, text) || pvb_stuck_check(l->ctx, &l->fn->addr, what, sizeof(what)) < 0;
}

static int function_look(struct look *l)
{
	struct pvb_function *fn = l->fn;
	int r = ids_read(l);

	if (r == 0)
		r = driver_read(l);
	if (r == 0)
		r = group_read(l);
	if (r < 0)
		return r;
	sriov_read(l);
	/* While a reset goes on, reading the configuration space waits for it, uninterruptibly (pci_dev_lock()). */
	if (!worked_on(l))
		config_read(l);
	fn->bridge = !l->no_bridge && pvb_sysfs_exists_at(l->dir, "pci_bus");
	bridges_read(l);
	reset_methods_read(l);
	return 0;
}

/* Where the link leads is wanted for the bridges; to open it by that saves the kernel a link, and half of the folders. */
static int directory_open(struct look *l)
{
	static const char up[] = "../../../"; /* from PVB_DEVICES_DIR to sys */
	char name[PVB_ADDR_MAX], path[PVB_PATH_MAX];

	if (l->among->devices < 0)
		return l->among->devices;
	if (pvb_sysfs_link_target_at(l->among->devices, pvb_addr_format(&l->fn->addr, name), l->target, sizeof(l->target)) < 0)
		*l->target = '\0'; /* not even ended where it did not fit */
	if (!strncmp(l->target, up, sizeof(up) - 1))
		stpcpy(stpcpy(path, "sys/"), l->target + sizeof(up) - 1); /* shorter than the target */
	else
		pvb_device_path(&l->fn->addr, "", path);
	l->dir = pvb_open(l->ctx, path, O_PATH | O_DIRECTORY);
	return l->dir < 0 ? l->dir : 0;
}

int pvb_function_read_among(struct pvb_ctx *ctx, const struct pvb_among *among, const struct pvb_addr *addr,
			    struct pvb_function *fn)
{
	struct look l = { .ctx = ctx, .fn = fn, .dir = -1, .among = among };
	int r;

	memset(fn, 0, sizeof(*fn));
	fn->addr = *addr;
	r = directory_open(&l);
	if (r == 0)
		r = function_look(&l);
	if (l.dir >= 0)
		close(l.dir);
	return r;
}

int pvb_function_read(struct pvb_ctx *ctx, const struct pvb_addr *addr, struct pvb_function *fn)
{
	_cleanup_close_ int devices = pvb_open(ctx, PVB_DEVICES_DIR, O_PATH | O_DIRECTORY);

	return pvb_function_read_among(ctx, &(struct pvb_among){ devices, NULL, NULL }, addr, fn);
}

void pvb_override_trim(char *text)
{
	if (!strcmp(text, "(null)"))
		*text = '\0';
}

int pvb_override_read(struct pvb_ctx *ctx, const struct pvb_addr *addr, char buf[PVB_NAME_MAX])
{
	char path[PVB_PATH_MAX];
	int r = pvb_sysfs_read(ctx, pvb_device_path(addr, "driver_override", path), buf, PVB_NAME_MAX);

	if (r == 0)
		pvb_override_trim(buf);
	return r;
}

/* In the child: one record a function; the parent sees by its absence which one hangs. */
static void overrides_send(struct pvb_ctx *ctx, const struct pvb_function *fns, size_t n, int fd)
{
	for (size_t i = 0; i < n; i++) {
		char record[PVB_NAME_MAX] = "";

		if (pvb_override_read(ctx, &fns[i].addr, record) < 0)
			*record = '\0';
		if (write(fd, record, sizeof(record)) != (ssize_t)sizeof(record))
			return;
	}
}

/* How many of the n overrides arrived before fd fell silent for a second. */
static size_t overrides_receive(struct pvb_function *fns, size_t n, int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	size_t i = 0;

	while (i < n && poll(&wait, 1, 1000) == 1 &&
	       read(fd, fns[i].override, PVB_NAME_MAX) == PVB_NAME_MAX)
		i++;
	return i;
}

/* While a driver's remove() hangs, even reading driver_override hangs, unkillably: so a child
 * reads, and a new one goes on behind the function that the first got stuck at. */
/* One that hangs would take a child more with it at each look. */
static size_t stuck_skip(struct pvb_ctx *ctx, struct pvb_function *fns, size_t n)
{
	char what[320];
	size_t i = 0;

	for (; i < n && pvb_stuck_check(ctx, &fns[i].addr, what, sizeof(what)) < 0; i++)
		fns[i].override_unknown = true;
	return i;
}

/* How many come before the next one that hangs. */
static size_t stuck_find(struct pvb_ctx *ctx, const struct pvb_function *fns, size_t n)
{
	char what[320];
	size_t i = 0;

	while (i < n && pvb_stuck_check(ctx, &fns[i].addr, what, sizeof(what)) == 0)
		i++;
	return i;
}

/* By one child, as far as it comes. *got: how many there are behind. */
static int overrides_ask(struct pvb_ctx *ctx, struct pvb_function *fns, size_t n, size_t *got)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		pvb_stdio_leave(ctx);
		overrides_send(ctx, fns, n, fds[1]);
		_exit(0);
	}
	close(fds[1]);
	*got = pid > 0 ? overrides_receive(fns, n, fds[0]) : 0;
	close(fds[0]);
	if (pid < 0)
		return -EAGAIN;
	if (*got < n) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, WNOHANG);
		fns[(*got)++].override_unknown = true;
	} else {
		waitpid(pid, NULL, 0);
	}
	return 0;
}

int pvb_overrides_read(struct pvb_ctx *ctx, struct pvb_function *fns, size_t n)
{
	while (n > 0) {
		size_t got = stuck_skip(ctx, fns, n), more = 0;
		int r = 0;

		if (got < n)
			r = overrides_ask(ctx, fns + got, stuck_find(ctx, fns + got, n - got), &more);
		if (r < 0)
			return r;
		fns += got + more;
		n -= got + more;
	}
	return 0;
}

bool pvb_name_is_apart(const struct pvb_function *fn, const char *name)
{
	struct pvb_addr addr;

	return fn->bridge && pvb_addr_parse(name, &addr, NULL) == 0;
}
