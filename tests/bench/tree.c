/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine of FUNCTIONS PCI functions as a tree for --root, and its kernel: a process beside the hook, so that what
 * the hook takes is the hook's own. (The fake kernel of the unit tests is preloaded into the hook, and would be
 * measured with it.)
 *
 *	bench-tree FUNCTIONS
 *
 * Prints the tree's path and the address of the function that VM 100 is to have. Ends, and removes the tree, when
 * its input ends.
 *
 * Its kernel has leases (fcntl(2)) on the files that the hook writes to: who opens one of them waits until the
 * holder of the lease has done what the write is for, and given it up. So the hook finds what a kernel would show
 * it, and no sooner than it wrote.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../unit/faketree.h"
#include "../unit/fakekernel.h"

#define DEVICE "0000:40:00.0"
#define HOME "e1000e"

struct written {
	const char *path;
	const char *driver; /* what the device is on after a write; "": on none */
	/* The override is an empty file then: the next one may be shorter, and a kernel does not write over the last. */
	bool override_anew;
	int fd;
	bool leased;
};

static struct written files[] = {
	{ "sys/bus/pci/drivers/" HOME "/unbind", "", false, -1, false },
	{ "sys/bus/pci/drivers/" HOME "/bind", HOME, true, -1, false },
	{ "sys/bus/pci/drivers/vfio-pci/unbind", "", true, -1, false },
	{ "sys/bus/pci/drivers/vfio-pci/bind", "vfio-pci", false, -1, false },
};
#define FILES (sizeof(files) / sizeof(files[0]))

/* Root ports, each with seven functions of a NIC, every one in a group of its own. */
static void functions_add(struct ft_tree *t, unsigned n)
{
	struct fk_path port = fk_path("%s", "");

	ft_driver(t, "pcieport", NULL, NULL, 0);
	ft_driver(t, HOME, HOME, "8086 10d3\n", 0);
	ft_vfio(t);
	for (unsigned i = 0; i < n; i++) {
		unsigned slot = i / 8, bus = 0x40 + slot;
		struct fk_path fn = fk_path("0000:%02x:00.%u", bus, i % 8 - 1);
		struct ft_function f = { fn.s, port.s, 0x8086, 0x10d3, 0x8086, 0, 0x020000, HOME, "flr", 1000 + (int)i, 0 };

		if (i % 8 == 0) {
			port = fk_path("0000:00:%02x.%u", 8 + slot / 8, slot % 8);
			f = (struct ft_function){ port.s, NULL, 0x8086, 0xa190, 0, 0, 0x060400, "pcieport", NULL, 1000 + (int)i, bus };
		}
		ft_function(t, &f);
		/* Awake for good: no operation on it, as on most desktops. */
		ft_write(t, fk_path("sys/bus/pci/devices/%s/power/control", f.address).s, "on\n");
		ft_write(t, fk_path("sys/bus/pci/devices/%s/d3cold_allowed", f.address).s, "0\n");
	}
}

/* ---- the kernel ---- */

/* Who had it open for writing is about to close it. The signal goes with a lease that is given up. */
static void lease_take(struct written *file)
{
	while (!file->leased) {
		file->leased = fcntl(file->fd, F_SETSIG, SIGRTMIN) == 0 && fcntl(file->fd, F_SETLEASE, F_RDLCK) == 0;
		if (!file->leased && errno != EAGAIN) {
			perror("bench-tree: F_SETLEASE");
			exit(2);
		}
	}
}

static void file_open(const struct ft_tree *t, struct written *file)
{
	file->fd = openat(t->fd, file->path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0) {
		perror(file->path);
		exit(2);
	}
	lease_take(file);
}

/* Somebody opens the file for writing. */
static void file_written(struct ft_tree *t, struct written *file)
{
	struct fk_path dir = fk_path("%s", ft_device_path(t, DEVICE)), link = fk_path("%s/driver", dir.s);

	for (size_t i = 0; i < FILES; i++)
		if (&files[i] != file)
			lease_take(&files[i]);
	unlinkat(t->fd, link.s, 0);
	if (*file->driver)
		fk_symlink(t->fd, link.s, fk_path("sys/bus/pci/drivers/%s", file->driver).s);
	if (file->override_anew) {
		ft_remove(t, fk_path("%s/driver_override", dir.s).s);
		ft_write(t, fk_path("%s/driver_override", dir.s).s, "");
	}
	file->leased = false;
	fcntl(file->fd, F_SETLEASE, F_UNLCK);
}

static void serve(struct ft_tree *t)
{
	struct signalfd_siginfo told;
	struct pollfd fds[2] = { { .fd = 0, .events = POLLIN }, { .events = POLLIN } };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fds[1].fd = signalfd(-1, &set, SFD_CLOEXEC);
	for (size_t i = 0; i < FILES; i++)
		file_open(t, &files[i]);
	printf("%s %s\n", t->path, DEVICE);
	fflush(stdout);
	while (poll(fds, 2, -1) > 0 && !fds[0].revents) {
		if (read(fds[1].fd, &told, sizeof(told)) != sizeof(told))
			continue;
		for (size_t i = 0; i < FILES; i++)
			if (files[i].fd == told.ssi_fd)
				file_written(t, &files[i]);
	}
}

int main(int argc, char **argv)
{
	struct ft_tree *t = ft_new();

	functions_add(t, argc > 1 ? (unsigned)atoi(argv[1]) : 16);
	ft_vm(t, 100, "hostpci0: " DEVICE "\n");
	ft_write(t, "etc/pve/pvebind.ini", "[vm 100]\nreset = none\nguard = no\n");
	serve(t);
	ft_free(t);
	return 0;
}
