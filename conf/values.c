/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The values of pvebind.ini: a parser for each kind. */
#include <stdio.h>
#include <string.h>

#include "conf.h"

#define BLANKS " \t,"
#define UNIT_NAME_MAX 100 /* so that it fits into an operation, with a word before it */
#define TIMEOUT_MIN_MS 100ul
#define TIMEOUT_MAX_MS (60 * 60 * 1000ul)

/* The message says what would be right; the caller of all has said where. */
#define spot_error(spot, fmt, ...) conf_at_error((spot)->at, (spot)->err, "%s: " fmt, (spot)->key, __VA_ARGS__)

/* One of two words; true is the second. */
static int choice_parse(const struct conf_spot *spot, bool *field, const char *value, const char *no, const char *yes)
{
	if (strcmp(value, no) && strcmp(value, yes))
		return spot_error(spot, "'%s' is neither %s nor %s: choose one", value, no, yes);
	*field = !strcmp(value, yes);
	return 0;
}

int conf_value_stay(const struct conf_spot *spot, void *field, char *value)
{
	return choice_parse(spot, field, value, "return", "keep");
}

int conf_value_console(const struct conf_spot *spot, void *field, char *value)
{
	return choice_parse(spot, field, value, "auto", "keep");
}

int conf_value_busy(const struct conf_spot *spot, void *field, char *value)
{
	return choice_parse(spot, field, value, "refuse", "stop");
}

int conf_value_guard(const struct conf_spot *spot, void *field, char *value)
{
	return choice_parse(spot, field, value, "no", "yes");
}

static int name_check(const struct conf_spot *spot, const char *name)
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

static int names_add(const struct conf_spot *spot, struct conf_names *names, const char *name)
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
static int words_parse(const struct conf_spot *spot, void *field, char *value,
		       int (*add)(const struct conf_spot *spot, void *field, char *word))
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

static int device_add(const struct conf_spot *spot, void *field, char *word)
{
	int r = name_check(spot, word);

	return r < 0 ? r : names_add(spot, field, word);
}

int conf_value_devices(const struct conf_spot *spot, void *field, char *value)
{
	return words_parse(spot, field, value, device_add);
}

/* Up to PVB_NAME_MAX: every method once is 31 characters. */
static int reset_add(const struct conf_spot *spot, void *field, char *word)
{
	char *methods = field;
	bool alone = conf_has_word("auto none", word);

	if (!alone && !conf_has_word("flr bus pm device_specific slot", word))
		return spot_error(spot,
				  "'%s' is no reset method: write auto, none, or a list out of flr bus pm device_specific slot",
				  word);
	if (conf_has_word(methods, word))
		return spot_error(spot, "'%s' is there twice: keep one", word);
	if (*methods && (alone || conf_has_word("auto none", methods)))
		return spot_error(spot, "'%s' does not go with '%s': auto and none stand alone", word, methods);
	if (*methods)
		strcat(methods, " ");
	strcat(methods, word);
	return 0;
}

int conf_value_reset(const struct conf_spot *spot, void *field, char *value)
{
	return words_parse(spot, field, value, reset_add);
}

/* Append a word to a blank-separated text of size bytes; each once. */
static int text_add(const struct conf_spot *spot, char *text, size_t size, const char *word)
{
	size_t used = strlen(text);

	if (conf_has_word(text, word))
		return spot_error(spot, "'%s' is there twice: keep one", word);
	if (used + strlen(word) + 2 > size)
		return spot_error(spot, "more than %zu characters in all: shorten the list", size - 1);
	snprintf(text + used, size - used, "%s%s", used ? " " : "", word);
	return 0;
}

/* What a start of a VM itself needs: stopped in the midst of it, nothing would go on. */
static const char vital_units[] = "pve-cluster.service pvedaemon.service pve-guests.service pvescheduler.service "
				  "qmeventd.service dbus.service";

/* systemd.unit(5): what may stand in a unit's name. An instance ("a@b.service") is one, its template is not. */
static bool unit_valid(const char *word)
{
	const char *dot = strrchr(word, '.');

	if (!dot || dot == word || dot[-1] == '@' || *word == '-' || strlen(word) > UNIT_NAME_MAX)
		return false;
	if (!conf_has_word(".service .socket .target .timer .path .mount", dot))
		return false;
	return !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@")];
}

static int unit_add(const struct conf_spot *spot, void *field, char *word)
{
	if (!unit_valid(word))
		return spot_error(spot, "'%s' is no unit to stop: write its name in full, like nvidia-persistenced.service",
				  word);
	if (!strncmp(word, "pve-container@", 14))
		return spot_error(spot, "'%s' is a container: name it by its number in stop-containers", word);
	if (conf_has_word(vital_units, word))
		return spot_error(spot, "'%s' cannot be stopped: the VM's start itself depends on it", word);
	return text_add(spot, field, sizeof(((struct pvb_settings *)NULL)->stop_units), word);
}

int conf_value_units(const struct conf_spot *spot, void *field, char *value)
{
	return words_parse(spot, field, value, unit_add);
}

static int container_add(const struct conf_spot *spot, void *field, char *word)
{
	struct pvb_err why;
	unsigned vmid;

	if (conf_vmid_parse(word, &vmid, &why) < 0)
		return spot_error(spot, "'%s' is no container's number: write it as in 'pct list', like 105", word);
	return text_add(spot, field, sizeof(((struct pvb_settings *)NULL)->stop_containers), word);
}

int conf_value_containers(const struct conf_spot *spot, void *field, char *value)
{
	return words_parse(spot, field, value, container_add);
}

/* A module is called by the kernel as its file, but with '_' for '-'. */
static int module_add(const struct conf_spot *spot, void *field, char *word)
{
	char *modules = field;
	bool alone = conf_has_word("auto none", word);

	if (!conf_name_valid(word, PVB_NAME_MAX) || strchr(word, '.'))
		return spot_error(spot, "'%s' is no module: write auto, none, or names as lsmod shows them", word);
	if (strstr(word, "vfio"))
		return spot_error(spot, "'%s' must not be unloaded: VMs have their devices through it", word);
	if (*modules && (alone || conf_has_word("auto none", modules)))
		return spot_error(spot, "'%s' does not go with '%s': auto and none stand alone", word, modules);
	for (char *dash = word; (dash = strchr(dash, '-'));)
		*dash = '_';
	return text_add(spot, modules, sizeof(((struct pvb_settings *)NULL)->unload), word);
}

int conf_value_unload(const struct conf_spot *spot, void *field, char *value)
{
	return words_parse(spot, field, value, module_add);
}

/* PVE/Storage/Plugin.pm, parse_volname(): nothing below the folder of the snippets. */
static bool volume_valid(const char *value)
{
	static const char kind[] = "snippets/";
	char storage[PVB_NAME_MAX];
	size_t n = strcspn(value, ":");

	if (!value[n] || n >= sizeof(storage))
		return false;
	memcpy(storage, value, n);
	storage[n] = '\0';
	value += n + 1;
	if (!conf_name_valid(storage, sizeof(storage)) || strncmp(value, kind, sizeof(kind) - 1))
		return false;
	value += sizeof(kind) - 1;
	return *value && !strchr(value, '/') && strcmp(value, ".") && strcmp(value, "..");
}

/* A path that is what it looks like. */
static bool path_valid(const char *value)
{
	return *value == '/' && !strstr(value, "/../") && value[strlen(value) - 1] != '/';
}

/* "local:snippets/mine", as in a VM's hookscript line, or a path. */
int conf_value_script(const struct conf_spot *spot, void *field, char *value)
{
	if (!path_valid(value) && !volume_valid(value))
		return spot_error(spot,
				  "'%s' is neither a path nor a volume: write /path/to/script or STORAGE:snippets/NAME",
				  value);
	if (!conf_copy(field, sizeof(((struct pvb_settings *)NULL)->next), value))
		return spot_error(spot, "'%s' is too long: %zu bytes is the most", value,
				  sizeof(((struct pvb_settings *)NULL)->next) - 1);
	return 0;
}

int conf_value_driver(const struct conf_spot *spot, void *field, char *value)
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

int conf_value_time(const struct conf_spot *spot, void *field, char *value)
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

static int allow_add(const struct conf_spot *spot, void *field, char *word)
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
	if (!pvb_refusal_liftable(word))
		return spot_error(spot, "'%s' cannot be lifted: do what the line that refused says instead", word);
	if (pvb_addr_parse(colon + 1, &allow->addr, &why) < 0)
		return spot_error(spot, "%s", why.text);
	allows->n++;
	return 0;
}

int conf_value_allow(const struct conf_spot *spot, void *field, char *value)
{
	return words_parse(spot, field, value, allow_add);
}

/* The three forms cannot be mixed up: an id has 4 digits before and after its first colon, an
 * address never. */
int conf_value_match(const struct conf_spot *spot, void *field, char *value)
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

int conf_value_expect(const struct conf_spot *spot, void *field, char *value)
{
	struct conf_expect *expect = field;

	expect->given = true;
	if (!conf_id_parse(value, &expect->id))
		return spot_error(spot, "'%s' is no id: write VENDOR:DEVICE, like 10de:24b0 (lspci -nn shows it)", value);
	return 0;
}
