"""The documents agree with the source and with one another."""

import re
import subprocess

import documents as docs
import pytest
from harness.proc import REPO, program

ONIONMXD = program("ONIONMXD", "build/onionmxd")
ONIONMAP = program("ONIONMAP", "build/onionmap")
MANUALS = sorted(path.name for path in (REPO / "conf/man").iterdir())
DOCUMENTS = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "HACKING.md",
    "SECURITY.md",
    "tests/README.md",
]


def run(*args):
    """Standard output and standard error of a command that must succeed."""
    done = subprocess.run(
        args, cwd=REPO, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout}"
    return done.stdout


# The configuration: include/config_keys.h, conf/onionmxd.conf, onionmxd.conf(5)

TABLE = "include/config_keys.h"
SECTIONS = {"CONFIG_KEYS": "OPTIONS", "CONFIG_LISTENER_KEYS": "LISTENERS"}
KEYS = [(table, key) for table in SECTIONS for key in docs.code_keys(table).values()]


def test_the_source_is_understood():
    assert docs.code_options("CONFIG_KEYS").keys() > {"map", "resolvers", "pid_file"}
    assert docs.code_options("CONFIG_LISTENER_KEYS").keys() > {"protocol", "deadline_ms"}
    assert len(KEYS) == len(re.findall(r"^\t(?:ONE|LIST)\(", docs.text(TABLE), re.M))
    assert docs.code_keys("CONFIG_KEYS")["failure_ttl"].range == (0, 300)
    assert docs.code_keys("CONFIG_KEYS")["dnssec"].words == ["off", "prefer", "require"]


@pytest.mark.parametrize("table, key", KEYS, ids=[key.name for _, key in KEYS])
def test_manual_and_sample_know_what_a_key_takes(table, key):
    value, body = docs.manual_keys(SECTIONS[table])[key.name]
    told = docs.Sample().comment(key.name)
    if key.words:
        assert set(re.findall(r"\w+", value)) == {"Cm", *key.words}
        assert key.name == "log_level" or all(f" {w}" in f" {told}" for w in key.words)
    if key.range:
        least, most = key.range
        usual = {1: "", 0: "from 0"}.get(least) if most == 100000000 else None
        assert (f"from {least} to {most}" if usual is None else usual) in body
    if key.room:
        assert f"up to {key.room}" in body.lower() and f"up to {key.room}" in told.lower()
    if key.unit:
        assert key.unit in body and key.unit in told.lower()


def test_sample_has_every_option_with_its_default():
    assert docs.Sample().globals == docs.code_options("CONFIG_KEYS")


def test_sample_has_the_default_listeners():
    ours = {
        name: {key: options.get(key) for key in ("protocol", "address")}
        for name, options in docs.Sample().listeners.items()
    }
    assert ours == docs.code_listeners()


def test_sample_has_every_option_of_a_listener_with_its_default():
    code = docs.code_options("CONFIG_LISTENER_KEYS")
    derived = docs.code_derived()
    named = set()
    for options in docs.Sample().listeners.values():
        named |= options.keys()
        for name, value in options.items():
            if name in derived:
                others = derived[name]["the others"]
                assert value == derived[name].get(options["protocol"], others), name
            elif name == "transport":
                assert value == docs.code_transports()[1]
            elif name not in ("protocol", "address"):
                assert value == code[name], name
    assert named == code.keys()


def test_sample_explains_each_option_once():
    seen = {"protocol", "address", "answer", "deadline_ms"}
    assert set(docs.Sample().unexplained()) <= seen


def test_sample_states_the_derived_defaults():
    conf = " ".join(docs.text("conf/onionmxd.conf").replace("#", " ").split())
    for derived in docs.code_derived().values():
        *first, last = (f"{value} for {name}" for name, value in derived.items())
        assert f"default is {', '.join(first)} and {last}." in conf


def test_manual_has_every_option_with_its_default():
    code = docs.code_options("CONFIG_KEYS")
    want = {name: f"{value}." if value else "empty." for name, value in code.items()}
    assert docs.manual_options("OPTIONS") == want


def test_manual_has_every_option_of_a_listener_with_its_default():
    code = docs.code_options("CONFIG_LISTENER_KEYS")
    want = {name: f"{value}." if value else "empty." for name, value in code.items()}
    for name in "protocol", "address":
        want[name] = "none, it must be set."
    for name, derived in docs.code_derived().items():
        want[name] = ", ".join(f"{v} for {who}" for who, v in derived.items()) + "."
    bridge, others = docs.code_transports()
    want["transport"] = f"{others}; {bridge} with answer = bridge."
    assert docs.manual_options("LISTENERS") == want


def test_manual_has_the_default_listeners():
    shown = docs.between(docs.section("onionmxd.conf.5", "LISTENERS"), "\n.Bd", "\n.Ed")
    assert docs.listeners(shown) == docs.code_listeners()


def check(text, tmp_path):
    """What "onionmxd -t" says of a configuration whose directories and map are there."""
    (tmp_path / "domains.txt").write_text("")
    run(*ONIONMAP, "compile", str(tmp_path / "domains.txt"))
    for path in "/etc/onionmxd", "/run/onionmxd", "/var/lib/onionmxd":
        text = text.replace(path, str(tmp_path))
    conf = tmp_path / "onionmxd.conf"
    conf.write_text(text)
    return run(*ONIONMXD, "-t", "-c", str(conf)).splitlines()


def with_paths(text):
    """Those that are defaults, too."""
    names = [name for name in ("map", "state_dir", "control") if f"\n{name} = " not in text]
    sample = docs.Sample().globals
    return "".join(f'{name} = "{sample[name]}"\n' for name in names) + text


def test_sample_passes(tmp_path):
    """The system may have no Exim, and so no user of Exim's."""
    sample = docs.uncommented(docs.text("conf/onionmxd.conf"))
    sample = re.sub(r"\bDebian-exim\b", "daemon", sample)
    *warnings, last = check(sample, tmp_path)
    assert last == "configuration is good"
    assert all("has no effect: " in warning for warning in warnings)
    assert not re.search(r"^[^#\s]", docs.text("conf/onionmxd.conf"), re.M)


def test_examples_of_the_manual_pass(tmp_path):
    examples = re.findall(
        r"^\.Bd.*?\n(.*?)\.Ed", docs.section("onionmxd.conf.5", "EXAMPLES"), re.S | re.M
    )
    assert len(examples) >= 2
    for example in examples:
        text = with_paths(re.sub(r'group = ".*"', 'group = "root"', example))
        assert check(text, tmp_path) == ["configuration is good"]


# Counters: include/core/counters.h, onionmxd(8)


def test_manual_explains_every_counter():
    """In the order of the source, and each begins with the same sentence."""
    listed = docs.items(docs.section("onionmxd.8", "COUNTERS"), "Ic")
    counters = docs.code_counters()
    assert list(listed) == list(counters)
    for name, sentence in counters.items():
        assert docs.plain(listed[name]).startswith(sentence), name


# The command lines: daemon/main.c and tools/onionmap.c, their help and their manuals


def test_help_has_every_option():
    shown = run(*ONIONMXD, "--help")
    assert dict(re.findall(r"^  -(\w), --(\w+)", shown, re.M)) == docs.code_flags()
    flags = re.search(r"usage: onionmxd \[-(\w+)\] \[-c FILE\]", shown)[1]
    assert set(flags) | {"c"} == docs.code_flags().keys()


def test_manual_has_every_option_of_the_command_line():
    assert docs.manual_flags("onionmxd.8") == docs.code_flags()
    flags = re.search(r"Op Fl (\w+)", docs.section("onionmxd.8", "SYNOPSIS"))[1]
    assert set(flags) | {"c"} == docs.code_flags().keys()


def test_manual_names_the_default_file():
    default = re.search(
        r'CONFIG_DEFAULT_FILE "(.+)"', docs.text("include/config.h")
    )[1]
    assert f"Pa {default}\n" in docs.text("conf/man/onionmxd.8")
    assert f"Pa {default}\n" in docs.text("conf/man/onionmxd.conf.5")


def test_manual_of_onionmap_has_every_command_and_option():
    table = docs.rows("tools/commands.h", "ONIONMAP_COMMANDS")
    commands = [row[0] for row in table]
    flags = docs.code_options_of("tools/commands.h", "ONIONMAP_OPTIONS")
    assert len(commands) >= 4
    page = docs.text("conf/man/onionmap.1")
    synopsis = docs.section("onionmap.1", "SYNOPSIS")
    assert re.findall(r"^\.It Cm (\w+)", page, re.M) == commands
    assert re.findall(r"^\.Cm (\w+)", synopsis, re.M) == commands
    assert docs.manual_flags("onionmap.1") == flags


# The manuals as such


@pytest.mark.parametrize("page", MANUALS)
def test_manual_is_well_formed(page):
    done = subprocess.run(
        ["mandoc", "-Tlint", REPO / "conf/man" / page],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    # Which other manuals are installed depends on the machine.
    others = re.compile(r"referenced manual not found|outdated mandoc\.db")
    assert [line for line in done.stdout.splitlines() if not others.search(line)] == []


def test_manuals_refer_to_manuals_of_ours_that_exist():
    for page in MANUALS:
        text = docs.text(f"conf/man/{page}")
        found = re.findall(r"^\.Xr (onion\S+) (\d)", text, re.M)
        assert found
        assert {f"{name}.{number}" for name, number in found} <= set(MANUALS)


# The sample map


@pytest.mark.parametrize("change", [str, docs.uncommented])
def test_sample_map_compiles(change, tmp_path):
    sample = change(docs.text("conf/domains.txt"))
    entries = [line for line in sample.splitlines() if line and line[0] != "#"]
    source, compiled = tmp_path / "domains.txt", tmp_path / "domains.cdb"
    source.write_text(sample)
    assert run(*ONIONMAP, "check", str(source)) == ""
    run(*ONIONMAP, "compile", str(source))
    assert len(run(*ONIONMAP, "dump", str(compiled)).splitlines()) == len(entries) > 10


# README and its neighbours


def words(document):
    """The code in a document: spans in the text and indented or fenced blocks."""
    content = docs.text(document)
    blocks = re.findall(r"^```.*?^```", content, re.S | re.M)
    blocks += re.findall(r"^    .*", content, re.M)
    content = re.sub(r"^```.*?^```", "", content, flags=re.S | re.M)
    return re.findall(r"`([^`]+)`", content) + blocks


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_are_named_exist(document):
    text = docs.text(document)
    ours = r"(?:daemon|tools|include|conf|tests|debian|\.ci)/[\w./-]*\w|[A-Z]+\.md|LICENSE"
    paths = set(re.findall(rf"(?<![\w./-])(?:{ours})", text))
    paths |= {x for x in re.findall(r"\]\(([^)#]+)", text) if "://" not in x}
    assert paths or document != "README.md"
    places = (REPO, (REPO / document).parent)
    assert not [
        path for path in sorted(paths) if not any((place / path).exists() for place in places)
    ]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_targets_that_are_named_exist(document):
    targets = set(re.findall(r"^([a-z0-9-]+):", docs.text("Makefile"), re.M))
    named = re.findall(r"\bmake ([a-z0-9-]+)", "\n".join(words(document)))
    assert set(named) <= targets


def test_readme_shows_lines_of_the_samples():
    readme = docs.text("README.md")
    shown = docs.between(readme, "\n## tor\n", "\n## What happens on failure\n")
    lines = re.findall(r"^ {4}\s*([^#\s].*)", shown, re.M)
    samples = [path for path in (REPO / "conf").glob("*/*") if path.parent.name != "man"]
    known = "\n".join(path.read_text() for path in [*samples, REPO / "conf/torrc"])
    assert len(lines) > 10
    for line in lines:
        start = re.split(r"\.\.\.|  #", line)[0].rstrip(" ,")
        assert start in known, line


def test_readme_states_the_limits():
    code = {**docs.code_options("CONFIG_KEYS"), **docs.code_options("CONFIG_LISTENER_KEYS")}
    readme = " ".join(docs.text("README.md").split())
    stated = (
        "{max_clients} clients a listener, {max_lookups} waiting lookups, "
        "{max_queries} names asked for at once, {cache_entries} names or 64 MiB in the cache"
    )
    assert stated.format(**code) in readme
    assert int(code["cache_bytes"]) == 64 << 20
    deadline = docs.code_derived()["deadline_ms"]
    mine, others = (int(deadline[who]) / 1000 for who in ("readsocket", "the others"))
    assert f"within {mine:g} s to Exim, within {others:g} s to the others" in readme
    for name, value in re.findall(r"`(on_failure|answer) = (\w+)`", readme):
        words = {k.name: k.words for _, k in KEYS}
        assert value in words[name]


def test_changelog_has_this_version():
    version = re.search(r'VERSION "(.+)"', docs.text("include/version.h"))[1]
    assert re.search(r"^## \[(.+?)\]", docs.text("CHANGELOG.md"), re.M)[1] == version


# tests/README.md


def test_every_suite_is_listed():
    """Those that make check runs, which are directories."""
    listed = re.findall(r"^\| `(\w+)` \|", docs.text("tests/README.md"), re.M)
    makefile = docs.text("Makefile")
    suites = re.search(r"^SUITES := (.+)$", makefile, re.M)[1]
    quick = re.search(r"^UNIT_SUITES := (.+)$", makefile, re.M)[1]
    suites = suites.replace("$(UNIT_SUITES)", quick)
    assert set(listed) == set(suites.replace("$(FAULTS)", "faults").split())
    assert not [name for name in listed if not (REPO / "tests" / name).is_dir()]


def test_tests_that_are_named_exist():
    for document in ("tests/README.md", "HACKING.md"):
        text = docs.text(document)
        for suite, file, test in re.findall(r"\b(\w+)/(test_\w+)(?:\.py::(\w+))?", text):
            found = [*(REPO / "tests" / suite).glob(f"{file}.*")]
            assert found, (document, suite, file)
            assert test in found[0].read_text()
        for case, suite, file in re.findall(r"CASE=(\w+) build/tests/(\w+)/(\w+)", text):
            assert f"({case})" in docs.text(f"tests/{suite}/{file}.c")


def test_words_stand_where_they_are_said_to():
    for place in re.findall(r"\| `([\w/]+\.h)` \|$", docs.text("HACKING.md"), re.M):
        assert [*REPO.glob(f"include/{place}"), *REPO.glob(f"daemon/{place}")], place


# The unit


def test_unit_starts_the_daemon_with_options_that_exist():
    unit = docs.text("conf/systemd/onionmxd.service")
    start = re.search(r"^ExecStart=@PREFIX@/sbin/onionmxd (.+)$", unit, re.M)[1]
    flags = re.findall(r"(?:^| )-(\w)", start)
    assert "f" in flags and set(flags) <= docs.code_flags().keys()
    makefile = docs.text("Makefile")
    for name in re.findall(r"@\w+@", unit):
        assert f"s|{name}|" in makefile, name
