/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the fake kernel share. Hidden: a preloaded library must not lend its names to the program. */
#ifndef FK_INTERNAL_H
#define FK_INTERNAL_H

#include <stdbool.h>

#include "fakekernel.h"

#define ANY 0xffffffffu
#define NAME 64

struct id {
	unsigned vendor, device, subvendor, subdevice, class, mask, override_only;
};

struct device {
	char bdf[NAME], path[256], driver[NAME], override[NAME];
	struct id id;
};

struct names {
	int n;
	char s[4096][NAME];
};

struct call {
	char path[512];    /* the short one */
	char object[NAME]; /* the BDF, driver or vtconsole it is about */
	char value[4096];  /* as written */
	char word[4096];   /* without its newline */
	size_t size;
};

/* What the rules say: "" is nothing. */
struct verdict {
	char action[24];
	unsigned slow_ms;
};

typedef void judge_fn(int rule, char **word, int n, unsigned nth, const void *on, struct verdict *v);

#pragma GCC visibility push(hidden)

/* The tree's root while a write is performed. A thread's own: threads may write at once. */
extern __thread int fk_root;

/* Do it under the kernel's locks and rules, and note it. 0 or -errno. */
int fk_perform(const struct call *c);
int fk_store(const struct call *c);
int fk_module_insert(const struct call *c);
int fk_module_remove(const struct call *c);
int fk_errno_of(const char *name);
struct verdict fk_rules(judge_fn *judge, const void *on);
void fk_judge_write(int rule, char **word, int n, unsigned nth, const void *on, struct verdict *v);
void fk_judge_slow(int rule, char **word, int n, unsigned nth, const void *on, struct verdict *v);
void fk_judge_probe(int rule, char **word, int n, unsigned nth, const void *on, struct verdict *v);
unsigned fk_attribute(const char *bdf, const char *name);
bool fk_device_find(const char *bdf, struct device *d);
int fk_id_parse(const char *text, struct id *id);
bool fk_id_covers(const struct id *id, const struct id *of);
bool fk_driver_matches(const char *driver, const char *override, const struct id *id);
struct fk_path fk_driver_file(const char *driver, const char *name);
int fk_probe(const char *driver, const struct device *d);
void fk_release(const struct device *d);
void fk_attach(const struct device *d);
void fk_attach_all(const char *driver);
void fk_each_line(const char *path, int (*act)(int, const char *));
void fk_console_follow(void);
void fk_vtcon_bind(const char *name, bool bind);
void fk_spend(unsigned ms);
bool fk_exists(const char *path);
int fk_replace(const char *path, const char *text);
/* /proc/self/fd says so of a file that was replaced since it was opened: whether it does, and without that. */
bool fk_deleted_trim(char *target);
bool fk_link_base(const char *path, char buf[NAME]);
struct names *fk_list(const char *dir);
unsigned fk_number(const char *path);

#pragma GCC visibility pop
#endif
