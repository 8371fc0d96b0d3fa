/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes that have descriptors and do nothing, as a busy host has: what a look at all holders has to go through.
 *
 *	idlers PROCESSES DESCRIPTORS
 *
 * Says "ready" when all are there; they go when its input ends.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A mixture, as daemons have it. */
static int one_open(int i)
{
	switch (i % 4) {
	case 0:
		return open("/etc/passwd", O_RDONLY);
	case 1:
		return eventfd(0, 0);
	default:
		return socket(AF_UNIX, SOCK_STREAM, 0);
	}
}

static void __attribute__((noreturn)) idle(int descriptors, int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 3; i < descriptors; i++)
		if (one_open(i) < 0)
			_exit(1);
	if (write(ready, "", 1) != 1)
		_exit(1);
	close(ready);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	int processes = argc == 3 ? atoi(argv[1]) : 0, ready[2];
	char word;

	if (!processes || pipe(ready) < 0)
		return 2;
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid == 0)
			idle(atoi(argv[2]), ready[1]);
		if (pid < 0 || read(ready[0], &word, 1) != 1) {
			perror("idlers: fork");
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	while (read(0, &word, 1) > 0)
		;
	return 0;
}
