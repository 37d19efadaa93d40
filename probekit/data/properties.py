"""Labels that no column holds but the annotation implies: depth, position, length, relation, word content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from probekit.data.sentence import MISSING, Sentence
from probekit.errors import DataError

Values = list[str | float | None]
"""One value per word (or one, for a sentence); None where the property is not defined."""


@dataclass(frozen=True)
class Property:
    """A derived label: for which unit, numeric or not, and which column it needs."""

    unit: str
    kind: str
    needs: str
    of: Callable[[Sentence], Values]


def depths(sentence: Sentence) -> list[int | None]:
    """Arcs from each word up to the root word (root = 0); None where heads are missing or run in a circle.

    Hewitt and Manning 2019, "A structural probe for finding syntax in word representations".

    >>> depths(Sentence.from_words("s", ["keys", "rust", "."], columns={"head": ["2", "0", "2"]}))
    [1, 0, 1]
    """
    heads = [int(h) - 1 if h.isdecimal() else None for h in sentence.columns["head"]]
    found: dict[int, int | None] = {}
    for word in range(len(heads)):
        path: list[int] = []
        at: int | None = word
        while at is not None and at >= 0 and at not in found and at not in path:
            path.append(at)
            at = heads[at]
        # `at` is now -1 (above the root), a word already known, a word of this path (a circle), or None
        depth = -1 if at == -1 else found.get(at) if at is not None else None
        for step in reversed(path):
            depth = None if depth is None else depth + 1
            found[step] = depth
    return [found[word] for word in range(len(heads))]


def _depths(sentence: Sentence) -> Values:
    return [None if d is None else float(d) for d in depths(sentence)]


def _tree_depth(sentence: Sentence) -> Values:
    known = depths(sentence)
    return [float(max(d for d in known if d is not None)) if known and None not in known else None]


def _positions(sentence: Sentence) -> Values:
    return [float(i) for i in range(1, len(sentence) + 1)]


def _relative_positions(sentence: Sentence) -> Values:
    n = len(sentence)
    return [i / (n - 1) for i in range(n)] if n > 1 else [None] * n


def _length(sentence: Sentence) -> Values:
    return [float(len(sentence))]


def _relations(sentence: Sentence) -> Values:
    return [None if r == MISSING else r.partition(":")[0] for r in sentence.columns["deprel"]]


PROPERTIES = {
    "dependency_depth": Property("word", "number", "head", _depths),
    "position": Property("word", "number", "", _positions),
    "relative_position": Property("word", "number", "", _relative_positions),
    "relation": Property("word", "classes", "deprel", _relations),
    "sentence_length": Property("sentence", "number", "", _length),
    "tree_depth": Property("sentence", "number", "head", _tree_depth),
}
"""Derived labels by name; `word_content` stands apart, since it looks at the whole corpus first."""


@lru_cache(maxsize=65536)
def features(feats: str) -> dict[str, str]:
    """A FEATS value as a mapping.

    >>> features("Number=Plur|Person=3")
    {'Number': 'Plur', 'Person': '3'}
    """
    if feats in (MISSING, ""):
        return {}
    return {name: value for name, _, value in (pair.partition("=") for pair in feats.split("|"))}


def content_words(train: Iterable[Sentence], *, words: int, skip: int) -> frozenset[str]:
    """Words of middling frequency: ranks skip+1 ... skip+words of the lower-cased alphabetic words in train.

    Ranked by the number of train sentences that have the word, equal ones by spelling. Raises DataError where
    train has fewer words than that.
    """
    counts: Counter[str] = Counter()
    for sentence in train:
        counts.update({form.lower() for form in sentence.words if form.isalpha()})
    ranked = sorted(counts, key=lambda form: (-counts[form], form))
    if len(ranked) < skip + words:
        raise DataError(
            f"word content asks for the words of rank {skip + 1} to {skip + words} of train, which has"
            f" {len(ranked)}; lower skip or words in the task's options"
        )
    return frozenset(ranked[skip : skip + words])


def word_content(sentence: Sentence, targets: frozenset[str]) -> str | None:
    """Which of the targets the sentence has; None unless it has exactly one of them, once or more.

    Conneau et al. 2018, task WC.
    """
    found = targets.intersection(form.lower() for form in sentence.words)
    return next(iter(found)) if len(found) == 1 else None
