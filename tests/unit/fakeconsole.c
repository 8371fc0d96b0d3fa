/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What appears and goes with a driver, and what the console makes of it. */
#define _GNU_SOURCE
#include "fk_internal.h"

#include <stdlib.h>

/* ---- what appears and goes with a driver ------------------------------------ */

void fk_each_line(const char *path, int (*act)(int, const char *))
{
	char text[8192], *save = NULL;

	fk_get(fk_root, path, text, sizeof(text));
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		act(fk_root, l);
}

static void vtcon_set(const char *name, int bound)
{
	fk_replace(fk_path("sys/class/vtconsole/%s/bind", name).s, bound ? "1\n" : "0\n");
}

static bool vtcon_is(const char *name, const char *what)
{
	char text[NAME];

	fk_get(fk_root, fk_path("sys/class/vtconsole/%s/name", name).s, text, sizeof(text));
	return strstr(text, what) != NULL;
}

/* do_bind_con_driver() and its inverse: the terminals go to this one, or to the system's dummy. */
void fk_vtcon_bind(const char *name, bool bind)
{
	struct names *all = fk_list("sys/class/vtconsole");

	if (!bind && !fk_number(fk_path("sys/class/vtconsole/%s/bind", name).s))
		all->n = 0;
	/* the system driver is what is left: it cannot be unbound, only replaced */
	for (int i = 0; i < all->n && (bind || !vtcon_is(name, "(S)")); i++)
		vtcon_set(all->s[i], bind ? !strcmp(all->s[i], name) : vtcon_is(all->s[i], "(S)"));
	free(all);
}

/* fbcon_fb_unregistered() and …_registered(): its vtconsole goes with the last frame buffer, comes with the first. */
static void fbcon_follow(bool any)
{
	bool sticky = fk_exists(".kernel/fbcon-sticky");
	char parked[512];

	if (any && fk_get(fk_root, ".kernel/fbcon", parked, sizeof(parked)) > 0) {
		fk_unpark(fk_root, parked);
		unlinkat(fk_root, ".kernel/fbcon", 0);
		fk_vtcon_bind(strrchr(parked, '/') + 1, true);
	}
	struct names *all = fk_list("sys/class/vtconsole");
	for (int i = 0; i < all->n && !any; i++) {
		struct fk_path at = fk_path("sys/class/vtconsole/%s", all->s[i]);

		if (!vtcon_is(all->s[i], "frame buffer"))
			continue;
		fk_vtcon_bind(all->s[i], false);
		if (!sticky && !fk_park(fk_root, at.s))
			fk_replace(".kernel/fbcon", at.s);
	}
	free(all);
}

void fk_console_follow(void)
{
	struct names *all = fk_list("sys/class/graphics");
	char text[4096] = "", name[NAME];
	size_t n = 0;

	for (int i = 0; i < all->n; i++) {
		unsigned fb;

		if (sscanf(all->s[i], "fb%u", &fb) != 1)
			continue;
		fk_get(fk_root, fk_path("sys/class/graphics/%s/name", all->s[i]).s, name, sizeof(name));
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%u %s\n", fb, name);
	}
	if (fk_exists("proc/fb"))
		fk_replace("proc/fb", text);
	fbcon_follow(n > 0);
	free(all);
}
