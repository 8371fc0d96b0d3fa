/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libkmod's functions, those that module.c and modconf.c call: each loads libkmod when it is first called, and leads
 * there. The usual lend needs none of them, and libkmod brings libcrypto along: to link both takes longer than all
 * that the hook does. A program that is linked statically (PVB_STATIC) can load nothing: it goes without, or hands over
 * (pvb_ctx_set_without_kmod()).
 */
#include <dlfcn.h>

#include "internal.h"
#include "kmodload.h"

/* What its symbols are called goes with the number: the same in Debian 12 and 13 (kmod 30 to 34). */
#define LIBRARY "libkmod.so.2"

#ifdef PVB_STATIC
static void *function_find(const char *name)
{
	(void)name;
	return NULL;
}
#else
/* Like any library's that is linked: one that was preloaded comes first. NULL: there is no libkmod, as kmod_new() tells. */
static void *function_find(const char *name)
{
	static void *library;

	if (!library)
		library = dlopen(LIBRARY, RTLD_NOW | RTLD_GLOBAL);
	return library ? dlsym(RTLD_DEFAULT, name) : NULL;
}
#endif

#define FORWARD(type, name, parameters, arguments)                            \
	type name parameters                                                  \
	{                                                                     \
		static __typeof__(&(name)) there;                             \
                                                                              \
		if (!there)                                                   \
			*(void **)&there = function_find(#name);              \
		return there arguments;                                       \
	}

typedef struct kmod_ctx ctx_t;
typedef struct kmod_module module_t;
typedef struct kmod_list list_t;
typedef struct kmod_config_iter iter_t;

/* The first of them all. */
ctx_t *kmod_new(const char *folder, const char *const *configs)
{
	__typeof__(&kmod_new) there;

	*(void **)&there = function_find("kmod_new");
	return there ? there(folder, configs) : NULL;
}

FORWARD(ctx_t *, kmod_unref, (ctx_t *ctx), (ctx))
FORWARD(void, kmod_set_log_priority, (ctx_t *ctx, int priority), (ctx, priority))
FORWARD(void, kmod_set_log_fn,
	(ctx_t *ctx, void (*say)(void *, int, const char *, int, const char *, const char *, va_list), const void *data),
	(ctx, say, data))
FORWARD(list_t *, kmod_list_next, (const list_t *list, const list_t *item), (list, item))

FORWARD(int, kmod_module_new_from_name, (ctx_t *ctx, const char *name, module_t **module), (ctx, name, module))
FORWARD(int, kmod_module_new_from_lookup, (ctx_t *ctx, const char *alias, list_t **list), (ctx, alias, list))
FORWARD(int, kmod_module_apply_filter, (const ctx_t *ctx, enum kmod_filter filter, const list_t *list, list_t **out),
	(ctx, filter, list, out))
FORWARD(module_t *, kmod_module_get_module, (const list_t *item), (item))
FORWARD(const char *, kmod_module_get_name, (const module_t *module), (module))
FORWARD(int, kmod_module_probe_insert_module,
	(module_t *module, unsigned flags, const char *options, int (*run)(module_t *, const char *, void *), const void *data,
	 void (*print)(module_t *, bool, const char *)),
	(module, flags, options, run, data, print))
FORWARD(int, kmod_module_remove_module, (module_t *module, unsigned flags), (module, flags))
FORWARD(module_t *, kmod_module_unref, (module_t *module), (module))
FORWARD(int, kmod_module_unref_list, (list_t *list), (list))

FORWARD(iter_t *, kmod_config_get_aliases, (const ctx_t *ctx), (ctx))
FORWARD(iter_t *, kmod_config_get_blacklists, (const ctx_t *ctx), (ctx))
FORWARD(iter_t *, kmod_config_get_install_commands, (const ctx_t *ctx), (ctx))
FORWARD(iter_t *, kmod_config_get_options, (const ctx_t *ctx), (ctx))
FORWARD(iter_t *, kmod_config_get_remove_commands, (const ctx_t *ctx), (ctx))
FORWARD(iter_t *, kmod_config_get_softdeps, (const ctx_t *ctx), (ctx))
FORWARD(bool, kmod_config_iter_next, (iter_t *iter), (iter))
FORWARD(const char *, kmod_config_iter_get_key, (const iter_t *iter), (iter))
FORWARD(const char *, kmod_config_iter_get_value, (const iter_t *iter), (iter))
FORWARD(void, kmod_config_iter_free_iter, (iter_t *iter), (iter))
