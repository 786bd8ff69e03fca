"""Figures side by side: ours, what it is measured against, and how they should compare."""

import statistics
from typing import NamedTuple


BEGIN, END = "<!-- table -->", "<!-- end of the table -->"


class Row(NamedTuple):
    what: str
    ours: str
    reference: str
    ratio: str
    wanted: str
    reached: bool


def median(values):
    return statistics.median(list(values))


def compare(what, ours, reference, unit, *, at_most=None, at_least=None):
    """The ratio of two figures of one run. Without a limit it is there to be known."""
    ratio = ours / reference
    wanted, reached = "", True
    if at_most is not None:
        wanted, reached = f"<= {at_most:g}", ratio <= at_most
    if at_least is not None:
        wanted, reached = f">= {at_least:g}", ratio >= at_least
    shown = [f"{figure:.3g} {unit}" for figure in (ours, reference)]
    return Row(what, *shown, f"{ratio:.2f}", wanted, reached)


def limit(what, figure, unit, at_most):
    """A figure that has a limit of its own."""
    wanted = f"<= {at_most:g} {unit}"
    return Row(what, f"{figure:.3g} {unit}", "", "", wanted, figure <= at_most)


def figure(what, figure, unit):
    """A figure that is there to be known."""
    return Row(what, f"{figure:.3g} {unit}", "", "", "", True)


def as_markdown(rows):
    head = Row("what", "onionmxd", "reference", "ratio", "wanted", True)
    lines = [[*head[:5], ""], *([*r[:5], "" if r.reached else "missed"] for r in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(6)]
    text = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths)) + " |"
        for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(text) + "\n"


def save(text, readme):
    """In place of the table that is there."""
    old = readme.read_text()
    head, _, rest = old.partition(BEGIN)
    _, _, tail = rest.partition(END)
    readme.write_text(f"{head}{BEGIN}\n{text}{END}{tail}")
