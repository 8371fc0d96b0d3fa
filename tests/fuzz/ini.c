/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind.ini: what is accepted is complete, within its bounds, and the same each time it is read. */
#include "../../conf/conf.h"
#include "fuzz.h"

#define FILE_NAME "/etc/pve/pvebind.ini"

static void options_check(const struct conf_settings *settings)
{
	const struct conf_options *o = &settings->options;
	const struct pvb_settings *s = &o->settings;
	struct pvb_addr addr;
	struct pvb_err err;

	promise(s->device_timeout_ms >= 100 && s->device_timeout_ms <= 3600000, "device-timeout is from 100ms to 60m");
	promise(s->hook_timeout_ms >= 100 && s->hook_timeout_ms <= 3600000, "hook-timeout is from 100ms to 60m");
	promise(*s->reset && *s->host_driver, "reset and host-driver say something");
	promise(o->devices.n > 0 && o->devices.n <= CONF_LIST_MAX, "there are devices");
	for (unsigned i = 0; i < o->devices.n; i++)
		promise(!strcmp(o->devices.list[i], "hostpci") || conf_settings_device(settings, o->devices.list[i]) ||
				pvb_addr_parse(o->devices.list[i], &addr, &err) == 0,
			"each device is hostpci, a section or an address");
	promise(o->allow.n <= CONF_LIST_MAX, "allow is bounded");
	for (unsigned i = 0; i < o->allow.n; i++)
		promise(pvb_refusal_liftable(o->allow.list[i].name), "allow names refusals that can be lifted");
}

static void devices_check(const struct conf_settings *settings)
{
	for (size_t i = 0; i < settings->num_devices; i++) {
		const struct conf_device *d = &settings->devices[i];

		promise(conf_name_valid(d->name, sizeof(d->name)), "a device has a name");
		promise(conf_settings_device(settings, d->name) == d, "… that nothing else has");
		promise((d->match.kind == CONF_MATCH_MAPPING) == (*d->match.mapping != '\0'), "a mapping has a name");
	}
}

static void options_compare(const struct conf_options *a, const struct conf_options *b)
{
	promise(a->devices.n == b->devices.n && a->allow.n == b->allow.n, "the same lists");
	for (unsigned i = 0; i < a->devices.n; i++)
		promise(!strcmp(a->devices.list[i], b->devices.list[i]), "the same devices");
	for (unsigned i = 0; i < a->allow.n; i++)
		promise(!strcmp(a->allow.list[i].name, b->allow.list[i].name) &&
				!pvb_addr_compare(&a->allow.list[i].addr, &b->allow.list[i].addr),
			"the same allow");
	promise(!strcmp(a->settings.reset, b->settings.reset), "the same reset");
	promise(!strcmp(a->settings.host_driver, b->settings.host_driver), "the same host-driver");
	promise(a->settings.keep_on_stop == b->settings.keep_on_stop &&
			a->settings.keep_on_reboot == b->settings.keep_on_reboot &&
			a->settings.keep_console == b->settings.keep_console &&
			a->settings.device_timeout_ms == b->settings.device_timeout_ms &&
			a->settings.hook_timeout_ms == b->settings.hook_timeout_ms,
		"the same settings");
}

static int parse(struct conf_settings *settings, const uint8_t *data, size_t size, unsigned vmid)
{
	char *text = text_new(data, size);
	struct pvb_err err;
	int r = conf_settings_parse(settings, FILE_NAME, text, size, vmid, "pve1", &err);

	promise_sentence(r, &err);
	promise(r != -EINVAL || !strncmp(err.text, FILE_NAME ":", sizeof(FILE_NAME)), "a fault has its place");
	promise(settings->notes.n <= CONF_NOTES_MAX, "notes are bounded");
	free(text);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_settings one, two, all;
	int r = parse(&one, data, size, 100);

	promise(parse(&two, data, size, 100) == r, "the same outcome each time");
	if (r == 0) {
		options_check(&one);
		devices_check(&one);
		promise(one.num_devices == two.num_devices && one.notes.n == two.notes.n, "as many each time");
		options_compare(&one.options, &two.options);
	}
	if (parse(&all, data, size, 0) == 0)
		options_check(&all);
	conf_settings_clear(&one);
	conf_settings_clear(&two);
	conf_settings_clear(&all);
	return 0;
}
