/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chapter 06: what modprobe.d says against the drivers that the devices have on the host. */
#include <stdio.h>
#include <string.h>

#include "groups.h"
#include "modconf.h"

/* A line that keeps a driver from its device, of which there may be several for one. */
typedef bool bar_fn(const struct pvb_modconf_line *line, const char *driver);

static bool blacklist_bars(const struct pvb_modconf_line *line, const char *driver)
{
	return modconf_is(line, PVB_MODCONF_BLACKLIST, driver);
}

/* "install nouveau /bin/false": modprobe runs that instead of loading. */
static bool install_bars(const struct pvb_modconf_line *line, const char *driver)
{
	const char *at = line->value, *word, *slash;
	size_t size;

	if (!modconf_is(line, PVB_MODCONF_INSTALL, driver) || !(word = modconf_word(&at, &size)))
		return false;
	slash = memrchr(word, '/', size);
	size -= slash ? (size_t)(slash + 1 - word) : 0;
	word = slash ? slash + 1 : word;
	return (size == 5 && !strncmp(word, "false", 5)) || (size == 4 && !strncmp(word, "true", 4)) ||
	       (size == 1 && *word == ':');
}

static const struct pvb_modconf_line *line_barring(const struct pvb_modconf *conf, const char *driver, bar_fn *bars)
{
	for (size_t i = 0; i < conf->n; i++)
		if (bars(&conf->lines[i], driver))
			return &conf->lines[i];
	return NULL;
}

/* How a device fares. */
struct fate {
	struct drivers drivers;
	const struct pvb_modconf_line *barred; /* the first line that bars one of them; NULL: none is */
	bool all;                              /* every one is barred */
};

static void fate_find(const struct pvb_modconf *conf, struct kernels *kernels, const struct pvb_function *fn, bar_fn *bars,
		      struct fate *fate)
{
	*fate = (struct fate){ .all = true };
	drivers_find(kernels, fn, &fate->drivers);
	for (unsigned i = 0; i < fate->drivers.n; i++) {
		const struct pvb_modconf_line *line = line_barring(conf, fate->drivers.names[i], bars);

		fate->all &= line != NULL;
		if (!fate->barred)
			fate->barred = line;
	}
	fate->all &= fate->drivers.n != 0;
}

/* ---- blacklists ---- */

/* The VM's own settings say that the host is not to have a driver for it. */
static bool home_unwanted(const struct check_host *host)
{
	return host->has_request && !strcmp(host->request.settings.host_driver, "none");
}

static void blacklist_say(struct check_run *run, const struct pvb_function *fn, const struct fate *fate)
{
	char names[256], where[MODCONF_PLACE_MAX];

	drivers_text(&fate->drivers, names, sizeof(names));
	modconf_place(fate->barred, where);
	if (fate->drivers.bound) {
		check_warn(run, where, "the driver that the host has for it, %s, is blacklisted: after the next boot it may have none", names);
		modconf_advise(run, fate->barred, "Remove the line: pvebind takes the device from its driver when the VM starts.");
	} else if (!check_is_device(&run->host, &fn->addr)) {
		check_warn(run, where, "the host's own display has no driver, as what could drive it (%s) is blacklisted", names);
		modconf_advise(run, fate->barred, "Blacklist only drivers of cards that the host does not use itself.");
	} else {
		check_warn(run, where, "it has no driver to come home to, as what could drive it (%s) is blacklisted", names);
		modconf_advise(run, fate->barred, "Remove the line, and the host has the device while no VM does: pvebind takes it when the VM "
						  "starts. If the host is never to have it, write host-driver = none.");
	}
}

/* This run's devices, and the displays that the host keeps. */
static bool function_counts(const struct check_host *host, const struct pvb_function *fn)
{
	return check_is_device(host, &fn->addr) || (fn->class_code >> 16 == 0x03 && !fn->vfio && !*fn->driver);
}

static void blacklists_judge(struct check_run *run, const struct pvb_modconf *conf, struct kernels *kernels)
{
	size_t before = run->findings.n;
	struct fate fate;

	for (size_t i = 0; i < pvb_snapshot_count(run->host.snapshot); i++) {
		const struct pvb_function *fn = pvb_snapshot_get(run->host.snapshot, i);

		if (fn->bridge || !function_counts(&run->host, fn))
			continue;
		fate_find(conf, kernels, fn, blacklist_bars, &fate);
		check_about(run, &fn->addr);
		if (fate.drivers.unknown)
			check_unknown(run, "/lib/modules", "no kernel's modules.alias can be read, so what could drive it is not known");
		else if (fate.all && !(home_unwanted(&run->host) && check_is_device(&run->host, &fn->addr)))
			blacklist_say(run, fn, &fate);
	}
	check_about(run, NULL);
	if (run->findings.n == before)
		check_ok(run, "/etc/modprobe.d", "no device lacks its driver because of a blacklist");
}

static bool conf_has(const struct pvb_modconf *conf, enum pvb_modconf_kind kind)
{
	for (size_t i = 0; i < conf->n; i++)
		if (conf->lines[i].kind == kind && conf->lines[i].effective)
			return true;
	return false;
}

static void blacklists_check(struct check_run *run)
{
	struct pvb_modconf conf;
	struct kernels kernels;

	kernels_find(&run->host, &kernels);
	if (modconf_read(run, &conf)) {
		if (!conf_has(&conf, PVB_MODCONF_BLACKLIST))
			check_ok(run, "/etc/modprobe.d", "no module is blacklisted");
		else if (*run->host.unseen)
			check_unknown(run, "/sys/bus/pci/devices", "modules are blacklisted, and no device can be seen: %s", run->host.unseen);
		else
			blacklists_judge(run, &conf, &kernels);
	}
	pvb_modconf_clear(&conf);
	kernels_clear(&kernels);
}

/* ---- install lines ---- */

static void install_say(struct check_run *run, const struct pvb_function *fn, const struct fate *fate)
{
	char names[256], where[MODCONF_PLACE_MAX];

	check_about(run, &fn->addr);
	check_warn(run, modconf_place(fate->barred, where),
		   "what could drive it on the host (%s) cannot be loaded: \"install %s %s\" runs in its place",
		   drivers_text(&fate->drivers, names, sizeof(names)), fate->barred->module, fate->barred->value);
	modconf_advise(run, fate->barred, "Remove the line, or pvebind cannot bring the device home to a driver. If the host is never to "
					  "have it, write host-driver = none.");
	check_about(run, NULL);
}

static void install_vfio(struct check_run *run, const struct pvb_modconf_line *line)
{
	static const char *const modules[] = { "vfio", "vfio_iommu_type1", "vfio_pci", "vfio_pci_core" };
	char where[MODCONF_PLACE_MAX];

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		if (!modconf_is(line, PVB_MODCONF_INSTALL, modules[i]))
			continue;
		modconf_place(line, where);
		if (install_bars(line, modules[i]))
			check_fail(run, where, "%s cannot be loaded: \"install %s %s\" runs in its place", modules[i], line->module, line->value);
		else
			check_warn(run, where, "\"%s\" runs whenever %s is loaded: such scripts give devices to vfio-pci at boot",
				   line->value, modules[i]);
		modconf_advise(run, line, "Remove the line.");
	}
}

static void installs_judge(struct check_run *run, const struct pvb_modconf *conf, struct kernels *kernels)
{
	size_t before = run->findings.n;
	struct fate fate;

	for (size_t i = 0; i < conf->n; i++)
		install_vfio(run, &conf->lines[i]);
	for (size_t i = 0; i < run->host.num_devices; i++) {
		const struct pvb_function *fn = run->host.devices[i];

		fate_find(conf, kernels, fn, install_bars, &fate);
		if (fate.drivers.unknown) {
			check_about(run, &fn->addr);
			check_unknown(run, "/lib/modules", "no kernel's modules.alias can be read, so what could drive it is not known");
			check_about(run, NULL);
		} else if (fate.all && !home_unwanted(&run->host)) {
			install_say(run, fn, &fate);
		}
	}
	if (run->findings.n == before)
		check_ok(run, "/etc/modprobe.d", "no install line keeps a driver of these devices from being loaded");
}

static void installs_check(struct check_run *run)
{
	struct pvb_modconf conf;
	struct kernels kernels;

	kernels_find(&run->host, &kernels);
	if (modconf_read(run, &conf)) {
		if (!conf_has(&conf, PVB_MODCONF_INSTALL))
			check_ok(run, "/etc/modprobe.d", "there are no install lines");
		else if (*run->host.unseen)
			check_unknown(run, "/sys/bus/pci/devices", "there are install lines, and no device can be seen: %s", run->host.unseen);
		else
			installs_judge(run, &conf, &kernels);
	}
	pvb_modconf_clear(&conf);
	kernels_clear(&kernels);
}

/* ---- softdeps ---- */

/* "softdep nouveau pre: vfio-pci" */
static bool softdep_is_vfio(const struct pvb_modconf_line *line)
{
	const char *at = line->value, *word;
	bool pre = false;
	size_t size;

	if (!line->effective || line->kind != PVB_MODCONF_SOFTDEP)
		return false;
	while ((word = modconf_word(&at, &size))) {
		if (word[size - 1] == ':')
			pre = size == 4 && !strncmp(word, "pre:", 4);
		else if (pre && size == 8 && (!strncmp(word, "vfio-pci", 8) || !strncmp(word, "vfio_pci", 8)))
			return true;
	}
	return false;
}

static const struct pvb_function *driven_by(struct check_run *run, struct kernels *kernels, const char *module)
{
	struct drivers drivers;

	for (size_t i = 0; i < run->host.num_devices; i++) {
		drivers_find(kernels, run->host.devices[i], &drivers);
		if (drivers_have(&drivers, module))
			return run->host.devices[i];
	}
	return NULL;
}

static void softdep_say(struct check_run *run, struct kernels *kernels, const struct pvb_modconf_line *line)
{
	const struct pvb_function *fn = driven_by(run, kernels, line->module);
	char where[MODCONF_PLACE_MAX];

	check_about(run, fn ? &fn->addr : NULL);
	check_warn(run, modconf_place(line, where),
		   "vfio-pci is loaded before %s at boot, to be the first at the devices that it has ids of", line->module);
	modconf_advise(run, line, "Remove the line: pvebind takes a device from its driver when the VM starts, and needs no order at boot.");
	check_about(run, NULL);
}

static void softdeps_check(struct check_run *run)
{
	size_t before = run->findings.n;
	struct pvb_modconf conf;
	struct kernels kernels;

	kernels_find(&run->host, &kernels);
	if (modconf_read(run, &conf)) {
		for (size_t i = 0; i < conf.n; i++)
			if (softdep_is_vfio(&conf.lines[i]))
				softdep_say(run, &kernels, &conf.lines[i]);
		if (run->findings.n == before)
			check_ok(run, "/etc/modprobe.d", "no driver waits for vfio-pci at boot");
	}
	pvb_modconf_clear(&conf);
	kernels_clear(&kernels);
}

/* ---- lines and files that count for nothing ---- */

static bool line_is_dos(const struct pvb_modconf_line *line)
{
	return strchr(line->module, '\r') || strchr(line->value, '\r');
}

/* "weakdep i915 xe": kmod 33 and newer know it, libkmod tells of it in no list, and it binds nothing. */
static bool line_is_weakdep(const struct pvb_modconf_line *line)
{
	return line->kind == PVB_MODCONF_OTHER && !strncmp(line->value, "weakdep", 7) && strchr(" \t", line->value[7]);
}

/* before: the line before it, or NULL; a file that was written elsewhere has many such. */
static void line_judge(struct check_run *run, const struct pvb_modconf_line *line, const struct pvb_modconf_line *before)
{
	char where[MODCONF_PLACE_MAX];

	modconf_place(line, where);
	if (line_is_dos(line) && line->effective) {
		if (before && line_is_dos(before) && !strcmp(before->file, line->file))
			return;
		check_warn(run, where, "the line ends as in files of Windows (CR LF), and modprobe takes that CR for a part of what it says");
		check_advise(run, "Take the CRs out.");
		check_command(run, "sed -i 's/\\r$//' %s", line->file);
	} else if (!line->effective && !line_is_weakdep(line)) {
		check_warn(run, where, "modprobe does not understand this line, and leaves it out");
		modconf_advise(run, line, "Correct or remove it; modprobe.d(5) has the words there are.");
	}
}

/* A name without ".conf" (nor any other ending, as copies have it) was meant to count. */
static void files_judge(struct check_run *run)
{
	_conf_strv_ char **names = NULL;
	char path[300];

	if (pvb_sysfs_list(run->host.ctx, "etc/modprobe.d", &names) < 0)
		return;
	for (char **name = names; *name; name++) {
		if (strchr(*name, '.') || strchr(*name, '~') || !strncmp(*name, "README", 6))
			continue;
		snprintf(path, sizeof(path), "/etc/modprobe.d/%s", *name);
		check_warn(run, path, "modprobe does not read this file, as its name does not end in .conf");
		check_advise(run, "Rename it, or remove it.");
		check_command(run, "mv %s %s.conf", path, path);
		initramfs_commands(run);
	}
}

static void syntax_check(struct check_run *run)
{
	size_t before = run->findings.n;
	struct pvb_modconf conf;

	if (modconf_read(run, &conf)) {
		for (size_t i = 0; i < conf.n; i++)
			line_judge(run, &conf.lines[i], i ? &conf.lines[i - 1] : NULL);
		files_judge(run);
		if (run->findings.n == before)
			check_ok(run, "/etc/modprobe.d", "modprobe understands all of it");
	}
	pvb_modconf_clear(&conf);
}

const struct check check_modprobe[] = {
	{ "modprobe-syntax", "modprobe understands its configuration", CHECK_HOST, "06", syntax_check },
	{ "blacklists", "No blacklist leaves a device without its driver", CHECK_HOST, "06", blacklists_check },
	{ "install-lines", "No install line keeps a driver from being loaded", CHECK_HOST, "06", installs_check },
	{ "softdep", "No driver waits for vfio-pci", CHECK_HOST, "06", softdeps_check },
	{ .id = NULL },
};
