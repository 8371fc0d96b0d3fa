# SPDX-License-Identifier: GPL-2.0-or-later
# pvebind. `make help` tells what there is.

VERSION := 0.1.0
PREFIX ?= /usr
DESTDIR ?=
BUILD ?= build
CC ?= cc
PKG_CONFIG ?= pkg-config

WARNINGS = -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wpointer-arith \
	-Wwrite-strings -Wcast-qual -Wswitch-enum -Wnull-dereference -Wimplicit-fallthrough
HARDENING = -fno-common -fstack-protector-strong -D_FORTIFY_SOURCE=2
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(HARDENING) $(CFLAGS) $(CPPFLAGS) -fPIC -MMD -MP

LIB_SRC := $(sort $(wildcard libbind/*.c))
CONF_SRC := $(sort $(wildcard conf/*.c))
HOOK_SRC := $(sort $(wildcard hook/*.c))
CLI_SRC := $(sort $(wildcard cli/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o)
CONF_OBJ := $(CONF_SRC:%.c=$(BUILD)/%.o)
HOOK_OBJ := $(HOOK_SRC:%.c=$(BUILD)/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/%.o)

LIBS = -lkmod -lpci
CLI_LIBS = -ljson-c

all: $(BUILD)/pvebind-hook $(BUILD)/pvebind

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/libpvebind.a: $(LIB_OBJ)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libconf.a: $(CONF_OBJ)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/pvebind-hook: $(HOOK_OBJ) $(BUILD)/libconf.a $(BUILD)/libpvebind.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -linih $(LIBS)

$(BUILD)/pvebind: $(CLI_OBJ) $(BUILD)/libconf.a $(BUILD)/libpvebind.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -linih $(LIBS) $(CLI_LIBS)

clean:
	rm -rf $(BUILD)

-include $(LIB_OBJ:.o=.d) $(CONF_OBJ:.o=.d) $(HOOK_OBJ:.o=.d) $(CLI_OBJ:.o=.d)
.PHONY: all clean
