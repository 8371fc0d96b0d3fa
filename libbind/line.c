/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line of state: "CRC verb key=value …". One line is one write, so that a kill leaves whole
 * lines; the checksum tells a torn or foreign one all the same. */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "internal.h"

#define CRC_DIGITS 8

/* CRC-32 (IEEE 802.3), bit by bit: the lines are short and few. */
static uint32_t crc32_of(const char *text, size_t n)
{
	uint32_t crc = 0xffffffff;

	while (n--) {
		crc ^= (unsigned char)*text++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static const char *crc_format(const char *text, size_t n, char buf[CRC_DIGITS + 1])
{
	snprintf(buf, CRC_DIGITS + 1, "%08" PRIx32, crc32_of(text, n));
	return buf;
}

static void line_append(struct pvb_line *line, const char *fmt, ...) PVB_PRINTF(2, 3);
static void line_append(struct pvb_line *line, const char *fmt, ...)
{
	size_t room = sizeof(line->text) - line->size;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line->text + line->size, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		line->overflow = true;
	else
		line->size += (size_t)n;
}

void pvb_line_start(struct pvb_line *line, const char *verb)
{
	line->size = 0;
	line->overflow = false;
	line_append(line, "%0*u %s", CRC_DIGITS, 0u, verb);
}

void pvb_line_text(struct pvb_line *line, const char *key, const char *value)
{
	line_append(line, " %s=", key);
	for (; *value; value++)
		if (isalnum((unsigned char)*value) || strchr("._:/+,-", *value))
			line_append(line, "%c", *value);
		else
			line_append(line, "%%%02x", (unsigned char)*value);
}

void pvb_line_number(struct pvb_line *line, const char *key, int64_t value)
{
	line_append(line, " %s=%" PRId64, key, value);
}

int pvb_line_finish(struct pvb_line *line)
{
	char crc[CRC_DIGITS + 1];

	if (!line->overflow) {
		memcpy(line->text, crc_format(line->text + CRC_DIGITS, line->size - CRC_DIGITS, crc), CRC_DIGITS);
		line_append(line, "\n");
	}
	return line->overflow ? -E2BIG : 0;
}

const char *pvb_line_check(char *text, char **next)
{
	char *end = strchr(text, '\n'), crc[CRC_DIGITS + 1];
	size_t n;

	if (!end)
		return NULL; /* torn, or the end */
	*end = '\0';
	*next = end + 1;
	n = (size_t)(end - text);
	if (n <= CRC_DIGITS + 1 || text[CRC_DIGITS] != ' ')
		return NULL;
	/* As it is written and no other way: strtoul() would take blanks, signs and capitals. */
	if (memcmp(text, crc_format(text + CRC_DIGITS, n - CRC_DIGITS, crc), CRC_DIGITS) != 0)
		return NULL;
	return text + CRC_DIGITS + 1;
}

bool pvb_line_is(const char *body, const char *verb)
{
	size_t n = strlen(verb);

	return !strncmp(body, verb, n) && (body[n] == ' ' || !body[n]);
}

static const char *value_find(const char *body, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = strchr(body, ' '); p; p = strchr(p + 1, ' '))
		if (!strncmp(p + 1, key, n) && p[1 + n] == '=')
			return p + n + 2;
	return NULL;
}

static char char_decode(const char **p)
{
	char hex[3] = "", c = *(*p)++;

	if (c != '%' || !isxdigit((unsigned char)(*p)[0]) || !isxdigit((unsigned char)(*p)[1]))
		return c;
	memcpy(hex, *p, 2);
	*p += 2;
	return (char)strtoul(hex, NULL, 16);
}

int pvb_line_get(const char *body, const char *key, char *buf, size_t size)
{
	const char *p = value_find(body, key);
	size_t n = 0;

	*buf = '\0';
	if (!p)
		return -ENOENT;
	while (*p && *p != ' ') {
		if (n + 1 >= size) {
			*buf = '\0';
			return -ENOBUFS;
		}
		buf[n++] = char_decode(&p);
	}
	buf[n] = '\0';
	return 0;
}

int64_t pvb_line_get_number(const char *body, const char *key, int64_t fallback)
{
	const char *p = value_find(body, key);
	int64_t value;

	return p && sscanf(p, "%" SCNd64, &value) == 1 ? value : fallback;
}
