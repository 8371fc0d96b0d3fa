/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The language of tests/machines; see machine.h. */
#define _GNU_SOURCE
#include "machineparts.h"

#include <dirent.h>
#include <ftw.h>
#include <stdlib.h>

int machine_fail(struct machine *m, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(m->error, sizeof(m->error), "%s:%u: %s", m->script->path, m->line->number, text);
	return -1;
}

/* ---- the machine ------------------------------------------------------------------------ */

static int do_iommu(struct machine *m, const struct script_words *w)
{
	m->amd = !strcmp(w->word[1], "amd");
	m->no_iommu = !strcmp(w->word[1], "none");
	m->t->no_iommu = m->no_iommu;
	if (!m->amd && !m->no_iommu && strcmp(w->word[1], "intel") != 0)
		return machine_fail(m, "iommu is intel, amd or none");
	return 0;
}

static int do_source(struct machine *m, const struct script_words *w)
{
	snprintf(m->source, sizeof(m->source), "%s", w->raw[1]);
	return 0;
}

static int do_ask(struct machine *m, const struct script_words *w)
{
	snprintf(m->ask, sizeof(m->ask), "%s", w->n > 1 ? w->raw[1] : "");
	return 0;
}

/* ---- what is expected ------------------------------------------------------------------------ */

static bool verdict_known(const char *verdict)
{
	static const char *const verdicts[] = { "ok", "unknown", "warn", "fail", "none" };

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (!strcmp(verdicts[i], verdict))
			return true;
	return false;
}

int machine_expect_parse(const struct script *s, const struct script_line *line, struct machine_expect *expect)
{
	struct script_words w;
	char *at;
	int r = -1;

	*expect = (struct machine_expect){ .file = s->path, .line = line->number };
	if (script_split(&w, line->text) == 0 && (w.n == 3 || w.n == 4) && !strcmp(w.word[0], "expect") && verdict_known(w.word[2])) {
		at = strchr(w.word[1], '@');
		if (at) {
			*at = '\0';
			snprintf(expect->about, sizeof(expect->about), "%s", at + 1);
		}
		snprintf(expect->id, sizeof(expect->id), "%s", w.word[1]);
		snprintf(expect->verdict, sizeof(expect->verdict), "%s", w.word[2]);
		snprintf(expect->words, sizeof(expect->words), "%s", w.n == 4 ? w.word[3] : "");
		r = 0;
	}
	script_words_free(&w);
	return r;
}

static int do_expect(struct machine *m, const struct script_words *w)
{
	struct machine_expect expect;

	(void)w;
	if (machine_expect_parse(m->script, m->line, &expect) < 0)
		return machine_fail(m, "write: expect ID[@ADDRESS] ok|unknown|warn|fail|none [\"words\"]");
	m->expect = reallocarray(m->expect, m->num_expect + 1, sizeof(*m->expect));
	if (!m->expect)
		ft_fail("expect");
	m->expect[m->num_expect++] = expect;
	return 0;
}

/* ---- the words --------------------------------------------------------------------------------- */

static int do_base(struct machine *m, const struct script_words *w);
static int do_part(struct machine *m, const struct script_words *w);

static const struct {
	const char *name;
	int least, most; /* words behind it */
	int (*act)(struct machine *m, const struct script_words *w);
} verbs[] = {
	{ "source", 1, 40, do_source }, { "base", 1, 1, do_base }, { "ask", 0, 40, do_ask }, { "expect", 2, 3, do_expect },
	{ "write", 1, 1000, machine_write }, { "file", 1, 1, machine_file }, { "append", 1, 1000, machine_append },
	{ "replace", 2, 3, machine_replace }, { "link", 2, 2, machine_link }, { "mkdir", 1, 1, machine_mkdir }, { "move", 2, 2, machine_move }, { "remove", 1, 40, machine_remove },
	{ "mode", 2, 2, machine_mode }, { "age", 2, 2, machine_age }, { "vm", 1, 1, machine_vm }, { "iommu", 1, 1, do_iommu },
	{ "pci", 2, 40, machine_pci }, { "unplug", 1, 1, machine_unplug }, { "attr", 2, 1000, machine_attr },
	{ "net", 2, 3, machine_net }, { "nvme", 2, 3, machine_nvme }, { "framebuffer", 2, 2, machine_framebuffer },
	{ "firmware", 2, 2, machine_firmware }, { "console", 0, 0, machine_console }, { "process", 3, 40, machine_process },
	{ "vfio", 0, 0, machine_vfio }, { "module", 1, 3, machine_module }, { "builtin", 1, 40, machine_builtin },
	{ "package", 2, 3, machine_package }, { "efi", 2, 40, machine_efi }, { "hex", 1, 40, machine_hex },
	{ "rom", 2, 3, machine_rom }, { "program", 1, 1, machine_program }, { "player", 1, 1, machine_player },
	{ "disk", 3, 4, machine_disk }, { "mapped", 4, 9, machine_mapped }, { "mount", 3, 4, machine_mount },
	{ "bridge", 2, 3, machine_bridge }, { "modules", 1, 1, machine_modules }, { "part", 1, 1, do_part },
	{ "dmar", 0, 9, machine_dmar }, { "ivrs", 0, 0, machine_ivrs },
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

/* What is free text is not split: only its first words are. */
static bool is_text(const char *line)
{
	static const char *const free_text[] = { "write ", "append ", "attr ", "source " };

	for (size_t i = 0; i < sizeof(free_text) / sizeof(free_text[0]); i++)
		if (!strncmp(line, free_text[i], strlen(free_text[i])))
			return true;
	return false;
}

/* The line's words; of free text, as many as there are before it and it as one. */
static int words_take(struct machine *m, struct script_words *w)
{
	const char *text = m->line->text;
	int before = strncmp(text, "attr ", 5) ? strncmp(text, "source ", 7) ? 2 : 1 : 3;

	if (!is_text(text))
		return script_split(w, text);
	*w = (struct script_words){ .memory = strdup(text) };
	for (char *p = w->memory; *p && w->n <= before; p += strspn(p, " \t")) {
		w->raw[w->n] = text + (p - w->memory);
		w->word[w->n++] = p;
		p += w->n <= before ? strcspn(p, " \t") : strlen(p);
		if (*p)
			*p++ = '\0';
	}
	return 0;
}

static int line_run(struct machine *m)
{
	struct script_words w;
	int r = words_take(m, &w);
	size_t i = 0;

	if (r < 0) {
		r = machine_fail(m, "a quote is open, or there are too many words");
	} else {
		while (i < VERBS && strcmp(verbs[i].name, w.word[0]) != 0)
			i++;
		if (i == VERBS)
			r = machine_fail(m, "there is no word '%s'", w.word[0]);
		else if (w.n - 1 < verbs[i].least || w.n - 1 > verbs[i].most)
			r = machine_fail(m, "'%s' takes %d to %d words", w.word[0], verbs[i].least, verbs[i].most);
		else
			r = verbs[i].act(m, &w);
	}
	script_words_free(&w);
	return r;
}

int machine_run(struct machine *m, const struct script *s, size_t from, size_t to)
{
	const struct script *outer = m->script;
	const struct script_line *line = m->line;
	int r = 0;

	for (size_t i = from; r == 0 && i < to; i++) {
		m->script = s;
		m->line = &s->lines[i];
		r = line_run(m);
	}
	m->script = outer;
	m->line = line;
	return r;
}

static int file_run(struct machine *m, const char *name, const char *kind)
{
	struct script *s = m->num_scripts < sizeof(m->scripts) / sizeof(m->scripts[0]) ? malloc(sizeof(*s)) : NULL;
	char path[PATH_MAX];

	if (!s)
		ft_fail(name);
	m->scripts[m->num_scripts++] = s;
	snprintf(path, sizeof(path), MACHINE_FOLDER "/%s.%s", name, kind);
	if (script_load(s, path) < 0) {
		snprintf(m->error, sizeof(m->error), "%s", s->error);
		return -1;
	}
	return machine_run(m, s, 0, s->n);
}

/* What is expected of that one as it is says nothing of this one. */
static int do_base(struct machine *m, const struct script_words *w)
{
	int r = file_run(m, w->word[1], "machine");

	m->num_expect = 0;
	return r;
}

/* What many machines have; no machine by itself, so it is not expected anything of. */
static int do_part(struct machine *m, const struct script_words *w)
{
	return file_run(m, w->word[1], "part");
}

struct machine *machine_new(const char *name)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->t = ft_new();
	file_run(m, name, "machine");
	return m;
}

/* ---- the end -------------------------------------------------------------------------------------- */

/* As the driver of the IOMMU shows it: dmar0 (made with the first group), or ivhd0, or none and no groups. */
static void iommu_finish(struct machine *m)
{
	static const char intel[] = "sys/class/iommu/dmar0", amd[] = "sys/class/iommu/ivhd0";

	if (m->amd && ft_exists(m->t, intel)) {
		ft_remove(m->t, intel);
		ft_attr(m->t, fk_path("%s/amd-iommu", amd).s, "features", "4f77ef22294ada\n");
	}
	if (!m->no_iommu)
		return;
	ft_remove(m->t, intel);
	ft_remove(m->t, "sys/kernel/iommu_groups");
	ft_mkdir(m->t, "sys/kernel/iommu_groups");
	for (size_t i = 0; i < m->num_functions; i++)
		ft_remove(m->t, fk_path("sys/bus/pci/devices/%s/iommu_group", m->functions[i].bdf).s);
}

/* Every group has the window of the interrupt messages; more is appended by who has it. */
static void groups_finish(struct machine *m)
{
	int fd = openat(m->t->fd, "sys/kernel/iommu_groups", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool pt = strstr(ft_read(m->t, "proc/cmdline"), "iommu=pt") != NULL;
	bool strict = strstr(ft_read(m->t, "proc/cmdline"), "iommu.strict=1") != NULL;

	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		struct fk_path own = fk_path("sys/kernel/iommu_groups/%s", entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		if (!strcmp(ft_read(m->t, fk_path("%s/type", own.s).s), "DMA"))
			ft_attr(m->t, own.s, "type", pt ? "identity\n" : strict ? "DMA\n" : "DMA-FQ\n");
		if (!ft_exists(m->t, fk_path("%s/reserved_regions", own.s).s))
			ft_attr(m->t, own.s, "reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n");
	}
	if (dir)
		closedir(dir);
}

/* Files are all as old as each other, but for those whose age was said. */
static int entry_age(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	struct timespec times[2] = { { .tv_sec = MACHINE_MOMENT - 86400 }, { .tv_sec = MACHINE_MOMENT - 86400 } };

	(void)kind;
	(void)ftw;
	if (st->st_mtim.tv_sec > MACHINE_MOMENT && utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) < 0)
		ft_fail(path);
	return 0;
}

static void ages_finish(struct machine *m)
{
	static const char *const tops[] = { "boot", "etc", "lib", "usr", "var" };

	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
		nftw(fk_path("%s/%s", m->t->path, tops[i]).s, entry_age, 32, FTW_DEPTH | FTW_PHYS);
}

void machine_finish(struct machine *m)
{
	ages_finish(m);
	iommu_finish(m);
	groups_finish(m);
	machine_pci_finish(m);
	machine_modules_finish(m);
	/* Kernel's own, of no machine. */
	ft_remove(m->t, ".kernel");
}

void machine_free(struct machine *m, bool keep)
{
	machine_pci_free(m);
	if (!keep)
		ft_free(m->t);
	for (size_t i = 0; i < m->num_scripts; i++) {
		script_free(m->scripts[i]);
		free(m->scripts[i]);
	}
	free(m->expect);
	free(m);
}
