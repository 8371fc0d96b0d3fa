/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind enable and disable: done, and taken back to the byte. qm and pvesm are played by tests/vm/qm and tests/vm/pvesm. */
#include "host.h"

#include <sys/wait.h>

#define HOOK "usr/libexec/pvebind/pvebind-hook"
#define LINK "var/lib/vz/snippets/pvebind"
#define VM "etc/pve/nodes/pve1/qemu-server/100.conf"
#define VM2 "etc/pve/nodes/pve1/qemu-server/101.conf"
#define STORAGE "etc/pve/storage.cfg"
#define INI "etc/pve/pvebind.ini"
#define OURS "hookscript: local:snippets/pvebind"

static struct {
	int status;
	char out[65536]; /* and stderr */
} ran;

/* ---- the host ---------------------------------------------------------------- */

static void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *fmt, ...)
{
	char command[4096];
	size_t used = 0, n;
	va_list ap;
	FILE *out;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	out = popen(command, "r");
	assert_non_null(out);
	while ((n = fread(ran.out + used, 1, sizeof(ran.out) - 1 - used, out)) > 0)
		used += n;
	ran.out[used] = '\0';
	n = (size_t)pclose(out);
	ran.status = WIFEXITED((int)n) ? WEXITSTATUS((int)n) : 128 + WTERMSIG((int)n);
}

static const char *binary(void)
{
	const char *path = getenv("PVEBIND");

	return path ? path : "build/pvebind";
}

#define run(h, args) shell("%s --root %s %s 2>&1", binary(), (h)->t->path, args)

static int setup(void **state)
{
	struct host *h;
	int r = host_setup(state);

	h = *state;
	ft_preset_gpu(h->t);
	ft_mkdir(h->t, "var/lib/vz");
	ft_write(h->t, HOOK, "#!/bin/sh\n");
	ft_vm(h->t, 100, "# my notes\ncores: 4\nhostpci0: 0000:01:00,pcie=1\nname: games\n");
	ft_vm(h->t, 101, "hostpci0: 0000:01:00,pcie=1\nname: work\n"); /* sorted, as Proxmox VE writes it */
	ft_write(h->t, STORAGE, "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n\nlvmthin: local-lvm\n\tthinpool data\n\tvgname pve\n\tcontent rootdir,images\n");
	shell("mkdir -p %s/usr/sbin && cp tests/vm/qm tests/vm/pvesm %s/usr/sbin && chmod 755 %s/%s", h->t->path, h->t->path,
	      h->t->path, HOOK);
	assert_int_equal(ran.status, 0);
	return r;
}

/* All that could have changed, with what is in it. */
static char *world(const struct host *h)
{
	shell("cd %s && find etc var -name lock -prune -o -printf '%%p %%y %%m %%l\\n' | sort; find etc var -type f | sort | xargs cat", h->t->path);
	assert_int_equal(ran.status, 0);
	return strdup(ran.out);
}

static void same(const struct host *h, char *before)
{
	char *now = world(h);

	assert_string_equal(now, before);
	free(now);
	free(before);
}

/* Once /var/lib/pvebind is there it stays, empty. */
static char *world_begin(const struct host *h)
{
	ft_mkdir(h->t, "var/lib/pvebind");
	return world(h);
}

#define has(text) do { if (!strstr(ran.out, text)) fail_msg("no '%s' in: %s", text, ran.out); } while (0)
#define hasnt(text) do { if (strstr(ran.out, text)) fail_msg("'%s' in: %s", text, ran.out); } while (0)
#define file_has(path, text) do { if (!strstr(ft_read(h->t, path), text)) \
	fail_msg("no '%s' in %s: %s", text, path, ft_read(h->t, path)); } while (0)

static void runs(const struct host *h, const char *args, int status)
{
	run(h, args);
	if (ran.status != status)
		fail_msg("pvebind %s: status %d: %s", args, ran.status, ran.out);
}

/* ---- the usual ------------------------------------------------------------------ */

static void there_and_back(void **state)
{
	struct host *h = *state;
	char target[64] = "", path[PATH_MAX + 64], *before = world_begin(h);

	runs(h, "enable 100", 0);
	has("make the folder /var/lib/vz/snippets");
	has("set the content of storage local to iso,vztmpl,backup,snippets");
	has("make the link /var/lib/vz/snippets/pvebind to /usr/libexec/pvebind/pvebind-hook");
	has("set hookscript of VM 100 to local:snippets/pvebind");
	has("VM 100 gets its devices at its next start");
	file_has(VM, OURS);
	file_has(STORAGE, "content iso,vztmpl,backup,snippets\n\n");
	snprintf(path, sizeof(path), "%s/" LINK, h->t->path);
	assert_true(readlink(path, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "/" HOOK);
	assert_false(ft_exists(h->t, INI));
	runs(h, "disable 100", 0);
	has("delete hookscript of VM 100");
	has("VM 100 is as it was before");
	same(h, before);
	runs(h, "disable 100", 1);
	has("VM 100 was not enabled by 'pvebind enable' on this node");
}

static void a_look_changes_nothing(void **state)
{
	struct host *h = *state;
	char *before = world(h);

	runs(h, "enable 100 --set busy=stop --dry-run", 0);
	has("1. make the folder");
	has("4. put lines for VM 100 into /etc/pve/pvebind.ini");
	has("+ [vm 100]");
	has("+ busy = stop");
	has("5. set hookscript of VM 100");
	runs(h, "enable 100 --dry-run --json | perl -MJSON::PP -0777 -ne 'print decode_json($_)->{steps}[3]{kind}'", 0);
	assert_string_equal(ran.out, "key");
	runs(h, "disable 100 --dry-run", 0);
	has("nothing: it was not enabled");
	same(h, before);
}

static void twice_is_once(void **state)
{
	struct host *h = *state;
	char *enabled;

	runs(h, "enable 100", 0);
	enabled = world(h);
	runs(h, "enable 100", 0);
	has("VM 100 is enabled already: nothing to do");
	runs(h, "enable 100 --dry-run", 0);
	has("nothing: it is enabled already");
	runs(h, "enable 100 --set busy=stop", 1);
	has("VM 100 was enabled before: 'pvebind disable 100' first");
	same(h, enabled);
	/* The link goes with the last VM, also in what is only shown. */
	runs(h, "disable 100 --dry-run", 0);
	has("1. delete hookscript of VM 100");
	has("2. remove the link /var/lib/vz/snippets/pvebind");
	has("4. remove the folder /var/lib/vz/snippets");
	runs(h, "disable 100 --dry-run --json", 0);
	has("\"text\": \"delete hookscript of VM 100\"");
	has("\"text\": \"remove the link /var/lib/vz/snippets/pvebind\"");
	runs(h, "disable 101 --dry-run --json", 0);
	has("\"vm\": 101");
	hasnt("\"text\"");
	ft_vm(h->t, 101, OURS "\n");
	runs(h, "disable 100 --dry-run", 0);
	has("1. delete hookscript of VM 100");
	hasnt("remove the link");
}

/* The link goes with the last VM. */
static void two_vms(void **state)
{
	struct host *h = *state;
	char *before = world_begin(h);

	runs(h, "enable 100", 0);
	runs(h, "enable 101", 0);
	hasnt("link");
	runs(h, "disable 100", 0);
	assert_true(ft_exists(h->t, LINK));
	file_has(VM2, OURS);
	runs(h, "disable 101", 0);
	same(h, before);
}

/* Set by hand for another VM: then the link is not ours to remove. */
static void a_vm_set_by_hand_keeps_the_link(void **state)
{
	struct host *h = *state;

	runs(h, "enable 100", 0);
	ft_vm(h->t, 101, OURS "\n");
	runs(h, "disable 100", 0);
	assert_true(ft_exists(h->t, LINK));
}

/* A container has it for its own hookscript (README), and does not start without it either. */
static void a_container_keeps_the_link(void **state)
{
	struct host *h = *state;

	ft_write(h->t, "etc/pve/lxc/105.conf", "hostname: media\nhookscript: local:snippets/mine\n\n[old]\n" OURS "\n");
	runs(h, "enable 100", 0);
	runs(h, "disable 100", 0);
	assert_false(ft_exists(h->t, LINK));
	ft_write(h->t, "etc/pve/lxc/105.conf", "hostname: media\n" OURS "\n");
	runs(h, "enable 100", 0);
	runs(h, "disable 100", 0);
	assert_true(ft_exists(h->t, LINK));
	ft_remove(h->t, "etc/pve/lxc/105.conf");
	runs(h, "enable 100", 0);
	runs(h, "disable 100", 0);
	assert_false(ft_exists(h->t, LINK));
}

/* Enabled on another node, it has our hookscript before this node has the link. */
static void a_vm_from_another_node_gets_the_link(void **state)
{
	struct host *h = *state;
	char *enabled;

	ft_vm(h->t, 100, OURS "\nname: games\n");
	runs(h, "enable 100", 0);
	has("make the link /var/lib/vz/snippets/pvebind to /usr/libexec/pvebind/pvebind-hook");
	hasnt("hookscript of VM 100");
	assert_true(ft_exists(h->t, LINK));
	assert_false(ft_exists(h->t, INI));
	file_has(VM, OURS);
	enabled = world(h);
	runs(h, "enable 100", 0);
	has("VM 100 is enabled already: nothing to do");
	same(h, enabled);
	/* Its hookscript was not ours to set, so that it stays, and needs the link. */
	runs(h, "enable 100 --set busy=stop", 0);
	runs(h, "disable 100 --dry-run", 0);
	hasnt("link");
	runs(h, "disable 100", 0);
	assert_true(ft_exists(h->t, LINK));
	file_has(VM, OURS);
	/* By another name, which leads nowhere here, it is somebody's. */
	ft_vm(h->t, 101, "hookscript: local:snippets/theirs\n");
	runs(h, "enable 101", 0);
	file_has(INI, "[vm 101]\nnext-hookscript = local:snippets/theirs");
}

/* ---- another hookscript, and keys -------------------------------------------------- */

static void another_hookscript_is_kept(void **state)
{
	struct host *h = *state;
	char *before;

	ft_write(h->t, "var/lib/vz/snippets/mine", "#!/bin/sh\n");
	shell("chmod 755 %s/var/lib/vz/snippets/mine", h->t->path);
	ft_vm(h->t, 100, "hookscript: local:snippets/mine\nname: games\n");
	before = world_begin(h);
	runs(h, "enable 100", 0);
	file_has(VM, OURS);
	file_has(INI, "[vm 100]\nnext-hookscript = local:snippets/mine");
	runs(h, "config 100", 0);
	has("next-hookscript = local:snippets/mine");
	runs(h, "disable 100", 0);
	has("set hookscript of VM 100 to local:snippets/mine");
	same(h, before);
}

static void itself_is_never_next(void **state)
{
	struct host *h = *state;

	ft_link(h->t, "var/lib/vz/snippets/older-name", "/" HOOK);
	ft_vm(h->t, 100, "hookscript: local:snippets/older-name\n");
	runs(h, "enable 100", 0);
	file_has(VM, OURS);
	assert_false(ft_exists(h->t, INI));
}

/* Whatever the file is like, it is the same to the byte afterwards. */
static void the_ini_is_put_back(void **state)
{
	static const char *const files[] = {
		"", "[defaults]\nreset = none\n", "[defaults]\nreset = none", "[vm 100]\nconsole = keep\n",
		"; mine\r\n[vm 100]\r\nconsole = keep\r\n[vm 101]\r\nguard = no\r\n", "[vm 100]\nconsole = keep\n\n[vm 100@pve1]\nguard = no",
		"; not [vm 100]\n[vm 101]\nbusy = refuse\n[vm 100]\nconsole = keep\n",
	};
	struct host *h = *state;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char *before;

		ft_write(h->t, INI, files[i]);
		before = world_begin(h);
		runs(h, "enable 100 --set busy=stop --set stop-units=sddm.service", 0);
		runs(h, "config 100", 0);
		has("busy = stop");
		has("stop-units = sddm.service");
		runs(h, "disable 100", 0);
		same(h, before);
	}
}

static void bad_keys_change_nothing(void **state)
{
	struct host *h = *state;
	char *before;

	ft_write(h->t, INI, "[vm 100]\nbusy = refuse\n");
	before = world_begin(h);
	runs(h, "enable 100 --set bsuy=stop", 1);
	has("bsuy");
	runs(h, "enable 100 --set reset=bang", 1);
	runs(h, "enable 100 --set busy=stop", 1); /* it is there already */
	has("/etc/pve/pvebind.ini:");
	runs(h, "enable 100 --set busy", 2);
	has("write it KEY=VALUE");
	runs(h, "enable 100 --set", 2);
	runs(h, "enable 102", 1);
	has("VM 102 has no configuration on this node");
	same(h, before);
}

/* ---- what is in the way ------------------------------------------------------------- */

static void the_storage_is_chosen(void **state)
{
	struct host *h = *state;

	ft_write(h->t, STORAGE, "dir: local\n\tdisable\n\tpath /var/lib/vz\n\tcontent iso\n\nnfs: all\n\tpath /mnt/pve/all\n\texport /x\n\tserver n\n\tcontent snippets\n");
	runs(h, "enable 100", 1);
	has("no storage of this node's own has a folder");
	ft_write(h->t, STORAGE, "dir: local\n\tpath /var/lib/vz\n\tcontent iso\n\ndir: other\n\tpath /o\n\tnodes pve2\n\tcontent snippets\n\ndir: mine\n\tpath /m\n\tnodes pve1,pve2\n\tcontent snippets\n");
	ft_mkdir(h->t, "m/snippets");
	runs(h, "enable 100", 0);
	file_has(VM, "hookscript: mine:snippets/pvebind");
	file_has(STORAGE, "content iso\n");
	runs(h, "disable 100", 0);
	/* "none" stands alone. */
	ft_write(h->t, STORAGE, "dir: local\n\tpath /var/lib/vz\n\tcontent none\n");
	runs(h, "enable 100", 0);
	file_has(STORAGE, "\tcontent snippets");
	runs(h, "disable 100", 0);
	file_has(STORAGE, "\tcontent none");
	/* The entry "local" is there without being written down. */
	ft_remove(h->t, STORAGE);
	runs(h, "enable 100", 0);
	file_has(VM, OURS);
	assert_false(ft_exists(h->t, STORAGE));
}

static void what_is_in_the_way_is_named(void **state)
{
	struct host *h = *state;
	char *before;

	ft_write(h->t, LINK, "mine\n");
	before = world_begin(h);
	runs(h, "enable 100", 1);
	has("/var/lib/vz/snippets/pvebind is there already, and is no link to /usr/libexec/pvebind/pvebind-hook: move it away");
	same(h, before);
	ft_remove(h->t, LINK);
	ft_link(h->t, LINK, "/somewhere");
	runs(h, "enable 100", 1);
	has("leads to /somewhere");
	ft_remove(h->t, LINK);
	ft_remove(h->t, HOOK);
	runs(h, "enable 100", 1);
	has("/usr/libexec/pvebind/pvebind-hook is not there: install pvebind first");
	ft_vm(h->t, 100, "template: 1\n");
	ft_write(h->t, HOOK, "x");
	runs(h, "enable 100", 1);
	has("VM 100 is a template");
}

static void a_failure_takes_all_back(void **state)
{
	struct host *h = *state;
	char *before;

	ft_vm(h->t, 100, "name: games\nlock: backup\n");
	before = world_begin(h);
	runs(h, "enable 100 --set busy=stop", 1);
	has("qm set 100 failed: VM is locked (backup)");
	has("take the lines for VM 100 out of");
	same(h, before);
	before = world(h);
	ft_remove(h->t, "usr/sbin/pvesm");
	runs(h, "enable 100", 1);
	has("there is no pvesm here: is this a node of Proxmox VE?");
	same(h, before);
}

/* qm that says it did, and did not. */
static void what_had_no_effect_has_failed(void **state)
{
	struct host *h = *state;
	char *before = world_begin(h);

	ft_write(h->t, "usr/sbin/qm", "#!/bin/sh\nexit 0\n");
	runs(h, "enable 100", 1);
	has("cannot set hookscript of VM 100 to local:snippets/pvebind: it had no effect, it is not set");
	same(h, before);
}

/* ---- changed meanwhile -------------------------------------------------------------- */

static void what_was_changed_since_stays(void **state)
{
	struct host *h = *state;

	runs(h, "enable 100 --set busy=stop", 0);
	ft_vm(h->t, 100, "hookscript: local:snippets/new\n");
	ft_write(h->t, STORAGE, "dir: local\n\tpath /var/lib/vz\n\tcontent iso,snippets,import\n");
	ft_write(h->t, INI, "[vm 100]\nbusy = refuse\n");
	runs(h, "disable 100", 0);
	has("not done: delete hookscript of VM 100, as it was changed since (it is local:snippets/new)");
	has("not done: set the content of storage local to iso,vztmpl,backup, as it was changed since (its content is iso,snippets,import)");
	file_has(VM, "hookscript: local:snippets/new");
	file_has(INI, "busy = refuse");
	assert_false(ft_exists(h->t, LINK));
}

static void a_link_that_went_is_made_anew(void **state)
{
	struct host *h = *state;
	char *before = world_begin(h);

	runs(h, "enable 100", 0);
	ft_remove(h->t, LINK);
	runs(h, "enable 101", 0);
	assert_true(ft_exists(h->t, LINK));
	runs(h, "disable 100", 0);
	runs(h, "disable 101", 0);
	same(h, before);
}

static void a_vm_that_is_gone_is_no_matter(void **state)
{
	struct host *h = *state;

	runs(h, "enable 100", 0);
	ft_remove(h->t, VM);
	runs(h, "disable 100", 0);
	assert_false(ft_exists(h->t, LINK));
}

/* While something is lent the hookscript is the way home. */
static void not_while_it_has_devices(void **state)
{
	struct host *h = *state;

	runs(h, "enable 100", 0);
	runs(h, "lend 100", 0);
	runs(h, "disable 100", 1);
	has("VM 100 has devices of this host now, and its hookscript is how they come home: stop it first");
	file_has(VM, OURS);
	runs(h, "return 100", 0);
	runs(h, "disable 100", 0);
}

static void one_at_a_time(void **state)
{
	struct host *h = *state;

	ft_mkdir(h->t, "var/lib/pvebind");
	shell("flock %s/var/lib/pvebind %s --root %s enable 100 2>&1", h->t->path, binary(), h->t->path);
	assert_int_equal(ran.status, 1);
	has("another pvebind is changing this host's setup");
}

static void a_damaged_record_is_named(void **state)
{
	struct host *h = *state;

	runs(h, "enable 100", 0);
	ft_write(h->t, "var/lib/pvebind/enable-100.json", "{");
	runs(h, "disable 100", 1);
	has("/var/lib/pvebind/enable-100.json is damaged, or of another version");
	ft_write(h->t, "var/lib/pvebind/enable-100.json", "{\"format\": 1, \"steps\": [{\"kind\": \"magic\"}]}");
	runs(h, "disable 100", 1);
	has("has a step that this pvebind does not know");
}

/* ---- killed at each of its state-changing calls ----------------------------------------- */

struct calls {
	char *list[400];
	size_t n;
};

static void calls_find(const struct host *h, const char *args, struct calls *calls)
{
	shell("build=%s; \"${build%%/*}\"/tests/tracer -o 3 %s --root %s %s 3>&1 >/dev/null 2>&1 | sed -n 's/^call hook //p'", binary(),
	      binary(), h->t->path, args);
	calls->n = 0;
	for (char *line = strtok(ran.out, "\n"); line && calls->n < ARRAY_SIZE(calls->list); line = strtok(NULL, "\n"))
		calls->list[calls->n++] = strdup(line);
}

static int count_before(const struct calls *calls, size_t i)
{
	int count = 1;

	for (size_t j = 0; j < i; j++)
		count += !strcmp(calls->list[j], calls->list[i]);
	return count;
}

/* Dies before its call i; whoever comes next finds its way. */
static void killed_at(struct host *h, const char *args, const struct calls *calls, size_t i)
{
	setenv("CALL", calls->list[i], 1);
	shell("build=%s; \"${build%%/*}\"/tests/tracer -p hook -c \"$CALL\" -n %d -a kill -o 3 %s --root %s %s 3>&1 >/dev/null 2>&1", binary(),
	      count_before(calls, i), binary(), h->t->path, args);
	if (!strstr(ran.out, "hit "))
		fail_msg("%s %zu was not hit: %s", args, i, calls->list[i]);
}

static void killed_anywhere(void **state)
{
	struct host *h = *state;
	struct calls there, back;
	char *before = world_begin(h);

	calls_find(h, "enable 100 --set busy=stop", &there);
	assert_true(there.n >= 20); /* it does see them */
	file_has(VM, OURS);
	calls_find(h, "disable 100", &back);
	assert_true(back.n >= 10);
	for (size_t i = 0; i < there.n + back.n; i++) {
		if (i < there.n) {
			killed_at(h, "enable 100 --set busy=stop", &there, i);
		} else {
			runs(h, "enable 100 --set busy=stop", 0);
			killed_at(h, "disable 100", &back, i - there.n);
		}
		run(h, "disable 100"); /* whichever of both it finds */
		runs(h, "enable 100 --set busy=stop", 0);
		file_has(VM, OURS);
		runs(h, "disable 100", 0);
		same(h, strdup(before));
	}
	free(before);
	for (size_t i = 0; i < there.n; i++)
		free(there.list[i]);
	for (size_t i = 0; i < back.n; i++)
		free(back.list[i]);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, host_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(there_and_back), TEST(a_look_changes_nothing), TEST(twice_is_once), TEST(two_vms),
		TEST(a_vm_set_by_hand_keeps_the_link), TEST(a_container_keeps_the_link),
		TEST(a_vm_from_another_node_gets_the_link), TEST(another_hookscript_is_kept), TEST(itself_is_never_next),
		TEST(the_ini_is_put_back), TEST(bad_keys_change_nothing), TEST(the_storage_is_chosen),
		TEST(what_is_in_the_way_is_named), TEST(a_failure_takes_all_back), TEST(what_had_no_effect_has_failed),
		TEST(what_was_changed_since_stays), TEST(a_link_that_went_is_made_anew), TEST(a_vm_that_is_gone_is_no_matter),
		TEST(not_while_it_has_devices), TEST(one_at_a_time), TEST(a_damaged_record_is_named), TEST(killed_anywhere),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
