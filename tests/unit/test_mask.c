/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Masks: what goes, what stays, and that the same stays the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "../../cli/paper.c"
#include "../../cli/maskform.c"
#include "../../cli/mask.c"

#include <cmocka.h>

static void becomes(struct mask *mask, const char *text, const char *expected)
{
	char *masked = mask_text(mask, text);

	assert_string_equal(masked, expected);
	free(masked);
}

/* A text with masks of its own. */
static void alone(const char *text, const char *expected)
{
	struct mask mask = { .n = 0 };

	becomes(&mask, text, expected);
	mask_clear(&mask);
}

static void forms_are_known(void **state)
{
	(void)state;
	alone("net0: virtio=BC:24:11:2E:F0:0a,bridge=vmbr0", "net0: virtio=MAC-1,bridge=vmbr0");
	alone("eth0: bc-24-11-2e-f0-0a up", "eth0: MAC-1 up");
	alone("(ib0 80:00:02:08:fe:80:00:00:00:00:00:00:e4:1d:2d:03:00:11:22:33)", "(ib0 MAC-1)");
	alone("enx0c37961f2b8c: renamed from eth0", "enxMAC-1: renamed from eth0");
	alone("wlx0c37961f2b8c, wwx0C37961F2B8C, ibx0c37961f2b8d", "wlxMAC-1, wwxMAC-1, ibxMAC-2");
	alone("uuid=6D3B1f8e-0000-4000-8000-0123456789ab.", "uuid=UUID-1.");
	alone("GPU-6d3b1f8e-0000-4000-8000-0123456789ab", "GPU-UUID-1");
	alone("root=UUID=1A2B-3C4D root=PARTUUID=0a0b0c0d-02", "root=UUID=UUID-1 root=PARTUUID=UUID-2");
	alone("/dev/disk/by-uuid/1A2B-3C4D on /boot, by-partuuid/0a0b0c0d-02", "/dev/disk/by-uuid/UUID-1 on /boot, by-partuuid/UUID-2");
	alone("cryptdevice=UUID=1A2B-3C4D:crypt rd.md.uuid=a1b2c3d4:e5f60718:01234567:89abcdef", "cryptdevice=UUID=UUID-1:crypt rd.md.uuid=UUID-2");
	alone("md0 a1b2c3d4:e5f60718:01234567:89abcdef (lvmid/Ab12Cd-3eF4-gH56-iJ78-kL90-mN12-oP34qR/x)", "md0 UUID-1 (lvmid/UUID-2/x)");
	alone("root=LABEL=alices /dev/disk/by-label/alices/x by-partlabel/bobs", "root=LABEL=LABEL-1 /dev/disk/by-label/LABEL-1/x by-partlabel/LABEL-2");
	alone("to 192.168.77.5/24, 10.0.0.1:8006", "to IP-1/24, IP-2:8006");
	alone("fe80::be24:11ff:fe2e:f00a%eth0 2001:db8:0:1:2:3:4:5 2001:db8::", "IP-1%eth0 IP-2 IP-3");
	alone("::ffff:192.168.77.5, 64:ff9b::10.0.0.1:", "IP-1, IP-2:");
	alone("mail <alice.b@olymp.example>.", "mail <MAIL-1>.");
	alone("0x5000c500a1b2c3d4 naa.5000c500a1b2c3d4 eui.0025385b01404a0f nvme.144d-53364a", "WWN-1 naa.WWN-2 eui.WWN-3 nvme.WWN-4");
	alone("scsi1: /dev/disk/by-id/ata-Samsung_SSD_870_S5Y1NX0R1-part2,size=1T", "scsi1: /dev/disk/by-id/DISK-1-part2,size=1T");
	alone("scsi1: a,serial=S5Y1NX0R1,size=1T", "scsi1: a,serial=SERIAL-1,size=1T");
	alone("-vnc password=hunter2 -object secret,id=a,data=\"c2VjcmV0\"", "-vnc password=SECRET-1 -object secret,id=a,data=\"SECRET-2\"");
	alone("/home/alice/rom.bin /home/bob", "/home/USER-1/rom.bin /home/USER-2");
}

static void what_only_looks_so_stays(void **state)
{
	static const char *const texts[] = {
		"0000:01:00.0 01:00.0 10000:e1:00.0 10de:24b0 10de:24b0:1043:87c5", "127.0.0.1 0.0.0.0 ::1 ::", "6.8.12-4-pve 9.0.2-4 570.124.06",
		"256.1.1.1 1.2.3 1.2.3.4.5", "12:34:56 2026-11-22 16:20:00", "nvidia@1.service root@pam [vm 100@pve2]", "0x0000006000000000 0x5000",
		"LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f", "/dev/disk/by-path/pci-0000:04:00.0-nvme-1", "01:00.0: 01:00.1.", "wlxabc enx",
		"pci:v000010DEd000024B0sv00001043sd000087C5bc03sc00i00", "[vm 100] devices = hostpci", "eui.c by-id/", "PVE::QemuServer::PCI",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		alone(texts[i], texts[i]);
}

static void the_same_has_the_same_mask(void **state)
{
	(void)state;
	alone("BC:24:11:00:00:01 bc:24:11:00:00:02 bc:24:11:00:00:01 bc-24-11-00-00-02 enxbc2411000001",
	      "MAC-1 MAC-2 MAC-1 MAC-2 enxMAC-1");
	alone("10.1.1.1 10.1.1.2 10.1.1.1", "IP-1 IP-2 IP-1");
}

static void names_are_learned(void **state)
{
	struct mask mask = { .n = 0 };

	(void)state;
	becomes(&mask, "zeus", "zeus");
	mask_learn(&mask, "HOST", "Zeus", MASK_WORDS);
	mask_learn(&mask, "HOST", "zeus.olymp.example", MASK_WORDS);
	mask_learn(&mask, "HOST", "hera", MASK_WORDS);
	becomes(&mask, "/etc/pve/nodes/zeus/x ZEUS.olymp.example zeus-vg zeus", "/etc/pve/nodes/HOST-1/x HOST-2 HOST-1-vg HOST-1");
	becomes(&mask, "zeusa azeus hera", "zeusa azeus HOST-3");
	mask_clear(&mask);
}

static void hosts_names_are_found_in_other_names(void **state)
{
	struct mask mask = { .n = 0 };

	(void)state;
	mask_learn(&mask, "HOST", "zeus", MASK_WORDS);
	mask_learn(&mask, "HOST", "node7", MASK_WORDS);
	mask_learn(&mask, "HOST", "hercules", MASK_WORDS);
	mask_learn(&mask, "HOST", "io3", MASK_WORDS);
	mask_learn(&mask, "HOST", "decade", MASK_WORDS);
	mask_learn(&mask, "SERIAL", "sn471100", MASK_WORDS);
	becomes(&mask, "zeus1 10zeus zeus_data zeusa", "HOST-1 10HOST-2 HOST-2_data zeusa");
	becomes(&mask, "node7 node71 node7a", "HOST-3 node71 HOST-3a");
	becomes(&mask, "tankhercules Hercules2 HERCULESVG", "tankHOST-4 HOST-5 HOST-4VG");
	becomes(&mask, "audio3 0x10decade decade", "audio3 0x10decade HOST-6");
	becomes(&mask, "xsn471100 sn4711001 sn471100", "xsn471100 sn4711001 SERIAL-1");
	mask_clear(&mask);
}

static void names_of_nobody_stay(void **state)
{
	struct mask mask = { .n = 0 };

	(void)state;
	mask_learn(&mask, "HOST", "pve", MASK_WORDS);
	mask_learn(&mask, "HOST", "ab", MASK_WORDS);
	mask_learn(&mask, "HOST", "", MASK_WORDS);
	mask_learn(&mask, "SERIAL", "Default string", MASK_WORDS);
	becomes(&mask, "/etc/pve/local ab Default string", "/etc/pve/local ab Default string");
	mask_learn(&mask, "HOST", "Nvidia", MASK_WORDS);
	mask_learn(&mask, "STORAGE", "zfs", MASK_WORDS);
	becomes(&mask, "on nvidia; it is in the ZFS pool rpool", "on nvidia; it is in the ZFS pool rpool");
	mask_clear(&mask);
}

static void names_of_vms_are_so_only_where_enclosed(void **state)
{
	struct mask mask = { .n = 0 };

	(void)state;
	mask_learn(&mask, "NAME", "gpu", MASK_ENCLOSED);
	becomes(&mask, "VM 100 (gpu) has the gpu, (gpu x), \"gpu\"", "VM 100 (NAME-1) has the gpu, (gpu x), \"NAME-1\"");
	mask_clear(&mask);
}

static void no_control_character_passes(void **state)
{
	(void)state;
	alone("a\x1b[31mb\x7f\tc\n\r", "a?[31mb?\tc\n?");
	alone("a\xc2\x9b" "31mb \xc2\xa0 \xc3\xa9", "a?31mb \xc2\xa0 \xc3\xa9");
	alone("", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_are_known),
		cmocka_unit_test(what_only_looks_so_stays),
		cmocka_unit_test(the_same_has_the_same_mask),
		cmocka_unit_test(names_are_learned),
		cmocka_unit_test(hosts_names_are_found_in_other_names),
		cmocka_unit_test(names_of_nobody_stay),
		cmocka_unit_test(names_of_vms_are_so_only_where_enclosed),
		cmocka_unit_test(no_control_character_passes),
	};

	return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
