/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of pvebind.ini: two tables, of [device] and of [defaults] and [vm]. */
#include <stdio.h>
#include <string.h>

#include "conf.h"

#define KEY_LIST 1u /* may be repeated to go on */
#define KEY_VM_ONLY \
	2u /* not in [defaults]: who may change a VM's mapping must not gain power over
                          the host through defaults (marked * in the design) */

struct key {
	const char *name;
	unsigned flags;
	size_t offset, size; /* of its field in struct conf_options or struct conf_device */
	conf_value_fn *parse;
};

#define FIELD(type, member) offsetof(struct type, member), sizeof(((struct type *)NULL)->member)

static const struct key option_keys[] = {
	{ "devices", KEY_LIST, FIELD(conf_options, devices), conf_value_devices },
	{ "reset", KEY_LIST, FIELD(conf_options, settings.reset), conf_value_reset },
	{ "host-driver", 0, FIELD(conf_options, settings.host_driver), conf_value_driver },
	{ "on-stop", 0, FIELD(conf_options, settings.keep_on_stop), conf_value_stay },
	{ "on-reboot", 0, FIELD(conf_options, settings.keep_on_reboot), conf_value_stay },
	{ "busy", KEY_VM_ONLY, FIELD(conf_options, settings.busy_stop), conf_value_busy },
	{ "stop-units", KEY_LIST | KEY_VM_ONLY, FIELD(conf_options, settings.stop_units), conf_value_units },
	{ "stop-containers", KEY_LIST | KEY_VM_ONLY, FIELD(conf_options, settings.stop_containers), conf_value_containers },
	{ "unload", KEY_LIST, FIELD(conf_options, settings.unload), conf_value_unload },
	{ "console", 0, FIELD(conf_options, settings.keep_console), conf_value_console },
	{ "device-timeout", 0, FIELD(conf_options, settings.device_timeout_ms), conf_value_time },
	{ "hook-timeout", 0, FIELD(conf_options, settings.hook_timeout_ms), conf_value_time },
	{ "guard", 0, FIELD(conf_options, settings.guard), conf_value_guard },
	{ "next-hookscript", KEY_VM_ONLY, FIELD(conf_options, settings.next), conf_value_script },
	{ "allow", KEY_LIST | KEY_VM_ONLY, FIELD(conf_options, allow), conf_value_allow },
	{ .name = NULL },
};

static const struct key device_keys[] = {
	{ "match", 0, FIELD(conf_device, match), conf_value_match },
	{ "expect", 0, FIELD(conf_device, expect), conf_value_expect },
	{ .name = NULL },
};

static const struct key *keys_of(enum conf_kind kind)
{
	return kind == CONF_DEVICE ? device_keys : option_keys;
}

static void *key_field(struct conf_section *section, const struct key *key)
{
	return (char *)&section->options + key->offset;
}

static int key_unknown(const struct conf_section *section, const struct conf_at *at, const char *name, struct pvb_err *err)
{
	char known[256] = "";

	for (const struct key *key = keys_of(section->kind); key->name; key++)
		if (section->kind != CONF_DEFAULTS || !(key->flags & KEY_VM_ONLY))
			snprintf(strchr(known, '\0'), sizeof(known) - strlen(known), " %s", key->name);
	return conf_at_error(at, err, "unknown key '%.60s' in %s: the keys are%s", name, section->title, known);
}

int conf_key_parse(struct conf_section *section, const struct conf_at *at, const char *name, char *value,
		   struct pvb_err *err)
{
	const struct conf_spot spot = { .at = at, .key = name, .err = err };
	const struct key *keys = keys_of(section->kind), *key = keys;
	uint32_t bit;

	while (key->name && strcmp(key->name, name))
		key++;
	if (!key->name)
		return key_unknown(section, at, name, err);
	if (section->kind == CONF_DEFAULTS && key->flags & KEY_VM_ONLY)
		return conf_at_error(at, err,
				     "%s counts only in a [vm] section, since it reaches beyond the VM's devices: move it there",
				     name);
	bit = 1u << (key - keys);
	if (section->set & bit && !(key->flags & KEY_LIST))
		return conf_at_error(at, err, "%s is there twice in %s: keep one", name, section->title);
	section->set |= bit;
	if (!*value)
		return conf_at_error(at, err, "%s has no value: give it one, or remove the line", name);
	return key->parse(&spot, key_field(section, key), value);
}

void conf_keys_overlay(struct conf_section *to, const struct conf_section *from)
{
	const struct key *keys = keys_of(from->kind);

	for (const struct key *key = keys; key->name; key++)
		if (from->set & 1u << (key - keys))
			memcpy(key_field(to, key), (const char *)&from->options + key->offset, key->size);
	to->set |= from->set;
}
