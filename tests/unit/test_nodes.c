/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device nodes of a function, and what processes that have them open mean for a lend. */
#include <sys/stat.h>

#include "host.h"

static struct pvb_nodes nodes_of(struct host *h, const char *addr)
{
	struct pvb_function fn = function_of(h, addr);
	struct pvb_nodes nodes = { .n = 0 };

	assert_int_equal(pvb_device_nodes(h->ctx, &fn, &nodes), 0);
	return nodes;
}

static const struct pvb_node *node_find(const struct pvb_nodes *nodes, const char *path)
{
	for (size_t i = 0; i < nodes->n; i++)
		if (!strcmp(nodes->list[i].path, path))
			return &nodes->list[i];
	return NULL;
}

static const struct pvb_node *node_get(const struct pvb_nodes *nodes, const char *path)
{
	static const struct pvb_node none;
	const struct pvb_node *node = node_find(nodes, path);

	if (!node)
		fail_msg("%s is not among them", path);
	return node ? node : &none;
}

static void below(struct host *h, const char *addr, const char *path, const char *dev, const char *subsystem)
{
	char full[512], text[512];

	snprintf(full, sizeof(full), "%s/%s/dev", ft_device_path(h->t, addr), path);
	snprintf(text, sizeof(text), "%s\n", dev);
	ft_write(h->t, full, text);
	snprintf(full, sizeof(full), "%s/%s/subsystem", ft_device_path(h->t, addr), path);
	snprintf(text, sizeof(text), "/sys/class/%s", subsystem);
	ft_link(h->t, full, text);
}

static void gpu_has_its_nodes(void **state)
{
	struct host *h = *state;
	struct pvb_nodes nodes;
	const struct pvb_node *node;

	ft_preset_gpu(h->t);
	ft_preset_gpu2(h->t);
	below(h, "0000:01:00.0", "drm/renderD128", "226:128", "drm");
	below(h, "0000:01:00.0", "drm/card0/card0-HDMI-A-1/i2c-7/i2c-dev/i2c-7", "89:7", "i2c-dev");
	below(h, "0000:01:00.0", "drm/card0/input3/event3", "13:67", "input");
	below(h, "0000:01:00.0", "power/nothing", "1:2", "drm");
	nodes = nodes_of(h, "0000:01:00.0");
	assert_int_equal(nodes.n, 4);
	node = node_get(&nodes, "/dev/dri/card0");
	assert_int_equal(node->major, 226);
	assert_int_equal(node->minor, 0);
	assert_true(node->mappable);
	assert_string_equal(node->counted_by, "bochs");
	assert_non_null(node_find(&nodes, "/dev/dri/renderD128"));
	assert_non_null(node_find(&nodes, "/dev/fb0"));
	node = node_get(&nodes, "/dev/i2c-7");
	assert_false(node->mappable);
	assert_string_equal(node->counted_by, ""); /* a DP AUX adapter belongs to another module */
	pvb_nodes_clear(&nodes);
}

/* Between virtio-gpu's card and the PCI function is a device with a driver of its own, whose module counts. */
static void only_own_class_devices_count(void **state)
{
	struct host *h = *state;
	struct pvb_nodes nodes;

	ft_preset_nic(h->t, false);
	below(h, "0000:03:00.0", "virtio0/drm/card5", "226:5", "drm");
	nodes = nodes_of(h, "0000:03:00.0");
	assert_non_null(node_find(&nodes, "/dev/dri/card5"));
	assert_string_equal(node_get(&nodes, "/dev/dri/card5")->counted_by, "");
	pvb_nodes_clear(&nodes);
}

static void sound_counts_in_its_cards_module(void **state)
{
	static const struct {
		const char *modules, *counted;
	} cases[] = { { "", "" },
		      { " 0 snd_hda_intel\n", "snd_hda_intel" },
		      { " 0 snd_soc_skl_hda_dsp\n 1 snd_hda_intel\n", "" },
		      { " 0 snd_hda_intel_other\n", "" },
		      { "10 snd_hda_intel\n", "" } };
	struct host *h = *state;

	ft_preset_gpu(h->t);
	below(h, "0000:01:00.1", "sound/card0/pcmC0D3p", "116:4", "sound");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pvb_nodes nodes;

		ft_write(h->t, "proc/asound/modules", cases[i].modules);
		nodes = nodes_of(h, "0000:01:00.1");
		assert_int_equal(nodes.n, 1);
		assert_string_equal(nodes.list[0].path, "/dev/snd/pcmC0D3p");
		assert_string_equal(nodes.list[0].counted_by, cases[i].counted);
		pvb_nodes_clear(&nodes);
	}
}

static void disks_and_usb_are_named(void **state)
{
	struct host *h = *state;
	struct pvb_nodes nodes;

	ft_preset_nvme(h->t, NULL);
	below(h, "0000:04:00.0", "usb2/2-3", "189:130", "usb");
	below(h, "0000:04:00.0", "cciss0/cciss!c0d0", "104:0", "block");
	nodes = nodes_of(h, "0000:04:00.0");
	assert_non_null(node_find(&nodes, "/dev/nvme0n1"));
	assert_true(node_get(&nodes, "/dev/nvme0n1")->block);
	assert_non_null(node_find(&nodes, "/dev/nvme0n1p2"));
	assert_non_null(node_find(&nodes, "/dev/bus/usb/002/003"));
	assert_non_null(node_find(&nodes, "/dev/cciss/c0d0"));
	assert_string_equal(node_get(&nodes, "/dev/nvme0n1")->counted_by, "");
	pvb_nodes_clear(&nodes);
}

static void multipath_heads_belong_to_their_controllers(void **state)
{
	struct host *h = *state;
	struct pvb_nodes nodes;
	char path[512];

	ft_preset_nvme(h->t, NULL);
	snprintf(path, sizeof(path), "%s/nvme/nvme0/nvme0n1", ft_device_path(h->t, "0000:04:00.0"));
	ft_remove(h->t, path);
	snprintf(path, sizeof(path), "%s/nvme/nvme0/dev", ft_device_path(h->t, "0000:04:00.0"));
	ft_write(h->t, path, "242:0\n");
	ft_write(h->t, "sys/class/nvme-subsystem/nvme-subsys0/nvme0/x", "");
	ft_write(h->t, "sys/class/nvme-subsystem/nvme-subsys0/nvme0n1/dev", "259:1\n");
	ft_link(h->t, "sys/class/nvme-subsystem/nvme-subsys0/nvme0n1/subsystem", "/sys/class/block");
	nodes = nodes_of(h, "0000:04:00.0");
	assert_int_equal(nodes.n, 2);
	assert_non_null(node_find(&nodes, "/dev/nvme0"));
	assert_non_null(node_find(&nodes, "/dev/nvme0n1"));
	pvb_nodes_clear(&nodes);
}

static void drive(struct host *h, const char *addr, const char *driver)
{
	char path[512], target[512];

	ft_driver(h->t, driver, driver, NULL, 0);
	snprintf(path, sizeof(path), "%s/driver", ft_device_path(h->t, addr));
	ft_remove(h->t, path);
	snprintf(target, sizeof(target), "/sys/bus/pci/drivers/%s", driver);
	ft_link(h->t, path, target);
	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/%s", driver, addr);
	ft_mkdir(h->t, path);
}

static void nvidia_nodes_are_known(void **state)
{
	struct host *h = *state;
	struct pvb_nodes nodes;

	ft_preset_gpu(h->t);
	drive(h, "0000:01:00.0", "nvidia");
	for (size_t i = 0; i < 7; i++)
		ft_write(h->t, (const char *[]){ "dev/nvidia0", "dev/nvidia1", "dev/nvidia10", "dev/nvidiactl", "dev/nvidia-uvm",
						 "dev/nvidia-modeset", "dev/nvidia-caps/nvidia-cap1" }[i], "");
	ft_write(h->t, "proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t Some\nDevice Minor: \t 1\n");
	nodes = nodes_of(h, "0000:01:00.0");
	assert_non_null(node_find(&nodes, "/dev/nvidia1"));
	assert_false(node_get(&nodes, "/dev/nvidia1")->shared);
	assert_null(node_find(&nodes, "/dev/nvidia0"));
	assert_null(node_find(&nodes, "/dev/nvidia10"));
	assert_true(node_get(&nodes, "/dev/nvidiactl")->shared);
	assert_true(node_get(&nodes, "/dev/nvidia-uvm")->shared);
	assert_true(node_get(&nodes, "/dev/nvidia-modeset")->shared);
	assert_true(node_get(&nodes, "/dev/nvidia-caps/nvidia-cap1")->shared);
	assert_null(node_find(&nodes, "/dev/nvidia-caps"));
	pvb_nodes_clear(&nodes);
	/* Not known which is its own: then each may be. The file is one that never answers. */
	ft_remove(h->t, "proc/driver/nvidia/gpus/0000:01:00.0/information");
	assert_int_equal(mkfifoat(h->t->fd, "proc/driver/nvidia/gpus/0000:01:00.0/information", 0600), 0);
	nodes = nodes_of(h, "0000:01:00.0");
	assert_non_null(node_find(&nodes, "/dev/nvidia0"));
	assert_non_null(node_find(&nodes, "/dev/nvidia10"));
	pvb_nodes_clear(&nodes);
}

static void kfd_is_amdgpus(void **state)
{
	struct host *h = *state;
	struct pvb_nodes nodes;

	ft_preset_gpu(h->t);
	ft_write(h->t, "dev/kfd", "");
	nodes = nodes_of(h, "0000:01:00.0");
	assert_null(node_find(&nodes, "/dev/kfd"));
	pvb_nodes_clear(&nodes);
	drive(h, "0000:01:00.0", "amdgpu");
	nodes = nodes_of(h, "0000:01:00.0");
	assert_true(node_get(&nodes, "/dev/kfd")->shared);
	pvb_nodes_clear(&nodes);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(gpu_has_its_nodes),
		TEST(only_own_class_devices_count),
		TEST(sound_counts_in_its_cards_module),
		TEST(disks_and_usb_are_named),
		TEST(multipath_heads_belong_to_their_controllers),
		TEST(nvidia_nodes_are_known),
		TEST(kfd_is_amdgpus),
	};

	return cmocka_run_group_tests_name("nodes", tests, NULL, NULL);
}
