/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resetting one function, by the methods that the kernel has for it. */
#include <string.h>

#include "reset.h"

/* Words of settings.reset. All but "slot" are the kernel's own, of reset_method. */
static bool method_known(const char *word, size_t len)
{
	static const char *const words[] = { "flr", "bus", "pm", "device_specific", "slot" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i]) == len && !strncmp(words[i], word, len))
			return true;
	return false;
}

/* Whether the blank-separated list has the word of len. */
static bool list_has(const char *list, const char *word, size_t len)
{
	for (const char *p = list; *p;) {
		size_t n = strcspn(p, " ");

		if (n == len && !strncmp(p, word, len))
			return true;
		p += n + (p[n] == ' ');
	}
	return false;
}

bool pvb_reset_methods_valid(const char *methods)
{
	if (!strcmp(methods, "auto") || !strcmp(methods, "none"))
		return true;
	if (!*methods || strlen(methods) >= PVB_NAME_MAX)
		return false;
	for (const char *p = methods; *p;) {
		size_t len = strcspn(p, " ");

		/* The kernel refuses a list that names one twice. */
		if (!method_known(p, len) || list_has(p + len + (p[len] == ' '), p, len))
			return false;
		p += len;
		if (*p == ' ' && !*++p)
			return false;
	}
	return true;
}

/* The wanted methods that the function supports, in the order wanted. Empty: none of them. */
static void methods_choose(const char *wanted, const char *supported, char *chosen, size_t size)
{
	*chosen = '\0';
	for (const char *p = wanted; *p;) {
		size_t len = strcspn(p, " "), have = strlen(chosen);

		if (len && list_has(supported, p, len) &&
		    pvb_format(chosen + have, size - have, "%s%.*s", have ? " " : "", (int)len, p) < 0)
			chosen[have] = '\0';
		p += len + (p[len] == ' ');
	}
}

int pvb_reset_survived(struct pvb_ctx *ctx, const struct pvb_addr *addr, struct pvb_err *err)
{
	char path[PVB_PATH_MAX], text[PVB_ADDR_MAX];
	uint8_t vendor[2];
	ssize_t n = pvb_sysfs_read_bytes(ctx, pvb_device_path(addr, "config", path), vendor, sizeof(vendor));

	if (n == (ssize_t)sizeof(vendor) && (vendor[0] != 0xff || vendor[1] != 0xff))
		return 0;
	return pvb_err_set(err, -EIO,
			   "%s has fallen off the bus by its reset (%s): only power off and on again helps",
			   pvb_addr_format(addr, text),
			   n < 0 ? strerror((int)-n) : "its configuration space reads 0xffff");
}

/* Write the reset attribute, and see that the function is still there. */
static int function_reset(struct pvb_ctx *ctx, const struct pvb_addr *addr, const char *how, struct pvb_err *err)
{
	char path[PVB_PATH_MAX], text[PVB_ADDR_MAX];
	int r = pvb_sysfs_write(ctx, pvb_device_path(addr, "reset", path), "1");

	pvb_addr_format(addr, text);
	if ((r == -ENOENT || r == -ENOTTY) && !*how)
		return pvb_err_set(err, -ENOTTY, "%s has no reset of its own", text);
	if (r == -ENOENT || r == -ENOTTY)
		return pvb_err_set(err, -ENOTTY, "%s cannot be reset by itself: the kernel's way for it (%s) does not work here",
				   text, how);
	if (r < 0)
		return pvb_err_set(err, r, "cannot reset %s (%s, by /%s): %s", text, *how ? how : "as the kernel chooses", path,
				   strerror(-r));
	/* A VF's ids read as 0xffff always (SR-IOV 3.4.1). */
	if (pvb_sysfs_exists(ctx, pvb_device_path(addr, "physfn", path)))
		return 0;
	return pvb_reset_survived(ctx, addr, err);
}

/* Reset with chosen in reset_method's place, and put back what was in it whatever comes. */
static int chosen_reset(struct pvb_ctx *ctx, const struct pvb_addr *addr, const char *before, const char *chosen,
			struct pvb_err *err)
{
	char path[PVB_PATH_MAX], text[PVB_ADDR_MAX];
	int r, back;

	if (!strcmp(before, chosen))
		return function_reset(ctx, addr, chosen, err);
	pvb_addr_format(addr, text);
	r = pvb_sysfs_write(ctx, pvb_device_path(addr, "reset_method", path), chosen);
	if (r < 0)
		return pvb_err_set(err, r, "cannot choose the reset methods \"%s\" of %s: %s", chosen, text,
				   strerror(-r));
	r = function_reset(ctx, addr, chosen, err);
	back = pvb_sysfs_write(ctx, pvb_device_path(addr, "reset_method", path), before);
	if (back < 0)
		pvb_log(ctx, PVB_WARNING, "cannot put the reset methods of %s back to \"%s\": %s; write them to /%s",
			text, before, strerror(-back), path);
	return r;
}

int pvb_reset_function(struct pvb_ctx *ctx, const struct pvb_addr *addr, const char *methods, char *how, size_t size,
		       struct pvb_err *err)
{
	char path[PVB_PATH_MAX], text[PVB_ADDR_MAX], before[PVB_NAME_MAX] = "", chosen[PVB_NAME_MAX];
	int r = 0;

	snprintf(how, size, "%s", "");
	if (!strcmp(methods, "none"))
		return 0;
	pvb_addr_format(addr, text);
	/* Absent with no method at all, and before Linux 5.15. */
	r = pvb_sysfs_read(ctx, pvb_device_path(addr, "reset_method", path), before, sizeof(before));
	if (r < 0 && r != -ENOENT)
		return pvb_err_set(err, r, "cannot read /%s: %s", path, strerror(-r));
	if (!strcmp(methods, "auto")) {
		snprintf(how, size, "%s", before);
		return function_reset(ctx, addr, before, err);
	}
	methods_choose(methods, before, chosen, sizeof(chosen));
	if (!*chosen)
		return pvb_err_set(err, -ENOTTY, "%s has none of the reset methods \"%s\" (it has: %s)", text, methods,
				   *before ? before : "none");
	snprintf(how, size, "%s", chosen);
	return chosen_reset(ctx, addr, before, chosen, err);
}
