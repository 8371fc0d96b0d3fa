/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What /etc/default/grub and /etc/default/grub.d/ come to: shell that grub-mkconfig sources, in this order. Read as far as
 * assignments go: quotes, "+=", lines that go on, variables set here. What only a shell can tell (a condition, a command's
 * output, a file that is read in) makes the answer unsure. A carriage return is no blank to the shell, but part of the word.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "configured.h"

#define FILE_MAX (1 << 18)
#define VALUE_MAX 4096
#define VARIABLES_MAX 64
#define STEPS_MAX 64

/* An entry's command line is both, in this order (/etc/grub.d/10_linux). */
static const char *const wanted[] = { "GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT" };
#define DEFAULT 1
#define WANTED (sizeof(wanted) / sizeof(wanted[0]))

struct variable {
	char name[64];
	char *value; /* malloced */
	bool cut;    /* it depends on what is not known here */
};

/* What one of the two was set to, and where: each word stands where it first came to be in it. */
struct step {
	size_t which;
	char *value; /* malloced */
	char file[80];
	unsigned line;
};

struct shell {
	const char *at;
	char file[80];
	unsigned line;
	unsigned depth;    /* of if, case, for, while, {} */
	unsigned parens;   /* of (), which are a shell of their own */
	bool conditional;  /* behind && or || */
	bool command;      /* the next word can be a command's name */
	bool assigned;     /* one of the two was set before it */
	bool cut;          /* the value that is read depends on what is not known here */
	struct variable variables[VARIABLES_MAX];
	size_t num_variables;
	struct step steps[STEPS_MAX];
	size_t num_steps;
	struct configured *result;
	const char *as_path, *as_text; /* what this file is taken to say; NULL: what it says */
};

/* ---- variables ---- */

static struct variable *variable_find(struct shell *s, const char *name, size_t size)
{
	for (size_t i = 0; i < s->num_variables; i++)
		if (strlen(s->variables[i].name) == size && !strncmp(s->variables[i].name, name, size))
			return &s->variables[i];
	return NULL;
}

static void unsure(struct shell *s, unsigned line)
{
	if (!*s->result->unsure)
		conf_place(s->result->unsure, sizeof(s->result->unsure), s->file, line);
}

static void step_add(struct shell *s, size_t which, const char *value, unsigned line)
{
	struct step *step = &s->steps[s->num_steps];

	if (s->num_steps == STEPS_MAX) {
		unsure(s, line);
		return;
	}
	*step = (struct step){ .which = which, .value = strdup(value), .line = line };
	if (!step->value)
		s->result->error = -ENOMEM;
	else
		s->num_steps++;
	conf_copy(step->file, sizeof(step->file), s->file);
}

static void variable_set(struct shell *s, const char *name, size_t size, bool append, const char *value, unsigned line)
{
	struct variable *variable = variable_find(s, name, size);
	char *all = NULL;

	if (!variable && (s->num_variables == VARIABLES_MAX || size >= sizeof(variable->name))) {
		unsure(s, line);
		return;
	}
	if (asprintf(&all, "%s%s", append && variable ? variable->value : "", value) < 0) {
		s->result->error = -ENOMEM;
		return;
	}
	if (!variable) {
		variable = &s->variables[s->num_variables++];
		memcpy(variable->name, name, size);
	}
	free(variable->value);
	variable->value = all;
	variable->cut = (append && variable->cut) || s->cut || s->depth || s->parens || s->conditional;
	for (size_t i = 0; i < WANTED; i++) {
		if (strcmp(variable->name, wanted[i]) != 0)
			continue;
		if (variable->cut)
			unsure(s, line);
		s->assigned = true;
		if (i == DEFAULT && !append) {
			conf_copy(s->result->set_file, sizeof(s->result->set_file), s->file);
			s->result->set_line = line;
		}
		step_add(s, i, all, line);
	}
}

/* ---- words ---- */

struct value {
	char text[VALUE_MAX];
	size_t n;
};

static void value_put(struct shell *s, struct value *v, char c)
{
	if (v->n + 1 < sizeof(v->text))
		v->text[v->n++] = c;
	else
		s->cut = true;
	v->text[v->n] = '\0';
}

/* Behind the end of the quoted string here. */
static const char *quote_end(const char *at)
{
	char quote = *at++;

	while (*at && *at != quote)
		at += 1 + (quote != '\'' && *at == '\\' && at[1]);
	return at + (*at == quote);
}

/* "`…`", "$(…)": a shell of its own, which sets nothing here. What it says is not known. */
static void value_command(struct shell *s)
{
	const char *from = s->at, *at = from + 2;
	unsigned depth = 1;

	for (; *from == '$' && *at && depth; at = strchr("'\"`", *at) ? quote_end(at) : at + 1 + (*at == '\\' && at[1]))
		depth += (unsigned)(*at == '(') - (unsigned)(*at == ')');
	s->at = *from == '`' ? quote_end(from) : at;
	s->cut = true;
	for (; from < s->at; from++)
		s->line += *from == '\n';
}

/* "$NAME", "${NAME}"; anything else with a "$" is for the shell. */
static void value_expand(struct shell *s, struct value *v)
{
	bool brace = s->at[1] == '{';
	const char *name = s->at + 1 + brace;
	struct variable *variable;
	size_t n = 0;

	while (isalnum((unsigned char)name[n]) || name[n] == '_')
		n++;
	if (n == 0 || (brace && name[n] != '}')) {
		s->cut = true;
		value_put(s, v, *s->at++);
		return;
	}
	variable = variable_find(s, name, n);
	for (const char *c = variable ? variable->value : ""; *c; c++)
		value_put(s, v, *c);
	s->cut |= variable && variable->cut;
	s->at = name + n + brace;
}

/* One character inside double quotes, or outside all. */
static void value_character(struct shell *s, struct value *v, bool quoted)
{
	char next = s->at[1];

	if (*s->at == '`' || (*s->at == '$' && next == '(')) {
		value_command(s);
		return;
	}
	if (*s->at == '$') {
		value_expand(s, v);
		return;
	}
	if (*s->at == '\\' && next && (!quoted || strchr("$`\"\\\n", next))) {
		s->line += next == '\n';
		if (next != '\n')
			value_put(s, v, next);
		s->at += 2;
		return;
	}
	s->line += *s->at == '\n';
	value_put(s, v, *s->at++);
}

static void value_quoted(struct shell *s, struct value *v)
{
	char quote = *s->at++;

	while (*s->at && *s->at != quote) {
		if (quote == '"') {
			value_character(s, v, true);
			continue;
		}
		s->line += *s->at == '\n';
		value_put(s, v, *s->at++);
	}
	s->at += *s->at == quote;
}

/* Up to the word's end. */
static void value_read(struct shell *s, struct value *v)
{
	v->n = 0;
	*v->text = '\0';
	s->cut = false;
	while (*s->at && !strchr(" \t\n;&|()", *s->at)) {
		/* Lines that are no commands follow. */
		if (*s->at == '<' && s->at[1] == '<')
			unsure(s, s->line);
		if (*s->at == '"' || *s->at == '\'')
			value_quoted(s, v);
		else
			value_character(s, v, false);
	}
}

/* ---- statements ---- */

/* "NAME=" or "NAME+=" here: the length of NAME; 0: it is none. */
static size_t assignment_here(const char *at, bool *append)
{
	size_t n = 0;

	while (isalnum((unsigned char)at[n]) || at[n] == '_')
		n++;
	*append = at[n] == '+';
	return at[n + *append] == '=' && !isdigit((unsigned char)*at) ? n : 0;
}

static bool word_in(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(word, list[i]))
			return true;
	return false;
}
#define WORD_IN(word, list) word_in(word, list, sizeof(list) / sizeof((list)[0]))

/* A word where a command's name can be. Some set, or leave out, what cannot be told here. */
static void command_see(struct shell *s, const char *word, unsigned line)
{
	static const char *const begins[] = { "if", "case", "for", "while", "until", "{" }, *const ends[] = { "fi", "esac", "done", "}" };
	static const char *const before[] = { "if", "while", "until", "{", "then", "else", "elif", "do", "!", "command", "builtin" };
	static const char *const doubtful[] = { ".", "source", "eval", "unset", "read", "exec", "exit", "return", "alias" };

	s->depth += WORD_IN(word, begins);
	s->depth -= s->depth && WORD_IN(word, ends);
	/* What is set before a command's name is set for that command alone. */
	if (s->cut || s->assigned || WORD_IN(word, doubtful))
		unsure(s, line);
	s->command = WORD_IN(word, before);
}

static void word_read(struct shell *s)
{
	unsigned line = s->line;
	const char *name = s->at;
	struct value value;
	bool append;
	size_t n = assignment_here(name, &append);

	s->at += n + (n && append) + (n > 0);
	value_read(s, &value);
	if (n)
		variable_set(s, name, n, append, value.text, line);
	else if (s->command)
		command_see(s, value.text, line);
}

/* One character between words. */
static void separator_read(struct shell *s)
{
	char c = *s->at++;

	s->line += c == '\n';
	s->parens += c == '(';
	s->parens -= c == ')' && s->parens;
	if (c == '\n' || c == ';')
		s->conditional = false;
	s->conditional |= (c == '&' || c == '|') && *s->at == c;
	if (c == ' ' || c == '\t')
		return;
	s->command = true;
	s->assigned = false;
}

static void shell_read(struct shell *s, const char *text)
{
	s->at = text;
	s->line = 1;
	s->depth = s->parens = 0;
	s->conditional = s->assigned = false;
	s->command = true;
	while (*s->at && !s->result->error)
		if (*s->at == '#')
			s->at += strcspn(s->at, "\n");
		else if (strchr(" \t\n;&|()", *s->at))
			separator_read(s);
		else
			word_read(s);
}

static int file_read(const struct pvb_ctx *ctx, struct shell *s, const char *path)
{
	bool as = s->as_path && !strcmp(path, s->as_path);
	_conf_free_ char *text = NULL;
	int r = as ? 0 : pvb_read_file(ctx, path, FILE_MAX, &text, NULL);

	if (r < 0)
		return r;
	conf_copy(s->file, sizeof(s->file), path);
	shell_read(s, as ? s->as_text : text);
	return s->result->error;
}

/* ---- the result ---- */

static bool value_has(const char *value, const char *word, size_t size)
{
	for (const char *at = value; (at = strstr(at, word)); at += size)
		if ((at == value || isspace((unsigned char)at[-1])) && (!at[size] || isspace((unsigned char)at[size])))
			return true;
	return false;
}

/* The step by which the word came into the variable, to be in it ever since. */
static const struct step *step_find(const struct shell *s, size_t which, const char *word)
{
	const struct step *found = NULL;
	bool had = false;

	for (size_t i = 0; i < s->num_steps; i++) {
		bool has = s->steps[i].which == which && value_has(s->steps[i].value, word, strlen(word));

		if (s->steps[i].which != which)
			continue;
		if (has && !had)
			found = &s->steps[i];
		had = has;
	}
	return found;
}

static void words_place(const struct shell *s, size_t which, struct configured *configured, size_t from)
{
	for (size_t i = from; i < configured->n; i++) {
		struct configured_word *word = &configured->words[i];
		const struct step *step = step_find(s, which, word->text);

		if (!step)
			continue;
		conf_copy(word->file, sizeof(word->file), step->file);
		word->line = step->line;
		conf_place(word->place, sizeof(word->place), word->file, word->line);
	}
}

static void shell_result(struct shell *s)
{
	for (size_t i = 0; i < WANTED && s->result->error == 0; i++) {
		const struct variable *variable = variable_find(s, wanted[i], strlen(wanted[i]));
		size_t from = s->result->n;

		if (variable)
			s->result->error = configured_add(s->result, variable->value, CONFIGURED_GRUB, 0);
		words_place(s, i, s->result, from);
	}
}

static void shell_free(struct shell *s)
{
	for (size_t i = 0; i < s->num_variables; i++)
		free(s->variables[i].value);
	for (size_t i = 0; i < s->num_steps; i++)
		free(s->steps[i].value);
	free(s);
}

void configured_grub_as(const struct pvb_ctx *ctx, const char *as_path, const char *as_text, struct configured *configured)
{
	struct shell *s = calloc(1, sizeof(*s));
	_conf_strv_ char **names = NULL;
	char path[80];

	*configured = (struct configured){ .error = s ? 0 : -ENOMEM };
	if (!s)
		return;
	s->result = configured;
	s->as_path = as_path;
	s->as_text = as_text;
	configured->error = file_read(ctx, s, CONFIGURED_GRUB);
	if (configured->error == 0)
		configured->error = pvb_sysfs_list(ctx, "etc/default/grub.d", &names);
	for (char **name = names; configured->error == 0 && *name; name++) {
		size_t n = strlen(*name);

		if (n <= 4 || **name == '.' || strcmp(*name + n - 4, ".cfg") != 0)
			continue;
		if ((size_t)snprintf(path, sizeof(path), CONFIGURED_GRUB ".d/%s", *name) < sizeof(path))
			configured->error = file_read(ctx, s, path);
		else if (!*configured->unsure)
			conf_copy(configured->unsure, sizeof(configured->unsure), CONFIGURED_GRUB ".d");
	}
	shell_result(s);
	shell_free(s);
}

void configured_grub(const struct pvb_ctx *ctx, struct configured *configured)
{
	configured_grub_as(ctx, NULL, NULL, configured);
}
