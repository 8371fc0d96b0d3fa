/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line of state: "CRC verb key=value …". One line is one write, so that a kill leaves whole
 * lines; the checksum tells a torn or foreign one all the same. */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "internal.h"

#define CRC_DIGITS 8

/* CRC-32 (IEEE 802.3), four bits at a time. */
static uint32_t crc32_of(const char *text, size_t n)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = 0xffffffff;

	while (n--) {
		crc ^= (unsigned char)*text++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
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
	size_t room = line->room - line->size;
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

void pvb_line_start(struct pvb_line *line, char *buf, size_t room, const char *verb)
{
	*line = (struct pvb_line){ .text = buf, .room = room };
	line_append(line, "%0*u %s", CRC_DIGITS, 0u, verb);
}

/* As line_append() of one character, of which texts have hundreds. */
static void char_append(struct pvb_line *line, char c)
{
	if (line->size + 1 >= line->room)
		line->overflow = true;
	else
		line->text[line->size++] = c;
}

static void key_append(struct pvb_line *line, const char *key)
{
	char_append(line, ' ');
	while (*key)
		char_append(line, *key++);
	char_append(line, '=');
}

void pvb_line_text(struct pvb_line *line, const char *key, const char *value)
{
	key_append(line, key);
	for (; *value; value++)
		if (isalnum((unsigned char)*value) || strchr("._:/+,-", *value))
			char_append(line, *value);
		else
			line_append(line, "%%%02x", (unsigned char)*value);
}

void pvb_line_number(struct pvb_line *line, const char *key, int64_t value)
{
	key_append(line, key);
	line_append(line, "%" PRId64, value);
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

	return body && !strncmp(body, verb, n) && (body[n] == ' ' || !body[n]);
}

static const char *value_find(const char *body, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = body ? strchr(body, ' ') : NULL; p; p = strchr(p + 1, ' '))
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
	char *end;
	int64_t value;

	if (!p)
		return fallback;
	value = strtoll(p, &end, 10);
	return end > p ? value : fallback;
}
