/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's console: which frame buffers sit on which functions, and the virtual terminals on them. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fb.h>
#include <linux/vt.h>
#include <string.h>
#include <sys/ioctl.h>

#include "internal.h"

#define RESOURCE_MEM 0x200u /* IORESOURCE_MEM, include/linux/ioport.h */

struct range {
	uint64_t start, end; /* inclusive; both 0: unknown */
};

/* ---- which frame buffer is whose ------------------------------------------------ */

/* Platform devices that the kernel makes for the frame buffer the firmware left, whatever driver
 * (efifb, vesafb, simplefb, simpledrm) takes them (drivers/firmware/sysfb.c). */
static bool name_is_firmware(const char *name)
{
	static const char *const names[] = { "efi-framebuffer.", "simple-framebuffer.", "vesa-framebuffer.",
					     "vga-framebuffer.", "platform-framebuffer." };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return false;
}

/* Take "../../devices/pci0000:00/0000:00:02.0/0000:01:00.0/graphics/fb0" apart: the last PCI function in it
 * (false: there is none) and whether it is the firmware's. Linux 7 puts the firmware's platform device
 * below the PCI function, 6.1 below /devices/platform. */
static bool fb_path_parse(char *target, struct pvb_addr *addr, bool *firmware)
{
	struct pvb_err ignored;
	char *save = NULL;
	bool found = false;

	*firmware = false;
	for (char *part = strtok_r(target, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		if (strchr(part, '.') && pvb_addr_parse(part, addr, &ignored) == 0)
			found = true;
		*firmware = *firmware || name_is_firmware(part);
	}
	return found;
}

/* Names under which the firmware's frame buffer is claimed in /proc/iomem. */
static bool range_name_is_firmware(const char *name)
{
	static const char *const names[] = { "BOOTFB", "efifb", "vesafb", "simplefb", "simpledrm" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return !strncmp(name, "simple-framebuffer", strlen("simple-framebuffer"));
}

/* The firmware's frame buffer in /proc/iomem ("    80000000-803fffff : BOOTFB"); addresses read as zeros
 * for who is not root. */
static int firmware_range_read(const struct pvb_ctx *ctx, struct range *range)
{
	_cleanup_free_ char *text = NULL;
	char name[64], *save = NULL;
	struct range entry;
	int r = pvb_read_file(ctx, "proc/iomem", 4 << 20, &text, NULL);

	*range = (struct range){ .start = 0 };
	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, " %" SCNx64 "-%" SCNx64 " : %63s", &entry.start, &entry.end, name) != 3)
			continue;
		if (range_name_is_firmware(name) && entry.end) {
			*range = entry;
			return 0;
		}
	}
	return -ENOENT;
}

/* Whether a memory BAR of the function holds the range. "resource": a line "start end flags" for each. */
static bool function_holds(const struct pvb_ctx *ctx, const struct pvb_function *fn, const struct range *range)
{
	char path[PVB_PATH_MAX], text[2048], *save = NULL;
	uint64_t start, end, flags;

	if (pvb_sysfs_read(ctx, pvb_device_path(&fn->addr, "resource", path), text, sizeof(text)) < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) != 3)
			continue;
		if (end && (flags & RESOURCE_MEM) && start <= range->end && range->start <= end)
			return true;
	}
	return false;
}

struct look {
	struct pvb_ctx *ctx;
	const struct pvb_function *const *fns;
	size_t n;
	struct pvb_console *console;
};

static int function_by_addr(const struct look *l, const struct pvb_addr *addr)
{
	for (size_t i = 0; i < l->n; i++)
		if (pvb_addr_compare(&l->fns[i]->addr, addr) == 0)
			return (int)i;
	return -1;
}

static int function_by_range(const struct look *l, const char *fb)
{
	struct range range;
	int r = firmware_range_read(l->ctx, &range);

	if (r < 0) {
		pvb_log(l->ctx, PVB_NOTICE, "cannot tell which device holds the firmware's frame buffer %s: "
			"/proc/iomem does not show its addresses (%s); it is taken for another's",
			fb, r == -ENOENT ? "only root sees them" : strerror(-r));
		return -1;
	}
	for (size_t i = 0; i < l->n; i++)
		if (function_holds(l->ctx, l->fns[i], &range))
			return (int)i;
	return -1;
}

/* The index of the function that frame buffer number fb sits on; -1: none of them. */
static int fb_owner(struct look *l, unsigned number)
{
	char path[PVB_PATH_MAX], target[PVB_PATH_MAX], fb[16];
	struct pvb_addr addr;
	bool firmware, found;
	int owner;

	snprintf(fb, sizeof(fb), "fb%u", number);
	snprintf(path, sizeof(path), "sys/class/graphics/%s", fb);
	if (pvb_sysfs_link_target(l->ctx, path, target, sizeof(target)) < 0)
		return -1;
	found = fb_path_parse(target, &addr, &firmware);
	if (!found && !firmware)
		return -1; /* USB, virtual */
	owner = found ? function_by_addr(l, &addr) : function_by_range(l, fb);
	if (firmware && owner >= 0)
		l->console->firmware = owner;
	return owner;
}

/* ---- the virtual terminals -------------------------------------------------------- */

static bool vtcon_is_frame_buffer(const struct pvb_ctx *ctx, const char *vtcon)
{
	char path[PVB_PATH_MAX], name[128];

	return pvb_format(path, sizeof(path), "sys/class/vtconsole/%s/name", vtcon) == 0 &&
	       pvb_sysfs_read(ctx, path, name, sizeof(name)) == 0 && strstr(name, "frame buffer");
}

/* 1 bound, 0 not, -ENOENT no such vtconsole. */
static int vtcon_bound(const struct pvb_ctx *ctx, const char *vtcon)
{
	char path[PVB_PATH_MAX];
	uint64_t bound;
	int r = pvb_format(path, sizeof(path), "sys/class/vtconsole/%s/bind", vtcon);

	if (r == 0)
		r = pvb_sysfs_read_number(ctx, path, &bound);
	return r < 0 ? r : bound != 0;
}

static void word_add(char *list, size_t size, const char *separator, const char *word)
{
	size_t have = strlen(list);

	if (pvb_format(list + have, size - have, "%s%s", have ? separator : "", word) < 0)
		list[have] = '\0';
}

/* Frame-buffer vtconsoles, bound ones only or all. */
static int vtcons_list(const struct pvb_ctx *ctx, bool bound_only, char *list, size_t size)
{
	_cleanup_strv_ char **names = NULL;
	int r = pvb_sysfs_list(ctx, "sys/class/vtconsole", &names);

	*list = '\0';
	if (r < 0)
		return r;
	for (char **name = names; *name; name++)
		if (vtcon_is_frame_buffer(ctx, *name) && (!bound_only || vtcon_bound(ctx, *name) == 1))
			word_add(list, size, " ", *name);
	return 0;
}

/* Whether a virtual terminal is mapped to one of the frame buffers (bit N: fbN). Any frame buffer's node answers
 * for all; where there is none to ask, they are. */
static bool terminals_shown(const struct pvb_ctx *ctx, uint32_t framebuffers)
{
	_cleanup_close_ int fd = -1;
	char path[32];

	for (unsigned i = 0; fd < 0 && i < FB_MAX; i++) {
		snprintf(path, sizeof(path), "dev/fb%u", i);
		fd = pvb_open(ctx, path, O_RDONLY | O_NOCTTY);
	}
	if (fd < 0)
		return true;
	for (unsigned i = 1; i <= MAX_NR_CONSOLES; i++) {
		struct fb_con2fbmap map = { .console = i };

		if (ioctl(fd, FBIOGET_CON2FBMAP, &map) < 0)
			return true;
		if (map.framebuffer < FB_MAX && framebuffers & 1u << map.framebuffer)
			return true;
	}
	return false;
}

int pvb_console_look(struct pvb_ctx *ctx, const struct pvb_function *const *fns, size_t n,
		     struct pvb_console *console)
{
	struct look l = { .ctx = ctx, .fns = fns, .n = n, .console = console };
	_cleanup_free_ char *text = NULL;
	uint32_t ours = 0;
	bool others = false;
	char *save = NULL;
	int r = pvb_read_file(ctx, "proc/fb", 65536, &text, NULL);

	*console = (struct pvb_console){ .firmware = -1 };
	if (r < 0)
		return r == -ENOENT ? 0 : r; /* a kernel without frame buffers */
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *name;
		unsigned number = (unsigned)strtoul(line, &name, 10);
		int owner = fb_owner(&l, number);

		others = others || owner < 0;
		if (owner < 0)
			continue;
		if (!console->involved)
			console->owner = fns[owner]->addr;
		console->involved = true;
		ours |= number < FB_MAX ? 1u << number : 0;
		word_add(console->framebuffers, sizeof(console->framebuffers), ", ", name + (*name == ' '));
	}
	console->all = console->involved && !others;
	if (!console->involved)
		return 0;
	r = vtcons_list(ctx, true, console->vtcons, sizeof(console->vtcons));
	console->shown = *console->vtcons && terminals_shown(ctx, ours);
	return r;
}

/* ---- taking them off, and putting them back ------------------------------------------ */

static int vtcon_set(struct pvb_ctx *ctx, const char *vtcon, bool bind, struct pvb_err *err)
{
	const char *what = bind ? "bind" : "unbind";
	char path[PVB_PATH_MAX];
	int r = vtcon_bound(ctx, vtcon);

	if (r == bind || (r == -ENOENT && !bind))
		return 0;
	snprintf(path, sizeof(path), "sys/class/vtconsole/%.32s/bind", vtcon);
	if (r >= 0)
		r = pvb_sysfs_write(ctx, path, bind ? "1" : "0");
	if (r < 0)
		return pvb_err_set(err, r, "cannot %s the console's %s: %s", what, vtcon, strerror(-r));
	r = vtcon_bound(ctx, vtcon);
	if (r == bind || (r == -ENOENT && !bind))
		return 0;
	return pvb_err_set(err, -EIO, "the kernel did not %s the console's %s, though it took the write to /%s", what,
			   vtcon, path);
}

static int vtcons_set(struct pvb_ctx *ctx, const char *vtcons, bool bind, struct pvb_err *err)
{
	_cleanup_free_ char *list = strdup(vtcons);
	char *save = NULL;
	int r = 0;

	if (!list)
		return pvb_err_set(err, -ENOMEM, "out of memory");
	for (char *vtcon = strtok_r(list, " ", &save); vtcon && r == 0; vtcon = strtok_r(NULL, " ", &save))
		r = vtcon_set(ctx, vtcon, bind, err);
	return r;
}

int pvb_console_release(struct pvb_ctx *ctx, const char *vtcons, struct pvb_err *err)
{
	return vtcons_set(ctx, vtcons, false, err);
}

/* fbcon goes when the last frame buffer does, and comes back with the next, perhaps under another
 * number: so what is bound is what is there now, as there is only one fbcon. */
int pvb_console_restore(struct pvb_ctx *ctx, const char *vtcons, struct pvb_err *err)
{
	_cleanup_free_ char *text = NULL;
	char now[64];
	int r = pvb_read_file(ctx, "proc/fb", 65536, &text, NULL);

	if (!*vtcons)
		return 0;
	if (r < 0 && r != -ENOENT)
		return pvb_err_set(err, r, "cannot read /proc/fb: %s", strerror(-r));
	if (!text || !*text)
		return pvb_err_set(err, -ENODEV,
				   "there is no frame buffer to show the console on: no graphics driver has one now");
	r = vtcons_list(ctx, false, now, sizeof(now));
	if (r < 0)
		return pvb_err_set(err, r, "cannot list /sys/class/vtconsole: %s", strerror(-r));
	if (!*now)
		return pvb_err_set(err, -ENODEV,
				   "the kernel has a frame buffer but no console on it (is fbcon loaded?)");
	return vtcons_set(ctx, now, true, err);
}

/* ---- another way in -------------------------------------------------------------------- */

/* "ttyS0   -W- (EC a  )    4:64": any kernel console but the virtual terminals' own, "tty0". */
static bool serial_console_there(const struct pvb_ctx *ctx)
{
	static const char *const names[] = { "ttyS", "ttyAMA", "ttyUSB", "hvc", "sclp" };
	_cleanup_free_ char *text = NULL;
	char *save = NULL;

	if (pvb_read_file(ctx, "proc/consoles", 65536, &text, NULL) < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (!strncmp(line, names[i], strlen(names[i])))
				return true;
	return false;
}

/* "   0: 00000000:0016 00000000:0000 0A …": something listens (state 0A) for ssh or the web interface, and not
 * for this host alone. */
static bool listener_there(const struct pvb_ctx *ctx, const char *path)
{
	_cleanup_free_ char *text = NULL;
	char address[33], *save = NULL;
	unsigned port, state;

	if (pvb_read_file(ctx, path, 64 << 20, &text, NULL) < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, " %*d: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x", address, &port, &state) != 3)
			continue;
		if (state != 0x0a || !strcmp(address, "0100007F") || !strcmp(address, "00000000000000000000000001000000"))
			continue;
		if (port == 22 || port == 8006)
			return true;
	}
	return false;
}

bool pvb_console_other_way(struct pvb_ctx *ctx)
{
	return serial_console_there(ctx) || listener_there(ctx, "proc/net/tcp") || listener_there(ctx, "proc/net/tcp6");
}
