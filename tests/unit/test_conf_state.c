/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What runs and what is reserved, from Proxmox VE's run state and /proc. */
#include <time.h>

#include "conf/root.h"

#define KVM "/usr/bin/kvm -id 100 -name game -pidfile /var/run/qemu-server/100.pid -daemonize"
#define RESERVATIONS "run/qemu-server/pci-id-reservations"

static void a_running_vm_has_a_pid(void **state)
{
	struct root *root = *state;

	root_node(root);
	assert_int_equal(conf_vmstate_pid(root->ctx, 100), 0);
	root_put(root, "run/qemu-server/100.pid", "4242\n");
	assert_int_equal(conf_vmstate_pid(root->ctx, 100), 0);
	root_process(root, 4242, KVM);
	assert_int_equal(conf_vmstate_pid(root->ctx, 100), 4242);
	root_process(root, 4242, "/usr/bin/qemu-system-x86_64 --pidfile /run/qemu-server/100.pid");
	assert_int_equal(conf_vmstate_pid(root->ctx, 100), 4242);
}

static void others_with_its_pid_are_not_it(void **state)
{
	static const char *const others[] = {
		"",
		"sleep 100 -pidfile /run/qemu-server/100.pid",
		"/usr/bin/kvm -id 100",
		"/usr/bin/kvm -pidfile",
		"/usr/bin/kvm -pidfile /run/qemu-server/101.pid",
		"/usr/bin/kvm -pidfile /nowhere",
		"/usr/bin/my-qemu-like -pidfile /run/qemu-server/100.pid",
	};
	struct root *root = *state;

	root_node(root);
	root_put(root, "run/qemu-server/100.pid", "4242\n");
	root_put(root, "run/qemu-server/101.pid", "4242\n");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		root_process(root, 4242, others[i]);
		assert_int_equal(conf_vmstate_pid(root->ctx, 100), 0);
	}
	root_bytes(root, "proc/4242/cmdline", "", 0); /* a zombie's */
	assert_int_equal(conf_vmstate_pid(root->ctx, 100), 0);
}

static void strange_pid_files_name_nobody(void **state)
{
	static const char *const texts[] = { "", "x", "-4242", "4242x", "99999999999999999999", "0" };
	struct root *root = *state;

	root_node(root);
	root_process(root, 4242, KVM);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		root_put(root, "run/qemu-server/100.pid", texts[i]);
		assert_int_equal(conf_vmstate_pid(root->ctx, 100), 0);
	}
}

static void flags_are_files(void **state)
{
	struct root *root = *state;

	assert_false(conf_vmstate_rebooting(root->ctx, 100) || conf_vmstate_cleanup(root->ctx, 100));
	root_put(root, "run/qemu-server/100.reboot", "");
	root_put(root, "run/qemu-server/101.cleanup", "");
	assert_true(conf_vmstate_rebooting(root->ctx, 100));
	assert_true(conf_vmstate_cleanup(root->ctx, 101));
	assert_false(conf_vmstate_cleanup(root->ctx, 100));
}

static void identify_is(struct root *root, const char *args, const char *who)
{
	char buf[64] = "";

	root_process(root, 77, args);
	assert_int_equal(conf_vmstate_identify(root->ctx, 77, buf, sizeof(buf)), *who != '\0');
	assert_string_equal(buf, who);
}

static void a_qemu_is_identified(void **state)
{
	struct root *root = *state;
	char buf[64] = "";

	assert_false(conf_vmstate_identify(root->ctx, 77, buf, sizeof(buf)));
	identify_is(root, "/usr/bin/kvm -id 101 -name -id", "VM 101");
	identify_is(root, "qemu-system-x86_64 -pidfile /run/qemu-server/102.pid", "VM 102");
	identify_is(root, "/usr/bin/kvm -name -id", "");
	identify_is(root, "/usr/bin/kvm -id x", "");
	identify_is(root, "/usr/bin/kvm -pidfile /run/mine.pid", "");
	identify_is(root, "/usr/bin/kvm -pidfile /run/12345678901234567890.pid", "");
	identify_is(root, "/usr/bin/sleep -id 101", "");
	identify_is(root, "/usr/bin/lxc-start -id 101", "");
}

static unsigned reserved(struct root *root, const char *addr, unsigned vmid)
{
	struct pvb_addr parsed;

	assert_int_equal(pvb_addr_parse(addr, &parsed, &root->err), 0);
	return conf_vmstate_reserved(root->ctx, &parsed, vmid);
}

static void reservations_count_while_they_hold(void **state)
{
	struct root *root = *state;
	char text[512];

	assert_int_equal(reserved(root, "01:00.0", 100), 0);
	root_process(root, 4242, "/usr/bin/kvm -id 101");
	root_process(root, 4243, "/usr/bin/sleep 101");
	snprintf(text, sizeof(text),
		 "0000:01:00.0 101 pid:4242\n0000:02:00.0 101 pid:4243\n0000:03:00.0 101 pid:9\n"
		 "0000:04:00.0 102 time:%ld\n0000:05:00.0 102 time:%ld\nnonsense\n0000:06:00.0 x pid:4242\n0000:07:00.0 101 what:1\n"
		 "0000:08:00.0 103 pid:4242\n0000:09:00.0\n",
		 (long)time(NULL) + 60, (long)time(NULL) - 60);
	root_put(root, RESERVATIONS, text);
	assert_int_equal(reserved(root, "01:00.0", 100), 101);
	assert_int_equal(reserved(root, "01:00", 100), 101);
	assert_int_equal(reserved(root, "01:00.1", 100), 0);
	assert_int_equal(reserved(root, "01:00.0", 101), 0); /* its own */
	assert_int_equal(reserved(root, "02:00.0", 100), 0); /* the pid is somebody else's now */
	assert_int_equal(reserved(root, "03:00.0", 100), 0); /* dead */
	assert_int_equal(reserved(root, "04:00.0", 100), 102);
	assert_int_equal(reserved(root, "05:00.0", 100), 0); /* over */
	assert_int_equal(reserved(root, "06:00.0", 100), 0);
	assert_int_equal(reserved(root, "07:00.0", 100), 0);
	assert_int_equal(reserved(root, "08:00.0", 100), 0); /* another VM's QEMU */
	assert_int_equal(reserved(root, "09:00.0", 100), 0);
}

static void the_node_is_where_local_leads(void **state)
{
	struct root *root = *state;
	char name[64], host[64] = "";

	WORLD(gethostname(host, sizeof(host) - 1) == 0);
	if (strchr(host, '.'))
		*strchr(host, '.') = '\0';
	assert_string_equal(conf_node_name(root->ctx, name, sizeof(name)), host);
	root_node(root);
	assert_string_equal(conf_node_name(root->ctx, name, sizeof(name)), "pve1");
}

static void a_test_root_never_shuts_down(void **state)
{
	assert_false(conf_vmstate_shutting_down(((struct root *)*state)->ctx));
}

/* On the machine itself: not stopping, since this runs. With or without systemd. */
static void this_machine_runs(void **state)
{
	struct pvb_ctx *ctx;
	struct pvb_err err;

	(void)state;
	assert_int_equal(pvb_ctx_new(&ctx, "/", &err), 0);
	assert_false(conf_vmstate_shutting_down(ctx));
	pvb_ctx_free(ctx);
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, root_setup, root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(a_running_vm_has_a_pid),        IN_ROOT(others_with_its_pid_are_not_it),
		IN_ROOT(strange_pid_files_name_nobody), IN_ROOT(flags_are_files),
		IN_ROOT(a_qemu_is_identified),          IN_ROOT(reservations_count_while_they_hold),
		IN_ROOT(the_node_is_where_local_leads), IN_ROOT(a_test_root_never_shuts_down),
		cmocka_unit_test(this_machine_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
