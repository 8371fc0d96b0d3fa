# SPDX-License-Identifier: GPL-2.0-or-later
# pvebind. `make help` tells what there is.

VERSION := $(shell sed -n 's/^.define PVB_VERSION "\(.*\)"/\1/p' libbind/pvebind.h)
SOVERSION = 0

PREFIX ?= /usr
LIBDIR ?= $(PREFIX)/lib
DESTDIR ?=
BUILD ?= build
CC ?= cc
CFLAGS ?= -O2 -g

WARNINGS = -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wpointer-arith \
	-Wwrite-strings -Wcast-qual -Wswitch-enum -Wnull-dereference -Wimplicit-fallthrough
HARDENING = -fno-common -fstack-protector-strong -D_FORTIFY_SOURCE=2
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE= $(WARNINGS) $(HARDENING) $(CFLAGS) $(CPPFLAGS) -fPIC -MMD -MP
LINK = $(CC) $(CFLAGS) -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)
# libkmod is loaded when it is needed (libbind/kmodload.c); inih is small, and goes into the programs where Debian's archive is there.
LIBS = -lpci
archive = $(filter /%,$(shell $(CC) -print-file-name=$(1) 2>/dev/null))
INIH := $(if $(call archive,libinih.a),-l:libinih.a,-linih)
# For the hook, which is linked statically where that can be: sanitizers cannot, nor can it without the archives.
STATIC_PIE := $(if $(findstring -fsanitize,$(CFLAGS)),,$(if $(call archive,libinih.a),$(if $(call archive,libc.a),-static-pie)))

objects = $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard $(1))))
LIB_OBJ := $(call objects,libbind/*.c)
CONF_OBJ := $(call objects,conf/*.c)
GUARD_OBJ := $(BUILD)/hook/guard.o
HOOK_OBJ := $(filter-out $(GUARD_OBJ),$(call objects,hook/*.c))
CHECK_OBJ := $(call objects,check/*.c)
SETUP_OBJ := $(call objects,setup/*.c)
CLI_OBJ := $(call objects,cli/*.c)
TEST_OBJ := $(call objects,tests/unit/test_*.c)
# The made-up machine: a library that plays the kernel, preloaded into the tests, and what builds trees for it.
KERNEL_SRC := $(shell grep -ls 'include "fk_internal.h"' tests/unit/*.c)
TREE_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(shell ls tests/unit/*.c | grep -v /test_ | xargs grep -lsE 'include "(ft_internal|machineparts).h"'))
TESTS := $(TEST_OBJ:$(BUILD)/tests/unit/%.o=$(BUILD)/tests/%)
STATIC = $(BUILD)/libconf.a $(BUILD)/libpvebind.a

all: $(BUILD)/pvebind-hook $(BUILD)/pvebind-hook-kmod $(BUILD)/pvebind-guard $(BUILD)/pvebind $(BUILD)/libpvebind.so ## build hook, guard, command and libraries into build/

# --- building ---------------------------------------------------------------

# V=1 shows the commands.
say = $(if $(V),,@echo "  $(1)	$@" &&)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,cc) $(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/libpvebind.a: $(LIB_OBJ)
	$(call say,ar) rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libconf.a: $(CONF_OBJ)
	$(call say,ar) rm -f $@ && $(AR) rcs $@ $^

# What check says inside a VM is said by a script; it is a string of the program, without comments.
$(BUILD)/check/guestscript.inc: guest/pvebind-guest-check
	@mkdir -p $(@D)
	$(call say,sed) sed '/^[[:blank:]]*#/d; s/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@

$(BUILD)/check/guestscript.o: $(BUILD)/check/guestscript.inc
$(BUILD)/check/guestscript.o: ALL_CFLAGS += -I$(BUILD)/check

$(BUILD)/libcheck.a: $(CHECK_OBJ)
	$(call say,ar) rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libsetup.a: $(SETUP_OBJ)
	$(call say,ar) rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libpvebind.so: $(LIB_OBJ) libbind/libpvebind.map
	$(call say,ld) $(LINK) -shared -Wl,-soname,libpvebind.so.$(SOVERSION) -Wl,--version-script,libbind/libpvebind.map -Wl,-z,defs \
		-o $@ $(LIB_OBJ) $(LIBS)

# Linked statically, as it is called at each start of a VM and to link it anew takes a quarter of its processor time; but for libkmod,
# which there is only as a shared library: pvebind-hook-kmod has it (hook/handover.c).
$(BUILD)/pvebind-hook: $(HOOK_OBJ) $(BUILD)/libbind/nokmod.o $(STATIC)
	$(call say,ld) $(LINK) $(STATIC_PIE) -o $@ $^ $(INIH)

$(BUILD)/pvebind-hook-kmod: $(HOOK_OBJ) $(STATIC)
	$(call say,ld) $(LINK) -o $@ $^ $(INIH) $(LIBS)

$(BUILD)/libbind/nokmod.o: libbind/kmodload.c Makefile
	@mkdir -p $(@D)
	$(call say,cc) $(CC) $(ALL_CFLAGS) -DPVB_STATIC -c -o $@ $<

# It sleeps beside every VM that runs, so it has no library but libc: 190 KiB of memory instead of 2 MiB. With libc in it, it begins
# sooner, but what others have of libc is not shared with it any more: 900 KiB.
$(BUILD)/pvebind-guard: $(GUARD_OBJ) $(STATIC)
	$(call say,ld) $(LINK) -o $@ $^

$(BUILD)/pvebind: $(CLI_OBJ) $(BUILD)/libsetup.a $(BUILD)/libcheck.a $(STATIC)
	$(call say,ld) $(LINK) -o $@ $^ $(INIH) $(LIBS) -ljson-c

# --- testing ----------------------------------------------------------------

# The hook, and what belongs beside it, as the unit tests run it. The made-up kernel is preloaded, which a program that is linked statically does not notice.
PROGRAMS = $(addprefix $(BUILD)/tests/programs/,pvebind-hook pvebind-guard pvebind)
$(BUILD)/tests/programs/pvebind: $(BUILD)/pvebind
$(BUILD)/tests/programs/pvebind-hook: $(BUILD)/pvebind-hook-kmod
$(BUILD)/tests/programs/pvebind-guard: $(BUILD)/pvebind-guard
$(PROGRAMS):
	@mkdir -p $(@D)
	$(call say,cp) cp -f $< $@

tests: $(TESTS) $(PROGRAMS) $(BUILD)/tests/fakekernel.so $(BUILD)/tests/tracer $(BUILD)/tests/lend

$(TESTS): $(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(TREE_OBJ) $(STATIC)
	$(call say,ld) $(LINK) -o $@ $(filter-out $(STATIC),$^) $(STATIC) $(INIH) $(LIBS) -ljson-c -lcmocka

# What the command never lets happen.
$(BUILD)/tests/test_setup_plan: $(BUILD)/libsetup.a

# Without the sanitizers and counters of those whose writes it takes.
$(BUILD)/tests/fakekernel.so: $(KERNEL_SRC) $(wildcard tests/unit/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,so) $(CC) $(filter-out -fsanitize% -fno-sanitize% --coverage -MMD -MP,$(ALL_CFLAGS)) -shared -o $@ $(KERNEL_SRC)

# The example of libpvebind(3), built as its readers would: from what is installed, static and shared.
DEV = $(abspath $(BUILD))/tests/dev
$(BUILD)/tests/lend: doc/example/lend.c $(BUILD)/libpvebind.a $(BUILD)/libpvebind.so libbind/pvebind.h libbind/pvebind.pc.in Makefile
	@rm -rf $(DEV) && $(MAKE) --no-print-directory -s install-dev DESTDIR=$(DEV) PREFIX=/usr LIBDIR=/usr/lib >/dev/null
	$(call say,ld) $(CC) $(CFLAGS) $(LDFLAGS) -Wall -Wextra -I$(DEV)/usr/include -o $@ $< $(DEV)/usr/lib/libpvebind.a $(LIBS)
	$(call say,ld) $(CC) $(CFLAGS) $(LDFLAGS) -Wall -Wextra -o $@-shared $< \
		$$(PKG_CONFIG_SYSROOT_DIR=$(DEV) PKG_CONFIG_PATH=$(DEV)/usr/lib/pkgconfig pkg-config --cflags --libs pvebind) -Wl,-rpath,$(DEV)/usr/lib

# Strikes at system calls, for the sweeps of the test bed.
$(BUILD)/tests/tracer: $(BUILD)/tests/vm/tracer.o $(BUILD)/tests/vm/call.o
	$(call say,ld) $(LINK) -o $@ $^

CHECK = +@MAKE='$(MAKE)' BUILD='$(BUILD)' CC='$(CC)' tests/check
BUILD_ALL = $(MAKE) --no-print-directory -j$$(nproc) all

demo: ## lend a card in an emulated host and take it back, with pictures (4 minutes at most)
	@tests/deps build vm
	+@echo Building && $(BUILD_ALL)
	@tests/vm/demo

check: ## unit tests, fuzzers, and the test bed on real kernels (some 15 minutes)
	$(CHECK)

check-release: ## all of it, on all kernels, with the long scenarios
	$(CHECK) --release

unit: ## the unit tests alone: no root, no hardware, no network
	$(CHECK) --unit

# A harness per parser, with libFuzzer (clang) and the sanitizers.
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZ_SECONDS ?= 10
fuzz: ## fuzz each parser, FUZZ_SECONDS=10 each
	@tests/deps build fuzz
	+@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang HARDENING=-fno-common \
		CFLAGS='-O1 -g -Werror -fsanitize=fuzzer-no-link $(SANITIZE)' -j$$(nproc) fuzzers
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' tests/fuzz/run $(BUILD)/fuzz

fuzzers: $(FUZZERS)

$(FUZZERS): %: %.o $(STATIC)
	$(call say,ld) $(LINK) -fsanitize=fuzzer -o $@ $^ $(INIH) $(LIBS)

BENCH_PARTS = $(addprefix $(BUILD)/tests/bench-,check list tree scan) $(addprefix $(BUILD)/tests/bench/,three race idlers)
BENCH_ROUNDS ?= 15
bench: ## how fast it is, beside others: figures, build/bench.json and doc/bench.svg (some 6 minutes; BENCH_ROUNDS=15, BENCH=list for a part)
	@tests/deps build vm bench
	+@$(MAKE) --no-print-directory -j$$(nproc) all $(BENCH_PARTS)
	PVEBIND=$(BUILD)/pvebind $(BUILD)/tests/bench-check
	PVEBIND=$(BUILD)/pvebind $(BUILD)/tests/bench-list
	tests/bench/run --build $(BUILD) --rounds $(BENCH_ROUNDS) $(BENCH)

# These run in the test bed and are measured, or measure: without a library to be found there.
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o
	$(call say,ld) $(CC) $(CFLAGS) -static -o $@ $<

$(BUILD)/tests/bench-%: $(BUILD)/tests/bench/%.o $(TREE_OBJ) $(STATIC)
	$(call say,ld) $(LINK) -o $@ $^ $(INIH) $(LIBS) -ljson-c

vm: ## a shell in the emulated host; ARGS='--kernel 7 gpu nic' chooses kernel and devices
	@tests/deps build vm
	+@echo Building && $(BUILD_ALL)
	@tests/vm/run --shell $(ARGS)

SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
dev: ## the unit tests with sanitizers, and clang, both with -Werror
	@tests/deps build unit fuzz
	+@echo 'With gcc and its sanitizers'
	+@$(MAKE) --no-print-directory BUILD=$(BUILD)/dev HARDENING=-fno-common CFLAGS='-O1 -g -Werror $(SANITIZE)' unit
	+@echo 'With clang'
	+@$(MAKE) --no-print-directory BUILD=$(BUILD)/clang CC=clang CFLAGS='-O2 -g -Werror' -j$$(nproc) all tests
	@echo "clang is content, too"

COVERAGE_MIN = 90
comma = ,
coverage: ## line coverage of libbind and conf by the unit tests, 90 percent at least
	@tests/deps build unit
	@mkdir -p $(BUILD)/coverage
	@find $(BUILD)/coverage -name '*.gcda' -delete
	@gcc -O2 -fPIC -c -o $(BUILD)/coverage/gcovexit.o tests/unit/gcovexit.c
	+@$(MAKE) --no-print-directory BUILD=$(BUILD)/coverage CC=gcc HARDENING=-fno-common CFLAGS='-O0 -g --coverage' \
		LDFLAGS='$(addprefix -Wl$(comma)--wrap=,_exit __gcov_dump __gcov_exit) $(BUILD)/coverage/gcovexit.o' unit
	@BUILD=$(BUILD)/coverage tests/coverage $(COVERAGE_MIN) libbind conf

# --- looking through the source ---------------------------------------------

LINT_SRC := $(sort $(wildcard $(addsuffix /*.c,libbind conf check setup hook cli))) doc/example/lend.c
LINT_FLAGS = -std=gnu11 -D_GNU_SOURCE= $(WARNINGS) -Ilibbind -I$(BUILD)/check
# gcc's analyzer loses a pointer in a list that grows by realloc(), and so what such a list has in it; takes each dup2() onto stdout
# for a leak; and does not see that what pvb_err_set() returns is an error. Leaks are the sanitizers' to find (make dev),
# variables without a value those of the ordinary warnings. kmodload.c has its own reason: kmod_new() comes first, and tells.
ANALYZER = -Werror -fanalyzer $(addprefix -Wno-analyzer-,malloc-leak fd-leak fd-use-without-check use-of-uninitialized-value \
	jump-through-null) -Wno-maybe-uninitialized
SCRIPTS = .ci/run guest/pvebind-guest-check packaging/bash-completion/pvebind packaging/build packaging/clean-root packaging/try \
	packaging/debian/pvebind.prerm packaging/debian/pvebind.postrm packaging/debian/tests/bed packaging/debian/tests/command \
	tests/check tests/completion tests/coverage tests/deps tests/manual tests/fuzz/run tests/bench/peers tests/bench/shellhook \
	$(wildcard tests/bench/*.sh tests/vm/*.sh tests/vm/scenarios/*.sh) $(addprefix tests/vm/,kernels modules initrd initrd-init \
	demo-init guest-init agent-init guest-run guest-session guest-systemd pct)

lint: ## gcc's analyzer, clang-tidy, cppcheck, shellcheck, the manual pages; and how far clang-format would go
	@tests/deps build unit lint
	+@$(MAKE) --no-print-directory -k -j$$(nproc) lint-text lint-whole lint-each
	@echo "lint has nothing to say"

# Compiled by gcc with its analyzer, then clang-tidy; again when it or a header of it has changed.
lint-each: $(LINT_SRC:%.c=$(BUILD)/lint/%.o)

$(BUILD)/lint/%.o: %.c .clang-tidy Makefile | $(BUILD)/check/guestscript.inc
	@mkdir -p $(@D)
	$(call say,lint) gcc $(LINT_FLAGS) $(ANALYZER) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@.new $< && \
		{ clang-tidy --quiet $< -- $(LINT_FLAGS) 2>$@.said || { cat $@.said; false; }; } && mv $@.new $@

lint-whole: $(BUILD)/check/guestscript.inc
	@mkdir -p $(BUILD)/lint/cppcheck
	$(call say,lint) cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --std=c11 --template=gcc \
		--suppressions-list=.cppcheck-suppressions --inline-suppr --cppcheck-build-dir=$(BUILD)/lint/cppcheck \
		-D_GNU_SOURCE= -I$(BUILD)/check $(LINT_SRC)

lint-text:
	@for f in $(wildcard */*.c); do clang-format $$f | diff $$f - | grep -c '^<' | \
		sed "/^0/d; s|$$| lines of $$f would be formatted otherwise|"; done
	mandoc -Tlint -Wwarning doc/*.[1-8]
	shellcheck $(SCRIPTS)

# --- installing -------------------------------------------------------------

# As Debian calls the package that has it.
EXAMPLES = $(PREFIX)/share/doc/libpvebind-dev/examples
INSTALLED = $(PREFIX)/sbin/pvebind $(PREFIX)/libexec/pvebind/pvebind-hook $(PREFIX)/libexec/pvebind/pvebind-hook-kmod $(PREFIX)/libexec/pvebind/pvebind-guard $(PREFIX)/include/pvebind.h \
	$(LIBDIR)/libpvebind.a $(LIBDIR)/libpvebind.so $(LIBDIR)/libpvebind.so.$(SOVERSION) \
	$(LIBDIR)/pkgconfig/pvebind.pc \
	$(PREFIX)/share/man/man8/pvebind.8 $(PREFIX)/share/man/man8/pvebind-hook.8 $(PREFIX)/share/man/man5/pvebind.ini.5 \
	$(PREFIX)/share/man/man7/pvebind-checks.7 $(PREFIX)/share/pvebind/pvebind-guest-check \
	$(PREFIX)/share/bash-completion/completions/pvebind \
	$(PREFIX)/share/man/man3/libpvebind.3 $(PREFIX)/share/doc/pvebind/examples/pvebind.ini $(EXAMPLES)/lend.c

install: all install-dev ## into DESTDIR, PREFIX=/usr, LIBDIR=PREFIX/lib
	install -D -m 755 $(BUILD)/pvebind $(DESTDIR)$(PREFIX)/sbin/pvebind
	install -D -m 755 $(BUILD)/pvebind-hook $(DESTDIR)$(PREFIX)/libexec/pvebind/pvebind-hook
	install -D -m 755 $(BUILD)/pvebind-hook-kmod $(DESTDIR)$(PREFIX)/libexec/pvebind/pvebind-hook-kmod
	install -D -m 755 $(BUILD)/pvebind-guard $(DESTDIR)$(PREFIX)/libexec/pvebind/pvebind-guard
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 doc/pvebind.8 doc/pvebind-hook.8
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 doc/pvebind.ini.5
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man7 doc/pvebind-checks.7
	install -D -m 644 packaging/bash-completion/pvebind $(DESTDIR)$(PREFIX)/share/bash-completion/completions/pvebind
	install -D -m 755 guest/pvebind-guest-check $(DESTDIR)$(PREFIX)/share/pvebind/pvebind-guest-check
	install -D -m 644 conf/pvebind.ini $(DESTDIR)$(PREFIX)/share/doc/pvebind/examples/pvebind.ini

# What programs that use the library are built with.
install-dev: $(BUILD)/libpvebind.a $(BUILD)/libpvebind.so
	install -D -m 644 libbind/pvebind.h $(DESTDIR)$(PREFIX)/include/pvebind.h
	install -D -m 644 $(BUILD)/libpvebind.a $(DESTDIR)$(LIBDIR)/libpvebind.a
	install -D -m 644 $(BUILD)/libpvebind.so $(DESTDIR)$(LIBDIR)/libpvebind.so.$(SOVERSION)
	ln -sf libpvebind.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libpvebind.so
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig
	sed 's|@VERSION@|$(VERSION)|; s|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|' libbind/pvebind.pc.in \
		>$(DESTDIR)$(LIBDIR)/pkgconfig/pvebind.pc
	install -D -m 644 doc/libpvebind.3 $(DESTDIR)$(PREFIX)/share/man/man3/libpvebind.3
	install -D -m 644 doc/example/lend.c $(DESTDIR)$(EXAMPLES)/lend.c

uninstall: ## remove what install made; bring home what is lent first (pvebind status)
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	-rmdir $(addprefix $(DESTDIR)$(PREFIX)/,libexec/pvebind share/pvebind share/doc/pvebind/examples share/doc/pvebind share/doc/libpvebind-dev/examples share/doc/libpvebind-dev)

DEB = $(BUILD)/deb/pvebind-$(VERSION)
ifdef DIST
deb: ## Debian packages, into build/deb/; DIST=bookworm|trixie: in a clean Debian of that release, into build/deb/DIST/
	packaging/build $(DIST)

deb-try: deb ## install, upgrade, remove and purge them in a clean Debian; with DIST
	packaging/try $(DIST)
else
deb:
	@tests/deps build unit deb
	rm -rf $(DEB) $(addprefix $(BUILD)/deb/*.,deb changes buildinfo)
	mkdir -p $(DEB)
	tar -c --exclude=./build --exclude=./.git . | tar -x -C $(DEB)
	cp -R packaging/debian $(DEB)/debian
	cd $(DEB) && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS dpkg-buildpackage -b -us -uc
	@if command -v lintian >/dev/null; then lintian --allow-root --info $(BUILD)/deb/*.changes; fi
	@ls $(BUILD)/deb/*.deb

deb-try:
	@echo 'deb-try wants a release: make deb-try DIST=bookworm (or trixie)' >&2; exit 2
endif

dist: ## the source as committed, build/pvebind-VERSION.tar.gz
	@mkdir -p $(BUILD)
	git archive --prefix=pvebind-$(VERSION)/ -o $(BUILD)/pvebind-$(VERSION).tar.gz HEAD
	@ls $(BUILD)/pvebind-$(VERSION).tar.gz

deps: ## install what building and the unit tests need
	@tests/deps build unit

clean: ## remove build/ (downloaded kernels stay in ~/.cache/pvebind)
	rm -rf $(BUILD)

help: ## this
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='	' read -r t h; do \
		printf '%-14s %s\n' "$$t" "$$h"; done

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/tests/unit/*.d $(BUILD)/tests/fuzz/*.d $(BUILD)/tests/bench/*.d $(BUILD)/lint/*/*.d $(BUILD)/lint/*/*/*.d)
.PHONY: all tests demo check check-release unit fuzz fuzzers bench vm dev coverage lint lint-each lint-whole lint-text install install-dev uninstall deb dist deps clean help
