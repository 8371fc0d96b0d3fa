/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 00: what there is, and by which way the host stays reachable. */
#include <stdio.h>
#include <string.h>

#include "groups.h"
#include "package.h"
#include "ways.h"

/* The oldest kernel that the tests run on: Debian 12's. */
#define OLDEST_MAJOR 6
#define OLDEST_MINOR 1
#define OSRELEASE "/proc/sys/kernel/osrelease"

static void kernel_check(struct check_run *run)
{
	const struct check_host *host = &run->host;

	if (!*host->release) {
		check_unknown(run, OSRELEASE, "the kernel's release cannot be read");
	} else if (!host->major) {
		check_unknown(run, OSRELEASE, "the kernel calls itself \"%s\", which is no version", host->release);
	} else if (check_kernel_since(host, OLDEST_MAJOR, OLDEST_MINOR)) {
		check_ok(run, OSRELEASE, "Linux %s", host->release);
	} else {
		check_warn(run, OSRELEASE, "Linux %s is older than %d.%d, and on such kernels pvebind is not tried", host->release,
			   OLDEST_MAJOR, OLDEST_MINOR);
		check_advise(run, "Bring the host to a supported release of Proxmox VE (8 or 9), then boot its kernel.");
	}
}

/* ---- Proxmox VE ---- */

#define PVE_OLDEST 8
#define PVE_NEWEST 9

static void pve_judge(struct check_run *run, const char *manager, const char *qemu_server)
{
	unsigned major = 0;

	if (sscanf(manager, "%u.", &major) != 1) {
		check_unknown(run, PACKAGE_STATUS, "pve-manager has the version \"%s\", which is none", manager);
	} else if (major < PVE_OLDEST) {
		check_warn(run, PACKAGE_STATUS, "Proxmox VE %s gets no updates any more, and pvebind is not tried on it", manager);
		check_advise(run, "Upgrade the node, one major release after the other, as Proxmox's wiki describes.");
	} else if (major > PVE_NEWEST) {
		check_warn(run, PACKAGE_STATUS, "Proxmox VE %s is newer than what pvebind is tried on (%d and %d)", manager, PVE_OLDEST,
			   PVE_NEWEST);
		check_advise(run, "Look for a newer pvebind.");
	} else {
		check_ok(run, PACKAGE_STATUS, "Proxmox VE %s%s%s", manager, *qemu_server ? ", qemu-server " : "", qemu_server);
	}
}

static void pve_version_check(struct check_run *run)
{
	char manager[PVB_NAME_MAX], qemu_server[PVB_NAME_MAX];
	struct packages packages;
	int r = packages_read(run->host.ctx, &packages);

	if (r < 0) {
		if (run->host.is_pve)
			check_unknown(run, PACKAGE_STATUS, "the list of packages cannot be read: %s", strerror(-r));
		return;
	}
	package_version(&packages, "qemu-server", qemu_server, sizeof(qemu_server));
	if (package_version(&packages, "pve-manager", manager, sizeof(manager))) {
		pve_judge(run, manager, qemu_server);
	} else if (run->host.is_pve) {
		check_fail(run, PACKAGE_STATUS, "this looks like a Proxmox VE node, but the package pve-manager is not installed");
		check_advise(run, "Install it again; it goes when apt is made to remove what it depends on.");
		check_command(run, "apt install proxmox-ve");
	}
	packages_clear(&packages);
}

/* ---- how the host stays reachable ---- */

/* ", and a serial console" … */
static const char *ways_other(const struct ways *ways)
{
	if (ways->serial)
		return ways->bmc ? "a serial console and the board's management controller (IPMI)" : "a serial console";
	return ways->bmc ? "the board's management controller (IPMI)" : "";
}

static void management_advise(struct check_run *run)
{
	check_advise(run, "Give the host another way in before: a second network interface for the management address, a serial console (console=ttyS0,115200 on the kernel command line), IPMI, or a second graphics card.");
}

static void management_lost(struct check_run *run, const struct ways *ways)
{
	char screen[256] = "", taken[256] = "";

	if (ways->display)
		check_describe(&run->host, ways->display, screen, sizeof(screen));
	if (ways->taken)
		check_describe(&run->host, ways->taken, taken, sizeof(taken));
	if (ways->display)
		check_warn(run, "", "no ssh, web interface, serial console or IPMI is left with these devices gone: only the screen on %s", screen);
	else if (ways->taken)
		check_fail(run, "", "with %s gone there is no way into the host: no network interface for ssh or the web interface, no serial console, no IPMI, no other screen",
			   taken);
	else
		check_warn(run, "", "the host has no way in: nothing listens for ssh or the web interface, and it has no serial console, IPMI or screen");
	management_advise(run);
}

/* What the network gives could not be seen, or not whether it stays. */
static void management_unseen(struct check_run *run, const struct ways *ways)
{
	if (!ways->listens_known)
		check_unknown(run, "/proc/net/tcp", "what listens for ssh or the web interface cannot be read");
	else if (!ways->routes_known)
		check_unknown(run, "/proc/net/route", "ssh or the web interface listens, but not by which network interface it is reached: the routes cannot be read");
	else
		check_unknown(run, "/proc/net/route", "ssh or the web interface listens, but no route tells by which network interface it is reached");
}

static void management_path_check(struct check_run *run)
{
	const char *other;
	struct ways ways;

	ways_look(&run->host, &ways);
	other = ways_other(&ways);
	if (ways.listens && *ways.stays) {
		check_ok(run, "", "ssh or the web interface is reached by %s, which stays%s%s", ways.stays, *other ? "; so does " : "",
			 other);
	} else if (*other && ways.listens && *ways.goes) {
		check_warn(run, "", "the network goes with these devices (%s); what stays is %s", ways.goes, other);
		check_advise(run, "Try that way in before you lend them.");
	} else if (*other) {
		check_ok(run, "", "%s stays", other);
	} else if (!ways.listens_known || (ways.listens && !*ways.goes)) {
		management_unseen(run, &ways);
	} else {
		management_lost(run, &ways);
	}
}

const struct check check_inventory[] = {
	{ "kernel", "The kernel is one that pvebind is tried on", CHECK_HOST, "00", kernel_check },
	{ "pve-version", "Proxmox VE is a supported release", CHECK_HOST, "00", pve_version_check },
	{ "management-path", "The host can be reached while the devices are lent", CHECK_HOST, "00", management_path_check },
	{ .id = NULL },
};
