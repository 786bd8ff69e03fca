"""The real onionmap, and cdb files read without it."""

import os
import re
import subprocess

from harness.onion import onion
from harness.proc import program

ONIONMAP = program("ONIONMAP", "build/onionmap")

A, B, C = onion("a"), onion("b"), onion("c")

USUAL = f"""# a comment
immerda.ch        {A}
example.org       {A}:2525, {B}      # tried in this order

.example.org      {B}
intern.example    -
\tBÜCHER.example.\t{C.upper()} , {A}:25
"""

USUAL_RECORDS = [
    ("immerda.ch", A),
    ("example.org", f"{A}:2525, {B}"),
    (".example.org", B),
    ("intern.example", "-"),
    ("xn--bcher-kva.example", f"{C}, {A}"),
]


class Result:
    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout.decode()
        self.err = done.stderr.decode()

    def __repr__(self):
        return f"status {self.status}\n{self.out}\n{self.err}"


def onionmap(*args, stdin=b"", binary=None, **kwargs):
    """Runs the tool to its end."""
    done = subprocess.run(
        [*(binary or ONIONMAP), *args],
        input=stdin,
        stdout=kwargs.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        **kwargs,
    )
    done.stdout = done.stdout or b""
    result = Result(done)
    assert result.status >= 0, result
    assert "Sanitizer" not in result.err and "runtime error" not in result.err, result
    return result


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def compile_text(directory, text, name="domains", **kwargs):
    """Compiles text and returns the path of the map and the result."""
    source = directory / f"{name}.txt"
    source.write_bytes(to_bytes(text))
    return source.with_suffix(".cdb"), onionmap("compile", source, **kwargs)


def good_map(directory, text, name="domains"):
    path, result = compile_text(directory, text, name)
    assert (result.status, result.out, result.err) == (0, "", ""), result
    return path


def check(text):
    """What check says of a text: (line, column, message) of each error."""
    result = onionmap("check", "-", stdin=to_bytes(text))
    return errors(result, "<stdin>")


def errors(result, name):
    found = []
    *lines, summary = result.err.splitlines() or [""]
    for line in lines:
        match = re.fullmatch(re.escape(str(name)) + r":(\d+):(\d+): (.+)", line)
        assert match, result
        found.append((int(match[1]), int(match[2]), match[3]))
    assert result.status == (1 if found else 0), result
    if found:
        plural = "" if len(found) == 1 else "s"
        assert f"{name}: {len(found)} error{plural}" in summary, result
    return found


CHECKSUM = "ONIONMAP:CHECKSUM"


def records(path):
    """The entries in order. Behind them is the checksum's record."""
    *entries, (key, value) = all_records(path)
    assert key == CHECKSUM and re.fullmatch(f"{len(entries)} [0-9a-f]{{16}}", value)
    return entries


def all_records(path):
    """All records in order, as tinycdb's own tool sees them."""
    data = subprocess.run(["cdb", "-d", path], check=True, capture_output=True).stdout
    found, at = [], 0
    while data[at : at + 1] == b"+":
        head, _, _ = data[at + 1 :].partition(b":")
        klen, vlen = map(int, head.split(b","))
        at += len(head) + 2
        key = data[at : at + klen]
        value = data[at + klen + 2 : at + klen + 2 + vlen]
        found.append((key.decode(), value.decode()))
        at += klen + 2 + vlen + 1
    assert data[at:] == b"\n"
    return found


def cdb_query(path, key):
    """What tinycdb's own tool finds, or None."""
    done = subprocess.run(["cdb", "-q", path, key], capture_output=True)
    return done.stdout.decode() if done.returncode == 0 else None


def make_cdb(path, pairs):
    """A map that another program has written."""
    text = b"".join(
        b"+%d,%d:%b->%b\n" % (len(key), len(value), key, value) for key, value in pairs
    )
    subprocess.run(["cdb", "-c", path], input=text + b"\n", check=True)
    return path


def names(directory):
    return sorted(os.listdir(directory))
