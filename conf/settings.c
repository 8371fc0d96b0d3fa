/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What pvebind.ini comes to for one VM on one node: the file found, trusted, parsed, its sections laid over each other. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "conf.h"

/* ---- from sections to settings --------------------------------------------- */

static struct conf_device *device_get(struct conf_settings *settings, const struct conf_section *section)
{
	struct conf_device *more;

	for (size_t i = 0; i < settings->num_devices; i++)
		if (!strcmp(settings->devices[i].name, section->name))
			return &settings->devices[i];
	more = realloc(settings->devices, (settings->num_devices + 1) * sizeof(*more));
	if (!more)
		return NULL;
	settings->devices = more;
	more += settings->num_devices++;
	*more = (struct conf_device){ .line = section->line };
	memcpy(more->name, section->name, sizeof(more->name));
	return more;
}

static int device_apply(struct conf_settings *settings, const struct conf_section *section)
{
	struct conf_section target = { .kind = CONF_DEVICE };
	struct conf_device *device = device_get(settings, section);

	if (!device)
		return -ENOMEM;
	target.device = *device;
	conf_keys_overlay(&target, section);
	*device = target.device;
	return 0;
}

/* Lay the section's keys over what is there: call for the weaker ones first. */
static int section_apply(struct conf_settings *settings, const struct conf_section *section)
{
	struct conf_section target = { .kind = section->kind };

	if (section->kind == CONF_DEVICE)
		return device_apply(settings, section);
	target.options = settings->options;
	conf_keys_overlay(&target, section);
	settings->options = target.options;
	return 0;
}

static int sections_apply(struct conf_settings *settings, const struct conf_sections *sections, unsigned vmid,
			  enum conf_kind kind, bool for_node)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sections->n; i++) {
		const struct conf_section *section = sections->list[i];
		bool ours = !section->foreign && (kind != CONF_VM || section->vmid == vmid);

		if (ours && section->kind == kind && section->for_node == for_node)
			r = section_apply(settings, section);
	}
	return r;
}

static int settings_apply(struct conf_settings *settings, const struct conf_sections *sections, unsigned vmid)
{
	static const struct {
		enum conf_kind kind;
		bool for_node;
	} order[] = {
		{ CONF_DEFAULTS, false }, { CONF_VM, false },    { CONF_VM, true },
		{ CONF_DEVICE, false },   { CONF_DEVICE, true },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(order) / sizeof(order[0]); i++)
		r = sections_apply(settings, sections, vmid, order[i].kind, order[i].for_node);
	return r;
}

/* Every name that "devices" gives must be one. */
static int names_check(const struct conf_settings *settings, const char *node, struct pvb_err *err)
{
	const struct conf_names *names = &settings->options.devices;
	struct conf_at at = { .file = settings->file, .line = names->line };

	for (unsigned i = 0; i < names->n; i++) {
		const char *name = names->list[i];

		if (strcmp(name, "hostpci") && !strchr(name, ':') && !conf_settings_device(settings, name))
			return conf_at_error(&at, err,
					     "devices: there is no section [device %s] for node %s: add it, or correct the name",
					     name, node);
	}
	return 0;
}

/* What is accepted, but surely not what was meant. */
static int stops_check(struct conf_settings *settings, unsigned vmid)
{
	const struct pvb_settings *s = &settings->options.settings;
	bool named = *s->stop_units || *s->stop_containers;

	if (named && !s->busy_stop)
		return conf_note_add(&settings->notes, PVB_WARNING,
				     "%s: VM %u: stop-units and stop-containers have no effect without busy = stop: add it, or remove them",
				     settings->file, vmid);
	if (s->busy_stop && !named)
		return conf_note_add(&settings->notes, PVB_WARNING,
				     "%s: VM %u: busy = stop, but neither stop-units nor stop-containers says what to stop: name it, or remove busy",
				     settings->file, vmid);
	return 0;
}

static void settings_default(struct conf_settings *settings, const char *node)
{
	struct conf_names *devices = &settings->options.devices;

	*settings = (struct conf_settings){ .num_devices = 0 };
	conf_copy(settings->node, sizeof(settings->node), node);
	pvb_settings_default(&settings->options.settings);
	conf_copy(devices->list[devices->n++], PVB_NAME_MAX, "hostpci");
}

int conf_settings_parse(struct conf_settings *settings, const char *file, char *text, size_t size, unsigned vmid,
			const char *node, struct pvb_err *err)
{
	struct conf_sections sections;
	int r = conf_ini_parse(&sections, file, text, size, vmid, node, err);

	settings_default(settings, node);
	conf_copy(settings->file, sizeof(settings->file), file);
	settings->notes = sections.notes;
	sections.notes = (struct conf_notes){ .n = 0 };
	if (r == 0 && (settings_apply(settings, &sections, vmid) < 0 || stops_check(settings, vmid) < 0))
		r = pvb_err_set(err, -ENOMEM, "out of memory");
	conf_sections_clear(&sections);
	return r < 0 ? r : names_check(settings, node, err);
}

const struct conf_device *conf_settings_device(const struct conf_settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->num_devices; i++)
		if (!strcmp(settings->devices[i].name, name))
			return &settings->devices[i];
	return NULL;
}

void conf_settings_clear(struct conf_settings *settings)
{
	free(settings->devices);
	conf_notes_clear(&settings->notes);
	*settings = (struct conf_settings){ .num_devices = 0 };
}

/* ---- the file -------------------------------------------------------------------- */

/* Who may write the file decides over the host's devices. pmxcfs shows its files as root:www-data,
 * 0640: readable by the group, writable by root alone, which passes. Below a test root the files are
 * whose the tester is. */
static int file_trust(const struct pvb_ctx *ctx, const char *file, const struct stat *st, struct pvb_err *err)
{
	bool test = strcmp(pvb_ctx_root(ctx), "/") != 0;

	if (S_ISDIR(st->st_mode))
		return pvb_err_set(err, -EISDIR, "%s is a directory: a configuration file belongs there, or nothing", file);
	if (!S_ISREG(st->st_mode))
		return pvb_err_set(err, -EINVAL, "%s is no plain file: a configuration file belongs there, or nothing",
				   file);
	if (st->st_uid != 0 && !(test && st->st_uid == geteuid()))
		return pvb_err_set(err, -EPERM,
				   "%s belongs to user %u, who could take the host's devices with it: chown root %s",
				   file, st->st_uid, file);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return pvb_err_set(err, -EPERM,
				   "%s can be written by others than root (mode %04o), who could take the host's devices with it: chmod go-w %s",
				   file, st->st_mode & 07777u, file);
	if (st->st_size > CONF_INI_MAX)
		return pvb_err_set(err, -EFBIG, "%s is larger than 1 MiB: it is no configuration of pvebind", file);
	return 0;
}

#define GROWTH_MAX 4096 /* since it was looked at */

/* All of fd, room bytes at most. */
static ssize_t fd_read(int fd, char *text, size_t room)
{
	size_t have = 0;

	while (have < room) {
		ssize_t n = read(fd, text + have, room - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

/* Trust and contents of one descriptor, so that nobody swaps the file in between. */
static int file_read(const struct pvb_ctx *ctx, const char *file, char **text, size_t *size, struct pvb_err *err)
{
	_conf_close_ int fd = pvb_open(ctx, file, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t room;
	ssize_t n;
	int r;

	if (fd < 0)
		return pvb_err_set(err, fd, "cannot open %s: %s", file, strerror(-fd));
	if (fstat(fd, &st) < 0)
		return pvb_err_set(err, -errno, "cannot look at %s: %s", file, strerror(errno));
	r = file_trust(ctx, file, &st, err);
	if (r < 0)
		return r;
	room = (size_t)st.st_size + GROWTH_MAX;
	*text = malloc(room + 1);
	if (!*text)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	n = fd_read(fd, *text, room);
	if (n < 0)
		return pvb_err_set(err, (int)n, "cannot read %s: %s", file, strerror((int)-n));
	(*text)[n] = '\0';
	*size = (size_t)n;
	return 0;
}

static bool file_exists(const struct pvb_ctx *ctx, const char *file)
{
	_conf_close_ int fd = pvb_open(ctx, file, O_PATH);

	return fd != -ENOENT && fd != -ENOTDIR;
}

int conf_settings_load(struct pvb_ctx *ctx, const char *file, unsigned vmid, const char *node,
		       struct conf_settings *settings, struct pvb_err *err)
{
	bool cluster = file_exists(ctx, CONF_INI_CLUSTER), local = file_exists(ctx, CONF_INI_LOCAL);
	_conf_free_ char *text = NULL;
	size_t size = 0;
	int r;

	settings_default(settings, node);
	if (file && *file != '/')
		return pvb_err_set(err, -EINVAL, "--config %s: give an absolute path", file);
	if (!file && !cluster && !local)
		return 0;
	if (!file)
		file = cluster ? CONF_INI_CLUSTER : CONF_INI_LOCAL;
	r = file_read(ctx, file, &text, &size, err);
	if (r < 0)
		return r;
	r = conf_settings_parse(settings, file, text, size, vmid, node, err);
	settings->both = cluster && local;
	return r;
}
