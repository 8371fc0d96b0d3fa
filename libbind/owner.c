/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose a process is: the systemd unit or the container it runs in. */
#include <string.h>

#include "internal.h"

static bool name_ends(const char *name, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len > n && !strncmp(name + len - n, suffix, n);
}

static void name_copy(char buf[PVB_NAME_MAX], const char *name, size_t len)
{
	snprintf(buf, PVB_NAME_MAX, "%.*s", (int)(len < PVB_NAME_MAX ? len : PVB_NAME_MAX - 1), name);
}

/* "/lxc/105/ns/…", "/lxc.payload.105/…" → 105; "/system.slice/x.service", "/qemu.slice/101.scope",
 * "/user.slice/user-0.slice/user@0.service/…" → the outermost unit: the one that systemctl here knows.
 * Units inside a container are the container's business. */
static void cgroup_parse(const char *path, struct pvb_holder *holder)
{
	static const char payload[] = "lxc.payload.";
	bool lxc = false;

	for (const char *part = path; *part;) {
		size_t len = strcspn(part, "/");

		if (lxc && len)
			name_copy(holder->container, part, len);
		else if (len > sizeof(payload) - 1 && !strncmp(part, payload, sizeof(payload) - 1))
			name_copy(holder->container, part + sizeof(payload) - 1, len - (sizeof(payload) - 1));
		else if (name_ends(part, len, ".service") || name_ends(part, len, ".scope"))
			name_copy(holder->unit, part, len);
		if (*holder->container || *holder->unit)
			return;
		lxc = len == 3 && !strncmp(part, "lxc", 3);
		part += len + (part[len] == '/');
	}
}

/* The unified hierarchy's line "0::PATH", else (cgroup v1) systemd's own "1:name=systemd:PATH". */
static const char *cgroup_path(char *text)
{
	const char *path = NULL;
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *systemd = strstr(line, ":name=systemd:");

		if (!strncmp(line, "0::", 3) && strcmp(line, "0::/") != 0)
			return line + 3;
		if (systemd)
			path = systemd + strlen(":name=systemd:");
	}
	return path;
}

void pvb_owner_parse(char *cgroup, struct pvb_holder *holder)
{
	const char *path = cgroup_path(cgroup);

	if (path)
		cgroup_parse(path, holder);
}

void pvb_holder_self(struct pvb_ctx *ctx, struct pvb_holder *self)
{
	_cleanup_free_ char *text = NULL;

	*self = (struct pvb_holder){ .pid = (int)getpid() };
	if (pvb_read_file(ctx, "proc/self/cgroup", 4096, &text, NULL) < 0)
		return;
	pvb_owner_parse(text, self);
}

const char *pvb_holder_describe(const struct pvb_holder *holder, char *buf, size_t size)
{
	const char *command = *holder->command ? holder->command : "a process";

	if (*holder->who)
		snprintf(buf, size, "%s (%s, pid %d)", holder->who, command, holder->pid);
	else if (*holder->container)
		snprintf(buf, size, "%s (pid %d, container %s)", command, holder->pid, holder->container);
	else if (*holder->unit)
		snprintf(buf, size, "%s (pid %d, %s)", command, holder->pid, holder->unit);
	else
		snprintf(buf, size, "%s (pid %d)", command, holder->pid);
	return buf;
}
