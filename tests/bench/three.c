/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What moving a function takes at the least: three writes. Linked statically; the measure of what the hook adds.
 *
 *	three ADDRESS DRIVER|-	"-" clears the override: whatever driver takes it
 *
 * Exits with 0 when the kernel shows the device with a driver, and with DRIVER if one was named.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int attribute_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, value, strlen(value));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(value) ? 0 : -1;
}

static int driver_check(const char *address, const char *driver)
{
	char path[128], target[PATH_MAX], *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return 1;
	target[n] = '\0';
	name = strrchr(target, '/');
	return *driver != '-' && (!name || strcmp(name + 1, driver) != 0);
}

int main(int argc, char **argv)
{
	char path[128];

	if (argc != 3)
		return 2;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", argv[1]);
	if (attribute_write(path, *argv[2] == '-' ? "\n" : argv[2]) < 0)
		return 1;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", argv[1]);
	if (attribute_write(path, argv[1]) < 0 || attribute_write("/sys/bus/pci/drivers_probe", argv[1]) < 0)
		return 1;
	return driver_check(argv[1], argv[2]);
}
