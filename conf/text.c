/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines, words, ids and places: what every file of ours is made of. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf.h"

int conf_at_error(const struct conf_at *at, struct pvb_err *err, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return pvb_err_set(err, -EINVAL, "%s:%u: %s", at->file, at->line, text);
}

bool conf_line_next(struct conf_lines *lines)
{
	char *end;

	if (lines->left == 0)
		return false;
	lines->number++;
	lines->line = lines->next;
	end = memchr(lines->next, '\n', lines->left);
	lines->size = end ? (size_t)(end - lines->line) : lines->left;
	lines->next += lines->size + (end != NULL);
	lines->left -= lines->size + (end != NULL);
	if (lines->size && lines->line[lines->size - 1] == '\r')
		lines->size--;
	lines->line[lines->size] = '\0';
	return true;
}

char *conf_trim(char *text)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	end = strchr(text, '\0');
	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return text;
}

bool conf_bool_parse(const char *text, bool *value)
{
	static const char *const words[][2] = { { "0", "1" }, { "off", "on" }, { "no", "yes" }, { "false", "true" } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (int truth = 0; truth < 2; truth++)
			if (!strcasecmp(text, words[i][truth])) {
				*value = truth;
				return true;
			}
	return false;
}

bool conf_copy(char *to, size_t size, const char *from)
{
	int n = snprintf(to, size, "%s", from);

	return n >= 0 && (size_t)n < size;
}

bool conf_name_valid(const char *text, size_t size)
{
	size_t n = 0;

	if (!isalnum((unsigned char)*text) && *text != '_')
		return false;
	while (isalnum((unsigned char)text[n]) || (text[n] && strchr("._-", text[n])))
		n++;
	return !text[n] && n < size;
}

bool conf_number_parse(const char *text, unsigned long max, unsigned long *value)
{
	unsigned long number = 0;

	if (!isdigit((unsigned char)*text) || (*text == '0' && text[1]))
		return false;
	for (; isdigit((unsigned char)*text); text++) {
		number = number * 10 + (unsigned long)(*text - '0');
		if (number > max)
			return false;
	}
	*value = number;
	return !*text;
}

bool conf_part_next(char **rest, char **key, char **value)
{
	char *part, *equals;

	do {
		part = strsep(rest, ",");
		if (!part)
			return false;
		part = conf_trim(part);
	} while (!*part);
	equals = strchr(part, '=');
	if (equals)
		*equals = '\0';
	*key = equals ? part : NULL;
	*value = equals ? equals + 1 : part;
	return true;
}

/* Four hex digits at *p, and the character after them, which must be end. */
static bool hex4_take(const char **p, char end, uint16_t *value)
{
	char digits[5] = "";

	for (int i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)(*p)[i]))
			return false;
		digits[i] = (*p)[i];
	}
	if ((*p)[4] != end)
		return false;
	*p += end ? 5 : 4;
	*value = (uint16_t)strtoul(digits, NULL, 16);
	return true;
}

bool conf_id_parse(const char *text, struct conf_id *id)
{
	struct conf_id parsed = { .has_sub = strlen(text) > 9 };

	if (!hex4_take(&text, ':', &parsed.vendor) || !hex4_take(&text, parsed.has_sub ? ':' : '\0', &parsed.device))
		return false;
	if (parsed.has_sub && (!hex4_take(&text, ':', &parsed.subvendor) || !hex4_take(&text, '\0', &parsed.subdevice)))
		return false;
	*id = parsed;
	return true;
}

const char *conf_id_format(const struct conf_id *id, char buf[CONF_ID_MAX])
{
	int n = snprintf(buf, CONF_ID_MAX, "%04x:%04x", id->vendor, id->device);

	if (id->has_sub)
		snprintf(buf + n, CONF_ID_MAX - (size_t)n, ":%04x:%04x", id->subvendor, id->subdevice);
	return buf;
}

int conf_vmid_parse(const char *text, unsigned *vmid, struct pvb_err *err)
{
	unsigned long number;

	/* The bounds are PVE::JSONSchema's pve-vmid. */
	if (!text || !conf_number_parse(text, 999999999, &number) || number < 100)
		return pvb_err_set(err, -EINVAL, "'%.40s' is no VM number: give one from 100 to 999999999, as in 'qm list'",
				   text ? text : "");
	*vmid = (unsigned)number;
	return 0;
}

int conf_note_add(struct conf_notes *notes, enum pvb_level level, const char *fmt, ...)
{
	struct conf_note *note;
	va_list ap;

	if (notes->n >= CONF_NOTES_MAX)
		return 0;
	note = realloc(notes->list, (notes->n + 1) * sizeof(*note));
	if (!note)
		return -ENOMEM;
	notes->list = note;
	note += notes->n++;
	note->level = level;
	va_start(ap, fmt);
	vsnprintf(note->text, sizeof(note->text), fmt, ap);
	va_end(ap);
	return 0;
}

void conf_notes_clear(struct conf_notes *notes)
{
	free(notes->list);
	*notes = (struct conf_notes){ .n = 0 };
}

const char *conf_place(char *buf, size_t size, const char *file, unsigned line)
{
	if (line)
		snprintf(buf, size, "%s:%u", file, line);
	else
		snprintf(buf, size, "%s", file);
	return buf;
}

bool conf_has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = text + strspn(text, " \n"); *p; p += strcspn(p, " \n"), p += strspn(p, " \n"))
		if (strcspn(p, " \n") == n && !strncmp(p, word, n))
			return true;
	return false;
}
