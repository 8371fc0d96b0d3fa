/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device nodes of a function: what a process that uses it has open. */
#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#include "internal.h"

#define ASK_NS 1000000000

struct walk {
	struct pvb_ctx *ctx;
	const struct pvb_function *fn;
	struct pvb_nodes *nodes;
	size_t own; /* length of the function's own path with the slash behind it */
};

/* How the kernel names the nodes of a class (its devnode()), and whether their drivers know mmap(). Any other class:
 * by its name, and they may. */
static const struct kind {
	const char *subsystem, *folder;
	bool unmappable;
} kinds[] = {
	{ "accel", "accel/", false },	      { "drm", "dri/", false },	  { "drm_dp_aux_dev", "", true },
	{ "hidraw", "", true },		      { "i2c-dev", "", true },	  { "infiniband_mad", "infiniband/", true },
	{ "infiniband_verbs", "infiniband/", false }, { "nvme", "", true }, { "nvme-generic", "", true },
	{ "ptp", "", true },		      { "rtc", "", true },	  { "sound", "snd/", false },
	{ "tty", "", true },		      { "usbmisc", "usb/", true }, { "watchdog", "", true },
};

static struct pvb_node *node_new(struct pvb_nodes *nodes, const struct pvb_addr *addr)
{
	struct pvb_node *more = realloc(nodes->list, (nodes->n + 1) * sizeof(*more));

	if (!more)
		return NULL;
	nodes->list = more;
	more += nodes->n++;
	*more = (struct pvb_node){ .addr = *addr, .mappable = true };
	return more;
}

int pvb_nodes_add(struct pvb_nodes *nodes, const struct pvb_addr *addr, const char *path)
{
	struct pvb_node *node = node_new(nodes, addr);

	return node ? pvb_format(node->path, sizeof(node->path), "%s", path) : -ENOMEM;
}

void pvb_nodes_clear(struct pvb_nodes *nodes)
{
	free(nodes->list);
	*nodes = (struct pvb_nodes){ .n = 0 };
}

static bool node_known(const struct pvb_nodes *nodes, unsigned maj, unsigned min, bool block)
{
	for (size_t i = 0; i < nodes->n; i++)
		if (nodes->list[i].major == maj && nodes->list[i].minor == min && nodes->list[i].block == block)
			return true;
	return false;
}

/* Whether each open file of the sound card counts in the function's own module: snd_pcm_open() and the others take
 * card->module, which this file names (sound/core/init.c); with SOF that is another one than the PCI driver's. */
static bool sound_counts(const struct walk *w, const char *below)
{
	_cleanup_free_ char *text = NULL;
	char line[PVB_NAME_MAX + 16], *at;
	unsigned card;

	if (sscanf(below, "sound/card%u/", &card) != 1 ||
	    pvb_read_file(w->ctx, "proc/asound/modules", 4096, &text, NULL) < 0)
		return false;
	snprintf(line, sizeof(line), "%2u %s", card, w->fn->module);
	at = strstr(text, line);
	return at && (at == text || at[-1] == '\n') && at[strlen(line)] == '\n';
}

/* drm_stub_open() and fb_open() take the module of the driver. That is the function's own where the class device is
 * directly below the function (not so with virtio-gpu or simpledrm, which have a device of their own in between). */
static bool open_counts(const struct walk *w, const char *below, const char *subsystem)
{
	if (!*w->fn->module)
		return false;
	if (!strcmp(subsystem, "drm") || !strcmp(subsystem, "graphics"))
		return !strncmp(below, subsystem, strlen(subsystem)) && below[strlen(subsystem)] == '/';
	return !strcmp(subsystem, "sound") && sound_counts(w, below);
}

/* "/dev/dri/card0". udev may have renamed it, but a node is found by its number; this is for sentences. */
static void node_name(struct pvb_node *node, const char *subsystem, const char *name)
{
	const char *folder = "";

	if (!strcmp(subsystem, "usb")) {
		/* drivers/usb/core/usb.c: usb_devnode(); 128 devices a bus */
		snprintf(node->path, sizeof(node->path), "/dev/bus/usb/%03u/%03u", node->minor / 128 + 1, node->minor % 128 + 1);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].subsystem, subsystem)) {
			folder = kinds[i].folder;
			node->mappable = !kinds[i].unmappable;
		}
	snprintf(node->path, sizeof(node->path), "/dev/%s%.40s", folder, name);
	/* The kernel writes "cciss!c0d0" for /dev/cciss/c0d0. */
	for (char *p = node->path; *p; p++)
		if (*p == '!')
			*p = '/';
}

/* What one directory is: a device with a node, or not. */
static int dir_note(void *data, int dir, const char *path)
{
	struct walk *w = data;
	char dev[32], subsystem[PVB_NAME_MAX];
	const char *name = strrchr(path, '/') + 1;
	unsigned maj, min;
	struct pvb_node *node;
	bool block;

	if (pvb_sysfs_read_at(dir, "dev", dev, sizeof(dev)) < 0 || sscanf(dev, "%u:%u", &maj, &min) != 2)
		return 0;
	if (pvb_sysfs_link_at(dir, "subsystem", subsystem, sizeof(subsystem)) < 0)
		*subsystem = '\0';
	block = !strcmp(subsystem, "block");
	if (!strcmp(subsystem, "input") || node_known(w->nodes, maj, min, block))
		return 0;
	node = node_new(w->nodes, &w->fn->addr);
	if (!node)
		return -ENOMEM;
	node->major = maj;
	node->minor = min;
	node->block = block;
	node_name(node, subsystem, name);
	if (strlen(path) > w->own && open_counts(w, path + w->own, subsystem))
		snprintf(node->counted_by, sizeof(node->counted_by), "%s", w->fn->module);
	return !strcmp(subsystem, "nvme");
}

/* Who uses what cannot be looked into is not known. */
static int unread(void *data, const char *path, int code)
{
	(void)data;
	(void)path;
	return code;
}

/* ---- nodes that sysfs does not show below the function ---------------------------------- */

static void information_answer(struct pvb_ctx *ctx, void *data, int fd)
{
	_cleanup_free_ char *text = NULL;
	size_t size;

	if (pvb_read_file(ctx, data, 4096, &text, &size) < 0 || write(fd, text, size) < 0)
		_exit(1);
}

/* N of /dev/nvidiaN, -1 when it is not to be had. The driver may hold its lock over this file for as long as it likes. */
static int nvidia_minor(struct walk *w)
{
	_cleanup_free_ char *text = NULL;
	char path[PVB_PATH_MAX], addr[PVB_ADDR_MAX], *line;
	size_t size;
	int minor = -1;

	snprintf(path, sizeof(path), "proc/driver/nvidia/gpus/%s/information", pvb_addr_format(&w->fn->addr, addr));
	if (pvb_ask(w->ctx, information_answer, path, ASK_NS, &text, &size) < 0 || !text)
		return -1;
	line = strstr(text, "Device Minor:");
	return line && sscanf(line, "Device Minor: %d", &minor) == 1 ? minor : -1;
}

static bool nvidia_name_counts(const char *name, int minor, bool *shared)
{
	char own[24];

	*shared = false;
	if (strncmp(name, "nvidia", 6) != 0)
		return false;
	snprintf(own, sizeof(own), "nvidia%d", minor);
	if (isdigit((unsigned char)name[6]))
		return minor < 0 || !strcmp(name, own);
	*shared = true;
	return true;
}

static int shared_add(struct walk *w, const char *folder, const char *name, bool shared)
{
	char path[PVB_NAME_MAX];
	int r = pvb_format(path, sizeof(path), "/dev/%s%s", folder, name);

	if (r == 0)
		r = pvb_nodes_add(w->nodes, &w->fn->addr, path);
	if (r == 0)
		w->nodes->list[w->nodes->n - 1].shared = shared;
	return r;
}

/* /dev/nvidia0, and what all of NVIDIA's devices share: nvidiactl, nvidia-uvm, nvidia-modeset, nvidia-caps/…. They are
 * no devices of sysfs; who made them (nvidia-modprobe) gave them their numbers. */
static int nvidia_nodes(struct walk *w)
{
	_cleanup_strv_ char **names = NULL, **caps = NULL;
	int minor = nvidia_minor(w);
	bool shared;
	int r = pvb_sysfs_list(w->ctx, "dev", &names);

	if (r == 0)
		r = pvb_sysfs_list(w->ctx, "dev/nvidia-caps", &caps);
	for (char **name = names; r == 0 && *name; name++)
		if (nvidia_name_counts(*name, minor, &shared) && strcmp(*name, "nvidia-caps") != 0)
			r = shared_add(w, "", *name, shared);
	for (char **name = caps; r == 0 && *name; name++)
		r = shared_add(w, "nvidia-caps/", *name, true);
	return r;
}

int pvb_device_nodes(struct pvb_ctx *ctx, const struct pvb_function *fn, struct pvb_nodes *nodes)
{
	struct walk w = { .ctx = ctx, .fn = fn, .nodes = nodes };
	const struct pvb_below below = { ctx, fn, NULL, &w, dir_note, unread };
	char path[PVB_PATH_MAX];
	_cleanup_close_ int dir = pvb_open(ctx, pvb_device_path(&fn->addr, "", path), O_RDONLY | O_DIRECTORY);
	int r = 0;

	if (dir < 0 && dir != -ENOENT)
		return dir;
	w.own = strlen(path) + 1;
	if (dir >= 0)
		r = pvb_below_walk(&below, dir, path);
	if (r == 0 && !strcmp(fn->driver, "nvidia"))
		r = nvidia_nodes(&w);
	if (r == 0 && !strcmp(fn->driver, "amdgpu") && pvb_sysfs_exists(ctx, "dev/kfd"))
		r = shared_add(&w, "", "kfd", true);
	return r;
}
