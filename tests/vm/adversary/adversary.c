// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * adversary - a PCI driver that is slow, hangs or fails when told. It claims QEMU's edu and pci-testdev.
 *
 * All its parameters can be written at any time below /sys/module/adversary/parameters; what hangs ends as soon as its
 * parameter says N. A hang is uninterruptible: the writer of unbind or bind is in D state with the device lock held,
 * and SIGKILL does not end it.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/wait.h>

static char only[64];
module_param_string(only, only, sizeof(only), 0644);
MODULE_PARM_DESC(only, "misbehave with these only: addresses as in sysfs, with commas between; empty: with all");

static uint remove_ms, probe_ms;
module_param(remove_ms, uint, 0644);
MODULE_PARM_DESC(remove_ms, "how long remove() takes");
module_param(probe_ms, uint, 0644);
MODULE_PARM_DESC(probe_ms, "how long probe() takes");

static uint fail_probe;
module_param(fail_probe, uint, 0644);
MODULE_PARM_DESC(fail_probe, "probe() fails: 0 never, 1 once (it goes back to 0 then), 2 always");

static bool fail_rebind;
module_param(fail_rebind, bool, 0644);
MODULE_PARM_DESC(fail_rebind, "probe() fails for a device that had a probe() that succeeded: on the way home only");

/* For tests: how often a device was touched. */
static atomic_t probe_count = ATOMIC_INIT(0), remove_count = ATOMIC_INIT(0);
module_param_named(probes, probe_count.counter, int, 0444);
module_param_named(removes, remove_count.counter, int, 0444);

static bool hang_remove, hang_probe;
static DECLARE_WAIT_QUEUE_HEAD(told);

static int hang_set(const char *value, const struct kernel_param *kp)
{
	int r = param_set_bool(value, kp);

	wake_up_all(&told);
	return r;
}

static const struct kernel_param_ops hang_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = hang_set,
	.get = param_get_bool,
};
module_param_cb(hang_remove, &hang_ops, &hang_remove, 0644);
MODULE_PARM_DESC(hang_remove, "remove() does not return until this is N");
module_param_cb(hang_probe, &hang_ops, &hang_probe, 0644);
MODULE_PARM_DESC(hang_probe, "probe() does not return until this is N");

/* Devices that came home once; the module is loaded anew for each test. */
static struct pci_dev *known[16];
static DEFINE_SPINLOCK(known_lock);

/* Remember it; whether it was known already. Compared by its pointer only, which is the same as long as it is plugged in. */
static bool known_add(struct pci_dev *dev)
{
	bool found = false;
	int i;

	spin_lock(&known_lock);
	for (i = 0; i < ARRAY_SIZE(known) && known[i] && !found; i++)
		found = known[i] == dev;
	if (!found && i < ARRAY_SIZE(known))
		known[i] = dev;
	spin_unlock(&known_lock);
	return found;
}

static bool known_has(const struct pci_dev *dev)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(known) && known[i]; i++)
		if (known[i] == dev)
			return true;
	return false;
}

static bool meant(const struct pci_dev *dev)
{
	char list[sizeof(only)];

	strscpy(list, only, sizeof(list));
	strim(list);
	return !*list || strstr(list, pci_name(dev));
}

static void pause_for(uint ms)
{
	/* msleep() is uninterruptible */
	if (ms)
		msleep(ms);
}

static void hang_while(struct pci_dev *dev, const bool *flag, const char *where)
{
	if (!READ_ONCE(*flag))
		return;
	pci_info(dev, "adversary: %s hangs\n", where);
	wait_event(told, !READ_ONCE(*flag));
	pci_info(dev, "adversary: %s goes on\n", where);
}

static bool probe_fails(struct pci_dev *dev)
{
	if (fail_rebind && known_has(dev))
		return true;
	if (fail_probe == 1) {
		fail_probe = 0;
		return true;
	}
	return fail_probe == 2;
}

static int adversary_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	int r;

	atomic_inc(&probe_count);
	if (meant(dev)) {
		pause_for(probe_ms);
		hang_while(dev, &hang_probe, "probe()");
		if (probe_fails(dev)) {
			pci_info(dev, "adversary: probe() fails\n");
			return -EIO;
		}
	}
	r = pci_enable_device(dev);
	if (r == 0)
		known_add(dev);
	return r;
}

static void adversary_remove(struct pci_dev *dev)
{
	atomic_inc(&remove_count);
	if (meant(dev)) {
		pause_for(remove_ms);
		hang_while(dev, &hang_remove, "remove()");
	}
	pci_disable_device(dev);
}

static const struct pci_device_id adversary_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) }, /* edu */
	{ PCI_DEVICE(0x1b36, 0x0005) }, /* pci-testdev */
	{ }
};
MODULE_DEVICE_TABLE(pci, adversary_ids);

static struct pci_driver adversary_driver = {
	.name = "adversary",
	.id_table = adversary_ids,
	.probe = adversary_probe,
	.remove = adversary_remove,
};
module_pci_driver(adversary_driver);
MODULE_DESCRIPTION("A driver that is slow, hangs or fails when told");
MODULE_LICENSE("GPL");
