/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command pvebind: shows what is lent and what would be, lends, takes back, resets, recovers. */
#include <string.h>

#include "cli.h"

/* A full disk behind stdout must not pass for success. A pipe that nobody reads any more is no fault. */
static enum front_status output_check(struct front *front, enum front_status status)
{
	struct pvb_err err;

	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno == EPIPE)
		return status;
	pvb_err_set(&err, -errno, "cannot write the output: %s", strerror(errno));
	return front_fail(front, &err, status == FRONT_DONE ? FRONT_REFUSED : status);
}

static int command_open(struct cli *cli, struct pvb_err *err)
{
	struct front *front = &cli->front;

	front->looking = !cli->command->changes || cli->dry_run;
	front->out = front->looking ? stderr : stdout;
	front->errors = stderr;
	if (!strcmp(front->root, "/") && geteuid() != 0)
		return pvb_err_set(err, -EPERM, "only root may look at the host's devices and move them: run pvebind %s as root",
				   cli->command->name);
	return front_open(front, err);
}

static enum front_status command_run(struct cli *cli)
{
	enum front_status status;
	struct pvb_err err;

	if (command_open(cli, &err) < 0)
		status = front_fail(&cli->front, &err, err.code == -EPERM ? FRONT_REFUSED : FRONT_USAGE);
	else
		status = cli->command->run(cli);
	status = output_check(&cli->front, status);
	front_close(&cli->front);
	return status;
}

int main(int argc, char **argv)
{
	struct cli cli = { .front = { .root = "/", .out = stderr } };
	struct pvb_err err;

	if (cli_args_parse(&cli, argc, argv, &err) < 0) {
		fprintf(stderr, "pvebind: error: %s\n", err.text);
		return FRONT_USAGE;
	}
	return (int)command_run(&cli);
}
