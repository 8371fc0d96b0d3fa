/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What checks say. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

static void *memory_check(void *p)
{
	if (p)
		return p;
	fputs("pvebind: error: out of memory\n", stderr);
	exit(FRONT_REFUSED);
}

static char * __attribute__((format(printf, 1, 0))) text_make(const char *fmt, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	return memory_check(text);
}

void check_say(struct check_run *run, enum check_verdict verdict, const char *where, const char *fmt, ...)
{
	struct check_findings *findings = &run->findings;
	struct check_finding *finding;
	va_list ap;

	findings->list = memory_check(realloc(findings->list, (findings->n + 1) * sizeof(*findings->list)));
	finding = &findings->list[findings->n++];
	*finding = (struct check_finding){
		.check = run->check, .verdict = verdict, .has_addr = run->has_addr, .addr = run->addr,
		.vmid = run->check->layer == CHECK_HOST ? 0 : run->host.vmid,
		.where = memory_check(strdup(where)), .advice = memory_check(strdup("")),
	};
	va_start(ap, fmt);
	finding->seen = text_make(fmt, ap);
	va_end(ap);
}

void check_advise(struct check_run *run, const char *fmt, ...)
{
	struct check_finding *finding = &run->findings.list[run->findings.n - 1];
	va_list ap;

	free(finding->advice);
	va_start(ap, fmt);
	finding->advice = text_make(fmt, ap);
	va_end(ap);
}

void check_command(struct check_run *run, const char *fmt, ...)
{
	struct check_finding *finding = &run->findings.list[run->findings.n - 1];
	va_list ap;

	finding->commands = memory_check(realloc(finding->commands,
						 (finding->num_commands + 1) * sizeof(*finding->commands)));
	va_start(ap, fmt);
	finding->commands[finding->num_commands++] = text_make(fmt, ap);
	va_end(ap);
}

void check_about(struct check_run *run, const struct pvb_addr *addr)
{
	run->has_addr = addr != NULL;
	run->addr = addr ? *addr : (struct pvb_addr){ .domain = 0 };
}

const char *check_place(char *buf, size_t size, const char *file, unsigned line)
{
	return conf_place(buf, size, file, line);
}

static void finding_clear(struct check_finding *finding)
{
	for (size_t i = 0; i < finding->num_commands; i++)
		free(finding->commands[i]);
	free(finding->commands);
	free(finding->seen);
	free(finding->where);
	free(finding->advice);
}

void check_findings_clear(struct check_findings *findings)
{
	for (size_t i = 0; i < findings->n; i++)
		finding_clear(&findings->list[i]);
	free(findings->list);
	*findings = (struct check_findings){ .n = 0 };
}

const char *check_verdict_name(enum check_verdict verdict)
{
	static const char *const names[] = {
		[CHECK_OK] = "ok", [CHECK_UNKNOWN] = "unknown", [CHECK_WARN] = "warn", [CHECK_FAIL] = "fail",
	};

	return names[verdict];
}

const char *check_layer_name(enum check_layer layer)
{
	static const char *const names[] = { [CHECK_HOST] = "host", [CHECK_VM] = "vm", [CHECK_GUEST] = "guest" };

	return names[layer];
}
