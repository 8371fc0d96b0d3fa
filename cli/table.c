/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Aligned columns. */
#include <stdarg.h>
#include <string.h>

#include "cli.h"

static void *memory_check(void *p)
{
	if (p)
		return p;
	fputs("pvebind: error: out of memory\n", stderr);
	exit(FRONT_REFUSED);
}

void cli_table_add(struct cli_table *table, const char *fmt, ...)
{
	char *cell = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&cell, fmt, ap) < 0)
		cell = NULL;
	va_end(ap);
	cli_clean(memory_check(cell));
	table->cells = memory_check(realloc(table->cells, (table->n + 1) * sizeof(*table->cells)));
	table->cells[table->n++] = cell;
}

static size_t text_width(const char *text)
{
	return cli_columns(text, strlen(text));
}

static size_t column_width(const struct cli_table *table, unsigned column)
{
	size_t widest = 0;

	for (size_t i = column; i < table->n; i += table->columns) {
		size_t width = text_width(table->cells[i]);

		widest = width > widest ? width : widest;
	}
	return widest;
}

/* Blanks are owed until something follows them, so that no line ends with one. */
static void row_print(const struct cli_table *table, size_t first, unsigned indent, FILE *out)
{
	size_t owed = indent;

	for (unsigned column = 0; column < table->columns && first + column < table->n; column++) {
		const char *cell = table->cells[first + column];

		if (*cell)
			fprintf(out, "%*s%s", (int)owed, "", cell);
		owed = (*cell ? 0 : owed) + column_width(table, column) - text_width(cell) + 2;
	}
	fputc('\n', out);
}

void cli_table_print(struct cli_table *table, unsigned indent, FILE *out)
{
	for (size_t i = 0; i < table->n; i += table->columns)
		row_print(table, i, indent, out);
	for (size_t i = 0; i < table->n; i++)
		free(table->cells[i]);
	free(table->cells);
	table->cells = NULL;
	table->n = 0;
}
