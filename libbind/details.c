/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What it depends on whether a function can be passed on, and how well: more than moving it needs. */
#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

#define SILENCE_NS 1000000000
#define ALIVE_EVERY 32  /* functions: they do not take a second together */
#define BASIC_SIZE 256  /* configuration space of conventional PCI */
#define CONFIG_SIZE 4096

/* linux/ioport.h */
#define RESOURCE_IO 0x100u
#define RESOURCE_MEM 0x200u
#define RESOURCE_PREFETCH 0x2000u
#define RESOURCE_MEM_64 0x100000u
#define RESOURCE_UNSET 0x20000000u

static void details_init(struct pvb_details *d, const struct pvb_addr *addr)
{
	memset(d, 0, sizeof(*d));
	d->addr = *addr;
	d->pcie_type = PVB_PCIE_UNKNOWN;
	d->isolates = -1;
	d->link_speed = d->link_speed_max = d->link_width = d->link_width_max = -1;
	d->aer_correctable = d->aer_nonfatal = d->aer_fatal = -1;
	d->d3cold_allowed = d->boot_vga = d->numa_node = d->sriov_total = -1;
}

/* ---- attributes; dir is the function's directory -------------------------------------- */

/* -1: there is none, or it is no number. */
static int number_read(int dir, const char *attr)
{
	char text[32], *end;
	long value;

	if (pvb_sysfs_read_at(dir, attr, text, sizeof(text)) < 0)
		return -1;
	value = strtol(text, &end, 0);
	return end == text || *end || value < -1 || value > INT32_MAX ? -1 : (int)value;
}

static void word_read(int dir, const char *attr, char *buf, size_t size)
{
	if (pvb_sysfs_read_at(dir, attr, buf, size) < 0)
		*buf = '\0';
}

/* "16.0 GT/s PCIe", "2.5 GT/s", "Unknown" → MT/s. */
static int speed_read(int dir, const char *attr)
{
	char text[32];
	unsigned whole, tenth;

	if (pvb_sysfs_read_at(dir, attr, text, sizeof(text)) < 0 || sscanf(text, "%4u.%1u GT/s", &whole, &tenth) != 2)
		return -1;
	return (int)(whole * 1000 + tenth * 100);
}

/* 0 and 255 stand for no link. */
static int width_read(int dir, const char *attr)
{
	int width = number_read(dir, attr);

	return width > 0 && width < 255 ? width : -1;
}

static void link_read(int dir, struct pvb_details *d)
{
	int width = width_read(dir, "max_link_width");

	if (width < 0)
		return;
	d->link_width_max = width;
	d->link_speed_max = speed_read(dir, "max_link_speed");
	d->link_width = width_read(dir, "current_link_width");
	d->link_speed = speed_read(dir, "current_link_speed");
}

/* Lines "RxErr 0", …, "TOTAL_ERR_COR 0": the last is the sum. */
static int64_t aer_read(int dir, const char *attr)
{
	char text[1024];
	const char *total;
	int64_t value;

	if (pvb_sysfs_read_at(dir, attr, text, sizeof(text)) < 0)
		return -1;
	total = strstr(text, "TOTAL_ERR_");
	return total && sscanf(total, "%*s %" SCNd64, &value) == 1 ? value : -1;
}

static void bar_parse(const char *line, struct pvb_bar *bar)
{
	uint64_t start, end, flags;

	if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) != 3 ||
	    !(flags & (RESOURCE_IO | RESOURCE_MEM)))
		return;
	bar->present = true;
	bar->io = flags & RESOURCE_IO;
	bar->prefetchable = flags & RESOURCE_PREFETCH;
	bar->is_64bit = flags & RESOURCE_MEM_64;
	bar->size = end > start ? end - start + 1 : 0;
	bar->unassigned = flags & RESOURCE_UNSET || !bar->size;
	bar->start = bar->unassigned ? 0 : start;
}

/* A line a resource, "0xSTART 0xEND 0xFLAGS"; the first six are the BARs. */
static void bars_read(int dir, struct pvb_details *d)
{
	char text[2048], *line = text;

	if (pvb_sysfs_read_at(dir, "resource", text, sizeof(text)) < 0)
		return;
	d->known |= PVB_KNOWN_BARS;
	for (size_t i = 0; i < PVB_BARS && line; i++) {
		bar_parse(line, &d->bars[i]);
		line = strchr(line, '\n');
		line += line != NULL;
	}
}

static void power_read(int dir, struct pvb_details *d)
{
	d->d3cold_allowed = number_read(dir, "d3cold_allowed");
	word_read(dir, "power_state", d->power_state, sizeof(d->power_state));
	word_read(dir, "power/control", d->power_control, sizeof(d->power_control));
	word_read(dir, "power/runtime_status", d->runtime_status, sizeof(d->runtime_status));
}

static void rest_read(int dir, struct pvb_details *d)
{
	link_read(dir, d);
	d->aer_correctable = aer_read(dir, "aer_dev_correctable");
	d->aer_nonfatal = aer_read(dir, "aer_dev_nonfatal");
	d->aer_fatal = aer_read(dir, "aer_dev_fatal");
	d->boot_vga = number_read(dir, "boot_vga");
	d->numa_node = number_read(dir, "numa_node");
	d->sriov_total = number_read(dir, "sriov_totalvfs");
	d->sriov_total = d->sriov_total < 0 ? 0 : d->sriov_total;
}

/* Bytes of an extended capability that capability.c wants to see. */
static size_t extended_size(uint32_t header)
{
	switch (PCI_EXT_CAP_ID(header)) {
	case PCI_EXT_CAP_ID_ACS:
		return 8;
	case PCI_EXT_CAP_ID_REBAR:
		return 4 + 8 * PVB_BARS;
	default:
		return 4;
	}
}

/* Each four bytes are an access to the device, and 4096 of them a millisecond: so only what the list of extended
 * capabilities leads to, and 0 elsewhere. Returns how many there would be, or -errno. */
static ssize_t config_load(int fd, uint8_t bytes[CONFIG_SIZE])
{
	ssize_t n = read(fd, bytes, BASIC_SIZE);

	if (n < BASIC_SIZE)
		return n < 0 ? -errno : n;
	memset(bytes + BASIC_SIZE, 0, CONFIG_SIZE - BASIC_SIZE);
	for (size_t at = BASIC_SIZE, left = CONFIG_SIZE / 8; at >= BASIC_SIZE && left > 0; left--) {
		uint32_t header;

		if (pread(fd, &header, sizeof(header), (off_t)at) != sizeof(header))
			return at == BASIC_SIZE ? BASIC_SIZE : -EIO;
		header = le32toh(header);
		if (at + extended_size(header) > CONFIG_SIZE || header == 0xffffffff)
			break;
		if (pread(fd, bytes + at, extended_size(header), (off_t)at) != (ssize_t)extended_size(header))
			return -EIO;
		at = PCI_EXT_CAP_NEXT(header);
	}
	return CONFIG_SIZE;
}

static void config_read(struct pvb_ctx *ctx, struct pvb_records *records, int dir, struct pvb_details *d)
{
	char name[PVB_ADDR_MAX], what[320];
	_cleanup_close_ int fd = -1;
	uint8_t bytes[CONFIG_SIZE];
	ssize_t n = 0;

	d->busy = pvb_records_have(ctx, records, pvb_addr_format(&d->addr, name)) &&
		  (pvb_record_locked(ctx, name) || pvb_stuck_check(ctx, &d->addr, what, sizeof(what)) < 0);
	fd = d->busy ? -1 : openat(dir, "config", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		n = config_load(fd, bytes);
	if (n > 0)
		pvb_capabilities_parse(bytes, (size_t)n, d);
	if (!(d->known & PVB_KNOWN_CAPABILITIES))
		link_read(dir, d);
}

static void details_look(struct pvb_ctx *ctx, struct pvb_records *records, unsigned parts, struct pvb_details *d)
{
	char path[PVB_PATH_MAX];
	_cleanup_close_ int dir = pvb_open(ctx, pvb_device_path(&d->addr, "", path), O_PATH | O_DIRECTORY);

	if (dir < 0)
		return;
	d->present = true;
	/* Before the configuration space, which wakes the device and its port (pci_config_pm_runtime_get()). */
	if (parts & PVB_PART_POWER)
		power_read(dir, d);
	if (parts & PVB_PART_BARS)
		bars_read(dir, d);
	if (parts & PVB_PART_CONFIG)
		config_read(ctx, records, dir, d);
	if (parts & PVB_PART_REST)
		rest_read(dir, d);
}

/* ---- asking ------------------------------------------------------------------------------- */

/* Shared with the child, which fills in one after the other. */
struct answer {
	size_t n, done;
	unsigned parts;
	struct pvb_details details[];
};

/* In the child: it says by a byte now and then that it is alive. */
static void details_answer(struct pvb_ctx *ctx, void *data, int fd)
{
	struct answer *answer = data;
	struct pvb_records records;

	pvb_records_open(ctx, &records);
	for (; answer->done < answer->n; __atomic_add_fetch(&answer->done, 1, __ATOMIC_RELEASE)) {
		if (answer->done % ALIVE_EVERY == 0 && write(fd, "", 1) != 1)
			_exit(1);
		details_look(ctx, &records, answer->parts, &answer->details[answer->done]);
	}
}

/* Up to the end, by one child after the other: where one hangs, the next goes on behind that function. */
static int answer_get(struct pvb_ctx *ctx, struct answer *answer)
{
	while (answer->done < answer->n) {
		_cleanup_free_ char *text = NULL;
		size_t size = 0, hung;
		int r = pvb_ask(ctx, details_answer, answer, SILENCE_NS, &text, &size);

		if (r < 0 && r != -ETIMEDOUT && r != -EIO)
			return r;
		hung = __atomic_load_n(&answer->done, __ATOMIC_ACQUIRE);
		if (hung == answer->n)
			return 0;
		details_init(&answer->details[hung], &answer->details[hung].addr);
		answer->details[hung].hung = true;
		answer->done = hung + 1;
	}
	return 0;
}

int pvb_details_read_parts(struct pvb_ctx *ctx, const struct pvb_addr *addrs, size_t n, unsigned parts,
			   struct pvb_details *details, struct pvb_err *err)
{
	size_t size = sizeof(struct answer) + n * sizeof(*details);
	struct answer *answer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r;

	if (answer == MAP_FAILED)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	answer->n = n;
	answer->parts = parts;
	for (size_t i = 0; i < n; i++)
		details_init(&answer->details[i], &addrs[i]);
	r = answer_get(ctx, answer);
	if (r == 0 && n)
		memcpy(details, answer->details, n * sizeof(*details));
	munmap(answer, size);
	return r < 0 ? pvb_err_set(err, r, "cannot look at the details of the PCI devices: %s", strerror(-r)) : 0;
}

int pvb_details_read_all(struct pvb_ctx *ctx, const struct pvb_addr *addrs, size_t n, struct pvb_details *details,
			 struct pvb_err *err)
{
	return pvb_details_read_parts(ctx, addrs, n, PVB_PART_ALL, details, err);
}

int pvb_details_read(struct pvb_ctx *ctx, const struct pvb_addr *addr, struct pvb_details *details, struct pvb_err *err)
{
	char name[PVB_ADDR_MAX];
	int r = pvb_details_read_all(ctx, addr, 1, details, err);

	if (r == 0 && !details->present && !details->hung)
		r = pvb_err_set(err, -ENODEV, "no PCI device %s on this host", pvb_addr_format(addr, name));
	return r;
}
