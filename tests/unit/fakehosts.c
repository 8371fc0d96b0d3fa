/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole hosts; see faketree.h. */
#define _GNU_SOURCE
#include "ft_internal.h"

/* ---- presets ------------------------------------------------------------------- */

/* Root port 0000:00:DEV.0 with the bus behind it. */
static void add_port(struct ft_tree *t, const char *address, unsigned bus)
{
	ft_driver(t, "pcieport", NULL, "ffffffff ffffffff ffffffff ffffffff 60400 ffffff\n", 0);
	ft_function(t, &(struct ft_function){ address, NULL, 0x1b36, 0x000c, 0, 0, 0x060400, "pcieport", "pm", (int)bus, bus });
}

void ft_preset_gpu(struct ft_tree *t)
{
	add_port(t, "0000:00:02.0", 1);
	ft_driver(t, "bochs-drm", "bochs", "1234 1111\n", 0);
	ft_driver(t, "snd_hda_intel", "snd_hda_intel", "8086 2668\n", 0);
	ft_vfio(t);
	ft_function(t, &(struct ft_function){ "0000:01:00.0", "0000:00:02.0", 0x1234, 0x1111, 0x1af4, 0x1100, 0x038000,
					      "bochs-drm", "bus", 15, 0 });
	ft_function(t, &(struct ft_function){ "0000:01:00.1", "0000:00:02.0", 0x8086, 0x2668, 0x1af4, 0x1100, 0x040300,
					      "snd_hda_intel", NULL, 15, 0 });
	ft_framebuffer(t, "0000:01:00.0", "bochs-drm", "bochs-drmdrmfb");
	ft_attr(t, ft_class_device(t, "0000:01:00.1", "sound", "card0").s, "number", "0\n");
	ft_class_done(t, "0000:01:00.1", "snd_hda_intel", "sound", "card0");
	if (!ft_exists(t, "sys/class/vtconsole/vtcon0"))
		ft_console(t, false);
}

void ft_preset_gpu2(struct ft_tree *t)
{
	add_port(t, "0000:00:03.0", 2);
	ft_driver(t, "bochs-drm", "bochs", "1234 1111\n", 0);
	ft_vfio(t);
	ft_function(t, &(struct ft_function){ "0000:02:00.0", "0000:00:03.0", 0x1234, 0x1111, 0x1af4, 0x1100, 0x038000,
					      "bochs-drm", "flr", 16, 0 });
	ft_framebuffer(t, "0000:02:00.0", "bochs-drm", "bochs-drmdrmfb");
}

void ft_preset_nic(struct ft_tree *t, bool default_route)
{
	add_port(t, "0000:00:04.0", 3);
	ft_driver(t, "e1000e", "e1000e", "8086 10d3\n", 0);
	ft_vfio(t);
	ft_function(t, &(struct ft_function){ "0000:03:00.0", "0000:00:04.0", 0x8086, 0x10d3, 0x8086, 0x0000, 0x020000,
					      "e1000e", "flr", 17, 0 });
	ft_netdev(t, "0000:03:00.0", "e1000e", "eth0", default_route);
}

void ft_preset_nvme(struct ft_tree *t, const char *mountpoint)
{
	add_port(t, "0000:00:05.0", 4);
	ft_driver(t, "nvme", "nvme", "ffffffff ffffffff ffffffff ffffffff 10802 ffffff\n", 0);
	ft_vfio(t);
	ft_function(t, &(struct ft_function){ "0000:04:00.0", "0000:00:05.0", 0x1b36, 0x0010, 0x1af4, 0x1100, 0x010802,
					      "nvme", "flr", 18, 0 });
	ft_nvme(t, "0000:04:00.0", 0, mountpoint);
}

void ft_preset_sriov(struct ft_tree *t, unsigned vfs)
{
	add_port(t, "0000:00:06.0", 5);
	ft_driver(t, "mlx5_core", "mlx5_core", "15b3 1017\n15b3 1018\n", 0);
	ft_vfio(t);
	ft_function(t, &(struct ft_function){ "0000:05:00.0", "0000:00:06.0", 0x15b3, 0x1017, 0x15b3, 0x0007, 0x020000,
					      "mlx5_core", "flr", 30, 0 });
	ft_attr(t, ft_device_path(t, "0000:05:00.0"), "sriov_numvfs", "0\n");
	for (unsigned i = 1; i <= vfs; i++) {
		struct fk_path vf = fk_path("0000:05:00.%u", i);

		ft_function(t, &(struct ft_function){ vf.s, "0000:00:06.0", 0x15b3, 0x1018, 0x15b3, 0x0007, 0x020000,
						      "mlx5_core", "flr", 30 + (int)i, 0 });
		ft_virtual(t, "0000:05:00.0", vf.s);
	}
}

void ft_preset_shared(struct ft_tree *t)
{
	ft_driver(t, "e1000", "e1000", "8086 100e\n", 0);
	ft_vfio(t);
	ft_function(t, &(struct ft_function){ "0000:00:1e.0", NULL, 0x1b36, 0x000e, 0, 0, 0x060400, NULL, NULL, 22, 6 });
	ft_function(t, &(struct ft_function){ "0000:06:01.0", "0000:00:1e.0", 0x1234, 0x11e8, 0x1af4, 0x1100, 0x00ff00,
					      NULL, NULL, 22, 0 });
	ft_function(t, &(struct ft_function){ "0000:06:02.0", "0000:00:1e.0", 0x8086, 0x100e, 0x1af4, 0x1100, 0x020000,
					      "e1000", NULL, 22, 0 });
	ft_netdev(t, "0000:06:02.0", "e1000", "eth1", false);
}

void ft_preset_host(struct ft_tree *t, unsigned n)
{
	struct fk_path port = { "" };

	ft_driver(t, "e1000e", "e1000e", "8086 10d3\n", 0);
	ft_vfio(t);
	for (unsigned i = 0; i < n; i++) {
		unsigned slot = i / 8, bus = 0x40 + slot;
		struct fk_path fn = fk_path("0000:%02x:00.%u", bus, i % 8 - 1);

		if (i % 8 == 0) {
			port = fk_path("0000:00:%02x.%u", 8 + slot / 8, slot % 8);
			add_port(t, port.s, bus);
			continue;
		}
		ft_function(t, &(struct ft_function){ fn.s, port.s, 0x8086, 0x10d3, 0x8086, 0, 0x020000, "e1000e", "flr",
						      1000 + (int)slot, 0 });
	}
}

static void add_nvidia(struct ft_tree *t, const char *port, unsigned bus, const char *address, int group, const char *minor)
{
	add_port(t, port, bus);
	ft_vfio(t);
	ft_function(t, &(struct ft_function){ address, port, 0x10de, 0x24b0, 0x10de, 0x14ad, 0x030000, "nvidia", "bus", group, 0 });
	ft_attr(t, fk_path("proc/driver/nvidia/gpus/%s", address).s, "information", "Model: \t\t NVIDIA RTX A4000\nDevice Minor: \t %s\n",
		minor);
	ft_write(t, fk_path("dev/nvidia%s", minor).s, "");
}

void ft_preset_nvidia(struct ft_tree *t)
{
	ft_driver(t, "nvidia", "nvidia", "10de 24b0\n", 0);
	add_nvidia(t, "0000:00:08.0", 7, "0000:07:00.0", 19, "0");
	ft_module(t, "nvidia", "nvidia", NULL);
	ft_module(t, "nvidia_modeset", NULL, "nvidia");
	ft_module(t, "nvidia_drm", NULL, "nvidia_modeset");
	ft_module(t, "nvidia_uvm", NULL, "nvidia");
	ft_attr(t, "sys/module/nvidia_drm/parameters", "modeset", "N\n");
	ft_attr(t, "sys/module/nvidia_drm/parameters", "fbdev", "N\n");
	ft_write(t, "dev/nvidiactl", "");
	ft_write(t, "dev/nvidia-uvm", "");
}

void ft_preset_nvidia2(struct ft_tree *t)
{
	add_nvidia(t, "0000:00:09.0", 8, "0000:08:00.0", 20, "1");
}
