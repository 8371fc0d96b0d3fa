/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel modules. Beside modconf.c the only file that includes libkmod. */
#include <string.h>
#include <sys/utsname.h>
#include <syslog.h>

#include "internal.h"
#include "kmodload.h"

#define MODPROBE_MS 10000

/* What libkmod has to say (a line of modprobe.d it does not understand, …) is detail: the
 * failure itself is told by who asked. */
static void __attribute__((format(printf, 6, 0)))
kmod_say(void *data, int priority, const char *file, int line, const char *fn, const char *format, va_list args)
{
	char text[512];

	(void)file;
	(void)line;
	(void)fn;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	pvb_log(data, priority <= LOG_ERR ? PVB_NOTICE : PVB_DEBUG, "libkmod: %s", text);
}

/* The kernel that runs there: below another root, that root's word for it, if it has one. */
static int release_read(const struct pvb_ctx *ctx, char *release, size_t size)
{
	struct utsname kernel;

	if (pvb_sysfs_read(ctx, "proc/sys/kernel/osrelease", release, size) == 0 && *release && !strchr(release, '/'))
		return 0;
	if (uname(&kernel) < 0)
		return -errno;
	return pvb_format(release, size, "%s", kernel.release);
}

/*
 * libkmod reads modprobe.d as it opens, before one can give it a log function, and says of each bad line what nobody asked for
 * ("ignoring bad line"), to stderr; pvb_modconf_read() knows them. Only this variable hushes it, as long as nobody has set it.
 */
static struct kmod_ctx *kmod_new_quiet(const char *modules, const char *const *configs)
{
	bool hush = !getenv("KMOD_LOG");
	struct kmod_ctx *kmod;

	if (hush)
		setenv("KMOD_LOG", "0", 0);
	kmod = kmod_new(modules, configs);
	if (hush)
		unsetenv("KMOD_LOG");
	if (kmod && hush)
		kmod_set_log_priority(kmod, LOG_ERR); /* its default, for kmod_say() */
	return kmod;
}

/* Under another root: that root's modules, of the kernel that runs, and its modprobe.d. */
static struct kmod_ctx *kmod_open(const struct pvb_ctx *ctx)
{
	static const char *const folders[] = { "etc", "run", "usr/local/lib", "usr/lib", "lib" }; /* modprobe.d(5) */
	char modules[PVB_PATH_MAX], paths[ARRAY_SIZE(folders)][PVB_PATH_MAX], release[PVB_NAME_MAX];
	const char *configs[ARRAY_SIZE(folders) + 1] = { NULL };

	if (ctx->real_root)
		return kmod_new_quiet(NULL, NULL);
	if (release_read(ctx, release, sizeof(release)) < 0 ||
	    pvb_format(modules, sizeof(modules), "%s/lib/modules/%s", ctx->root, release) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		if (pvb_format(paths[i], sizeof(paths[i]), "%s/%s/modprobe.d", ctx->root, folders[i]) < 0)
			return NULL;
		configs[i] = paths[i];
	}
	return kmod_new_quiet(modules, configs);
}

static void kmod_done(struct pvb_ctx *ctx)
{
	if (ctx->kmod)
		kmod_unref(ctx->kmod);
	ctx->kmod = NULL;
}

struct kmod_ctx *pvb_kmod(struct pvb_ctx *ctx)
{
	struct kmod_ctx *kmod = ctx->kmod;

	if (kmod)
		return kmod;
	kmod = kmod_open(ctx);
	if (!kmod && ctx->without_kmod && !ctx->changing) {
		pvb_children_collect(ctx); /* what it becomes knows none of them */
		ctx->without_kmod(ctx->without_kmod_data);
	}
	if (!kmod)
		return NULL;
	kmod_set_log_fn(kmod, kmod_say, ctx);
	ctx->kmod = kmod;
	ctx->kmod_free = kmod_done;
	return kmod;
}

static const char *kmod_missing(const struct pvb_ctx *ctx)
{
	return ctx->without_kmod ? "the program that has libkmod cannot be run: install pvebind again" :
				   "libkmod cannot be loaded: install libkmod2";
}

/* "vfio-pci" has the directory vfio_pci in /sys/module. A module that is just being loaded or unloaded
 * is not live; one that is built in has no initstate. */
static bool module_live(const struct pvb_ctx *ctx, const char *name)
{
	char path[PVB_PATH_MAX], state[32];
	int r;

	if (pvb_format(path, sizeof(path), "sys/module/%s", name) < 0)
		return false;
	for (char *p = path + strlen("sys/module/"); *p; p++)
		if (*p == '-')
			*p = '_';
	if (!pvb_sysfs_exists(ctx, path))
		return false;
	if (pvb_format(path + strlen(path), sizeof(path) - strlen(path), "/initstate") < 0)
		return false;
	r = pvb_sysfs_read(ctx, path, state, sizeof(state));
	return r == -ENOENT || (r == 0 && !strcmp(state, "live"));
}

/* The reasons a person meets, in words. */
static const char *insert_reason(int code)
{
	switch (code) {
	case ENOENT:
		return "it, or one it needs, is not among this kernel's modules";
	case EKEYREJECTED:
	case ENOKEY:
		return "it is not signed, and Secure Boot demands that";
	case EPERM:
		return "not permitted (not root, or the kernel is locked down)";
	case ENODEV:
		return "it found nothing to drive";
	case ENOEXEC:
		return "it was built for another kernel";
	default:
		return strerror(code);
	}
}

/* A name is taken as modprobe takes it: a blacklist keeps aliases from loading a module, not its name. */
static int list_insert(struct kmod_list *list)
{
	struct kmod_list *item;
	int r = list ? 0 : -ENOENT;

	kmod_list_foreach(item, list) {
		struct kmod_module *module = kmod_module_get_module(item);

		r = kmod_module_probe_insert_module(module, KMOD_PROBE_APPLY_BLACKLIST_ALIAS_ONLY, NULL, NULL, NULL,
						    NULL);
		kmod_module_unref(module);
		if (r == -EEXIST)
			r = 0;
		if (r != 0)
			break;
	}
	return r > 0 ? -EPERM : r;
}

/* libkmod's own program, where libkmod cannot be had: what must be loaded to bring a device home is loaded all the same. */
static int module_modprobe(struct pvb_ctx *ctx, const char *name, struct pvb_err *err)
{
	const char *const args[] = { "--", name, NULL };
	struct pvb_output output;
	char last[200];
	int r = pvb_program(ctx, "/sbin/modprobe", args, MODPROBE_MS, &output);

	if (r < 0)
		return pvb_err_set(err, r, "cannot load the kernel module %s: %s; nor can modprobe be run: %s", name, kmod_missing(ctx),
				   strerror(-r));
	if (output.status == 0)
		return 0;
	pvb_output_last(&output, last, sizeof(last));
	r = strstr(last, "No such device") ? -ENODEV : -ENOENT;
	return pvb_err_set(err, r, "cannot load the kernel module %s: %s", name, last);
}

static int module_insert(struct pvb_ctx *ctx, const char *name, struct pvb_err *err)
{
	struct kmod_ctx *kmod = pvb_kmod(ctx);
	struct kmod_list *list = NULL;
	int r;

	if (!kmod)
		return module_modprobe(ctx, name, err);
	r = kmod_module_new_from_lookup(kmod, name, &list);
	if (r == 0)
		r = list_insert(list);
	kmod_module_unref_list(list);
	if (r < 0)
		return pvb_err_set(err, r, "cannot load the kernel module %s: %s", name, insert_reason(-r));
	return 0;
}

int pvb_module_load(struct pvb_ctx *ctx, const char *name, bool *loaded, struct pvb_err *err)
{
	int r;

	if (loaded)
		*loaded = false;
	if (module_live(ctx, name))
		return 0;
	/* There is one kernel, and it is not the one of a test's tree. */
	if (!ctx->real_root)
		return pvb_err_set(err, -ENOENT, "cannot load the kernel module %s: %s", name, insert_reason(ENOENT));
	r = module_insert(ctx, name, err);
	/* Not so when it is built in, or an "install" command of modprobe.d did something else. */
	if (r == 0 && loaded)
		*loaded = module_live(ctx, name);
	return r;
}

bool pvb_module_loaded(const struct pvb_ctx *ctx, const char *name)
{
	char path[PVB_PATH_MAX];

	/* What is built in may have parameters there, but has no state. */
	return pvb_format(path, sizeof(path), "sys/module/%s/initstate", name) == 0 && pvb_sysfs_exists(ctx, path);
}

int pvb_module_holders(const struct pvb_ctx *ctx, const char *name, char ***names)
{
	char path[PVB_PATH_MAX];

	if (pvb_format(path, sizeof(path), "sys/module/%s/holders", name) < 0)
		return -ENAMETOOLONG;
	return pvb_sysfs_list(ctx, path, names);
}

int pvb_module_uses(const struct pvb_ctx *ctx, const char *name, unsigned *uses)
{
	_cleanup_strv_ char **holders = NULL;
	char path[PVB_PATH_MAX];
	uint64_t count = 0, modules = 0;
	int r = pvb_format(path, sizeof(path), "sys/module/%s/refcnt", name);

	*uses = 0;
	if (r == 0)
		r = pvb_sysfs_read_number(ctx, path, &count);
	if (r == 0)
		r = pvb_module_holders(ctx, name, &holders);
	if (r)
		return r;
	while (holders[modules])
		modules++;
	*uses = count > modules ? (unsigned)(count - modules) : 0;
	return 0;
}

static const char *remove_reason(int code)
{
	if (code == EAGAIN || code == EBUSY)
		return "it is in use";
	if (code == EPERM)
		return "not permitted (not root, or the kernel is locked down)";
	return strerror(code);
}

/* kmod_module_remove_module() never waits (it adds O_NONBLOCK by itself), and without KMOD_REMOVE_FORCE never forces. */
static int module_remove(struct pvb_ctx *ctx, const char *name)
{
	struct kmod_ctx *kmod = pvb_kmod(ctx);
	struct kmod_module *module = NULL;
	int r;

	if (!kmod)
		return -ELIBACC;
	r = kmod_module_new_from_name(kmod, name, &module);
	if (r == 0)
		r = kmod_module_remove_module(module, 0);
	kmod_module_unref(module);
	return r;
}

int pvb_module_unload(struct pvb_ctx *ctx, const char *name, struct pvb_err *err)
{
	int r = -ENOENT;

	if (!pvb_module_loaded(ctx, name))
		return 0;
	/* There is one kernel, and it is not the one of a test's tree. */
	if (ctx->real_root)
		r = module_remove(ctx, name);
	if (r == 0 && pvb_module_loaded(ctx, name))
		r = -EBUSY;
	if (r < 0 && r != -ENOENT)
		return pvb_err_set(err, r, "cannot unload the kernel module %s: %s", name, r == -ELIBACC ? kmod_missing(ctx) : remove_reason(-r));
	if (pvb_module_loaded(ctx, name))
		return pvb_err_set(err, -ENOENT, "cannot unload the kernel module %s: the kernel does not know it", name);
	return 0;
}

static bool name_taken(char *const *taken, const char *name)
{
	for (; *taken; taken++)
		if (!strcmp(*taken, name))
			return true;
	return false;
}

/* The names in the list, each once (a module may match by several of its aliases); none of an empty one. */
static int names_take(struct kmod_list *list, char ***names)
{
	_cleanup_strv_ char **taken = NULL;
	struct kmod_list *item;
	size_t n = 0;

	kmod_list_foreach(item, list)
		n++;
	taken = calloc(n + 1, sizeof(*taken));
	if (!taken)
		return -ENOMEM;
	n = 0;
	kmod_list_foreach(item, list) {
		struct kmod_module *module = kmod_module_get_module(item);

		const char *name = kmod_module_get_name(module);
		bool again = name_taken(taken, name);

		if (!again)
			taken[n] = strdup(name);
		kmod_module_unref(module);
		if (!again && !taken[n++])
			return -ENOMEM;
	}
	*names = taken;
	taken = NULL;
	return 0;
}

int pvb_module_lookup(struct pvb_ctx *ctx, const char *alias, char ***names, struct pvb_err *err)
{
	struct kmod_list *list = NULL, *wanted = NULL;
	struct kmod_ctx *kmod = pvb_kmod(ctx);
	int r;

	if (!kmod)
		return pvb_err_set(err, -ELIBACC, "cannot look up the module for %s: %s", alias, kmod_missing(ctx));
	r = kmod_module_new_from_lookup(kmod, alias, &list);
	/* No index at all (a root without modules) is no module for the alias. */
	if (r == -ENOENT || r == -ENOSYS)
		r = 0;
	if (r == 0 && list)
		r = kmod_module_apply_filter(kmod, KMOD_FILTER_BLACKLIST, list, &wanted);
	if (r == 0)
		r = names_take(wanted, names);
	kmod_module_unref_list(wanted);
	kmod_module_unref_list(list);
	if (r < 0)
		return pvb_err_set(err, r, "cannot look up the module for %s: %s", alias, strerror(-r));
	return 0;
}

int pvb_modules_find(struct pvb_ctx *ctx, const struct pvb_function *fn, bool vfio, char ***names, struct pvb_err *err)
{
	char alias[sizeof(fn->modalias) + sizeof("vfio_")];

	snprintf(alias, sizeof(alias), "%s%s", vfio ? "vfio_" : "", fn->modalias);
	return pvb_module_lookup(ctx, alias, names, err);
}
