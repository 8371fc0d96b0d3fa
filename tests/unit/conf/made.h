/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host with two cards of a kind, and what conf_request_build() makes there for VM 100 on pve1. */
#ifndef CONF_MADE_H
#define CONF_MADE_H

#include <time.h>

#include "root.h"

#define INI "etc/pve/pvebind.ini"
#define CFG "etc/pve/mapping/pci.cfg"

/* What a test's request came to. */
struct made {
	struct pvb_request request;
	struct conf_extra extra;
};

static inline int make(struct root *root, struct made *made)
{
	return conf_request_build(root->ctx, NULL, 100, NULL, &made->request, &made->extra, &root->err);
}

static inline void made_clear(struct made *made)
{
	pvb_request_clear(&made->request);
	conf_extra_clear(&made->extra);
}

static inline struct made good(struct root *root)
{
	struct made made;

	if (make(root, &made) < 0)
		fail_msg("%s", root->err.text);
	return made;
}

static inline void bad(struct root *root, int code, const char *sentence)
{
	struct made made;

	assert_int_equal(make(root, &made), code);
	assert_int_equal(root->err.code, code);
	assert_has(root->err.text, sentence);
	made_clear(&made);
}

/* The addresses wanted, blank-separated. */
static inline const char *wanted(const struct made *made)
{
	static char text[512];
	char addr[PVB_ADDR_MAX];

	*text = '\0';
	for (size_t i = 0; i < made->request.num_wanted; i++)
		sprintf(strchr(text, '\0'), "%s%s", i ? " " : "", pvb_addr_format(&made->request.wanted[i].addr, addr));
	return text;
}

/* Nothing is refused, and these are wanted. */
static inline void wants(const struct made *made, const char *addresses)
{
	assert_string_equal(wanted(made), addresses);
	if (made->request.refusals.n)
		fail_msg("refused: %s", made->request.refusals.list[0].text);
}

static inline void refused(const struct made *made, const char *name, const char *sentence)
{
	assert_int_equal(made->request.refusals.n, 1);
	assert_string_equal(made->request.refusals.list[0].name, name);
	assert_true(made->request.refusals.list[0].has_addr);
	assert_has(made->request.refusals.list[0].text, sentence);
	assert_true(made->extra.has_devices);
	assert_true(made->request.num_wanted > 0);
}

/* A node with the card, and a second one of the same kind in 02:00, group 16. */
static inline int host_setup(void **state)
{
	root_setup(state);
	root_node(*state);
	root_gpu(*state);
	root_function(*state, "0000:02:00.0", "0000:00:02.0", "10de:24b0:1043:8866", 16);
	return 0;
}

static inline void reserve(struct root *root, const char *addr, unsigned vmid)
{
	char text[128];

	snprintf(text, sizeof(text), "%s %u time:%ld\n", addr, vmid, (long)time(NULL) + 60);
	root_put(root, "run/qemu-server/pci-id-reservations", text);
}

/* The device that pvebind.ini matches by id is all the VM has. */
static inline void match_id(struct root *root, const char *id)
{
	char text[128];

	root_vm(root, 100, "");
	snprintf(text, sizeof(text), "[device a]\nmatch = %s\n[vm 100]\ndevices = a\n", id);
	root_put(root, INI, text);
}

#define ON_HOST(test) cmocka_unit_test_setup_teardown(test, host_setup, root_teardown)

#endif
