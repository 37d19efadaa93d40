"""Analogy questions: a is to b as c is to d, in sections."""

from __future__ import annotations

from typing import NamedTuple

from probekit.data.lines import Paths, expand, read_lines
from probekit.errors import DataError


class Analogy(NamedTuple):
    """One question: `a` is to `b` as `c` is to ... `d`."""

    section: str
    a: str
    b: str
    c: str
    d: str


def read_analogies(paths: Paths) -> list[Analogy]:
    """Questions in the format of questions-words.txt: ``: section`` headers, then four words a line.

    Mikolov et al. 2013, "Efficient estimation of word representations in vector space", arXiv 1301.3781. Raises
    DataError with file:line for a line of another form, and for one before the first header.

    >>> _ = Path("q.txt").write_text(": family\\nboy girl king queen\\n")
    >>> read_analogies("q.txt")[0].d
    'queen'
    """
    found: list[Analogy] = []
    for path in expand(paths):
        section = ""
        for number, line in enumerate(read_lines(path), 1):
            words = line.split()
            if not words:
                continue
            if words[0] == ":":
                section = " ".join(words[1:])
                if not section:
                    raise DataError(f"{path}:{number}: a section without a name")
            elif len(words) != 4 or not section:
                what = "a ': section' line first" if not section else "four words"
                raise DataError(f"{path}:{number}: {what} expected, got {line[:60]!r}")
            else:
                found.append(Analogy(section, *words))
    if not found:
        raise DataError("these files hold headers and no question")
    return found
