/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For `make coverage` alone: what gcov has counted is kept where a worker ends with _exit(), too. Who is traced counts
 * nothing, as its system calls are those that a test strikes at, one after the other. Linked into every program with --wrap
 * for each of these. */
#include <stdbool.h>
#include <stdio.h>

void __real__exit(int status) __attribute__((noreturn));
void __real___gcov_dump(void);
void __real___gcov_exit(void);
void __wrap__exit(int status) __attribute__((noreturn));
void __wrap___gcov_dump(void);
void __wrap___gcov_exit(void);

static bool traced(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	int tracer = 0;

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "TracerPid: %d", &tracer) == 1)
			break;
	if (status)
		fclose(status);
	return tracer;
}

/* Before exec, too. */
void __wrap___gcov_dump(void)
{
	if (!traced())
		__real___gcov_dump();
}

void __wrap___gcov_exit(void)
{
	if (!traced())
		__real___gcov_exit();
}

void __wrap__exit(int status)
{
	__wrap___gcov_dump();
	__real__exit(status);
}
