/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tracer [-p PROC -c CALL -n N -a ACTION]… -o FD COMMAND… - run COMMAND, list each state-changing system call of it
 * and of all that it forks, and strike at one of them; when that was hit, at the next that is given, which is then
 * looked for and counted from there on. For tests/vm/sweep.
 *
 * PROC is "hook" for COMMAND itself, "worker" for what it forks, and its own name for what calls itself otherwise or is
 * another program: which worker comes first to what they share is chance, and what they do not share has the device's
 * address in it. CALL is the system call, what it is done to, and what is written, as listed:
 * "write /sys/bus/pci/drivers/vfio-pci/bind 0000:01:00.0". N counts equal calls of one PROC from 1. ACTION:
 *   kill      SIGKILL to the process, before the call has its effect
 *   after     the same, after it
 *   killall   before it, to all processes at once
 *   NUMBER    the call has no effect, and fails with that errno
 *   full      from it on, none of PROC's writes below its /var/lib has an effect: each fails with ENOSPC
 *   /PROGRAM  everything stands still before it while PROGRAM runs
 *
 * Lines to FD, as it happens: "call PROC CALL", "hit PID" (by the call above), "born PROC PID" (PROC's fork), "exec PID"
 * (by the call above), "ended STATUS" (COMMAND has; as the shell counts it), "idle" (nothing stirs any more, though some
 * still live: a guard). Its end: all are gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call.h"

#define PROCS_MAX 256
#define TEXT_MAX 64
#define IDLE_MS 300
#define STRIKES_MAX 2

struct proc {
	pid_t pid;
	int fail; /* at the end of the call it is in: with this errno, or 0 */
	bool die; /* there */
	bool forking; /* its fork has no child yet */
};

struct strike {
	const char *proc, *call, *action;
	int count;
};

static struct proc procs[PROCS_MAX];
static size_t num_procs;
static FILE *out;
static struct strike strikes[STRIKES_MAX], *next = strikes; /* without a call: no more of them */
static pid_t first;          /* COMMAND; 0 when it has ended */
static char first_comm[16];
static bool full; /* no room below /var/lib any more */
static bool over; /* all were killed: so is whoever turns up now */

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
	fputc('\n', out);
	fflush(out);
}

static void die(const char *what)
{
	fprintf(stderr, "tracer: %s: %s\n", what, strerror(errno));
	exit(125);
}

/* ---- striking ---- */

static void all_kill(void)
{
	over = true;
	for (size_t i = 0; i < num_procs; i++)
		kill(procs[i].pid, SIGKILL);
}

/* A call that is to have no effect gets a number that is none. */
static void call_skip(struct proc *p, struct user_regs_struct *r)
{
	r->orig_rax = ~0ull;
	ptrace(PTRACE_SETREGS, p->pid, NULL, r);
}

static void strike(struct proc *p, struct user_regs_struct *r, const char *action)
{
	say("hit %d", p->pid);
	if (*action == '/') {
		if (system(action) != 0)
			say("failed %s", action);
		return;
	}
	if (!strcmp(action, "full")) {
		full = true;
		return;
	}
	if (!strcmp(action, "after")) {
		p->die = true;
		return;
	}
	call_skip(p, r);
	p->fail = atoi(action);
	if (!strcmp(action, "killall"))
		all_kill();
	else if (!p->fail)
		kill(p->pid, SIGKILL);
}

static void proc_name(const struct proc *p, char name[TEXT_MAX])
{
	char path[64];
	FILE *f;

	snprintf(name, TEXT_MAX, p->pid == first ? "hook" : "worker");
	if (p->pid == first)
		return;
	snprintf(path, sizeof(path), "/proc/%d/comm", p->pid);
	f = fopen(path, "r");
	if (f && fgets(path, sizeof(path), f)) {
		path[strcspn(path, "\n")] = '\0';
		if (strcmp(path, first_comm) != 0)
			snprintf(name, TEXT_MAX, "%s", path);
	}
	if (f)
		fclose(f);
}

/* A fork that a signal comes to is begun again (-ERESTARTNOINTR in copy_process()), and a traced process is sent also
 * the signals that it ignores: the SIGCHLD of a worker that ends meanwhile. That is one fork, not two. */
static bool fork_restarted(struct proc *p, const char *call)
{
	bool again = p->forking && !strcmp(call, "fork");

	p->forking = !strcmp(call, "fork");
	return again;
}

static void call_entered(struct proc *p)
{
	struct user_regs_struct r;
	char name[TEXT_MAX], call[CALL_MAX];

	if (ptrace(PTRACE_GETREGS, p->pid, NULL, &r) < 0 || !call_describe(p->pid, &r, call) || fork_restarted(p, call))
		return;
	proc_name(p, name);
	say("call %s %s", name, call);
	if (!strncmp(call, "exec ", 5))
		say("exec %d", p->pid);
	if (next != strikes + STRIKES_MAX && next->call && !strcmp(name, next->proc) && !strcmp(call, next->call) && --next->count <= 0)
		strike(p, &r, next++->action);
	if (full && !strncmp(call, "write ", 6) && strstr(call, "/var/lib/")) {
		call_skip(p, &r);
		p->fail = ENOSPC;
	}
}

static void call_left(struct proc *p)
{
	struct user_regs_struct r;

	if (p->fail)
		p->forking = false; /* it has failed, by us */
	if (p->die)
		kill(p->pid, SIGKILL);
	if (!p->fail || ptrace(PTRACE_GETREGS, p->pid, NULL, &r) < 0)
		return;
	r.rax = (unsigned long long)-(long long)p->fail;
	p->fail = 0;
	ptrace(PTRACE_SETREGS, p->pid, NULL, &r);
}

/* ---- following ---- */

static struct proc *proc_of(pid_t pid)
{
	for (size_t i = 0; i < num_procs; i++)
		if (procs[i].pid == pid)
			return &procs[i];
	return NULL;
}

static void proc_add(pid_t pid)
{
	if (num_procs == PROCS_MAX)
		die("too many processes");
	procs[num_procs++] = (struct proc){ .pid = pid };
}

static void forked(pid_t parent)
{
	struct proc *p = proc_of(parent);
	unsigned long pid = 0;
	char name[TEXT_MAX];

	if (p)
		p->forking = false;
	ptrace(PTRACE_GETEVENTMSG, parent, NULL, &pid);
	proc_name(&(struct proc){ .pid = parent }, name);
	say("born %s %lu", name, pid);
	if (proc_of((pid_t)pid))
		ptrace(PTRACE_CONT, (pid_t)pid, NULL, NULL);
	else
		proc_add((pid_t)pid);
}

static void proc_remove(pid_t pid)
{
	struct proc *p = proc_of(pid);

	if (p)
		*p = procs[--num_procs];
}

static void stopped(pid_t pid, int status)
{
	struct proc *p = proc_of(pid);
	int signal = WSTOPSIG(status), give = 0;

	if (status >> 16 == PTRACE_EVENT_EXIT && pid != first) {
		/* Left alone for its last steps: a traced process that is dead already, but that its tracer has not seen
		 * yet, is one that its parent is told of and cannot wait for. */
		proc_remove(pid);
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
		return;
	}
	if (!p) {
		proc_add(pid); /* stays stopped until forked() knows of it */
		if (over)
			kill(pid, SIGKILL);
		return;
	}
	if (signal == (SIGTRAP | 0x80)) {
		call_left(p);
	} else if (status >> 16 == PTRACE_EVENT_SECCOMP) {
		call_entered(p);
	} else if (status >> 16 == PTRACE_EVENT_FORK || status >> 16 == PTRACE_EVENT_VFORK ||
		   status >> 16 == PTRACE_EVENT_CLONE) {
		forked(pid);
	} else if (status >> 16 == 0 && signal != SIGSTOP) {
		give = signal == SIGTRAP ? 0 : signal;
	}
	/* The end of a call matters only where something is to happen there. */
	ptrace(p->fail || p->die ? PTRACE_SYSCALL : PTRACE_CONT, pid, NULL, (void *)(long)give);
}

static void ended(pid_t pid, int status)
{
	proc_remove(pid);
	if (pid == first) {
		say("ended %d", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
		first = 0;
	}
}

/* Nobody works, in the kernel neither. */
static bool all_sleep(void)
{
	char path[64], text[256] = "", *p;

	for (size_t i = 0; i < num_procs; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/stat", procs[i].pid);
		f = fopen(path, "r");
		if (!f)
			return false;
		p = fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
		fclose(f);
		if (!p || p[2] != 'S')
			return false;
	}
	return true;
}

static void alarm_rang(int number)
{
	(void)number;
}

static void alarm_set(void)
{
	struct itimerval timer = { .it_value.tv_usec = IDLE_MS * 1000, .it_interval.tv_usec = IDLE_MS * 1000 };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void follow(void)
{
	bool idle = false, quiet = false;
	int status;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno != EINTR)
			return;
		if (pid < 0) {
			/* Nothing since the last ring, and the command is gone. */
			if (!first && quiet && !idle && all_sleep())
				say("idle"), idle = true;
			quiet = true;
			continue;
		}
		quiet = idle = false;
		if (WIFSTOPPED(status))
			stopped(pid, status);
		else
			ended(pid, status);
	}
}

static void command_start(char **argv)
{
	int null = open("/dev/null", O_RDWR);

	first = fork();
	if (first < 0)
		die("fork");
	if (first == 0) {
		fclose(out);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		if (call_filter() < 0)
			die("seccomp");
		execv(argv[0], argv);
		die(argv[0]);
	}
	waitpid(first, NULL, 0);
	/* The command's pipes must end with it. */
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	ptrace(PTRACE_SETOPTIONS, first, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
	       PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL);
	proc_add(first);
	ptrace(PTRACE_CONT, first, NULL, NULL);
}

/* False: not as it should be. */
static bool options_parse(int argc, char **argv)
{
	struct strike none = { .call = NULL }, *s = &none;
	int option;

	while ((option = getopt(argc, argv, "+p:c:n:a:o:")) > 0) {
		switch (option) {
		case 'p':
			if (next == strikes + STRIKES_MAX)
				return false;
			s = next++;
			*s = (struct strike){ .proc = optarg, .count = 1 };
			break;
		case 'c': s->call = optarg; break;
		case 'n': s->count = atoi(optarg); break;
		case 'a': s->action = optarg; break;
		case 'o': out = fdopen(atoi(optarg), "w"); break;
		default: return false;
		}
	}
	for (s = strikes; s < next; s++)
		if (!s->call || !s->action)
			return false;
	next = strikes;
	return out && optind < argc && !none.call && !none.action;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = alarm_rang };

	if (!options_parse(argc, argv))
		return 2;
	sigaction(SIGALRM, &action, NULL);
	snprintf(first_comm, sizeof(first_comm), "%s", basename(argv[optind]));
	command_start(argv + optind);
	alarm_set();
	follow();
	return 0;
}
