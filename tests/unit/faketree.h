/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Builds a machine's /sys, /proc, /dev, /run and /etc/pve below a new directory
 * in /dev/shm ($TMPDIR, /tmp), for tests run with --root; the fake kernel (fakekernel.h) then
 * does to it what is written. Whatever fails here ends the test program: a test
 * whose world could not be built has nothing to say.
 *
 *	int main(int argc, char **argv)
 *	{
 *		ft_preload(argv);                        // before anything else
 *		struct ft_tree *t = ft_new();
 *		ft_preset_gpu(t);
 *		ft_fault(t, "probe vfio-pci 0000:01:00.1 fail");
 *		… pvb_ctx_new(&ctx, t->path, &err); pvb_lend(…) …
 *		assert_string_equal(ft_driver_of(t, "0000:01:00.0"), "bochs-drm");
 *		assert_int_equal(ft_wrote(t, "*vfio-pci/unbind", "*"), -1);
 *		ft_free(t);
 *	}
 *
 * Addresses are as sysfs names functions ("0000:01:00.0"), paths begin below
 * the root without a slash. Strings given out stay good until the next call.
 */
#ifndef FAKETREE_H
#define FAKETREE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct ft_tree {
	char path[PATH_MAX]; /* the root, absolute, without symbolic links */
	int fd;              /* … open */
	bool no_iommu;       /* set before adding devices: no groups then */
	unsigned drivers, framebuffers, bars; /* how many so far */
};

/* Run the program again under fakekernel.so ($FAKEKERNEL_SO, else the one beside the program), once. */
void ft_preload(char **argv);

/* A host without PCI devices: node pve1, disk sda1 on /, no swap, no route, sshd listening, no serial console.
 * From now on the fake kernel's: one tree at a time. */
struct ft_tree *ft_new(void);
void ft_free(struct ft_tree *t); /* and remove it all */

/* ---- parts ----------------------------------------------------------------- */

#define FT_VFIO 1u /* a vfio driver (vfio-pci, a variant) */

/* Register a driver, after those there are. module NULL: built in. ids: lines "vendor device [subvendor subdevice
 * class mask override_only]", hex, or NULL. Known already: nothing. */
void ft_driver(struct ft_tree *t, const char *name, const char *module, const char *ids, unsigned flags);
/* vfio-pci, that takes only what is overridden to it. Presets register it last; call it first to have it first. */
void ft_vfio(struct ft_tree *t);

/* A loaded module that libkmod can unload and load again (the fake kernel sees to both): driver is its PCI driver, that
 * ft_driver() made, or NULL; uses: modules it needs, made before, blank-separated, or NULL. */
void ft_module(struct ft_tree *t, const char *name, const char *driver, const char *uses);
/* Somebody uses the module, or ends that; no module and no process. */
void ft_module_use(struct ft_tree *t, const char *name, int by);

struct ft_function {
	const char *address;
	const char *parent;  /* bridge it is below; NULL: on the root bus */
	unsigned vendor, device, subvendor, subdevice;
	unsigned class_code; /* 24 bits */
	const char *driver;  /* bound to it, and registered before; NULL: none */
	const char *reset;   /* supported methods, all chosen; NULL: no reset attributes at all; "": reset gives ENOTTY */
	int group;           /* -1: none */
	unsigned secondary;  /* bus below it: it is a bridge then */
};
void ft_function(struct ft_tree *t, const struct ft_function *f);
/* Make vf (added before) a virtual function of pf. */
void ft_virtual(struct ft_tree *t, const char *pf, const char *vf);
/* "sys/devices/pci0000:00/0000:00:02.0/0000:01:00.0" */
const char *ft_device_path(struct ft_tree *t, const char *bdf);
/* path (that exists now) is there only while driver has the device. */
void ft_makes(struct ft_tree *t, const char *bdf, const char *driver, const char *path);
/* path goes for good as soon as any driver takes the device: a firmware frame buffer. */
void ft_evicts(struct ft_tree *t, const char *bdf, const char *path);
/* A frame buffer (and drm/cardN) that driver makes for the device: fbN, class link, /proc/fb line. */
void ft_framebuffer(struct ft_tree *t, const char *bdf, const char *driver, const char *name);
/* A firmware frame buffer (efifb) on the device's first BAR, with its BOOTFB in /proc/iomem: any driver evicts it. */
void ft_firmware(struct ft_tree *t, const char *bdf, const char *name);
/* vtcon0, the dummy, and vtcon1, the frame buffers', which has the terminals. sticky: when its
 * last frame buffer goes it stays, unbound, and comes back unbound; else it goes, and comes back bound. */
void ft_console(struct ft_tree *t, bool sticky);
/* Network interface of a device, up; with an address and the default route, or neither. */
void ft_netdev(struct ft_tree *t, const char *bdf, const char *driver, const char *name, bool default_route);
/* Disk nvmeN of driver nvme, with two partitions, the second mounted on mountpoint (NULL: not mounted). */
void ft_nvme(struct ft_tree *t, const char *bdf, unsigned n, const char *mountpoint);
/* A process that has node ("/dev/vfio/15") open as descriptor 3; blanks separate cmdline's arguments. */
void ft_process(struct ft_tree *t, int pid, const char *comm, const char *cmdline, const char *node);
/* etc/pve/nodes/pve1/qemu-server/VMID.conf */
void ft_vm(struct ft_tree *t, unsigned vmid, const char *config);

/* ---- hosts: each adds to what is there; every endpoint has its own root port ---- */

void ft_preset_gpu(struct ft_tree *t);    /* 01:00.0 bochs-drm, fb0 and console; 01:00.1 snd_hda_intel; group 15; no FLR */
void ft_preset_gpu2(struct ft_tree *t);   /* 02:00.0 bochs-drm, the next fb, same ids; group 16; flr */
void ft_preset_nic(struct ft_tree *t, bool default_route);     /* 03:00.0 e1000e eth0; group 17; flr */
void ft_preset_nvme(struct ft_tree *t, const char *mountpoint); /* 04:00.0 nvme0; group 18; flr */
void ft_preset_sriov(struct ft_tree *t, unsigned vfs); /* PF 05:00.0 mlx5_core group 30; VFs 05:00.1… (≤ 7) groups 31… */
void ft_preset_shared(struct ft_tree *t); /* 06:01.0 (edu, no driver) and 06:02.0 (e1000, eth1) behind a bridge: group 22, all three */
void ft_preset_nvidia(struct ft_tree *t); /* 07:00.0 nvidia, with nvidia_modeset, _drm, _uvm loaded; group 19; bus; /dev/nvidia0 */
void ft_preset_nvidia2(struct ft_tree *t); /* 08:00.0 nvidia; group 20; bus; /dev/nvidia1 */
/* n functions: root ports with seven e1000e functions each, every slot a group of its own, from bus 40 on (n ≤ 1024). */
void ft_preset_host(struct ft_tree *t, unsigned n);

/* ---- looking and doing --------------------------------------------------------- */

/* Make a file (and the folders above it) or overwrite it; unseen by the fake kernel. */
void ft_write(struct ft_tree *t, const char *path, const char *text);
/* A symbolic link, as given. */
void ft_link(struct ft_tree *t, const char *path, const char *target);
void ft_mkdir(struct ft_tree *t, const char *path);
/* Remove a file, link or directory with all below it. */
void ft_remove(struct ft_tree *t, const char *path);
bool ft_exists(struct ft_tree *t, const char *path);
/* A file's text without its last newline; "" when there is none. */
const char *ft_read(struct ft_tree *t, const char *path);
/* "" when there is none */
const char *ft_driver_of(struct ft_tree *t, const char *bdf);
const char *ft_override(struct ft_tree *t, const char *bdf); /* "(null)" when there is none */

/* Add a rule (fakekernel.h). */
void ft_fault(struct ft_tree *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Reading the files that the glob matches never returns (.hangs); NULL: all can be read again. */
void ft_hang_read(struct ft_tree *t, const char *glob);
void ft_faults_clear(struct ft_tree *t); /* rules, and how often they matched */
/* How many writes there were; the notes themselves; forget them. */
int ft_writes(struct ft_tree *t);
const char *ft_log(struct ft_tree *t);
void ft_log_clear(struct ft_tree *t);
/* Number, from 0, of the first write whose path and value (no newline) match the globs and that was not refused
 * by the kernel ("ok", "lost", "died", "hung"); -1: none. Comparing two numbers tests their order. */
int ft_wrote(struct ft_tree *t, const char *path_glob, const char *value_glob);

#endif
