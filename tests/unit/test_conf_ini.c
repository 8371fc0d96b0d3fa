/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind.ini: what it means, and the sentence for each thing that is wrong with it. */
#include "conf/root.h"

#define INI "/etc/pve/pvebind.ini"

/* Parse for VM 100 on pve1. */
static int parse_bytes(struct conf_settings *settings, const char *data, size_t size, struct pvb_err *err)
{
	char *text = malloc(size + 1);
	int r;

	assert_non_null(text);
	memcpy(text, data, size);
	text[size] = '\0';
	r = conf_settings_parse(settings, INI, text, size, 100, "pve1", err);
	free(text);
	return r;
}

static int parse(struct conf_settings *settings, const char *text, struct pvb_err *err)
{
	return parse_bytes(settings, text, strlen(text), err);
}

static struct conf_settings good(const char *text)
{
	struct conf_settings settings;
	struct pvb_err err;

	if (parse(&settings, text, &err) < 0)
		fail_msg("%s", err.text);
	return settings;
}

static void bad(const char *text, const char *sentence)
{
	struct conf_settings settings;
	struct pvb_err err = { .code = 0 };

	if (parse(&settings, text, &err) == 0)
		fail_msg("accepted: %s", text);
	assert_int_equal(err.code, -EINVAL);
	assert_has(err.text, sentence);
	assert_null(strchr(err.text, '\n'));
	conf_settings_clear(&settings);
}

/* ---- what it means --------------------------------------------------------------- */

static void empty_is_defaults(void **state)
{
	struct conf_settings settings = good("");

	(void)state;
	assert_int_equal(settings.options.devices.n, 1);
	assert_string_equal(settings.options.devices.list[0], "hostpci");
	assert_string_equal(settings.options.settings.reset, "auto");
	assert_true(settings.options.settings.keep_on_reboot);
	assert_int_equal(settings.options.settings.hook_timeout_ms, 45000);
	assert_false(settings.options.settings.busy_stop);
	assert_string_equal(settings.options.settings.stop_units, "");
	assert_string_equal(settings.options.settings.stop_containers, "");
	assert_string_equal(settings.options.settings.unload, "auto");
	assert_true(settings.options.settings.guard);
	assert_string_equal(settings.options.settings.next, "");
	conf_settings_clear(&settings);
}

static void every_key_is_read(void **state)
{
	struct conf_settings settings = good("[device gpu]\nmatch = 01:00\nexpect = 10de:24b0\n"
					     "[vm 100]\ndevices = hostpci, gpu\ndevices = 0000:03:00.0\n"
					     "reset = flr bus\nreset = slot\nhost-driver = nouveau\non-stop = keep\n"
					     "on-reboot = return\nbusy = stop\nstop-units = a.service, b@1.socket\n"
					     "stop-units = c\\x2dd.mount\nstop-containers = 105 106\n"
					     "stop-containers = 107\nunload = nvidia-uvm\nunload = nvidia\nconsole = keep\n"
					     "device-timeout = 500ms\nhook-timeout = 2m\nguard = no\n"
					     "next-hookscript = local:snippets/mine\n"
					     "allow = host-network:0000:03:00.0\n");
	const struct conf_options *o = &settings.options;
	const struct conf_device *gpu = conf_settings_device(&settings, "gpu");

	(void)state;
	assert_int_equal(o->devices.n, 3);
	assert_string_equal(o->devices.list[2], "0000:03:00.0");
	assert_int_equal(o->devices.line, 5);
	assert_string_equal(o->settings.reset, "flr bus slot");
	assert_string_equal(o->settings.host_driver, "nouveau");
	assert_true(o->settings.keep_on_stop);
	assert_false(o->settings.keep_on_reboot);
	assert_true(o->settings.busy_stop);
	assert_string_equal(o->settings.stop_units, "a.service b@1.socket c\\x2dd.mount");
	assert_string_equal(o->settings.stop_containers, "105 106 107");
	assert_string_equal(o->settings.unload, "nvidia_uvm nvidia");
	assert_false(o->settings.guard);
	assert_string_equal(o->settings.next, "local:snippets/mine");
	assert_int_equal(settings.notes.n, 0);
	assert_true(o->settings.keep_console);
	assert_int_equal(o->settings.device_timeout_ms, 500);
	assert_int_equal(o->settings.hook_timeout_ms, 120000);
	assert_int_equal(o->allow.n, 1);
	assert_string_equal(o->allow.list[0].name, "host-network");
	assert_int_equal(o->allow.list[0].addr.bus, 3);
	assert_int_equal(gpu->match.kind, CONF_MATCH_ADDR);
	assert_int_equal(gpu->match.addr.fn, PVB_FN_ALL);
	assert_true(gpu->expect.given);
	assert_int_equal(gpu->expect.id.device, 0x24b0);
	conf_settings_clear(&settings);
}

static void matches_have_three_forms(void **state)
{
	struct conf_settings settings = good("[device a]\nmatch = 10de:24b0:1043:8866\n[device b]\nmatch = mapping:gpu\n"
					     "[device c]\nmatch = 10000:e1:00.0\n");

	(void)state;
	assert_int_equal(conf_settings_device(&settings, "a")->match.kind, CONF_MATCH_ID);
	assert_true(conf_settings_device(&settings, "a")->match.id.has_sub);
	assert_string_equal(conf_settings_device(&settings, "b")->match.mapping, "gpu");
	assert_int_equal(conf_settings_device(&settings, "c")->match.addr.domain, 0x10000);
	assert_null(conf_settings_device(&settings, "d"));
	conf_settings_clear(&settings);
}

/* Key by key, and whatever order they stand in. */
static void node_counts_before_vm_before_defaults(void **state)
{
	struct conf_settings settings = good(
		"[vm 100@pve1]\nreset = flr\n[vm 100]\nreset = bus\non-stop = keep\n"
		"devices = gpu\n[defaults]\nreset = pm\non-stop = return\nconsole = keep\n"
		"[vm 100@pve2]\nreset = slot\n[device gpu@pve1]\nmatch = 02:00\n"
		"[device gpu]\nmatch = 01:00\nexpect = 10de:24b0\n[device gpu@pve2]\nmatch = 03:00\n");
	const struct conf_device *gpu = conf_settings_device(&settings, "gpu");

	(void)state;
	assert_string_equal(settings.options.settings.reset, "flr");
	assert_true(settings.options.settings.keep_on_stop);
	assert_true(settings.options.settings.keep_console);
	assert_int_equal(settings.options.devices.n, 1);
	assert_int_equal(settings.num_devices, 1);
	assert_int_equal(gpu->match.addr.bus, 2);
	assert_true(gpu->expect.given);
	conf_settings_clear(&settings);
}

static void comments_and_ends_are_cut(void **state)
{
	struct conf_settings settings = good(
		"\xef\xbb\xbf; from Windows\r\n[vm 100]  ; the game VM\r\n# note\r\n  ; indented note\r\n"
		"   \r\nreset=none\t; why\r\non-stop   =   keep");

	(void)state;
	assert_string_equal(settings.options.settings.reset, "none");
	assert_true(settings.options.settings.keep_on_stop);
	conf_settings_clear(&settings);
}

static void others_only_warn(void **state)
{
	struct conf_settings settings = good(
		"[vm 101]\nfoo = 1\nbar = 2\n[vm 101]\n[vm 102@pve2]\nbusy = kill\n[vm 103@!]\n[device x@pve2]\n"
		"match = nonsense\n[vm 100@pve2]\nguard = maybe\n[vm 100]\nreset = none\n");
	static const char *const warnings[] = {
		INI ":2: unknown key 'foo' in [vm 101]",     INI ":4: [vm 101] is there twice",
		INI ":6: busy: 'kill' is neither",           INI ":7: [vm 103@!]: '!' is no node's name",
		INI ":9: match: 'nonsense' matches nothing", INI ":11: guard: 'maybe' is neither",
	};

	(void)state;
	assert_int_equal(settings.notes.n, 6);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(settings.notes.list[i].level, PVB_WARNING);
		assert_has(settings.notes.list[i].text, warnings[i]);
		assert_has(settings.notes.list[i].text, " is ignored");
	}
	assert_string_equal(settings.options.settings.reset, "none");
	conf_settings_clear(&settings);
}

static void no_vm_in_particular_checks_all(void **state)
{
	char text[] = "[vm 101]\nfoo = 1\n";
	struct conf_settings settings;
	struct pvb_err err;

	(void)state;
	assert_int_equal(conf_settings_parse(&settings, INI, text, strlen(text), 0, "pve1", &err), -EINVAL);
	assert_has(err.text, INI ":2: unknown key 'foo' in [vm 101]");
	conf_settings_clear(&settings);
}

/* ---- what is wrong: lines ------------------------------------------------------------ */

static void lines_are_checked(void **state)
{
	(void)state;
	bad("[vm 100]\n reset = none\n", INI ":2: the line is indented: begin it at the left edge");
	bad("[vm 100]\nreset = flr\n\tbus\n", INI ":3: the line is indented");
	bad("[vm 100\nreset = none\n", INI ":1: broken section header '[vm 100': write [NAME]");
	bad("[vm 100] # x\n", INI ":1: broken section header '[vm 100] # x'");
	bad("[vm 100]x\n", INI ":1: broken section header");
	bad("[device aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n",
	    INI ":1: section name of more than 49 bytes: shorten it");
	bad("[vm 100]\nreset\n", INI ":2: 'reset' is neither [SECTION] nor KEY = VALUE");
	bad("[vm 100]\n= none\n", INI ":2: '= none' is neither");
	bad("[vm 100]\nreset: none = 1\n", INI ":2: 'reset: none = 1': a key is parted from its value by '='");
	bad("[vm 100]\nreset: none\n", INI ":2: 'reset: none' is neither");
	bad("[vm 100]\nreset = none # why\n",
	    INI ":2: 'reset = none # why': a comment behind a value begins with ';', not '#'");
	bad("reset = none\n", INI ":1: 'reset = none' stands before any section");
	bad("[vm 100]\nreset =\n", INI ":2: reset has no value");
	bad("[vm 100]\nreset = ; none\n", INI ":2: reset has no value");
}

static void long_lines_are_refused(void **state)
{
	char text[512] = "[vm 100]\ndevices = ";

	(void)state;
	memset(strchr(text, '\0'), 'a', 290);
	bad(text, INI ":2: the line has 300 bytes, 198 is the most: shorten it");
	/* 198 bytes: all of it arrives. */
	text[strlen("[vm 100]\n") + 198] = '\0';
	bad(text, "is neither hostpci nor an address");
	memset(text, ';', 300);
	text[300] = '\0';
	bad(text, INI ":1: the line has 300 bytes");
}

static void nul_bytes_are_refused(void **state)
{
	static const char text[] = "[vm 100]\nreset = none\0host-driver = x\n";
	struct conf_settings settings;
	struct pvb_err err;

	(void)state;
	assert_int_equal(parse_bytes(&settings, text, sizeof(text) - 1, &err), -EINVAL);
	assert_has(err.text, INI ":2: a NUL byte in the line: remove it");
	conf_settings_clear(&settings);
}

/* Shape is checked in other VMs' sections too: there, half a file would be read. */
static void shape_counts_everywhere(void **state)
{
	(void)state;
	bad("[vm 101]\n x = 1\n", INI ":2: the line is indented");
	bad("[vm 101]\n[vm 100\nreset = none\n", INI ":2: broken section header");
}

/* ---- what is wrong: sections ------------------------------------------------------------ */

static void sections_are_known(void **state)
{
	(void)state;
	bad("[vm]\n", INI ":1: unknown section [vm]: there are [defaults], [device NAME]");
	bad("[foo]\n", INI ":1: unknown section [foo]");
	bad("[]\n", INI ":1: unknown section []");
	bad("[defaults x]\n", INI ":1: unknown section [defaults x]");
	bad("[vm 100 101]\n", INI ":1: unknown section [vm 100]");
	bad("[VM 100]\n", INI ":1: unknown section [VM 100]");
	bad("[vm abc]\n", INI ":1: [vm abc]: 'abc' is no VM number");
	bad("[vm 0100]\n", INI ":1: [vm 0100]: '0100' is no VM number");
	bad("[vm 100@]\n", INI ":1: [vm 100@]: '' is no node's name");
	bad("[device a/b]\n", INI ":1: [device a/b]: 'a/b' cannot be a device's name");
	bad("[device hostpci]\n", INI ":1: [device hostpci]: 'hostpci' cannot be a device's name");
	bad("[vm 100]\n\n[vm  100]\n", INI ":3: [vm 100] is there twice: merge them");
	bad("[defaults]\n[defaults]\n", INI ":2: [defaults] is there twice");
}

static void sections_are_bounded(void **state)
{
	char *text = malloc(5000 * 24), *end = text;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < 4097; i++)
		end += sprintf(end, "[device d%d]\n", i);
	bad(text, INI ":4097: more than 4096 sections: remove some");
	free(text);
}

/* ---- what is wrong: keys and values --------------------------------------------------------- */

static void keys_are_known(void **state)
{
	(void)state;
	bad("[vm 100]\nreest = none\n", INI ":2: unknown key 'reest' in [vm 100]: the keys are devices reset");
	bad("[device gpu]\nreset = none\n", INI ":2: unknown key 'reset' in [device gpu]: the keys are match expect");
	bad("[defaults]\nmatch = 01:00\n",
	    INI ":2: unknown key 'match' in [defaults]: the keys are devices reset host-driver on-stop on-reboot "
		"unload console device-timeout hook-timeout guard");
	bad("[vm 100]\non-stop = keep\n\non-stop = keep\n", INI ":4: on-stop is there twice in [vm 100]: keep one");
	bad("[vm 100]\nreset = ,\n", INI ":2:");
	bad("[vm 100]\nreset = ,\n", "the list is empty");
	bad("[vm 100]\ndevices = , ,\n", "the list is empty");
	bad("[device gpu]\nmatch = 01:00\nmatch = 02:00\n", INI ":3: match is there twice in [device gpu]");
}

static void power_over_the_host_is_for_vms_only(void **state)
{
	static const char *const lines[] = { "busy = refuse", "stop-units = a.service", "stop-containers = 105",
					     "next-hookscript = local:snippets/a", "allow = host-disk:01:00" };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char text[128];

		snprintf(text, sizeof(text), "[defaults]\n%s\n", lines[i]);
		bad(text, "counts only in a [vm] section");
	}
}

static void values_are_checked(void **state)
{
	(void)state;
	bad("[vm 100]\ndevices = a/b\n", INI ":2: devices: 'a/b' is neither hostpci nor an address nor the name");
	bad("[vm 100]\ndevices = 01:00.9\n", INI ":2: devices: '01:00.9' is no PCI address");
	bad("[vm 100]\ndevices = hostpci hostpci\n", INI ":2: devices: 'hostpci' is there twice");
	bad("[vm 100]\ndevices = gpu\n", INI ":2: devices: there is no section [device gpu] for node pve1: add it");
	bad("[device gpu@pve2]\nmatch = 01:00\n[vm 100]\ndevices = gpu\n",
	    INI ":4: devices: there is no section [device gpu]");
	bad("[vm 100]\nreset = flr hard\n", INI ":2: reset: 'hard' is no reset method");
	bad("[vm 100]\nreset = lr\n", INI ":2: reset: 'lr' is no reset method");
	bad("[vm 100]\nreset = fl\n", INI ":2: reset: 'fl' is no reset method");
	bad("[vm 100]\nreset = flr flr\n", INI ":2: reset: 'flr' is there twice");
	bad("[vm 100]\nreset = flr\nreset = auto\n", INI ":3: reset: 'auto' does not go with 'flr'");
	bad("[vm 100]\nreset = none bus\n", INI ":2: reset: 'bus' does not go with 'none'");
	bad("[vm 100]\nhost-driver = a b\n", INI ":2: host-driver: 'a b' is no driver");
	bad("[vm 100]\nhost-driver = vfio-pci\n", INI
	    ":2: host-driver: 'vfio-pci' is no driver for the host: to leave the device there, write on-stop = keep");
	bad("[vm 100]\non-stop = yes\n", INI ":2: on-stop: 'yes' is neither return nor keep");
	bad("[vm 100]\non-reboot = stay\n", INI ":2: on-reboot: 'stay' is neither return nor keep");
	bad("[vm 100]\nconsole = off\n", INI ":2: console: 'off' is neither auto nor keep");
	bad("[vm 100]\nbusy = wait\n", INI ":2: busy: 'wait' is neither refuse nor stop");
	bad("[vm 100]\nguard = maybe\n", INI ":2: guard: 'maybe' is neither no nor yes");
	bad("[device gpu]\nmatch = 10de\n", INI ":2: match: '10de' matches nothing: write an address");
	bad("[device gpu]\nmatch = mapping:\n", INI ":2: match: '' is no mapping's name");
	bad("[device gpu]\nexpect = 01:00\n", INI ":2: expect: '01:00' is no id");
}

static void units_are_checked(void **state)
{
	static const char *const none[] = { "nvidia-persistenced", ".service",  "a@.service", "-.mount",       "a b.service x",
					    "a/b.service",	   "a.slice",   "a.scope",    "a*.service",    "a.servic",
					    "a.service.",	   "$a.service", "a.Service",  "../a.service" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		snprintf(text, sizeof(text), "[vm 100]\nbusy = stop\nstop-units = %s\n", none[i]);
		bad(text, "is no unit to stop: write its name in full, like nvidia-persistenced.service");
	}
	snprintf(text, sizeof(text), "[vm 100]\nstop-units = %0100d.service\n", 0);
	bad(text, INI ":2: stop-units: '000");
	bad("[vm 100]\nstop-units = a.service a.service\n", INI ":2: stop-units: 'a.service' is there twice: keep one");
	bad("[vm 100]\nstop-units = a.service\nstop-units = b.service a.service\n", INI ":3: stop-units: 'a.service' is there twice");
	bad("[vm 100]\nstop-units = ,\n", INI ":2: stop-units: the list is empty");
	bad("[vm 100]\nstop-units = pve-container@105.service\n",
	    INI ":2: stop-units: 'pve-container@105.service' is a container: name it by its number in stop-containers");
	bad("[vm 100]\nstop-units = qmeventd.service\n",
	    INI ":2: stop-units: 'qmeventd.service' cannot be stopped: the VM's start itself depends on it");
	bad("[vm 100]\nstop-units = pve-cluster.service\n", "cannot be stopped");
}

static void containers_are_checked(void **state)
{
	static const char *const none[] = { "99", "0105", "web", "lxc/105", "1000000000", "-105", "105.0" };
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		snprintf(text, sizeof(text), "[vm 100]\nstop-containers = 104 %s\n", none[i]);
		bad(text, "is no container's number: write it as in 'pct list', like 105");
	}
	bad("[vm 100]\nstop-containers = 105 105\n", INI ":2: stop-containers: '105' is there twice: keep one");
}

static void modules_are_checked(void **state)
{
	struct conf_settings settings = good("[defaults]\nunload = none\n");

	(void)state;
	assert_string_equal(settings.options.settings.unload, "none");
	conf_settings_clear(&settings);
	bad("[vm 100]\nunload = nvidia.ko\n", INI ":2: unload: 'nvidia.ko' is no module: write auto, none, or names as lsmod");
	bad("[vm 100]\nunload = a/b\n", INI ":2: unload: 'a/b' is no module");
	bad("[vm 100]\nunload = vfio-pci\n", INI ":2: unload: 'vfio-pci' must not be unloaded: VMs have their devices through it");
	bad("[vm 100]\nunload = mlx5_vfio_pci\n", INI ":2: unload: 'mlx5_vfio_pci' must not be unloaded");
	bad("[vm 100]\nunload = nvidia auto\n", INI ":2: unload: 'auto' does not go with 'nvidia': auto and none stand alone");
	bad("[vm 100]\nunload = none\nunload = nvidia\n", INI ":3: unload: 'nvidia' does not go with 'none'");
	bad("[vm 100]\nunload = nvidia-drm nvidia_drm\n", INI ":2: unload: 'nvidia_drm' is there twice");
}

static void scripts_are_checked(void **state)
{
	static const char *const right[] = { "/usr/local/bin/hook", "/a b/c", "local:snippets/mine", "nfs-1.x:snippets/a b.sh", "/..a/b.." };
	static const char *const none[] = { "mine",	       "./mine",		   "snippets/mine", ":snippets/mine",
					    "local:iso/mine",  "local:snippets/",	   "local:snippets", "local:mine",
					    "local:snippets/a/b", "local:snippets/../a", "local:snippets/..", "lo cal:snippets/a",
					    "/",	       "/a/../b",		   "/a/" };
	char text[400];

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		struct conf_settings settings;

		snprintf(text, sizeof(text), "[vm 100]\nnext-hookscript = %s\n", right[i]);
		settings = good(text);
		assert_string_equal(settings.options.settings.next, right[i]);
		conf_settings_clear(&settings);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		snprintf(text, sizeof(text), "[vm 100]\nnext-hookscript = %s\n", none[i]);
		bad(text, "is neither a path nor a volume: write /path/to/script or STORAGE:snippets/NAME");
	}
	bad("[vm 100]\nnext-hookscript = /a\nnext-hookscript = /b\n", INI ":3: next-hookscript is there twice in [vm 100]");
}

/* Not wrong, but not what somebody meant. */
static void stops_without_effect_are_said(void **state)
{
	static const struct {
		const char *text, *note;
	} cases[] = {
		{ "[vm 100]\nstop-units = a.service\n", "VM 100: stop-units and stop-containers have no effect without busy = stop" },
		{ "[vm 100]\nstop-containers = 105\nbusy = refuse\n", "have no effect without busy = stop: add it, or remove them" },
		{ "[vm 100]\nbusy = stop\n", INI ": VM 100: busy = stop, but neither stop-units nor stop-containers says what" },
		{ "[vm 100]\nbusy = stop\n[vm 100@pve1]\nstop-units = a.service\n", NULL },
		{ "[vm 100]\nbusy = stop\nstop-containers = 105\n", NULL },
		{ "[vm 101]\nbusy = stop\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf_settings settings = good(cases[i].text);

		assert_int_equal(settings.notes.n, cases[i].note != NULL);
		if (cases[i].note) {
			assert_int_equal(settings.notes.list[0].level, PVB_WARNING);
			assert_has(settings.notes.list[0].text, cases[i].note);
		}
		conf_settings_clear(&settings);
	}
}

static void times_are_checked(void **state)
{
	static const char *const none[] = { "30", "s", "30 s", "1.5s", "-1s", "030s", "30h", "1234567890123456789012s" };
	static const char *const out[] = { "0s", "99ms", "61m", "3601s" };
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		snprintf(text, sizeof(text), "[vm 100]\ndevice-timeout = %s\n", none[i]);
		bad(text, "is no time: write a whole number and ms, s or m");
	}
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		snprintf(text, sizeof(text), "[vm 100]\nhook-timeout = %s\n", out[i]);
		bad(text, "is out of range: write a time from 100ms to 60m");
	}
}

static void allow_is_checked(void **state)
{
	(void)state;
	bad("[vm 100]\nallow = host-disk\n", INI ":2: allow: 'host-disk' names no device");
	bad("[vm 100]\nallow = everything:01:00\n", INI ":2: allow: 'everything' is the name of no refusal");
	bad("[vm 100]\nallow = held:01:00\n", INI ":2: allow: 'held' cannot be lifted: do what the line that refused says instead");
	bad("[vm 100]\nallow = host-disk:gpu\n", INI ":2: allow: 'gpu' is no PCI address");
}

static void lists_are_bounded(void **state)
{
	char text[1024] = "[vm 100]\n";

	(void)state;
	for (int i = 0; i < 33; i++)
		sprintf(strchr(text, '\0'), "devices = %02x:00\n", i);
	bad(text, INI ":34: devices: more than 32 entries: shorten the list");
	strcpy(text, "[vm 100]\n");
	for (int i = 0; i < 33; i++)
		sprintf(strchr(text, '\0'), "allow = host-disk:%02x:00\n", i);
	bad(text, INI ":34: allow: more than 32 entries");
	strcpy(text, "[vm 100]\n");
	for (int i = 0; i < 6; i++)
		sprintf(strchr(text, '\0'), "stop-units = %090d.service\n", i);
	bad(text, INI ":7: stop-units: more than 511 characters in all: shorten the list");
	strcpy(text, "[vm 100]\n");
	for (int i = 0; i < 33; i++)
		sprintf(strchr(text, '\0'), "stop-containers = %d\n", 100 + i);
	bad(text, INI ":34: stop-containers: more than 127 characters in all");
	strcpy(text, "[vm 100]\n");
	for (int i = 0; i < 5; i++)
		sprintf(strchr(text, '\0'), "unload = a%060d\n", i);
	bad(text, INI ":6: unload: more than 255 characters in all");
}

static void longest_values_fit(void **state)
{
	char text[512] = "[vm 100]\nnext-hookscript = /";
	struct conf_settings settings;

	(void)state;
	/* A line has 198 bytes; a script's name has room for more. */
	memset(strchr(text, '\0'), 'a', 198 - strlen("next-hookscript = /"));
	settings = good(text);
	assert_int_equal(strlen(settings.options.settings.next), 198 - strlen("next-hookscript = "));
	conf_settings_clear(&settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_is_defaults),
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(matches_have_three_forms),
		cmocka_unit_test(node_counts_before_vm_before_defaults),
		cmocka_unit_test(comments_and_ends_are_cut),
		cmocka_unit_test(others_only_warn),
		cmocka_unit_test(no_vm_in_particular_checks_all),
		cmocka_unit_test(lines_are_checked),
		cmocka_unit_test(long_lines_are_refused),
		cmocka_unit_test(nul_bytes_are_refused),
		cmocka_unit_test(shape_counts_everywhere),
		cmocka_unit_test(sections_are_known),
		cmocka_unit_test(sections_are_bounded),
		cmocka_unit_test(keys_are_known),
		cmocka_unit_test(power_over_the_host_is_for_vms_only),
		cmocka_unit_test(values_are_checked),
		cmocka_unit_test(units_are_checked),
		cmocka_unit_test(containers_are_checked),
		cmocka_unit_test(modules_are_checked),
		cmocka_unit_test(scripts_are_checked),
		cmocka_unit_test(stops_without_effect_are_said),
		cmocka_unit_test(times_are_checked),
		cmocka_unit_test(allow_is_checked),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(longest_values_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
