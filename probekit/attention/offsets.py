"""The best fixed offset: what a rule that looks at no word would get right of a relation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.attention.links import ALL, Links, relation_links
from probekit.data.corpus import Corpus
from probekit.errors import ConfigError
from probekit.results.measurement import Measurement

Array = NDArray[Any]

OFFSETS = (-3, -2, -1, 0, 1, 2, 3)
FIXED = "fixed-offset"


def check_offsets(offsets: Sequence[int]) -> tuple[int, ...]:
    """The offsets but 0, ascending, each once. Raises ConfigError where none is left."""
    found = sorted({int(one) for one in offsets if one == int(one) and one})
    if not found:
        raise ConfigError(f"offsets are whole numbers other than 0, as in range(-3, 4); got {list(offsets)}")
    return tuple(found)


def offset_hits(links: Links, offset: int) -> Array:
    """bool [n]: whether the word so many places from a link's source is one of its targets.

    A place outside the sentence is no word, so no target: nothing is clamped to the edge.
    """
    return links.hits(links.source + offset)


def best_offset(links: Links, offsets: Sequence[int] = OFFSETS) -> int:
    """The offset that is right most often; of equals the one nearest to 0, then the left one."""
    wanted = sorted(check_offsets(offsets), key=lambda one: (abs(one), one))
    right = [int(offset_hits(links, one).sum()) for one in wanted]
    return wanted[int(np.argmax(right))]


def offset_accuracies(
    corpus: Corpus,
    split: str = "",
    relation: str | Sequence[str] = ALL,
    offsets: Sequence[int] = OFFSETS,
    *,
    direction: str = "dependent",
    roots: bool = True,
) -> tuple[Measurement, ...]:
    """How often the word at each fixed offset is the head (or, from the head, a dependent) by the relation.

    One row for each relation and offset, group ``relation=det direction=dependent offset=+1``; a place outside the
    sentence is wrong. Of ``"all"`` followed from the dependent, the words include roots, which have no head and so are
    wrong at every offset (Clark et al. 2019, their baseline; the numbers of the page differ from theirs by treebank);
    with ``roots=False`` they are left out, as `align_heads` leaves them out. `split` "" takes all sentences.

    Raises ConfigError (offsets, direction), DataError (no such split, relation or column).

    >>> rows = pk.offset_accuracies(pk.generate_corpus(20, 4, 4), "train", "det", offsets=[1, 2])
    >>> [(row.group.split()[-1], row.n) for row in rows]
    [('offset=+1', 29), ('offset=+2', 29)]
    """
    part = corpus.split(split) if split else corpus
    names = [relation] if isinstance(relation, str) else list(relation)
    found = []
    for name in names:
        links = relation_links(part, name, direction)
        n = len(links)
        if roots and name == ALL and direction == "dependent":
            n += sum(sentence.columns.get("head", ()).count("0") for sentence in part)
        found += [
            Measurement(
                corpus=corpus.name, site="heads", method="the word at a fixed offset", control=FIXED,
                split=split or "all", group=f"relation={name} direction={direction} offset={one:+d}", metric="accuracy",
                value=float(offset_hits(links, one).sum()) / n, n=n,
            )
            for one in check_offsets(offsets)
        ]  # fmt: skip
    return tuple(found)
