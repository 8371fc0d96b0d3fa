/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cluster: one /etc/pve, seen from node pve1 (its card is 01:00) and from pve2 (02:00). The made-up machine plays
 * both, one after the other: what tells them apart is where the links of /etc/pve lead, and a /run of their own.
 */
#include <ftw.h>
#include <sys/prctl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "../../conf/conf.h"
#include "fakekernel.h"
#include "hookrun.h"

#define ON_PVE1 "etc/pve/nodes/pve1/qemu-server/100.conf"
#define ON_PVE2 "etc/pve/nodes/pve2/qemu-server/100.conf"
#define INI "etc/pve/pvebind.ini"
#define MAPPING "etc/pve/mapping/pci.cfg"
#define CARD1 "0000:01:00.0"
#define CARD2 "0000:02:00.0"
#define BOTH                                                                                            \
	"gpu\n\tdescription the card of each\n"                                                         \
	"\tmap id=1234:1111,iommugroup=15,node=pve1,path=0000:01:00,subsystem-id=1af4:1100\n"           \
	"\tmap id=1234:1111,iommugroup=16,node=pve2,path=0000:02:00.0,subsystem-id=1af4:1100\n"

static const char *const folders[] = { "qemu-server", "lxc" };

/* From now on this is the node, just booted. */
static void be(struct host *h, const char *node)
{
	ft_remove(h->t, "etc/pve/local");
	ft_link(h->t, "etc/pve/local", fk_path("nodes/%s", node).s);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		ft_mkdir(h->t, fk_path("etc/pve/nodes/%s/%s", node, folders[i]).s);
		ft_remove(h->t, fk_path("etc/pve/%s", folders[i]).s);
		ft_link(h->t, fk_path("etc/pve/%s", folders[i]).s, fk_path("nodes/%s/%s", node, folders[i]).s);
	}
	ft_remove(h->t, "run/pvebind");
	ft_log_clear(h->t);
}

/* As qm migrate does for a stopped VM, and the manager of high availability for one whose node is lost. */
static void move(struct host *h, const char *from, const char *to)
{
	assert_int_equal(renameat(h->t->fd, from, h->t->fd, to), 0);
}

static int cluster_up(void **state)
{
	int r = host_setup(state);
	struct host *h = *state;

	*out = '\0';
	ft_preset_gpu(h->t);
	ft_preset_gpu2(h->t);
	ft_mkdir(h->t, "etc/pve/nodes/pve2/qemu-server");
	ft_write(h->t, MAPPING, BOTH);
	ft_write(h->t, ON_PVE1, "hostpci0: mapping=gpu,pcie=1\n");
	be(h, "pve1");
	return r;
}

static void drivers_are(struct host *h, const char *first, const char *second)
{
	assert_string_equal(ft_driver_of(h->t, CARD1), first);
	assert_string_equal(ft_driver_of(h->t, CARD2), second);
}

static void hook(struct host *h, const char *phase, int status)
{
	gives(run(h, "pvebind-hook", "100", phase), status);
}

/* pre-start ends so, says that, and has changed nothing. */
static void refused(struct host *h, int status, const char *sentence)
{
	hook(h, "pre-start", status);
	assert_has(out, sentence);
	assert_int_equal(ft_writes(h->t), 0);
	drivers_are(h, "bochs-drm", "bochs-drm");
}

/* ---- moved, recovered --------------------------------------------------------- */

static void a_moved_vm_has_the_other_nodes_card(void **state)
{
	struct host *h = *state;

	hook(h, "pre-start", 0);
	drivers_are(h, "vfio-pci", "bochs-drm");
	hook(h, "post-stop", 0);
	drivers_are(h, "bochs-drm", "bochs-drm");
	move(h, ON_PVE1, ON_PVE2);
	be(h, "pve2");
	hook(h, "pre-start", 0);
	drivers_are(h, "bochs-drm", "vfio-pci");
	assert_has(out, "VM 100: lent 0000:02:00.0 (");
	hook(h, "post-stop", 0);
	drivers_are(h, "bochs-drm", "bochs-drm");
}

/* Its node was lost while it had the card; that node comes back, and knows of nothing. */
static void a_recovered_vm_as_well(void **state)
{
	struct host *h = *state;

	hook(h, "pre-start", 0);
	move(h, ON_PVE1, ON_PVE2);
	be(h, "pve2");
	hook(h, "pre-start", 0);
	drivers_are(h, "vfio-pci", "vfio-pci");
	be(h, "pve1");
	hook(h, "post-stop", 0);
	assert_string_equal(out, "");
	assert_int_equal(ft_writes(h->t), 0);
}

/* The way home is the journal's: where the config has gone meanwhile is nothing to it. */
static void a_vm_that_moves_while_its_card_is_lent(void **state)
{
	struct host *h = *state;

	hook(h, "pre-start", 0);
	move(h, ON_PVE1, ON_PVE2);
	ft_write(h->t, MAPPING, "gpu\n\tmap node=pve2,path=0000:02:00.0\n");
	hook(h, "post-stop", 0);
	drivers_are(h, "bochs-drm", "bochs-drm");
}

/* ---- what is not there -------------------------------------------------------- */

static void a_node_without_the_mapping(void **state)
{
	struct host *h = *state;

	ft_write(h->t, MAPPING, "gpu\n\tmap node=pve1,path=0000:01:00\n");
	move(h, ON_PVE1, ON_PVE2);
	be(h, "pve2");
	refused(h, 3, "VM 100: hostpci0: mapping 'gpu' has no device on node pve2, says /etc/pve/mapping/pci.cfg: "
		      "add one under Datacenter, Resource Mappings, or start the VM on a node that has one");
}

static void a_node_whose_entry_is_wrong(void **state)
{
	struct host *h = *state;

	ft_write(h->t, MAPPING, "gpu\n\tmap node=pve1,path=0000:01:00\n\tmap node=pve2,path=0000:0a:00\n");
	move(h, ON_PVE1, ON_PVE2);
	be(h, "pve2");
	refused(h, 3, "VM 100: hostpci0 names 0000:0a:00, which is not on this host, pve2 (");
	assert_has(out, "): correct the mapping in /etc/pve/mapping/pci.cfg:3\n");
}

/* Another card where the mapping says there is this one. */
static void a_node_with_another_card(void **state)
{
	struct host *h = *state;

	ft_write(h->t, MAPPING, "gpu\n\tmap node=pve2,path=0000:02:00.0,id=10de:24b0\n");
	move(h, ON_PVE1, ON_PVE2);
	be(h, "pve2");
	refused(h, 1, "refused (identity): 0000:02:00.0");
}

static void an_address_of_the_other_node(void **state)
{
	struct host *h = *state;

	ft_write(h->t, ON_PVE2, "hostpci0: 0000:0a:00\n");
	be(h, "pve2");
	refused(h, 3, "VM 100: hostpci0 names 0000:0a:00, which is not on this host, pve2 (");
	assert_has(out, "): correct hostpci0 in /etc/pve/qemu-server/100.conf:1, or name the device by a mapping with an entry for each node\n");
	/* A host that is alone has no use for that. */
	ft_remove(h->t, "etc/pve/nodes/pve1");
	refused(h, 3, "): correct hostpci0 in /etc/pve/qemu-server/100.conf:1\n");
}

static void all_of_the_nodes_cards_are_taken(void **state)
{
	struct host *h = *state;

	ft_write(h->t, MAPPING, BOTH "\tmap node=pve2,path=0000:01:00.0\n");
	move(h, ON_PVE1, ON_PVE2);
	be(h, "pve2");
	ft_write(h->t, "run/qemu-server/pci-id-reservations", "0000:01:00.0 101 time:99999999999\n0000:02:00.0 102 time:99999999999\n");
	refused(h, 1, "hostpci0: every device of mapping 'gpu' on node pve2 is taken (0000:02:00.0 by VM 102, 0000:01:00.0 by VM 101)");
}

/* By hand, on the wrong node. */
static void a_vm_of_another_node(void **state)
{
	struct host *h = *state;

	be(h, "pve2");
	refused(h, 3, "VM 100 has no configuration on this node (/etc/pve/qemu-server/100.conf is not there): it is on node pve1, do it there");
	gives(run(h, "pvebind", "lend", "100"), 3);
	assert_has(out, "it is on node pve1, do it there");
	ft_remove(h->t, ON_PVE1);
	refused(h, 3, "check the number with 'qm list'");
}

/* ---- pvebind.ini -------------------------------------------------------------- */

static void each_node_has_its_sections(void **state)
{
	struct host *h = *state;

	ft_write(h->t, INI, "[vm 100]\ndevices = gpu\n[device gpu]\nmatch = 01:00\n[device gpu@pve2]\nmatch = 02:00.0\n"
			    "[vm 100@pve1]\non-stop = keep\n[vm 100@pve2]\nreset = none\n");
	hook(h, "pre-start", 0);
	drivers_are(h, "vfio-pci", "bochs-drm");
	hook(h, "post-stop", 0);
	drivers_are(h, "vfio-pci", "bochs-drm");
	gives(run(h, "pvebind", "return", "100"), 0);
	move(h, ON_PVE1, ON_PVE2);
	be(h, "pve2");
	hook(h, "pre-start", 0);
	drivers_are(h, "bochs-drm", "vfio-pci");
	assert_has_not(out, "reset");
	hook(h, "post-stop", 0);
	drivers_are(h, "bochs-drm", "bochs-drm");
}

static void a_device_that_has_no_name_here(void **state)
{
	struct host *h = *state;

	ft_write(h->t, INI, "[vm 100]\ndevices = gpu\n[device gpu@pve1]\nmatch = 01:00\n");
	move(h, ON_PVE1, ON_PVE2);
	be(h, "pve2");
	refused(h, 3, "/etc/pve/pvebind.ini:2: devices: there is no section [device gpu] for node pve2: add it, or correct the name");
	ft_write(h->t, INI, "[vm 100]\ndevices = gpu\n[device gpu]\nexpect = 1234:1111\n[device gpu@pve1]\nmatch = 01:00\n");
	refused(h, 3, "/etc/pve/pvebind.ini:3: [device gpu] has no match for node pve2: add one, like match = 01:00");
	ft_write(h->t, INI, "[vm 100]\ndevices = gpu\n[device gpu]\nmatch = 8086:1521\n");
	refused(h, 3, "device gpu: no device of this host, pve2, has the id 8086:1521");
}

/* Nodes may run different versions: what this one does not know only warns where it is another's. */
static void another_nodes_section_is_read_but_not_used(void **state)
{
	struct host *h = *state;

	ft_write(h->t, INI, "[vm 100@pve2]\nreset = none\nshiny = yes\n[device x@pve2]\nmatch = nothing\n");
	hook(h, "pre-start", 0);
	assert_has(out, "warning: /etc/pve/pvebind.ini:3: unknown key 'shiny' in [vm 100@pve2]");
	assert_has(out, "; [vm 100@pve2] is ignored");
	assert_has(out, "warning: /etc/pve/pvebind.ini:5: ");
	assert_has(out, "reset by ");
	drivers_are(h, "vfio-pci", "bochs-drm");
	hook(h, "post-stop", 0);
	move(h, ON_PVE1, ON_PVE2);
	be(h, "pve2");
	refused(h, 3, "error: /etc/pve/pvebind.ini:3: unknown key 'shiny' in [vm 100@pve2]");
}

/* ---- no quorum ---------------------------------------------------------------- */

static char seen[65536]; /* every file of /etc/pve, with all that a write would change */

static int file_see(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	size_t n = strlen(seen);

	(void)flag, (void)ftw;
	snprintf(seen + n, sizeof(seen) - n, "%s %o %lu %ld %ld.%09ld %ld.%09ld\n", path, st->st_mode, (unsigned long)st->st_ino,
		 (long)st->st_size, st->st_mtim.tv_sec, st->st_mtim.tv_nsec, st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
	return 0;
}

static const char *files_see(struct host *h)
{
	*seen = '\0';
	assert_int_equal(nftw(fk_path("%s/etc/pve", h->t->path).s, file_see, 16, FTW_PHYS), 0);
	return seen;
}

static mode_t mask;

static int file_mode(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)flag, (void)ftw;
	if (S_ISLNK(st->st_mode))
		return 0;
	return chmod(path, (S_ISDIR(st->st_mode) ? 0755 : 0640) & mask);
}

/* pmxcfs takes the write bits off every mode (cfs-plug.c), and EACCES is what a write gets. */
static void quorum(struct host *h, bool there)
{
	mask = there ? 0777 : 0555;
	assert_int_equal(nftw(fk_path("%s/etc/pve", h->t->path).s, file_mode, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* root would write all the same, so what is run has no such power; who is not root has none to drop. */
static int bound(const char *const *args)
{
	int to = memfd_create("out", MFD_CLOEXEC), status;
	pid_t pid = fork();
	ssize_t n;

	if (pid == 0) {
		prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE);
		dup2(to, 1);
		dup2(to, 2);
		execv(args[0], (char *const *)(uintptr_t)args);
		_exit(127);
	}
	status = ended(pid);
	n = pread(to, out, sizeof(out) - 1, 0);
	out[n > 0 ? n : 0] = '\0';
	close(to);
	return status;
}
#define BOUND(...) bound((const char *const[]){ __VA_ARGS__, NULL })

static void writes_fail(struct host *h)
{
	gives(BOUND("/bin/sh", "-c", "! echo >\"$0/etc/pve/new\" && ! echo >>\"$0/" ON_PVE1 "\" && ! mkdir \"$0/etc/pve/nodes/new\"",
		    h->t->path), 0);
}

static void without_quorum(void **state)
{
	struct host *h = *state;
	char *before;

	ft_write(h->t, INI, "[vm 100]\nreset = none\n");
	quorum(h, false);
	writes_fail(h);
	before = strdup(files_see(h));
	gives(BOUND(beside("pvebind-hook"), "--root", h->t->path, "100", "pre-start"), 0);
	drivers_are(h, "vfio-pci", "bochs-drm");
	gives(BOUND(beside("pvebind-hook"), "--root", h->t->path, "100", "post-start"), 0);
	gives(BOUND(beside("pvebind-hook"), "--root", h->t->path, "100", "pre-stop"), 0);
	gives(BOUND(beside("pvebind-hook"), "--root", h->t->path, "100", "post-stop"), 0);
	drivers_are(h, "bochs-drm", "bochs-drm");
	assert_string_equal(files_see(h), before);
	free(before);
}

static int quorum_teardown(void **state)
{
	quorum(*state, true);
	return host_teardown(state);
}

/* ---- live migration ----------------------------------------------------------- */

/* PVE/QemuServer.pm, vm_start_nolock: the environment says where the config still lies. */
static void incoming(struct host *h, const char *from, int status)
{
	setenv("PVE_MIGRATED_FROM", from, 1);
	hook(h, "pre-start", status);
	unsetenv("PVE_MIGRATED_FROM");
}

static void an_incoming_vm_is_read_where_it_lies(void **state)
{
	struct host *h = *state;

	ft_write(h->t, ON_PVE1, "lock: migrate\nhostpci0: mapping=gpu,driver=keep\n");
	be(h, "pve2");
	incoming(h, "pve1", 0);
	drivers_are(h, "bochs-drm", "vfio-pci");
	hook(h, "post-start", 0);
	/* It is here now. */
	move(h, ON_PVE1, ON_PVE2);
	hook(h, "post-stop", 0);
	drivers_are(h, "bochs-drm", "bochs-drm");
}

/* What arrived is stopped again, and its config has never come. */
static void an_incoming_vm_that_never_came(void **state)
{
	struct host *h = *state;

	ft_write(h->t, ON_PVE1, "lock: migrate\nhostpci0: mapping=gpu,driver=keep\n");
	be(h, "pve2");
	incoming(h, "pve1", 0);
	drivers_are(h, "bochs-drm", "vfio-pci");
	hook(h, "post-stop", 0);
	drivers_are(h, "bochs-drm", "bochs-drm");
}

static void an_incoming_vm_is_refused_by_this_nodes_name(void **state)
{
	struct host *h = *state;

	ft_write(h->t, MAPPING, "gpu\n\tmap node=pve1,path=0000:01:00\n");
	be(h, "pve2");
	incoming(h, "pve1", 3);
	assert_has(out, "mapping 'gpu' has no device on node pve2");
	ft_write(h->t, ON_PVE1, "hostpci0: 0a:00\n");
	incoming(h, "pve1", 3);
	assert_has(out, "which is not on this host, pve2 (");
	assert_has(out, "correct hostpci0 in /etc/pve/nodes/pve1/qemu-server/100.conf:1");
	incoming(h, "../pve1", 3);
	assert_has(out, "PVE_MIGRATED_FROM: '../pve1' is no node's name");
	assert_int_equal(ft_writes(h->t), 0);
}

/* ---- high availability, and which nodes there are ----------------------------- */

/* Its lines are wrapped: so with one blank for each gap. */
static void check_says(struct host *h, const char *words)
{
	char *to = out;

	run(h, "pvebind", "check", "100");
	for (char *from = out; *from; from += strspn(from, " \n"), *to++ = ' ')
		for (; *from && !strchr(" \n", *from); from++)
			*to++ = *from;
	*to = '\0';
	assert_has(out, words);
}

static void a_check_knows_where_the_vm_may_go(void **state)
{
	struct host *h = *state;

	ft_write(h->t, "etc/pve/ha/resources.cfg", "vm: 100\n\tmax_restart 2\n");
	ft_mkdir(h->t, "etc/pve/nodes/pve3");
	check_says(h, "high availability may start VM 100 on pve3, where mapping 'gpu' (hostpci0) has no device: the start is refused; "
		      "a start that fails is tried 3 times, then on another node (1 at most), then the VM is in state error");
	check_says(h, "--nodes pve1,pve2");
	move(h, ON_PVE1, ON_PVE2);
	be(h, "pve2");
	ft_write(h->t, MAPPING, "gpu\n\tmap node=pve2,path=0000:02:00.0\n");
	check_says(h, "high availability may start VM 100 on pve1, pve3, where mapping 'gpu' (hostpci0) has no device");
}

static void nodes_that_have_joined(void **state)
{
	struct host *h = *state;
	_conf_strv_ char **names = NULL, **joined = NULL;
	char name[PVB_NAME_MAX] = "";

	assert_int_equal(conf_node_list(h->ctx, &names), 0);
	assert_string_equal(names[0], "pve1");
	assert_string_equal(names[1], "pve2");
	assert_null(names[2]);
	ft_write(h->t, "etc/pve/corosync.conf", "nodelist {\n  node {\n    name: b\n    ring0_addr: 10.0.0.1\n  }\n  node {\n\tname:  a \r\n  }\n}\n"
						"totem {\n  cluster_name: lab\n}\n");
	assert_int_equal(conf_node_list(h->ctx, &joined), 0);
	assert_string_equal(joined[0], "b");
	assert_string_equal(joined[1], "a");
	assert_null(joined[2]);
	assert_true(conf_node_of_vm(h->ctx, 100, name, sizeof(name)));
	assert_string_equal(name, "pve1");
	assert_false(conf_node_of_vm(h->ctx, 101, name, sizeof(name)));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, cluster_up, host_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_moved_vm_has_the_other_nodes_card), CASE(a_recovered_vm_as_well),
		CASE(a_vm_that_moves_while_its_card_is_lent),
		CASE(a_node_without_the_mapping), CASE(a_node_whose_entry_is_wrong), CASE(a_node_with_another_card),
		CASE(an_address_of_the_other_node), CASE(all_of_the_nodes_cards_are_taken), CASE(a_vm_of_another_node),
		CASE(each_node_has_its_sections), CASE(a_device_that_has_no_name_here),
		CASE(another_nodes_section_is_read_but_not_used),
		cmocka_unit_test_setup_teardown(without_quorum, cluster_up, quorum_teardown),
		CASE(an_incoming_vm_is_read_where_it_lies), CASE(an_incoming_vm_that_never_came),
		CASE(an_incoming_vm_is_refused_by_this_nodes_name), CASE(a_check_knows_where_the_vm_may_go),
		CASE(nodes_that_have_joined),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
