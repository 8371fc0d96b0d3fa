/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM's configuration: each device line that is accepted names something, and is the same read alone. */
#include "../../conf/conf.h"
#include "fuzz.h"

#define FILE_NAME "/etc/pve/qemu-server/100.conf"

static void hostpci_compare(const struct conf_hostpci *a, const struct conf_hostpci *b)
{
	promise(a->num_ids == b->num_ids && !strcmp(a->mapping, b->mapping) && !strcmp(a->mdev, b->mdev),
		"the same device");
	promise(a->driver_keep == b->driver_keep && a->pcie == b->pcie && a->x_vga == b->x_vga &&
			a->legacy_igd == b->legacy_igd,
		"the same options");
	for (size_t i = 0; i < a->num_ids; i++)
		promise(!pvb_addr_compare(&a->ids[i], &b->ids[i]), "the same addresses");
}

static void hostpci_check(const struct conf_hostpci *hostpci)
{
	struct conf_at at = { .file = FILE_NAME, .line = hostpci->line };
	struct conf_hostpci again;
	struct pvb_err err;

	promise(hostpci->line > 0 && hostpci->text, "it has a place and a text");
	promise((hostpci->num_ids > 0) != (*hostpci->mapping != '\0'), "a device or a mapping, not both");
	for (size_t i = 0; i < hostpci->num_ids; i++)
		promise(hostpci->ids[i].dev <= 0x1f, "the device is in range");
	promise(conf_hostpci_parse(&again, &at, "hostpci0", hostpci->text, &err) == 0, "its text alone is accepted");
	hostpci_compare(hostpci, &again);
	free(again.text);
	free(again.ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_vm vm = { .vmid = 100, .file = FILE_NAME };
	char *text = text_new(data, size);
	struct pvb_err err;
	int r = conf_vm_parse(&vm, text, size, &err);

	free(text); /* nothing of it may be kept */
	promise_sentence(r, &err);
	promise(r != -EINVAL || !strncmp(err.text, FILE_NAME ":", sizeof(FILE_NAME)), "a fault has its place");
	for (int i = 0; r == 0 && i < CONF_HOSTPCI_MAX; i++)
		if (vm.hostpci[i].present)
			hostpci_check(&vm.hostpci[i]);
	conf_vm_clear(&vm);
	return 0;
}
