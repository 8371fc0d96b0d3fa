/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvebind.ini. inih does the reading, but forgives too much for a file that decides over the
 * host's devices: it cuts long lines and reads on, stops at a NUL, continues values on indented lines,
 * puts keys after a broken header into the section before, never tells of an empty section.
 * So each line is checked, counted and stripped of its comment before inih sees it.
 */
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "conf.h"

#define SECTIONS_MAX 4096    /* bounds the memory a wrong file costs */
#define SECTION_NAME_MAX 49u /* inih cuts longer ones */

struct parser {
	struct conf_lines lines;
	struct conf_at at;
	unsigned vmid;
	const char *node;
	struct conf_sections *sections;
	struct conf_section *section; /* the current one */
	struct pvb_err *err;          /* code set: stop */
};

/* ---- headers ---------------------------------------------------------------- */

static bool section_is_double(const struct parser *p, const struct conf_section *section)
{
	for (size_t i = 0; i < p->sections->n; i++)
		if (!strcmp(p->sections->list[i]->title, section->title))
			return true;
	return false;
}

/* A fault in the section of another VM or node only warns: nodes may run different versions. */
static int section_fault(struct parser *p, struct conf_section *section)
{
	section->bad = section->foreign;
	if (!section->foreign)
		return p->err->code;
	if (conf_note_add(&p->sections->notes, PVB_WARNING, "%s; %s is ignored", p->err->text, section->title) < 0)
		return pvb_err_set(p->err, -ENOMEM, "out of memory");
	p->err->code = 0;
	return 0;
}

static bool kind_parse(const char *word, enum conf_kind *kind)
{
	static const char *const words[] = { [CONF_DEFAULTS] = "defaults", [CONF_DEVICE] = "device", [CONF_VM] = "vm" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(word, words[i])) {
			*kind = (enum conf_kind)i;
			return true;
		}
	return false;
}

/* What is between the kind and "@": a VM's number or a device's name. */
static int owner_parse(struct parser *p, struct conf_section *section, const char *name)
{
	struct pvb_err why;

	if (section->kind == CONF_VM) {
		if (conf_vmid_parse(name, &section->vmid, &why) < 0)
			return conf_at_error(&p->at, p->err, "%s: %s", section->title, why.text);
		section->foreign = p->vmid && section->vmid != p->vmid;
		return 0;
	}
	/* 'hostpci' would make "devices = hostpci" mean two things. */
	if (!conf_name_valid(name, PVB_NAME_MAX) || !strcmp(name, "hostpci"))
		return conf_at_error(&p->at, p->err,
				     "%s: '%s' cannot be a device's name: use letters, digits, '.', '_' and '-', and not hostpci",
				     section->title, name);
	return conf_copy(section->name, sizeof(section->name), name) ? 0 : -EINVAL;
}

/* "100@pve2", "gpu". */
static int subject_parse(struct parser *p, struct conf_section *section, char *subject)
{
	char *node = strchr(subject, '@');
	int r;

	if (node)
		*node++ = '\0';
	section->for_node = node != NULL;
	r = owner_parse(p, section, subject);
	if (r < 0 || !node)
		return r;
	if (!conf_name_valid(node, PVB_NAME_MAX)) {
		conf_at_error(&p->at, p->err, "%s: '%s' is no node's name: correct it", section->title, node);
		return section_fault(p, section);
	}
	section->foreign = section->foreign || strcmp(node, p->node);
	return 0;
}

/* text: what is between the brackets; it is cut up. */
static int title_parse(struct parser *p, struct conf_section *section, char *text)
{
	char *save = NULL, *kind = strtok_r(text, " \t", &save), *subject = strtok_r(NULL, " \t", &save);
	bool known = kind && kind_parse(kind, &section->kind);

	snprintf(section->title, sizeof(section->title), "[%s%s%s]", kind ? kind : "", subject ? " " : "",
		 subject ? subject : "");
	if (!known || strtok_r(NULL, " \t", &save) || (subject != NULL) != (section->kind != CONF_DEFAULTS))
		return conf_at_error(&p->at, p->err,
				     "unknown section %s: there are [defaults], [device NAME], [device NAME@NODE], [vm ID] and [vm ID@NODE]",
				     section->title);
	return subject ? subject_parse(p, section, subject) : 0;
}

static int section_add(struct parser *p, struct conf_section *section)
{
	struct conf_sections *all = p->sections;
	struct conf_section **more = realloc(all->list, (all->n + 1) * sizeof(struct conf_section *));

	if (!more)
		return pvb_err_set(p->err, -ENOMEM, "out of memory");
	all->list = more;
	p->section = all->list[all->n++] = section;
	return 0;
}

static int section_begin(struct parser *p, char *text)
{
	_conf_free_ struct conf_section *section = calloc(1, sizeof(*section));
	int r;

	if (!section)
		return pvb_err_set(p->err, -ENOMEM, "out of memory");
	if (p->sections->n == SECTIONS_MAX)
		return conf_at_error(&p->at, p->err, "more than %d sections: remove some", SECTIONS_MAX);
	section->line = p->at.line;
	r = title_parse(p, section, text);
	if (r < 0)
		return r;
	if (section_is_double(p, section)) {
		conf_at_error(&p->at, p->err, "%s is there twice: merge them", section->title);
		r = section_fault(p, section);
	}
	if (r == 0)
		r = section_add(p, section);
	if (r == 0)
		section = NULL;
	return r;
}

/* ---- lines ------------------------------------------------------------------- */

/* "[vm 100]", with nothing behind it. */
static int header_check(struct parser *p, char *line)
{
	char *end = strchr(line, ']');

	if (!end || end[1])
		return conf_at_error(&p->at, p->err,
				     "broken section header '%.60s': write [NAME], and comments behind ';'", line);
	if (end - line - 1 > (int)SECTION_NAME_MAX)
		return conf_at_error(&p->at, p->err, "section name of more than %u bytes: shorten it", SECTION_NAME_MAX);
	*end = '\0';
	return section_begin(p, line + 1);
}

static int key_check(struct parser *p, const char *line)
{
	const char *equals = strchr(line, '=');

	if (!equals || equals == line)
		return conf_at_error(&p->at, p->err,
				     "'%.60s' is neither [SECTION] nor KEY = VALUE: correct it, or make it a comment with ';'",
				     line);
	if (memchr(line, ':', (size_t)(equals - line)))
		return conf_at_error(&p->at, p->err, "'%.60s': a key is parted from its value by '=', not ':'", line);
	if (strstr(equals, " #") || strstr(equals, "\t#"))
		return conf_at_error(&p->at, p->err, "'%.60s': a comment behind a value begins with ';', not '#'", line);
	if (!p->section)
		return conf_at_error(&p->at, p->err,
				     "'%.60s' stands before any section: put it below [defaults] or [vm ID]", line);
	return 0;
}

/* Where a comment begins: a ";" or "#" that opens the line, a ";" after a blank. */
static void comment_cut(char *line)
{
	char *first = line + strspn(line, " \t");

	if (*first == ';' || *first == '#')
		*first = '\0';
	for (; *line; line++)
		if ((*line == ' ' || *line == '\t') && line[1] == ';')
			*line = '\0';
}

/* Check the current line, and make it what inih may see: no comment, no blanks around it. room: what inih's
 * buffer takes. A header is dealt with here, since inih does not tell of empty sections. */
static int line_check(struct parser *p, size_t room, char **out)
{
	char *line = p->lines.line;

	if (strlen(line) != p->lines.size)
		return conf_at_error(&p->at, p->err, "a NUL byte in the line: remove it");
	if (p->lines.size > room)
		return conf_at_error(&p->at, p->err,
				     "the line has %zu bytes, %zu is the most: shorten it (a list may go on in a second line with the same key)",
				     p->lines.size, room);
	comment_cut(line);
	*out = conf_trim(line);
	if (!**out)
		return 0;
	if (*out != line)
		return conf_at_error(&p->at, p->err, "the line is indented: begin it at the left edge");
	return *line == '[' ? header_check(p, line) : key_check(p, line);
}

/* The ini_reader: like fgets(). Of a header nothing is left for inih but "": keys go to p->section. */
static char *line_read(char *str, int num, void *stream)
{
	struct parser *p = stream;
	char *line = NULL;

	if (p->err->code || num < 3 || !conf_line_next(&p->lines))
		return NULL;
	p->at.line = p->lines.number;
	if (line_check(p, (size_t)num - 2, &line) < 0 || !line)
		return NULL;
	snprintf(str, (size_t)num, "%s\n", *line == '[' ? "" : line);
	return str;
}

/* The ini_handler. inih's own idea of the section is not asked. */
static int pair_take(void *user, const char *ignored, const char *key, const char *value)
{
	struct parser *p = user;
	struct conf_section *section = p->section;
	char copy[256];

	(void)ignored;
	if (p->err->code || section->bad)
		return 1;
	if (!conf_copy(copy, sizeof(copy), value ? value : ""))
		return conf_at_error(&p->at, p->err, "the value is too long: shorten it") == 0;
	if (conf_key_parse(section, &p->at, key, copy, p->err) < 0)
		return section_fault(p, section) == 0;
	return 1;
}

int conf_ini_parse(struct conf_sections *sections, const char *file, char *text, size_t size, unsigned vmid,
		   const char *node, struct pvb_err *err)
{
	static const char bom[] = "\xef\xbb\xbf";
	size_t skip = size >= 3 && !memcmp(text, bom, 3) ? 3 : 0; /* as editors on Windows write it */
	struct parser p = {
		.lines = { .next = text + skip, .left = size - skip },
		.at = { .file = file },
		.vmid = vmid,
		.node = node,
		.sections = sections,
		.err = err,
	};
	int line;

	*sections = (struct conf_sections){ .n = 0 };
	err->code = 0;
	line = ini_parse_stream(line_read, &p, pair_take, &p);
	/* Every line was checked, so this is a fault of ours, or inih's: never go on with half a file. */
	if (line && !err->code)
		return pvb_err_set(err, -EINVAL, "%s:%d: the line cannot be parsed: correct it", file, line);
	return err->code;
}

void conf_sections_clear(struct conf_sections *sections)
{
	for (size_t i = 0; i < sections->n; i++)
		free(sections->list[i]);
	free(sections->list);
	conf_notes_clear(&sections->notes);
	*sections = (struct conf_sections){ .n = 0 };
}
