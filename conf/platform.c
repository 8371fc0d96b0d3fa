/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the machine is: its processor, its firmware's tables, its kernel's configuration, its IOMMU. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "platform.h"

#define CPUINFO_HEAD 16384 /* the first processor's part, whose flags are 2 KiB */
#define CONFIG_MAX (4 << 20)

ssize_t platform_head(const struct pvb_ctx *ctx, const char *path, char *buf, size_t size)
{
	_conf_close_ int fd = pvb_open(ctx, path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	size_t have = 0;
	ssize_t n = 1;

	if (fd < 0)
		return fd;
	while (n > 0 && have < size - 1) {
		n = read(fd, buf + have, size - 1 - have);
		if (n < 0)
			return -errno;
		have += (size_t)n;
	}
	buf[have] = '\0';
	return (ssize_t)have;
}

/* ---- the processor ---- */

/* The value of "name\t: value" in a line of its own; NULL: there is none. */
static const char *cpuinfo_value(char *text, const char *name)
{
	size_t n = strlen(name);

	for (char *line = text; line; line = strchr(line, '\n'), line += line != NULL)
		if (!strncmp(line, name, n) && strspn(line + n, "\t ") && line[n + strspn(line + n, "\t ")] == ':')
			return line + n + strspn(line + n, "\t :");
	return NULL;
}

static bool flag_there(const char *flags, const char *name)
{
	size_t n = strlen(name);

	while (*flags && *flags != '\n') {
		if (!strncmp(flags, name, n) && strchr(" \n", flags[n]))
			return true;
		flags += strcspn(flags, " \n");
		flags += *flags == ' ';
	}
	return false;
}

static enum platform_vendor vendor_of(const char *name)
{
	if (name && !strncmp(name, "GenuineIntel", 12))
		return PLATFORM_INTEL;
	return name && (!strncmp(name, "AuthenticAMD", 12) || !strncmp(name, "HygonGenuine", 12)) ? PLATFORM_AMD : PLATFORM_OTHER;
}

int platform_cpu(const struct pvb_ctx *ctx, struct platform_cpu *cpu)
{
	char text[CPUINFO_HEAD];
	ssize_t n = platform_head(ctx, "proc/cpuinfo", text, sizeof(text));
	const char *flags;

	*cpu = (struct platform_cpu){ .vendor = PLATFORM_OTHER };
	if (n <= 0)
		return n < 0 ? (int)n : -ENODATA;
	cpu->vendor = vendor_of(cpuinfo_value(text, "vendor_id"));
	flags = cpuinfo_value(text, "flags");
	if (!flags)
		return 0;
	cpu->flagged = true;
	cpu->vmx = flag_there(flags, "vmx");
	cpu->svm = flag_there(flags, "svm");
	cpu->hypervisor = flag_there(flags, "hypervisor");
	return 0;
}

/* ---- firmware and kernel ---- */

int platform_acpi(const struct pvb_ctx *ctx, const char *table)
{
	char path[64];

	if (!pvb_sysfs_exists(ctx, "sys/firmware/acpi/tables"))
		return -1;
	snprintf(path, sizeof(path), "sys/firmware/acpi/tables/%s", table);
	return pvb_sysfs_exists(ctx, path);
}

/* Debian and Proxmox VE install it in /boot; Debian's newest kernels beside the modules. */
static int config_read(const struct pvb_ctx *ctx, const char *release, char **text)
{
	static const char *const places[][2] = {
		{ "boot/config-", "" }, { "usr/lib/modules/", "/config" }, { "lib/modules/", "/config" },
	};
	char path[PVB_NAME_MAX + 32];
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && *release && i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s%s%s", places[i][0], release, places[i][1]);
		r = pvb_read_file(ctx, path, CONFIG_MAX, text, NULL);
	}
	return r;
}

int platform_kernel_built(const struct pvb_ctx *ctx, const char *release, const char *option)
{
	_conf_free_ char *text = NULL;
	size_t n = strlen(option);

	if (config_read(ctx, release, &text) < 0)
		return -1;
	for (const char *at = text; (at = strstr(at, option)); at += n)
		if ((at == text || at[-1] == '\n') && !strncmp(at + n, "=y", 2))
			return 1;
	return 0;
}

int platform_groups(const struct pvb_ctx *ctx)
{
	_conf_strv_ char **groups = NULL;
	int n = 0;

	if (!pvb_sysfs_exists(ctx, "sys/kernel") || pvb_sysfs_list(ctx, "sys/kernel/iommu_groups", &groups) < 0)
		return -1;
	while (groups[n])
		n++;
	return n;
}
