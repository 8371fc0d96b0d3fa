/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is printed on: a terminal with a width and colours, or a file or pipe without either. */
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cli.h"

#define WIDTH_LEAST 60u  /* what is narrower than this is broken by the terminal better than by us */
#define WIDTH_MOST 140u  /* longer lines are hard to read */

static unsigned width_ask(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return 0;
	if (size.ws_col < WIDTH_LEAST)
		return WIDTH_LEAST;
	return size.ws_col < WIDTH_MOST ? size.ws_col : WIDTH_MOST;
}

unsigned cli_width(void)
{
	static int width = -1;

	if (width < 0)
		width = (int)width_ask();
	return (unsigned)width;
}

/* https://no-color.org: set to anything but nothing, it means none. */
const char *cli_ink(enum cli_ink ink)
{
	static const char *const codes[] = {
		[CLI_PLAIN] = "\033[0m", [CLI_BOLD] = "\033[1m", [CLI_DIM] = "\033[2m", [CLI_RED] = "\033[1;31m",
		[CLI_GREEN] = "\033[32m", [CLI_YELLOW] = "\033[33m", [CLI_CYAN] = "\033[36m",
	};
	static int coloured = -1;

	if (coloured < 0) {
		const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

		coloured = isatty(STDOUT_FILENO) && !(no && *no) && !(term && !strcmp(term, "dumb"));
	}
	return coloured ? codes[ink] : "";
}

size_t cli_control(const char *at)
{
	const unsigned char *c = (const unsigned char *)at;

	if (*c < ' ' || *c == 0x7f)
		return *c != '\0';
	return c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0 ? 2 : 0;
}

void cli_clean(char *text)
{
	char *to = text;

	for (const char *from = text; *from;) {
		size_t n = cli_control(from);

		*to++ = n ? '?' : *from;
		from += n ? n : 1;
	}
	*to = '\0';
}

size_t cli_columns(const char *text, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

void cli_wrap(unsigned column, const char *fmt, ...)
{
	unsigned width = cli_width(), at = column;
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text) {
		fputs("pvebind: error: out of memory\n", stderr);
		exit(FRONT_REFUSED);
	}
	cli_clean(text);
	if (!width && !strstr(text, "  ")) {
		puts(text);
		free(text);
		return;
	}
	for (char *word = text; *word;) {
		size_t n = strcspn(word, " "), columns = cli_columns(word, n);
		bool first = at == column;

		if (!first && width && at + 1 + columns > width) {
			printf("\n%*s", (int)column, "");
			at = column;
			first = true;
		}
		printf("%s%.*s", first ? "" : " ", (int)n, word);
		at += (unsigned)columns + !first;
		word += n;
		word += strspn(word, " ");
	}
	putchar('\n');
	free(text);
}
