/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind reset: reset a device that nobody uses. */
#include <string.h>

#include "cli.h"

#define METHODS "flr bus pm device_specific slot"
#define BETWEEN " \t,"

/* Whether the blank-separated list has the word of n characters. */
static bool list_has(const char *list, const char *word, size_t n)
{
	for (size_t len; *list; list += len + strspn(list + len, " ")) {
		len = strcspn(list, " ");
		if (len == n && !strncmp(list, word, n))
			return true;
	}
	return false;
}

/* "auto", or what a person types, with one blank between as libpvebind wants it. */
static bool methods_parse(const char *text, char methods[sizeof(METHODS)])
{
	size_t n, used = 0;

	*methods = '\0';
	for (text += strspn(text, BETWEEN); *text; text += n + strspn(text + n, BETWEEN)) {
		n = strcspn(text, BETWEEN);
		if (!used && n == 4 && !strncmp(text, "auto", n) && !text[n + strspn(text + n, BETWEEN)])
			return strcpy(methods, "auto");
		/* Each of them once at most, so all of them fit. */
		if (!list_has(METHODS, text, n) || list_has(methods, text, n))
			return false;
		used += (size_t)sprintf(methods + used, "%s%.*s", used ? " " : "", (int)n, text);
	}
	return used > 0;
}

static enum front_status reset_run(struct cli *cli)
{
	const char *wish = cli->methods ? cli->methods : "auto";
	struct pvb_err err = { .code = 0 };
	char methods[sizeof(METHODS)];

	if (!methods_parse(wish, methods)) {
		pvb_err_set(&err, -EINVAL, "--methods '%.60s' is no way to reset: write auto, or a list out of " METHODS, wish);
		return front_fail(&cli->front, &err, FRONT_USAGE);
	}
	if (cli->dry_run)
		cli->front.out = stdout; /* its lines are what was asked for */
	else if (front_catch_signals(&cli->front, &err) < 0)
		return front_fail(&cli->front, &err, FRONT_REFUSED);
	if (pvb_reset(cli->front.ctx, &cli->addr, methods, cli->dry_run, &err) < 0)
		return front_fail(&cli->front, &err, FRONT_REFUSED);
	return FRONT_DONE;
}

static const struct argp_option options[] = {
	{ "methods", CLI_KEY_METHODS, "LIST", 0, "Use the first of these that works, not the kernel's choice: " METHODS, 0 },
	CLI_OPTION_DRY_RUN,
	CLI_OPTIONS_END,
};

const struct cli_command cli_reset = {
	.name = "reset",
	.summary = "reset a device that nobody uses",
	.text = "ADDRESS is a function (0000:01:00.0) or a whole slot (0000:01:00).",
	.operand = CLI_ADDRESS,
	.changes = true,
	.options = options,
	.run = reset_run,
};
