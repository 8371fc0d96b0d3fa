/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line. */
#include <stdarg.h>
#include <string.h>

#include "cli.h"

static const struct cli_command *const commands[] = {
	&cli_list, &cli_check, &cli_status, &cli_plan, &cli_config, &cli_lend, &cli_return, &cli_reset, &cli_recover, &cli_enable, &cli_disable, &cli_setup, &cli_log, &cli_report,
};
#define NUM_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char *const operands[] = {
	[CLI_NOTHING] = NULL, [CLI_VMID] = "VMID", [CLI_VMID_OPTIONAL] = "[VMID]", [CLI_ADDRESS] = "ADDRESS",
	[CLI_ANY] = "[DEVICE]", [CLI_VMID_OR_ANY] = "[VMID|DEVICE...]",
};

enum { KEY_ROOT = 512, KEY_CONFIG, KEY_VERSION };

/* What both parsers, of the command line and of a command, work on. */
struct arguments {
	struct cli *cli;
	struct pvb_err *err; /* code set: the first fault, and what to do */
};

static error_t PVB_PRINTF(2, 3) fault(struct arguments *args, const char *fmt, ...)
{
	char text[sizeof(args->err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!args->err->code)
		pvb_err_set(args->err, -EINVAL, "%s", text);
	return EINVAL;
}

/* ---- options ---- */

static const struct argp_option common_options[] = {
	{ "root", KEY_ROOT, "DIR", 0, "Put DIR under everything read or written (for tests)", 1 },
	{ "config", KEY_CONFIG, "FILE", 0, "Read FILE instead of " CONF_INI_CLUSTER " or " CONF_INI_LOCAL, 1 },
	{ "help", '?', NULL, 0, "Give this help", 2 },
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, 2 },
	{ "version", KEY_VERSION, NULL, 0, "Print the version", 2 },
	{ .name = NULL },
};

/* argp was told to be quiet (ARGP_NO_ERRS), and takes that for its help too. */
static error_t help_give(struct argp_state *state)
{
	state->flags &= ~(unsigned)ARGP_NO_ERRS;
	argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
	return 0;
}

/* getopt keeps to itself what it did not like: it is what it has come to. */
static const char *option_bad(const struct argp_state *state)
{
	const char *before = state->argv[state->next - 1];

	if (*before != '-' && state->next < state->argc)
		return state->argv[state->next]; /* amid a "-abc" */
	return before;
}

static error_t option_fault(struct arguments *args, const struct argp_state *state)
{
	const struct cli_command *command = args->cli->command;
	const char *bad = option_bad(state);

	if (!strcmp(bad, "--root") || !strcmp(bad, "--config") || !strcmp(bad, "--methods") || !strcmp(bad, "--group") || !strcmp(bad, "--set") || !strcmp(bad, "--since"))
		return fault(args, "%s needs a value: see pvebind%s%s --help", bad, command ? " " : "",
			     command ? command->name : "");
	if (command)
		return fault(args, "'%.60s' is no option of pvebind %s: see pvebind %s --help", bad, command->name,
			     command->name);
	return fault(args, "'%.60s' is no option of pvebind itself: a command's options stand behind it, see pvebind --help",
		     bad);
}

static error_t common_parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case KEY_ROOT:
		args->cli->front.root = arg;
		return 0;
	case KEY_CONFIG:
		args->cli->front.config = arg;
		return 0;
	case '?':
	case 'h':
		return help_give(state);
	case KEY_VERSION:
		puts("pvebind " PVB_VERSION);
		exit(FRONT_DONE);
	case ARGP_KEY_ERROR:
		return option_fault(args, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp common = { common_options, common_parse, NULL, NULL, NULL, NULL, NULL };
static const struct argp_child children[] = { { &common, 0, NULL, 0 }, { .argp = NULL } };

/* ---- a command's arguments ---- */

static error_t any_take(struct arguments *args, const char *word)
{
	struct cli *cli = args->cli;
	struct pvb_addr addr;
	struct conf_id id;

	if (pvb_addr_parse(word, &addr, NULL) < 0 && !conf_id_parse(word, &id))
		return fault(args, "'%.60s' is neither a PCI address (0000:01:00.0, or 01:00 for a slot) nor an id (10de:24b0)",
			     word);
	if (cli->num_operands == CLI_OPERANDS_MAX)
		return fault(args, "pvebind %s takes %d addresses and ids at most", cli->command->name, CLI_OPERANDS_MAX);
	cli->operands[cli->num_operands++] = word;
	return 0;
}

static error_t group_take(struct arguments *args, const char *word)
{
	unsigned long group;

	if (!conf_number_parse(word, INT32_MAX, &group))
		return fault(args, "--group %.60s: an IOMMU group is a number, like --group 15 (pvebind list shows them)", word);
	args->cli->group = (int)group;
	return 0;
}

static error_t operand_take(struct arguments *args, const char *word)
{
	struct cli *cli = args->cli;
	const char *words = operands[cli->command->operand];

	if (cli->command->operand == CLI_ANY || (cli->command->operand == CLI_VMID_OR_ANY && strchr(word, ':')))
		return any_take(args, word);
	if (!words)
		return fault(args, "'%.60s' is one argument too many: pvebind %s takes none", word, cli->command->name);
	if (cli->operand)
		return fault(args, "'%.60s' is one argument too many: write pvebind %s %s", word, cli->command->name, words);
	cli->operand = word;
	return 0;
}

static error_t operand_check(struct arguments *args)
{
	struct cli *cli = args->cli;
	struct pvb_err why;

	if (!cli->operand && cli->command->operand == CLI_VMID)
		return fault(args, "which VM? Write: pvebind %s VMID (qm list shows them)", cli->command->name);
	if (!cli->operand && cli->command->operand == CLI_ADDRESS)
		return fault(args, "which device? Write: pvebind %s ADDRESS (lspci -D shows them)", cli->command->name);
	if (!cli->operand)
		return 0;
	if (cli->command->operand == CLI_ADDRESS ? pvb_addr_parse(cli->operand, &cli->addr, &why) < 0
						 : conf_vmid_parse(cli->operand, &cli->vmid, &why) < 0)
		return fault(args, "%s", why.text);
	return 0;
}

static error_t command_end(struct arguments *args)
{
	struct cli *cli = args->cli;

	cli->dry_run |= cli->command->asks && !CLI_SETUP(cli, CLI_KEY_APPLY) && !CLI_SETUP(cli, CLI_KEY_UNDO);
	if (cli->json && cli->command->changes && !cli->dry_run)
		return fault(args, "--json of pvebind %s goes with --dry-run; afterwards ask: pvebind status --json",
			     cli->command->name);
	return operand_check(args);
}

/* What it sets, pvebind.ini's own parser judges. */
static error_t set_take(struct arguments *args, const char *word)
{
	struct cli *cli = args->cli;

	if (!strchr(word, '=') || *word == '=' || strpbrk(word, "\r\n"))
		return fault(args, "--set %.60s: write it KEY=VALUE, like --set busy=stop (pvebind.ini(5) has the keys)", word);
	if (cli->num_sets == CONF_LIST_MAX)
		return fault(args, "--set can be given %d times at most", CONF_LIST_MAX);
	cli->sets[cli->num_sets++] = word;
	return 0;
}

static error_t command_parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;
	struct cli *cli = args->cli;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = args;
		return 0;
	case CLI_KEY_JSON:
		cli->json = true;
		return 0;
	case CLI_KEY_DRY_RUN:
		cli->dry_run = true;
		return 0;
	case CLI_KEY_METHODS:
		cli->methods = arg;
		return 0;
	case CLI_KEY_GUEST:
		cli->guest = true;
		return 0;
	case CLI_KEY_SYMPTOM:
		cli->symptom = true;
		return 0;
	case CLI_KEY_ALL:
		cli->all = true;
		return 0;
	case CLI_KEY_LIST:
		cli->list = true;
		return 0;
	case CLI_KEY_GPU:
		cli->gpu = true;
		return 0;
	case CLI_KEY_USB:
		cli->usb = true;
		return 0;
	case CLI_KEY_SINCE:
		cli->since = arg;
		return 0;
	case CLI_KEY_APPLY ... CLI_KEY_PROGRAMS:
		cli->setup |= 1u << (key - CLI_KEY_APPLY);
		return 0;
	case CLI_KEY_GROUP:
		return group_take(args, arg);
	case CLI_KEY_SET:
		return set_take(args, arg);
	case ARGP_KEY_ARG:
		return operand_take(args, arg);
	case ARGP_KEY_END:
		return command_end(args);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* argv[0] is the command's name. */
static error_t command_run(struct arguments *args, int argc, char **argv)
{
	const struct cli_command *command = args->cli->command;
	char doc[600], name[32];
	struct argp parser = { command->options, command_parse, operands[command->operand], doc, children, NULL, NULL };

	snprintf(doc, sizeof(doc), "pvebind %s: %s.\v%s", command->name, command->summary, command->text ? command->text : "");
	snprintf(name, sizeof(name), "pvebind %s", command->name);
	argv[0] = name;
	return argp_parse(&parser, argc, argv, ARGP_NO_ERRS | ARGP_NO_HELP, NULL, args);
}

/* ---- which command ---- */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Letters to change, add or drop to make b of a (Levenshtein). */
static size_t words_distance(const char *a, const char *b)
{
	size_t row[32], n = strlen(b);

	if (n >= sizeof(row) / sizeof(row[0]))
		return n;
	for (size_t i = 0; i <= n; i++)
		row[i] = i;
	for (; *a; a++) {
		size_t diagonal = row[0]++;

		for (size_t i = 1; i <= n; i++) {
			size_t above = row[i];

			row[i] = min3(above + 1, row[i - 1] + 1, diagonal + (*a != b[i - 1]));
			diagonal = above;
		}
	}
	return row[n];
}

static error_t command_unknown(struct arguments *args, const char *word)
{
	const char *nearest = NULL;
	size_t best = 4; /* farther is no typing error */

	for (size_t i = 0; i < NUM_COMMANDS; i++) {
		const char *name = commands[i]->name;
		size_t distance = strncmp(name, word, strlen(word)) ? words_distance(word, name) : 1;

		if (distance < best && distance < strlen(name)) {
			best = distance;
			nearest = name;
		}
	}
	if (nearest)
		return fault(args, "there is no command '%.60s': did you mean '%s'? (pvebind --help lists them)", word, nearest);
	return fault(args, "there is no command '%.60s': pvebind --help lists them", word);
}

/* The first argument is the command; what follows is the command's. */
static error_t command_take(struct arguments *args, struct argp_state *state, const char *word)
{
	int first = state->next - 1;

	if (!strcmp(word, "help"))
		return help_give(state);
	for (size_t i = 0; i < NUM_COMMANDS; i++)
		if (!strcmp(commands[i]->name, word))
			args->cli->command = commands[i];
	if (!args->cli->command)
		return command_unknown(args, word);
	state->next = state->argc;
	return command_run(args, state->argc - first, state->argv + first);
}

static error_t line_parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = args;
		return 0;
	case ARGP_KEY_ARG:
		return command_take(args, state, arg);
	case ARGP_KEY_NO_ARGS:
		return fault(args, "which command? pvebind --help lists them");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The commands, a line each. */
static char *line_help(int key, const char *text, void *input)
{
	static const char head[] = "Lends a host's PCI devices to VMs of Proxmox VE while they run.\n\n";
	char *doc = NULL;
	size_t size;
	FILE *out;

	(void)input;
	if (key != ARGP_KEY_HELP_PRE_DOC || !(out = open_memstream(&doc, &size)))
		return (char *)(uintptr_t)text;
	fputs(head, out);
	for (size_t i = 0; i < NUM_COMMANDS; i++)
		fprintf(out, "  %-8s %-8s %s\n", commands[i]->name, operands[commands[i]->operand] ?: "",
			commands[i]->summary);
	fclose(out);
	return doc;
}

static const struct argp line = {
	NULL, line_parse, "COMMAND ...",
	"\vpvebind COMMAND --help tells more of each.\n"
	"Exit status: 0 done or nothing to do, 1 refused or failed with the host as before, 2 usage, "
	"3 configuration error, 4 the host needs attention.",
	children, line_help, NULL,
};

int cli_args_parse(struct cli *cli, int argc, char **argv, struct pvb_err *err)
{
	struct arguments args = { .cli = cli, .err = err };

	err->code = 0;
	cli->group = -1;
	if (argp_parse(&line, argc, argv, ARGP_IN_ORDER | ARGP_NO_ERRS | ARGP_NO_HELP, NULL, &args) == 0)
		return 0;
	return err->code ? err->code : pvb_err_set(err, -EINVAL, "the command line cannot be parsed: see pvebind --help");
}
