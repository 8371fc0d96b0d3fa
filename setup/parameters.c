/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which kernel parameters this host lacks, and which it has too many. */
#include <stdio.h>
#include <string.h>

#include "../conf/parameter.h"
#include "hostplan.h"

/* What the file that counts says, in a line. */
struct asked {
	struct hostplan *h;
	struct setup_point *point;
	struct word_changes *changes;
	char *line; /* malloced */
};

static void changes_refuse(struct asked *a)
{
	plan_refuse(a->h->plan, a->point, "there are too many words to change, or too long ones: tidy %s first", a->h->loader.file);
}

static void change_add(struct asked *a, enum word_act act, const char *word, const char *why)
{
	if (!words_add(a->changes, act, word, strlen(word), why))
		changes_refuse(a);
}

static char *words_join(const struct configured *configured)
{
	char *line = NULL;
	size_t size;
	FILE *out = open_memstream(&line, &size);

	for (size_t i = 0; out && i < configured->n; i++)
		fprintf(out, "%s%s", i ? " " : "", configured->words[i].text);
	if (!out || fclose(out) == 0)
		return line;
	free(line);
	return NULL;
}

/* ---- the IOMMU ---- */

/* The word without one of its comma-separated options: malloced; "" when none is left. */
static char *word_without(const char *word, size_t size, const char *value, const char *option)
{
	_conf_free_ char *copy = strndup(value, size - (size_t)(value - word));
	char *text = NULL, *save = NULL;
	size_t length;
	FILE *out = copy ? open_memstream(&text, &length) : NULL;
	bool any = false;

	if (!out)
		return NULL;
	for (char *one = strtok_r(copy, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		if (!strcmp(one, option))
			continue;
		if (any)
			fprintf(out, ",%s", one);
		else
			fprintf(out, "%.*s%s", (int)(value - word), word, one);
		any = true;
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* "off" goes from every word of the name, the options beside it stay. */
static void off_find(struct asked *a, const char *name)
{
	static const char why[] = "it switches the IOMMU off";
	const char *at = a->line, *word, *value;
	size_t size, value_size;

	while ((word = parameter_next(&at, &size))) {
		_conf_free_ char *one = strndup(word, size), *rest = NULL;

		if (!parameter_is(word, size, name, &value, &value_size) || !one || !parameter_option(one, name, "off"))
			continue;
		rest = word_without(word, size, value, "off");
		if (!rest)
			a->h->plan->error = -ENOMEM;
		else if (!*rest || parameter_has(a->line, rest, strlen(rest)))
			change_add(a, WORD_DROP, one, why);
		else if (!words_add_change(a->changes, one, size, rest, why))
			changes_refuse(a);
	}
}

/* Intel's integrated graphics, which some kernels leave out of the IOMMU. */
static bool graphics_wanted(const struct hostplan *h)
{
	for (size_t i = 0; h->snapshot && i < pvb_snapshot_count(h->snapshot); i++) {
		const struct pvb_function *fn = pvb_snapshot_get(h->snapshot, i);

		if (fn->vendor == 0x8086 && fn->class_code >> 16 == 0x03 && fn->addr.bus == 0 && fn->addr.dev == 2)
			return hostplan_wanted(h, fn);
	}
	return false;
}

/* Proxmox VE's kernels have it on by default from 6.8 on (its admin guide, "PCI(e) Passthrough"). */
static bool release_has_default(const char *release)
{
	unsigned major = 0, minor = 0;

	return strstr(release, "-pve") && sscanf(release, "%u.%u", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 8));
}

/* Whether this kernel has Intel's IOMMU off without being told. One of which that cannot be seen has: it does no harm. */
static bool kernel_needs(const struct hostplan *h, const struct kernel *kernel)
{
	int on = platform_kernel_built(h->ctx, kernel->release, "CONFIG_INTEL_IOMMU_DEFAULT_ON");
	int partly = platform_kernel_built(h->ctx, kernel->release, "CONFIG_INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF");

	if (on == 1 || (on < 0 && release_has_default(kernel->release)))
		return false;
	if (partly == 1)
		return graphics_wanted(h);
	return on == 0 || kernel != &h->kernels.running || platform_groups(h->ctx) <= 0 || !h->cmdline ||
	       parameter_switch(h->cmdline, "intel_iommu") == 1;
}

static void intel_find(struct asked *a)
{
	struct kernel *kernel;
	bool needs = false;

	if (parameter_switch(a->line, "intel_iommu") == 1)
		return;
	for (size_t i = 0; (kernel = kernels_get(&a->h->kernels, i)); i++)
		needs |= kernel_needs(a->h, kernel);
	off_find(a, "intel_iommu");
	/* One that "off" came behind. */
	if (parameter_option(a->line, "intel_iommu", "on"))
		return;
	if (needs || !kernels_get(&a->h->kernels, 0))
		change_add(a, WORD_ADD, "intel_iommu=on", "without it this kernel leaves Intel's IOMMU off");
}

static bool passthrough_built(const struct hostplan *h)
{
	struct hostplan *looked = (struct hostplan *)(uintptr_t)h;
	struct kernel *kernel;
	size_t n = 0;

	for (; (kernel = kernels_get(&looked->kernels, n)); n++)
		if (platform_kernel_built(h->ctx, kernel->release, "CONFIG_IOMMU_DEFAULT_PASSTHROUGH") != 1)
			return false;
	return n > 0;
}

/* Whether an option of the word's asks for what iommu=pt would undo: the host's own devices behind the IOMMU, without delay
 * (Linux, Documentation/admin-guide/kernel-parameters.txt). */
static bool word_is_against(const char *word)
{
	static const struct {
		const char *name, *option;
	} against[] = {
		{ "iommu", "nopt" }, { "iommu.passthrough", "0" }, { "iommu.passthrough", "n" }, { "iommu.passthrough", "off" },
		{ "iommu.strict", "1" }, { "iommu.strict", "y" }, { "iommu.strict", "on" }, { "intel_iommu", "strict" },
		{ "amd_iommu", "strict" }, { "amd_iommu", "fullflush" }, { "amd_iommu", "force_isolation" },
	};

	for (size_t i = 0; i < sizeof(against) / sizeof(*against); i++)
		if (parameter_option(word, against[i].name, against[i].option))
			return true;
	return false;
}

static void passthrough_find(struct asked *a)
{
	static const char *const there[] = { "1", "y", "on" };
	const struct configured *counts = &a->h->loader.counts;
	bool has = parameter_option(a->line, "iommu", "pt"), against = false;

	for (size_t i = 0; i < sizeof(there) / sizeof(*there); i++)
		has |= parameter_option(a->line, "iommu.passthrough", there[i]);
	for (size_t i = 0; !has && i < counts->n; i++) {
		if (!word_is_against(counts->words[i].text))
			continue;
		against = true;
		plan_hint(a->h->plan, SETUP_HINT_WARNING, counts->words[i].place,
			  "%s: somebody wants the host's own disks and network behind the IOMMU, so iommu=pt, which would spare them that, is not added; devices can be lent either way",
			  counts->words[i].text);
	}
	if (!has && !against && !passthrough_built(a->h))
		change_add(a, WORD_ADD, "iommu=pt", "the host's own disks and network go past the IOMMU, which costs them time otherwise");
}

static void iommu_find(struct asked *a)
{
	if (a->h->cpu.vendor == PLATFORM_OTHER)
		return;
	off_find(a, "iommu");
	/* AMD's is on by default, and no "on" is known (drivers/iommu/amd/init.c). */
	if (a->h->cpu.vendor == PLATFORM_INTEL)
		intel_find(a);
	else
		off_find(a, "amd_iommu");
	passthrough_find(a);
}

/* ---- the frame buffer ---- */

static const char *const rescue_words[] = { "nofb", "nomodeset", "video=efifb:off", "video=simplefb:off", "initcall_blacklist=sysfb_init" };

static void rescue_find(struct asked *a)
{
	for (size_t i = 0; i < sizeof(rescue_words) / sizeof(*rescue_words); i++)
		if (!parameter_has(a->line, rescue_words[i], strlen(rescue_words[i])))
			change_add(a, WORD_ADD, rescue_words[i], "last resort: the host is to leave the card's frame buffer alone");
}

/* ---- left over ---- */

static bool is_rescue(const char *word)
{
	for (size_t i = 0; i < sizeof(rescue_words) / sizeof(*rescue_words); i++)
		if (!strcmp(word, rescue_words[i]))
			return true;
	return false;
}

/* From Linux 6.0 on vfio-pci sends the firmware's frame buffer away itself. */
static bool kernels_send_away(const struct asked *a)
{
	const struct kernel *kernel;
	unsigned major = 0;
	size_t n = 0;

	for (; (kernel = kernels_get(&a->h->kernels, n)); n++)
		if (sscanf(kernel->release, "%u", &major) != 1 || major < 6)
			return false;
	return n > 0;
}

/* Whether the host can do without what --rescue-framebuffer gives: who put it there himself may need it, as for a graphics
 * driver that hangs (nomodeset). Only "video=…:off" does nothing more for a host whose kernels send that frame buffer away. */
static bool rescue_may_go(const struct asked *a, const struct configured_word *word)
{
	return (!strncmp(word->text, "video=", 6) && kernels_send_away(a)) || recorded_added(a->h->ctx, word);
}

static void rescue_tell(const struct asked *a, const struct configured_word *word)
{
	plan_hint(a->h->plan, SETUP_HINT_FIGHTS, word->place,
		  "%s: a last resort, which can keep the host's console away, and card and console from coming back from a VM; pvebind did not put it there and leaves it: take it out by hand if this host does not need it",
		  word->text);
}

/* Why the word is obsolete; NULL: it is not. */
static const char *obsolete_why(const struct asked *a, const char *word)
{
	enum platform_vendor vendor = a->h->cpu.vendor;

	if (!strcmp(word, "amd_iommu=on"))
		return "it is no option that the kernel knows, AMD's IOMMU is on by default";
	if (!strcmp(word, "intel_iommu=on") && vendor == PLATFORM_AMD)
		return "this host's processor is AMD's";
	return is_rescue(word) ? "a last resort of old kernels, which can keep the host's console away for good: from Linux 6.0 on vfio-pci sends the firmware's frame buffer away itself" : NULL;
}

/* Of these, one of two that are alike counts for nothing; of others (console=, earlyprintk) order may matter. */
static bool doubling_matters(const char *word)
{
	static const char *const names[] = { "intel_iommu=", "amd_iommu=", "iommu=", "vfio", "video=", "pcie_acs_override=", "quiet" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strncmp(word, names[i], strlen(names[i])))
			return true;
	return false;
}

static bool stands_again(const struct configured *configured, size_t i)
{
	for (size_t j = i + 1; j < configured->n; j++)
		if (!strcmp(configured->words[j].text, configured->words[i].text))
			return true;
	return false;
}

static void left_over(struct asked *a, const struct configured_word *word, enum word_act act, const char *why)
{
	if (a->h->wish->clean)
		change_add(a, act, word->text, why);
	else
		plan_hint(a->h->plan, SETUP_HINT_OBSOLETE, word->place, "%s: %s", word->text, why);
}

static void obsolete_find(struct asked *a)
{
	const struct configured *counts = &a->h->loader.counts;

	for (size_t i = 0; i < counts->n; i++) {
		const struct configured_word *word = &counts->words[i];
		const char *why = obsolete_why(a, word->text);

		if (stands_again(counts, i)) {
			if (doubling_matters(word->text))
				left_over(a, word, WORD_ONCE, "it stands there twice");
		} else if (is_rescue(word->text) && a->h->wish->rescue) {
			continue;
		} else if (is_rescue(word->text) && !rescue_may_go(a, word)) {
			rescue_tell(a, word);
		} else if (why) {
			left_over(a, word, WORD_DROP, why);
		}
	}
}

bool parameters_find(struct hostplan *h, struct setup_point *point, struct word_changes *changes)
{
	struct asked a = { .h = h, .point = point, .changes = changes, .line = words_join(&h->loader.counts) };

	if (!a.line) {
		h->plan->error = -ENOMEM;
		return false;
	}
	iommu_find(&a);
	if (h->wish->rescue && rescue_allowed(h, point))
		rescue_find(&a);
	obsolete_find(&a);
	free(a.line);
	return !point->refused;
}
