/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/pve/mapping/pci.cfg: a mapping's alternatives on this node. */
#include "conf/root.h"

static int parse(struct conf_mapping *mapping, const char *text, const char *name, struct pvb_err *err)
{
	char *copy = strdup(text);
	int r;

	assert_non_null(copy);
	r = conf_mapping_parse(mapping, copy, strlen(copy), name, "pve1", err);
	free(copy);
	return r;
}

static struct conf_mapping good(const char *text, const char *name)
{
	struct conf_mapping mapping;
	struct pvb_err err;

	if (parse(&mapping, text, name, &err) < 0)
		fail_msg("%s", err.text);
	return mapping;
}

static void bad(const char *text, int code, const char *sentence)
{
	struct conf_mapping mapping;
	struct pvb_err err;

	assert_int_equal(parse(&mapping, text, "gpu", &err), code);
	assert_has(err.text, sentence);
	conf_mapping_clear(&mapping);
}

static void alternatives_come_in_file_order(void **state)
{
	struct conf_mapping m = good("# made by hand\nnic\n\tmap node=pve1,path=0000:03:00.0,id=8086:10d3\n\n"
				     "gpu\n\tdescription A card, and its sound\n"
				     "\tmap id=10de:24b0,iommugroup=15,node=pve1,path=0000:02:00,subsystem-id=1043:8866\n"
				     "\tmap node=pve2,path=nonsense,id=what\n"
				     "\t# between\n# and again\n"
				     "\tmap node=pve1,path=0000:01:00.0;0000:01:00.1,id=10DE:24B0,iommugroup=-1\r\n"
				     "\tmdev 0\n\nafter\n\tmap node=pve1,path=0000:09:00,id=10de:24b0\n",
				     "gpu");
	char text[PVB_ADDR_MAX];

	(void)state;
	assert_int_equal(m.n, 2);
	assert_string_equal(pvb_addr_format(&m.list[0].paths[0], text), "0000:02:00");
	assert_int_equal(m.list[0].group, 15);
	assert_true(m.list[0].has_id && m.list[0].id.has_sub);
	assert_int_equal(m.list[0].id.subdevice, 0x8866);
	assert_int_equal(m.list[0].line, 7);
	assert_int_equal(m.list[1].num_paths, 2);
	assert_string_equal(pvb_addr_format(&m.list[1].paths[1], text), "0000:01:00.1");
	assert_int_equal(m.list[1].group, -1);
	assert_false(m.list[1].id.has_sub);
	conf_mapping_clear(&m);
}

static void missing_ones_are_named(void **state)
{
	(void)state;
	bad("nic\n\tmap node=pve1,path=01:00\n", -ENOENT,
	    "there is no PCI mapping 'gpu' in /etc/pve/mapping/pci.cfg: create it under Datacenter, Resource Mappings");
	bad("gpu\n\tmap node=pve2,path=01:00\n", -ENOENT,
	    "mapping 'gpu' has no device on node pve1, says /etc/pve/mapping/pci.cfg: add one");
	bad("gpu\n\n\tmap node=pve1,path=01:00\n", -ENOENT, "mapping 'gpu' has no device on node pve1");
	bad("", -ENOENT, "there is no PCI mapping 'gpu'");
}

static void bad_lines_are_named(void **state)
{
	(void)state;
	bad("gpu\n\tmap path=01:00\n", -EINVAL, "/etc/pve/mapping/pci.cfg:2: mapping 'gpu': a map line without node=");
	bad("gpu\n\tmap node=pve1\n", -EINVAL, ":2: mapping 'gpu': a map line without path=");
	bad("gpu\n\tmap node=pve1,path=\n", -EINVAL, ":2: mapping 'gpu': a map line without path=");
	bad("gpu\n\tmap node=pve1,path=01:00;x\n", -EINVAL, ":2: mapping 'gpu': path 'x' is no PCI address");
	bad("gpu\n\tmap node=pve1,path=01:00,id=10de\n", -EINVAL, ":2: mapping 'gpu': id '10de' is not like 10de:24b0");
	bad("gpu\n\tmap node=pve1,path=01:00,id=10de:24b0:1043:8866\n", -EINVAL, "id '10de:24b0:1043:8866' is not like");
	bad("gpu\n\tmap node=pve1,path=01:00,id=10de:24b0,subsystem-id=1\n", -EINVAL,
	    "subsystem-id '1' is not like 10de:24b0");
	bad("gpu\n\tmap node=pve1,path=01:00,iommugroup=x\n", -EINVAL, "mapping 'gpu': iommugroup 'x' is no number");
	bad("gpu\n\tmap node=pve1,path=01:00\ngpu\n", -EINVAL, "mapping 'gpu' is there twice in /etc/pve/mapping/pci.cfg");
}

static void the_file_is_read(void **state)
{
	struct root *root = *state;
	struct conf_mapping m;

	assert_int_equal(conf_mapping_load(root->ctx, "gpu", "pve1", &m, &root->err), -ENOENT);
	assert_has(root->err.text, "there is no PCI mapping 'gpu' (/etc/pve/mapping/pci.cfg does not exist): create it");
	conf_mapping_clear(&m);
	root_put(root, "etc/pve/mapping/pci.cfg", "gpu\n\tmap node=pve1,path=01:00\n");
	assert_int_equal(conf_mapping_load(root->ctx, "gpu", "pve1", &m, &root->err), 0);
	assert_int_equal(m.n, 1);
	conf_mapping_clear(&m);
}

static void a_directory_in_its_place_is_said(void **state)
{
	struct root *root = *state;
	struct conf_mapping m;

	root_mkdir(root, "etc/pve/mapping/pci.cfg");
	assert_int_equal(conf_mapping_load(root->ctx, "gpu", "pve1", &m, &root->err), -EISDIR);
	assert_has(root->err.text, "cannot read /etc/pve/mapping/pci.cfg: Is a directory");
	conf_mapping_clear(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alternatives_come_in_file_order),
		cmocka_unit_test(missing_ones_are_named),
		cmocka_unit_test(bad_lines_are_named),
		cmocka_unit_test_setup_teardown(the_file_is_read, root_setup, root_teardown),
		cmocka_unit_test_setup_teardown(a_directory_in_its_place_is_said, root_setup, root_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
