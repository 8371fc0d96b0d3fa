/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/default/grub, as far as it can be told without a shell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../conf/configured.h"
#include "faketree.h"

/* The words with blanks between, a "?" and the place before them where it is unsure. */
static const char *read_as(const char *text)
{
	static char said[512];
	struct ft_tree *t = ft_new();
	struct configured configured;
	struct pvb_ctx *ctx;
	struct pvb_err err;

	assert_int_equal(pvb_ctx_new(&ctx, t->path, &err), 0);
	ft_write(t, "etc/default/grub", text);
	configured_grub(ctx, &configured);
	assert_int_equal(configured.error, 0);
	snprintf(said, sizeof(said), "%s%s", *configured.unsure ? "?" : "", configured.unsure);
	for (size_t i = 0; i < configured.n; i++)
		snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s%s", *said ? " " : "", configured.words[i].text);
	configured_clear(&configured);
	pvb_ctx_free(ctx);
	ft_free(t);
	return said;
}

#define LINE "GRUB_CMDLINE_LINUX_DEFAULT="
#define UNSURE(line, text) do { if (strncmp(read_as(text), "?/etc/default/grub:" #line, 20)) \
	fail_msg("not unsure in line " #line ": %s: %s", text, read_as(text)); } while (0)

static void what_a_shell_alone_can_tell(void **state)
{
	(void)state;
	UNSURE(2, LINE "\"quiet\"\n. /etc/default/mine\n");
	UNSURE(2, LINE "\"quiet\"\n\t. /etc/default/mine\n");
	UNSURE(2, LINE "\"quiet\"\nsource /etc/default/mine\n");
	UNSURE(2, LINE "\"quiet\"\n[ -e /x ] && . /x\n");
	UNSURE(2, LINE "\"quiet\"\ntrue; eval \"$MORE\"\n");
	UNSURE(2, LINE "\"quiet\"\ncommand . /x\n");
	UNSURE(2, LINE "\"quiet\"\nunset GRUB_CMDLINE_LINUX_DEFAULT\n");
	UNSURE(2, LINE "\"quiet\"\nread GRUB_CMDLINE_LINUX_DEFAULT </x\n");
	UNSURE(2, LINE "\"quiet\"\nwhile read x; do :; done </x\n");
	UNSURE(2, LINE "\"quiet\"\ncat >/dev/null <<END\n" LINE "\"splash\"\nEND\n");
	UNSURE(2, LINE "\"quiet\"\ncat >/dev/null<<-'END'\n" LINE "\"splash\"\nEND\n");
	UNSURE(1, "if [ -e /x ]; then return; fi\n" LINE "\"quiet\"\n");
	UNSURE(2, "f() {\n" LINE "\"quiet\"\n}\n");
	UNSURE(1, "(" LINE "\"quiet\")\n");
	UNSURE(1, LINE "\"quiet\" true\n");
	UNSURE(1, "$(cat /x)\n" LINE "\"quiet\"\n");
	UNSURE(2, "MORE=`cat /x`\n" LINE "\"quiet $MORE\"\n");
	UNSURE(2, "if [ -e /x ]; then MORE=x; fi\n" LINE "\"quiet $MORE\"\n");
	UNSURE(2, "[ -e /x ] &&\n" LINE "\"quiet\"\n");
	UNSURE(4, "[ -e /x ] || # or\n\n\n  " LINE "\"quiet\"\n");
	UNSURE(2, "true &&\\\n" LINE "\"quiet\"\n");
	UNSURE(1, ": \"${GRUB_CMDLINE_LINUX_DEFAULT:=quiet console=ttyS0}\"\n");
	UNSURE(1, ": ${GRUB_CMDLINE_LINUX=quiet}\n");
}

/* Debian 12's and 13's own line; commands in shells of their own, and words that only look like those. */
static void what_sets_nothing_here(void **state)
{
	(void)state;
	assert_string_equal(read_as("GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\n" LINE "\"quiet\"\n"), "quiet");
	assert_string_equal(read_as("GRUB_DISTRIBUTOR=`( . /etc/os-release; echo ${NAME:-Debian} ) 2>/dev/null || echo Debian`\n" LINE "\"quiet\"\n"), "quiet");
	assert_string_equal(read_as("GRUB_DISTRIBUTOR=$( . /etc/os-release && echo \"${NAME} )\" )\n" LINE "\"quiet\"\n"), "quiet");
	assert_string_equal(read_as("GRUB_DISTRIBUTOR=\"`. /etc/os-release; echo $NAME`\"\n" LINE "\"quiet\"\n"), "quiet");
	assert_string_equal(read_as("# . /x\necho . source eval\nGRUB_TITLE='eval <<END'\nexport " LINE "\"quiet\"\n"), "quiet");
	assert_string_equal(read_as("GRUB_TIMEOUT=5 \\\n" LINE "\"quiet\"\n"), "quiet");
	assert_string_equal(read_as("[ -e /x ] && GRUB_TIMEOUT=1\n" LINE "\"quiet\"\n"), "quiet");
	assert_string_equal(read_as(": ${GRUB_TIMEOUT:=5}\n" LINE "\"quiet\"\n"), "quiet");
	assert_string_equal(read_as("if [ -e /x ]; then\nGRUB_TIMEOUT=1\nfi\nMORE=splash\n" LINE "\"quiet ${MORE}\" # . /x\n"), "quiet splash");
}

/* To the shell it is a part of the value; the kernel takes it for a blank. */
static void windows_line_ends(void **state)
{
	(void)state;
	assert_string_equal(read_as("MORE=splash\r\n" LINE "\"quiet\"\r\nGRUB_CMDLINE_LINUX=iommu=pt\r\n"), "iommu=pt quiet");
	assert_string_equal(read_as("MORE=quiet\r\n" LINE "\"${MORE}splash\"\r\n"), "quiet splash");
	assert_string_equal(read_as("if true; then\r\n:\r\nfi\r\n" LINE "\"quiet\"\r\n"), "?/etc/default/grub:4 quiet");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_shell_alone_can_tell), cmocka_unit_test(what_sets_nothing_here), cmocka_unit_test(windows_line_ends),
	};

	(void)argc;
	ft_preload(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
