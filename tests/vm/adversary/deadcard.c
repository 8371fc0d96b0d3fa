// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * deadcard - make one PCI device behave as a dead card, whatever driver it is on.
 *
 *   device   its address as in sysfs, e.g. 0000:05:00.0; given when the module is loaded
 *   hang     Y: a reset of the device that begins from now on does not end until this is N. That holds for each kind
 *            that sends the bus or a function level reset: the device's `reset`, VFIO's reset and hot reset, what vfio-pci does
 *            by itself when a file is closed, the bridge's reset_subordinate
 *   off_bus  Y: its configuration space reads as ones and ignores writes, as if it had fallen off the bus
 *   resets   (to read) how many resets have begun
 *
 * The kernel's own reset functions are entered through ftrace, as a live patch is: a test needs a hang that lasts for as
 * long as told, whereas the kernel gives a card that does not answer 60 s.
 */
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/wait.h>

static char device[32];
module_param_string(device, device, sizeof(device), 0444);

static bool hang;
static DECLARE_WAIT_QUEUE_HEAD(told);
static atomic_t reset_count = ATOMIC_INIT(0);
module_param_named(resets, reset_count.counter, int, 0444);

static struct pci_dev *card;

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
module_param_cb(hang, &hang_ops, &hang, 0644);

/* ---- resets --------------------------------------------------------------------------------------------------- */

static void reset_began(void)
{
	atomic_inc(&reset_count);
	if (!READ_ONCE(hang))
		return;
	pci_info(card, "deadcard: a reset hangs\n");
	wait_event(told, !READ_ONCE(hang));
	pci_info(card, "deadcard: the reset goes on\n");
}

struct detour {
	char *name;
	unsigned long from; /* where the kernel's function starts, once it was entered */
	unsigned long to;
	struct ftrace_ops ops;
};
static struct detour bus_detour, flr_detour;

/* Each reset of a bus or slot ends here; it is weak in the kernel, so never inlined. */
static void bus_reset(struct pci_dev *bridge)
{
	if (bridge->subordinate == card->bus)
		reset_began();
	((void (*)(struct pci_dev *))bus_detour.from)(bridge);
	barrier(); /* no jump into it: it must be seen to come from here */
}

static int function_reset(struct pci_dev *dev)
{
	int r;

	if (dev == card)
		reset_began();
	r = ((int (*)(struct pci_dev *))flr_detour.from)(dev);
	barrier();
	return r;
}

static void detour_take(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct detour *detour = container_of(ops, struct detour, ops);

	/* Our own call of it goes through. */
	if (within_module(parent_ip, THIS_MODULE))
		return;
	/* Where indirect branches are tracked, an ENDBR64 is before the place that ftrace knows. */
	detour->from = *(const u32 *)(ip - 4) == 0xfa1e0ff3 ? ip - 4 : ip;
	ftrace_get_regs(fregs)->ip = detour->to;
}

#define DETOUR(function, where) { .name = function, .to = (unsigned long)(where), .ops = { .func = detour_take, \
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_RECURSION | FTRACE_OPS_FL_IPMODIFY } }
static struct detour bus_detour = DETOUR("pcibios_reset_secondary_bus", bus_reset);
static struct detour flr_detour = DETOUR("pcie_flr", function_reset);
static struct detour *const detours[] = { &bus_detour, &flr_detour };

static int detour_add(struct detour *detour)
{
	int r = ftrace_set_filter(&detour->ops, detour->name, strlen(detour->name), 1);

	return r ? r : register_ftrace_function(&detour->ops);
}

static void detour_remove(struct detour *detour)
{
	unregister_ftrace_function(&detour->ops);
	ftrace_free_filter(&detour->ops);
}

/* ---- configuration space --------------------------------------------------------------------------------------- */

static bool off_bus;
static struct pci_ops ones_ops;
static struct pci_ops *true_ops;

static int ones_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *value)
{
	if (devfn != card->devfn)
		return true_ops->read(bus, devfn, where, size, value);
	*value = ~0u;
	return PCIBIOS_DEVICE_NOT_FOUND;
}

static int ones_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 value)
{
	if (devfn != card->devfn)
		return true_ops->write(bus, devfn, where, size, value);
	return PCIBIOS_DEVICE_NOT_FOUND;
}

static void off_bus_apply(void)
{
	if (off_bus && !true_ops) {
		/* what is not replaced (add_bus, map_bus) stays theirs */
		true_ops = card->bus->ops;
		ones_ops = *true_ops;
		ones_ops.read = ones_read;
		ones_ops.write = ones_write;
		pci_bus_set_ops(card->bus, &ones_ops);
	} else if (!off_bus && true_ops) {
		pci_bus_set_ops(card->bus, true_ops);
		true_ops = NULL;
	}
}

static int off_bus_set(const char *value, const struct kernel_param *kp)
{
	int r = param_set_bool(value, kp);

	if (r == 0 && card)
		off_bus_apply();
	return r;
}

static const struct kernel_param_ops off_bus_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = off_bus_set,
	.get = param_get_bool,
};
module_param_cb(off_bus, &off_bus_ops, &off_bus, 0644);

/* ---- the module ------------------------------------------------------------------------------------------------- */

static int __init deadcard_init(void)
{
	unsigned int domain, bus, slot, fn;
	int r, i;

	if (sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot, &fn) != 4)
		return -EINVAL;
	card = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, fn));
	if (!card)
		return -ENODEV;
	for (i = 0; i < ARRAY_SIZE(detours); i++) {
		r = detour_add(detours[i]);
		if (r == 0)
			continue;
		pr_err("deadcard: no detour of %s: %d\n", detours[i]->name, r);
		while (i--)
			detour_remove(detours[i]);
		pci_dev_put(card);
		return r;
	}
	off_bus_apply();
	return 0;
}

/* Not while something hangs: nobody keeps the module then. */
static void __exit deadcard_exit(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(detours); i++)
		detour_remove(detours[i]);
	off_bus = false;
	off_bus_apply();
	pci_dev_put(card);
}

module_init(deadcard_init);
module_exit(deadcard_exit);
MODULE_DESCRIPTION("A card whose reset never ends");
MODULE_LICENSE("GPL");
