/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machines of tests/machines that "pvebind setup" ($PVEBIND, else build/pvebind) prepares, for the tests that judge it. */
#ifndef SETUPRUN_H
#define SETUPRUN_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "machine.h"

#define GRUB "etc/default/grub"
#define KERNEL "etc/kernel/cmdline"
#define MODULES "etc/modules-load.d/pvebind.conf"
#define RESERVED "etc/modprobe.d/pvebind.conf"
#define GRUB_LINE "GRUB_CMDLINE_LINUX_DEFAULT="

static struct {
	int status;
	char out[262144]; /* and stderr */
} ran;

static inline void __attribute__((format(printf, 1, 2))) shell(const char *fmt, ...)
{
	char command[8192];
	size_t used = 0, n;
	va_list ap;
	FILE *out;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	out = popen(command, "r");
	assert_non_null(out);
	while ((n = fread(ran.out + used, 1, sizeof(ran.out) - 1 - used, out)) > 0)
		used += n;
	ran.out[used] = '\0';
	n = (size_t)pclose(out);
	ran.status = WIFEXITED((int)n) ? WEXITSTATUS((int)n) : 128 + WTERMSIG((int)n);
}

static inline const char *binary(void)
{
	const char *path = getenv("PVEBIND");

	return path ? path : "build/pvebind";
}

/* Run it; the status must be this one. */
static inline void runs(struct machine *m, const char *args, int status)
{
	shell("%s --root %s setup %s 2>&1 </dev/null", binary(), m->t->path, args);
	if (ran.status != status)
		fail_msg("pvebind setup %s: status %d: %s", args, ran.status, ran.out);
}

#define has(text) do { if (!strstr(ran.out, text)) fail_msg("no '%s' in: %s", text, ran.out); } while (0)
#define hasnt(text) do { if (strstr(ran.out, text)) fail_msg("'%s' in: %s", text, ran.out); } while (0)
#define file_has(path, text) do { if (!strstr(ft_read(m->t, path), text)) \
	fail_msg("no '%s' in %s: %s", text, path, ft_read(m->t, path)); } while (0)
#define file_hasnt(path, text) do { if (strstr(ft_read(m->t, path), text)) \
	fail_msg("'%s' in %s: %s", text, path, ft_read(m->t, path)); } while (0)

/* All that could have changed: what is there, whose, how long ago it matters not, and each file's sum. */
static inline char *world(struct machine *m, const char *but)
{
	shell("cd %s && find etc var boot -path '%s' -prune -o -printf '%%p %%y %%m %%U %%G %%l\\n' | sort; "
	      "find etc var boot -path '%s' -prune -o -type f -print0 | sort -z | xargs -0 md5sum", m->t->path, but, but);
	assert_int_equal(ran.status, 0);
	return strdup(ran.out);
}

static inline void same(struct machine *m, const char *before, const char *but, const char *when)
{
	char *now = world(m, but);

	if (strcmp(now, before) != 0) {
		/* Others of us may be at it, too. */
		int a = memfd_create("before", 0), b = memfd_create("now", 0);

		dprintf(a, "%s", before);
		dprintf(b, "%s", now);
		shell("diff /proc/%d/fd/%d /proc/%d/fd/%d", (int)getpid(), a, (int)getpid(), b);
		close(a);
		close(b);
		fail_msg("%s: something changed: %s", when, ran.out);
	}
	free(now);
}

#define NOTHING "var/none"
#define RECORDS "var/lib/pvebind"

/* A machine, and changes to it in its language; "" for none. */
static inline struct machine *machine_begin_with(const char *name, const char *changes)
{
	struct machine *m = machine_new(name);
	static struct script script;
	char path[PATH_MAX + 32];
	FILE *out;

	snprintf(path, sizeof(path), "%s/changes", m->t->path);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(changes, out);
	fclose(out);
	script_free(&script);
	if (script_load(&script, path) < 0 || machine_run(m, &script, 0, script.n) < 0)
		fail_msg("%s%s", script.error, m->error);
	machine_finish(m);
	if (*m->error)
		fail_msg("%s", m->error);
	ft_mkdir(m->t, "var/lib/pvebind");
	ft_mkdir(m->t, "boot/grub");
	return m;
}

static inline struct machine *machine_begin(const char *name)
{
	return machine_begin_with(name, "");
}

/* As update-initramfs would have, after all that the test writes. */
static inline void initramfs_made(struct machine *m)
{
	shell("touch -d tomorrow %s/boot/initrd.img-*", m->t->path);
	assert_int_equal(ran.status, 0);
}

/* In place of the first words; they must be there. */
static inline void replace(struct machine *m, const char *path, const char *old, const char *new)
{
	char *text = NULL;
	const char *now = ft_read(m->t, path), *at = strstr(now, old);

	if (!at)
		fail_msg("no '%s' in %s", old, path);
	assert_true(asprintf(&text, "%.*s%s%s\n", (int)(at - now), now, new, at + strlen(old)) > 0);
	ft_write(m->t, path, text);
	free(text);
}

#define GRUB_HEAD "# If you change this file, run 'update-grub' afterwards to update\n# /boot/grub/grub.cfg.\n\nGRUB_DEFAULT=0\nGRUB_TIMEOUT=5\n" \
	"GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\n"
#define GRUB_TAIL "GRUB_CMDLINE_LINUX=\"\""

/* A file as Debian has it, with this line in its place. */
static inline void grub_set(struct machine *m, const char *line)
{
	char text[1024];

	snprintf(text, sizeof(text), GRUB_HEAD "%s\n" GRUB_TAIL "\n", line);
	ft_write(m->t, GRUB, text);
}

/* A kernel that has Intel's IOMMU off by default. */
static inline struct machine *intel_old(void)
{
	struct machine *m = machine_begin("intel-desktop");

	replace(m, "proc/cmdline", " intel_iommu=on iommu=pt", "");
	shell("sed -i 's/CONFIG_INTEL_IOMMU_DEFAULT_ON=y/# CONFIG_INTEL_IOMMU_DEFAULT_ON is not set/' %s/boot/config-*; grep -c INTEL_IOMMU_DEFAULT_ON %s/boot/config-*", m->t->path, m->t->path);
	assert_int_equal(ran.status, 0);
	return m;
}

/* The programs that make files count: what they make of them can be looked at. Each fails where run/fail-NAME is; a signal
 * comes to who has called it where run/signal-NAME is, once, and it takes a second longer; who has called it is killed where
 * run/kill-NAME is, once. */
static inline void programs_put(struct machine *m)
{
	static const char *const names[] = { "update-grub", "update-initramfs", "proxmox-boot-tool" };
	static const char *const works[] = {
		"cat \"$root\"/etc/default/grub \"$root\"/etc/default/grub.d/*.cfg 2>/dev/null | grep ^GRUB_CMDLINE >\"$root/boot/grub/grub.cfg\"",
		"cat \"$root\"/etc/modprobe.d/*.conf >\"$root/boot/initrd.img-all\"",
		"mkdir -p \"$root/boot/esp\"; cat \"$root/etc/kernel/cmdline\" \"$root/etc/default/grub\" \"$root/boot/initrd.img-all\" >\"$root/boot/esp/all\" 2>/dev/null",
	};
	char path[64], text[2048];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "usr/sbin/%s", names[i]);
		snprintf(text, sizeof(text),
			 "#!/bin/sh\nroot=${0%%/usr/sbin/*}\necho \"%s $*\" >>\"$root/run/called\"\necho Generating for %s\n"
			 "if [ -e \"$root/run/signal-%s\" ]; then rm \"$root/run/signal-%s\"; kill -INT $PPID; sleep 1; fi\n"
			 "if [ -e \"$root/run/kill-%s\" ]; then rm \"$root/run/kill-%s\"; kill -KILL $PPID; exec sleep 9; fi\n"
			 "if [ -e \"$root/run/fail-%s\" ]; then echo no space left >&2; exit 1; fi\n%s\necho %s >>\"$root/run/ended\"\nexit 0\n",
			 names[i], names[i], names[i], names[i], names[i], names[i], names[i], works[i], names[i]);
		ft_write(m->t, path, text);
		shell("chmod 755 %s/%s", m->t->path, path);
	}
	/* As they have it now. */
	shell("for p in update-initramfs update-grub proxmox-boot-tool; do %s/usr/sbin/$p; done; rm %s/run/called %s/run/ended", m->t->path, m->t->path, m->t->path);
	assert_int_equal(ran.status, 0);
}

/* The one of the test that runs; below what takes any. */
static struct machine *m;

static inline int teardown(void **state)
{
	(void)state;
	machine_free(m, false);
	m = NULL;
	return 0;
}

/* With these words it does nothing, and says why. */
static inline void apply_refuses(const char *args, const char *text)
{
	char *before = world(m, NOTHING), apply[128];

	snprintf(apply, sizeof(apply), "--apply --yes %s", args);
	runs(m, apply, 1);
	has(text);
	same(m, before, NOTHING, "refused");
	free(before);
}

#endif
