/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind as a container's hookscript: its start is refused, with the VM's name, while its card is lent. */
#include <sys/stat.h>

#include "../../conf/conf.h"
#include "hookrun.h"

#define CONFIG "etc/pve/lxc/105.conf"
#define INI "etc/pvebind/pvebind.ini"
#define NODE "dev/dri/renderD128"

/* None of them runs. */
static void containers(struct host *h)
{
	ft_write(h->t, "usr/sbin/pct", "#!/bin/sh\n[ $1 = status ] && echo 'status: stopped'\n");
	assert_int_equal(fchmodat(h->t->fd, "usr/sbin/pct", 0755, 0), 0);
}

static int container_up(void **state)
{
	int r = host_setup(state);
	struct host *h = *state;

	*out = '\0';
	ft_preset_gpu(h->t);
	ft_vm(h->t, 100, "hostpci0: 01:00\n");
	ft_write(h->t, CONFIG, "hostname: media\ndev0: /dev/dri/renderD128,gid=44\n");
	ft_write(h->t, NODE, "");
	containers(h);
	return r;
}

/* The node goes with the card's driver; the made-up kernel makes none. */
static void lend_to_vm(struct host *h)
{
	gives(run(h, "pvebind-hook", "100", "pre-start"), 0);
	ft_remove(h->t, NODE);
}

static void says_nothing_while_the_card_is_there(void **state)
{
	struct host *h = *state;

	for (const char *phases = "pre-start\0post-start\0pre-stop\0"; *phases; phases += strlen(phases) + 1) {
		gives(run(h, "pvebind-hook", "105", phases), 0);
		assert_string_equal(out, "");
	}
	gives(run(h, "pvebind-hook", "105", "post-stop"), 0);
	assert_string_equal(out, "");
	assert_int_equal(ft_writes(h->t), 0);
	assert_false(ft_exists(h->t, "run/pvebind/105.journal"));
}

static void names_the_vm_that_has_it(void **state)
{
	struct host *h = *state;

	lend_to_vm(h);
	gives(run(h, "pvebind-hook", "105", "pre-start"), 1);
	assert_has(out, "container 105: /dev/dri/renderD128 is not there (/etc/pve/lxc/105.conf:2); 0000:01:00.0, 0000:01:00.1: lent to VM 100 (lent): if that is its card, stop VM 100 first");
	gives(run(h, "pvebind-hook", "105", "post-stop"), 0);
	gives(run(h, "pvebind-hook", "100", "post-stop"), 0);
	ft_write(h->t, NODE, "");
	gives(run(h, "pvebind-hook", "105", "pre-start"), 0);
}

/* Proxmox VE's own words will do where no VM is to blame. */
static void a_node_that_nobody_borrowed_is_not_ours(void **state)
{
	struct host *h = *state;

	ft_remove(h->t, NODE);
	gives(run(h, "pvebind-hook", "105", "pre-start"), 0);
	assert_string_equal(out, "");
}

static void kept_is_told_apart(void **state)
{
	struct host *h = *state;

	ft_write(h->t, INI, "[vm 100]\non-stop = keep\n");
	lend_to_vm(h);
	gives(run(h, "pvebind-hook", "100", "post-stop"), 0);
	gives(run(h, "pvebind-hook", "105", "pre-start"), 1);
	assert_has(out, "kept on vfio for VM 100 (kept): if that is its card, bring it home with: pvebind return 100");
}

/* Whatever it has by whatever name: stop-containers says that it is this card's. */
static void one_that_was_stopped_for_it(void **state)
{
	struct host *h = *state;

	ft_write(h->t, INI, "[vm 100]\nbusy = stop\nstop-containers = 2105 105\n");
	ft_write(h->t, CONFIG, "hostname: media\n");
	gives(run(h, "pvebind-hook", "100", "pre-start"), 0);
	gives(run(h, "pvebind-hook", "105", "pre-start"), 1);
	assert_has(out, "container 105 does without its card: 0000:01:00.0, 0000:01:00.1: lent to VM 100 (lent); its stop-containers has this container: stop VM 100 first");
	ft_write(h->t, "etc/pve/lxc/210.conf", "hostname: other\n");
	gives(run(h, "pvebind-hook", "210", "pre-start"), 0);
}

/* The way home starts again what was stopped while its journal is still there. */
static void not_on_the_way_home(void **state)
{
	struct host *h = *state;
	int journal;

	ft_write(h->t, INI, "[vm 100]\nbusy = stop\nstop-containers = 105\n");
	gives(run(h, "pvebind-hook", "100", "pre-start"), 0);
	journal = pvb_journal_open(h->ctx, "100", &h->err);
	assert_true(journal >= 0);
	assert_int_equal(pvb_journal_state(journal, PVB_RETURNING, 0), 0);
	close(journal);
	gives(run(h, "pvebind-hook", "105", "pre-start"), 0);
}

/* A VM's stop does not ask a cluster file system that may hang whether it is a container. */
static void no_phase_but_the_start_looks(void **state)
{
	struct host *h = *state;

	gives(run(h, "pvebind-hook", "100", "pre-start"), 0);
	ft_write(h->t, "etc/pve/lxc/100.conf", "dev0: /dev/not/there\n");
	gives(run(h, "pvebind-hook", "100", "post-stop"), 0);
	assert_has(out, "0000:01:00.0, 0000:01:00.1 home again");
}

static void a_config_that_cannot_be_read(void **state)
{
	struct host *h = *state;

	ft_remove(h->t, CONFIG);
	ft_mkdir(h->t, CONFIG);
	gives(run(h, "pvebind-hook", "105", "pre-start"), 1);
	assert_has(out, "cannot read /etc/pve/lxc/105.conf: Is a directory");
}

static void nodes_of_a_config(void **state)
{
	static const char *const paths[] = { "/dev/nvidia0", "/dev/kfd", "/dev/dri" };
	struct host *h = *state;
	struct conf_container ct;

	ft_write(h->t, CONFIG,
		 "#dev9: /dev/comment\r\ndev0: /dev/nvidia0\r\ndev1: gid=44,path=/dev/kfd\r\ndev2: relative\r\ndevice: /dev/x\r\n"
		 "lxc.mount.entry: /dev/dri dev/dri none bind,create=dir 0 0\r\n"
		 "lxc.mount.entry: /dev/snd dev/snd none bind,optional,create=dir 0 0\r\n"
		 "lxc.mount.entry: /srv/films mnt none bind 0 0\r\nlxc.cgroup2.devices.allow: c 226:* rwm\r\n[snap]\r\ndev0: /dev/old\r\n");
	assert_true(conf_container_is(h->ctx, 105));
	assert_false(conf_container_is(h->ctx, 100));
	assert_int_equal(conf_container_load(h->ctx, 105, &ct, &h->err), 0);
	assert_int_equal(ct.num_nodes, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(ct.nodes[i].path, paths[i]);
	assert_int_equal(ct.nodes[2].line, 6);
	conf_container_clear(&ct);
	assert_int_equal(conf_container_load(h->ctx, 106, &ct, &h->err), -ENOENT);
	conf_container_clear(&ct);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, container_up, host_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(says_nothing_while_the_card_is_there), CASE(names_the_vm_that_has_it),
		CASE(a_node_that_nobody_borrowed_is_not_ours), CASE(kept_is_told_apart), CASE(one_that_was_stopped_for_it),
		CASE(not_on_the_way_home), CASE(no_phase_but_the_start_looks),
		CASE(a_config_that_cannot_be_read), CASE(nodes_of_a_config),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
