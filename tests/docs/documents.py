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


class Key:
    """A row of config_keys.h."""

    def __init__(self, kind, row):
        columns = re.split(r",\s*(?![^(]*\))(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", row)
        is_list = kind == "LIST"
        self.room = number(columns[2]) if is_list else None
        assert len(columns) == 6 + is_list, row
        self.name = columns[1]
        self.type, preset, details, self.need = columns[-4:]
        self.preset = None if preset == "NULL" else preset.strip('"')
        if is_list:
            self.preset = f"{{{self.preset}}}"
        found = re.search(r"RANGE\((\w+), (\w+), (?:NULL|\"(\w+)\")\)", details)
        self.range = (number(found[1]), number(found[2])) if found else None
        self.unit = found[3] if found else None
        self.words = re.findall(r'\{"(\w+)"', details)


def number(name):
    """A number, or a name that config_keys.h uses for one."""
    names = {"INT_MAX": 2**31 - 1}
    for path in "daemon/config_table.c", "include/core/cache.h", "include/flow/upstream.h":
        names.update(re.findall(r"^#define (\w+) (\d+)\b", text(path), re.M))
    return int(names.get(name, name))


def code_keys(table):
    """The rows of a table of config_keys.h by their names."""
    source = text("include/config_keys.h").replace("\\\n", "")
    rows = between(source, f"#define {table}(ONE, LIST)", "\n")
    rows = re.sub(r"\s+", " ", rows)
    found = re.findall(r"\b(ONE|LIST)\((.*?)\)(?= ONE\(| LIST\(|\s*$)", rows)
    return {key.name: key for key in (Key(*row) for row in found)}


def code_options(table):
    """Name and default, as text; None: there is none, or it depends."""
    return {name: key.preset for name, key in code_keys(table).items()}


def code_choice(function):
    """The defaults that a function chooses between."""
    body = between(text("daemon/config_table.c"), f"\ndefault_{function}(", "\n}")
    return re.findall(r'[?:] "(\w+)"', body)


def code_derived():
    """The defaults that depend on the protocol."""
    whose = ("readsocket", "policy", "the others")
    return {
        "answer": dict(zip(whose[::2], code_choice("answer"))),
        "deadline_ms": dict(zip(whose, code_choice("deadline"))),
    }


def code_transports():
    """The default that depends on the answer: for the bridge, and for others."""
    return code_choice("transport")


def code_listeners():
    """The listeners that there are when the file names none."""
    source = between(text("daemon/config_file.c"), "default_listeners[] =", ";\n")
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

    def comment(self, name):
        """What stands above an option, on one line."""
        at = [bool(re.match(rf"\s*{name} = ", line)) for line in self.lines].index(True)
        above = []
        while re.match(r"\s*# ", self.lines[(at := at - 1)]):
            above.insert(0, self.lines[at].strip().removeprefix("# "))
        return " ".join(above)

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


def manual_keys(name):
    """Name and text, the values included, of the options in a section."""
    page = section("onionmxd.conf.5", name)
    tags = re.findall(r"^\.It Ic (\w+) No = (.*)\n", page, re.M)
    listed = items(page, "Ic")
    return {key: (value, plain(listed[key])) for key, value in tags}


def manual_flags(page):
    """Short to long options of a page."""
    flag = re.compile(r"^\.It Fl (\w)(?: Ar \w+)? , Fl -(\w+)", re.MULTILINE)
    return dict(flag.findall(text(f"conf/man/{page}")))
