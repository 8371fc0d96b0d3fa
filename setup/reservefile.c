/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/modprobe.d/pvebind.conf: what vfio-pci takes at boot. */
#include <stdio.h>
#include <string.h>

#include "hostplan.h"

#define OPTIONS "options vfio-pci ids="
#define DISABLE_VGA " disable_vga=1"

bool reserve_name_add(char list[][PVB_NAME_MAX], size_t *n, const char *name)
{
	for (size_t i = 0; i < *n; i++)
		if (module_equal(list[i], name))
			return true;
	return *n < RESERVE_MAX && conf_copy(list[(*n)++], PVB_NAME_MAX, name);
}

bool reserve_id_add(struct reserve *reserve, const char *id)
{
	for (size_t i = 0; i < reserve->num_ids; i++)
		if (!strcmp(reserve->ids[i], id))
			return true;
	return reserve->num_ids < RESERVE_MAX && conf_copy(reserve->ids[reserve->num_ids++], sizeof(*reserve->ids), id);
}

bool reserve_id_is(const char *text, const struct pvb_function *fn)
{
	struct conf_id id;

	return conf_id_parse(text, &id) && !fn->bridge && id.vendor == fn->vendor && id.device == fn->device &&
	       (!id.has_sub || (id.subvendor == fn->subvendor && id.subdevice == fn->subdevice));
}

bool reserve_has(const struct reserve *reserve, const struct pvb_function *fn)
{
	for (size_t i = 0; i < reserve->num_ids; i++)
		if (reserve_id_is(reserve->ids[i], fn))
			return true;
	return false;
}

void reserve_parse(const char *text, struct reserve *reserve)
{
	const char *line = strstr(text, OPTIONS), *id;
	size_t size;
	char one[32];

	*reserve = (struct reserve){ .num_ids = 0 };
	if (!line)
		return;
	id = line + strlen(OPTIONS);
	for (; (size = strcspn(id, ", \n")); id += size + (id[size] == ',')) {
		snprintf(one, sizeof(one), "%.*s", (int)size, id);
		if (!reserve_id_add(reserve, one))
			return;
		if (id[size] != ',')
			break;
	}
	size = strcspn(line, "\n");
	reserve->disable_vga = memmem(line, size, DISABLE_VGA, strlen(DISABLE_VGA)) != NULL;
}

static void function_print(FILE *out, struct pvb_ctx *ctx, const struct pvb_function *fn)
{
	char addr[PVB_ADDR_MAX], name[160];

	pvb_name(ctx, fn, name, sizeof(name));
	for (char *c = name; *c; c++)
		if ((unsigned char)*c < ' ' || *c == '\\')
			*c = '?';
	fprintf(out, "# %s%s%s\n", pvb_addr_format(&fn->addr, addr), *name ? " " : "", name);
}

char *reserve_text(struct pvb_ctx *ctx, const struct reserve *reserve)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputs("# Devices that this host never has, only VMs: by 'pvebind setup --reserve'; 'pvebind setup --unreserve' takes it back.\n", out);
	for (size_t i = 0; i < reserve->num_fns; i++)
		function_print(out, ctx, &reserve->fns[i]);
	fputs(OPTIONS, out);
	for (size_t i = 0; i < reserve->num_ids; i++)
		fprintf(out, "%s%s", i ? "," : "", reserve->ids[i]);
	fprintf(out, "%s\n", reserve->disable_vga ? DISABLE_VGA : "");
	for (size_t i = 0; i < reserve->num_softdeps; i++)
		fprintf(out, "softdep %s pre: vfio-pci\n", reserve->softdeps[i]);
	for (size_t i = 0; i < reserve->num_blacklist; i++)
		fprintf(out, "blacklist %s\n", reserve->blacklist[i]);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
