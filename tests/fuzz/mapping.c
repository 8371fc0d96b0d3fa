/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The resource mappings: what is accepted has a device in every alternative, and lines that only grow. */
#include "../../conf/conf.h"
#include "fuzz.h"

static void alternative_check(const struct conf_alternative *alt)
{
	promise(alt->num_paths > 0 && alt->paths, "it names a device");
	for (size_t i = 0; i < alt->num_paths; i++)
		promise(alt->paths[i].dev <= 0x1f, "the device is in range");
	promise(alt->group >= -1 && alt->group <= 1000000, "the group is a number");
	promise(alt->has_id || !alt->id.has_sub, "no subsystem without an id");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_new(data, size);
	struct conf_mapping mapping;
	struct pvb_err err;
	int r = conf_mapping_parse(&mapping, text, size, "gpu", "pve1", &err);

	free(text); /* nothing of it may be kept */
	promise_sentence(r, &err);
	promise(r != 0 || mapping.n > 0, "there is an alternative");
	for (size_t i = 0; r == 0 && i < mapping.n; i++) {
		alternative_check(&mapping.list[i]);
		promise(i == 0 || mapping.list[i].line > mapping.list[i - 1].line, "in the file's order");
	}
	conf_mapping_clear(&mapping);
	return 0;
}
