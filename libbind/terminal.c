/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtual terminals: whether a frame buffer shows them, taking them off and putting them back; and other ways in. */
#include <fcntl.h>
#include <linux/fb.h>
#include <linux/vt.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#include "internal.h"

static bool vtcon_is_frame_buffer(const struct pvb_ctx *ctx, const char *vtcon)
{
	char path[PVB_PATH_MAX], name[128];

	return pvb_format(path, sizeof(path), "sys/class/vtconsole/%s/name", vtcon) == 0 &&
	       pvb_sysfs_read(ctx, path, name, sizeof(name)) == 0 && strstr(name, "frame buffer");
}

/* 1 bound, 0 not; r: what reading the text of its bind gave. */
static int bound_parse(int r, const char *text)
{
	if (r < 0)
		return r;
	return !strcmp(text, "1") ? 1 : !strcmp(text, "0") ? 0 : -EINVAL;
}

/* -ENOENT: no such vtconsole. */
static int vtcon_bound(const struct pvb_ctx *ctx, const char *vtcon)
{
	char path[PVB_PATH_MAX], text[32];
	int r = pvb_format(path, sizeof(path), "sys/class/vtconsole/%s/bind", vtcon);

	if (r == 0)
		r = pvb_sysfs_read(ctx, path, text, sizeof(text));
	return bound_parse(r, text);
}

static void name_add(char *list, size_t size, const char *name)
{
	size_t have = strlen(list);

	if (pvb_format(list + have, size - have, "%s%s", have ? " " : "", name) < 0)
		list[have] = '\0';
}

/* Frame-buffer vtconsoles, bound ones only or all. */
int pvb_vtcons_list(const struct pvb_ctx *ctx, bool bound_only, char *list, size_t size)
{
	_cleanup_strv_ char **names = NULL;
	int r = pvb_sysfs_list(ctx, "sys/class/vtconsole", &names);

	*list = '\0';
	if (r < 0)
		return r;
	for (char **name = names; *name; name++)
		if (vtcon_is_frame_buffer(ctx, *name) && (!bound_only || vtcon_bound(ctx, *name) == 1))
			name_add(list, size, *name);
	return 0;
}

/* Any frame buffer's node answers for all. One of the others is asked, as who has a card's own open holds its driver:
 * a look at who uses the card, which may go on meanwhile, would find that. */
bool pvb_terminals_shown(const struct pvb_ctx *ctx, uint32_t framebuffers)
{
	_cleanup_close_ int fd = -1;
	char path[32];

	for (unsigned i = 0; fd < 0 && i < FB_MAX; i++) {
		if (framebuffers & 1u << i)
			continue;
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

/* ---- taking them off, and putting them back ------------------------------------------ */

/* The same of its open bind; fd: what opening it gave. */
static int bound_show(int fd)
{
	char text[32];

	return bound_parse(fd < 0 ? fd : pvb_sysfs_show(fd, text, sizeof(text)), text);
}

static int vtcon_set(struct pvb_ctx *ctx, const char *vtcon, bool bind, struct pvb_err *err)
{
	const char *what = bind ? "bind" : "unbind";
	char path[PVB_PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r;

	snprintf(path, sizeof(path), "sys/class/vtconsole/%.32s/bind", vtcon);
	fd = pvb_sysfs_open(ctx, path);
	r = bound_show(fd);
	if (r == bind || (r == -ENOENT && !bind))
		return 0;
	if (r >= 0)
		r = pvb_sysfs_store(fd, bind ? "1" : "0");
	if (r < 0)
		return pvb_err_set(err, r, "cannot %s the console's %s (/%s): %s", what, vtcon, path, strerror(-r));
	r = bound_show(fd);
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

/* 1 there is one, 0 none. */
static int framebuffer_there(const struct pvb_ctx *ctx)
{
	_cleanup_free_ char *text = NULL;
	int r = pvb_read_file(ctx, "proc/fb", 65536, &text, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return *text != '\0';
}

/* Some drivers (i915) make theirs after their probe has returned. The node comes with it: that is the event. */
int pvb_console_wait(const struct pvb_ctx *ctx, int64_t deadline_ns)
{
	_cleanup_close_ int inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), dev = pvb_open(ctx, "dev", O_PATH | O_DIRECTORY);
	struct pollfd events = { .fd = inotify_fd, .events = POLLIN };
	char path[64], buf[4096];
	int r = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dev);
	if (inotify_fd < 0 || dev < 0 || inotify_add_watch(inotify_fd, path, IN_CREATE | IN_MOVED_TO) < 0)
		return -errno;
	while (r == 0) {
		r = framebuffer_there(ctx);
		if (r != 0)
			return r < 0 ? r : 0;
		r = pvb_poll(&events, 1, deadline_ns);
		if (r == 0)
			return -ETIMEDOUT;
		while (r > 0 && read(inotify_fd, buf, sizeof(buf)) > 0)
			continue;
		r = r < 0 ? r : 0;
	}
	return r;
}

/* fbcon goes when the last frame buffer does, and comes back with the next, perhaps under another
 * number: so what is bound is what is there now, as there is only one fbcon. */
int pvb_console_restore(struct pvb_ctx *ctx, const char *vtcons, struct pvb_err *err)
{
	char now[64];
	int r;

	if (!*vtcons)
		return 0;
	r = framebuffer_there(ctx);
	if (r < 0)
		return pvb_err_set(err, r, "cannot read /proc/fb: %s", strerror(-r));
	if (r == 0)
		return pvb_err_set(err, -ENODEV,
				   "there is no frame buffer to show the console on: no graphics driver has one now");
	r = pvb_vtcons_list(ctx, false, now, sizeof(now));
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
	int fd = pvb_open(ctx, path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	_cleanup_fclose_ FILE *in = fd < 0 ? NULL : fdopen(fd, "re");
	char buffer[1024], line[256], address[33];
	unsigned port, state;

	if (!in) {
		cleanup_close(&fd);
		return false;
	}
	/* Little at a time: what listens comes first, and the kernel walks all of its table, of up to half a million rows,
	 * for as long as there is room for more. */
	setvbuf(in, buffer, _IOFBF, sizeof(buffer));
	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, " %*d: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x", address, &port, &state) != 3)
			continue;
		if (state != 0x0a || !strcmp(address, "0100007F") || !strcmp(address, "00000000000000000000000001000000"))
			continue;
		if (port == 22 || port == 8006)
			return true;
	}
	return false;
}

static bool network_there(const struct pvb_ctx *ctx)
{
	return listener_there(ctx, "proc/net/tcp") || listener_there(ctx, "proc/net/tcp6");
}

unsigned pvb_ways_in(struct pvb_ctx *ctx)
{
	return (serial_console_there(ctx) ? PVB_WAY_SERIAL : 0) | (network_there(ctx) ? PVB_WAY_NETWORK : 0);
}

bool pvb_console_other_way(struct pvb_ctx *ctx)
{
	return serial_console_there(ctx) || network_there(ctx);
}
