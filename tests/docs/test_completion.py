"""What the shells offer is what --help names."""

import re
import subprocess

import documents as docs
import pytest
from harness.proc import BUILD, program

PROGRAMS = {name: program(name.upper(), f"build/{name}") for name in ("onionmxd", "onionmap")}
TABLES = {"onionmxd": "daemon/options.h", "onionmap": "tools/commands.h"}


def offered(name, *words, cwd=None):
    """What bash offers for the last of the words behind the name of a program."""
    script = (
        f'set -eu; source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _{name}; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    args = ["bash", "-c", script, "bash", BUILD / "completion" / name, name, *words]
    return subprocess.check_output(args, text=True, cwd=cwd).split()


def help_of(name):
    return subprocess.check_output([*PROGRAMS[name], "--help"], text=True)


def options_in_help(name):
    found = re.findall(r"^  -(\w), --(\w+)", help_of(name), re.M)
    assert len(found) == len(docs.rows(TABLES[name], f"{name.upper()}_OPTIONS"))
    return {word for short, long in found for word in (f"-{short}", f"--{long}")}


def commands():
    return re.findall(r"^(?:usage:)? +onionmap (\w+)", help_of("onionmap"), re.M)


def test_options_of_the_daemon():
    assert set(offered("onionmxd", "-")) == options_in_help("onionmxd")
    assert offered("onionmxd", "--f") == ["--foreground"]


def test_commands():
    assert offered("onionmap", "") == commands()
    assert offered("onionmap", "comp") == ["compile"]
    assert set(offered("onionmap", "-")) == {"-V", "--version", "-h", "--help"}


def test_options_of_commands():
    taken = set()
    for command in commands():
        options = set(offered("onionmap", command, "-"))
        assert {"-h", "--help"} <= options, command
        shown = re.search(rf"onionmap {command}(.*)", help_of("onionmap"))[1]
        assert {f"-{x}" for x in re.findall(r"\[-(\w) ", shown)} <= options
        taken |= options
    assert taken == options_in_help("onionmap") - {"-V", "--version"}


def test_operands(tmp_path):
    for name in ("domains.txt", "domains.cdb", "other"):
        (tmp_path / name).touch()
    (tmp_path / "directory").mkdir()
    ask = lambda *words: set(offered("onionmap", *words, cwd=tmp_path))
    assert ask("compile", "") == {"domains.txt", "directory"}
    assert ask("query", "") == {"domains.cdb", "directory"}
    assert ask("pin", "") == {"list", "held", "accept"}
    assert ask("compile", "-o", "o") == {"other"}
    assert set(offered("onionmxd", "-c", "o", cwd=tmp_path)) == {"other"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_zsh_has_the_same(name):
    text = (BUILD / "completion" / f"_{name}").read_text()
    assert text.startswith(f"#compdef {name}\n")
    pairs = re.findall(r"\{-(\w),--(\w+)\}'\[[^]\n]+\]", text)
    words = {word for short, long in pairs for word in (f"-{short}", f"--{long}")}
    assert words == options_in_help(name)
    if name == "onionmap":
        described = docs.between(text, "commands=(", "\n\t)")
        assert re.findall(r"'(\w+):\w", described) == commands()
        assert re.findall(r"^\t(\w+)\)$", text, re.M) == commands()
