/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hangs on functions; modules, packages, firmware. */
#define _GNU_SOURCE
#include "machineparts.h"

#include <dirent.h>
#include <stdlib.h>

/* ---- on functions ------------------------------------------------------------------- */

/* The function's driver, whose doing it is; NULL with the machine's error where it has none. */
static const char *driver_of(struct machine *m, const char *bdf)
{
	static char driver[64];

	snprintf(driver, sizeof(driver), "%s", ft_driver_of(m->t, bdf));
	if (*driver)
		return driver;
	machine_fail(m, "%s: there is no such function, or it has no driver", bdf);
	return NULL;
}

int machine_net(struct machine *m, const struct script_words *w)
{
	const char *driver = driver_of(m, w->word[1]);

	if (driver)
		ft_netdev(m->t, w->word[1], driver, w->word[2], w->n > 3 && !strcmp(w->word[3], "default"));
	return driver ? 0 : -1;
}

int machine_nvme(struct machine *m, const struct script_words *w)
{
	if (!driver_of(m, w->word[1]))
		return -1;
	ft_nvme(m->t, w->word[1], (unsigned)atoi(w->word[2]), w->n > 3 ? w->word[3] : NULL);
	return 0;
}

int machine_framebuffer(struct machine *m, const struct script_words *w)
{
	const char *driver = driver_of(m, w->word[1]);

	if (driver)
		ft_framebuffer(m->t, w->word[1], driver, w->word[2]);
	return driver ? 0 : -1;
}

int machine_firmware(struct machine *m, const struct script_words *w)
{
	if (!ft_exists(m->t, fk_path("sys/bus/pci/devices/%s", w->word[1]).s))
		return machine_fail(m, "there is no function %s", w->word[1]);
	ft_firmware(m->t, w->word[1], w->word[2]);
	return 0;
}

int machine_console(struct machine *m, const struct script_words *w)
{
	(void)w;
	ft_console(m->t, false);
	return 0;
}

int machine_process(struct machine *m, const struct script_words *w)
{
	const char *node = strcmp(w->word[3], "-") ? w->word[3] : NULL;

	ft_process(m->t, atoi(w->word[1]), w->word[2], w->n > 4 ? w->raw[4] : w->word[2], node);
	return 0;
}

/* ---- modules ---------------------------------------------------------------------------- */

/* "module NAME [refcnt=N] [uses=A,B]": it is loaded. */
int machine_module(struct machine *m, const struct script_words *w)
{
	struct fk_path dir = fk_path("sys/module/%s", w->word[1]);
	char *save = NULL;

	ft_mkdir(m->t, fk_path("%s/holders", dir.s).s);
	ft_attr(m->t, dir.s, "initstate", "live\n");
	if (!ft_exists(m->t, fk_path("%s/refcnt", dir.s).s))
		ft_attr(m->t, dir.s, "refcnt", "0\n");
	for (int i = 2; i < w->n; i++) {
		char *value = strchr(w->word[i], '=');

		if (!strncmp(w->word[i], "refcnt=", 7)) {
			ft_attr(m->t, dir.s, "refcnt", "%s\n", value + 1);
			continue;
		}
		if (strncmp(w->word[i], "uses=", 5) != 0)
			return machine_fail(m, "module has no key '%s'", w->word[i]);
		for (char *used = strtok_r(value + 1, ",", &save); used; used = strtok_r(NULL, ",", &save)) {
			ft_sys_link(m->t, fk_path("sys/module/%s/holders/%s", used, w->word[1]).s, dir.s);
			ft_module_use(m->t, used, 1);
		}
	}
	return 0;
}

int machine_builtin(struct machine *m, const struct script_words *w)
{
	for (int i = 1; i < w->n; i++)
		ft_mkdir(m->t, fk_path("sys/module/%s/parameters", w->word[i]).s);
	return 0;
}

/* vfio-pci with its helpers, loaded, holding nothing. */
int machine_vfio(struct machine *m, const struct script_words *w)
{
	(void)w;
	ft_vfio(m->t);
	ft_attr(m->t, "sys/module/vfio_iommu_type1", "initstate", "live\n");
	ft_attr(m->t, "sys/module/vfio_iommu_type1/parameters", "allow_unsafe_interrupts", "N\n");
	ft_attr(m->t, "sys/module/vfio_pci/parameters", "disable_idle_d3", "N\n");
	ft_attr(m->t, "sys/module/vfio_pci/parameters", "disable_vga", "N\n");
	ft_attr(m->t, "sys/module/vfio_pci/parameters", "ids", "\n");
	ft_attr(m->t, "sys/module/vfio_pci_core", "initstate", "live\n");
	ft_attr(m->t, "sys/module/vfio_pci_core", "refcnt", "1\n");
	ft_attr(m->t, "sys/module/vfio", "initstate", "live\n");
	ft_attr(m->t, "sys/module/vfio", "refcnt", "3\n");
	return 0;
}

/* /proc/modules from what is below /sys/module and was loaded; nobody looks at the sizes. */
void machine_modules_finish(struct machine *m)
{
	int fd = openat(m->t->fd, "sys/module", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char all[32768];
	size_t n = 0;

	if (m->modules_given || !dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));) {
		struct fk_path own = fk_path("sys/module/%s", entry->d_name);

		if (entry->d_name[0] != '.' && ft_exists(m->t, fk_path("%s/initstate", own.s).s))
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s 16384 %d - Live 0x0000000000000000\n", entry->d_name,
					      atoi(ft_read(m->t, fk_path("%s/refcnt", own.s).s)));
	}
	closedir(dir);
	ft_put(m->t, "proc/modules", all, n);
}

/* ---- packages -------------------------------------------------------------------------------- */

/* "package NAME VERSION [STATUS]", as dpkg keeps it. */
int machine_package(struct machine *m, const struct script_words *w)
{
	ft_append(m->t, "var/lib/dpkg/status",
		  fk_path("Package: %s\nStatus: %s\nArchitecture: amd64\nVersion: %s\nDescription: %s\n\n", w->word[1],
			  w->n > 3 ? w->word[3] : "install ok installed", w->word[2], w->word[1]).s);
	return 0;
}

/* ---- firmware ------------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* Words i… of a line, two digits a byte; how many bytes, or -1. */
static ssize_t bytes_of(const struct script_words *w, int i, unsigned char *bytes, size_t size)
{
	size_t n = 0;

	for (; i < w->n; i++)
		for (const char *s = w->word[i]; *s; s += 2) {
			if (hex_digit(s[0]) < 0 || hex_digit(s[1]) < 0 || n == size)
				return -1;
			bytes[n++] = (unsigned char)(hex_digit(s[0]) << 4 | hex_digit(s[1]));
		}
	return (ssize_t)n;
}

int machine_hex(struct machine *m, const struct script_words *w)
{
	unsigned char bytes[8192];
	ssize_t n = bytes_of(w, 2, bytes, sizeof(bytes));

	if (n < 0)
		return machine_fail(m, "that is not hex, two digits a byte");
	ft_put(m->t, w->word[1], bytes, (size_t)n);
	return 0;
}

/* "efi NAME TEXT" (UTF-16), "efi NAME hex BYTES": a variable, after its four bytes of attributes. */
int machine_efi(struct machine *m, const struct script_words *w)
{
	const char *guid = !strncmp(w->word[1], "Loader", 6) || !strncmp(w->word[1], "Stub", 4) ?
			   "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f" : "8be4df61-93ca-11d2-aa0d-00e098032b8c";
	unsigned char bytes[4096] = { 0x06 };
	ssize_t n = 0;

	if (w->n > 3 && !strcmp(w->word[2], "hex"))
		n = bytes_of(w, 3, bytes + 4, sizeof(bytes) - 4);
	else
		for (const char *s = w->word[2]; n < 4000 && (n == 0 || s[-1]); n += 2)
			bytes[4 + n] = (unsigned char)*s++;
	if (n < 0)
		return machine_fail(m, "that is not hex, two digits a byte");
	ft_put(m->t, fk_path("sys/firmware/efi/efivars/%s-%s", w->word[1], guid).s, bytes, (size_t)n + 4);
	return 0;
}

/* "rom PATH VENDOR:DEVICE [efi]": an expansion ROM of one image, as the PCI Firmware Specification has it. */
int machine_rom(struct machine *m, const struct script_words *w)
{
	unsigned char b[512] = { 0x55, 0xaa, 1, [0x18] = 0x1c, [0x1c] = 'P', 'C', 'I', 'R' };
	unsigned vendor, device;

	if (sscanf(w->word[2], "%x:%x", &vendor, &device) != 2)
		return machine_fail(m, "rom needs VENDOR:DEVICE");
	b[0x20] = vendor & 0xff;
	b[0x21] = (vendor >> 8) & 0xff;
	b[0x22] = device & 0xff;
	b[0x23] = (device >> 8) & 0xff;
	b[0x26] = 0x1c; /* the structure's length */
	b[0x28] = 3;
	b[0x2b] = 3;    /* a display controller */
	b[0x2c] = 1;    /* blocks of 512 bytes */
	b[0x30] = w->n > 3 ? 3 : 0;
	b[0x31] = 0x80; /* the last image */
	ft_put(m->t, w->word[1], b, sizeof(b));
	return 0;
}

/* ---- ACPI tables: header, then what the tables' own specifications say ---- */

static void put_le(unsigned char *b, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		b[i] = (unsigned char)(value >> 8 * i);
}

static void table_put(struct machine *m, const char *name, unsigned revision, unsigned char *b, size_t size)
{
	unsigned char sum = 0;

	memcpy(b, name, 4);
	put_le(b + 4, size, 4);
	b[8] = (unsigned char)revision;
	memcpy(b + 10, "OEMID TABLEID ", 14);
	for (size_t i = 0; i < size; i++)
		sum = (unsigned char)(sum + b[i]);
	b[9] = (unsigned char)-sum;
	ft_put(m->t, fk_path("sys/firmware/acpi/tables/%s", name).s, b, size);
}

/* A scope of one endpoint on bus 0, or behind a bridge there as the address says. */
static size_t scope_put(unsigned char *b, const char *bdf)
{
	unsigned domain = 0, bus = 0, dev = 0, fn = 0;

	sscanf(bdf, "%x:%x:%x.%x", &domain, &bus, &dev, &fn);
	b[0] = 1; /* PCI endpoint */
	b[1] = 8;
	b[5] = (unsigned char)bus;
	b[6] = (unsigned char)dev;
	b[7] = (unsigned char)fn;
	return 8;
}

/* "rmrr=START-END:BDF[,BDF]" */
static size_t rmrr_put(unsigned char *b, char *text)
{
	char *colon = strchr(text, ':'), *dash = strchr(text, '-'), *save = NULL;
	size_t n = 24;

	b[0] = 1;
	put_le(b + 8, strtoull(text, NULL, 16), 8);
	put_le(b + 16, dash ? strtoull(dash + 1, NULL, 16) : 0, 8);
	for (char *s = strtok_r(colon ? colon + 1 : text, ",", &save); colon && s; s = strtok_r(NULL, ",", &save))
		n += scope_put(b + n, s);
	b[2] = (unsigned char)n;
	return n;
}

/* "dmar [flags=N] [rmrr=…]…": flags 1 is interrupt remapping. One DRHD for all. */
int machine_dmar(struct machine *m, const struct script_words *w)
{
	unsigned char b[4096] = { 0 };
	size_t n = 48;

	b[36] = 38;
	b[37] = 1;
	b[n + 2] = 16;
	b[n + 4] = 1; /* INCLUDE_PCI_ALL */
	put_le(b + n + 8, 0xfed90000, 8);
	n += 16;
	for (int i = 1; i < w->n; i++) {
		if (!strncmp(w->word[i], "flags=", 6))
			b[37] = (unsigned char)strtoul(w->word[i] + 6, NULL, 0);
		else if (!strncmp(w->word[i], "rmrr=", 5))
			n += rmrr_put(b + n, w->word[i] + 5);
		else
			return machine_fail(m, "dmar has no key '%s'", w->word[i]);
	}
	table_put(m, "DMAR", 1, b, n);
	return 0;
}

/* One IVHD of type 0x11, for all devices. */
int machine_ivrs(struct machine *m, const struct script_words *w)
{
	unsigned char b[128] = { 0 };

	(void)w;
	put_le(b + 36, 0x00203040, 4);
	b[48] = 0x11;
	b[49] = 0xb0;
	put_le(b + 50, 44, 2);
	put_le(b + 52, 0x0002, 2);
	put_le(b + 54, 0x40, 2);
	put_le(b + 56, 0xfeb80000, 8);
	b[88] = 1; /* all devices */
	table_put(m, "IVRS", 2, b, 92);
	return 0;
}
