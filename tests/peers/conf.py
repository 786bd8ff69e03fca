"""The snippets of conf/, as the tests paste them."""

import re

from harness.proc import REPO


def snippet(name, replace=None):
    """The text of a file in conf/. Each key of replace must occur in it."""
    text = (REPO / "conf" / name).read_text()
    for old, new in (replace or {}).items():
        assert old in text, f"conf/{name} doesn't have {old!r}"
        text = text.replace(old, new)
    return text


def instead(text, active, wanted):
    """Comments out the line that has the first text, and puts in force the one in a
    comment that has the second."""
    lines, found = [], set()
    for line in text.splitlines():
        bare = line.lstrip("# ")
        if not line.lstrip().startswith("#") and active in line:
            line = "#" + line
            found.add(active)
        elif line.lstrip().startswith("#") and wanted in bare:
            line = bare
            found.add(wanted)
        lines.append(line)
    assert found == {active, wanted}, found
    return "\n".join(lines) + "\n"


def commented_out(text):
    """The lines that are commented out: "#" and no space, or an indented line."""
    return "".join(re.findall(r"^#(\S.*\n|  -.*\n)", text, re.M))


def service_in(name):
    """The service that a comment of a snippet has for master.cf."""
    found = re.search(r"^#   (\w+ +unix .*\n(?:#     -o .*\n)+)", snippet(name), re.M)
    return found[1].replace("#     ", "  ")


def listener_in(name, address):
    """The listener that a comment of a snippet has for onionmxd.conf, at an address of
    the test's own: its options."""
    block = re.search(r'^# +listener ".*" \{\n(.*?)^# +\}', snippet(name), re.M | re.S)[1]
    options = dict(re.findall(r'^# +(\w+) = "?(.*?)"?$', block, re.M))
    assert re.match(r"unix:/run/onionmxd/|127\.0\.0\.1:", options["address"]), options
    return {**options, "address": address}
