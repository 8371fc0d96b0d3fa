/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 01: the address room that the firmware gives the devices: Above 4G Decoding, Resizable BAR, SR-IOV. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "groups.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

/* "256 MiB" */
static const char *size_text(uint64_t size, char buf[24])
{
	if (size >= GIB)
		snprintf(buf, 24, "%" PRIu64 " GiB", size / GIB);
	else if (size >= MIB)
		snprintf(buf, 24, "%" PRIu64 " MiB", size / MIB);
	else
		snprintf(buf, 24, "%" PRIu64 " KiB", size / 1024);
	return buf;
}

/* The details of this run's devices, parallel to them; malloced. NULL: none, or they could not be read, which is said. */
static struct pvb_details *details_read(struct check_run *run)
{
	size_t n = run->host.num_devices;
	struct pvb_details *details = n ? calloc(n, sizeof(*details)) : NULL;
	struct pvb_addr *addrs = n ? calloc(n, sizeof(*addrs)) : NULL;
	struct pvb_err err;
	bool done = false;

	for (size_t i = 0; addrs && i < n; i++)
		addrs[i] = run->host.devices[i]->addr;
	if (addrs && details) {
		done = pvb_details_read_all(run->host.ctx, addrs, n, details, &err) == 0;
		if (!done)
			check_unknown(run, "", "the devices cannot be looked at: %s", err.text);
	}
	free(addrs);
	if (done)
		return details;
	free(details);
	return NULL;
}

static bool is_accelerator(const struct pvb_function *fn)
{
	return fn->class_code >> 16 == 0x03 || fn->class_code >> 16 == 0x12;
}

/* ---- Above 4G Decoding ---- */

/* Below 4 GiB there are rarely more than 2 GiB for all devices together; what cards commonly have there (256 MiB, with Resizable
 * BAR or without) fits, and a card does not work worse for it. One that takes half of the room leaves little for any other. */
#define LARGE_BELOW GIB

static void above_advise(struct check_run *run)
{
	check_advise(run, "Switch \"Above 4G Decoding\" (also \"64-bit MMIO\", \"Memory Mapped I/O above 4 GB\") on in the firmware setup; that goes with UEFI boot only.");
}

/* Whether something was found. I/O ports, of which there is little room too, are for legacy BIOSes: no driver needs a card's. */
static bool bar_judge(struct check_run *run, const struct pvb_function *fn, const struct pvb_bar *bar, unsigned index)
{
	char place[80], addr[PVB_ADDR_MAX], size[24];

	snprintf(place, sizeof(place), "/sys/bus/pci/devices/%s/resource:%u", pvb_addr_format(&fn->addr, addr), index + 1);
	if (bar->unassigned && !bar->io) {
		check_fail(run, place, "BAR %u has no address: the kernel found no room for it, and the device does not work so", index);
		above_advise(run);
	} else if (!bar->unassigned && bar->is_64bit && bar->size >= LARGE_BELOW && bar->start < 4 * GIB) {
		check_warn(run, place, "BAR %u (%s) lies below 4 GiB: Above 4G Decoding seems to be off, and there is room for little more", index,
			   size_text(bar->size, size));
		above_advise(run);
	} else {
		return false;
	}
	return true;
}

static void above_4g_check(struct check_run *run)
{
	const struct check_host *host = &run->host;
	_conf_free_ struct pvb_details *details = details_read(run);
	unsigned high = 0, good = 0;
	bool all = true;

	for (size_t i = 0; details && i < host->num_devices; i++) {
		bool found = false;

		check_about(run, &host->devices[i]->addr);
		if (!(details[i].known & PVB_KNOWN_BARS)) {
			check_unknown(run, "", "its BARs cannot be read");
			continue;
		}
		for (unsigned bar = 0; bar < PVB_BARS; bar++) {
			const struct pvb_bar *b = &details[i].bars[bar];

			if (!b->present)
				continue;
			found |= bar_judge(run, host->devices[i], b, bar);
			high += b->is_64bit && b->start >= 4 * GIB;
		}
		good++;
		all &= !found;
	}
	check_about(run, NULL);
	if (good && all)
		check_ok(run, "", "the devices' BARs have room, %u of them above 4 GiB", high);
}

/* ---- Resizable BAR ---- */

#define SMALL (256 * MIB) /* what a card has of its memory without it */

static uint64_t largest(uint64_t sizes)
{
	uint64_t size = MIB;

	while (sizes >>= 1)
		size <<= 1;
	return size;
}

/* Intel's own graphics cards are slow without it (intel.com, "What Is Resizable BAR and How Do I Enable It?"); for all others it
 * is a few per cent. */
static void rebar_judge(struct check_run *run, const struct pvb_function *fn, const struct pvb_bar *bar, unsigned index)
{
	uint64_t now = bar->resized ? bar->resized : bar->size, most = largest(bar->sizes);
	char size[24], size_most[24];

	size_text(now, size);
	size_text(most, size_most);
	if (now >= most) {
		check_ok(run, "", "BAR %u has its full size of %s (Resizable BAR); if the VM's firmware or driver does not start, try once without", index,
			 size);
	} else if (fn->vendor == 0x8086 && is_accelerator(fn) && now <= SMALL) {
		check_warn(run, "", "BAR %u has %s of the %s that it could have: Intel's graphics cards are slow without Resizable BAR", index, size,
			   size_most);
		check_advise(run, "Switch Above 4G Decoding and Resizable BAR on in the firmware setup.");
	} else {
		check_ok(run, "", "BAR %u has %s and could have %s (Resizable BAR)", index, size, size_most);
	}
}

static void resizable_bar_check(struct check_run *run)
{
	const struct check_host *host = &run->host;
	_conf_free_ struct pvb_details *details = details_read(run);

	for (size_t i = 0; details && i < host->num_devices; i++) {
		if (!is_accelerator(host->devices[i]))
			continue;
		check_about(run, &host->devices[i]->addr);
		if (!(details[i].known & PVB_KNOWN_EXTENDED) || !(details[i].known & PVB_KNOWN_BARS))
			check_unknown(run, "", "its configuration space cannot be read as a whole, so that one cannot see whether its BARs are resizable");
		else
			for (unsigned bar = 0; bar < PVB_BARS; bar++)
				if (details[i].bars[bar].sizes)
					rebar_judge(run, host->devices[i], &details[i].bars[bar], bar);
	}
}

/* ---- SR-IOV ---- */

#define RESOURCE_IOV 7            /* the VFs' BARs come behind six BARs and the ROM (<linux/pci.h>: PCI_IOV_RESOURCES) */
#define RESOURCE_UNSET 0x20000000 /* <linux/ioport.h>: IORESOURCE_UNSET */

/* Whether the firmware left no room for VFs: then they cannot be switched on ("not enough MMIO resources for SR-IOV"). */
static bool vfs_without_room(const struct check_host *host, const struct pvb_addr *addr)
{
	char path[64], buf[PVB_ADDR_MAX], text[1024];
	unsigned long long start, end, flags;
	unsigned line = 0;

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/resource", pvb_addr_format(addr, buf));
	if (pvb_sysfs_read(host->ctx, path, text, sizeof(text)) < 0)
		return false;
	for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n', line++)
		if (line >= RESOURCE_IOV && sscanf(at, "%llx %llx %llx", &start, &end, &flags) == 3 && flags &&
		    (flags & RESOURCE_UNSET || start == 0))
			return true;
	return false;
}

/* Without ARI in the port above, a slot has eight functions, and VFs lie on buses of their own, for which the firmware must have
 * left numbers ("can't enable 7 VFs (bus 02 out of range of [bus 01])"). 1 there, 0 not, -1 not known. */
static int ari_on(const struct check_host *host, const struct pvb_addr *addr)
{
	char path[64], buf[PVB_ADDR_MAX], text[8];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/ari_enabled", pvb_addr_format(addr, buf));
	return pvb_sysfs_read(host->ctx, path, text, sizeof(text)) < 0 ? -1 : *text == '1';
}

/* A number that sysfs has of a physical function; 0: it has none. */
static unsigned pf_number(const struct check_host *host, const struct pvb_function *fn, const char *attr)
{
	char path[96], buf[PVB_ADDR_MAX], text[16];
	unsigned long number;

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s", pvb_addr_format(&fn->addr, buf), attr);
	return pvb_sysfs_read(host->ctx, path, text, sizeof(text)) == 0 && conf_number_parse(text, 65535, &number) ? (unsigned)number : 0;
}

static unsigned routing_id(const struct pvb_addr *addr)
{
	return (unsigned)addr->bus << 8 | (unsigned)addr->dev << 3 | (unsigned)addr->fn;
}

/* The VF, from 1, of the function that would be at the address (PCI Express 9.2.1.2); 0: none. */
static unsigned vf_at(const struct check_host *host, const struct pvb_function *fn, const struct pvb_addr *addr)
{
	unsigned most = pf_number(host, fn, "sriov_totalvfs"), first, stride, ahead;

	if (fn->is_vf || fn->addr.domain != addr->domain || !most)
		return 0;
	first = routing_id(&fn->addr) + pf_number(host, fn, "sriov_offset");
	stride = pf_number(host, fn, "sriov_stride");
	ahead = routing_id(addr) - first;
	if (first == routing_id(&fn->addr) || routing_id(addr) < first || (ahead && (!stride || ahead % stride)))
		return 0;
	ahead = stride ? ahead / stride : 0;
	return ahead < most ? ahead + 1 : 0;
}

/* Something is named that is not there, and would be VF number vf of a function. */
static void missing_say(struct check_run *run, const struct pvb_addr *addr, const struct pvb_function *fn, unsigned vf)
{
	unsigned now = pf_number(&run->host, fn, "sriov_numvfs");
	char text[PVB_ADDR_MAX], of[PVB_ADDR_MAX];

	pvb_addr_format(addr, text);
	pvb_addr_format(&fn->addr, of);
	check_fail(run, "", "there is no %s: it would be virtual function %u of %s, which has %u of the %u that it could have", text, vf, of,
		   now, pf_number(&run->host, fn, "sriov_totalvfs"));
	if (vfs_without_room(&run->host, &fn->addr)) {
		check_advise(run, "The firmware left no room for them: switch SR-IOV and Above 4G Decoding on in its setup.");
		return;
	}
	check_advise(run, "They are gone with each reboot: make them now, and at each boot (more, where other VMs need more)%s.",
		     ari_on(&run->host, &fn->addr) == 0 ?
		     "; where the kernel then says \"out of range\", look for ARI in the firmware setup, or boot with pci=assign-busses" : "");
	if (now)
		check_command(run, "echo 0 > /sys/bus/pci/devices/%s/sriov_numvfs", of);
	check_command(run, "echo %u > /sys/bus/pci/devices/%s/sriov_numvfs", vf, of);
	check_command(run, "echo 'ACTION==\"bind\", SUBSYSTEM==\"pci\", KERNEL==\"%s\", ATTR{sriov_numvfs}=\"%u\"' > /etc/udev/rules.d/70-sriov-%s.rules",
		      of, vf, of);
}

static void named_look(struct check_run *run, const struct pvb_addr *addr)
{
	const struct check_host *host = &run->host;

	if (addr->fn == PVB_FN_ALL || pvb_snapshot_find(host->snapshot, addr))
		return;
	for (size_t i = 0; i < pvb_snapshot_count(host->snapshot); i++) {
		const struct pvb_function *fn = pvb_snapshot_get(host->snapshot, i);
		unsigned vf = vf_at(host, fn, addr);

		if (!vf)
			continue;
		missing_say(run, addr, fn, vf);
		return;
	}
}

/* That a physical function with virtual ones cannot be lent is the refusal sriov-parent. */
static void pf_say(struct check_run *run, const struct pvb_function *fn, int most)
{
	check_ok(run, "", "it has %u of %d virtual functions%s", fn->num_vfs, most,
		 fn->num_vfs ? "" : vfs_without_room(&run->host, &fn->addr) ? ", and the firmware left no room for any" :
		 ari_on(&run->host, &fn->addr) == 0 ? "; they would lie on buses of their own, as the port above has no ARI" : "");
}

static void sriov_check(struct check_run *run)
{
	const struct check_host *host = &run->host;
	_conf_free_ struct pvb_details *details = details_read(run);

	for (unsigned i = 0; host->has_vm && host->snapshot && i < CONF_HOSTPCI_MAX; i++)
		for (size_t k = 0; k < host->vm.hostpci[i].num_ids; k++)
			named_look(run, &host->vm.hostpci[i].ids[k]);
	for (size_t i = 0; details && i < host->num_devices; i++) {
		const struct pvb_function *fn = host->devices[i];
		char addr[PVB_ADDR_MAX];

		check_about(run, &fn->addr);
		if (fn->is_vf)
			check_ok(run, "", "a virtual function of %s", pvb_addr_format(&fn->physfn, addr));
		else if (!details[i].present || details[i].hung)
			check_unknown(run, "", "whether it can have virtual functions cannot be read");
		else if (details[i].sriov_total > 0 || fn->num_vfs)
			pf_say(run, fn, details[i].sriov_total);
	}
}

const struct check check_room[] = {
	{ "above-4g", "The devices' BARs have room", CHECK_HOST, "01", above_4g_check },
	{ "resizable-bar", "Graphics cards that need a large BAR have it", CHECK_HOST, "01", resizable_bar_check },
	{ "sriov", "Virtual functions that are named are there", CHECK_HOST, "01", sriov_check },
	{ .id = NULL },
};
