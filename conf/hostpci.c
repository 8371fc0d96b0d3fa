/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One hostpciN value: "[host=]ID[;ID…]" or "mapping=NAME", then options (PVE/QemuServer/PCI.pm: $hostpci_fmt). */
#include <ctype.h>
#include <string.h>

#include "conf.h"

/* The value being parsed, and where it stands. */
struct spot {
	const struct conf_at *at;
	const char *key;
	struct conf_hostpci *hostpci;
	struct pvb_err *err;
	unsigned seen; /* bit i: options[i] */
};

#define spot_error(spot, fmt, ...) \
	conf_at_error((spot)->at, (spot)->err, "%s: " fmt ": correct it, under Hardware or with 'qm set'", \
		      (spot)->key, __VA_ARGS__)

static int id_add(struct spot *spot, const char *text)
{
	struct conf_hostpci *hostpci = spot->hostpci;
	struct pvb_addr *more = realloc(hostpci->ids, (hostpci->num_ids + 1) * sizeof(*more));
	struct pvb_err why;

	if (!more)
		return pvb_err_set(spot->err, -ENOMEM, "out of memory");
	hostpci->ids = more;
	if (pvb_addr_parse(text, &more[hostpci->num_ids], &why) < 0)
		return spot_error(spot, "'%.40s' is no PCI address", text);
	hostpci->num_ids++;
	return 0;
}

static int host_parse(struct spot *spot, char *value)
{
	for (char *id = strsep(&value, ";"); id; id = strsep(&value, ";")) {
		int r = id_add(spot, id);

		if (r < 0)
			return r;
	}
	return 0;
}

static int mapping_parse(struct spot *spot, char *value)
{
	if (!conf_name_valid(value, PVB_NAME_MAX))
		return spot_error(spot, "'%.60s' is no mapping's name", value);
	return conf_copy(spot->hostpci->mapping, PVB_NAME_MAX, value) ? 0 : -EINVAL;
}

static int mdev_parse(struct spot *spot, char *value)
{
	return conf_copy(spot->hostpci->mdev, PVB_NAME_MAX, value) ? 0
								   : spot_error(spot, "mdev=%.60s… is too long", value);
}

/* kvm: what very old versions wrote. */
static int driver_parse(struct spot *spot, char *value)
{
	spot->hostpci->driver_keep = !strcmp(value, "keep");
	if (!spot->hostpci->driver_keep && strcmp(value, "vfio") && strcmp(value, "kvm"))
		return spot_error(spot, "driver=%.40s is neither vfio nor keep", value);
	return 0;
}

static int flag_parse(struct spot *spot, const char *name, const char *value, bool *flag)
{
	return conf_bool_parse(value, flag) ? 0 : spot_error(spot, "%s=%.40s is neither 0 nor 1", name, value);
}

static int pcie_parse(struct spot *spot, char *value)
{
	return flag_parse(spot, "pcie", value, &spot->hostpci->pcie);
}

static int x_vga_parse(struct spot *spot, char *value)
{
	return flag_parse(spot, "x-vga", value, &spot->hostpci->x_vga);
}

static int legacy_igd_parse(struct spot *spot, char *value)
{
	return flag_parse(spot, "legacy-igd", value, &spot->hostpci->legacy_igd);
}

static const struct {
	const char *name;
	int (*parse)(struct spot *spot, char *value);
} options[] = {
	{ "host", host_parse },
	{ "mapping", mapping_parse },
	{ "mdev", mdev_parse },
	{ "driver", driver_parse },
	{ "pcie", pcie_parse },
	{ "x-vga", x_vga_parse },
	{ "legacy-igd", legacy_igd_parse },
};

static bool key_valid(const char *key)
{
	if (!islower((unsigned char)*key))
		return false;
	while (islower((unsigned char)*key) || isdigit((unsigned char)*key) || *key == '-')
		key++;
	return !*key;
}

/* key NULL: the value alone, which is host's. */
static int part_parse(struct spot *spot, const char *key, char *value)
{
	key = key ? key : "host";
	if (!key_valid(key) || !*value)
		return spot_error(spot, "'%.40s=%.40s' is no option", key, value);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(options[i].name, key))
			continue;
		if (spot->seen & 1u << i)
			return spot_error(spot, "%s is there twice", key);
		spot->seen |= 1u << i;
		return options[i].parse(spot, value);
	}
	return 0;
}

int conf_hostpci_parse(struct conf_hostpci *hostpci, const struct conf_at *at, const char *key, const char *value,
		       struct pvb_err *err)
{
	struct spot spot = { .at = at, .key = key, .hostpci = hostpci, .err = err };
	_conf_free_ char *copy = strdup(value);
	char *rest = copy, *name, *part;
	int r = 0;

	*hostpci = (struct conf_hostpci){ .present = true, .line = at->line, .text = strdup(value) };
	if (!copy || !hostpci->text)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	while (r == 0 && conf_part_next(&rest, &name, &part))
		r = part_parse(&spot, name, part);
	if (r < 0)
		return r;
	if (hostpci->num_ids && *hostpci->mapping)
		return spot_error(&spot, "'%.80s' has both a device and a mapping", value);
	if (!hostpci->num_ids && !*hostpci->mapping)
		return spot_error(&spot, "'%.80s' names neither a device nor a mapping", value);
	return 0;
}
