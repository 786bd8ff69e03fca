# onionmxd. "make help" lists what there is.

B := build
CC := cc
PREFIX := /usr/local
OPT := -O2 -g
WERROR := $(if $(CI),-Werror)
SANITIZE :=

WARN := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wcast-qual -Wwrite-strings -Wvla -Wformat=2 -Wundef $(WERROR)
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CPPFLAGS := -D_GNU_SOURCE -Iinclude
CFLAGS := -std=gnu11 $(OPT) $(WARN) $(if $(SANITIZE),$(SANITIZE),$(HARDEN))
LDFLAGS := $(if $(SANITIZE),$(SANITIZE),-pie -Wl,-z,relro,-z,now)

CORE_LIBS := -lnettle -lidn2 -lresolv
NET_LIBS := -levent_core -lcares -lcdb
MAIN_LIBS := -lconfuse

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
CORE := $(call obj,$(wildcard daemon/core/*.c))
FLOW := $(call obj,$(wildcard daemon/flow/*.c))
NET := $(call obj,$(wildcard daemon/net/*.c))
MAIN := $(call obj,$(wildcard daemon/*.c))
TOOL := $(call obj,$(wildcard tools/*.c))

all: $(B)/onionmxd $(B)/onionmap	## build the two programs (the default)

$(B)/libcore.a: $(CORE)
$(B)/libflow.a: $(FLOW)
$(B)/libnet.a: $(NET)
$(B)/lib%.a:
	@rm -f $@
	ar rcs $@ $^

$(B)/onionmxd: $(MAIN) $(B)/libnet.a $(B)/libflow.a $(B)/libcore.a
	$(CC) $(LDFLAGS) -o $@ $^ $(MAIN_LIBS) $(NET_LIBS) $(CORE_LIBS)

$(B)/onionmap: $(TOOL) $(B)/libcore.a
	$(CC) $(LDFLAGS) -o $@ $^ -lcdb $(CORE_LIBS)

# The core compiles with its own headers only.
$(B)/obj/daemon/core/%.o: daemon/core/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Tests of the core and of the flow link these and nothing else.
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*.c))
FLOWT := $(patsubst tests/flow/%.c,$(B)/tests/flow/%,$(wildcard tests/flow/*.c))

$(B)/tests/unit/%: $(B)/obj/tests/unit/%.o $(B)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(CORE_LIBS) -lm

$(B)/tests/flow/%: $(B)/obj/tests/flow/%.o $(B)/libflow.a $(B)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(CORE_LIBS)

.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

clean:	## remove everything that was built
	rm -rf $(B)

help:	## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: all clean help
