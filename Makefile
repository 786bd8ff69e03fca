# onionmxd. "make help" lists what there is; V=1 shows the commands.

B := build
CC := cc
CLANG := clang
PREFIX := /usr/local
OPT := -O2 -g
WERROR := $(if $(CI),-Werror)
SANITIZE :=
V :=
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $@;)

# All that building and testing needs on Debian 12 and 13, and the only list of it. A
# package that has another name in each is '13|12'.
BUILD_PACKAGES := gcc libc6-dev make pkgconf libevent-dev libc-ares-dev libcdb-dev nettle-dev \
	libidn2-dev uthash-dev
DEMO_PACKAGES := $(BUILD_PACKAGES) tor unbound python3
TEST_PACKAGES := $(DEMO_PACKAGES) libcmocka-dev libicu-dev tinycdb mandoc iproute2 util-linux mount procps \
	python3-pytest python3-pytest-xdist python3-pytest-timeout \
	postfix torsocks nsd dnsmasq-base ldnsutils 'libgnutls-dane0t64|libgnutls-dane0' libidn12 \
	libnsl2 'libdb5.3t64|libdb5.3' libpcre2-8-0 openssl clang \
	'libclang-rt-dev|libclang-rt-14-dev' llvm clang-format clang-tidy universal-ctags valgrind binutils systemd
BENCH_PACKAGES := $(TEST_PACKAGES) dnsperf socat haproxy
DEB_PACKAGES := $(BUILD_PACKAGES) build-essential debhelper
OTHER_PACKAGES := mmdebstrap debian-archive-keyring util-linux mount

WARN := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wcast-qual -Wwrite-strings -Wvla -Wformat=2 -Wundef $(WERROR)

# The first flags if the compiler takes them without a warning, otherwise the second.
flag = $(shell $(CC) -Werror -O2 $(1) -include string.h -x c -c -o /dev/null /dev/null \
	2>/dev/null && echo '$(1)' || echo '$(2)')

# Not every compiler and processor has them all; clang before 16 wants to be told twice that
# variables without a value become zero.
ZEROED := -ftrivial-auto-var-init=zero
ZEROED_TWICE := -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang

# The CPPFLAGS, CFLAGS and LDFLAGS of a distribution, from the environment or the command
# line, come after ours. The compiler warns of a second _FORTIFY_SOURCE; one without 3 takes
# it for 2.
ifeq ($(SANITIZE),)
FORTIFY := $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-D_FORTIFY_SOURCE=3)
HARDEN := $(FORTIFY) -fstack-protector-strong -fPIE $(call flag,-fstack-clash-protection) \
	$(call flag,-fcf-protection) $(call flag,$(ZEROED),$(call flag,$(ZEROED) $(ZEROED_TWICE)))
endif
PKG_CONFIG := pkg-config
pkg = $(shell $(PKG_CONFIG) $(1) 2>/dev/null || echo $(2))
ALL_CPPFLAGS := -D_GNU_SOURCE -Iinclude $(CPPFLAGS)
ALL_CFLAGS := -std=gnu11 $(OPT) $(WARN) $(if $(SANITIZE),$(SANITIZE),$(HARDEN)) $(CFLAGS)
ALL_LDFLAGS := $(if $(SANITIZE),$(SANITIZE),-pie -Wl,-z,relro,-z,now) $(LDFLAGS)

CDB_LIBS := $(call pkg,--libs libcdb,-lcdb)
CORE_LIBS := $(call pkg,--libs nettle libidn2,-lnettle -lidn2) -lresolv
NET_LIBS := $(call pkg,--libs libevent_core libcares,-levent_core -lcares) -pthread
TEST_LIBS := $(call pkg,--libs cmocka,-lcmocka)

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
CORE := $(call obj,$(wildcard daemon/core/*.c))
FLOW := $(call obj,$(wildcard daemon/flow/*.c))
POSIX := $(call obj,$(wildcard daemon/posix/*.c))
NET := $(POSIX) $(call obj,$(wildcard daemon/net/*.c daemon/net/*/*.c))
MAIN := $(call obj,$(wildcard daemon/*.c))
CONFIG := $(call obj,$(wildcard daemon/config*.c))
TOOL := $(call obj,$(wildcard tools/*.c))
SHELLS := $(foreach name,onionmxd onionmap,$(B)/completion/$(name) $(B)/completion/_$(name))

all: $(B)/onionmxd $(B)/onionmap $(SHELLS)	## build the two programs (the default)

$(B)/libcore.a: $(CORE)
$(B)/libflow.a: $(FLOW)
$(B)/libnet.a: $(NET)
$(B)/libconfig.a: $(CONFIG)
$(B)/lib%.a:
	@rm -f $@
	$(call say,AR)ar rcs $@ $^

$(B)/onionmxd: $(MAIN) $(B)/libnet.a $(B)/libflow.a $(B)/libcore.a
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(NET_LIBS) $(CORE_LIBS)

$(B)/onionmap: $(TOOL) $(POSIX) $(B)/libcore.a
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -pthread -o $@ $^ $(CDB_LIBS) $(CORE_LIBS)

# Completion for shells, by a program that has the tables of both programs' --help.
$(B)/completion/generate: $(B)/obj/tools/completion/completion.o
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^
$(B)/obj/tools/completion/%.o: ALL_CPPFLAGS += -Idaemon -Itools
$(B)/completion/_%: $(B)/completion/generate
	$(call say,GEN)$< zsh $* >$@.new && mv $@.new $@
$(B)/completion/onion%: $(B)/completion/generate
	$(call say,GEN)$< bash onion$* >$@.new && mv $@.new $@

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Each kind of test lists what it links: the core's have the core, the flow's have no
# library of the shell.
UNIT := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
FLOWT := $(patsubst %.c,$(B)/%,$(wildcard tests/flow/test_*.c))
NETT := $(patsubst %.c,$(B)/%,$(wildcard tests/net/test_*.c))
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAY := $(FUZZ:%=$(B)/tests/fuzz/replay_%)

ONLY_CASE := $(B)/obj/tests/harness/only.o
$(B)/tests/unit/%: $(B)/obj/tests/unit/%.o $(ONLY_CASE) $(B)/libcore.a
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LIBS) $(MORE_LIBS) $(CORE_LIBS) -lm
$(B)/tests/unit/test_icu: MORE_LIBS = $(call pkg,--libs icu-uc,-licuuc)

SCENARIOS := $(B)/tests/scenarios/scenarios
$(SCENARIOS): $(call obj,$(wildcard tests/scenarios/*.c)) $(B)/libflow.a $(B)/libcore.a
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CORE_LIBS)

$(B)/tests/flow/%: $(B)/obj/tests/flow/%.o $(ONLY_CASE) $(B)/libflow.a $(B)/libcore.a
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LIBS) $(CORE_LIBS)

# Those of the shell have it all, and functions of libraries that fail when they should.
$(B)/tests/net/%: $(B)/obj/tests/net/%.o $(B)/obj/tests/net/shell.o $(ONLY_CASE) \
		$(B)/libnet.a $(B)/libflow.a $(B)/libcore.a
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LIBS) $(NET_LIBS) $(CORE_LIBS)

# A fuzz target may need all but main. With libFuzzer it is built in a directory of its own.
FUZZED := $(B)/libconfig.a $(B)/libnet.a $(B)/libflow.a $(B)/libcore.a
$(B)/tests/fuzz/replay_%: $(B)/obj/tests/fuzz/fuzz_%.o $(B)/obj/tests/fuzz/replay.o $(FUZZED)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(NET_LIBS) $(CORE_LIBS)
$(B)/fuzz_%: $(B)/obj/tests/fuzz/fuzz_%.o $(FUZZED)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(NET_LIBS) $(CORE_LIBS)

BENCH := $(patsubst %,$(B)/tests/bench/%,load bare buffered sink stream)
$(B)/tests/bench/%: $(B)/obj/tests/bench/%.o $(B)/obj/tests/bench/net.o
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ -levent_core

ATTACK := $(patsubst %,$(B)/tests/attack/%,dns flood)
$(B)/tests/attack/%: $(B)/obj/tests/attack/%.o $(B)/obj/tests/bench/net.o
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^

# The shell's modules, each by itself, for tests in Python.
HELPERS := $(patsubst %.c,$(B)/%,$(wildcard tests/daemon/*.c))
$(B)/tests/daemon/%: $(B)/obj/tests/daemon/%.o $(B)/libnet.a $(B)/libflow.a $(B)/libcore.a
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(NET_LIBS) $(CORE_LIBS)

# By this the tests start the daemon.
FILTERED := $(B)/tests/harness/filtered
$(FILTERED): $(B)/obj/tests/harness/filtered.o
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^

# Calls fail by this.
SHIM := $(B)/tests/faults/shim.so
$(SHIM): tests/faults/shim.c
	@mkdir -p $(@D)
	$(call say,LD)$(CC) -D_GNU_SOURCE -std=gnu11 $(WARN) -O2 -g -fPIC -shared -o $@ $<

# With sanitizers memory fails by this.
FAULTY := $(if $(SANITIZE),$(B)/tests/faults/onionmxd)
$(B)/tests/faults/onionmxd: $(MAIN) $(B)/obj/tests/faults/wrap.o $(B)/libnet.a $(B)/libflow.a \
		$(B)/libcore.a
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc \
		-Wl,--wrap=strdup -o $@ $^ $(NET_LIBS) $(CORE_LIBS)

# Running them

TESTS := tests/run --build $(B)
UNIT_SUITES := unit flow net
SUITES := $(UNIT_SUITES) scenarios fuzz map docs daemon faults peers e2e chaos
binaries: all $(UNIT) $(FLOWT) $(NETT) $(SCENARIOS) $(REPLAY) $(BENCH) $(ATTACK) $(HELPERS) $(FILTERED) $(SHIM) \
	$(FAULTY)

unit: $(UNIT) $(FLOWT) $(NETT)	## the developer's loop: tests of the core, flow and net
	$(TESTS) $(UNIT_SUITES)

# make scenarios FIRST=406 COUNT=1 VERBOSE=1 plays one again.
FIRST := 1
COUNT := 100000
VERBOSE :=
scenarios: $(SCENARIOS)	## random scenarios against a model: FIRST=1 COUNT=100000
	$(SCENARIOS) $(FIRST) $(COUNT) $(VERBOSE)

check: test-deps binaries $(B)/exim/usr/sbin/update-exim4.conf	## all tests
	$(TESTS) $(SUITES)

e2e: test-deps binaries $(B)/exim/usr/sbin/update-exim4.conf	## those of mail through a Tor network of our own
	$(TESTS) e2e

SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
asan: test-deps $(B)/exim/usr/sbin/update-exim4.conf	## all tests under clang's sanitizers
	$(MAKE) B=$(B)/asan CC=$(CLANG) OPT="-O1 -g" SANITIZE="$(SAN)" binaries
	tests/run --build $(B)/asan --exim $(B)/exim --slack 3 $(SUITES)

valgrind: test-deps binaries $(B)/exim/usr/sbin/update-exim4.conf	## all tests under valgrind
	tests/run --build $(B) --valgrind --slack 10 $(filter-out faults,$(SUITES))

# make faults ONLY=work:recv:17:ECONNRESET:1 plays one again.
CASES := 5000
faults: test-deps binaries	## each call of the C library fails: CASES=5000 SEED=1
	FAULTS_CASES=$(CASES) FAULTS_SEED=$(or $(SEED),1) $(if $(ONLY),FAULTS_ONLY=$(ONLY)) $(TESTS) faults

check-debian12: other-deps	## all tests in a minimal Debian 12, as root
	tests/other-debian bookworm make -j2 check
check-debian13: other-deps	## all tests in a minimal Debian 13, as root
	tests/other-debian trixie make -j2 check

demo: demo-deps all	## see it work: a real tor and DNS server, all on this machine
	@/usr/bin/python3 tests/demo.py

# make chaos SEED=7 MESSAGES=1000 SENDERS="exim postfix exim-socks"
SEED :=
MESSAGES := 250
SENDERS := exim postfix
chaos: test-deps all $(FILTERED) $(B)/exim/usr/sbin/update-exim4.conf	## mail while its servers are killed: SEED=7 MESSAGES=250
	tests/chaos/run --build $(B) --messages $(MESSAGES) $(if $(SEED),--seed $(SEED)) $(SENDERS)

# make fuzz T=dnsmsg SECONDS=600
T := dnsmsg
SECONDS := 60
fuzz:	## fuzz one parser: T=NAME, for SECONDS=60
	@mkdir -p $(B)/fuzz/corpus-$(T)
	$(MAKE) B=$(B)/fuzz CC=$(CLANG) OPT="-O1 -g" \
		SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" \
		$(B)/fuzz/fuzz_$(T)
	$(B)/fuzz/fuzz_$(T) -max_total_time=$(SECONDS) -artifact_prefix=$(B)/fuzz/ \
		$(B)/fuzz/corpus-$(T) tests/fuzz/corpus/$(T)

# make bench ONLY="hot bridge" ROUNDS=3
ONLY :=
ROUNDS := 7
SAVE :=
bench: bench-deps all $(BENCH)	## measure, beside what others need: ONLY=hot ROUNDS=7
	tests/bench/run --build $(B) --rounds $(ROUNDS) $(if $(SAVE),--save) $(ONLY)

# make attack A="cold idle"
A :=
attack: test-deps all $(ATTACK)	## what strangers can do to it, and what others notice: A=cold
	tests/attack/run --build $(B) $(A)

# Looking at the source. Debian 12's analysers and 13's agree on all of it.

SOURCES := $(wildcard daemon/*.[ch] daemon/*/*.[ch] daemon/net/*/*.[ch] include/*.h include/*/*.h tools/*.[ch] tools/*/*.[ch] \
	tests/unit/*.[ch] tests/flow/*.[ch] tests/net/*.[ch] tests/scenarios/*.[ch] \
	tests/fuzz/*.[ch] tests/bench/*.[ch] tests/daemon/*.[ch] tests/harness/*.[ch] \
	tests/attack/*.[ch] tests/faults/*.[ch])

TIDY := $(patsubst %.c,$(B)/tidy/%.ok,$(filter %.c,$(filter daemon/% tools/%,$(SOURCES))))

lint: clang-format layers house $(TIDY)	## check the format, the layers and modules, and what the analysers say
clang-format: | test-deps
	$(call say,FMT)clang-format --dry-run -Werror $(SOURCES)
layers: $(B)/libcore.a | test-deps
	$(call say,LINT)tests/lint/layers $(B)
house: $(MAIN) $(NET) $(FLOW) $(CORE) $(TOOL) $(call obj,tools/completion/completion.c) | test-deps
	$(call say,LINT)tests/lint/house $(B)

# File by file: -j helps, and what has been looked at isn't again. On standard error
# clang-tidy counts the warnings that it doesn't give.
$(B)/tidy/%.ok: %.c $(filter %.h,$(SOURCES)) .clang-tidy | test-deps
	@mkdir -p $(@D)
	$(call say,TIDY)clang-tidy --quiet $< -- $(ALL_CPPFLAGS) -Idaemon -Itools -std=gnu11 2>$@.err || \
		{ cat $@.err >&2; exit 1; }
	@mv $@.err $@

format:	## format the source
	clang-format -i $(SOURCES)

# For editors

tags: $(SOURCES) | test-deps	## an index of the source for editors
	$(call say,TAGS)ctags -o $@.new $(SOURCES) && mv $@.new $@

# As each file is compiled, for clangd and others. A quote in a flag would need more care.
compile_commands.json: FORCE	## the same for clangd
	@{ printf '['; comma=; for file in $(filter %.c,$(SOURCES)); do \
		printf '%s\n{"directory": "%s", "file": "%s", "command": "%s"}' "$$comma" \
			'$(CURDIR)' $$file \
			'$(CC) $(ALL_CPPFLAGS) -Idaemon -Itools $(ALL_CFLAGS) -c '$$file; \
		comma=,; \
	done; printf '\n]\n'; } >$@.new && mv $@.new $@

# Packages; quick when all are there

deb-deps:
	@tests/install-packages $(DEB_PACKAGES)
deps: test-deps	## install every package that building and testing needs
build-deps:	## install what building needs
	@tests/install-packages $(BUILD_PACKAGES)
demo-deps:
	@tests/install-packages $(DEMO_PACKAGES)
test-deps:
	@tests/install-packages $(TEST_PACKAGES)
bench-deps:
	@tests/install-packages $(BENCH_PACKAGES)
other-deps:
	@tests/install-packages $(OTHER_PACKAGES)
build-packages:
	@printf '%s\n' $(BUILD_PACKAGES)
packages:
	@printf '%s\n' $(TEST_PACKAGES)

# Exim and Postfix exclude each other as packages, so Exim is only unpacked.
$(B)/exim/usr/sbin/exim4 $(B)/exim/usr/sbin/update-exim4.conf: | test-deps
	tests/peers/get-exim $(B)/exim

# Installing

SHARE := $(PREFIX)/share
DOC := $(SHARE)/doc/onionmxd
UNITDIR := $(PREFIX)/lib/systemd/system
ZSHDIR := $(SHARE)/zsh/site-functions
CONF := /etc/onionmxd
DOCUMENTS := README.md CHANGELOG.md CONTRIBUTING.md HACKING.md SECURITY.md LICENSE \
	$(wildcard tests/README.md tests/*/README.md conf/*.conf conf/*.txt conf/torrc* conf/exim/* conf/postfix/* \
	conf/systemd/*.conf)
SITE := onionmxd.conf domains.txt

# Mode, source and place of every file but those of the site, without DESTDIR.
INSTALLED := 755:$(B)/onionmxd:$(PREFIX)/sbin/onionmxd \
	755:$(B)/onionmap:$(PREFIX)/bin/onionmap \
	$(foreach section,1 5 8,$(foreach page,$(notdir $(wildcard conf/man/*.$(section))), \
		644:conf/man/$(page):$(SHARE)/man/man$(section)/$(page))) \
	$(foreach name,onionmxd onionmap, \
		644:$(B)/completion/$(name):$(SHARE)/bash-completion/completions/$(name) \
		644:$(B)/completion/_$(name):$(ZSHDIR)/_$(name)) \
	644:$(B)/onionmxd.service:$(UNITDIR)/onionmxd.service \
	644:conf/onionmxd.sysusers:$(PREFIX)/lib/sysusers.d/onionmxd.conf \
	644:conf/onionmxd.tmpfiles:$(PREFIX)/lib/tmpfiles.d/onionmxd.conf \
	$(foreach document,$(DOCUMENTS),644:$(document):$(DOC)/$(document))

# As PREFIX is this time. Whoever installs at the same time sees the whole file.
$(B)/onionmxd.service: conf/systemd/onionmxd.service FORCE
	@sed 's|@PREFIX@|$(PREFIX)|g' $< >$@.$$$$ && mv $@.$$$$ $@

install: all $(B)/onionmxd.service	## install; PREFIX=/usr/local DESTDIR=
	@set -e; umask 022; for each in $(INSTALLED); do \
		mode=$${each%%:*}; each=$${each#*:}; \
		install -D -m $$mode $${each%%:*} $(DESTDIR)$${each#*:}; \
	done; \
	install -d $(DESTDIR)$(CONF); \
	for name in $(SITE); do \
		test -e $(DESTDIR)$(CONF)/$$name || \
			install -m 644 conf/$$name $(DESTDIR)$(CONF)/$$name; \
	done; \
	test -e $(DESTDIR)$(CONF)/domains.cdb || \
		$(B)/onionmap compile $(DESTDIR)$(CONF)/domains.txt

uninstall:	## remove what was installed, but not /etc/onionmxd; PREFIX, DESTDIR as then
	@for each in $(INSTALLED); do rm -f $(DESTDIR)$${each##*:}; done
	@test ! -d $(DESTDIR)$(DOC) || find $(DESTDIR)$(DOC) -depth -type d -empty -delete

# Packages of Debian, and releases

deb: deb-deps	## build the Debian package for this system, into build/deb
	tests/package/build-deb $(B)/deb
dist:	## make the tarball of this version and its checksum, in build/dist
	tests/package/make-dist $(B)/dist
check-release:	## check that the version and the dates of this tree agree
	tests/package/check-release
check-package:	## all tests of the package on Debian 12 and 13, as root
	tests/package/run bookworm trixie

clean:	## remove everything that was built
	rm -rf $(B) tags compile_commands.json

help:	## this list
	@sed -n 's/^\([a-z0-9_.-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 23

.SECONDARY:
.PHONY: all binaries unit scenarios check faults check-debian12 check-debian13 e2e chaos asan valgrind \
	demo fuzz bench attack lint clang-format layers house format deps build-deps demo-deps test-deps \
	bench-deps other-deps packages install clean help build-packages uninstall deb deb-deps dist \
	check-release check-package FORCE

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
