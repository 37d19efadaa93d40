"""The gold trees of a corpus as numbers, and which of their words are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.data.corpus import Corpus
from probekit.data.sentence import MISSING, Sentence
from probekit.errors import DataError

Array = NDArray[Any]
PUNCTUATION = "PUNCT"


@dataclass(frozen=True, eq=False)
class GoldTree:
    """``heads`` int64 ``[words]``: the number of each word's head from 0, -1 for the root, -2 where none is annotated;
    ``punctuation`` bool ``[words]``."""

    heads: Array
    punctuation: Array


def gold_trees(corpus: Corpus, split: str) -> tuple[Corpus, list[GoldTree]]:
    """The sentences of a split and their trees.

    Raises DataError where the split is absent or empty, has no column ``head``, or a head is no number of a word.
    Where there is no column ``upos`` nothing is punctuation.
    """
    own = corpus.split(split)
    if not any("head" in sentence.columns for sentence in own):
        raise DataError(
            f"corpus {corpus.name!r}: no sentence of {split!r} has the column 'head', so that there are no gold trees; "
            "read a treebank (pk.read_conllu)"
        )
    trees = [read_tree(sentence) for sentence in own]
    if not any((tree.heads >= 0).any() for tree in trees):
        raise DataError(f"corpus {corpus.name!r}: no word of {split!r} has a head; there is nothing to score")
    return own, trees


def read_tree(sentence: Sentence) -> GoldTree:
    """The tree of one sentence. Raises DataError where a head is no number of a word.

    >>> read_tree(Sentence.from_words("1", ["Keys", "rust"], columns={"head": ["2", "0"]})).heads.tolist()
    [1, -1]
    """
    given = sentence.columns.get("head", (MISSING,) * len(sentence))
    upos = sentence.columns.get("upos", (MISSING,) * len(sentence))
    heads = np.full(len(sentence), -2, dtype=np.int64)
    for word, head in enumerate(given):
        if head == MISSING:
            continue
        if not head.isdigit() or int(head) > len(sentence) or int(head) == word + 1:
            raise DataError(
                f"{sentence.location}: word {word + 1} has the head {head!r}; a number from 0 to {len(sentence)} of "
                "another word is needed"
            )
        heads[word] = int(head) - 1
    return GoldTree(heads, np.array([tag == PUNCTUATION for tag in upos], dtype=np.bool_))


def joined(values: Sequence[Array], dtype: Any = np.float64) -> Array:
    """One array of many, empty where there is none."""
    found: Array = np.concatenate([np.zeros(0, dtype), *values]).astype(dtype)
    return found
