"""What make hands to the compiler, our flags and those of whoever builds it; and that it
leaves apt alone when all is there."""

import os
import re
import subprocess

import pytest
from harness.proc import REPO

VARIABLES = ("CPPFLAGS", "CFLAGS", "LDFLAGS", "OPT", "CI", "MAKEFLAGS", "MAKELEVEL")

OURS = {
    "CPPFLAGS": "-D_GNU_SOURCE -Iinclude",
    "CFLAGS": "-std=gnu11 -O2 -g -Wall -Wextra -fstack-protector-strong -fPIE",
    "LDFLAGS": "-pie -Wl,-z,relro,-z,now",
}

THEIRS = {"CPPFLAGS": "-DTHEIRS", "CFLAGS": "-O3 -ftheirs", "LDFLAGS": "-Wl,--theirs"}

FORTIFIED = "-D_FORTIFY_SOURCE="


def make(*args, **environment):
    """What it prints. The environment has no flags but these."""
    own = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        ["make", "V=1", *args],
        cwd=REPO,
        env={**own, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def commands(tmp_path, *args, **environment):
    """The command lines that compile, and those that link, as lists of words."""
    said = make("-n", f"B={tmp_path}", *args, "all", **environment)
    lines = [line.split() for line in said.splitlines() if line.startswith("cc ")]
    compiling = [line for line in lines if "-c" in line]
    linking = [line for line in lines if "-c" not in line]
    assert len(compiling) > 50 and len(linking) == 3
    return compiling, linking


def assert_in_order(words, line):
    at = [line.index(word) for word in words.split()]
    assert at == sorted(at), line


@pytest.mark.parametrize("where", ["environment", "command line"])
def test_flags_are_added(tmp_path, where):
    """Theirs come after ours, so that they win."""
    if where == "environment":
        compiling, linking = commands(tmp_path, **THEIRS)
    else:
        given = [f"{name}={value}" for name, value in THEIRS.items()]
        compiling, linking = commands(tmp_path, *given)
    for line in compiling:
        for name in ("CPPFLAGS", "CFLAGS"):
            assert_in_order(f"{OURS[name]} {THEIRS[name]}", line)
        assert f"{FORTIFIED}3" in line
    for line in linking:
        assert_in_order(f"{OURS['LDFLAGS']} {THEIRS['LDFLAGS']} -o", line)


@pytest.mark.parametrize("name", ["CPPFLAGS", "CFLAGS"])
def test_how_much_is_fortified_is_theirs_to_say(tmp_path, name):
    """The compiler warns of a second number."""
    compiling, _ = commands(tmp_path, **{name: f"-Wp,{FORTIFIED}3"})
    for line in compiling:
        assert [word for word in line if FORTIFIED in word] == [f"-Wp,{FORTIFIED}3"]


FLAGS = {
    "Debian": {
        "CPPFLAGS": "-Wdate-time -D_FORTIFY_SOURCE=2",
        "CFLAGS": "-g -O2 -Werror=implicit-function-declaration -ffile-prefix-map=/b=. "
        "-fstack-protector-strong -fstack-clash-protection -Wformat "
        "-Werror=format-security",
        "LDFLAGS": "-Wl,-z,relro -Wl,-z,now",
    },
    "Debian's, by the preprocessor": {
        "CFLAGS": "-Wp,-D_FORTIFY_SOURCE=2 -O2 -fdebug-prefix-map=/build=/usr/src",
    },
    "fortified more": {
        "CFLAGS": "-O2 -flto=auto -Wall -Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=3 -fPIC",
        "LDFLAGS": "-Wl,--as-needed -Wl,-z,now",
    },
    "no optimization": {"CFLAGS": "-O0 -g3"},
}


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
def test_flags_of_distributions_give_no_warning(tmp_path, flags):
    objects = ("core/domain", "core/maptext", "config", "net/control")
    given = [f"{name}={value}" for name, value in flags.items()]
    targets = [f"{tmp_path}/obj/daemon/{name}.o" for name in objects]
    said = make(f"B={tmp_path}", *given, *targets)
    assert not re.search("warning|error:|note:", said), said


def test_packages_that_are_there_need_no_apt(tmp_path):
    for name in ("apt-get", "apt-cache", "sudo"):
        (tmp_path / name).write_text("#!/bin/sh\necho $0 $*\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    said = make("-s", "deps", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert said == ""


APT_GET = """\
#!/bin/sh
case $* in
*-s*) echo "Remv exim4-base [4.96]"; echo "Inst some-package" ;;
*update*) ;;
*) echo "$*" >>"$(dirname "$0")/installed" ;;
esac
"""


@pytest.mark.parametrize("allowed", ["", "yes"])
def test_no_package_is_removed_unless_that_is_said(tmp_path, allowed):
    """A mail server that is in use, for example."""
    programs = {
        "apt-get": APT_GET,
        "apt-cache": "#!/bin/sh\n",
        "sudo": '#!/bin/sh\nexec "$@"\n',
        "tee": "#!/bin/sh\ncat >/dev/null\n",
        "chmod": "#!/bin/sh\n",
        "rm": "#!/bin/sh\n",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [REPO / "tests/install-packages", "some-package"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "MAY_REMOVE": allowed},
        capture_output=True,
        text=True,
    )
    installed = tmp_path / "installed"
    if allowed:
        assert done.returncode == 0 and "some-package" in installed.read_text(), done
    else:
        assert done.returncode == 1 and not installed.exists(), done
        assert "exim4-base" in done.stderr and "MAY_REMOVE=yes" in done.stderr
