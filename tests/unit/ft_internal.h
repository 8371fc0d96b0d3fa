/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the tree generator share. */
#ifndef FT_INTERNAL_H
#define FT_INTERNAL_H

#include "fakekernel.h"
#include "faketree.h"

void ft_fail(const char *what);
void ft_put(struct ft_tree *t, const char *path, const void *data, size_t size);
void ft_append(struct ft_tree *t, const char *path, const char *text);
__attribute__((format(printf, 4, 5))) void ft_attr(struct ft_tree *t, const char *dir, const char *name, const char *fmt, ...);
void ft_sys_link(struct ft_tree *t, const char *path, const char *target);
struct fk_path ft_class_device(struct ft_tree *t, const char *bdf, const char *class, const char *name);
void ft_class_done(struct ft_tree *t, const char *bdf, const char *driver, const char *class, const char *name);

#endif
