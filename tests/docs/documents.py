"""What the source says, and what the documents say of the same things."""

import re

from harness.proc import REPO


def text(path):
    return (REPO / path).read_text()


def between(whole, start, end):
    """What stands between two strings; both must be there."""
    assert start in whole, f"no {start!r}"
    return whole.split(start, 1)[1].split(end, 1)[0]


def joined_strings(source):
    """The value of adjacent C string literals."""
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"', source)
    return "".join(parts).encode().decode("unicode_escape")


def uncommented(conf):
    """A sample with each "#key = value" put in force; "# words" stay."""
    return re.sub(r"^#(?=[^ \n])", "", conf, flags=re.MULTILINE)


# The source

EMPTY_LIST = "{}"


def code_options(table):
    """Name and default, as text, of the options in a table of config.c; None: there is
    none, or it depends."""
    rows = between(text("daemon/config.c"), f"cfg_opt_t {table}[] = {{", "CFG_END()")
    found = re.findall(r'CFG_(\w+)\("(\w+)"(?:, (.+?), CFGF_(\w+))?', rows)
    words = {"cfg_false": "no", "cfg_true": "yes", "NULL": EMPTY_LIST}
    return {
        name: None if flags == "NODEFAULT" else words.get(value, value.strip('"'))
        for kind, name, value, flags in found
        if kind != "SEC"
    }


def code_derived():
    """The defaults that depend on the protocol."""
    taken = between(text("daemon/config.c"), "\ntake_listener(", "\n}")
    deadline = re.search(
        r"l->deadline_ms = l->proto->needs_address \? (\d+)\s*"
        r": l->proto->cache_only\s*\? (\d+)\s*: (\d+);",
        taken,
    )
    assert "needs_address ? STYLE_ADDRESS : STYLE_ONION;" in taken
    whose = ("readsocket", "policy", "the others")
    return {
        "answer": {"readsocket": "address", "the others": "onion"},
        "deadline_ms": dict(zip(whose, deadline.groups())),
    }


def code_transports():
    """The default that depends on the answer: for the bridge, and for others."""
    taken = between(text("daemon/config.c"), "\ntake_listener(", "\n}")
    found = re.search(r'style == STYLE_BRIDGE \? "(\w+)" : "(\w+)";', taken)
    return found.groups()


def code_listeners():
    """The listeners that there are when the file names none."""
    source = between(text("daemon/config.c"), "default_listeners[] =", ";\n")
    return listeners(joined_strings(source))


def code_counters():
    """Each with the sentence that says what it counts."""
    return dict(re.findall(r'\bX\((\w+), "(.+)"\)', text("include/core/counters.h")))


def rows(header, table):
    """The rows of a table of command line options or commands, as lists of their
    arguments' texts."""
    body = between(text(header), f"#define {table}(X)", "\n\n").replace("\\\n", " ")
    found = re.findall(r'\bX\((.*?[")])\)(?=\s+X\(|\s*$|\s*#endif)', body, re.DOTALL)
    return [re.split(r",\s*(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", row) for row in found]


def code_options_of(header, table):
    """Short to long options."""
    return {row[0].strip("'"): row[1].strip('"') for row in rows(header, table)}


def code_flags():
    """Short to long options of onionmxd: the table, which must agree with getopt's
    string."""
    table = rows("daemon/options.h", "ONIONMXD_OPTIONS")
    string = re.search(r'getopt_long\(argc, argv, "([\w:]+)"', text("daemon/main.c"))[1]
    want = {row[0].strip("'") + ("" if row[2] == "NULL" else ":") for row in table}
    assert set(re.findall(r"\w:?", string)) == want, "getopt's string and table differ"
    return code_options_of("daemon/options.h", "ONIONMXD_OPTIONS")


# The configuration's syntax, as far as our samples use it


def options(block):
    found = re.findall(r'(\w+) = (".*?"|\{.*?\}|[^\s{}"]+)', block)
    return {name: value.strip('"') for name, value in found}


def listeners(conf):
    found = re.findall(r'listener "?(\w+)"? \{(.*?)\}', conf, re.DOTALL)
    return {name: options(block) for name, block in found}


# The sample configuration


class Sample:
    def __init__(self):
        conf = uncommented(text("conf/onionmxd.conf"))
        self.lines = conf.splitlines()
        conf = re.sub(r"^\s*# .*", "", conf, flags=re.MULTILINE)
        self.listeners = listeners(conf)
        self.globals = options(re.sub(r"listener .*?\}", "", conf, flags=re.DOTALL))

    def unexplained(self):
        """Options without a comment of their own above them."""
        pairs = zip(["", *self.lines], self.lines)
        return [
            line.split()[0]
            for above, line in pairs
            if re.match(r"\s*\w+ = ", line) and not re.match(r"\s*# .*[.;]$", above)
        ]


# The manuals


def section(page, name):
    return between(text(f"conf/man/{page}") + "\n.Sh ", f"\n.Sh {name}\n", "\n.Sh ")


def plain(mdoc):
    """The words of a piece of mdoc without its macros, on one line."""
    mdoc = mdoc.replace("\\&", "").replace("\\(dq", '"')
    mdoc = re.sub(r"^\.(Ql|Cm|Li|Pa|Ic|Ar|Dv|Pq) ?", "", mdoc, flags=re.MULTILINE)
    mdoc = re.sub(r"^\.Pp$", "", mdoc, flags=re.MULTILINE)
    return " ".join(re.sub(r" ([.,;])(?=\s|$)", r"\1", mdoc).split())


def items(mdoc, macro):
    """The entries of a tagged list: name and text."""
    found = re.split(rf"^\.It {macro} (.+)\n", mdoc, flags=re.MULTILINE)[1:]
    pairs = zip(found[::2], found[1::2])
    return {tag.split()[0]: body.split("\n.El")[0] for tag, body in pairs}


def manual_options(name):
    """Name and default of the options in a section of onionmxd.conf(5)."""
    listed = items(section("onionmxd.conf.5", name), "Ic")
    return {
        name: plain(body.split("Default:")[1]) if "Default:" in body else None
        for name, body in listed.items()
    }


def manual_flags(page):
    """Short to long options of a page."""
    flag = re.compile(r"^\.It Fl (\w)(?: Ar \w+)? , Fl -(\w+)", re.MULTILINE)
    return dict(flag.findall(text(f"conf/man/{page}")))
