/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lend a PCI device to a command as long as it runs: lend ROOT ADDRESS COMMAND. ROOT is "/" but in tests. */
#include <pvebind.h>
#include <stdio.h>
#include <stdlib.h>

static void say(void *data, enum pvb_level level, const char *line)
{
	if (level < PVB_DEBUG)
		fprintf(data, "lend: %s\n", line);
}

int main(int argc, char **argv)
{
	struct pvb_wanted wanted = { .origin = "the command line" };
	struct pvb_request request = { .name = "example", .label = "the example", .wanted = &wanted, .num_wanted = 1 };
	struct pvb_ctx *ctx = NULL;
	struct pvb_err err = { .code = 0 };
	int status = 1;

	if (argc != 4 || pvb_addr_parse(argv[2], &wanted.addr, &err) < 0 || pvb_ctx_new(&ctx, argv[1], &err) < 0) {
		fprintf(stderr, "usage: lend ROOT ADDRESS COMMAND\n%s\n", err.text);
		return 2;
	}
	pvb_settings_default(&request.settings);
	pvb_ctx_set_log(ctx, say, stdout);
	if (pvb_lend(ctx, &request, &err) == 0) {
		status = system(argv[3]) == 0 ? 0 : 1; /* the device is on vfio-pci now */
		if (pvb_return(ctx, request.name, 0, &err) < 0)
			status = 4;
	}
	if (err.code < 0)
		fprintf(stderr, "lend: %s\n", err.text);
	pvb_ctx_free(ctx);
	return err.code == -PVB_EATTENTION ? 4 : status;
}
