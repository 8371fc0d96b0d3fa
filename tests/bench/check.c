/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long pvebind check takes on a host of FUNCTIONS (1024) more than tests/machines' intel-desktop has. Prints the
 * medians of 9 runs. By `make bench`: a benchmark fails only when it cannot measure.
 *
 *	check [FUNCTIONS]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../unit/machine.h"

#define RUNS 9

struct times {
	double user, system, wall; /* ms */
};

static double ms_of(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Its own and its children's. */
static struct times run(const char *root, const char *vmid)
{
	const char *binary = getenv("PVEBIND") ? getenv("PVEBIND") : "build/pvebind";
	double began = now();
	struct rusage used;
	int status, nothing;
	pid_t pid = fork();

	if (pid == 0) {
		nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(nothing, 1);
		execl(binary, "pvebind", "--root", root, "check", vmid, (char *)NULL);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &used) != pid || !WIFEXITED(status) || WEXITSTATUS(status) > 1) {
		fprintf(stderr, "bench: %s check failed\n", binary);
		exit(2);
	}
	return (struct times){ ms_of(used.ru_utime), ms_of(used.ru_stime), now() - began };
}

static int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *list)
{
	qsort(list, RUNS, sizeof(*list), double_compare);
	return list[RUNS / 2];
}

static void measure(const struct machine *m, const char *vmid, const char *what)
{
	double user[RUNS], system[RUNS], wall[RUNS];

	for (int i = 0; i < RUNS; i++) {
		struct times t = run(m->t->path, vmid);

		user[i] = t.user;
		system[i] = t.system;
		wall[i] = t.wall;
	}
	printf("%-12s user %6.1f ms   system %6.1f ms   wall %6.1f ms\n", what, median(user), median(system), median(wall));
}

/* Root ports, each with seven functions of a NIC and a group of its own, in a PCI domain of their own. */
static int functions_add(struct machine *m, unsigned n)
{
	struct script script;
	char path[PATH_MAX + 16];
	FILE *out;
	int r;

	snprintf(path, sizeof(path), "%s/functions", m->t->path);
	out = fopen(path, "we");
	for (unsigned i = 0; out && i < n; i++) {
		unsigned slot = i / 8, bus = 0x40 + slot;

		if (i % 8 == 0)
			fprintf(out, "pci 0001:00:%02x.%u 8086:a190 class=060400 driver=pcieport acs=f link=8x8 group=%u secondary=%02x\n",
				slot / 8, slot % 8, 1000 + slot, bus);
		else
			fprintf(out, "pci 0001:%02x:00.%u 8086:10d3 class=020000 driver=e1000e link=8x8 group=%u reset=flr "
				"bar0=128K bar3=16K parent=0001:00:%02x.%u\n", bus, i % 8 - 1, 2000 + slot, slot / 8, slot % 8);
	}
	if (!out || fclose(out) || script_load(&script, path) < 0)
		return -1;
	r = machine_run(m, &script, 0, script.n);
	script_free(&script);
	unlink(path);
	return r;
}

int main(int argc, char **argv)
{
	unsigned functions = argc > 1 ? (unsigned)atoi(argv[1]) : 1024;
	struct machine *m = machine_new("intel-desktop");

	if (*m->error || functions_add(m, functions) < 0) {
		fprintf(stderr, "bench: %s\n", m->error);
		return 2;
	}
	machine_finish(m);
	printf("check, %u functions, median of %d\n", functions, RUNS);
	measure(m, "100", "of a VM");
	/* "--" is no operand: about the host alone. */
	measure(m, "--", "of the host");
	machine_free(m, false);
	return 0;
}
