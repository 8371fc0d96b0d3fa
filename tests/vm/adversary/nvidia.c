// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nvidia - behaves towards who takes its devices as NVIDIA's open kernel module does, and does nothing else. Claims
 * QEMU's edu. As in the real one:
 *
 *  - Each open of /dev/nvidiaN, and each use by nvidia_drm (modeset=1) or nvidia_uvm from inside the kernel, counts in
 *    that device's usage count. remove() waits, in D state, looking every half second, until it is 0.
 *  - An open file holds the module, so that rmmod fails with EBUSY; a use from inside the kernel does not: there only the
 *    dependency of one module on the other holds nvidia.
 *  - It does not load (ENODEV) where it gets no device: when each is gone, or has another driver or driver_override.
 *  - The nodes /dev/nvidiaN, /dev/nvidiactl, … are nobody's in sysfs: nvidia-modprobe makes them with mknod, major 195,
 *    N being "Device Minor" of /proc/driver/nvidia/gpus/ADDRESS/information, and they stay when the module goes.
 *    Here the word `adversary` of lib.sh makes them.
 *  - Persistence: nvidia-persistenced is a process that has /dev/nvidiaN open, and /run/nvidia-persistenced/…; so
 *    play it with a process. The older way (nvidia-smi -pm 1 without it) is a flag of the device, which keeps its software
 *    state when the last file is closed; remove() clears it by itself and waits for nobody, and it does not hold the module.
 *    The parameter `persistence` is there for those drivers and builds that do wait: every device counts as
 *    used, by nobody to be found.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "nvidia_family.h"

struct card {
	struct pci_dev *dev; /* NULL: free */
	unsigned int usage;
	unsigned int kernel_usage; /* how much of it is from inside the kernel */
	struct proc_dir_entry *proc;
};

static struct card cards[NV_CARDS_MAX];
static DEFINE_MUTEX(cards_lock);
static unsigned int kernel_users; /* of each card, those to come too */
static struct proc_dir_entry *proc_top, *proc_gpus;

/* ---- uses from inside the kernel ------------------------------------------------------------------------------- */

static void use_all(int by)
{
	int i;

	mutex_lock(&cards_lock);
	kernel_users += by;
	for (i = 0; i < NV_CARDS_MAX; i++) {
		/* A card that is leaving already gets no new user (dev is NULL then). */
		if (!cards[i].dev && by > 0)
			continue;
		if (by < 0 && !cards[i].kernel_usage)
			continue;
		cards[i].usage += by;
		cards[i].kernel_usage += by;
	}
	mutex_unlock(&cards_lock);
}

void nvidia_use_all(void)
{
	use_all(1);
}
EXPORT_SYMBOL_GPL(nvidia_use_all);

void nvidia_unuse_all(void)
{
	use_all(-1);
}
EXPORT_SYMBOL_GPL(nvidia_unuse_all);

struct pci_dev *nvidia_first(void)
{
	int i;

	for (i = 0; i < NV_CARDS_MAX; i++)
		if (cards[i].dev)
			return cards[i].dev;
	return NULL;
}
EXPORT_SYMBOL_GPL(nvidia_first);

static bool persistence;

static int persistence_set(const char *value, const struct kernel_param *kp)
{
	bool before = persistence;
	int r = param_set_bool(value, kp);

	if (r == 0 && persistence != before)
		use_all(persistence ? 1 : -1);
	return r;
}

static const struct kernel_param_ops persistence_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = persistence_set,
	.get = param_get_bool,
};
module_param_cb(persistence, &persistence_ops, &persistence, 0644);

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static int node_open(struct inode *inode, struct file *file)
{
	unsigned int minor = iminor(inode);
	int r = 0;

	if (minor == NV_MINOR_CTL)
		return 0;
	mutex_lock(&cards_lock);
	if (minor < NV_CARDS_MAX && cards[minor].dev) {
		cards[minor].usage++;
		file->private_data = &cards[minor];
	} else {
		r = -ENODEV;
	}
	mutex_unlock(&cards_lock);
	return r;
}

static int node_release(struct inode *inode, struct file *file)
{
	struct card *card = file->private_data;

	if (!card)
		return 0;
	mutex_lock(&cards_lock);
	card->usage--;
	mutex_unlock(&cards_lock);
	return 0;
}

/* So that a test can map it and close the file: that holds the file, as with the real one. */
static int node_mmap(struct file *file, struct vm_area_struct *vma)
{
	return 0;
}

static const struct file_operations node_fops = {
	.owner = THIS_MODULE,
	.open = node_open,
	.release = node_release,
	.mmap = node_mmap,
};

static int information_show(struct seq_file *m, void *unused)
{
	const struct card *card = m->private;

	seq_puts(m, "Model: \t\t NVIDIA Adversary\n");
	seq_puts(m, "Bus Type: \t PCIe\n");
	if (card->dev)
		seq_printf(m, "Bus Location: \t %s\n", pci_name(card->dev));
	seq_printf(m, "Device Minor: \t %d\n", (int)(card - cards));
	return 0;
}

static void information_add(struct card *card)
{
	card->proc = proc_mkdir(pci_name(card->dev), proc_gpus);
	if (card->proc)
		proc_create_single_data("information", 0444, card->proc, information_show, card);
}

/* ---- the driver -------------------------------------------------------------------------------------------------- */

static int nv_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	int i, r = pci_enable_device(dev);

	if (r)
		return r;
	mutex_lock(&cards_lock);
	for (i = 0; i < NV_CARDS_MAX && cards[i].dev; i++)
		;
	if (i < NV_CARDS_MAX) {
		cards[i] = (struct card){ .dev = dev, .usage = kernel_users, .kernel_usage = kernel_users };
		information_add(&cards[i]);
		pci_set_drvdata(dev, &cards[i]);
	} else {
		r = -EBUSY;
	}
	mutex_unlock(&cards_lock);
	return r;
}

static void nv_remove(struct pci_dev *dev)
{
	struct card *card = pci_get_drvdata(dev);

	proc_remove(card->proc);
	mutex_lock(&cards_lock);
	if (card->usage)
		pci_err(dev, "NVRM: Attempting to remove device with non-zero usage count!\n");
	while (card->usage) {
		mutex_unlock(&cards_lock);
		msleep(500);
		mutex_lock(&cards_lock);
	}
	card->dev = NULL;
	mutex_unlock(&cards_lock);
	pci_disable_device(dev);
}

static const struct pci_device_id nv_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) }, /* edu */
	{ }
};
MODULE_DEVICE_TABLE(pci, nv_ids);

static struct pci_driver nv_driver = {
	.name = "nvidia",
	.id_table = nv_ids,
	.probe = nv_probe,
	.remove = nv_remove,
};

static void nv_proc_add(void)
{
	proc_top = proc_mkdir("driver/nvidia", NULL);
	if (proc_top)
		proc_gpus = proc_mkdir("gpus", proc_top);
}

static int __init nv_init(void)
{
	int r = __register_chrdev(NV_MAJOR, 0, NV_CARDS_MAX, "nvidia", &node_fops);

	if (r < 0)
		return r;
	r = __register_chrdev(NV_MAJOR, NV_MINOR_CTL, 1, "nvidiactl", &node_fops);
	if (r < 0)
		goto no_ctl;
	nv_proc_add();
	r = pci_register_driver(&nv_driver);
	if (r == 0 && nvidia_first())
		return 0;
	/* nv_init() of the real one: "No NVIDIA devices probed". */
	if (r == 0) {
		pci_unregister_driver(&nv_driver);
		r = -ENODEV;
	}
	proc_remove(proc_top);
	__unregister_chrdev(NV_MAJOR, NV_MINOR_CTL, 1, "nvidiactl");
no_ctl:
	__unregister_chrdev(NV_MAJOR, 0, NV_CARDS_MAX, "nvidia");
	return r;
}

static void __exit nv_exit(void)
{
	/* What persistence kept in use goes with the module, as the state of the real one does. */
	if (persistence)
		use_all(-1);
	pci_unregister_driver(&nv_driver);
	proc_remove(proc_top);
	__unregister_chrdev(NV_MAJOR, NV_MINOR_CTL, 1, "nvidiactl");
	__unregister_chrdev(NV_MAJOR, 0, NV_CARDS_MAX, "nvidia");
}

module_init(nv_init);
module_exit(nv_exit);
MODULE_DESCRIPTION("Waits for its users as NVIDIA's driver does");
MODULE_LICENSE("GPL");
