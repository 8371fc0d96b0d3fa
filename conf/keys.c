/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of pvebind.ini: two tables (of [device]; of [defaults] and [vm]) and a parser for each kind of value. */
#include <stdio.h>
#include <string.h>

#include "conf.h"

#define BLANKS " \t,"
#define TIMEOUT_MIN_MS 100ul
#define TIMEOUT_MAX_MS (60 * 60 * 1000ul)

/* Where a value stands: for its parser's sentences. */
struct spot {
	const struct conf_at *at;
	const char *key;
	struct pvb_err *err;
};

/* The message says what would be right; the caller of all has said where. */
#define spot_error(spot, fmt, ...) conf_at_error((spot)->at, (spot)->err, "%s: " fmt, (spot)->key, __VA_ARGS__)

/* A key whose feature is not there is refused rather than ignored: who writes "busy = stop"
 * counts on it. */
static int value_later(const struct spot *spot, const char *value)
{
	return spot_error(spot,
			  "'%s' is not yet supported by pvebind " PVB_VERSION
			  ": remove the line until a version is installed that knows it",
			  value);
}

/* One of two words; true is the second. */
static int choice_parse(const struct spot *spot, bool *field, const char *value, const char *no, const char *yes)
{
	if (strcmp(value, no) && strcmp(value, yes))
		return spot_error(spot, "'%s' is neither %s nor %s: choose one", value, no, yes);
	*field = !strcmp(value, yes);
	return 0;
}

static int stay_parse(const struct spot *spot, void *field, char *value)
{
	return choice_parse(spot, field, value, "return", "keep");
}

static int console_parse(const struct spot *spot, void *field, char *value)
{
	return choice_parse(spot, field, value, "auto", "keep");
}

static int busy_parse(const struct spot *spot, void *field, char *value)
{
	bool stop;
	int r = choice_parse(spot, &stop, value, "refuse", "stop");

	(void)field;
	return r < 0 || !stop ? r : value_later(spot, value);
}

static int guard_parse(const struct spot *spot, void *field, char *value)
{
	bool guard;
	int r = choice_parse(spot, &guard, value, "no", "yes");

	(void)field;
	return r < 0 || !guard ? r : value_later(spot, value);
}

static int unload_parse(const struct spot *spot, void *field, char *value)
{
	(void)field;
	return !strcmp(value, "auto") || !strcmp(value, "none") ? 0 : value_later(spot, value);
}

static int later_parse(const struct spot *spot, void *field, char *value)
{
	(void)field;
	return value_later(spot, value);
}

static int name_check(const struct spot *spot, const char *name)
{
	struct pvb_addr addr;
	struct pvb_err why;

	if (strchr(name, ':'))
		return pvb_addr_parse(name, &addr, &why) < 0 ? spot_error(spot, "%s", why.text) : 0;
	if (!conf_name_valid(name, PVB_NAME_MAX))
		return spot_error(spot,
				  "'%s' is neither hostpci nor an address nor the name of a [device] section: correct it",
				  name);
	return 0;
}

static int names_add(const struct spot *spot, struct conf_names *names, const char *name)
{
	for (unsigned i = 0; i < names->n; i++)
		if (!strcmp(names->list[i], name))
			return spot_error(spot, "'%s' is there twice: keep one", name);
	if (names->n == CONF_LIST_MAX)
		return spot_error(spot, "more than %d entries: shorten the list", CONF_LIST_MAX);
	if (names->n == 0)
		names->line = spot->at->line;
	return conf_copy(names->list[names->n++], PVB_NAME_MAX, name) ? 0 : -EINVAL;
}

/* Every word of a list; one that has none, as ",", is a slip that would silently mean something else. */
static int words_parse(const struct spot *spot, void *field, char *value,
		       int (*add)(const struct spot *spot, void *field, char *word))
{
	char *save = NULL, *word = strtok_r(value, BLANKS, &save);

	if (!word)
		return spot_error(spot, "%s", "the list is empty: write a value, or leave the key out");
	for (; word; word = strtok_r(NULL, BLANKS, &save)) {
		int r = add(spot, field, word);

		if (r < 0)
			return r;
	}
	return 0;
}

static int device_add(const struct spot *spot, void *field, char *word)
{
	int r = name_check(spot, word);

	return r < 0 ? r : names_add(spot, field, word);
}

static int devices_parse(const struct spot *spot, void *field, char *value)
{
	return words_parse(spot, field, value, device_add);
}

static bool word_in(const char *words, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += size)
		if ((at == words || at[-1] == ' ') && (!at[size] || at[size] == ' '))
			return true;
	return false;
}

/* Up to PVB_NAME_MAX: every method once is 31 characters. */
static int reset_add(const struct spot *spot, void *field, char *word)
{
	char *methods = field;
	bool alone = word_in("auto none", word);

	if (!alone && !word_in("flr bus pm device_specific slot", word))
		return spot_error(spot,
				  "'%s' is no reset method: write auto, none, or a list out of flr bus pm device_specific slot",
				  word);
	if (word_in(methods, word))
		return spot_error(spot, "'%s' is there twice: keep one", word);
	if (*methods && (alone || word_in("auto none", methods)))
		return spot_error(spot, "'%s' does not go with '%s': auto and none stand alone", word, methods);
	if (*methods)
		strcat(methods, " ");
	strcat(methods, word);
	return 0;
}

static int reset_parse(const struct spot *spot, void *field, char *value)
{
	return words_parse(spot, field, value, reset_add);
}

static int driver_parse(const struct spot *spot, void *field, char *value)
{
	if (!strcmp(value, "vfio-pci"))
		return spot_error(spot, "'%s' is no driver for the host: to leave the device there, write on-stop = keep",
				  value);
	if (!conf_name_valid(value, PVB_NAME_MAX))
		return spot_error(spot, "'%s' is no driver: write auto, none, or a name from /sys/bus/pci/drivers", value);
	return conf_copy(field, PVB_NAME_MAX, value) ? 0 : -EINVAL;
}

/* Milliseconds in the unit after the number; 0 for none of ours. */
static unsigned long unit_ms(const char *unit)
{
	if (!strcmp(unit, "ms"))
		return 1;
	if (!strcmp(unit, "s"))
		return 1000;
	return !strcmp(unit, "m") ? 60 * 1000 : 0;
}

static int time_parse(const struct spot *spot, void *field, char *value)
{
	size_t digits = strspn(value, "0123456789");
	unsigned long unit = unit_ms(value + digits), number;
	char text[16] = "";

	if (digits < sizeof(text))
		memcpy(text, value, digits);
	if (!unit || !conf_number_parse(text, TIMEOUT_MAX_MS, &number))
		return spot_error(spot, "'%s' is no time: write a whole number and ms, s or m, like 30s", value);
	if (number * unit < TIMEOUT_MIN_MS || number * unit > TIMEOUT_MAX_MS)
		return spot_error(spot, "'%s' is out of range: write a time from 100ms to 60m", value);
	*(unsigned *)field = (unsigned)(number * unit);
	return 0;
}

static int allow_add(const struct spot *spot, void *field, char *word)
{
	struct conf_allows *allows = field;
	char *colon = strchr(word, ':');
	struct pvb_allow *allow = &allows->list[allows->n];
	struct pvb_err why;

	if (allows->n == CONF_LIST_MAX)
		return spot_error(spot, "more than %d entries: shorten the list", CONF_LIST_MAX);
	if (!colon)
		return spot_error(spot, "'%s' names no device: write REFUSAL:ADDRESS, like host-network:0000:03:00.0",
				  word);
	*colon = '\0';
	if (!pvb_refusal_known(word) || !conf_copy(allow->name, sizeof(allow->name), word))
		return spot_error(spot, "'%s' is the name of no refusal: take it from the line that refused", word);
	if (pvb_addr_parse(colon + 1, &allow->addr, &why) < 0)
		return spot_error(spot, "%s", why.text);
	allows->n++;
	return 0;
}

static int allow_parse(const struct spot *spot, void *field, char *value)
{
	return words_parse(spot, field, value, allow_add);
}

/* The three forms cannot be mixed up: an id has 4 digits before and after its first colon, an
 * address never. */
static int match_parse(const struct spot *spot, void *field, char *value)
{
	static const char prefix[] = "mapping:";
	struct conf_match *match = field;
	struct pvb_err why;

	match->line = spot->at->line;
	if (!strncmp(value, prefix, sizeof(prefix) - 1)) {
		match->kind = CONF_MATCH_MAPPING;
		value += sizeof(prefix) - 1;
		if (!conf_name_valid(value, PVB_NAME_MAX))
			return spot_error(spot, "'%s' is no mapping's name: see Datacenter, Resource Mappings", value);
		return conf_copy(match->mapping, PVB_NAME_MAX, value) ? 0 : -EINVAL;
	}
	match->kind = conf_id_parse(value, &match->id) ? CONF_MATCH_ID : CONF_MATCH_ADDR;
	if (match->kind == CONF_MATCH_ADDR && pvb_addr_parse(value, &match->addr, &why) < 0)
		return spot_error(spot, "'%s' matches nothing: write an address (01:00), an id (10de:24b0) or mapping:NAME",
				  value);
	return 0;
}

static int expect_parse(const struct spot *spot, void *field, char *value)
{
	struct conf_expect *expect = field;

	expect->given = true;
	if (!conf_id_parse(value, &expect->id))
		return spot_error(spot, "'%s' is no id: write VENDOR:DEVICE, like 10de:24b0 (lspci -nn shows it)", value);
	return 0;
}

/* ---- the tables ---------------------------------------------------------- */

#define KEY_LIST 1u /* may be repeated to go on */
#define KEY_VM_ONLY \
	2u /* not in [defaults]: who may change a VM's mapping must not gain power over
                          the host through defaults (marked * in the design) */

struct key {
	const char *name;
	unsigned flags;
	size_t offset, size; /* of its field in struct conf_options or struct conf_device */
	int (*parse)(const struct spot *spot, void *field, char *value);
};

#define FIELD(type, member) offsetof(struct type, member), sizeof(((struct type *)NULL)->member)

static const struct key option_keys[] = {
	{ "devices", KEY_LIST, FIELD(conf_options, devices), devices_parse },
	{ "reset", KEY_LIST, FIELD(conf_options, settings.reset), reset_parse },
	{ "host-driver", 0, FIELD(conf_options, settings.host_driver), driver_parse },
	{ "on-stop", 0, FIELD(conf_options, settings.keep_on_stop), stay_parse },
	{ "on-reboot", 0, FIELD(conf_options, settings.keep_on_reboot), stay_parse },
	{ "busy", KEY_VM_ONLY, 0, 0, busy_parse },
	{ "stop-units", KEY_LIST | KEY_VM_ONLY, 0, 0, later_parse },
	{ "stop-containers", KEY_LIST | KEY_VM_ONLY, 0, 0, later_parse },
	{ "unload", 0, 0, 0, unload_parse },
	{ "console", 0, FIELD(conf_options, settings.keep_console), console_parse },
	{ "device-timeout", 0, FIELD(conf_options, settings.device_timeout_ms), time_parse },
	{ "hook-timeout", 0, FIELD(conf_options, settings.hook_timeout_ms), time_parse },
	{ "guard", 0, 0, 0, guard_parse },
	{ "next-hookscript", KEY_VM_ONLY, 0, 0, later_parse },
	{ "allow", KEY_LIST | KEY_VM_ONLY, FIELD(conf_options, allow), allow_parse },
	{ .name = NULL },
};

static const struct key device_keys[] = {
	{ "match", 0, FIELD(conf_device, match), match_parse },
	{ "expect", 0, FIELD(conf_device, expect), expect_parse },
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
	const struct spot spot = { .at = at, .key = name, .err = err };
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
