/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli: the command pvebind. Files, each calling only those before it:
 *   paper · table · json · device · show   how things are shown, to people and to programs
 *   inventory → tree, listjson, usb → list   (list.h) a command of several files
 *   maskform → mask → masksource → report    (report.h) another
 *   setupshow → setup                        (setup.h) another
 *   logread → log                            (log.h) and one more
 *   status, plan, lend, …            a command each, all of it: options, help, what it does
 *   args                             the command line; all commands' table
 *   main
 *
 * A new command is a file with a struct cli_command, and a line in args.c's table.
 *
 * What was asked for goes to stdout; errors, warnings and (of commands that only look) all other
 * lines to stderr, so that stdout is either the text or one JSON value. Commands that change
 * something tell their steps on stdout.
 *
 * JSON: keys are snake_case, absent things are null, addresses are as sysfs has them, times are seconds since
 * the epoch. Keys may be added; none is renamed or removed. Shapes are at the functions that make them.
 */
#ifndef PVEBIND_CLI_H
#define PVEBIND_CLI_H

#include <argp.h>
#include <json-c/json.h>

#include "../conf/front.h"

struct cli;

enum cli_operand { CLI_NOTHING, CLI_VMID, CLI_VMID_OPTIONAL, CLI_ADDRESS, CLI_ANY, CLI_VMID_OR_ANY };
#define CLI_OPERANDS_MAX 64

struct cli_command {
	const char *name;
	const char *summary;              /* a line of pvebind --help */
	const char *text;                 /* for pvebind NAME --help, below the summary; may be NULL */
	enum cli_operand operand;
	bool changes;                     /* unless --dry-run */
	bool asks;                        /* … and only with --apply or --undo */
	const struct argp_option *options; /* its own, out of CLI_OPTION_…; may be NULL */
	enum front_status (*run)(struct cli *cli);
};

/* One run of the command. */
struct cli {
	struct front front;
	const struct cli_command *command;
	const char *operand; /* as typed; NULL for none */
	const char *operands[CLI_OPERANDS_MAX]; /* CLI_ANY: addresses and ids, valid ones */
	unsigned num_operands;
	unsigned vmid;       /* 0 for none */
	struct pvb_addr addr;
	bool json, dry_run;
	const char *methods; /* NULL for none */
	bool all, guest, list, symptom, gpu, usb;
	int group;           /* IOMMU group; -1: not asked for */
	const char *since;   /* NULL for none */
	const char *sets[CONF_LIST_MAX]; /* "KEY=VALUE" */
	size_t num_sets;
	unsigned setup;      /* CLI_SETUP() */
};

/* Options of commands; args.c puts them into struct cli. */
enum cli_key { CLI_KEY_JSON = 256, CLI_KEY_DRY_RUN, CLI_KEY_METHODS, CLI_KEY_GUEST, CLI_KEY_LIST, CLI_KEY_ALL, CLI_KEY_SYMPTOM, CLI_KEY_SET, CLI_KEY_GPU, CLI_KEY_USB, CLI_KEY_GROUP, CLI_KEY_SINCE,
	/* setup's: bits of cli.setup */
	CLI_KEY_APPLY, CLI_KEY_YES, CLI_KEY_UNDO, CLI_KEY_KEEP_EDITED, CLI_KEY_CLEAN, CLI_KEY_RESERVE, CLI_KEY_UNRESERVE,
	CLI_KEY_DISABLE_VGA, CLI_KEY_RESCUE, CLI_KEY_PROGRAMS };
#define CLI_SETUP(cli, key) (((cli)->setup >> ((key) - CLI_KEY_APPLY) & 1u) != 0)
#define CLI_OPTION_JSON { "json", CLI_KEY_JSON, NULL, 0, "Print one JSON value, for programs", 0 }
#define CLI_OPTION_DRY_RUN { "dry-run", CLI_KEY_DRY_RUN, NULL, 0, "Only show what would be done", 0 }
#define CLI_OPTION_DRY_JSON { "json", CLI_KEY_JSON, NULL, 0, "With --dry-run: print one JSON value", 0 }
#define CLI_OPTIONS_END { .name = NULL }

extern const struct cli_command cli_status, cli_plan, cli_lend, cli_return, cli_reset, cli_recover, cli_config, cli_check, cli_enable, cli_disable, cli_list, cli_report, cli_log, cli_setup;

/* ---- paper.c: what is printed on ---------------------------------------------- */

/* Columns of the terminal that stdout is; 0: it is none, lines may be as long as they are. */
unsigned cli_width(void);
enum cli_ink { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_RED, CLI_GREEN, CLI_YELLOW, CLI_CYAN };
/* What to print to write so from here on; "" where there are no colours: no terminal, NO_COLOR. */
const char *cli_ink(enum cli_ink ink);
/* Print words to the end of the line, which has reached column, and go on below column where they do not fit. */
void cli_wrap(unsigned column, const char *fmt, ...) PVB_PRINTF(2, 3);

/* Bytes of the control character at text, 0 when it is none: those of ASCII, and U+0080 to U+009F, which terminals obey, too. */
size_t cli_control(const char *text);
/* Make each '?', in place. */
void cli_clean(char *text);
/* Columns that so many bytes of UTF-8 take; good enough for what pci.ids and USB devices have. */
size_t cli_columns(const char *text, size_t size);

/* ---- table.c: aligned columns ---------------------------------------------- */

struct cli_table {
	unsigned columns;
	char **cells; /* malloced, row by row */
	size_t n;
};
/* The next cell. Control characters become '?'. Memory that runs out ends the program. */
void cli_table_add(struct cli_table *table, const char *fmt, ...) PVB_PRINTF(2, 3);
/* Each row behind indent blanks, no blanks at its end; then empty the table. */
void cli_table_print(struct cli_table *table, unsigned indent, FILE *out);

/* ---- json.c: values ----------------------------------------------------------- */

/* A string, what is no UTF-8 in it as '?'. */
struct json_object *cli_json_text(const char *text);
/* The same, null when it is empty. */
struct json_object *cli_json_text_or_null(const char *text);
struct json_object *cli_json_addr(const struct pvb_addr *addr);
/* [text, …] */
struct json_object *cli_json_notes(const struct conf_notes *notes);
/* Print it to stdout, and free it. */
void cli_json_print(struct json_object *value);

/* ---- device.c: devices as they are at home and now ----------------------------- */

struct cli_device {
	struct pvb_home home;
	bool present;           /* else it is not on this host (any more) */
	struct pvb_function now;
	bool held;              /* by the lend it was asked about: not home yet */
	char name[160];         /* of pci.ids; "" when not known */
	char class_name[64];    /* likewise */
};
/* *devices: malloced, n of them. holder: the lend's name, or NULL. flags: as pvb_snapshot_take(). */
int cli_devices_look(struct pvb_ctx *ctx, const struct pvb_home *homes, size_t n, const char *holder, unsigned flags,
		     struct cli_device **devices, struct pvb_err *err) PVB_MUST_CHECK;
/* As a person reads them: "none", "gone", "bochs-drm", "vfio-pci (stays)". */
const char *cli_driver_now(const struct cli_device *device);
const char *cli_driver_home(const struct cli_device *device);
/* A table, with a heading. What pci.ids does not know has its class's name. */
void cli_devices_text(const struct cli_device *devices, size_t n, FILE *out);
/* {"address", "id", "subsystem_id", "class", "class_name", "name", "group", "named", "present",
 *  "driver_now", "driver_home", "home_by_modalias", "stays", "reset_methods"} */
struct json_object *cli_device_json(const struct cli_device *device);

/* ---- show.c: what would be done --------------------------------------------------- */

/* Operations in order, those that run together marked so. */
void cli_ops_text(const struct pvb_plan *plan, FILE *out);
/* [{"stage", "kind", "undo", "device", "argument", "together", "text"}] */
struct json_object *cli_ops_json(const struct pvb_plan *plan);
void cli_refusals_text(const struct pvb_refusals *refusals, FILE *out);
/* [{"name", "device", "allowed", "text"}] */
struct json_object *cli_refusals_json(const struct pvb_refusals *refusals);

/* The way home of one lend. */
struct cli_way {
	struct pvb_lend lend;
	struct pvb_plan *plan;
};
/* -ENOENT: nothing is lent to name. cli_way_clear() is harmless after a failure. */
int cli_way_find(struct cli *cli, const char *name, struct cli_way *way, struct pvb_err *err) PVB_MUST_CHECK;
void cli_way_clear(struct cli_way *way);
void cli_way_text(const struct cli_way *way, FILE *out);
/* {"lend", "label", "state", "unfinished", "other_boot", "since", "operations"} */
struct json_object *cli_way_json(const struct cli_way *way);

/* "2026-01-31 12:00:00", local time. */
const char *cli_time(int64_t seconds, char *buf, size_t size);
/* Whether a lend waits for `pvebind recover`. */
bool cli_needs_recovery(const struct pvb_lend *lend);

/* ---- plan.c, for `lend --dry-run` too ------------------------------------------------ */

enum front_status cli_plan_show(struct cli *cli);

/* ---- setupvm.c, for `setup` ------------------------------------------------------------- */

enum front_status cli_setup_vm(struct cli *cli);

/* ---- args.c ---------------------------------------------------------------------------- */

/* Fill *cli from the command line. --help and --version end the program. -EINVAL: *err says what is wrong. */
int cli_args_parse(struct cli *cli, int argc, char **argv, struct pvb_err *err) PVB_MUST_CHECK;

#endif
