"""What the compiler and the linker were told to add against attacks is in the binaries."""

import platform
import re
import subprocess
from pathlib import Path

import pytest
from harness.proc import REPO, program

X86 = platform.machine() == "x86_64"
PROGRAMS = [Path(program(name, "")[-1]) for name in ("ONIONMXD", "ONIONMAP")]


def said(*args):
    done = subprocess.run(args, cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def is_sanitized(binary):
    return "__asan_init" in said("readelf", "-sW", binary)


def assert_hardened(binary):
    heads = said("readelf", "-lW", binary)
    dynamic = said("readelf", "-dW", binary)
    assert re.search(r"^Elf file type is DYN", heads, re.M)
    assert re.search(r"\(FLAGS_1\) .*\bNOW\b.*\bPIE\b", dynamic)
    assert re.search(r"^ +GNU_RELRO ", heads, re.M)
    assert re.search(r"^ +GNU_STACK .* RW +0x", heads, re.M)
    symbols = said("readelf", "--dyn-syms", "-W", binary)
    assert "__stack_chk_fail" in symbols and "__memcpy_chk" in symbols
    if X86:  # no note says so: the start files of Debian's libc are without
        main = said("objdump", "-d", "--disassemble=main", "--no-show-raw-insn", binary)
        assert re.search(r"<main>:\n +[0-9a-f]+:\s+endbr64", main)


@pytest.mark.parametrize("binary", PROGRAMS, ids=lambda path: path.name)
def test_the_programs(binary):
    if not is_sanitized(binary):
        assert_hardened(binary)


# How much of the buffer is written depends on the caller, so that only level 3 can check it;
# the one that isn't initialised is more than a page.
PROBE = """\
#include <stdlib.h>
#include <string.h>

void use(void *p);
void *fill(size_t size, const char *from, size_t n);
void huge(void);

void *
fill(size_t size, const char *from, size_t n)
{
	char *p = malloc(size);

	return p == NULL ? p : memcpy(p, from, n);
}

void
huge(void)
{
	char page[100000];

	use(page);
}
"""


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_each_function(tmp_path, compiler):
    """What doesn't show in a whole program, by each compiler: an object of a function that
    needs it, built as all others are."""
    source = tmp_path / "probe.c"
    source.write_text(PROBE)
    made = said(
        "make", "-n", "V=1", f"B={tmp_path}", f"CC={compiler}", f"{tmp_path}/obj/daemon/main.o"
    )
    line = next(x for x in made.splitlines() if x.startswith(compiler))
    words = line.split(" -MMD ")[0].split()
    said(*words, "-c", "-o", tmp_path / "probe.o", source)
    code = said("objdump", "-dr", "--no-show-raw-insn", tmp_path / "probe.o")
    huge = code.split("<huge>:")[1]
    assert "__memcpy_chk" in code.split("<huge>:")[0]
    assert "__stack_chk_fail" in huge
    if X86:
        assert code.count("endbr64") == 2
        assert re.search(r"sub +\$0x1000,%rsp\n.*(orq|mov[ql]) +\$0x0,.*\(%rsp\)", huge)
        assert re.search(r"rep stos|call.*\n.*memset", huge)
