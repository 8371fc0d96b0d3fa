/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading and unloading modules: what libkmod asks of the kernel, for the modules that ft_module() made. */
#define _GNU_SOURCE
#include "fk_internal.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>

struct kmod_module;
typedef int insert_fn(struct kmod_module *, unsigned, const char *, int (*)(struct kmod_module *, const char *, void *),
		      const void *, void (*)(struct kmod_module *, int, const char *));
int kmod_module_probe_insert_module(struct kmod_module *module, unsigned flags, const char *options,
				    int (*run)(struct kmod_module *, const char *, void *), const void *data,
				    void (*print)(struct kmod_module *, int, const char *));
long delete_module(const char *name, unsigned flags);

static void refcnt_add(const char *module, int by)
{
	struct fk_path path = fk_path("sys/module/%s/refcnt", module);

	fk_replace(path.s, fk_path("%d\n", (int)fk_number(path.s) + by).s);
}

/* Call act with each line of the module's file in .kernel. */
static int each_used(const char *module, int (*act)(const char *, const char *))
{
	char text[512], *save = NULL;
	int err = 0;

	fk_get(fk_root, fk_path(".kernel/modules/%s/uses", module).s, text, sizeof(text));
	for (char *l = strtok_r(text, "\n", &save); l && !err; l = strtok_r(NULL, "\n", &save))
		err = act(module, l);
	return err;
}

static int use_end(const char *module, const char *used)
{
	unlinkat(fk_root, fk_path("sys/module/%s/holders/%s", used, module).s, 0);
	refcnt_add(used, -1);
	return 0;
}

static int insert(const char *module);

static int use_begin(const char *module, const char *used)
{
	int err = insert(used);

	if (!err) {
		fk_symlink(fk_root, fk_path("sys/module/%s/holders/%s", used, module).s, fk_path("sys/module/%s", module).s);
		refcnt_add(used, 1);
	}
	return err;
}

/* driver_register() and driver_unregister() of the module's PCI driver, if it has one. */
static bool driver_of(const char *module, char driver[NAME])
{
	return fk_get(fk_root, fk_path(".kernel/modules/%s/driver", module).s, driver, NAME) > 0;
}

static void driver_remove(const char *driver)
{
	struct names *bound = fk_list(fk_path("sys/bus/pci/drivers/%s", driver).s);
	struct device d;

	for (int i = 0; i < bound->n; i++)
		if (fk_device_find(bound->s[i], &d) && !strcmp(d.driver, driver))
			fk_release(&d);
	free(bound);
	fk_park(fk_root, fk_path("sys/bus/pci/drivers/%s", driver).s);
	fk_park(fk_root, fk_path(".kernel/drivers/%s", driver).s);
}

static bool driver_add(const char *driver)
{
	struct names *bound;
	struct device d;
	bool any = false;

	fk_unpark(fk_root, fk_path(".kernel/drivers/%s", driver).s);
	fk_unpark(fk_root, fk_path("sys/bus/pci/drivers/%s", driver).s);
	fk_attach_all(driver);
	bound = fk_list(fk_path("sys/bus/pci/drivers/%s", driver).s);
	for (int i = 0; i < bound->n && !any; i++)
		any = fk_device_find(bound->s[i], &d);
	free(bound);
	return any;
}

/* What uses a driver's module comes after it; a driver that finds no device does not stay (as nvidia's does not). */
static int insert(const char *module)
{
	char driver[NAME];
	int err;

	if (fk_exists(fk_path("sys/module/%s", module).s))
		return 0;
	if (!fk_exists(fk_path(".kernel/modules/%s", module).s))
		return -ENOENT;
	err = each_used(module, use_begin);
	if (err)
		return err;
	fk_unpark(fk_root, fk_path("sys/module/%s", module).s);
	if (!driver_of(module, driver) || driver_add(driver))
		return 0;
	driver_remove(driver);
	fk_park(fk_root, fk_path("sys/module/%s", module).s);
	each_used(module, use_end);
	return -ENODEV;
}

int fk_module_insert(const struct call *c)
{
	return insert(c->word);
}

/* delete_module(2): never when it is used. */
int fk_module_remove(const struct call *c)
{
	char driver[NAME];

	if (!fk_exists(fk_path("sys/module/%s", c->word).s))
		return -ENOENT;
	if (fk_number(fk_path("sys/module/%s/refcnt", c->word).s))
		return -EAGAIN;
	if (driver_of(c->word, driver))
		driver_remove(driver);
	each_used(c->word, use_end);
	return fk_park(fk_root, fk_path("sys/module/%s", c->word).s);
}

/* False: no fake kernel, or no module of its. */
static bool take(const char *what, const char *name, int *err)
{
	const char *top = getenv(FK_ENV);
	struct call c = { .size = strlen(name) };
	bool ours;

	fk_root = top ? open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	ours = fk_root >= 0 && fk_exists(fk_path(".kernel/modules/%s", name).s);
	snprintf(c.path, sizeof(c.path), "%s", what);
	snprintf(c.value, sizeof(c.value), "%s", name);
	snprintf(c.word, sizeof(c.word), "%s", name);
	if (ours)
		*err = fk_perform(&c);
	close(fk_root);
	return ours;
}

long delete_module(const char *name, unsigned flags)
{
	int err = 0;

	/* It may neither wait nor force. */
	if (!(flags & O_NONBLOCK) || (flags & O_TRUNC)) {
		errno = EINVAL;
		return -1;
	}
	if (!take("delete_module", name, &err))
		return syscall(SYS_delete_module, name, flags);
	errno = -err;
	return err ? -1 : 0;
}

/* There is no file to load: so not the system call, but what leads to it. */
int kmod_module_probe_insert_module(struct kmod_module *module, unsigned flags, const char *options,
				    int (*run)(struct kmod_module *, const char *, void *), const void *data,
				    void (*print)(struct kmod_module *, int, const char *))
{
	const char *(*name)(const struct kmod_module *);
	insert_fn *real;
	int err = 0;

	*(void **)&name = dlsym(RTLD_NEXT, "kmod_module_get_name");
	*(void **)&real = dlsym(RTLD_NEXT, "kmod_module_probe_insert_module");
	return take("insert_module", name(module), &err) ? err : real(module, flags, options, run, data, print);
}
