/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packages that are installed, as dpkg keeps them: paragraphs of "Field: value", deb-control(5). */
#include <stdio.h>
#include <string.h>

#include "package.h"

#define STATUS_MAX (64 << 20)

int packages_read(const struct pvb_ctx *ctx, struct packages *packages)
{
	*packages = (struct packages){ .text = NULL };
	return pvb_read_file(ctx, PACKAGE_STATUS, STATUS_MAX, &packages->text, NULL);
}

void packages_clear(struct packages *packages)
{
	free(packages->text);
	packages->text = NULL;
}

/* The paragraph that begins with this package's name. */
static const char *paragraph_find(const char *text, const char *name)
{
	char line[PVB_NAME_MAX + 16];
	const char *at = text;
	size_t n;

	n = (size_t)snprintf(line, sizeof(line), "Package: %s\n", name);
	if (n >= sizeof(line))
		return NULL;
	for (; (at = strstr(at, line)); at += n)
		if (at == text || at[-1] == '\n')
			return at;
	return NULL;
}

/* The value of a field of that paragraph; NULL: it has none. */
static const char *field_find(const char *paragraph, const char *name, size_t *size)
{
	size_t n = strlen(name);

	for (const char *line = paragraph; *line && *line != '\n'; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, name, n) != 0 || strncmp(line + n, ": ", 2) != 0)
			continue;
		*size = strcspn(line + n + 2, "\n");
		return line + n + 2;
	}
	return NULL;
}

bool package_version(const struct packages *packages, const char *name, char *buf, size_t size)
{
	const char *paragraph = paragraph_find(packages->text, name), *status, *version;
	static const char installed[] = " installed";
	size_t n, length;

	*buf = '\0';
	status = paragraph ? field_find(paragraph, "Status", &n) : NULL;
	if (!status || n < strlen(installed) || strncmp(status + n - strlen(installed), installed, strlen(installed)) != 0)
		return false;
	version = field_find(paragraph, "Version", &length);
	if (!version)
		return false;
	snprintf(buf, size, "%.*s", (int)length, version);
	return true;
}
