"""Counts, splits and twins as words of a sentence, and small tables for a notebook."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from probekit.results.formats import format_score
from probekit.results.html import escape, table

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus

EVERY_SPLIT = "all"
"""What rows over several splits at once say in the place of one."""
SHOWN = 15
"""Rows of a table in a notebook; `.table()` has all."""


def counted(n: int, what: str) -> str:
    """A number of things.

    >>> from probekit.attention.counted import counted
    >>> counted(1, "sentence"), counted(1200, "text")
    ('1 sentence', '1,200 texts')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def twins_told(n: int) -> str:
    """How many random twins.

    >>> from probekit.attention.counted import twins_told
    >>> twins_told(1), twins_told(3)
    ('one random twin', '3 random twins')
    """
    return "one random twin" if n == 1 else f"{n} random twins"


def split_of(corpus: Corpus) -> str:
    """The split that all sentences are of, "" where they are of none, "all" where they are of several."""
    names = list(corpus.sizes)
    return names[0] if len(names) == 1 else EVERY_SPLIT


def sentences_told(n: int, split: str) -> str:
    """So many sentences, and of which split.

    >>> from probekit.attention.counted import sentences_told
    >>> sentences_told(1, "test"), sentences_told(20, "all"), sentences_told(2, "")
    ('1 sentence of test', '20 sentences of all splits', '2 sentences')
    """
    of = {"": "", EVERY_SPLIT: " of all splits"}.get(split, f" of {split}")
    return counted(n, "sentence") + of


def near_zero(value: float | None) -> str:
    """A difference as `format_score` writes it, "about 0" where nothing is left of it in three places.

    >>> from probekit.attention.counted import near_zero
    >>> near_zero(-0.0002), near_zero(0.25)
    ('about 0', '0.250')
    """
    return "about 0" if value is not None and abs(value) < 0.0005 else format_score(value)


def cell(value: float | None, places: int = 3) -> str:
    """A number of a small table; nothing where it is not defined.

    >>> from probekit.attention.counted import cell
    >>> cell(None), cell(float("nan")), cell(0.5)
    ('', '', '0.500')
    """
    return "" if value is None or not math.isfinite(value) else format_score(value, places)


def paragraph_and_table(summary: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """What a notebook shows: the sentence and a small table under it."""
    more = len(rows) - SHOWN
    note = f"<p>{counted(more, 'row')} more: see panels and <code>.table()</code>.</p>" if more > 0 else ""
    return f"<p>{escape(summary)}</p>{table(columns, rows[:SHOWN]).html}{note}"
