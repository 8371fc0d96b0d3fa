/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs commands in turns and tells how long each took. By tests/bench/run, in the test bed and outside; linked
 * statically.
 *
 *	race ROUNDS LOG <COURSE
 *
 * COURSE: lines LABEL COMMAND [ARGUMENT…], blanks between them, no quoting; " & " between commands runs them
 * together. A LABEL of "-" is run, and not told of; of one that ends in "?" the status does not matter. Empty lines
 * divide the lines into groups (a way there and its way back); each round begins with the next group, so that none
 * has a place of its own. What the commands say goes to LOG.
 *
 * Prints, for each command and round, but for the first round (which warms all up):
 *
 *	LABEL WALL USER SYSTEM STATUS
 *
 * in microseconds: from before the fork to the end; its own processor time, and of what it has waited for. Of
 * commands run together WALL is until the last of them ends, and STATUS the worst of theirs. A command that fails
 * ends the race: 1; LOG has its words.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STEPS_MAX 64
#define WORDS_MAX 512

struct step {
	char *words[WORDS_MAX]; /* NULL between commands, two at the end */
	char *label;
	unsigned group;
	bool may_fail;
};

struct course {
	struct step steps[STEPS_MAX];
	size_t n;
	unsigned groups;
};

static int result; /* where our own output goes */

static long long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static long long us_of(struct timeval t)
{
	return t.tv_sec * 1000000LL + t.tv_usec;
}

static void step_parse(struct step *step, char *line)
{
	size_t n = 0;

	step->label = strtok(line, " ");
	step->may_fail = step->label[strlen(step->label) - 1] == '?';
	if (step->may_fail)
		step->label[strlen(step->label) - 1] = '\0';
	for (char *word = strtok(NULL, " "); word && n < WORDS_MAX - 2; word = strtok(NULL, " "))
		step->words[n++] = strcmp(word, "&") == 0 ? NULL : word;
}

static int course_read(struct course *course)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0 && course->n < STEPS_MAX) {
		line[strcspn(line, "\n")] = '\0';
		if (!*line) {
			course->groups++;
			continue;
		}
		course->steps[course->n].group = course->groups;
		step_parse(&course->steps[course->n++], strdup(line));
	}
	course->groups++;
	free(line);
	return course->n > 0 ? 0 : -1;
}

static pid_t command_start(char **words)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execvp(words[0], words);
		_exit(127);
	}
	return pid;
}

static char **command_next(char **words)
{
	while (*words)
		words++;
	return words + 1;
}

/* All its commands at once, to the end of the last. */
static int step_run(struct step *step, int told)
{
	long long began = now_us(), user = 0, system = 0;
	int running = 0, worst = 0, status;
	struct rusage used;

	for (char **words = step->words; *words; words = command_next(words))
		running += command_start(words) > 0;
	while (running > 0 && wait4(-1, &status, 0, &used) > 0) {
		running--;
		user += us_of(used.ru_utime);
		system += us_of(used.ru_stime);
		status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		worst = status > worst ? status : worst;
	}
	if (told && strcmp(step->label, "-") != 0)
		dprintf(result, "%s %lld %lld %lld %d\n", step->label, now_us() - began, user, system, worst);
	if (worst && !step->may_fail)
		fprintf(stderr, "race: %s: status %d\n", step->words[0], worst);
	return step->may_fail ? 0 : worst;
}

static int round_run(struct course *course, unsigned round)
{
	for (unsigned i = 0; i < course->groups; i++) {
		unsigned group = (round + i) % course->groups;

		for (size_t k = 0; k < course->n; k++)
			if (course->steps[k].group == group && step_run(&course->steps[k], round > 0) != 0)
				return -1;
	}
	return 0;
}

/* 0 to 2 are what the commands get, and they get no other. */
static int descriptors_set(const char *log)
{
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC), out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	result = fcntl(1, F_DUPFD_CLOEXEC, 10);
	if (nothing < 0 || out < 0 || result < 0)
		return -1;
	return dup2(nothing, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	static struct course course;
	unsigned rounds = argc == 3 ? (unsigned)atoi(argv[1]) : 0;

	if (!rounds || course_read(&course) < 0)
		return 2;
	if (descriptors_set(argv[2]) < 0)
		return 2;
	for (unsigned round = 0; round <= rounds; round++)
		if (round_run(&course, round) < 0)
			return 1;
	return 0;
}
