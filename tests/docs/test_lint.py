"""What tests/lint/house finds in a small tree, once each of its rules is broken; and the index
of the source for editors."""

import json
import subprocess

import documents as docs
import pytest
from harness.proc import REPO

TREE = {
    "include/core/pear.h": "#ifndef PEAR_H\n#define PEAR_H\nint pear_weight(void);\n#endif\n",
    "daemon/core/pear.c": '#include "core/pear.h"\n\nint\npear_weight(void)\n{\n\treturn 1;\n}\n',
    "include/core/figtree.h": "int fig_tree_age(void);\nint figtrees_count(void);\n",
    "daemon/core/figtree.c": '#include "core/figtree.h"\n#include "core/pear.h"\n'
    "int\nfig_tree_age(void)\n{\n\treturn pear_weight();\n}\n"
    "int\nfigtrees_count(void)\n{\n\treturn 2;\n}\n",
    "daemon/main.c": '#include "core/figtree.h"\nint\nmain(void)\n{\n\treturn 0;\n}\n',
    "HACKING.md": "# Map\n\n    daemon/\n      main.c     starts\n    daemon/core/\n"
    "      figtree.c  counts\n      pear.c     weighs\n\n1. `pear.c: pear_weight` weighs\n",
    "tests/lint/prefixes": "# file prefix why\n",
}

FIG = "daemon/core/figtree.c"
PEAR = "daemon/core/pear.c"
BLANK = "\n" * 12
LONG = "int\nfigtree_long(void)\n{\n" + "\t;\n" * 47 + "\treturn 0;\n}\n"


@pytest.fixture
def said(tmp_path):
    """A function: what is found in the tree once it is changed. A change adds to a file."""

    def said(changes):
        for path, text in TREE.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        for path, text in changes.items():
            with open(tmp_path / path, "a") as file:
                file.write(text)
        for path in tmp_path.glob("daemon/**/*.c"):
            target = tmp_path / "obj" / path.relative_to(tmp_path).with_suffix(".o")
            target.parent.mkdir(parents=True, exist_ok=True)
            include = f"-I{tmp_path}/include"
            subprocess.run(["cc", "-w", include, "-c", "-o", target, path], check=True)
        house = [REPO / "tests/lint/house", "--root", tmp_path, tmp_path]
        done = subprocess.run(house, capture_output=True, text=True)
        assert done.returncode == bool(done.stderr), done
        return done.stderr.splitlines()

    return said


def test_a_tree_in_order(said):
    assert said({}) == []


@pytest.mark.parametrize(
    "changes, fault",
    [
        (
            {PEAR: "int fig_tree_age(void);\nint\npear_age(void)\n"
             "{\n\treturn fig_tree_age();\n}\n"},
            "circle: call: daemon/core/figtree -> daemon/core/pear -> daemon/core/figtree",
        ),
        (
            {"include/core/pear.h": '#include "core/plum.h"\n',
             "include/core/plum.h": '#pragma once\n#include "core/figtree.h"\n',
             "include/core/figtree.h": '#include "core/pear.h"\n'},
            "circle: include: include/core/figtree.h -> include/core/pear.h -> include/core/plum.h"
            " -> include/core/figtree.h",
        ),
        (
            {"daemon/core/pear_inside.h": "struct pear;\n"},
            "inside: daemon/core/pear_inside.h opens a module to others",
        ),
        (
            {"daemon/core/plum.c": '#include "core/pear.h"\n',
             "HACKING.md": "    daemon/core/\n      plum.c  rots\n"},
            "header: daemon/core/plum.c includes no header of its own name",
        ),
        ({FIG: "int figure;\n"}, f"prefix: {FIG} hands out figure"),
        (
            {"tests/lint/prefixes": f"{FIG} tree  grows\n"},
            f"prefix: tests/lint/prefixes lists {FIG} tree, which nothing needs",
        ),
        ({FIG: LONG}, f"length: {FIG}: figtree_long has 51 lines, more than 50"),
        ({FIG: "\n" * 500}, f"length: {FIG} has 512 lines, more than 500"),
        (
            {PEAR: "".join(f"static int\np{i}(void)\n{{\n{BLANK}}}\n" for i in range(5))},
            "length: half of all functions have 15 lines or more",
        ),
        (
            {"daemon/core/plum.c": '#include "plum.h"\n', "daemon/core/plum.h": ""},
            "map: HACKING.md doesn't list daemon/core/plum.c",
        ),
        (
            {"HACKING.md": "    daemon/core/\n      plum.c  rots\n"},
            "map: HACKING.md lists daemon/core/plum.c, which doesn't exist",
        ),
        (
            {"HACKING.md": "    daemon/core/\n      pear.c  falls\n"},
            f"map: HACKING.md lists {PEAR} twice",
        ),
        (
            {"HACKING.md": "2. `core/pear.c: pear_eat` eats\n"},
            f"tour: {PEAR} has no function pear_eat",
        ),
        (
            {"HACKING.md": "2. `plum.c: plum_eat` eats\n"},
            "tour: HACKING.md names plum.c, and the files of that name are: []",
        ),
    ],
)
def test_a_rule_that_is_broken(said, changes, fault):
    assert said(changes) == [fault]


def test_a_prefix_that_is_allowed(said):
    assert said({FIG: "int plum_age;\n", "tests/lint/prefixes": f"{FIG} plum  grows\n"}) == []


# For editors


def make(*args):
    subprocess.run(["make", "-s", *args], cwd=REPO, check=True)


def test_compile_commands():
    make("-B", "compile_commands.json")
    commands = json.loads(docs.text("compile_commands.json"))
    known = {entry["file"]: entry for entry in commands}
    sources = {path.relative_to(REPO).as_posix() for path in REPO.glob("daemon/**/*.c")}
    assert sources <= known.keys() and "tests/unit/test_srv.c" in known
    entry = known["daemon/main.c"]
    done = subprocess.run(
        f"{entry['command']} -fsyntax-only", shell=True, cwd=entry["directory"]
    )
    assert done.returncode == 0


def test_tags():
    make("-B", "tags")
    assert "\ndomain_from_name\tdaemon/core/domain.c\t" in docs.text("tags")
