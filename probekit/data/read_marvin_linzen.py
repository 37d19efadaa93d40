"""Sentences from templates, a good one (True) and a bad one (False) in turn."""

from __future__ import annotations

import re

from probekit.data.lines import Paths, common_name, expand, read_lines, stem
from probekit.data.suite import Item, Suite, pair_suite, sentence_pair
from probekit.errors import DataError

POLARITY = "ever"


def read_marvin_linzen(paths: Paths, *, name: str = "") -> Suite:
    """Pairs of whole sentences; phenomenon is the file's stem, and construction the same without _anim and _inanim.

    Marvin and Linzen 2018, "Targeted syntactic evaluation of language models", EMNLP, in the form in which LM_syneval
    and CLAMS publish it. Each pair is an item. Pairs that one template fills with the same words up to the first
    difference share their subject noun phrase and stand or fall together, so they are one cluster: see `frame_of`.
    Raises DataError with file:line.
    """
    files = expand(paths)
    items = []
    for path in files:
        good, n = "", 0
        for number, line in enumerate(read_lines(path), 1):
            place = f"{path}:{number}"
            label, _, sentence = line.strip().partition("\t")
            wanted = "False" if good else "True"
            if label != wanted or not sentence.strip():
                raise DataError(f"{place}: {wanted!r}, a tab and a sentence expected, got {line[:60]!r}")
            if not good:
                good = sentence.strip()
                continue
            bad, n = sentence.strip(), n + 1
            groups = {
                "phenomenon": stem(path),
                "construction": re.sub(r"_(in)?anim$", "", stem(path)),
            }
            cluster = f"{stem(path)}: {frame_of(good, bad)}"
            items.append(
                Item(f"{stem(path)}-{n}", sentence_pair(good, bad), cluster, groups, f"{path}:{number - 1}")
            )
            good = ""
        if good:
            raise DataError(f"{path}:{number}: the last good sentence has no bad one after it")
    return pair_suite(name or common_name(files), items, "sentence")


def frame_of(good: str, bad: str) -> str:
    """What pairs of one template must share to be resampled together.

    The words before the first difference ("the author that the guards like" of laughs/laugh); where the sentences
    differ from the first word on ("no authors ... ever", "the authors ... ever"), the good one up to its polarity
    item; else the whole good sentence.

    >>> from probekit.data.read_marvin_linzen import frame_of
    >>> frame_of("the author laughs", "the author laugh"), frame_of("no boy ever ran", "the boy ever ran")
    ('the author', 'no boy')
    """
    first, second = good.split(), bad.split()
    shared = 0
    while shared < min(len(first), len(second)) and first[shared] == second[shared]:
        shared += 1
    if not shared:
        shared = first.index(POLARITY) if POLARITY in first else len(first)
    return " ".join(first[:shared])
