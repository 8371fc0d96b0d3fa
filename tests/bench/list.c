/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long pvebind list takes on a host of FUNCTIONS (1024) beside what lspci -nnk takes on the same tree. Prints the medians
 * of 9 runs each, taken in turns. By `make bench`: a benchmark fails only when it cannot measure.
 *
 *	list [FUNCTIONS]
 */
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/faketree.h"

#define RUNS 9

static double ms_of(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

/* User and system time, its children's too. */
static double run(const char *const *argv)
{
	struct rusage used;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(nothing, 1);
		dup2(nothing, 2);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &used) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "bench: %s failed\n", argv[0]);
		exit(2);
	}
	return ms_of(used.ru_utime) + ms_of(used.ru_stime);
}

static int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* *lspci: NULL to leave it out. */
static double measure(unsigned functions, double *lspci)
{
	const char *binary = getenv("PVEBIND") ? getenv("PVEBIND") : "build/pvebind";
	double ours[RUNS], theirs[RUNS];
	struct ft_tree *t = ft_new();
	char sysfs[PATH_MAX + 32];

	ft_preset_host(t, functions);
	snprintf(sysfs, sizeof(sysfs), "sysfs.path=%s/sys/bus/pci", t->path);
	for (int i = 0; i < RUNS; i++) {
		ours[i] = run((const char *const[]){ binary, "--root", t->path, "list", NULL });
		theirs[i] = lspci ? run((const char *const[]){ "lspci", "-nnk", "-O", sysfs, NULL }) : 0;
	}
	ft_free(t);
	qsort(ours, RUNS, sizeof(*ours), double_compare);
	qsort(theirs, RUNS, sizeof(*theirs), double_compare);
	if (lspci)
		*lspci = theirs[RUNS / 2];
	return ours[RUNS / 2];
}

int main(int argc, char **argv)
{
	unsigned functions = argc > 1 ? (unsigned)atoi(argv[1]) : 1024;
	double lspci, half = measure(functions / 2, NULL), list = measure(functions, &lspci);

	printf("pvebind list on %u functions: %.0f ms, %.2f of lspci -nnk (%.0f ms); on half of them %.0f ms\n", functions, list,
	       list / lspci, lspci, half);
	return 0;
}
