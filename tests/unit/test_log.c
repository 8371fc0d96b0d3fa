/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind log, from a journalctl that is played. */
#include "command.h"

#define JOURNALCTL "usr/bin/journalctl"
#define BOOT1 "\"_BOOT_ID\":\"11111111111111111111111111111111\""
#define BOOT2 "\"_BOOT_ID\":\"22222222222222222222222222222222\""

static void program(struct ft_tree *t, const char *script)
{
	ft_write(t, JOURNALCTL, script);
	assert_int_equal(fchmodat(t->fd, JOURNALCTL, 0755, 0), 0);
}

/* What it is asked is in DIR/asked, an argument a line; what it says in DIR/said. */
static void journalctl(struct ft_tree *t, const char *said, int status)
{
	char script[200];

	ft_write(t, "said", said);
	snprintf(script, sizeof(script), "#!/bin/sh\ncd \"${0%%/usr/bin/*}\"\nprintf '%%s\\n' \"$@\" >asked\ncat said\nexit %d\n", status);
	program(t, script);
}

/* An entry, at a second and with more fields. */
static const char *entry(const char *boot, long second, const char *event, const char *message, const char *more)
{
	static char text[8][1200];
	static int at;
	char *buf = text[at = (at + 1) % 8];

	snprintf(buf, sizeof(text[0]),
		 "{\"__CURSOR\":\"s=x;i=1\",\"__REALTIME_TIMESTAMP\":\"%ld250000\",%s,\"PRIORITY\":\"5\",\"PVEBIND_VM\":\"100\","
		 "\"PVEBIND_EVENT\":\"%s\",\"MESSAGE\":\"%s\"%s}\n",
		 1790000000 + second, boot, event, message, more);
	return buf;
}

#define CARD ",\"PVEBIND_DEVICE\":[\"0000:01:00.1\",\"0000:01:00.0\"],\"PVEBIND_GENERATION\":\"77\""

static void life_play(struct ft_tree *t)
{
	char said[6000] = "";

	setenv("TZ", "UTC", 1);
	strcat(said, entry(BOOT1, 0, "lend", "VM 100: lending 0000:01:00.0, 0000:01:00.1", CARD));
	strcat(said, entry(BOOT1, 1, "lent", "VM 100: lent 0000:01:00.0, 0000:01:00.1 (1149 ms)", CARD ",\"PVEBIND_DURATION_MS\":\"1149\""));
	strcat(said, entry(BOOT1, 3, "running", "VM 100: it runs, with what is lent to it", ",\"PVEBIND_GENERATION\":\"77\""));
	strcat(said, entry(BOOT1, 7200, "return", "VM 100: taking back 0000:01:00.0, 0000:01:00.1", CARD));
	strcat(said, entry(BOOT1, 7201, "home", "VM 100: 0000:01:00.0, 0000:01:00.1 home again (269 ms)", CARD ",\"PVEBIND_DURATION_MS\":\"269\""));
	strcat(said, entry(BOOT2, 90000, "refused", "refused (host-network): 0000:03:00.0 carries the default route",
			   ",\"PVEBIND_DEVICE\":\"0000:03:00.0\",\"PVEBIND_REFUSAL\":\"host-network\",\"PRIORITY\":\"3\""));
	journalctl(t, said, 0);
}

static void a_timeline(void **state)
{
	struct ft_tree *t = *state;

	life_play(t);
	assert_int_equal(run_bare(t, "log"), 0);
	assert_string_equal(ran.err, "");
	assert_string_equal(ran.out,
			    "2026-09-21 14:13:20  VM 100  lend             lending 0000:01:00.0, 0000:01:00.1\n"
			    "2026-09-21 14:13:21  VM 100  lent      1.1 s  lent 0000:01:00.0, 0000:01:00.1\n"
			    "2026-09-21 14:13:23  VM 100  running          it runs, with what is lent to it\n"
			    "2026-09-21 16:13:20  VM 100  return           taking back 0000:01:00.0, 0000:01:00.1\n"
			    "2026-09-21 16:13:21  VM 100  home     269 ms  0000:01:00.0, 0000:01:00.1 home again, lent for 2 h 0 min\n"
			    "-- the host was booted --\n"
			    "2026-09-22 15:13:20  VM 100  refused          refused (host-network): 0000:03:00.0 carries the default route\n");
}

static void the_same_for_programs(void **state)
{
	struct ft_tree *t = *state;

	life_play(t);
	assert_int_equal(run_bare(t, "log --json"), 0);
	assert_int_equal(count_at(json(), "entries"), 6);
	assert_string_equal(text_at(parsed, "entries.0.time"), "1790000000.250000");
	assert_string_equal(text_at(parsed, "entries.0.duration_ms"), "null");
	assert_string_equal(text_at(parsed, "entries.1.event"), "lent");
	assert_string_equal(text_at(parsed, "entries.1.vm"), "100");
	assert_string_equal(text_at(parsed, "entries.1.duration_ms"), "1149");
	assert_string_equal(text_at(parsed, "entries.1.devices.0"), "0000:01:00.0");
	assert_string_equal(text_at(parsed, "entries.1.devices.1"), "0000:01:00.1");
	assert_string_equal(text_at(parsed, "entries.1.generation"), "77");
	assert_string_equal(text_at(parsed, "entries.1.lent_ms"), "null");
	assert_string_equal(text_at(parsed, "entries.4.lent_ms"), "7200000");
	assert_string_equal(text_at(parsed, "entries.4.text"), "VM 100: 0000:01:00.0, 0000:01:00.1 home again (269 ms)");
	assert_string_equal(text_at(parsed, "entries.5.refusal"), "host-network");
	assert_string_equal(text_at(parsed, "entries.5.priority"), "3");
	assert_string_equal(text_at(parsed, "entries.5.boot"), "22222222222222222222222222222222");
	assert_int_equal(count_at(parsed, "entries.2.devices"), 0);
}

static void a_container_is_no_vm(void **state)
{
	struct ft_tree *t = *state;

	setenv("TZ", "UTC", 1);
	journalctl(t, "{\"__REALTIME_TIMESTAMP\":\"1790000000000000\",\"MESSAGE\":\"container 105 does without its card\",\"PVEBIND_VM\":\"105\","
		      "\"PVEBIND_CONTAINER\":\"105\",\"PVEBIND_EVENT\":\"refused\",\"PRIORITY\":\"3\"}\n", 0);
	assert_int_equal(run_bare(t, "log 105"), 0);
	assert_string_equal(ran.out, "2026-09-21 14:13:20  CT 105  refused    container 105 does without its card\n");
	has(ft_read(t, "asked"), "PVEBIND_CONTAINER,");
	assert_int_equal(run_bare(t, "log 105 --json"), 0);
	assert_string_equal(text_at(json(), "entries.0.container"), "true");
	life_play(t);
	assert_int_equal(run_bare(t, "log --json"), 0);
	assert_string_equal(text_at(json(), "entries.0.container"), "false");
}

/* Only what root wrote counts, and of one VM nothing else is asked for. */
static void what_is_asked(void **state)
{
	struct ft_tree *t = *state;

	journalctl(t, "", 0);
	assert_int_equal(run_bare(t, "log"), 0);
	assert_string_equal(ran.out, "the log has nothing of pvebind\n");
	has(ft_read(t, "asked"), "\nSYSLOG_IDENTIFIER=pvebind\n_UID=0\n");
	has(ft_read(t, "asked"), "--output=json\n");
	has(ft_read(t, "asked"), "\nPVEBIND_EVENT=lend\nPVEBIND_EVENT=lent\n");
	has(ft_read(t, "asked"), "\nPVEBIND_EVENT=not-home");
	has_not(ft_read(t, "asked"), "PVEBIND_VM=");
	has_not(ft_read(t, "asked"), "--since");
	assert_int_equal(run_bare(t, "log 100 --all --since=--file=/etc/shadow"), 0);
	assert_string_equal(ran.out, "the log has nothing of VM 100\n");
	has(ft_read(t, "asked"), "\n--since=--file=/etc/shadow\nPVEBIND_VM=100");
	has_not(ft_read(t, "asked"), "PVEBIND_EVENT=");
	assert_int_equal(run_bare(t, "log --json"), 0);
	assert_int_equal(count_at(json(), "entries"), 0);
}

/* Fields may be missing, several, no text, or of another shape; what is no entry is none. */
static void odd_entries(void **state)
{
	struct ft_tree *t = *state;

	setenv("TZ", "UTC", 1);
	journalctl(t, "-- a hint --\n{\"MESSAGE\":[104,105],\"PVEBIND_VM\":null}\n{broken\n[1]\n"
		      "{\"__REALTIME_TIMESTAMP\":\"1790000000000000\",\"MESSAGE\":\"a\\u001b[31mb\",\"PVEBIND_VM\":\"lab\",\"PVEBIND_DURATION_MS\":\"125000\"}\n", 0);
	assert_int_equal(run_bare(t, "log --all"), 0);
	assert_string_equal(ran.out, "1970-01-01 00:00:00                    -\n2026-09-21 14:13:20  lab    2 min 5 s  a?[31mb\n");
	assert_int_equal(run_bare(t, "log --all --json"), 0);
	assert_int_equal(count_at(json(), "entries"), 2);
	assert_string_equal(text_at(parsed, "entries.0.vm"), "null");
	assert_string_equal(text_at(parsed, "entries.0.text"), "");
}

static void it_cannot_be_read(void **state)
{
	struct ft_tree *t = *state;

	assert_int_equal(run_bare(t, "log"), 1);
	assert_string_equal(ran.err, "pvebind: error: /usr/bin/journalctl is not here: only journald keeps a log that can be shown\n");
	journalctl(t, "Failed to parse timestamp: soon\n", 1);
	assert_int_equal(run_bare(t, "log --since soon"), 1);
	assert_string_equal(ran.err, "pvebind: error: journalctl cannot read the system's log: Failed to parse timestamp: soon\n");
	journalctl(t, "", 3);
	assert_int_equal(run_bare(t, "log --json"), 1);
	has(ran.err, "journalctl cannot read the system's log: exit status 3");
	assert_string_equal(ran.out, "");
	assert_int_equal(run_bare(t, "log --since"), 2);
	has(ran.err, "--since needs a value: see pvebind log --help");
	assert_int_equal(run_bare(t, "log 100 101"), 2);
	assert_int_equal(run_bare(t, "log gpu"), 2);
}

/* Much more than a pipe holds. */
static void a_long_log(void **state)
{
	const char *one = entry(BOOT1, 0, "lend", "VM 100: lending 0000:01:00.0, 0000:01:00.1", CARD);
	struct ft_tree *t = *state;
	char script[2400], command[PATH_MAX + 600];
	int lines = 0, c;
	FILE *in;

	snprintf(script, sizeof(script), "#!/bin/sh\ni=0\nwhile [ $i -lt 2000 ]; do i=$((i + 1)); echo '%.*s'; done\n", (int)strcspn(one, "\n"), one);
	program(t, script);
	snprintf(command, sizeof(command), "%s --root %s log", binary(), t->path);
	in = popen(command, "r");
	while (in && (c = fgetc(in)) != EOF)
		lines += c == '\n';
	assert_int_equal(pclose(in), 0);
	assert_int_equal(lines, 2000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(a_timeline), IN_TREE(the_same_for_programs), IN_TREE(what_is_asked), IN_TREE(odd_entries),
		IN_TREE(it_cannot_be_read), IN_TREE(a_long_log), IN_TREE(a_container_is_no_vm),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
