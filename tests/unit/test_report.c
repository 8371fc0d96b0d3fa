/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind report: what somebody who helps must know is in it, and nothing that is nobody's business, whichever source it is
 * in. */
#include <strings.h>

#include "../../libbind/pvebind.h"
#include "command.h"

#define MAC "BC:24:11:2E:F0:0A"
#define UUID "6d3b1f8e-1111-4222-8333-0123456789ab"
#define PLANTS " zeus.olymp.example zeus hera " MAC " " UUID " 192.168.77.5 fd00:77::5 alice@olymp.example 0x5000c500a1b2c3d4 SNQ4711X "

/* Each of them stands in every source that the report has. */
static const char *const plants[] = {
	"zeus", "hera", "olymp", MAC, "bc-24-11-2e-f0-0a", "bc24112ef00a", UUID, "192.168.77", "fd00:77", "alice", "5000c500a1b2c3d4",
	"SNQ4711X", "vault9", "S5Y1NX0R", "hunter2", "AAAAB3NzaC1yc2E", "my notes", "ithaka",
};

static void no_plant(const char *text)
{
	for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++)
		if (strcasestr(text, plants[i]))
			fail_msg("'%s' is in: %.200s", plants[i], strcasestr(text, plants[i]) - 100);
}

static void host_write(struct ft_tree *t)
{
	gpu_world(t);
	ft_write(t, "etc/hostname", "zeus\n");
	ft_write(t, "etc/hosts", "127.0.0.1 localhost\n192.168.77.5 zeus.olymp.example zeus # at home\n");
	ft_write(t, "etc/resolv.conf", "search olymp.example\nnameserver 192.168.77.1\n");
	ft_mkdir(t, "etc/pve/nodes/hera");
	ft_write(t, "sys/class/dmi/id/board_serial", "SNQ4711X\n");
	ft_write(t, "sys/class/dmi/id/board_vendor", "ACME" PLANTS "\n");
	ft_write(t, "proc/cpuinfo", "processor\t: 0\nmodel name\t: Zen 9" PLANTS "\n");
	ft_write(t, "proc/meminfo", "MemTotal:       65706780 kB\n");
	ft_write(t, "proc/sys/kernel/osrelease", "6.8.12-4-pve\n");
	ft_write(t, "proc/cmdline", "root=UUID=" UUID " ro ip=192.168.77.5 iommu=pt" PLANTS "\n");
	ft_write(t, "var/lib/dpkg/status", "Package: pve-manager\nStatus: install ok installed\nVersion: 8.3.1\n\n");
	ft_write(t, "etc/pve/storage.cfg", "dir: vault9\n\tpath /vault9\n\tcontent snippets\n\n");
	ft_write(t, "dev/kmsg", "6,1,1000000,-;vfio-pci 0000:01:00.0: a line" PLANTS "of it\n6,2,2000000,-;e1000e 0000:09:00.0: of another" PLANTS "\n"
		 "14,3,3000000,-;a program: 0000:01:00.0" PLANTS "\n SUBSYSTEM=pci\n");
}

static void vm_write(struct ft_tree *t)
{
	ft_vm(t, 100, "# my notes: hunter2\nname: ithaka\ndescription: my notes\nhostpci0: 0000:01:00,pcie=1\ncipassword: hunter2\n"
		      "sshkeys: ssh-rsa%20AAAAB3NzaC1yc2E\nciuser: alice\nsearchdomain: olymp.example\nipconfig0: ip=192.168.77.8/24\n"
		      "net0: virtio=" MAC ",bridge=vmbr0\nsmbios1: uuid=" UUID ",serial=U05RNDcxMVg=\nhookscript: vault9:snippets/pvebind\n"
		      "scsi0: vault9:vm-100-disk-0,serial=SNQ4711X,size=1T\nscsi1: /dev/disk/by-id/ata-Samsung_S5Y1NX0R-part1\n"
		      "args: -netdev mac=" MAC " -object secret,data=hunter2 -drive file=/home/alice/x" PLANTS "\ntags: zeus\n");
	ft_vm(t, 101, "name: other\nnet0: virtio=" MAC "\nargs: of no business\n");
	ft_write(t, INI, "[vm 100]\nnext-hookscript = vault9:snippets/mine\n[vm 101@hera]\nreset = none\n");
}

static void nothing_private_is_in_it(void **state)
{
	struct ft_tree *t = *state;

	host_write(t);
	vm_write(t);
	assert_int_equal(looks(t, "report"), 0);
	assert_string_equal(ran.err, "");
	no_plant(ran.out);
	/* The sources were there. */
	has(ran.out, "Zen 9 HOST-");
	has(ran.out, "board, BIOS   ACME HOST-");
	has(ran.out, "command line  root=UUID=UUID-1 ro ip=IP-");
	has(ran.out, "vfio-pci 0000:01:00.0: a line HOST-");
	has(ran.out, "scsi0: STORAGE-1:vm-100-disk-0,serial=SERIAL-");
	has(ran.out, "scsi1: /dev/disk/by-id/DISK-1-part1\n");
	has(ran.out, "hookscript: STORAGE-1:snippets/pvebind\n");
	has(ran.out, "next-hookscript = STORAGE-1:snippets/mine\n");
	has(ran.out, "args: -netdev mac=MAC-1 -object secret,data=SECRET-1 -drive file=/home/USER-1/x HOST-");
	has(ran.out, "(left out: name description cipassword sshkeys ciuser searchdomain ipconfig0 net0 smbios1 tags)");
}

/* The kernel has several ways to name a device. */
static void lines_of_the_log_are_found(void **state)
{
	static const char *const lines[] = {
		"NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.", "DMAR: [DMA Read NO_PASID] Request device [01:00.0] fault addr 0x0",
		"pcieport 0000:00:01.0: AER: Corrected error received: 0000:01:00.0", "AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:01:00.1 domain=1]",
	};
	static const char *const others[] = { "NVRM: Xid (PCI:0000:11:00): 79", "e1000e 0000:09:00.0: up", "at 101:00.0", "pci 0000:00:01.0:   bridge window" };
	struct ft_tree *t = *state;
	char text[2048] = "";

	host_write(t);
	vm_write(t);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		sprintf(strchr(text, '\0'), "6,%zu,%zu,-;%s\n", i, i, lines[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		sprintf(strchr(text, '\0'), "6,9%zu,9%zu,-;%s\n", i, i, others[i]);
	ft_write(t, "dev/kmsg", text);
	assert_int_equal(looks(t, "report"), 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		has(strstr(ran.out, "== kernel log"), lines[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		has_not(strstr(ran.out, "== kernel log"), others[i]);
}

static void disks_names_are_masked(void **state)
{
	struct ft_tree *t = *state;

	host_write(t);
	vm_write(t);
	ft_write(t, "sys/block/sda/device/wwid", "t10.ATA     Samsung SSD 870 EVO 1TB                 S6PT4711Q\n");
	ft_write(t, "sys/block/sdb/device/wwid", "naa.5000c500a1b2c3d4\n");
	ft_write(t, "proc/cmdline", "root=/dev/mapper/35000c500a1b2c3d4 a=S6PT4711Q b=5000c500a1b2c3d4 c=zeus1tank d=thing.olymp.example wlx0c37961f2b8c\n");
	assert_int_equal(looks(t, "report"), 0);
	no_plant(ran.out);
	has(ran.out, "command line  root=/dev/mapper/WWN-");
	has(ran.out, " a=SERIAL-");
	has(ran.out, " b=WWN-");
	has(ran.out, "tank d=thing.HOST-");
	has(ran.out, " wlxMAC-");
	has_not(ran.out, "s6pt4711q");
}

static void what_is_needed_is_in_it(void **state)
{
	static const char *const parts[] = {
		"\n== host ==\npvebind       " PVB_VERSION "\nkernel        6.8.12-4-pve\npackage       pve-manager 8.3.1\n",
		"memory        65706780 kB\n", "\n== list ==\nIOMMU group 1\n", "\n== list --usb ==\n", "VM 100 (NAME-1) names it: hostpci0", "\n== check ==\n", "\nok: ",
		"\n== VM 100 ==\n", "hostpci0: 0000:01:00,pcie=1\n", "\n--\n", "\n== config ==\n", "\n== status ==\nnothing is lent\n",
		"\n== kernel log of the devices ==\n[    1.000000] vfio-pci 0000:01:00.0: a line",
	};
	struct ft_tree *t = *state;

	host_write(t);
	vm_write(t);
	assert_int_equal(looks(t, "report"), 0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		has(ran.out, parts[i]);
	has_not(ran.out, "of another");
	has_not(ran.out, "a program");
	has_not(ran.out, "== VM 101 ==");
	has_not(ran.out, "\033[");
}

/* Of the log no more than its end. */
static void of_a_long_log_the_last_lines(void **state)
{
	char *text = calloc(1, 1 << 16);
	struct ft_tree *t = *state;

	host_write(t);
	for (int i = 0; i < 100; i++)
		sprintf(strchr(text, '\0'), "6,%d,%d000000,-;vfio-pci 0000:01:00.0: line %d.\n", i, i, i);
	ft_write(t, "dev/kmsg", text);
	free(text);
	assert_int_equal(looks(t, "report"), 0);
	has(ran.out, "(40 earlier lines left out)\n[   40.000000] vfio-pci 0000:01:00.0: line 40.\n");
	has(ran.out, ": line 99.\n");
	has_not(ran.out, ": line 39.\n");
}

/* Faults are a part of it, masked as well. */
static void faults_are_told_in_it(void **state)
{
	struct ft_tree *t = *state;

	host_write(t);
	ft_vm(t, 100, "name: ithaka\nhostpci0: zeus-is-no-address\n");
	ft_write(t, INI, "[vm 100]\nzeus = hera\n");
	ft_remove(t, "dev/kmsg");
	ft_remove(t, "proc/meminfo");
	assert_int_equal(looks(t, "report"), 0);
	assert_string_equal(ran.err, "");
	no_plant(ran.out);
	has(ran.out, "/etc/pve/pvebind.ini:2: unknown key 'HOST-");
	has(ran.out, "\n== VM 100 ==\n");
	has(ran.out, "unknown: cannot read the kernel's log");
	has(ran.out, "memory        unknown\n");
}

static void an_empty_machine_has_a_report(void **state)
{
	assert_int_equal(looks(*state, "report"), 0);
	has(ran.out, "the kernel shows no PCI device");
	assert_string_equal(ran.err, "");
}

static void it_takes_nothing(void **state)
{
	assert_int_equal(run_bare(*state, "report --json"), 2);
	assert_int_equal(run_bare(*state, "report 100"), 2);
	has(ran.err, "takes none");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(nothing_private_is_in_it),
		IN_TREE(what_is_needed_is_in_it),
		IN_TREE(lines_of_the_log_are_found),
		IN_TREE(disks_names_are_masked),
		IN_TREE(of_a_long_log_the_last_lines),
		IN_TREE(faults_are_told_in_it),
		IN_TREE(an_empty_machine_has_a_report),
		IN_TREE(it_takes_nothing),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
