/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's console: which frame buffers sit on which functions. */
#include <inttypes.h>
#include <linux/fb.h>
#include <string.h>
#include <sys/prctl.h>

#include "internal.h"

#define LOOK_NS 2000000000 /* the usual case takes some milliseconds */
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
	char *save = NULL;
	bool found = false;

	*firmware = false;
	for (char *part = strtok_r(target, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		if (strchr(part, '.') && pvb_addr_parse(part, addr, NULL) == 0)
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
		snprintf(l->console->unsure, sizeof(l->console->unsure),
			 "cannot tell which device holds the firmware's frame buffer %s: /proc/iomem does not show its addresses (%s); it is taken for another's",
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

/* ---- all of it ------------------------------------------------------------------------ */

static void word_add(char *list, size_t size, const char *separator, const char *word)
{
	size_t have = strlen(list);

	if (pvb_format(list + have, size - have, "%s%s", have ? separator : "", word) < 0)
		list[have] = '\0';
}

static int console_look(struct look *l)
{
	struct pvb_ctx *ctx = l->ctx;
	struct pvb_console *console = l->console;
	_cleanup_free_ char *text = NULL;
	uint32_t ours = 0;
	bool others = false;
	char *save = NULL;
	int r = pvb_read_file(ctx, "proc/fb", 65536, &text, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : r; /* a kernel without frame buffers */
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *name;
		unsigned number = (unsigned)strtoul(line, &name, 10);
		int owner = fb_owner(l, number);

		others = others || owner < 0;
		if (owner < 0)
			continue;
		if (!console->involved)
			console->owner = l->fns[owner]->addr;
		console->involved = true;
		ours |= number < FB_MAX ? 1u << number : 0;
		word_add(console->framebuffers, sizeof(console->framebuffers), ", ", name + (*name == ' '));
	}
	console->all = console->involved && !others;
	if (!console->involved)
		return 0;
	r = pvb_vtcons_list(ctx, true, console->vtcons, sizeof(console->vtcons));
	/* With no other frame buffer a console that is bound has its terminals nowhere else. */
	console->shown = *console->vtcons && (console->all || pvb_terminals_shown(ctx, ours));
	return r;
}

struct answer {
	int code;
	struct pvb_console console;
};

static void look_answer(struct pvb_ctx *ctx, void *data, int fd)
{
	struct look *l = data;
	struct answer answer = { .console.firmware = -1 };

	prctl(PR_SET_NAME, PVB_ASKER);
	l->ctx = ctx;
	l->console = &answer.console;
	answer.code = console_look(l);
	if (write(fd, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		_exit(1);
}

/* Any frame buffer is on a display controller (class 03), or on what was VGA before there were classes (00 01). */
static bool may_show(const struct pvb_function *fn)
{
	return fn->class_code >> 16 == 0x03 || fn->class_code >> 8 == 0x0001;
}

/* /proc/fb, vtconsole's bind and the frame buffers' nodes all take locks that a graphics driver holds while its
 * frame buffer comes or goes: where that hangs, so does who reads them (fb_seq_start(), show_bind()). */
int pvb_console_ask(struct pvb_ctx *ctx, const struct pvb_function *const *fns, size_t n, struct pvb_ask *ask)
{
	struct look l = { .ctx = ctx, .fns = fns, .n = n };

	*ask = (struct pvb_ask){ .pid = 0 };
	for (size_t i = 0; i < n; i++)
		if (may_show(fns[i]))
			return pvb_ask_start(ctx, look_answer, &l, ask);
	return 0;
}

int pvb_console_answer(struct pvb_ctx *ctx, struct pvb_ask *ask, struct pvb_console *console)
{
	_cleanup_free_ char *text = NULL;
	struct answer answer;
	size_t size;
	int r;

	*console = (struct pvb_console){ .firmware = -1 };
	if (!ask->pid)
		return 0;
	ask->enough = sizeof(answer);
	r = pvb_ask_end(ctx, ask, LOOK_NS, &text, &size);
	if (r == 0 && size != sizeof(answer))
		r = -EIO;
	if (r < 0)
		return r;
	memcpy(&answer, text, sizeof(answer));
	*console = answer.console;
	if (*console->unsure)
		pvb_log(ctx, PVB_NOTICE, "%s", console->unsure);
	return answer.code;
}

bool pvb_console_elsewhere(struct pvb_ctx *ctx, const struct pvb_home *devices, size_t n)
{
	_cleanup_free_ struct pvb_function *fns = calloc(n, sizeof(*fns));
	_cleanup_free_ const struct pvb_function **list = calloc(n, sizeof(*list));
	struct pvb_console console = { .firmware = -1 };
	struct look l = { .ctx = ctx, .fns = list, .n = n, .console = &console };

	if (!fns || !list)
		return false;
	for (size_t i = 0; i < n; i++) {
		fns[i].addr = devices[i].addr;
		list[i] = &fns[i];
	}
	return console_look(&l) == 0 && !console.shown;
}
