/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library's look at who has one of the nodes open or mapped, alone: what fuser does.
 *
 *	bench-scan NODE…
 *
 * Exits with 1 when somebody has.
 */
#include "../../libbind/internal.h"

int main(int argc, char **argv)
{
	struct pvb_nodes nodes = { .n = 0 };
	struct pvb_holders holders;
	struct pvb_addr none = { 0 };
	struct pvb_ctx *ctx;
	struct pvb_err err;

	if (pvb_ctx_new(&ctx, "/", &err) < 0)
		return 2;
	for (int i = 1; i < argc; i++) {
		if (pvb_nodes_add(&nodes, &none, argv[i]) < 0)
			return 2;
		nodes.list[nodes.n - 1].mappable = true;
	}
	/* One that may not be looked into (the init of a container) fuser leaves out as well. */
	if (pvb_holders_find(ctx, &nodes, &holders) < 0 || holders.incomplete) {
		fprintf(stderr, "bench-scan: not all processes could be looked into\n");
		return 2;
	}
	for (size_t i = 0; i < holders.n; i++)
		printf("%s: %s (%d)\n", holders.list[i].node, holders.list[i].command, holders.list[i].pid);
	return holders.n > 0;
}
