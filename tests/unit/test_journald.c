/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the system's log is told: the hook, the guard and the command on a fake kernel, with a journald of our own. */
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../../conf/journald.h"
#include "hookrun.h"

#define LOCK "run/lock/qemu-server/lock-100.conf"
#define SOCKET "run/systemd/journal/socket"

static int journald;      /* its socket */
static char heard[1 << 20]; /* its entries, an empty line behind each */

static void journald_start(struct host *h)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	ft_mkdir(h->t, "run/systemd/journal");
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/" SOCKET, h->t->path) >= (int)sizeof(address.sun_path))
		fail_msg("%s is too long a path for a socket", h->t->path);
	journald = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(journald, (struct sockaddr *)&address, sizeof(address)), 0);
}

/* Read what there is, so that there is room again. */
static void journald_read(void)
{
	size_t have = strlen(heard);
	ssize_t n;

	while ((n = recv(journald, heard + have, sizeof(heard) - have - 2, 0)) > 0) {
		have += (size_t)n;
		heard[have++] = '\n';
		heard[have] = '\0';
	}
}

static int up(void **state)
{
	int r = host_setup(state);
	struct host *h = *state;

	*heard = *out = '\0';
	ft_preset_gpu(h->t);
	ft_vm(h->t, 100, "hostpci0: 01:00\n");
	ft_write(h->t, LOCK, "");
	ft_mkdir(h->t, "run/qemu-server");
	journald_start(h);
	return r;
}

static int down(void **state)
{
	close(journald);
	return host_teardown(state);
}

/* A program run to its end, its entries in heard. */
static int told(struct host *h, const char *program, const char *first, const char *second)
{
	int to = memfd_create("out", MFD_CLOEXEC), status;
	pid_t pid = start(h, program, first, second, to);
	siginfo_t info = { .si_pid = 0 };
	ssize_t n;

	*heard = '\0';
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && !info.si_pid) {
		journald_read();
		usleep(1000);
	}
	status = ended(pid);
	journald_read();
	n = pread(to, out, sizeof(out) - 1, 0);
	out[n > 0 ? n : 0] = '\0';
	close(to);
	return status;
}

/* The i-th entry that has this line, from 0; NULL: there are no more. */
static char *entry_with(const char *line, unsigned i)
{
	static char text[8192];

	for (const char *p = heard; *p;) {
		const char *end = strstr(p, "\n\n"), *found;

		assert_non_null(end);
		snprintf(text, sizeof(text), "\n%.*s\n", (int)(end - p), p);
		found = strstr(text, line);
		if (found && found[-1] == '\n' && found[strlen(line)] == '\n' && i-- == 0)
			return text;
		p = end + 2;
	}
	return NULL;
}

static void has_lines(const char *entry, const char *const *lines)
{
	char line[512];

	if (!entry)
		fail_msg("no such entry in: %s; %s", heard, out);
	for (; *lines; lines++) {
		snprintf(line, sizeof(line), "\n%s", *lines);
		assert_has(entry, line);
	}
}
#define HAS_LINES(entry, ...) has_lines(entry, (const char *const[]){ __VA_ARGS__, NULL })

/* ---- */

static void a_lend_and_its_return(void **state)
{
	struct host *h = *state;

	gives(told(h, "pvebind", "lend", "100"), 0);
	HAS_LINES(entry_with("PVEBIND_EVENT=lend", 0), "MESSAGE=VM 100: lending 0000:01:00.0, 0000:01:00.1\n", "PVEBIND_VM=100\n",
		  "PRIORITY=5\n", "SYSLOG_IDENTIFIER=pvebind\n", "SYSLOG_FACILITY=3\n", "PVEBIND_DEVICE=0000:01:00.0\n",
		  "PVEBIND_DEVICE=0000:01:00.1\n", "PVEBIND_GENERATION=");
	HAS_LINES(entry_with("PVEBIND_EVENT=lent", 0), "MESSAGE=VM 100: lent 0000:01:00.0, 0000:01:00.1 (", "PVEBIND_DURATION_MS=",
		  "PVEBIND_DEVICE=0000:01:00.0\n", "PVEBIND_DEVICE=0000:01:00.1\n", "PVEBIND_GENERATION=");
	assert_null(entry_with("PVEBIND_EVENT=lent", 1));
	/* A step: no event, but whose, which device, how long. */
	HAS_LINES(entry_with("PVEBIND_DEVICE=0000:01:00.1", 1), "MESSAGE=0000:01:00.1: unbound from snd_hda_intel (", "PVEBIND_VM=100\n",
		  "PRIORITY=6\n", "PVEBIND_DURATION_MS=");
	assert_has_not(entry_with("PVEBIND_DEVICE=0000:01:00.1", 1), "PVEBIND_EVENT");

	gives(told(h, "pvebind-hook", "100", "post-start"), 0);
	HAS_LINES(entry_with("PVEBIND_EVENT=running", 0), "MESSAGE=VM 100: it runs, with what is lent to it\n", "PRIORITY=6\n", "PVEBIND_VM=100\n");
	assert_string_equal(out, "");

	gives(told(h, "pvebind-hook", "100", "post-stop"), 0);
	HAS_LINES(entry_with("PVEBIND_EVENT=return", 0), "MESSAGE=VM 100: taking back 0000:01:00.0, 0000:01:00.1\n", "PVEBIND_VM=100\n");
	HAS_LINES(entry_with("PVEBIND_EVENT=home", 0), "PVEBIND_DURATION_MS=", "PVEBIND_DEVICE=0000:01:00.0\n",
		  "PVEBIND_DEVICE=0000:01:00.1\n", "PVEBIND_GENERATION=", "PRIORITY=5\n");
}

static void a_refusal(void **state)
{
	struct host *h = *state;

	ft_preset_nic(h->t, true);
	ft_vm(h->t, 100, "hostpci0: 03:00\n");
	gives(told(h, "pvebind-hook", "100", "pre-start"), 1);
	HAS_LINES(entry_with("PVEBIND_EVENT=refused", 0), "MESSAGE=refused (host-network): ", "PVEBIND_REFUSAL=host-network\n", "PRIORITY=3\n",
		  "PVEBIND_VM=100\n", "PVEBIND_DEVICE=0000:03:00.0\n");
	assert_null(entry_with("PVEBIND_EVENT=refused", 1));

	/* Not by the library, but refused all the same. */
	ft_vm(h->t, 100, "hostpci0: nothing\n");
	gives(told(h, "pvebind-hook", "100", "pre-start"), 3);
	HAS_LINES(entry_with("PVEBIND_EVENT=refused", 0), "MESSAGE=", "PRIORITY=3\n", "PVEBIND_VM=100\n");
}

/* With the container's number, so that pvebind log 105 has it; told from a VM's. */
static void a_containers_refusal(void **state)
{
	struct host *h = *state;

	ft_write(h->t, "etc/pve/lxc/105.conf", "dev0: /dev/dri/renderD128\n");
	gives(told(h, "pvebind-hook", "105", "pre-start"), 0);
	assert_string_equal(heard, "");
	gives(told(h, "pvebind", "lend", "100"), 0);
	assert_has_not(heard, "PVEBIND_CONTAINER");
	gives(told(h, "pvebind-hook", "105", "pre-start"), 1);
	HAS_LINES(entry_with("PVEBIND_EVENT=refused", 0), "MESSAGE=container 105: /dev/dri/renderD128 is not there", "PRIORITY=3\n",
		  "PVEBIND_VM=105\n", "PVEBIND_CONTAINER=105\n");
	assert_null(entry_with("PVEBIND_EVENT=refused", 1));
	gives(told(h, "pvebind-hook", "105", "post-stop"), 0);
	assert_string_equal(heard, "");
}

static void a_failure_undone(void **state)
{
	struct host *h = *state;

	ft_fault(h->t, "probe vfio-pci 0000:01:00.1 fail");
	gives(told(h, "pvebind", "lend", "100"), 1);
	HAS_LINES(entry_with("PVEBIND_EVENT=failed", 0), "MESSAGE=0000:01:00.1: ", "PRIORITY=3\n", "PVEBIND_VM=100\n", "PVEBIND_DEVICE=0000:01:00.1\n");
	HAS_LINES(entry_with("PVEBIND_EVENT=undo", 0), "PRIORITY=4\n", "PVEBIND_GENERATION=");
	HAS_LINES(entry_with("PVEBIND_EVENT=home", 0), "PVEBIND_DURATION_MS=");
	assert_null(entry_with("PVEBIND_EVENT=refused", 0));
	assert_null(entry_with("PVEBIND_EVENT=not-home", 0));
}

static void what_is_not_home(void **state)
{
	struct host *h = *state;

	gives(told(h, "pvebind", "lend", "100"), 0);
	ft_fault(h->t, "probe snd_hda_intel 0000:01:00.1 fail");
	gives(told(h, "pvebind-hook", "100", "post-stop"), 4);
	HAS_LINES(entry_with("PVEBIND_EVENT=not-home", 0), "MESSAGE=VM 100: not everything is home: ", "PRIORITY=3\n", "PVEBIND_VM=100\n",
		  "PVEBIND_DEVICE=0000:01:00.1\n", "PVEBIND_GENERATION=");
	assert_has_not(entry_with("PVEBIND_EVENT=not-home", 0), "PVEBIND_DEVICE=0000:01:00.0");
	assert_null(entry_with("PVEBIND_EVENT=not-home", 1));
	assert_null(entry_with("PVEBIND_EVENT=home", 0));

	ft_faults_clear(h->t);
	gives(told(h, "pvebind", "recover", "100"), 0);
	HAS_LINES(entry_with("PVEBIND_EVENT=recover", 0), "PVEBIND_DEVICE=0000:01:00.1\n", "PVEBIND_VM=100\n");
	HAS_LINES(entry_with("PVEBIND_EVENT=home", 0), "PVEBIND_VM=100\n");
}

static void what_hangs(void **state)
{
	struct host *h = *state;
	struct pvb_addr addr = addr_of("0000:01:00.1");
	char path[64];

	gives(told(h, "pvebind", "lend", "100"), 0);
	snprintf(path, sizeof(path), "proc/%d/stat", (int)getpid());
	ft_write(h->t, path, "1 (x) D 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0\n");
	assert_int_equal(pvb_stuck_mark(h->ctx, &addr, (int)getpid(), "wait_for_ever"), 0);
	gives(told(h, "pvebind", "return", "100"), 4);
	HAS_LINES(entry_with("PVEBIND_EVENT=stuck", 0), "MESSAGE=0000:01:00.1: hangs in the kernel since an earlier try", "PRIORITY=3\n",
		  "PVEBIND_VM=100\n", "PVEBIND_DEVICE=0000:01:00.1\n");
	HAS_LINES(entry_with("PVEBIND_EVENT=not-home", 0), "PRIORITY=3\n");
}

/* A guard's: it says why it acts, once. */
static void a_start_that_failed(void **state)
{
	struct host *h = *state;
	int lock = pvb_open(h->ctx, LOCK, O_RDONLY);

	assert_int_equal(flock(lock, LOCK_EX), 0);
	gives(told(h, "pvebind-hook", "100", "pre-start"), 0);
	*heard = '\0';
	close(lock);
	for (int i = 0; !entry_with("PVEBIND_EVENT=home", 0); i++) {
		if (i > 2000)
			fail_msg("in vain: %s", heard);
		usleep(5000);
		journald_read();
	}
	HAS_LINES(entry_with("PVEBIND_EVENT=recover", 0), "MESSAGE=VM 100: its start failed: taking back 0000:01:00.0, 0000:01:00.1\n",
		  "PRIORITY=4\n", "PVEBIND_DEVICE=0000:01:00.1\n", "PVEBIND_VM=100\n");
	assert_null(entry_with("PVEBIND_EVENT=return", 0));
}

/* Who only looks has nothing to log. */
static void a_look_is_not_logged(void **state)
{
	struct host *h = *state;

	gives(told(h, "pvebind", "plan", "100"), 0);
	gives(told(h, "pvebind", "return", "100"), 0);
	assert_has(heard, "MESSAGE=VM 100: nothing is lent, nothing to take back\n");
	gives(told(h, "pvebind", "status", NULL), 0);
	ft_vm(h->t, 100, "hostpci0: nothing\n");
	gives(told(h, "pvebind", "plan", "100"), 3);
	assert_string_equal(heard, "");
}

/* Until its queue is full: what a sender may have under way is less than that. */
static void journald_fill(struct host *h)
{
	int senders[32], full = 0;

	for (size_t i = 0; i < ARRAY_SIZE(senders); i++) {
		struct journald_entry entry;

		senders[i] = 0;
		journald_begin(&entry, 5, "x");
		journald_send(h->ctx, &senders[i], &entry);
		assert_true(senders[i] > 0);
		for (full++; send(senders[i], "X=1\n", 4, MSG_DONTWAIT) == 4;)
			full = 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(senders); i++)
		journald_close(&senders[i]);
	assert_true(full > 1); /* the last ones could not send at all */
}

/* Who does not read delays nobody much, and fails nothing. */
static void a_journald_that_does_not_read(void **state)
{
	struct host *h = *state;

	journald_fill(h);
	gives(run(h, "pvebind", "lend", "100"), 0);
	assert_has(out, "VM 100: lent ");
	gives(told(h, "pvebind", "return", "100"), 0);
	assert_has(out, "home again");
	assert_null(entry_with("PVEBIND_EVENT=lent", 0));
	assert_non_null(entry_with("PVEBIND_EVENT=home", 0));
}

static void a_journald_that_is_gone(void **state)
{
	struct host *h = *state;

	close(journald);
	gives(run(h, "pvebind", "lend", "100"), 0);
	ft_remove(h->t, SOCKET);
	gives(run(h, "pvebind", "return", "100"), 0);
	/* A path of a kind that is no socket. */
	ft_write(h->t, SOCKET, "");
	gives(run(h, "pvebind", "lend", "100"), 0);
	ft_remove(h->t, SOCKET);
	journald_start(h);
	gives(told(h, "pvebind", "return", "100"), 0);
	assert_non_null(entry_with("PVEBIND_EVENT=home", 0));
}

/* It is asked anew where its socket has become another one. */
static void a_journald_that_comes_back(void **state)
{
	struct host *h = *state;
	struct journald_entry entry;
	int fd = 0;

	journald_begin(&entry, 5, "first");
	journald_send(h->ctx, &fd, &entry);
	journald_read();
	assert_has(heard, "MESSAGE=first\n");
	close(journald);
	ft_remove(h->t, SOCKET);
	journald_start(h);
	journald_begin(&entry, 5, "second");
	journald_send(h->ctx, &fd, &entry);
	journald_read();
	assert_has(heard, "MESSAGE=second\n");
	journald_close(&fd);
	assert_int_equal(fd, 0);
}

/* What a value holds makes no field; what is too much is left out whole. */
static void odd_values(void **state)
{
	struct host *h = *state;
	struct journald_entry entry;
	char big[1000];
	int fd = 0;

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	journald_begin(&entry, 5, "a\nPVEBIND_EVENT=lent\tb");
	for (int i = 0; i < 6; i++)
		journald_field(&entry, "PVEBIND_BIG", "%s", big);
	journald_field(&entry, "PVEBIND_LAST", "%d", 1);
	journald_send(h->ctx, &fd, &entry);
	journald_read();
	assert_has(heard, "MESSAGE=a PVEBIND_EVENT=lent b\n");
	assert_has(heard, "\nPVEBIND_LAST=1\n");
	assert_true(strlen(heard) < 4100);
	assert_string_equal(heard + strlen(heard) - 2, "\n\n");
	journald_close(&fd);
}

#define IN_HOST(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		IN_HOST(a_lend_and_its_return), IN_HOST(a_refusal), IN_HOST(a_containers_refusal), IN_HOST(a_failure_undone), IN_HOST(what_is_not_home),
		IN_HOST(what_hangs), IN_HOST(a_start_that_failed), IN_HOST(a_look_is_not_logged), IN_HOST(a_journald_that_does_not_read),
		IN_HOST(a_journald_that_is_gone), IN_HOST(a_journald_that_comes_back), IN_HOST(odd_values),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
