/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was done, so that it can be taken back: var/lib/pvebind/NAME.json. */
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "setup.h"

#define FORMAT 1
#define SUFFIX ".json"
#define RECORD_MAX (4 * 1024 * 1024)

static const char *record_path(const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "/" SETUP_DIR_STATE "/%s" SUFFIX, name);
	return path;
}

/* ---- writing ---- */

static void text_add(struct json_object *value, const char *key, const char *text)
{
	json_object_object_add(value, key, json_object_new_string(text));
}

static struct json_object *step_json(const struct setup_step *step)
{
	struct json_object *value = json_object_new_object();

	text_add(value, "kind", setup_kind_name(step->kind));
	text_add(value, "path", step->path);
	text_add(value, "name", step->name);
	text_add(value, "before", step->before);
	text_add(value, "after", step->after);
	text_add(value, "why", step->why);
	json_object_object_add(value, "vm", json_object_new_int64(step->vmid));
	json_object_object_add(value, "done", json_object_new_boolean(step->done));
	if (step->kind == SETUP_COMMAND) {
		text_add(value, "said", step->said);
		json_object_object_add(value, "runs", json_object_new_boolean(step->runs));
	}
	return value;
}

int setup_record_write(struct pvb_ctx *ctx, const struct setup_record *record, struct pvb_err *err)
{
	struct json_object *value = json_object_new_object(), *steps = json_object_new_array();
	char path[PATH_MAX];
	const char *text;
	int r;

	json_object_object_add(value, "format", json_object_new_int(FORMAT));
	text_add(value, "version", PVB_VERSION);
	text_add(value, "name", record->name);
	json_object_object_add(value, "whole", json_object_new_boolean(record->whole));
	json_object_object_add(value, "since", json_object_new_int64(record->since));
	for (size_t i = 0; i < record->steps.n; i++)
		json_object_array_add(steps, step_json(&record->steps.list[i]));
	json_object_object_add(value, "steps", steps);
	text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PRETTY);
	r = text ? setup_dirs_make(ctx, "/" SETUP_DIR_STATE, err) : pvb_err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = setup_private_write(ctx, record_path(record->name, path), text, strlen(text), err);
	json_object_put(value);
	return r;
}

int setup_record_remove(struct pvb_ctx *ctx, const char *name, struct pvb_err *err)
{
	char path[PATH_MAX];

	setup_part_remove(ctx, record_path(name, path));
	return setup_remove(ctx, record_path(name, path), err);
}

/* What died before it had recorded anything has left at most this. */
static void parts_remove(struct pvb_ctx *ctx)
{
	_conf_strv_ char **names = NULL;
	struct pvb_err ignored;
	char path[PATH_MAX];

	if (pvb_sysfs_list(ctx, SETUP_DIR_STATE, &names) < 0)
		return;
	for (char **name = names; *name; name++) {
		snprintf(path, sizeof(path), "/" SETUP_DIR_STATE "/%s", *name);
		if (**name == '.' && setup_remove(ctx, path, &ignored) < 0)
			return;
	}
}

/* ---- reading ---- */

static const char *text_get(struct json_object *value, const char *key)
{
	return json_object_get_string(json_object_object_get(value, key));
}

static int step_parse(struct setup_record *record, struct json_object *value, struct pvb_err *err)
{
	struct setup_step step = {
		.path = text_get(value, "path"), .name = text_get(value, "name"), .before = text_get(value, "before"),
		.after = text_get(value, "after"), .why = text_get(value, "why"),
		.vmid = (unsigned)json_object_get_int64(json_object_object_get(value, "vm")),
		.done = json_object_get_boolean(json_object_object_get(value, "done")),
		.said = text_get(value, "said"), .runs = json_object_get_boolean(json_object_object_get(value, "runs")),
	};
	const char *kind = text_get(value, "kind");

	if (!kind || setup_kind_parse(kind, &step.kind) < 0)
		return pvb_err_set(err, -EBADMSG, "/" SETUP_DIR_STATE "/%s" SUFFIX " has a step that this pvebind does not know",
				   record->name);
	return setup_step_add(&record->steps, &step, err);
}

static int record_parse(struct setup_record *record, const char *text, struct pvb_err *err)
{
	struct json_object *value = json_tokener_parse(text);
	struct json_object *steps = value ? json_object_object_get(value, "steps") : NULL;
	int r = 0;

	if (!json_object_is_type(value, json_type_object) || !json_object_is_type(steps, json_type_array) ||
	    json_object_get_int(json_object_object_get(value, "format")) != FORMAT) {
		json_object_put(value);
		return pvb_err_set(err, -EBADMSG,
				   "/" SETUP_DIR_STATE "/%s" SUFFIX " is damaged, or of another version: move it away, and look by hand at what it names",
				   record->name);
	}
	record->whole = json_object_get_boolean(json_object_object_get(value, "whole"));
	record->since = json_object_get_int64(json_object_object_get(value, "since"));
	for (size_t i = 0; r == 0 && i < json_object_array_length(steps); i++)
		r = step_parse(record, json_object_array_get_idx(steps, i), err);
	json_object_put(value);
	return r;
}

int setup_record_read(struct pvb_ctx *ctx, const char *name, struct setup_record *record, struct pvb_err *err)
{
	_conf_free_ char *text = NULL;
	char path[PATH_MAX];
	int r;

	*record = (struct setup_record){ .whole = false };
	conf_copy(record->name, sizeof(record->name), name);
	r = pvb_read_file(ctx, record_path(name, path), RECORD_MAX, &text, NULL);
	if (r < 0)
		return pvb_err_set(err, r, "cannot read %s: %s", path, strerror(-r));
	return record_parse(record, text, err);
}

void setup_record_clear(struct setup_record *record)
{
	setup_steps_clear(&record->steps);
}

int setup_record_names(struct pvb_ctx *ctx, const char *prefix, char ***names, struct pvb_err *err)
{
	size_t kept = 0;
	int r = pvb_sysfs_list(ctx, SETUP_DIR_STATE, names);

	if (r < 0)
		return pvb_err_set(err, r, "cannot list /" SETUP_DIR_STATE ": %s", strerror(-r));
	for (size_t i = 0; (*names)[i]; i++) {
		char *suffix = strrchr((*names)[i], '.');

		if (suffix && suffix != (*names)[i] && !strcmp(suffix, SUFFIX) && !strncmp((*names)[i], prefix, strlen(prefix))) {
			*suffix = '\0';
			(*names)[kept++] = (*names)[i];
		} else {
			free((*names)[i]);
		}
	}
	(*names)[kept] = NULL;
	return 0;
}

const char *setup_backup_path(const struct setup_record *record, const struct setup_step *step, char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "/" SETUP_DIR_STATE "/%s.", record->name);

	snprintf(path + n, PATH_MAX - (size_t)n, "%s.before", step->path + (*step->path == '/'));
	for (char *c = path + n; *c; c++)
		if (*c == '/')
			*c = '-';
	return path;
}

int setup_lock(struct pvb_ctx *ctx, struct pvb_err *err)
{
	int r = setup_dirs_make(ctx, "/" SETUP_DIR_STATE, err), fd;

	if (r < 0)
		return r;
	fd = pvb_open(ctx, SETUP_DIR_STATE, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return pvb_err_set(err, fd, "cannot open /" SETUP_DIR_STATE ": %s", strerror(-fd));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		parts_remove(ctx);
		return fd;
	}
	r = -errno;
	close(fd);
	return pvb_err_set(err, r, r == -EWOULDBLOCK ? "another pvebind is changing this host's setup: wait until it has ended"
						     : "cannot lock /" SETUP_DIR_STATE);
}
