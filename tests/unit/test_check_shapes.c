/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvebind check answers whatever it finds: a VM config of any shape, files that are missing, empty, folders, too big or
 * nonsense. An answer is one JSON object, well made, and status 0 or 1 (checked.h); and nothing was written.
 */
#include <ftw.h>
#include <sys/stat.h>

#include "checked.h"
#include "machine.h"

#define VM "etc/pve/nodes/pve1/qemu-server/100.conf"
#define REST "\nmachine: q35\nbios: ovmf\nmemory: 4096\ncpu: host\n"

static struct machine *machine;
static unsigned part, parts; /* of what is done in turn, this process's */

static int setup(void **state)
{
	(void)state;
	machine = machine_new("intel-desktop");
	if (*machine->error)
		fail_msg("%s", machine->error);
	machine_finish(machine);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	checked_forget();
	machine_free(machine, false);
	return 0;
}

/* ---- VM configs ------------------------------------------------------------------------- */

#define BYTES(text) text, sizeof(text) - 1

static const struct shape {
	const char *name, *text;
	size_t size;
} shapes[] = {
	{ "slot", BYTES("hostpci0: 01:00,pcie=1" REST) },
	{ "slot with domain", BYTES("hostpci0: 0000:01:00,pcie=1,x-vga=1" REST) },
	{ "function", BYTES("hostpci0: 01:00.0" REST) },
	{ "host=", BYTES("hostpci0: host=0000:01:00.0,rombar=0" REST) },
	{ "several of one line", BYTES("hostpci0: 01:00.0;01:00.1;01:00.2;01:00.3,pcie=1" REST) },
	{ "functions apart", BYTES("hostpci0: 01:00.0,pcie=1\nhostpci1: 01:00.1,pcie=1" REST) },
	{ "the same twice", BYTES("hostpci0: 01:00\nhostpci1: 01:00" REST) },
	{ "all sixteen", BYTES("hostpci0: 01:00\nhostpci1: 02:00\nhostpci2: 03:00\nhostpci3: 04:00\nhostpci4: 05:00\nhostpci5: 06:00\n"
	  "hostpci6: 07:00\nhostpci7: 08:00\nhostpci8: 09:00\nhostpci9: 0a:00\nhostpci10: 0b:00\nhostpci11: 0c:00\n"
	  "hostpci12: 0d:00\nhostpci13: 0e:00\nhostpci14: 0f:00\nhostpci15: 10:00" REST) },
	{ "a seventeenth", BYTES("hostpci16: 01:00" REST) },
	{ "not there", BYTES("hostpci0: 7f:1f.7,pcie=1" REST) },
	{ "long domain", BYTES("hostpci0: 10000:e1:00.0,pcie=1" REST) },
	{ "the host's NIC and disk", BYTES("hostpci0: 03:00\nhostpci1: 00:17.0" REST) },
	{ "a bridge", BYTES("hostpci0: 00:01.0" REST) },
	{ "the IOMMU's root", BYTES("hostpci0: 00:00.0" REST) },
	{ "mapping", BYTES("hostpci0: mapping=gpu,pcie=1" REST) },
	{ "mapping with nonsense", BYTES("hostpci0: mapping=../../etc/passwd,mapping=" REST) },
	{ "mdev", BYTES("hostpci0: 00:02.0,mdev=i915-GVTg_V5_4" REST) },
	{ "every option", BYTES("hostpci0: 01:00,pcie=1,x-vga=on,rombar=off,romfile=my.rom,legacy-igd=1,driver=keep,device-id=0x1234,"
	  "vendor-id=0x10de,sub-device-id=0x1,sub-vendor-id=0x2" REST) },
	{ "unknown options", BYTES("hostpci0: 01:00,new-thing=1,=,,,pcie" REST) },
	{ "options without a device", BYTES("hostpci0: pcie=1,x-vga=1" REST) },
	{ "empty value", BYTES("hostpci0:\nhostpci1: \n" REST) },
	{ "nonsense values", BYTES("hostpci0: zz:zz.z\nhostpci1: 01:00.8\nhostpci2: ;;;\nhostpci3: 01:00.0;\nhostpci4: -" REST) },
	{ "romfiles", BYTES("hostpci0: 01:00,romfile=/etc/passwd\nhostpci1: 02:00,romfile=../../x\nhostpci2: 03:00,romfile=none" REST) },
	{ "snapshots", BYTES("hostpci0: 01:00" REST "parent: b\n\n[a]\nhostpci0: 02:00\nmemory: 1\nsnaptime: 1\n\n[b]\nmemory: nonsense\n") },
	{ "pending", BYTES("memory: 4096\n\n[PENDING]\nhostpci0: 01:00\ndelete: vga\n") },
	{ "special sections", BYTES("hostpci0: 01:00" REST "\n[special:cloudinit]\nx: y\n[special:fleecing]\n") },
	{ "sections without an end", BYTES("hostpci0: 01:00" REST "[a\n[]\n[ ]\n]\n") },
	{ "unknown keys", BYTES("hostpci0: 01:00\nnewkey99: value\nanother-one: 1\nusb99: x" REST) },
	{ "keys without a value", BYTES("hostpci0\nmachine\n:\n: x\nmemory:\ncpu:\n") },
	{ "CRLF", BYTES("hostpci0: 01:00,pcie=1\r\nmachine: q35\r\nbios: ovmf\r\nmemory: 4096\r\n") },
	{ "CR only", BYTES("hostpci0: 01:00,pcie=1\rmachine: q35\r") },
	{ "tabs and blanks", BYTES("  hostpci0:\t01:00 , pcie=1  \n\tmachine:q35\nbios :ovmf\n") },
	{ "no newline at the end", BYTES("machine: q35\nhostpci0: 01:00") },
	{ "a NUL amid", BYTES("hostpci0: 01:00\0,pcie=1\nmachine: q35\n") },
	{ "binary", BYTES("\x7f" "ELF\x02\x01\x01\0\0\0\0\0\xff\xfe\xfd\xc3(\x80\x81\n\x00\x01hostpci0: 01:00\n") },
	{ "not UTF-8", BYTES("name: \xff\xc3(\xe2\x82\nhostpci0: 01:00,romfile=\xff\xfe.rom\nballoon: \x80" REST) },
	{ "empty", BYTES("") },
	{ "newlines only", BYTES("\n\n\n\n") },
	{ "notes only", BYTES("#a\n#b%0Ac\n#hostpci0: 01:00\n") },
	{ "template", BYTES("template: 1\nhostpci0: 01:00" REST) },
	{ "locked", BYTES("lock: backup\nhostpci0: 01:00" REST) },
	{ "numbers too big", BYTES("hostpci0: 01:00\nmemory: 99999999999999999999999\ncores: -1\nballoon: 1e9\nsockets: 0x10\nstartup: up=-5\n") },
	{ "memory as of late", BYTES("hostpci0: 01:00\nmemory: current=8192\nballoon: 4096\nhugepages: 1024\n") },
	{ "machines", BYTES("hostpci0: 01:00,pcie=1\nmachine: pc-i440fx-9.0+pve1,viommu=intel\nbios: seabios\n") },
	{ "machine type as property", BYTES("hostpci0: 01:00,pcie=1\nmachine: type=pc-q35-9.2+pve1,viommu=virtio\nbios: ovmf\n") },
	{ "cpu forms", BYTES("hostpci0: 01:00\ncpu: cputype=host,flags=+aes;-pcid,hidden=1\n") },
	{ "custom cpu", BYTES("hostpci0: 01:00\ncpu: custom-mine,flags=\nargs: -cpu host -device vfio-pci,host=01:00.0\n") },
	{ "vga forms", BYTES("hostpci0: 01:00,x-vga=1\nvga: type=none,memory=16\nserial0: socket\nagent: enabled=1,type=isa\n") },
	{ "hookscripts", BYTES("hookscript: nosuch:snippets/../../x\nhostpci0: 01:00" REST) },
	{ "usb and efidisk", BYTES("usb0: host=058f:6387,usb3=1\nusb1: mapping=x\nusb2: spice\nefidisk0: none\ntpmstate0: x:y\nhostpci0: 01:00\n") },
	{ "a key twice", BYTES("machine: q35\nmachine: pc\nhostpci0: 01:00\nhostpci0: 02:00\nbios: ovmf\nbios: seabios\n") },
	{ "affinity and numa", BYTES("affinity: 0-3,99999\nnuma: 1\nnuma0: cpus=0-3,hostnodes=0,memory=2048,policy=bind\nhostpci0: 01:00\n") },
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void put(const char *path, const void *data, size_t size)
{
	int fd = openat(machine->t->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		fail_msg("%s: %s", path, strerror(errno));
	close(fd);
}

static void any_vm_config_is_answered(void **state)
{
	(void)state;
	assert_true(SHAPES >= 40);
	for (size_t i = part; i < SHAPES; i += parts) {
		print_message("# VM config: %s\n", shapes[i].name);
		put(VM, shapes[i].text, shapes[i].size);
		checked_run(machine->t, "100");
		checked_run(machine->t, "");
	}
}

/* What Proxmox VE itself takes is 1 MiB at most for all of it; more is a failure that is told, not a crash. */
static void big_vm_configs_are_answered(void **state)
{
	static const size_t sizes[] = { 1000, 65536, 1 << 20, 3 << 20 };
	char *text = malloc((3 << 20) + 64);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = (size_t)sprintf(text, "hostpci0: 01:00,pcie=1\nmachine: q35\n#");

		memset(text + n, 'n', sizes[i]);
		text[n + sizes[i]] = '\n';
		put(VM, text, n + sizes[i] + 1);
		checked_run(machine->t, "100");
		/* The same in lines. */
		for (size_t at = n; at < n + sizes[i]; at += 80)
			memcpy(text + at, "\n#", 2);
		put(VM, text, n + sizes[i] + 1);
		checked_run(machine->t, "100");
		checked_run(machine->t, "");
	}
	free(text);
}

static void a_vm_that_is_not_there_is_answered(void **state)
{
	(void)state;
	ft_remove(machine->t, VM);
	checked_run(machine->t, "100");
	ft_mkdir(machine->t, VM);
	checked_run(machine->t, "100");
	ft_remove(machine->t, VM);
	ft_link(machine->t, VM, "100.conf");
	checked_run(machine->t, "100");
	checked_run(machine->t, "999999999");
}

/* ---- files -------------------------------------------------------------------------------- */

/* Every file of these; and of sys, whose thousands are alike, those that are not a function's. */
static const char *const tops[] = { "boot", "etc", "lib/modules", "proc", "run", "usr", "var", "dev", "sys/firmware",
				    "sys/class/iommu", "sys/module/vfio_pci", "sys/kernel/iommu_groups/1" };
static char *paths[4096];
static size_t num_paths;

static int path_add(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if ((kind == FTW_F || kind == FTW_SL || kind == FTW_D) && num_paths < sizeof(paths) / sizeof(paths[0]) &&
	    !strstr(path, ".ko"))
		paths[num_paths++] = strdup(path + strlen(machine->t->path) + 1);
	return 0;
}

static void paths_list(void)
{
	num_paths = 0;
	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		char top[PATH_MAX + 64];

		snprintf(top, sizeof(top), "%s/%s", machine->t->path, tops[i]);
		nftw(top, path_add, 32, FTW_PHYS);
	}
	assert_true(num_paths > 100);
}

static void paths_free(void)
{
	while (num_paths)
		free(paths[--num_paths]);
}

static void hide(const char *path)
{
	if (renameat(machine->t->fd, path, machine->t->fd, "hidden") < 0)
		fail_msg("%s: %s", path, strerror(errno));
}

static void unhide(const char *path)
{
	ft_remove(machine->t, path);
	if (renameat(machine->t->fd, "hidden", machine->t->fd, path) < 0)
		fail_msg("%s: %s", path, strerror(errno));
}

static void every_missing_file_is_answered(void **state)
{
	(void)state;
	paths_list();
	for (size_t i = part; i < num_paths; i += parts) {
		print_message("# without %s\n", paths[i]);
		hide(paths[i]);
		checked_run(machine->t, "100");
		unhide(paths[i]);
	}
	paths_free();
}

/* In turn one kind of nonsense a file. */
static void nonsense_put(const char *path, size_t turn)
{
	static char big[300000];

	switch (turn % 5) {
	case 0:
		put(path, "", 0);
		break;
	case 1:
		ft_mkdir(machine->t, path);
		break;
	case 2:
		ft_link(machine->t, path, "/nowhere/at/all");
		break;
	case 3:
		put(path, BYTES("\xff\xfe\0\0\n\n=\t:[\n%s%n%x\n\x80"));
		break;
	default:
		memset(big, 'x', sizeof(big));
		put(path, big, sizeof(big));
	}
}

static void every_spoilt_file_is_answered(void **state)
{
	(void)state;
	paths_list();
	for (size_t i = part; i < num_paths; i += parts) {
		struct stat st;

		if (fstatat(machine->t->fd, paths[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
			continue;
		print_message("# %s spoilt (%zu)\n", paths[i], i / parts % 5);
		hide(paths[i]);
		nonsense_put(paths[i], i / parts);
		checked_run(machine->t, "100");
		unhide(paths[i]);
	}
	paths_free();
}

/* Nothing at all: no host, no PCI bus, no Proxmox VE. */
static void an_empty_root_is_answered(void **state)
{
	static const char *const gone[] = { "sys", "proc", "etc", "run", "dev", "lib", "boot", "usr", "var" };

	(void)state;
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		ft_remove(machine->t, gone[i]);
		checked_run(machine->t, "100");
		checked_run(machine->t, "");
	}
}

/* ---- it only looks ---------------------------------------------------------------------------- */

static FILE *seen_out;

static int entry_see(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)ftw;
	fprintf(seen_out, "%s %d %o %lld %lld.%09ld\n", path, kind, st->st_mode, (long long)st->st_size,
		(long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	return 0;
}

static char *tree_see(void)
{
	char *seen = NULL;
	size_t size;

	seen_out = open_memstream(&seen, &size);
	assert_non_null(seen_out);
	assert_int_equal(nftw(machine->t->path, entry_see, 32, FTW_PHYS), 0);
	fclose(seen_out);
	return seen;
}

static void nothing_is_written(void **state)
{
	static const char *const asks[] = { "", "100", "--guest 100" };
	char *before = tree_see();

	(void)state;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		char *after;

		checked_run(machine->t, asks[i]);
		after = tree_see();
		if (strcmp(before, after))
			fail_msg("check %s wrote something", asks[i]);
		free(after);
	}
	free(before);
}

static int part_run(unsigned k, unsigned of)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest in_parts[] = {
		T(any_vm_config_is_answered), T(every_missing_file_is_answered), T(every_spoilt_file_is_answered),
	};
	static const struct CMUnitTest others[] = {
		T(big_vm_configs_are_answered), T(a_vm_that_is_not_there_is_answered), T(an_empty_root_is_answered),
		T(nothing_is_written),
	};
	int failed;

	part = k;
	parts = of;
	failed = cmocka_run_group_tests_name("check_shapes", in_parts, NULL, NULL);
	return k == 0 ? failed + cmocka_run_group_tests_name("check_shapes", others, NULL, NULL) : failed;
}

int main(void)
{
	checked_list();
	return checked_in_parts(part_run);
}
