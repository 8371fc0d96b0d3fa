/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each attribute does with what is written. Functions of the kernel with these semantics are named. */
#define _GNU_SOURCE
#include "fk_internal.h"

#include <fnmatch.h>
#include <stdlib.h>

/* ---- stores: 0 or -errno ---------------------------------------------------------- */

/* driver_set_override(): a newline ends it, nothing clears it; its show() prints a NULL. */
static int store_override(const struct call *c)
{
	size_t n = strcspn(c->value, "\n");

	return fk_replace(c->path, fk_path("%.*s\n", n ? (int)n : 6, n ? c->value : "(null)").s);
}

/* bind_store(), device_driver_attach() */
static int store_bind(const struct call *c)
{
	struct device d;

	if (!fk_device_find(c->word, &d) || !fk_driver_matches(c->object, d.override, &d.id))
		return -ENODEV;
	return fk_probe(c->object, &d);
}

/* unbind_store() */
static int store_unbind(const struct call *c)
{
	struct device d;

	if (!fk_device_find(c->word, &d) || strcmp(d.driver, c->object) != 0)
		return -ENODEV;
	fk_release(&d);
	return 0;
}

/* drivers_probe_store(): that nobody took the device is no error. */
static int store_probe(const struct call *c)
{
	struct device d;

	if (!fk_device_find(c->word, &d))
		return -ENODEV;
	if (!d.driver[0])
		fk_attach(&d);
	return 0;
}

/* new_id_store(): also binds, at once, every free device that matches now. */
static int store_new_id(const struct call *c)
{
	struct fk_path path = fk_driver_file(c->object, "dynids");
	char text[8192];
	struct id id;
	int fields = fk_id_parse(c->word, &id);

	if (fields < 2)
		return -EINVAL;
	if (fields < 7 && fk_driver_matches(c->object, "", &id))
		return -EEXIST;
	fk_get(fk_root, path.s, text, sizeof(text) - 80);
	snprintf(text + strlen(text), 80, "%s%x %x %x %x %x %x\n", *text ? "\n" : "", id.vendor, id.device, id.subvendor,
		 id.subdevice, id.class, id.mask);
	fk_replace(path.s, text);
	fk_attach_all(c->object);
	return 0;
}

/* remove_id_store(): the first entry that is covered; devices stay where they are. */
static int store_remove_id(const struct call *c)
{
	struct fk_path path = fk_driver_file(c->object, "dynids");
	char text[8192], left[8192] = "", *save = NULL;
	struct id gone, id;
	bool found = false;

	if (fk_id_parse(c->word, &gone) < 2)
		return -EINVAL;
	fk_get(fk_root, path.s, text, sizeof(text));
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (!found && fk_id_parse(l, &id) && fk_id_covers(&gone, &id))
			found = true;
		else
			strcat(strcat(left, l), "\n");
	}
	return found ? fk_replace(path.s, left) : -ENODEV;
}

/* store_bind() of drivers/tty/vt/vt.c never fails. */
static int store_vtcon(const struct call *c)
{
	fk_vtcon_bind(c->object, strtoul(c->word, NULL, 0) != 0);
	return 0;
}

/* control_store() of drivers/base/power/sysfs.c */
static int store_power(const struct call *c)
{
	return !strcmp(c->word, "on") || !strcmp(c->word, "auto") ? fk_replace(c->path, fk_path("%s\n", c->word).s) : -EINVAL;
}

static int parse_number(const char *word, unsigned long *value)
{
	char *end;

	*value = strtoul(word, &end, 0);
	return end == word || *end ? -EINVAL : 0;
}

static int store_d3cold(const struct call *c)
{
	unsigned long value;
	int err = parse_number(c->word, &value);

	return err ? err : fk_replace(c->path, value ? "1\n" : "0\n");
}

/* Whether words of list include word. */
static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = words; n && (p = strstr(p, word)); p += n)
		if ((p == words || p[-1] == ' ') && (!p[n] || p[n] == ' '))
			return true;
	return false;
}

/* pci_reset_bus_function(): only for who is alone on its bus. */
static bool alone(const struct device *d)
{
	struct names *all = fk_list(fk_path("%.*s", (int)(strrchr(d->path, '/') - d->path), d->path).s);
	int functions = 0;

	for (int i = 0; i < all->n; i++)
		functions += strlen(all->s[i]) >= 12 && strspn(all->s[i], "0123456789abcdef:.") == strlen(all->s[i]);
	free(all);
	return functions == 1;
}

/* reset_store(), pci_reset_function(): the chosen methods in turn; -ENOTTY when none works. */
static int store_reset(const struct call *c)
{
	unsigned long value;
	struct device d;
	char methods[256];

	if (parse_number(c->word, &value) || value != 1)
		return -EINVAL;
	fk_get(fk_root, fk_path("sys/bus/pci/devices/%s/reset_method", c->object).s, methods, sizeof(methods));
	if (!fk_device_find(c->object, &d) || !*methods || (!strcmp(methods, "bus") && !alone(&d)))
		return -ENOTTY;
	return 0;
}

/* reset_method_store(): "" for none, "default", or some of what the hardware supports. */
static int store_reset_method(const struct call *c)
{
	char can[256], words[256], chosen[256] = "", *save = NULL;

	fk_get(fk_root, fk_path(".kernel/devices/%s/reset_methods", c->object).s, can, sizeof(can));
	snprintf(words, sizeof(words), "%.250s", strcmp(c->word, "default") ? c->word : can);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		if (!has_word(can, w))
			return -EINVAL;
		snprintf(chosen + strlen(chosen), sizeof(chosen) - strlen(chosen), "%s%s", *chosen ? " " : "", w);
	}
	return fk_replace(c->path, *chosen ? strcat(chosen, "\n") : "");
}

/* reset_subordinate_store() */
static int store_write_only(const struct call *c)
{
	unsigned long value;

	return parse_number(c->word, &value) || value != 1 ? -EINVAL : 0;
}

/* An attribute the fake knows nothing of keeps what is written. */
static int store_plain(const struct call *c)
{
	char text[4097];

	snprintf(text, sizeof(text), "%s\n", c->word);
	return fk_replace(c->path, text);
}

static const struct {
	const char *glob;
	int (*store)(const struct call *c);
} stores[] = {
	{ "sys/bus/pci/drivers_probe", store_probe },
	{ "sys/bus/pci/drivers/*/bind", store_bind },
	{ "sys/bus/pci/drivers/*/unbind", store_unbind },
	{ "sys/bus/pci/drivers/*/new_id", store_new_id },
	{ "sys/bus/pci/drivers/*/remove_id", store_remove_id },
	{ "sys/bus/pci/devices/*/driver_override", store_override },
	{ "sys/bus/pci/devices/*/reset", store_reset },
	{ "sys/bus/pci/devices/*/reset_method", store_reset_method },
	{ "sys/bus/pci/devices/*/reset_subordinate", store_write_only },
	{ "sys/bus/pci/devices/*/power/control", store_power },
	{ "sys/bus/pci/devices/*/d3cold_allowed", store_d3cold },
	{ "sys/class/vtconsole/*/bind", store_vtcon },
	{ "insert_module", fk_module_insert },
	{ "delete_module", fk_module_remove },
	{ "*", store_plain },
};

int fk_store(const struct call *c)
{
	size_t i = 0;

	while (fnmatch(stores[i].glob, c->path, FNM_PATHNAME) != 0 && stores[i].store != store_plain)
		i++;
	return stores[i].store(c);
}
