/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The installed kernels, their modules, and which of these can drive a function. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "kernels.h"

#define LIST_MAX (32u << 20)

/* ---- lists ---- */

static const char *list_text(struct kernel *kernel, enum kernel_list list, size_t *size)
{
	static const char *const names[] = {
		[KERNEL_DEP] = "modules.dep", [KERNEL_BUILTIN] = "modules.builtin", [KERNEL_ALIAS] = "modules.alias",
		[KERNEL_MODINFO] = "modules.builtin.modinfo",
	};
	char path[sizeof(kernel->folder) + 32];

	if (!kernel->lists[list].read && *kernel->folder) {
		snprintf(path, sizeof(path), "%s/%s", kernel->folder, names[list]);
		if (pvb_read_file(kernel->ctx, path, LIST_MAX, &kernel->lists[list].text, &kernel->lists[list].size) < 0)
			kernel->lists[list].text = NULL;
	}
	kernel->lists[list].read = true;
	if (size)
		*size = kernel->lists[list].size;
	return kernel->lists[list].text;
}

static void kernel_set(struct kernel *kernel, struct pvb_ctx *ctx)
{
	kernel->ctx = ctx;
	if (*kernel->release && !strchr(kernel->release, '/'))
		snprintf(kernel->folder, sizeof(kernel->folder), "/lib/modules/%s", kernel->release);
}

/* The first word of a file into release; false when there is none. */
static bool word_read(struct pvb_ctx *ctx, const char *path, char *release, size_t size)
{
	_conf_free_ char *text = NULL;
	char *word;

	if (pvb_read_file(ctx, path, 4096, &text, NULL) < 0)
		return false;
	word = text + strspn(text, " \t\n");
	word[strcspn(word, " \t\n")] = '\0';
	return *word && conf_copy(release, size, word);
}

/* What a removed kernel leaves behind has no such list. */
static bool release_installed(struct pvb_ctx *ctx, const char *release)
{
	char path[512];

	snprintf(path, sizeof(path), "lib/modules/%s/modules.dep", release);
	return pvb_sysfs_exists(ctx, path);
}

static void newest_find(struct pvb_ctx *ctx, char *release, size_t size)
{
	_conf_strv_ char **names = NULL;

	if (pvb_sysfs_list(ctx, "lib/modules", &names) < 0)
		return;
	for (char **name = names; *name; name++)
		if (strverscmp(*name, release) > 0 && release_installed(ctx, *name))
			conf_copy(release, size, *name);
}

/* proxmox-boot-tool kernel pin [--next-boot] (proxmox-kernel-helper, functions: PINNED_KERNEL_CONF, NEXT_BOOT_PIN). */
static void next_find(struct pvb_ctx *ctx, struct kernels *kernels)
{
	struct kernel *next = &kernels->next;

	if (word_read(ctx, "etc/kernel/next-boot-pin", next->release, sizeof(next->release)))
		kernels->next_why = "pinned for the next boot";
	else if (word_read(ctx, "etc/kernel/proxmox-boot-pin", next->release, sizeof(next->release)))
		kernels->next_why = "pinned";
	else
		newest_find(ctx, next->release, sizeof(next->release));
	if (!strcmp(next->release, kernels->running.release))
		*next->release = '\0';
}

void kernels_look(struct pvb_ctx *ctx, const char *release, struct kernels *kernels)
{
	*kernels = (struct kernels){ .next_why = "the newest that is installed" };
	conf_copy(kernels->running.release, sizeof(kernels->running.release), release);
	next_find(ctx, kernels);
	kernel_set(&kernels->running, ctx);
	kernel_set(&kernels->next, ctx);
}

static void kernel_clear(struct kernel *kernel)
{
	for (size_t i = 0; i < KERNEL_LISTS; i++)
		free(kernel->lists[i].text);
	free(kernel->aliases);
}

void kernels_clear(struct kernels *kernels)
{
	kernel_clear(&kernels->running);
	kernel_clear(&kernels->next);
}

struct kernel *kernels_get(struct kernels *kernels, size_t i)
{
	struct kernel *known[2];
	size_t n = 0;

	if (*kernels->running.release)
		known[n++] = &kernels->running;
	if (*kernels->next.release)
		known[n++] = &kernels->next;
	return i < n ? known[i] : NULL;
}

/* ---- modules ---- */

static bool name_equal(const char *a, size_t size, const char *b)
{
	for (; size && *b; size--, a++, b++)
		if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
			return false;
	return !size && !*b;
}

bool module_equal(const char *a, const char *b)
{
	return name_equal(a, strlen(a), b);
}

/* Whether a line "kernel/drivers/vfio/pci/vfio-pci.ko.zst: …" of the list is the module's. */
static bool list_has(const char *list, const char *name)
{
	for (const char *line = list; line && *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t size = strcspn(line, ":\n");
		const char *slash = memrchr(line, '/', size), *base = slash ? slash + 1 : line;
		const char *end = memmem(base, size - (size_t)(base - line), ".ko", 3);

		if (end && name_equal(base, (size_t)(end - base), name))
			return true;
	}
	return false;
}

enum kernel_module kernel_module(struct kernel *kernel, const char *name)
{
	const char *builtin = list_text(kernel, KERNEL_BUILTIN, NULL), *dep = list_text(kernel, KERNEL_DEP, NULL);

	if (list_has(builtin, name))
		return KERNEL_MODULE_BUILTIN;
	if (list_has(dep, name))
		return KERNEL_MODULE_FILE;
	/* Without both lists it may be in the one that is missing. */
	return dep && builtin ? KERNEL_MODULE_MISSING : KERNEL_MODULE_UNKNOWN;
}

static bool kernel_built(struct kernel *kernel, const char *name)
{
	return list_has(list_text(kernel, KERNEL_BUILTIN, NULL), name);
}

/* One of the others. */
static bool release_built(struct pvb_ctx *ctx, const char *release, const char *name)
{
	struct kernel kernel = { .aliases = NULL };
	bool built;

	if (!release_installed(ctx, release) || !conf_copy(kernel.release, sizeof(kernel.release), release))
		return false;
	kernel_set(&kernel, ctx);
	built = kernel_built(&kernel, name);
	kernel_clear(&kernel);
	return built;
}

bool kernels_built(struct kernels *kernels, const char *name, char release[PVB_NAME_MAX])
{
	_conf_strv_ char **others = NULL;
	struct kernel *kernel;

	for (size_t i = 0; (kernel = kernels_get(kernels, i)); i++)
		if (kernel_built(kernel, name))
			return conf_copy(release, PVB_NAME_MAX, kernel->release);
	if (pvb_sysfs_list(kernels->running.ctx, "lib/modules", &others) < 0)
		return false;
	for (char **other = others; *other; other++)
		if (strcmp(*other, kernels->running.release) && strcmp(*other, kernels->next.release) && release_built(kernels->running.ctx, *other, name))
			return conf_copy(release, PVB_NAME_MAX, *other);
	return false;
}

bool module_loaded(const struct pvb_ctx *ctx, const char *name)
{
	char path[PVB_NAME_MAX + 32];

	snprintf(path, sizeof(path), "sys/module/%s", name);
	for (char *p = path + strlen("sys/module/"); *p; p++)
		if (*p == '-')
			*p = '_';
	return pvb_sysfs_exists(ctx, path);
}

/* ---- drivers ---- */

static void driver_add(struct drivers *drivers, const char *name, size_t size)
{
	char text[PVB_NAME_MAX];

	if (size >= sizeof(text) || drivers->n == DRIVERS_MAX)
		return;
	memcpy(text, name, size);
	text[size] = '\0';
	if (!drivers_have(drivers, text))
		conf_copy(drivers->names[drivers->n++], sizeof(drivers->names[0]), text);
}

static int alias_add(struct kernel *kernel, size_t *room, struct kernel_alias alias)
{
	struct kernel_alias *more;

	if (kernel->num_aliases == *room) {
		*room = *room ? *room * 2 : 4096;
		more = reallocarray(kernel->aliases, *room, sizeof(*kernel->aliases));
		if (!more)
			return -ENOMEM;
		kernel->aliases = more;
	}
	kernel->aliases[kernel->num_aliases++] = alias;
	return 0;
}

#define PCI_VENDOR (sizeof("pci:v") - 1) /* where 8 digits begin, or "*" */

/* '*' is before all digits. */
static int alias_compare(const void *a, const void *b)
{
	const struct kernel_alias *left = a, *right = b;
	int order = strncmp(left->pattern + PCI_VENDOR, right->pattern + PCI_VENDOR, 8);

	if (left->pattern[PCI_VENDOR] == '*' && right->pattern[PCI_VENDOR] == '*')
		order = 0;
	/* As in the file, else. */
	return order ? order : (left->pattern > right->pattern) - (left->pattern < right->pattern);
}

/* Lines "alias PATTERN MODULE" of modules.alias; strings "MODULE.alias=PATTERN" of modules.builtin.modinfo. */
static int aliases_read(struct kernel *kernel)
{
	const char *text = list_text(kernel, KERNEL_ALIAS, NULL);
	size_t room = 0, size = 0;
	int r = 0;

	if (kernel->aliases)
		return 0;
	for (const char *line = text; r == 0 && line && *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *pattern = line + 6, *end;

		if (strncmp(line, "alias pci:v", 11) != 0)
			continue;
		end = pattern + strcspn(pattern, " \n");
		if (*end == ' ')
			r = alias_add(kernel, &room, (struct kernel_alias){ pattern, end + 1, (size_t)(end - pattern), strcspn(end + 1, " \n") });
	}
	text = list_text(kernel, KERNEL_MODINFO, &size);
	for (const char *one = text; r == 0 && one && one < text + size; one += strlen(one) + 1) {
		const char *found = strstr(one, ".alias=pci:v");

		if (found)
			r = alias_add(kernel, &room, (struct kernel_alias){ found + 7, one, strlen(found + 7), (size_t)(found - one) });
	}
	if (kernel->num_aliases)
		qsort(kernel->aliases, kernel->num_aliases, sizeof(*kernel->aliases), alias_compare);
	return r;
}

static bool alias_fits(const struct kernel_alias *alias, const char *modalias)
{
	char text[256];

	if (alias->pattern_size < 22 || alias->pattern_size >= sizeof(text))
		return false;
	/* Most name a device, and another one: "pci:v00008086d00001572sv…" */
	if (alias->pattern[PCI_VENDOR] != '*' && alias->pattern[14] != '*' && strncmp(alias->pattern, modalias, 22) != 0)
		return false;
	memcpy(text, alias->pattern, alias->pattern_size);
	text[alias->pattern_size] = '\0';
	return fnmatch(text, modalias, 0) == 0;
}

/* The first alias of the vendor in modalias. */
static size_t vendor_find(const struct kernel *kernel, const char *modalias)
{
	size_t low = 0, high = kernel->num_aliases;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strncmp(kernel->aliases[middle].pattern + PCI_VENDOR, modalias + PCI_VENDOR, 8) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void aliases_find(struct kernel *kernel, const char *modalias, struct drivers *drivers)
{
	const struct kernel_alias *list = kernel->aliases;

	if (strlen(modalias) < 22)
		return;
	for (size_t i = vendor_find(kernel, modalias);
	     i < kernel->num_aliases && !strncmp(list[i].pattern + PCI_VENDOR, modalias + PCI_VENDOR, 8); i++)
		if (alias_fits(&list[i], modalias))
			driver_add(drivers, list[i].module, list[i].module_size);
	for (size_t i = 0; i < kernel->num_aliases && list[i].pattern[PCI_VENDOR] == '*'; i++)
		if (alias_fits(&list[i], modalias))
			driver_add(drivers, list[i].module, list[i].module_size);
}

void drivers_able(struct kernels *kernels, const struct pvb_function *fn, struct drivers *drivers)
{
	struct kernel *kernel = &kernels->running;

	*drivers = (struct drivers){ .n = 0 };
	if (!list_text(kernel, KERNEL_ALIAS, NULL))
		kernel = &kernels->next;
	/* Half of the aliases could be taken for a device without a driver. */
	drivers->unknown = !list_text(kernel, KERNEL_ALIAS, NULL) || aliases_read(kernel) < 0;
	aliases_find(kernel, fn->modalias, drivers);
}

void drivers_find(struct kernels *kernels, const struct pvb_function *fn, struct drivers *drivers)
{
	if (!*fn->driver || fn->vfio) {
		drivers_able(kernels, fn, drivers);
		return;
	}
	*drivers = (struct drivers){ .bound = true };
	/* A driver that is built in has no module; most are called alike. */
	driver_add(drivers, *fn->module ? fn->module : fn->driver, strlen(*fn->module ? fn->module : fn->driver));
}

bool drivers_have(const struct drivers *drivers, const char *module)
{
	for (unsigned i = 0; i < drivers->n; i++)
		if (module_equal(drivers->names[i], module))
			return true;
	return false;
}

const char *drivers_text(const struct drivers *drivers, char *buf, size_t size)
{
	size_t n = 0;

	*buf = '\0';
	for (unsigned i = 0; i < drivers->n && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? ", " : "", drivers->names[i]);
	return buf;
}
