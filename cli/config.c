/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind config: what pvebind.ini comes to. What is printed is itself a pvebind.ini that comes to the same. */
#include <string.h>

#include "cli.h"

#define LINE_LENGTH 100u /* of a list, before it goes on in the next line; conf reads 198 bytes */

struct vm {
	unsigned vmid;
	struct conf_options options; /* effective */
};

struct view {
	struct cli *cli;
	char node[PVB_NAME_MAX];
	struct conf_settings settings; /* of cli->vmid, or of no VM in particular */
	struct vm *vms;                /* malloced: cli->vmid, or all that have a section for this node */
	size_t num_vms;
};

/* ---- looking ---- */

/* Those that are there already are about other nodes, and come with every VM. */
static int notes_merge(struct conf_notes *to, const struct conf_notes *from)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->n; i++) {
		size_t j = 0;

		while (j < to->n && strcmp(to->list[j].text, from->list[i].text) != 0)
			j++;
		if (j == to->n)
			r = conf_note_add(to, from->list[i].level, "%s", from->list[i].text);
	}
	return r;
}

static int vm_add(struct view *view, unsigned vmid, struct pvb_err *err)
{
	const struct front *front = &view->cli->front;
	struct conf_settings settings;
	struct vm *more;
	int r;

	for (size_t i = 0; i < view->num_vms; i++)
		if (view->vms[i].vmid == vmid)
			return 0;
	more = realloc(view->vms, (view->num_vms + 1) * sizeof(*more));
	if (!more)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	view->vms = more;
	r = conf_settings_load(front->ctx, front->config, vmid, view->node, &settings, err);
	if (r == 0)
		view->vms[view->num_vms++] = (struct vm){ .vmid = vmid, .options = settings.options };
	if (r == 0 && notes_merge(&view->settings.notes, &settings.notes) < 0)
		r = pvb_err_set(err, -ENOMEM, "out of memory");
	conf_settings_clear(&settings);
	return r;
}

/* VMs that have a section which counts here, in the file's order. */
static int vms_find(struct view *view, struct pvb_err *err)
{
	struct conf_sections sections = { .n = 0 };
	const char *file = view->settings.file;
	_conf_free_ char *text = NULL;
	size_t size = 0;
	int r = pvb_read_file(view->cli->front.ctx, file, CONF_INI_MAX, &text, &size);

	if (r < 0)
		return pvb_err_set(err, r, "cannot read %s: %s", file, strerror(-r));
	r = conf_ini_parse(&sections, file, text, size, 0, view->node, err);
	for (size_t i = 0; r == 0 && i < sections.n; i++)
		if (sections.list[i]->kind == CONF_VM && !sections.list[i]->foreign)
			r = vm_add(view, sections.list[i]->vmid, err);
	conf_sections_clear(&sections);
	return r;
}

static int view_fill(struct view *view, struct pvb_err *err)
{
	const struct front *front = &view->cli->front;
	unsigned vmid = view->cli->vmid;
	int r;

	conf_node_name(front->ctx, view->node, sizeof(view->node));
	r = conf_settings_load(front->ctx, front->config, vmid, view->node, &view->settings, err);
	if (r == 0 && view->settings.both && !front->config)
		r = conf_note_add(&view->settings.notes, PVB_WARNING,
				  "both " CONF_INI_CLUSTER " and " CONF_INI_LOCAL " exist: only the first counts; remove one of them");
	if (r == 0 && vmid)
		r = vm_add(view, vmid, err);
	else if (r == 0 && *view->settings.file)
		r = vms_find(view, err);
	for (size_t i = 0; i < view->settings.notes.n; i++)
		pvb_log(front->ctx, view->settings.notes.list[i].level, "%s", view->settings.notes.list[i].text);
	return r;
}

static void view_clear(struct view *view)
{
	conf_settings_clear(&view->settings);
	free(view->vms);
}

/* ---- the INI's words ---- */

static const char *time_format(unsigned ms, char buf[16])
{
	if (ms % 60000 == 0)
		snprintf(buf, 16, "%um", ms / 60000);
	else if (ms % 1000 == 0)
		snprintf(buf, 16, "%us", ms / 1000);
	else
		snprintf(buf, 16, "%ums", ms);
	return buf;
}

static const char *match_format(const struct conf_match *match, char *buf, size_t size)
{
	char text[CONF_ID_MAX > PVB_ADDR_MAX ? CONF_ID_MAX : PVB_ADDR_MAX];

	*buf = '\0';
	if (match->kind == CONF_MATCH_ADDR)
		snprintf(buf, size, "%s", pvb_addr_format(&match->addr, text));
	else if (match->kind == CONF_MATCH_ID)
		snprintf(buf, size, "%s", conf_id_format(&match->id, text));
	else if (match->kind == CONF_MATCH_MAPPING)
		snprintf(buf, size, "mapping:%s", match->mapping);
	return buf;
}

static const char *busy_word(const struct pvb_settings *settings)
{
	return settings->busy_stop ? "stop" : "refuse";
}

static const char *keep_word(bool keep, const char *other)
{
	return keep ? "keep" : other;
}

/* ---- for people ---- */

/* The next entry of a list: in the same line, or with its key again. *used: the line's length. */
static void list_print(const char *key, const char *entry, size_t *used)
{
	if (*used && *used + strlen(entry) < LINE_LENGTH)
		*used += (size_t)printf(" %s", entry);
	else
		*used = (size_t)printf("%s%s = %s", *used ? "\n" : "", key, entry) - (*used != 0);
}

/* Blank-separated words. */
static void words_text(const char *key, const char *words)
{
	char copy[sizeof(((struct pvb_settings *)NULL)->stop_units)], *save = NULL;
	size_t used = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		list_print(key, word, &used);
	if (used)
		putchar('\n');
}

static void devices_text(const struct conf_names *names)
{
	size_t used = 0;

	for (unsigned i = 0; i < names->n; i++)
		list_print("devices", names->list[i], &used);
	if (used)
		putchar('\n');
}

static void allows_text(const struct conf_allows *allows)
{
	char addr[PVB_ADDR_MAX], entry[64];
	size_t used = 0;

	for (unsigned i = 0; i < allows->n; i++) {
		snprintf(entry, sizeof(entry), "%s:%s", allows->list[i].name, pvb_addr_format(&allows->list[i].addr, addr));
		list_print("allow", entry, &used);
	}
	if (used)
		putchar('\n');
}

/* Keys that [defaults] does not have. */
static void stops_text(const struct pvb_settings *settings)
{
	printf("busy = %s\n", busy_word(settings));
	words_text("stop-units", settings->stop_units);
	words_text("stop-containers", settings->stop_containers);
}

static void options_text(const struct conf_options *options, bool defaults)
{
	const struct pvb_settings *settings = &options->settings;
	char time[16];

	devices_text(&options->devices);
	printf("reset = %s\n", settings->reset);
	printf("host-driver = %s\n", settings->host_driver);
	printf("on-stop = %s\n", keep_word(settings->keep_on_stop, "return"));
	printf("on-reboot = %s\n", keep_word(settings->keep_on_reboot, "return"));
	if (!defaults)
		stops_text(settings);
	words_text("unload", settings->unload);
	printf("console = %s\n", keep_word(settings->keep_console, "auto"));
	printf("device-timeout = %s\n", time_format(settings->device_timeout_ms, time));
	printf("hook-timeout = %s\n", time_format(settings->hook_timeout_ms, time));
	printf("guard = %s\n", settings->guard ? "yes" : "no");
	if (*settings->next)
		printf("next-hookscript = %s\n", settings->next);
	allows_text(&options->allow);
}

static void device_text(const struct conf_device *device)
{
	char text[PVB_NAME_MAX + 16];

	printf("\n[device %s]\n", device->name);
	if (device->match.kind == CONF_MATCH_NONE)
		puts("; no match on this node");
	else
		printf("match = %s\n", match_format(&device->match, text, sizeof(text)));
	if (device->expect.given)
		printf("expect = %s\n", conf_id_format(&device->expect.id, text));
}

static void view_text(const struct view *view)
{
	const struct conf_settings *settings = &view->settings;

	if (*settings->file)
		printf("; %s, as it counts on node %s\n", settings->file, view->node);
	else
		puts("; built in: there is neither " CONF_INI_CLUSTER " nor " CONF_INI_LOCAL);
	if (!view->cli->vmid) {
		puts("\n[defaults]");
		options_text(&settings->options, true);
	}
	for (size_t i = 0; i < settings->num_devices; i++)
		device_text(&settings->devices[i]);
	for (size_t i = 0; i < view->num_vms; i++) {
		printf("\n[vm %u]\n", view->vms[i].vmid);
		options_text(&view->vms[i].options, false);
	}
}

/* ---- for programs ---- */

static struct json_object *words_json(const char *words)
{
	char copy[sizeof(((struct pvb_settings *)NULL)->stop_units)], *save = NULL;
	struct json_object *list = json_object_new_array();

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		json_object_array_add(list, cli_json_text(word));
	return list;
}

static void lists_json(struct json_object *value, const struct conf_options *options)
{
	struct json_object *devices = json_object_new_array(), *allows = json_object_new_array();

	for (unsigned i = 0; i < options->devices.n; i++)
		json_object_array_add(devices, cli_json_text(options->devices.list[i]));
	for (unsigned i = 0; i < options->allow.n; i++) {
		struct json_object *allow = json_object_new_object();

		json_object_object_add(allow, "name", cli_json_text(options->allow.list[i].name));
		json_object_object_add(allow, "device", cli_json_addr(&options->allow.list[i].addr));
		json_object_array_add(allows, allow);
	}
	json_object_object_add(value, "devices", devices);
	json_object_object_add(value, "allow", allows);
}

/* {"vmid" (but for defaults), "devices", "allow": [{"name", "device"}], "reset", "host_driver", "on_stop", "on_reboot",
 *  "busy", "stop_units": [], "stop_containers": [], "unload", "console", "device_timeout_ms", "hook_timeout_ms", "guard",
 *  "next_hookscript" (or null)} */
static struct json_object *options_json(unsigned vmid, const struct conf_options *options)
{
	struct json_object *value = json_object_new_object();
	const struct pvb_settings *s = &options->settings;

	if (vmid)
		json_object_object_add(value, "vmid", json_object_new_int64(vmid));
	lists_json(value, options);
	json_object_object_add(value, "reset", cli_json_text(s->reset));
	json_object_object_add(value, "host_driver", cli_json_text(s->host_driver));
	json_object_object_add(value, "on_stop", cli_json_text(keep_word(s->keep_on_stop, "return")));
	json_object_object_add(value, "on_reboot", cli_json_text(keep_word(s->keep_on_reboot, "return")));
	json_object_object_add(value, "busy", cli_json_text(busy_word(s)));
	json_object_object_add(value, "stop_units", words_json(s->stop_units));
	json_object_object_add(value, "stop_containers", words_json(s->stop_containers));
	json_object_object_add(value, "unload", cli_json_text(s->unload));
	json_object_object_add(value, "console", cli_json_text(keep_word(s->keep_console, "auto")));
	json_object_object_add(value, "device_timeout_ms", json_object_new_int64(s->device_timeout_ms));
	json_object_object_add(value, "hook_timeout_ms", json_object_new_int64(s->hook_timeout_ms));
	json_object_object_add(value, "guard", json_object_new_boolean(s->guard));
	json_object_object_add(value, "next_hookscript", cli_json_text_or_null(s->next));
	return value;
}

static struct json_object *device_json(const struct conf_device *device)
{
	struct json_object *value = json_object_new_object();
	char text[PVB_NAME_MAX + 16];

	json_object_object_add(value, "name", cli_json_text(device->name));
	json_object_object_add(value, "match", cli_json_text_or_null(match_format(&device->match, text, sizeof(text))));
	json_object_object_add(value, "expect",
			       device->expect.given ? cli_json_text(conf_id_format(&device->expect.id, text)) : NULL);
	return value;
}

/* {"file", "node", "defaults": options_json() (null with a VMID), "devices": [{"name", "match", "expect"}],
 *  "vms": [options_json()], "warnings"} */
static void view_json(const struct view *view)
{
	struct json_object *value = json_object_new_object(), *devices = json_object_new_array(), *vms = json_object_new_array();
	const struct conf_settings *settings = &view->settings;

	for (size_t i = 0; i < settings->num_devices; i++)
		json_object_array_add(devices, device_json(&settings->devices[i]));
	for (size_t i = 0; i < view->num_vms; i++)
		json_object_array_add(vms, options_json(view->vms[i].vmid, &view->vms[i].options));
	json_object_object_add(value, "file", cli_json_text_or_null(settings->file));
	json_object_object_add(value, "node", cli_json_text(view->node));
	json_object_object_add(value, "defaults", view->cli->vmid ? NULL : options_json(0, &settings->options));
	json_object_object_add(value, "devices", devices);
	json_object_object_add(value, "vms", vms);
	json_object_object_add(value, "warnings", cli_json_notes(&settings->notes));
	cli_json_print(value);
}

/* ---- both ---- */

static enum front_status config_run(struct cli *cli)
{
	struct view view = { .cli = cli };
	struct pvb_err err = { .code = 0 };
	enum front_status status = FRONT_DONE;

	if (view_fill(&view, &err) < 0)
		status = front_fail(&cli->front, &err, FRONT_CONFIG);
	else if (cli->json)
		view_json(&view);
	else
		view_text(&view);
	view_clear(&view);
	return status;
}

static const struct argp_option options[] = { CLI_OPTION_JSON, CLI_OPTIONS_END };

const struct cli_command cli_config = {
	.name = "config",
	.summary = "show what pvebind.ini comes to, for all VMs or one",
	.text = "Exit status 3 when there is a fault in it. The text is itself a pvebind.ini that comes to the same.",
	.operand = CLI_VMID_OPTIONAL,
	.options = options,
	.run = config_run,
};
