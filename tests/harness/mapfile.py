"""Maps, compiled by the real onionmap."""

import subprocess

from .proc import program

ONIONMAP = program("ONIONMAP", "build/onionmap")


def compile_map(text, path):
    """Compiles to path, replacing what is there as onionmap does. Returns path."""
    source = path.with_suffix(".txt")
    source.write_text(text)
    done = subprocess.run(
        [*ONIONMAP, "compile", "-o", path, source], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return path
