"""What the programs say when something is wrong, as the source has it and as DIAGNOSTICS in
the manuals lists it. A name or a number, which is a directive of printf in the source and a
word of WORDS in a manual, becomes {} in both."""

import re

import documents as docs
from harness.proc import REPO

# Whether the text of errno follows.
CALLS = {
    "daemon": {
        "log_error": True,
        "log_errorx": False,
        "log_warn": True,
        "log_warnx": False,
        "log_info": False,
    },
    "tools": {"warn": True, "warnx": False},
}
WORDS = "ADDRESS ERROR FILE KEY MODE NAME NUMBER REASON USER VERSION WHAT WHY".split()

LITERAL = r'"(?:[^"\\]|\\.)*"'
STRINGS = rf"(?:{LITERAL}|[A-Z]\w+|\s)+"
DIRECTIVE = r"%[-+ #0]*[\d.*]*(?:hh|h|ll|l|j|z|t)?[diouxXcsp]"


def messages(directory):
    """What a program logs or prints, by the files that say it."""
    found = {}
    for path in sorted((REPO / directory).rglob("*.c")):
        source = code(path)
        for call, appends in CALLS[directory].items():
            for strings in re.findall(rf"(?<![\w.]){call}\(\s*({STRINGS})", source):
                text = string(strings) + (": {}" if appends else "")
                found.setdefault(normal(text), path.name)
    return found


def string(strings):
    """The value of adjacent literals. A macro among them is a part of a directive, as PRIu64
    is, or a text of its own."""
    text = ""
    for literal, macro in re.findall(rf"({LITERAL})|(\w+)", strings):
        part = docs.joined_strings(literal) if literal else "%s"
        text += "u" if macro.startswith("PRI") else part
    return re.sub(DIRECTIVE, "{}", text.replace("%%", "\0")).replace("\0", "%")


def normal(text):
    """Names in a row are one, together with what is glued to them. Two at the beginning, glued
    to a word, are a name and a colon that may be there."""
    text = re.sub(r"^\{\}\{\}(?=[a-z])", "", text)
    text = re.sub(r"^(state_dir \{\}) .*", r"\1", text)  # several ways to be unsafe
    text = re.sub(r"[^\s:]*\{\}[^\s:;,.)]*", "{}", text)
    return re.sub(r"\{\}( \{\})+", "{}", text).strip()


def code(path):
    """A file of the source without its comments."""
    return re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)


def table(path, function):
    """The texts of the tables in a function."""
    body = docs.between(docs.text(path), f"\n{function}(", "\n}")
    return {docs.joined_strings(x) for x in re.findall(rf"[={{,]\s*({LITERAL})", body)} - {""}


def phrases(*patterns):
    """Texts of some words in files of the source which say why something failed: all that
    aren't formats or names."""
    paths = [[*REPO.glob(pattern)] for pattern in patterns]
    assert all(paths), patterns
    sources = [code(path) for found in paths for path in found]
    calls = "|".join(CALLS["daemon"])
    sources = [re.sub(rf"(?:{calls})\(.*?\);", "", source, flags=re.S) for source in sources]
    found = {
        re.sub(r"^421 \d\.\d\.\d ", "", docs.joined_strings(strings))
        for source in sources
        for strings in re.findall(rf"(?:{LITERAL}\s*)+", source)
    }
    words = re.compile(r"[a-z][\w'.,:=\"-]*( [\w'.,:=\"-]+)+")
    return {text for text in found if words.fullmatch(text)}


def reports():
    """The errors in a text that onionmap itself finds."""
    sources = [code(path) for path in (REPO / "tools").glob("*.c")]
    calls = [x for source in sources for x in re.findall(r"report_error\(.*?\);", source, re.S)]
    found = {normal(string(x)) for call in calls for x in re.findall(LITERAL, call)}
    return found - {"{}"}


def listed(page, section=None):
    """The entries of DIAGNOSTICS, or of one of its parts, with what explains them: several in
    a row have the same explanation."""
    body = docs.section(page, "DIAGNOSTICS")
    if section is not None:
        body = docs.between(body + "\n.Ss ", f".Ss {section}\n", ".Ss ")
    found = re.split(r'^\.It Li "(.*)"\n', body, flags=re.M)[1:]
    entries, meaning = {}, ""
    for tag, text in reversed([*zip(found[::2], found[1::2])]):
        meaning = text.split("\n.El")[0].strip() or meaning
        entries[tag.replace("\\(dq", '"')] = meaning
    return entries


def pattern(tag):
    return normal(re.sub(rf"\b(?:{'|'.join(WORDS)})\b", "{}", tag))
