/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "pci BDF VENDOR:DEVICE KEY=VALUE…": functions, with all that sysfs shows of them; tests/machines/README has the keys. */
#define _GNU_SOURCE
#include "machineparts.h"

#include <stdlib.h>

static const char *const key_names[] = {
	"id", "class", "sub", "rev", "driver", "module", "group", "parent", "secondary", "subordinate", "reset", "config",
	"bar0", "bar1", "bar2", "bar3", "bar4", "bar5", "rom", "rebar0", "rebar1", "rebar2", "rebar3", "rebar4", "rebar5",
	"link", "power", "runtime", "control", "d3cold", "aer", "acs", "ari", "sriov", "vf-of", "type", "boot_vga", "numa",
};

/* ---- what is written ------------------------------------------------------------- */

static bool key_known(const char *key)
{
	size_t n = strcspn(key, "=");

	for (size_t i = 0; key[n] && i < sizeof(key_names) / sizeof(key_names[0]); i++)
		if (!strncmp(key_names[i], key, n) && !key_names[i][n])
			return true;
	return false;
}

static int key_set(struct machine *m, struct machine_function *f, const char *key)
{
	size_t n = strcspn(key, "=") + 1;
	char *copy;

	if (!key_known(key))
		return machine_fail(m, "pci has no key '%s'", key);
	copy = strdup(key);
	for (int i = 0; copy && i < f->num_keys; i++)
		if (!strncmp(f->keys[i], key, n)) {
			free(f->keys[i]);
			f->keys[i] = copy;
			return 0;
		}
	if (!copy || f->num_keys == MACHINE_KEYS)
		ft_fail("pci");
	f->keys[f->num_keys++] = copy;
	return 0;
}

static struct machine_function *function_find(struct machine *m, const char *bdf)
{
	for (size_t i = 0; i < m->num_functions; i++)
		if (!strcmp(m->functions[i].bdf, bdf))
			return &m->functions[i];
	return NULL;
}

static struct machine_function *function_add(struct machine *m, const char *bdf)
{
	m->functions = reallocarray(m->functions, m->num_functions + 1, sizeof(*m->functions));
	if (!m->functions)
		ft_fail(bdf);
	memset(&m->functions[m->num_functions], 0, sizeof(*m->functions));
	snprintf(m->functions[m->num_functions].bdf, sizeof(m->functions->bdf), "%s", bdf);
	return &m->functions[m->num_functions++];
}

/* ---- in the tree ----------------------------------------------------------------------------- */

/* What its driver's name and "module=" say; without the latter a module of the driver's name. */
static void driver_add(struct ft_tree *t, const struct machine_function *f, const char *driver)
{
	const char *given = machine_key(f, "module");
	struct fk_path module = fk_path("%s", given ? given : !strcmp(driver, "pcieport") ? "" : driver);

	for (char *s = module.s; *s; s++)
		*s = *s == '-' ? '_' : *s;
	if (!strcmp(driver, "vfio-pci"))
		ft_vfio(t);
	else
		ft_driver(t, driver, *module.s ? module.s : NULL, NULL, 0);
}

/* What is made anew when a function is changed; its folder stays, with what hangs on it. */
static void function_undo(struct ft_tree *t, const struct machine_function *f)
{
	static const char *const gone[] = { "driver", "iommu_group", "subsystem", "reset", "reset_method", "physfn" };
	struct fk_path dir = fk_path("%s", ft_device_path(t, f->bdf));
	char group[PATH_MAX];
	ssize_t n = readlinkat(t->fd, fk_path("%s/iommu_group", dir.s).s, group, sizeof(group) - 1);

	if (n > 0) {
		group[n] = '\0';
		ft_remove(t, fk_path("sys/kernel/iommu_groups%s/devices/%s", strrchr(group, '/'), f->bdf).s);
	}
	if (*ft_driver_of(t, f->bdf))
		ft_remove(t, fk_path("sys/bus/pci/drivers/%s/%s", ft_driver_of(t, f->bdf), f->bdf).s);
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		ft_remove(t, fk_path("%s/%s", dir.s, gone[i]).s);
	ft_remove(t, fk_path("sys/bus/pci/devices/%s", f->bdf).s);
}

static void function_make(struct ft_tree *t, struct machine_function *f)
{
	const char *driver = machine_key(f, "driver");
	const struct machine_config *c = &f->config;

	machine_config_parse(t, f);
	if (driver && *driver)
		driver_add(t, f, driver);
	ft_function(t, &(struct ft_function){
		.address = f->bdf, .parent = machine_key(f, "parent"), .vendor = c->vendor, .device = c->device,
		.subvendor = c->subvendor, .subdevice = c->subdevice, .class_code = c->class_code,
		.driver = driver && *driver ? driver : NULL, .reset = machine_key(f, "reset"),
		.group = machine_key(f, "group") ? atoi(machine_key(f, "group")) : -1, .secondary = c->secondary,
	});
	machine_attributes_put(t, f);
}

/* ft_virtual() counts on from sriov_numvfs, where "sriov=" has said how many there are in the end. */
static void virtual_link(struct ft_tree *t, const struct machine_function *f, const char *pf)
{
	const char *dir = ft_device_path(t, pf);
	struct fk_path total = fk_path("%s", ft_read(t, fk_path("sys/bus/pci/devices/%s/sriov_totalvfs", pf).s));
	struct fk_path most = fk_path("%s", ft_read(t, fk_path("sys/bus/pci/devices/%s/sriov_numvfs", pf).s));
	int n = 0;

	while (ft_exists(t, fk_path("sys/bus/pci/devices/%s/virtfn%d", pf, n).s))
		n++;
	ft_attr(t, dir, "sriov_numvfs", "%d\n", n);
	ft_virtual(t, pf, f->bdf);
	if (atoi(most.s) > n)
		ft_attr(t, dir, "sriov_numvfs", "%s\n", most.s);
	if (*total.s)
		ft_attr(t, dir, "sriov_totalvfs", "%s\n", total.s);
}

int machine_pci(struct machine *m, const struct script_words *w)
{
	struct machine_function *f = function_find(m, w->word[1]);
	bool known = f != NULL;
	const char *parent, *pf;

	if (!known)
		f = function_add(m, w->word[1]);
	for (int i = 2; i < w->n; i++) {
		struct fk_path id = fk_path("id=%s", w->word[i]);

		if (key_set(m, f, i == 2 && !strchr(w->word[i], '=') ? id.s : w->word[i]) < 0)
			return -1;
	}
	if (!machine_key(f, "id") || !machine_key(f, "class"))
		return machine_fail(m, "pci %s: VENDOR:DEVICE and class= are needed", f->bdf);
	parent = machine_key(f, "parent");
	pf = machine_key(f, "vf-of");
	if (parent && !function_find(m, parent))
		return machine_fail(m, "pci %s: its parent %s must come before it", f->bdf, parent);
	if (pf && !function_find(m, pf))
		return machine_fail(m, "pci %s: the function %s must come before it", f->bdf, pf);
	if (known)
		function_undo(m->t, f);
	function_make(m->t, f);
	if (pf && !known)
		virtual_link(m->t, f, pf);
	return 0;
}

static void function_forget(struct machine *m, struct machine_function *f)
{
	for (int i = 0; i < f->num_keys; i++)
		free(f->keys[i]);
	*f = m->functions[--m->num_functions];
}

int machine_unplug(struct machine *m, const struct script_words *w)
{
	struct machine_function *f = function_find(m, w->word[1]);
	struct fk_path dir;

	if (!f)
		return machine_fail(m, "there is no function %s", w->word[1]);
	dir = fk_path("%s", ft_device_path(m->t, f->bdf));
	function_undo(m->t, f);
	ft_remove(m->t, dir.s);
	function_forget(m, f);
	return 0;
}

/* Function 0 tells that there are others, and a function of a slot tells it, too. */
static bool has_siblings(const struct machine *m, const struct machine_function *f)
{
	size_t slot = strlen(f->bdf) - 1;

	for (size_t i = 0; i < m->num_functions; i++)
		if (&m->functions[i] != f && !strncmp(m->functions[i].bdf, f->bdf, slot))
			return true;
	return false;
}

void machine_pci_finish(struct machine *m)
{
	for (size_t i = 0; i < m->num_functions; i++) {
		struct machine_function *f = &m->functions[i];

		f->config.multifunction = !f->config.vf && has_siblings(m, f);
		if (f->config.multifunction && !machine_key(f, "config") &&
		    ft_exists(m->t, fk_path("sys/bus/pci/devices/%s/config", f->bdf).s))
			machine_config_put(m->t, f);
	}
}

void machine_pci_free(struct machine *m)
{
	while (m->num_functions)
		function_forget(m, &m->functions[m->num_functions - 1]);
	free(m->functions);
}
