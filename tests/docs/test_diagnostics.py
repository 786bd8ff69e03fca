"""Each text that says what is wrong stands in DIAGNOSTICS of the manuals, with its cause and
its cure, and no other."""

import re

import diagnostics
import documents as docs
import pytest

LOGGED = ("Errors at the start", "Warnings and errors while it runs", "What is no fault")

# Parts of log lines of the bridge.
NAMES = {
    "for all routes",
    "for recipients at .onion names",
    "for routes from DNS",
    "tor's SOCKS port",
}

# What reads a line of a map's text.
TEXT = [
    f"daemon/core/{name}.c" for name in ("map_options", "maptext", "target_text", "tls_policy")
]


def patterns(page, *sections):
    entries = {}
    for section in sections:
        entries.update(diagnostics.listed(page, section))
    return {diagnostics.pattern(tag) for tag in entries}


def test_each_log_line():
    assert patterns("onionmxd.8", *LOGGED) == diagnostics.messages("daemon").keys()


def test_each_message_of_onionmap():
    assert patterns("onionmap.1", "Messages") == diagnostics.messages("tools").keys()


def test_each_reason():
    reasons = diagnostics.table("daemon/core/answer.c", "answer_reason_text")
    assert diagnostics.listed("onionmxd.8", "Reasons").keys() == reasons


def test_each_refusal():
    refusals = diagnostics.table("daemon/core/proto.c", "proto_refusal_text")
    assert diagnostics.listed("onionmxd.8", "Refused requests").keys() == refusals


def test_each_reply_of_the_bridge():
    said = diagnostics.table("daemon/core/socks.c", "socks_reason")
    said |= {"unknown failure", *diagnostics.phrases("daemon/net/bridge/*.c")} - NAMES
    listed = diagnostics.listed("onionmxd.8", "Replies of the bridge")
    assert {tag.removesuffix(": REASON") for tag in listed} == said


def test_each_fault_of_a_map():
    said = diagnostics.phrases("daemon/core/*image.c", "daemon/net/*copy.c")
    assert diagnostics.listed("onionmxd.8", "Faults of a map").keys() == said


def test_each_error_in_a_text():
    said = diagnostics.phrases(*TEXT) | diagnostics.reports()
    said |= diagnostics.table("daemon/core/onion.c", "onion_reason") - {"valid"}
    assert patterns("onionmap.1", "Errors in a text") == {diagnostics.pattern(x) for x in said}


@pytest.mark.parametrize("page", ["onionmxd.8", "onionmap.1"])
def test_each_is_explained(page):
    assert all(docs.plain(text) for text in diagnostics.listed(page).values())


def test_options_and_counters_that_are_named_exist():
    named = re.findall(r"^\.(?:Cm|Ic) (\w+_\w+)", docs.section("onionmxd.8", "DIAGNOSTICS"), re.M)
    sample = docs.Sample()
    known = sample.globals.keys() | {x for keys in sample.listeners.values() for x in keys}
    assert set(named) <= known | docs.code_counters().keys()
