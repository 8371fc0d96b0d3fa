// SPDX-License-Identifier: GPL-2.0-or-later
/* nvidia_modeset - between nvidia and nvidia_drm; /dev/nvidia-modeset, which holds no card but the module. */
#include <linux/fs.h>
#include <linux/module.h>

#include "nvidia_family.h"

void nvkms_use_all(void)
{
	nvidia_use_all();
}
EXPORT_SYMBOL_GPL(nvkms_use_all);

void nvkms_unuse_all(void)
{
	nvidia_unuse_all();
}
EXPORT_SYMBOL_GPL(nvkms_unuse_all);

struct pci_dev *nvkms_first(void)
{
	return nvidia_first();
}
EXPORT_SYMBOL_GPL(nvkms_first);

static const struct file_operations modeset_fops = {
	.owner = THIS_MODULE,
};

static int __init modeset_init(void)
{
	return __register_chrdev(NV_MAJOR, NV_MINOR_MODESET, 1, "nvidia-modeset", &modeset_fops);
}

static void __exit modeset_exit(void)
{
	__unregister_chrdev(NV_MAJOR, NV_MINOR_MODESET, 1, "nvidia-modeset");
}

module_init(modeset_init);
module_exit(modeset_exit);
MODULE_DESCRIPTION("The middle of a family that waits for its users");
MODULE_LICENSE("GPL");
