/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the plan of `pvebind setup` is made of: the host as it is, and the plan's parts. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hostplan.h"

#define CMDLINE_MAX (1 << 16)

/* ---- the host ---- */

/* A VM whose configuration is wrong has no say here: check tells of it. */
static int vm_wanted_add(struct hostplan *h, unsigned vmid)
{
	struct pvb_request request = { .num_wanted = 0 };
	struct conf_extra extra = { .is_template = false };
	struct pvb_wanted *more;
	struct pvb_err ignored;
	int r = 0;

	if (conf_request_build(h->ctx, h->front->config, vmid, NULL, &request, &extra, &ignored) == 0 && request.num_wanted) {
		more = reallocarray(h->wanted, h->num_wanted + request.num_wanted, sizeof(*more));
		r = more ? 0 : -ENOMEM;
		if (more) {
			h->wanted = more;
			memcpy(more + h->num_wanted, request.wanted, request.num_wanted * sizeof(*more));
			h->num_wanted += request.num_wanted;
		}
	}
	conf_extra_clear(&extra);
	pvb_request_clear(&request);
	return r;
}

static int wanted_look(struct hostplan *h)
{
	_conf_free_ unsigned *vmids = NULL;
	size_t n = 0;
	int r = conf_vm_list(h->ctx, &vmids, &n);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = vm_wanted_add(h, vmids[i]);
	return r == -ENOENT ? 0 : r;
}

int hostplan_look(struct hostplan *h)
{
	_conf_free_ char *release = NULL;
	struct pvb_err unseen;
	int r;

	if (pvb_read_file(h->ctx, "proc/sys/kernel/osrelease", 4096, &release, NULL) == 0)
		conf_copy(h->release, sizeof(h->release), conf_trim(release));
	if (pvb_read_file(h->ctx, "proc/cmdline", CMDLINE_MAX, &h->cmdline, NULL) < 0)
		h->cmdline = NULL;
	bootloader_find(h->ctx, h->cmdline, &h->loader);
	kernels_look(h->ctx, h->release, &h->kernels);
	if (platform_cpu(h->ctx, &h->cpu) < 0)
		h->cpu.vendor = PLATFORM_OTHER;
	if (pvb_snapshot_take(h->ctx, NULL, 0, 0, &h->snapshot, &unseen) < 0) {
		conf_copy(h->unseen, sizeof(h->unseen), unseen.text);
		h->snapshot = NULL;
	}
	r = wanted_look(h);
	return r < 0 ? pvb_err_set(h->err, r, "cannot list the VMs: %s", strerror(-r)) : 0;
}

void hostplan_clear(struct hostplan *h)
{
	bootloader_clear(&h->loader);
	kernels_clear(&h->kernels);
	pvb_snapshot_free(h->snapshot);
	free(h->cmdline);
	free(h->wanted);
}

bool hostplan_wanted(const struct hostplan *h, const struct pvb_function *fn)
{
	for (size_t i = 0; i < h->num_wanted; i++)
		if (pvb_addr_matches(&h->wanted[i].addr, &fn->addr))
			return true;
	return false;
}

/* ---- parts of the plan ---- */

static struct setup_point nowhere; /* what is said when memory has run out */

struct setup_point *plan_point(struct setup_plan *plan, const char *name, bool reboot)
{
	struct setup_point *point;

	/* Room for all nouns was made before: points do not move. */
	if (plan->error)
		return &nowhere;
	point = &plan->points[plan->n++];
	*point = (struct setup_point){ .name = name, .reboot = reboot };
	return point;
}

static void __attribute__((format(printf, 3, 0))) say(struct setup_plan *plan, char **to, const char *fmt, va_list ap)
{
	char *text = NULL;

	if (plan->error)
		return;
	if (vasprintf(&text, fmt, ap) < 0) {
		plan->error = -ENOMEM;
		return;
	}
	free(*to);
	*to = text;
}

#define SAY(to)                       \
	do {                          \
		va_list ap;           \
		va_start(ap, fmt);    \
		say(plan, to, fmt, ap); \
		va_end(ap);           \
	} while (0)

void plan_have(struct setup_plan *plan, struct setup_point *point, const char *fmt, ...)
{
	SAY(&point->have);
}

void plan_want(struct setup_plan *plan, struct setup_point *point, const char *fmt, ...)
{
	SAY(&point->want);
}

void plan_why(struct setup_plan *plan, struct setup_point *point, const char *fmt, ...)
{
	SAY(&point->why);
}

/* The first is what is told. */
void plan_refuse(struct setup_plan *plan, struct setup_point *point, const char *fmt, ...)
{
	if (!point->refused)
		SAY(&point->refused);
}

void plan_hint(struct setup_plan *plan, enum setup_hint_kind kind, const char *place, const char *fmt, ...)
{
	struct setup_hint *more = reallocarray(plan->hints, plan->num_hints + 1, sizeof(*more)), *hint;

	if (!more) {
		plan->error = -ENOMEM;
		return;
	}
	plan->hints = more;
	hint = &more[plan->num_hints++];
	*hint = (struct setup_hint){ .kind = kind };
	conf_copy(hint->place, sizeof(hint->place), place);
	SAY(&hint->text);
}

/* ---- files ---- */

static struct setup_step *file_planned(struct setup_plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->steps.n; i++)
		if (plan->steps.list[i].kind == SETUP_FILE && !strcmp(plan->steps.list[i].path, path))
			return &plan->steps.list[i];
	return NULL;
}

char *plan_text(struct hostplan *h, struct setup_point *point, const char *path)
{
	const struct setup_step *planned = file_planned(h->plan, path);
	struct pvb_err err;
	char *text = NULL;
	size_t size;

	if (planned && !strcmp(planned->name, SETUP_GONE))
		return NULL;
	if (planned)
		text = strdup(planned->after);
	else if (setup_text_read(h->ctx, path, &text, &size, &err) < 0)
		plan_refuse(h->plan, point, "%s", err.text);
	if (planned && !text)
		h->plan->error = -ENOMEM;
	return text;
}

static int text_set(const char **to, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free((char *)(uintptr_t)*to);
	*to = copy;
	return 0;
}

static void file_again(struct setup_plan *plan, struct setup_point *point, struct setup_step *step, const char *after)
{
	point->acts |= strcmp(step->after, after ? after : "") != 0;
	if (text_set(&step->after, after ? after : "") < 0 || (!after && text_set(&step->name, SETUP_GONE) < 0))
		plan->error = -ENOMEM;
}

/* The folder of a new file. */
static int folder_add(struct hostplan *h, const char *path, struct pvb_err *err)
{
	_conf_free_ char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
	struct setup_step step = { .kind = SETUP_DIR, .path = folder, .why = "for the file" };

	if (!folder)
		return -ENOMEM;
	return pvb_sysfs_exists(h->ctx, folder) ? 0 : setup_step_add(&h->plan->steps, &step, err);
}

void plan_file(struct hostplan *h, struct setup_point *point, const char *path, const char *after, const char *why)
{
	struct setup_step step = { .kind = SETUP_FILE, .path = path, .why = why, .after = after ? after : "" };
	struct setup_step *planned = file_planned(h->plan, path);
	_conf_free_ char *before = NULL;
	struct pvb_err err;
	size_t size = 0;

	if (h->plan->error)
		return;
	if (planned) {
		file_again(h->plan, point, planned, after);
		return;
	}
	if (setup_file_check(h->ctx, path, &err) < 0 || setup_text_read(h->ctx, path, &before, &size, &err) < 0) {
		plan_refuse(h->plan, point, "%s", err.text);
		return;
	}
	if ((!before && !after) || (before && after && !strcmp(before, after)))
		return;
	step.before = before;
	point->acts = true;
	step.name = !before ? SETUP_NEW : !after ? SETUP_GONE : "";
	h->plan->error = before ? 0 : folder_add(h, path, &err);
	if (!h->plan->error)
		h->plan->error = setup_step_add(&h->plan->steps, &step, &err);
}

/* ---- commands ---- */

void plan_command(struct setup_plan *plan, struct setup_point *point, unsigned commands)
{
	point->acts = true;
	plan->commands |= commands;
}

static void command_add(struct hostplan *h, struct setup_point *point, const char *program, const char *words, const char *why)
{
	struct setup_step step = { .kind = SETUP_COMMAND, .path = program, .name = words, .why = why };
	struct pvb_err err;

	point->acts = true;
	step.runs = h->wish->programs || !strcmp(pvb_ctx_root(h->ctx), "/");
	if (step.runs && !pvb_sysfs_exists(h->ctx, program))
		plan_refuse(h->plan, point, "there is no /%s here, without which the change would not reach the next boot: install what has it (dpkg -S, apt-file)",
			    program);
	if (!h->plan->error)
		h->plan->error = setup_step_add(&h->plan->steps, &step, &err);
}

/* Its refresh skips partitions that are not there, and is content without any (people make an empty list to silence a message
 * of it): what changes would never be booted. systemd-boot reads nothing else, so that is refused. GRUB may be an ordinary one,
 * which reads what update-grub writes; and of several partitions the one that is booted may be there, as where a disk of a mirror
 * was replaced: who administers the host knows, and is told before and not only in the output of a command that succeeds. */
static void esps_judge(struct hostplan *h, struct setup_point *point)
{
	const struct bootloader *loader = &h->loader;
	bool none = !loader->esps || loader->esps_missing == (int)loader->esps;

	if (loader->esps && loader->esps_missing <= 0)
		return;
	if (none && loader->kind != BOOTLOADER_GRUB)
		plan_refuse(h->plan, point, "none of the EFI partitions that proxmox-boot-tool is to keep is there (%u in " BOOTLOADER_ESPS "), so that nothing would reach the next boot: find the one that is booted (lsblk -o NAME,PARTTYPENAME,UUID), proxmox-boot-tool init it, then try again",
			    loader->esps);
	else if (none)
		plan_hint(h->plan, SETUP_HINT_WARNING, BOOTLOADER_ESPS,
			  "no EFI partition that is there (%u in the list), so that proxmox-boot-tool refresh does nothing: right only if GRUB was not installed by it, and reads /boot/grub/grub.cfg; 'proxmox-boot-tool status' and 'efibootmgr -v' tell",
			  loader->esps);
	else
		plan_hint(h->plan, SETUP_HINT_WARNING, BOOTLOADER_ESPS,
			  "%d of %u EFI partitions are not there and do not get the change: if a disk was replaced, 'proxmox-boot-tool init' its new partition and 'proxmox-boot-tool clean' the list",
			  loader->esps_missing, loader->esps);
}

/* With proxmox-boot-tool, kernels, initramfs and boot entries are copies on the EFI partitions: its refresh comes last. It makes
 * GRUB's entries there anew from /etc/default/grub, too, but not /boot/grub/grub.cfg, which an ordinary GRUB reads. */
void plan_commands_add(struct hostplan *h)
{
	struct setup_point *point;

	if (!h->plan->commands)
		return;
	point = plan_point(h->plan, "commands", false);
	if (h->plan->commands & PLAN_INITRAMFS)
		command_add(h, point, "usr/sbin/update-initramfs", "-u -k all", "every kernel's initramfs has a copy of the modules' configuration");
	if ((h->plan->commands & PLAN_BOOT) && h->loader.kind == BOOTLOADER_GRUB)
		command_add(h, point, "usr/sbin/update-grub", "", "boot entries are made of /etc/default/grub");
	if (h->loader.proxmox) {
		command_add(h, point, "usr/sbin/proxmox-boot-tool", "refresh", "kernels, initramfs and boot entries are read from the EFI partitions");
		esps_judge(h, point);
	}
	plan_want(h->plan, point, "the commands that make it count");
}

int plan_check(const struct setup_plan *plan, struct pvb_err *err)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->points[i].want && !plan->points[i].refused && !plan->points[i].acts)
			return pvb_err_set(err, -EINVAL, "cannot make a plan: of %s is wanted: %s; but no step would do it, which is a mistake of pvebind's: do it by hand",
					   plan->points[i].name, plan->points[i].want);
	return 0;
}
