/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON values. Memory that runs out makes null of a value. */
#include <string.h>

#include "cli.h"

/* Bytes of the UTF-8 character at text, 0 when there is none. Overlong forms and surrogates are none. */
static size_t utf8_length(const unsigned char *text)
{
	static const struct { unsigned char first, last, low, high; size_t n; } forms[] = {
		{ 0x00, 0x7f, 0x80, 0xbf, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t n = 1;

		if (*text < forms[i].first || *text > forms[i].last)
			continue;
		if (forms[i].n > 1 && (text[1] < forms[i].low || text[1] > forms[i].high))
			return 0;
		while (n < forms[i].n && (text[n] & 0xc0) == 0x80)
			n++;
		return n == forms[i].n ? n : 0;
	}
	return 0;
}

struct json_object *cli_json_text(const char *text)
{
	_conf_free_ char *clean = strdup(text);

	if (!clean)
		return NULL;
	/* Configurations may hold any byte, and sentences may be cut within a character. */
	for (char *c = clean; *c;) {
		size_t n = utf8_length((const unsigned char *)c);

		if (n == 0)
			*c = '?';
		c += n ? n : 1;
	}
	return json_object_new_string(clean);
}

struct json_object *cli_json_text_or_null(const char *text)
{
	return *text ? cli_json_text(text) : NULL;
}

struct json_object *cli_json_addr(const struct pvb_addr *addr)
{
	char text[PVB_ADDR_MAX];

	return cli_json_text(pvb_addr_format(addr, text));
}

struct json_object *cli_json_notes(const struct conf_notes *notes)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < notes->n; i++)
		json_object_array_add(list, cli_json_text(notes->list[i].text));
	return list;
}

void cli_json_print(struct json_object *value)
{
	puts(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
						   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(value);
}
