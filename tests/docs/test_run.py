"""What tests/run prints of a C test that fails."""

import os
import subprocess

import pytest
from harness.proc import BUILD, REPO

FAILING = """\
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_number(void **state)
{
	assert_int_equal(1, 2);
}
static void test_text(void **state)
{
	assert_string_equal("a<b", "c");
}
static void test_good(void **state)
{
}
int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_number), cmocka_unit_test(test_text),
		cmocka_unit_test(test_good)};

	if (getenv("ABORT"))
		abort();
	return cmocka_run_group_tests_name("bad", tests, NULL, NULL);
}
"""


@pytest.fixture
def build(tmp_path):
    """A build directory with one test."""
    (tmp_path / "tests/unit").mkdir(parents=True)
    (tmp_path / "test_bad.c").write_text(FAILING)
    only = BUILD / "obj/tests/harness/only.o"
    binary = tmp_path / "tests/unit/test_bad"
    sanitized = ["-fsanitize=address,undefined"] if b"__asan_init" in only.read_bytes() else []
    compiler = "clang" if sanitized else "cc"
    subprocess.run(
        [compiler, *sanitized, "-o", binary, "test_bad.c", only, "-lcmocka"],
        cwd=tmp_path,
        check=True,
    )
    return tmp_path


def run(build, *suites, **environment):
    done = subprocess.run(
        [REPO / "tests/run", "--build", build, *suites],
        cwd=build,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 1, done.stdout
    return done.stdout


@pytest.mark.parametrize("suite", ["unit", "unit/test_bad"])
def test_the_line_that_failed(build, suite):
    said = run(build, suite)
    assert "test_bad.c:10: test_number: got 0x1, expected 0x2\n" in said
    assert 'test_bad.c:14: test_text: got "a<b", expected "c"\n' in said
    assert "    alone: CASE=test_number tests/unit/test_bad\n" in said
    assert f"\n{suite}: 1 passed, 2 failed, " in said
    assert "test_good" not in said and "<" not in said.replace("a<b", "")


def test_a_binary_that_dies(build):
    said = run(build, "unit", ABORT="yes")
    assert "tests/unit/test_bad: exit status -6\n" in said
    assert "    alone: tests/unit/test_bad\n" in said


def test_a_case_alone(build):
    done = subprocess.run(
        ["tests/unit/test_bad"],
        cwd=build,
        env={**os.environ, "CASE": "test_t*"},
        capture_output=True,
        text=True,
    )
    assert "1 FAILED TEST(S)" in done.stderr, done
    assert "test_text" in done.stderr and "test_number" not in done.stderr
    assert "test_bad.c:14: error: Failure!" in done.stderr


def test_a_suite_that_is_empty(build):
    assert "unit/none: no test was run\n" in run(build, "unit/none")
