/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind check: what stands for and against passing devices to VMs on this host. */
#include <string.h>

#include "cli.h"
#include "../check/check.h"
#include "../check/symptoms.h"

/* ---- for people ---- */

static const char *const layer_titles[] = {
	[CHECK_HOST] = "HOST", [CHECK_VM] = "VM", [CHECK_GUEST] = "GUEST",
};
static const char *const verdict_words[] = {
	[CHECK_OK] = "ok", [CHECK_UNKNOWN] = "unknown", [CHECK_WARN] = "warn", [CHECK_FAIL] = "FAIL",
};
static const enum cli_ink verdict_inks[] = {
	[CHECK_OK] = CLI_GREEN, [CHECK_UNKNOWN] = CLI_CYAN, [CHECK_WARN] = CLI_YELLOW, [CHECK_FAIL] = CLI_RED,
};

#define VERDICT_WIDTH 9 /* "  unknown" and two blanks */

/* A sentence may begin with the device itself. */
static const char *device_prefix(const struct check_finding *finding, char buf[PVB_ADDR_MAX + 2])
{
	*buf = '\0';
	if (!finding->has_addr)
		return buf;
	pvb_addr_format(&finding->addr, buf);
	if (!strncmp(finding->seen, buf, strlen(buf)))
		*buf = '\0';
	else
		strcat(buf, ": ");
	return buf;
}

static void finding_text(const struct check_finding *finding, int id_width)
{
	char addr[PVB_ADDR_MAX + 2];

	printf("  %s%-*s%s%-*s", cli_ink(verdict_inks[finding->verdict]), VERDICT_WIDTH, verdict_words[finding->verdict],
	       cli_ink(CLI_PLAIN), id_width, finding->check->id);
	cli_wrap(2 + VERDICT_WIDTH + (unsigned)id_width, "%s%s%s%s%s", device_prefix(finding, addr), finding->seen,
		 *finding->where ? " (" : "", finding->where, *finding->where ? ")" : "");
	if (*finding->advice) {
		printf("%*s", 2 + VERDICT_WIDTH, "");
		cli_wrap(2 + VERDICT_WIDTH, "To do: %s", finding->advice);
	}
	for (size_t i = 0; i < finding->num_commands; i++)
		printf("%*s%s\n", 2 + VERDICT_WIDTH + 4, "", finding->commands[i]);
}

/* Whether b says what a says: of another device, or (where both lack the same thing) of another check. */
static bool same_said(const struct check_finding *a, const struct check_finding *b, bool other_check)
{
	bool about = a->has_addr == b->has_addr && (!a->has_addr || other_check == !pvb_addr_compare(&a->addr, &b->addr));

	return about && (a->check != b->check) == other_check && (other_check || a->has_addr) &&
	       a->check->layer == b->check->layer && a->verdict == b->verdict && !a->num_commands && !b->num_commands &&
	       !strcmp(a->seen, b->seen) && !strcmp(a->where, b->where) && !strcmp(a->advice, b->advice);
}

/* Those behind the i-th that say the same: by name only. How many they are. */
static size_t same_text(const struct check_findings *findings, size_t i)
{
	const struct check_finding *first = &findings->list[i];
	bool other_check = i + 1 < findings->n && findings->list[i + 1].check != first->check;
	char names[512] = "", addr[PVB_ADDR_MAX];
	size_t n = 0;

	while (i + n + 1 < findings->n && same_said(first, &findings->list[i + n + 1], other_check)) {
		size_t have = strlen(names);

		n++;
		snprintf(names + have, sizeof(names) - have, " %s", other_check ? findings->list[i + n].check->id :
			 pvb_addr_format(&findings->list[i + n].addr, addr));
	}
	if (n) {
		printf("%*s", 2 + VERDICT_WIDTH, "");
		cli_wrap(2 + VERDICT_WIDTH, "Likewise:%s", names);
	}
	return n;
}

/* What is in order in a layer, by name only. */
static void passed_text(const struct check_findings *findings, enum check_layer layer)
{
	const struct check *before = NULL;
	char *names = NULL;
	size_t size;
	FILE *out = open_memstream(&names, &size);

	for (size_t i = 0; out && i < findings->n; i++) {
		const struct check_finding *finding = &findings->list[i];

		if (finding->check->layer != layer || finding->verdict != CHECK_OK || finding->check == before)
			continue;
		fprintf(out, "%s%s", before ? " " : "", finding->check->id);
		before = finding->check;
	}
	if (!out || fclose(out) != 0 || !*names) {
		free(names);
		return;
	}
	printf("  %s%-*s%s", cli_ink(CLI_GREEN), VERDICT_WIDTH, verdict_words[CHECK_OK], cli_ink(CLI_PLAIN));
	cli_wrap(2 + VERDICT_WIDTH, "%s", names);
	free(names);
}

static void layer_text(const struct check_findings *findings, enum check_layer layer, bool all, int id_width)
{
	bool first = true;

	for (size_t i = 0; i < findings->n; i++) {
		const struct check_finding *finding = &findings->list[i];

		if (finding->check->layer != layer)
			continue;
		if (first)
			printf("%s%s%s%s\n", layer ? "\n" : "", cli_ink(CLI_BOLD), layer_titles[layer], cli_ink(CLI_PLAIN));
		first = false;
		if (!all && finding->verdict == CHECK_OK)
			continue;
		finding_text(finding, id_width);
		i += same_text(findings, i);
	}
	if (!first && !all)
		passed_text(findings, layer);
}

static void counts_make(const struct check_findings *findings, unsigned counts[CHECK_VERDICTS])
{
	memset(counts, 0, CHECK_VERDICTS * sizeof(*counts));
	for (size_t i = 0; i < findings->n; i++)
		counts[findings->list[i].verdict]++;
}

static enum check_verdict worst(const struct check_findings *findings)
{
	enum check_verdict verdict = CHECK_OK;

	for (size_t i = 0; i < findings->n; i++)
		if (findings->list[i].verdict > verdict)
			verdict = findings->list[i].verdict;
	return verdict;
}

static void findings_text(const struct check_findings *findings, bool all)
{
	unsigned counts[CHECK_VERDICTS];
	size_t width = 0;

	counts_make(findings, counts);
	for (size_t i = 0; i < findings->n; i++)
		if ((all || findings->list[i].verdict != CHECK_OK) && strlen(findings->list[i].check->id) > width)
			width = strlen(findings->list[i].check->id);
	for (unsigned layer = 0; layer < sizeof(layer_titles) / sizeof(layer_titles[0]); layer++)
		layer_text(findings, layer, all, (int)width + 2);
	printf("\n%u ok, %u unknown, %u warn, %u fail%s\n", counts[CHECK_OK], counts[CHECK_UNKNOWN], counts[CHECK_WARN],
	       counts[CHECK_FAIL], counts[CHECK_FAIL] + counts[CHECK_WARN] ? "; each is explained in pvebind-checks(7)" : "");
}

/* ---- for programs ---- */

static struct json_object *finding_json(const struct check_finding *finding)
{
	struct json_object *value = json_object_new_object(), *commands = json_object_new_array();

	for (size_t i = 0; i < finding->num_commands; i++)
		json_object_array_add(commands, cli_json_text(finding->commands[i]));
	json_object_object_add(value, "id", cli_json_text(finding->check->id));
	json_object_object_add(value, "layer", cli_json_text(check_layer_name(finding->check->layer)));
	json_object_object_add(value, "chapter", cli_json_text(finding->check->chapter));
	json_object_object_add(value, "verdict", cli_json_text(check_verdict_name(finding->verdict)));
	json_object_object_add(value, "device", finding->has_addr ? cli_json_addr(&finding->addr) : NULL);
	json_object_object_add(value, "vm", finding->vmid ? json_object_new_int64(finding->vmid) : NULL);
	json_object_object_add(value, "title", cli_json_text(finding->check->title));
	json_object_object_add(value, "seen", cli_json_text(finding->seen));
	json_object_object_add(value, "where", cli_json_text_or_null(finding->where));
	json_object_object_add(value, "advice", cli_json_text_or_null(finding->advice));
	json_object_object_add(value, "commands", commands);
	json_object_object_add(value, "manual", cli_json_text("pvebind-checks(7)"));
	return value;
}

/* {"verdict", "counts": {"ok", "unknown", "warn", "fail"},
 *  "findings": [{"id", "layer", "chapter", "verdict", "device", "vm", "title", "seen", "where", "advice", "commands",
 *  "manual"}]} */
static void findings_json(const struct check_findings *findings)
{
	struct json_object *value = json_object_new_object(), *list = json_object_new_array();
	struct json_object *sums = json_object_new_object();
	unsigned counts[CHECK_VERDICTS];

	counts_make(findings, counts);
	for (unsigned i = 0; i < CHECK_VERDICTS; i++)
		json_object_object_add(sums, check_verdict_name(i), json_object_new_int((int)counts[i]));
	for (size_t i = 0; i < findings->n; i++)
		json_object_array_add(list, finding_json(&findings->list[i]));
	json_object_object_add(value, "verdict", cli_json_text(check_verdict_name(worst(findings))));
	json_object_object_add(value, "counts", sums);
	json_object_object_add(value, "findings", list);
	cli_json_print(value);
}

/* Every check there is: [{"id", "layer", "chapter", "title"}] */
static void checks_json(void)
{
	struct json_object *list = json_object_new_array();
	const struct check *check;

	for (size_t i = 0; (check = check_get(i)); i++) {
		struct json_object *value = json_object_new_object();

		json_object_object_add(value, "id", cli_json_text(check->id));
		json_object_object_add(value, "layer", cli_json_text(check_layer_name(check->layer)));
		json_object_object_add(value, "chapter", cli_json_text(check->chapter));
		json_object_object_add(value, "title", cli_json_text(check->title));
		json_object_array_add(list, value);
	}
	cli_json_print(list);
}

static void checks_text(void)
{
	struct cli_table table = { .columns = 4 };
	const struct check *check;

	for (size_t i = 0; (check = check_get(i)); i++) {
		cli_table_add(&table, "%s", check_layer_name(check->layer));
		cli_table_add(&table, "%s", check->chapter);
		cli_table_add(&table, "%s", check->id);
		cli_table_add(&table, "%s", check->title);
	}
	cli_table_print(&table, 0, stdout);
}

static enum front_status checks_list(const struct cli *cli)
{
	if (cli->json)
		checks_json();
	else
		checks_text();
	return FRONT_DONE;
}

/* [{"symptom", "text", "checks": [id, …]}] */
static void symptoms_json(void)
{
	struct json_object *list = json_object_new_array();
	const struct symptom *symptom;

	for (unsigned i = 0; (symptom = symptom_get(i)); i++) {
		struct json_object *value = json_object_new_object(), *ids = json_object_new_array();

		for (const char *id = symptom->checks; *id; id += strcspn(id, " "), id += strspn(id, " "))
			json_object_array_add(ids, json_object_new_string_len(id, (int)strcspn(id, " ")));
		json_object_object_add(value, "symptom", cli_json_text(symptom->title));
		json_object_object_add(value, "text", cli_json_text(symptom->text));
		json_object_object_add(value, "checks", ids);
		json_object_array_add(list, value);
	}
	cli_json_print(list);
}

static enum front_status symptoms_list(const struct cli *cli)
{
	const struct symptom *symptom;

	if (cli->json) {
		symptoms_json();
		return FRONT_DONE;
	}
	for (unsigned i = 0; (symptom = symptom_get(i)); i++) {
		printf("%s%s%s%s\n    ", i ? "\n" : "", cli_ink(CLI_BOLD), symptom->title, cli_ink(CLI_PLAIN));
		cli_wrap(4, "%s", symptom->text);
		printf("    ");
		cli_wrap(4, "checks: %s", symptom->checks);
	}
	return FRONT_DONE;
}

static enum front_status check_run(struct cli *cli)
{
	enum front_status status;
	struct check_run run;
	struct pvb_err err;

	if (cli->symptom)
		return symptoms_list(cli);
	if (cli->list)
		return checks_list(cli);
	if (check_run_all(&run, &cli->front, cli->vmid, cli->guest, &err) < 0) {
		status = front_fail(&cli->front, &err, FRONT_REFUSED);
	} else {
		if (cli->json)
			findings_json(&run.findings);
		else
			findings_text(&run.findings, cli->all);
		status = worst(&run.findings) == CHECK_FAIL ? FRONT_REFUSED : FRONT_DONE;
	}
	check_run_clear(&run);
	return status;
}

static const struct argp_option options[] = {
	CLI_OPTION_JSON,
	{ "guest", CLI_KEY_GUEST, NULL, 0, "Look inside the running VM, too (needs its guest agent)", 0 },
	{ "all", CLI_KEY_ALL, NULL, 0, "Tell what was seen where all is well, too", 0 },
	{ "list", CLI_KEY_LIST, NULL, 0, "Only list the checks there are", 0 },
	{ "symptom", CLI_KEY_SYMPTOM, NULL, 0, "Only list what people see go wrong, and the checks that decide what it is", 0 },
	CLI_OPTIONS_END,
};

const struct cli_command cli_check = {
	.name = "check",
	.summary = "look for what stands in the way, and say what to do",
	.text = "With VMID: of that VM's devices, its configuration too. Each finding says what was seen, where, and what to do; "
		"pvebind-checks(7) explains each check. The exit status is 1 when something fails.",
	.operand = CLI_VMID_OPTIONAL,
	.options = options,
	.run = check_run,
};
