/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind list --usb. */
#include "command.h"

struct stick {
	const char *name, *id, *speed, *interface_class, *manufacturer, *product;
};

static void usb_add(struct ft_tree *t, const char *controller, const struct stick *s)
{
	char dir[256], path[512], link[256], target[512];

	snprintf(dir, sizeof(dir), "%s/usb%c/%s", ft_device_path(t, controller), s->name[0], s->name);
	snprintf(path, sizeof(path), "%s/idVendor", dir);
	snprintf(target, sizeof(target), "%.4s\n", s->id);
	ft_write(t, path, target);
	snprintf(path, sizeof(path), "%s/idProduct", dir);
	snprintf(target, sizeof(target), "%s\n", s->id + 5);
	ft_write(t, path, target);
	snprintf(path, sizeof(path), "%s/bDeviceClass", dir);
	ft_write(t, path, strcmp(s->interface_class, "09") ? "00\n" : "09\n");
	snprintf(path, sizeof(path), "%s/speed", dir);
	snprintf(target, sizeof(target), "%s\n", s->speed);
	ft_write(t, path, target);
	snprintf(path, sizeof(path), "%s/%s:1.0/bInterfaceClass", dir, s->name);
	snprintf(target, sizeof(target), "%s\n", s->interface_class);
	ft_write(t, path, target);
	snprintf(path, sizeof(path), "%s/manufacturer", dir);
	if (s->manufacturer)
		ft_write(t, path, s->manufacturer);
	snprintf(path, sizeof(path), "%s/product", dir);
	if (s->product)
		ft_write(t, path, s->product);
	snprintf(link, sizeof(link), "sys/bus/usb/devices/%s", s->name);
	snprintf(target, sizeof(target), "../../../../%s", dir);
	ft_link(t, link, target);
}

static void controller_add(struct ft_tree *t, const char *bdf, int group)
{
	ft_driver(t, "xhci_hcd", "xhci_pci", "8086 a36d\n", 0);
	ft_function(t, &(struct ft_function){ bdf, NULL, 0x8086, 0xa36d, 0, 0, 0x0c0330, "xhci_hcd", NULL, group, 0 });
}

static void usb_has_a_line_to_copy(void **state)
{
	static const struct stick receiver = { "1-2", "046d:c52b", "12", "03", "Logitech\n", "USB Receiver\n" };
	static const struct stick hub = { "1-3", "05e3:0608", "480", "09", NULL, NULL };
	static const struct stick disk = { "2-1", "04e8:61f5", "10000", "08", "Samsung\n", "Samsung T5\n" };
	struct ft_tree *t = *state;

	controller_add(t, "0000:00:14.0", 4);
	usb_add(t, "0000:00:14.0", &receiver);
	usb_add(t, "0000:00:14.0", &hub);
	usb_add(t, "0000:00:14.0", &disk);
	ft_vm(t, 100, "usb0: host=046D:C52B\n");
	ft_vm(t, 101, "usb3: 2-1,usb3=1\n");
	assert_int_equal(looks(t, "list --usb"), 0);
	has(ran.out, "0000:00:14.0  Intel Corporation Cannon Lake PCH USB 3.1 xHCI Host Controller [8086:a36d], IOMMU group 4, on xhci_hcd\n"
		     "  1-2       Logitech USB Receiver [046d:c52b], input, 12 Mbit/s\n"
		     "            VM 100: usb0\n"
		     "            qm set VMID -usbN host=046d:c52b\n"
		     "  2-1       Samsung T5 [04e8:61f5], storage, 10000 Mbit/s\n"
		     "            VM 101: usb3\n"
		     "            qm set VMID -usbN host=04e8:61f5,usb3=1\n"
		     "  As a whole: qm set VMID -hostpciN 0000:00:14.0\n");
	has_not(ran.out, "1-3");
	assert_int_equal(looks(t, "list --usb --json"), 0);
	assert_string_equal(text_at(json(), "0.devices.1.command"), "qm set VMID -usbN host=04e8:61f5,usb3=1");
	assert_string_equal(text_at(json(), "0.devices.0.vms.0"), "VM 100: usb0");
	assert_false(json_object_get_boolean(at(json(), "0.whole_advised")));
	assert_null(at(json(), "0.whole_against"));
	assert_int_equal(looks(t, "list --usb 04e8:61f5"), 0);
	assert_int_equal(looks(t, "list --usb --group 4 00:14.0"), 0);
	assert_int_equal(looks(t, "list --usb --group 5"), 1);
}

static void usb_twins_go_by_port(void **state)
{
	static const struct stick one = { "1-1.2", "10c4:ea60", "12", "ff", NULL, NULL }, two = { "1-1.3", "10c4:ea60", "12", "ff", NULL, NULL };
	struct ft_tree *t = *state;

	controller_add(t, "0000:00:14.0", 4);
	usb_add(t, "0000:00:14.0", &one);
	usb_add(t, "0000:00:14.0", &two);
	assert_int_equal(looks(t, "list --usb"), 0);
	has(ran.out, "qm set VMID -usbN host=1-1.2  # by its port: another has its id\n");
	has(ran.out, "qm set VMID -usbN host=1-1.3 ");
	has(ran.out, " [10c4:ea60], 12 Mbit/s\n");
}

static void usb_controllers_as_a_whole(void **state)
{
	static const struct stick headset = { "1-1", "0d8c:0014", "12", "01", NULL, "Headset\n" }, key = { "3-1", "1050:0407", "12", "0b", NULL, NULL };
	struct ft_tree *t = *state;

	controller_add(t, "0000:00:14.0", 4);
	controller_add(t, "0000:02:00.0", 5);
	controller_add(t, "0000:02:00.1", 5);
	usb_add(t, "0000:00:14.0", &headset);
	usb_add(t, "0000:02:00.0", &key);
	assert_int_equal(looks(t, "list --usb"), 0);
	has(ran.out, "  As a whole, which is better here as sound, video and wireless devices need their data in time: qm set VMID -hostpciN 0000:00:14.0\n");
	has(ran.out, "  Not as a whole: IOMMU group 5 has other devices, which would go with it (pvebind list --group 5).\n");
	has(ran.out, "  no device\n");
}

/* Home automation's sticks say they are modems; a mouse has 1.5 Mbit/s. */
static void usb_kinds_and_speeds_are_told(void **state)
{
	static const struct stick zigbee = { "1-1", "1cf1:0030", "12", "02", NULL, "ConBee II\n" };
	static const struct stick net = { "1-2", "0bda:8153", "480", "02", NULL, "LAN\n" }, mouse = { "1-3", "046d:c077", "1.5", "03", NULL, "Mouse\n" };
	struct ft_tree *t = *state;

	controller_add(t, "0000:00:14.0", 4);
	usb_add(t, "0000:00:14.0", &zigbee);
	usb_add(t, "0000:00:14.0", &net);
	usb_add(t, "0000:00:14.0", &mouse);
	ft_write(t, "sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0/bInterfaceSubClass", "02\n");
	ft_write(t, "sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/bInterfaceSubClass", "06\n");
	assert_int_equal(looks(t, "list --usb"), 0);
	has(ran.out, "ConBee II [1cf1:0030], serial, 12 Mbit/s\n");
	has(ran.out, "LAN [0bda:8153], network, 480 Mbit/s\n");
	has(ran.out, "Mouse [046d:c077], input, 1.5 Mbit/s\n");
	assert_int_equal(looks(t, "list --usb --json"), 0);
	assert_string_equal(text_at(json(), "0.devices.0.kinds.0"), "serial");
}

/* Whoever made it wrote its name: no terminal shall obey that. */
static void usb_names_are_letters(void **state)
{
	static const struct stick evil = { "1-1", "dead:beef", "12", "03", NULL, "\xc2\x9b" "31mCaf\xc3\xa9\x1b[0m\n" };
	struct ft_tree *t = *state;

	controller_add(t, "0000:00:14.0", 4);
	usb_add(t, "0000:00:14.0", &evil);
	assert_int_equal(looks(t, "list --usb"), 0);
	has(ran.out, "?31mCaf\xc3\xa9?[0m [dead:beef]");
}

/* The disk that the host lives on may hang on it. */
static void usb_disks_of_the_host_are_named(void **state)
{
	static const struct stick disk = { "1-1", "0781:5583", "5000", "08", "SanDisk\n", "Ultra\n" };
	struct ft_tree *t = *state;
	const char *block = "sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0/host0/target0:0:0/0:0:0:0/block/sdb";
	char path[512];

	controller_add(t, "0000:00:14.0", 4);
	usb_add(t, "0000:00:14.0", &disk);
	snprintf(path, sizeof(path), "%s/dev", block);
	ft_write(t, path, "8:16\n");
	snprintf(path, sizeof(path), "%s/subsystem", block);
	ft_link(t, path, "../../../../../../../../../../../../class/block");
	snprintf(path, sizeof(path), "../../../%s", block);
	ft_link(t, "sys/class/block/sdb", path);
	ft_write(t, "dev/sdb", "");
	ft_write(t, "proc/self/mountinfo", "22 1 8:16 / /mnt/backup rw - ext4 /dev/sdb rw\n");
	assert_int_equal(looks(t, "list --usb"), 0);
	has(ran.out, "            the host uses it: sdb is mounted on /mnt/backup\n");
	has(ran.out, "  Not as a whole: the host uses 1-1 on it: sdb is mounted on /mnt/backup.\n");
	assert_int_equal(looks(t, "list 00:14.0"), 0);
	has(ran.out, "the host uses a disk of it: sdb is mounted on /mnt/backup\n");
}

/* The kernel shows a device's own words under its lock. */
static void usb_that_hangs_has_no_name(void **state)
{
	static const struct stick one = { "1-1", "dead:0001", "12", "03", NULL, "One\n" }, two = { "1-2", "dead:0002", "12", "03", NULL, "Two\n" };
	struct ft_tree *t = *state;

	controller_add(t, "0000:00:14.0", 4);
	usb_add(t, "0000:00:14.0", &one);
	usb_add(t, "0000:00:14.0", &two);
	ft_hang_read(t, "*/1-1/product");
	assert_int_equal(run_bare(t, "list --usb"), 0);
	has(ran.out, "USB device [dead:0001], input");
	has(ran.out, "Two [dead:0002], input");
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		IN_TREE(usb_has_a_line_to_copy),
		IN_TREE(usb_twins_go_by_port),
		IN_TREE(usb_controllers_as_a_whole),
		IN_TREE(usb_kinds_and_speeds_are_told),
		IN_TREE(usb_names_are_letters),
		IN_TREE(usb_disks_of_the_host_are_named),
		IN_TREE(usb_that_hangs_has_no_name),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("list --usb", tests, NULL, NULL);
}
