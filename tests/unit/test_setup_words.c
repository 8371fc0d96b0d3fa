/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvebind setup: which words of the kernel command line change, and which it leaves alone. */
#include "setuprun.h"

/* One that needs nothing but what its command line lacks. */
static void host_begin(const char *name)
{
	m = machine_begin(name);
	initramfs_made(m);
	runs(m, "--apply --yes", 0);
}

static void line_set(const char *words, const char *other)
{
	char text[1024];

	snprintf(text, sizeof(text), GRUB_LINE "\"%s\"\nGRUB_CMDLINE_LINUX=\"%s\"\n", words, other);
	ft_write(m->t, GRUB, text);
}

/* These words become those, and stay so. */
static void becomes(const char *args, const char *before, const char *after)
{
	char apply[128], text[1024];

	line_set(before, "");
	snprintf(apply, sizeof(apply), "--apply --yes %s", args);
	runs(m, apply, 0);
	snprintf(text, sizeof(text), GRUB_LINE "\"%s\"\n", after);
	file_has(GRUB, text);
	runs(m, apply, 0);
	has("nothing to do");
}

/* ---- what switches the IOMMU off -------------------------------------------------------- */

static void off_among_other_options(void **state)
{
	(void)state;
	host_begin("intel-desktop");
	becomes("", "quiet iommu=off,soft", "quiet iommu=soft iommu=pt");
	becomes("", "iommu=pt,off quiet", "iommu=pt quiet");
	becomes("", "iommu=memaper=3,off,pt", "iommu=memaper=3,pt");
	becomes("", "iommu=off,off", "iommu=pt");
	becomes("", " iommu=off,soft  x=off", " iommu=soft  x=off iommu=pt");
	becomes("", "iommu=pt intel_iommu=off,sm_on intel-iommu=off", "iommu=pt intel_iommu=sm_on");
	becomes("", "iommu=pt intel_iommu=on,off", "iommu=pt intel_iommu=on");
	becomes("", "iommu=pt intel_iommu=on intel_iommu=on,off", "iommu=pt intel_iommu=on");
	line_set("iommu=off,soft", "");
	runs(m, "", 0);
	has("make iommu=off,soft iommu=soft; add iommu=pt");
	has("iommu=off,soft: it switches the IOMMU off");
	line_set("quiet", "iommu=off,soft");
	apply_refuses("", "/etc/default/grub:2: iommu=off,soft stands where pvebind changes nothing: take it out by hand");
}

static void off_among_options_of_amd(void **state)
{
	(void)state;
	host_begin("apu");
	becomes("", "amd_iommu=off,fullflush iommu=pt", "amd_iommu=fullflush iommu=pt");
	becomes("", "amd_iommu=force_enable,off iommu=pt", "amd_iommu=force_enable iommu=pt");
	becomes("", "amd_iommu=off iommu=pt", "iommu=pt");
}

/* Doubled, with one of the two where nothing is changed. */
static void what_cannot_go(void **state)
{
	(void)state;
	host_begin("intel-desktop");
	line_set("iommu=pt", "iommu=pt");
	runs(m, "", 0);
	has("/etc/default/grub:2: iommu=pt: it stands there twice");
	apply_refuses("--clean", "/etc/default/grub:2: iommu=pt stands where pvebind changes nothing: take it out by hand");
}

/* ---- what somebody has chosen ------------------------------------------------------------ */

static void chosen_by_hand(void **state)
{
	static const char *const chosen[] = {
		"iommu=nopt", "iommu=soft,nopt", "iommu.passthrough=0", "iommu.passthrough=off", "iommu.strict=1", "iommu.strict=y",
		"intel_iommu=on,strict", "amd_iommu=fullflush", "amd-iommu=force_isolation",
	};
	char text[200];

	(void)state;
	host_begin("intel-desktop");
	for (size_t i = 0; i < sizeof(chosen) / sizeof(*chosen); i++) {
		snprintf(text, sizeof(text), "quiet intel_iommu=on %s", chosen[i]);
		becomes("", text, text);
		runs(m, "", 0);
		snprintf(text, sizeof(text), "Beware:\n  /etc/default/grub:1: %s: somebody wants", chosen[i]);
		has(text);
	}
	/* These are not against it, or somebody wants both. */
	becomes("", "intel_iommu=on iommu.strict=0", "intel_iommu=on iommu.strict=0 iommu=pt");
	becomes("", "intel_iommu=on iommu=nopt iommu=pt", "intel_iommu=on iommu=nopt iommu=pt");
	becomes("", "intel_iommu=on iommu.passthrough=on", "intel_iommu=on iommu.passthrough=on");
	runs(m, "", 0);
	hasnt("somebody wants");
}

#define RESCUE "nofb nomodeset video=efifb:off video=simplefb:off initcall_blacklist=sysfb_init"

/* The host may need it, as pvebind cannot know. */
static void the_last_resort_of_somebody(void **state)
{
	(void)state;
	host_begin("single-gpu");
	becomes("--clean", "quiet intel_iommu=on iommu=pt amd_iommu=on " RESCUE,
		"quiet intel_iommu=on iommu=pt nofb nomodeset initcall_blacklist=sysfb_init");
	runs(m, "", 0);
	has("Against lending at run time (for you to decide):\n  /etc/default/grub:1: nofb: a last resort");
	has("/etc/default/grub:1: nomodeset: a last resort");
	has("pvebind did not put it there and leaves it: take it out by hand if this host does not need it");
	has("/etc/default/grub:1: initcall_blacklist=sysfb_init: a last resort");
	hasnt("--clean takes it out");
	/* An older kernel does not send the frame buffer away. */
	shell("cd %s && echo 5.15.39-1-pve >proc/sys/kernel/osrelease", m->t->path);
	becomes("--clean", "quiet intel_iommu=on iommu=pt video=efifb:off", "quiet intel_iommu=on iommu=pt video=efifb:off");
	runs(m, "", 0);
	has("/etc/default/grub:1: video=efifb:off: a last resort");
}

/* What pvebind gave it takes back; what stood there before stays. */
static void the_last_resort_of_pvebind(void **state)
{
	(void)state;
	host_begin("single-gpu");
	becomes("--rescue-framebuffer", "quiet intel_iommu=on iommu=pt nomodeset",
		"quiet intel_iommu=on iommu=pt nomodeset nofb video=efifb:off video=simplefb:off initcall_blacklist=sysfb_init");
	runs(m, "", 0);
	has("Left over (--clean takes it out):\n  /etc/default/grub:1: nofb: a last resort of old kernels");
	has("/etc/default/grub:1: initcall_blacklist=sysfb_init: a last resort of old kernels");
	runs(m, "--apply --yes --clean", 0);
	file_has(GRUB, GRUB_LINE "\"quiet intel_iommu=on iommu=pt nomodeset\"\n");
	/* Put back by hand, it is somebody's. */
	becomes("--clean", "quiet intel_iommu=on iommu=pt nofb", "quiet intel_iommu=on iommu=pt nofb");
}

#define TEST(test) cmocka_unit_test_teardown(test, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(off_among_other_options), TEST(off_among_options_of_amd), TEST(what_cannot_go),
		TEST(chosen_by_hand), TEST(the_last_resort_of_somebody), TEST(the_last_resort_of_pvebind),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
