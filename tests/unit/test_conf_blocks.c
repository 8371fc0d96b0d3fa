/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of "TYPE: ID" sections, and what stands behind the current part of a VM's configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../conf/conf.h"
#include "faketree.h"

static void blocks_are_parsed(void **state)
{
	char text[] = "# jobs\n\tstray 1\nvzdump: backup-1\r\n\tvmid 100,101\n\tenabled\n# in between\n\tmode stop\n\tmode  snapshot \n"
		      "\nlost 1\n\tlost 2\nvm: 100\nnonsense\n\tlost 3\nvm:101\n";
	struct conf_blocks blocks = { .n = 0 };
	struct pvb_err err;

	(void)state;
	assert_int_equal(conf_blocks_parse(&blocks, text, sizeof(text) - 1, &err), 0);
	assert_int_equal(blocks.n, 3);
	assert_string_equal(blocks.list[0].type, "vzdump");
	assert_string_equal(blocks.list[0].id, "backup-1");
	assert_int_equal(blocks.list[0].line, 3);
	assert_int_equal(blocks.list[0].num_pairs, 4);
	assert_string_equal(conf_block_value(&blocks.list[0], "vmid"), "100,101");
	assert_string_equal(conf_block_value(&blocks.list[0], "enabled"), "1");
	assert_string_equal(conf_block_value(&blocks.list[0], "mode"), "snapshot");
	assert_null(conf_block_value(&blocks.list[0], "node"));
	assert_string_equal(blocks.list[1].id, "100");
	assert_int_equal(blocks.list[1].num_pairs, 0);
	assert_string_equal(blocks.list[2].id, "101");
	conf_blocks_clear(&blocks);
}

static struct pvb_ctx *ctx_open(struct ft_tree *t)
{
	struct pvb_ctx *ctx;
	struct pvb_err err;

	assert_int_equal(pvb_ctx_new(&ctx, t->path, &err), 0);
	return ctx;
}

static void a_missing_file_is_told(void **state)
{
	struct ft_tree *t = ft_new();
	struct pvb_ctx *ctx = ctx_open(t);
	struct conf_blocks blocks;
	struct pvb_err err;

	(void)state;
	assert_int_equal(conf_blocks_load(ctx, "/etc/pve/jobs.cfg", &blocks, &err), -ENOENT);
	assert_string_equal(err.text, "cannot read /etc/pve/jobs.cfg: No such file or directory");
	conf_blocks_clear(&blocks);
	pvb_ctx_free(ctx);
	ft_free(t);
}

static void sections_of_a_vm_are_found(void **state)
{
	struct ft_tree *t = ft_new();
	struct pvb_ctx *ctx = ctx_open(t);
	struct conf_vm_section *list;
	struct conf_vm vm;
	struct pvb_err err;
	unsigned line = 0;
	size_t n;

	(void)state;
	ft_write(t, "etc/pve/qemu-server/100.conf",
		 "#[notes]\nmemory: 1\n\n[PENDING]\ndelete: vga\nmemory: 2\n[before]\n#a note\nvmstate: local:x\nmemory: 3\nmemory: 4\n");
	assert_int_equal(conf_vm_load(ctx, 100, NULL, &vm, &err), 0);
	assert_string_equal(conf_vm_value(&vm, "memory", &line), "1");
	assert_int_equal(line, 2);
	assert_int_equal(conf_vm_sections(ctx, &vm, &list, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_string_equal(list[0].name, "PENDING");
	assert_int_equal(list[0].line, 4);
	assert_string_equal(conf_vm_section_value(&list[0], "delete", NULL), "vga");
	assert_string_equal(list[1].name, "before");
	assert_string_equal(conf_vm_section_value(&list[1], "memory", &line), "4");
	assert_int_equal(line, 11);
	assert_null(conf_vm_section_value(&list[1], "delete", NULL));
	conf_vm_sections_free(list, n);
	conf_vm_clear(&vm);
	pvb_ctx_free(ctx);
	ft_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_parsed),
		cmocka_unit_test(a_missing_file_is_told),
		cmocka_unit_test(sections_of_a_vm_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
