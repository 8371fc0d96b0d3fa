// SPDX-License-Identifier: GPL-2.0-or-later
/* nvidia_uvm - /dev/nvidia-uvm: who has it open (CUDA) uses every card. Its major is the kernel's choice: /proc/devices has it. */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/module.h>

#include "nvidia_family.h"

static int major;
static unsigned int exit_ms; /* how long its unloading takes: time for others to come */
module_param(exit_ms, uint, 0644);

static int uvm_open(struct inode *inode, struct file *file)
{
	nvidia_use_all();
	return 0;
}

static int uvm_release(struct inode *inode, struct file *file)
{
	nvidia_unuse_all();
	return 0;
}

static const struct file_operations uvm_fops = {
	.owner = THIS_MODULE,
	.open = uvm_open,
	.release = uvm_release,
};

static int __init uvm_init(void)
{
	major = __register_chrdev(0, 0, 2, "nvidia-uvm", &uvm_fops);
	return major < 0 ? major : 0;
}

static void __exit uvm_exit(void)
{
	msleep(exit_ms);
	__unregister_chrdev(major, 0, 2, "nvidia-uvm");
}

module_init(uvm_init);
module_exit(uvm_exit);
MODULE_DESCRIPTION("One more user of a driver that waits for its users");
MODULE_LICENSE("GPL");
