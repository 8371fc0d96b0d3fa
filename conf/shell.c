/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Assignments of a shell script, read without a shell. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "shell.h"

#define VALUE_MAX 4096

const char *const shell_wanted[SHELL_WANTED] = { "GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT" };

/* ---- variables ---- */

static struct shell_variable *variable_find(struct shell *s, const char *name, size_t size)
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
	struct shell_step *step = &s->steps[s->num_steps];

	if (s->num_steps == SHELL_STEPS_MAX) {
		unsure(s, line);
		return;
	}
	*step = (struct shell_step){ .which = which, .value = strdup(value), .line = line };
	if (!step->value)
		s->result->error = -ENOMEM;
	else
		s->num_steps++;
	conf_copy(step->file, sizeof(step->file), s->file);
}

static void variable_set(struct shell *s, const char *name, size_t size, bool append, const char *value, unsigned line)
{
	struct shell_variable *variable = variable_find(s, name, size);
	char *all = NULL;

	if (!variable && (s->num_variables == SHELL_VARIABLES_MAX || size >= sizeof(variable->name))) {
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
	for (size_t i = 0; i < SHELL_WANTED; i++) {
		if (strcmp(variable->name, shell_wanted[i]) != 0)
			continue;
		if (variable->cut)
			unsure(s, line);
		s->assigned = true;
		if (i == SHELL_DEFAULT && !append) {
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
	struct shell_variable *variable;
	size_t n = 0;

	while (isalnum((unsigned char)name[n]) || name[n] == '_')
		n++;
	if (n == 0 || (brace && name[n] != '}')) {
		/* "${NAME:=…}" sets it. */
		for (size_t i = 0; i < SHELL_WANTED; i++)
			if (n && !strncmp(name, shell_wanted[i], n) && !shell_wanted[i][n] && (name[n] == '=' || !strncmp(name + n, ":=", 2)))
				unsure(s, s->line);
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
	s->word = true;
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
	/* Behind && and || a line may end, too. */
	if (c == ';' || (c == '\n' && s->word))
		s->conditional = false;
	s->conditional |= (c == '&' || c == '|') && *s->at == c;
	if (c == ' ' || c == '\t')
		return;
	s->command = true;
	s->word = s->assigned = false;
}

void shell_read(struct shell *s, const char *text)
{
	s->at = text;
	s->line = 1;
	s->depth = s->parens = 0;
	s->conditional = s->assigned = s->word = false;
	s->command = true;
	while (*s->at && !s->result->error)
		if (*s->at == '#') {
			s->at += strcspn(s->at, "\n");
		} else if (*s->at == '\\' && s->at[1] == '\n') { /* the line goes on */
			s->at += 2;
			s->line++;
		}
		else if (strchr(" \t\n;&|()", *s->at))
			separator_read(s);
		else
			word_read(s);
}

const struct shell_variable *shell_variable(const struct shell *s, const char *name)
{
	return variable_find((struct shell *)(uintptr_t)s, name, strlen(name));
}

void shell_clear(struct shell *s)
{
	for (size_t i = 0; i < s->num_variables; i++)
		free(s->variables[i].value);
	for (size_t i = 0; i < s->num_steps; i++)
		free(s->steps[i].value);
	s->num_variables = s->num_steps = 0;
}
