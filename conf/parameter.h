/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameters of a kernel command line, and their comma-separated options: "intel_iommu=on,igfx_off". */
#ifndef PVEBIND_CONF_PARAMETER_H
#define PVEBIND_CONF_PARAMETER_H

#include <stdbool.h>
#include <stddef.h>

/* The next word of a command line at or behind *at, which moves past it; NULL: there is none. */
const char *parameter_next(const char **at, size_t *size);
/* Whether the word's name is this one; "-" and "_" are the same, as for the kernel (kernel/params.c). *value, *value_size:
 * what is behind the "=", empty without one. */
bool parameter_is(const char *word, size_t size, const char *name, const char **value, size_t *value_size);
/* Whether all of the word (name and value) stands in a command line. */
bool parameter_has(const char *cmdline, const char *word, size_t size);
/* Whether option is among those of any NAME=… */
bool parameter_option(const char *cmdline, const char *name, const char *option);
/* The later one of "on" and "off" among the options of NAME=…: 1, 0; -1: neither is. */
int parameter_switch(const char *cmdline, const char *name);

#endif
