"""An n-gram language model over pieces: what co-occurrence alone can tell.

Interpolated modified Kneser-Ney (Kneser & Ney 1995; Chen & Goodman 1999, section 3), with the uniform
distribution at the bottom. Everything is counted and looked up in sorted arrays, without a loop over pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError, DataError
from probekit.glossary import Progress, silent
from probekit.models.pieces import Ints
from probekit.results.bundle import load_bundle, save_bundle

ORDERS = range(1, 10)
FALLBACK = (0.5, 1.0, 1.5)
"""The discounts of an order whose counts of counts give none (no n-gram has a count of 1, 2, 3 or 4, or a discount is
outside its range); the numbers are KenLM's (Heafield et al. 2013)."""
AT_ONCE = 2_000_000
"""Pieces looked up at a time: bounds the memory of `Ngram.logprob`."""

Counts = NDArray[np.int32]


@dataclass(frozen=True, eq=False, repr=False)
class Ngram:
    """How likely a piece is after the pieces before it, counted from text.

    For a context h of k-1 pieces, p(w | h) = max(c(hw) - D(c(hw)), 0) / c(h.) + g(h) p(w | h without its first piece),
    where g(h) is the share that the discounts D1, D2, D3+ took; after an unseen h, p(w | h) is the shorter context's.
    c is the count for k = ``order`` and for what begins a sequence, else the number of distinct pieces that precede
    hw. Below the single pieces stands 1 / ``vocabulary``: no piece has probability 0, and for each context the
    probabilities of all pieces sum to 1. With ``order=1`` c is the count: a unigram model.

    Every sequence begins with a mark, which is context and never predicted; no end is predicted.

    >>> pairs = Ngram.fit([[0, 1], [0, 1], [0, 2]], order=2, vocabulary=4)
    >>> np.exp(pairs.logprob([[0, 1]])[0]).round(3)                      # after the mark; after 0
    array([0.646, 0.479])
    """

    order: int
    vocabulary: int
    keys: tuple[Ints, ...]
    """Of each length k = 1 ...: sorted (number of the first k-1 pieces) * vocabulary + last piece."""
    counts: tuple[Counts, ...]
    """c of each n-gram in `keys`."""

    def __repr__(self) -> str:
        sizes = ", ".join(f"{int((count > 0).sum()):,}" for count in self.counts)
        return f"<Ngram of order {self.order} over {self.vocabulary:,} pieces: {sizes} n-grams>"

    @classmethod
    def fit(
        cls,
        sequences: Iterable[Sequence[int] | NDArray[Any]],
        order: int = 5,
        *,
        vocabulary: int,
        progress: Progress = silent,
    ) -> Ngram:
        """Count the n-grams of sequences of piece ids from 0 to vocabulary - 1.

        Raises DataError where there is no piece to count or an id is outside the vocabulary, ConfigError for an
        order other than 1 to 9.
        """
        if isinstance(order, bool) or order not in ORDERS:
            raise ConfigError(
                f"the order of an n-gram model must be a whole number from 1 to 9, not {order!r}"
            )
        pieces, lengths = _flat(sequences)
        _check_pieces(pieces, vocabulary)
        if not len(pieces):
            raise DataError("an n-gram model needs at least one piece to count; the text given has none")
        marked, place = _marked(pieces, lengths, vocabulary)
        keys: list[Ints] = []
        counts: list[NDArray[Any]] = []
        node = marked  # of the n-gram that ends at a piece; a single piece, or the mark, is its own number
        for k in range(1, order + 1):
            progress("counting n-grams", k - 1, order)
            ends = np.flatnonzero(place >= max(k - 1, 1))
            if k == 1:
                found, inverse = np.arange(vocabulary), marked[ends]
            else:
                found, inverse = _distinct(node[ends - 1] * vocabulary + marked[ends])
                one_of = np.empty(len(found), np.int64)
                one_of[inverse] = ends
                # each distinct n-gram is one piece that precedes the (n-1)-gram it ends with
                counts[-1] = (
                    counts[-1] + np.bincount(node[one_of], minlength=len(counts[-1]))[: len(counts[-1])]
                )
            if k == order:
                count = np.bincount(inverse, minlength=len(found))
            else:
                starting = inverse[place[ends] == k - 1] if k > 1 else inverse[:0]
                count = np.bincount(starting, minlength=len(found))
                node = np.full(len(marked), -1, np.int64) if k > 1 else marked
                node[ends] = inverse
            keys.append(found)
            counts.append(count)
        progress("counting n-grams", order, order)
        return cls(order, vocabulary, tuple(keys), tuple(count.astype(np.int32) for count in counts))

    @cached_property
    def discounts(self) -> tuple[tuple[float, float, float], ...]:
        """D1, D2 and D3+ of each length, estimated from how many n-grams have counts 1, 2, 3 and 4."""
        return tuple(discounts(np.bincount(np.minimum(count, 5), minlength=6)[1:5]) for count in self.counts)

    @cached_property
    def _contexts(self) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]:
        """Of each length, by the number of the context: c(h.) and g(h) c(h.)."""
        found: list[tuple[NDArray[Any], NDArray[Any]]] = []
        for k, (keys, count, taken) in enumerate(zip(self.keys, self.counts, self.discounts, strict=True)):
            # the mark is numbered after the single pieces
            n = 1 if k == 0 else len(self.keys[k - 1]) + (k == 1)
            context = keys // self.vocabulary if k else np.zeros(len(keys), np.int64)
            by_count = np.array([0.0, *taken])
            total = np.bincount(context, weights=count, minlength=n)
            found.append((total, np.bincount(context, weights=by_count[np.minimum(count, 3)], minlength=n)))
        return tuple(found)

    def logprob(self, sequences: Sequence[Sequence[int] | NDArray[Any]]) -> list[NDArray[np.float64]]:
        """The log-probability of every piece of every sequence given those before it, in nats.

        Raises DataError where an id is outside the vocabulary.
        """
        found: list[NDArray[np.float64]] = []
        for chunk in _chunks(sequences):
            pieces, lengths = _flat(chunk)
            _check_pieces(pieces, self.vocabulary)
            marked, place = _marked(pieces, lengths, self.vocabulary)
            values = np.log(self._probability(marked, place))[place > 0]
            found += np.split(values, np.cumsum(lengths)[:-1]) if len(lengths) else []
        return found

    def _probability(self, marked: Ints, place: Ints) -> NDArray[np.float64]:
        p = np.full(len(marked), 1.0 / self.vocabulary)
        node = np.zeros(len(marked), np.int64)  # of the context, then of the n-gram; -1 is unseen
        for k in range(1, self.order + 1):
            if not len(self.keys[k - 1]):
                break  # no sequence was so long
            if k > 1:
                node[1:] = node[:-1].copy()
                node[0] = -1
                node[place < k - 1] = -1
            known = np.flatnonzero((node >= 0) & (place > 0))
            context, piece = node[known], marked[known]
            total, kept = (table[context] for table in self._contexts[k - 1])
            at = piece if k == 1 else _look_up(self.keys[k - 1], context * self.vocabulary + piece)
            count = np.where(at >= 0, self.counts[k - 1][at], 0)
            by_count = np.array([0.0, *self.discounts[k - 1]])
            seen = total > 0
            own = (count - by_count[np.minimum(count, 3)] + kept * p[known])[seen] / total[seen]
            p[known[seen]] = own
            node = np.full(len(marked), -1, np.int64)
            node[known] = at
            if k == 1:
                node[place == 0] = self.vocabulary
        return p

    def save(self, stem: str | Path) -> None:
        """Write `<stem>.safetensors` and `<stem>.json`. Raises DiskError."""
        arrays: dict[str, NDArray[Any]] = {f"keys_{k}": keys for k, keys in enumerate(self.keys, 1)}
        arrays |= {f"counts_{k}": counts for k, counts in enumerate(self.counts, 1)}
        words = {
            "order": self.order,
            "vocabulary": self.vocabulary,
            "discounts": [*map(list, self.discounts)],
        }
        save_bundle(stem, arrays, {"kind": "n-gram", **words})

    @classmethod
    def load(cls, stem: str | Path) -> Ngram:
        """Read a model back. Raises DataError where a file is absent or no n-gram model, StoreError on damage."""
        arrays, words = load_bundle(stem)
        if words.get("kind") != "n-gram":
            raise DataError(f"{stem}.json is not an n-gram model; give the stem that Ngram.save wrote")
        orders = range(1, words["order"] + 1)
        keys, counts = (tuple(arrays[f"{name}_{k}"] for k in orders) for name in ("keys", "counts"))
        return cls(words["order"], words["vocabulary"], keys, counts)


def discounts(n: Sequence[int] | NDArray[Any]) -> tuple[float, float, float]:
    """D1, D2, D3+ from how many n-grams have the counts 1, 2, 3 and 4; `FALLBACK` where these give none.

    Chen & Goodman 1999, equation 26: Y = n1 / (n1 + 2 n2), Dk = k - (k + 1) Y n(k+1) / nk.

    >>> discounts([100, 40, 20, 10]), discounts([3, 0, 0, 0])
    ((0.5555555555555556, 1.1666666666666665, 1.8888888888888888), (0.5, 1.0, 1.5))
    """
    n1, n2, n3, n4 = (int(count) for count in n)
    if min(n1, n2, n3, n4) == 0:
        return FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return found if all(0 < d <= k for k, d in enumerate(found, 1)) else FALLBACK


def _flat(sequences: Iterable[Sequence[int] | NDArray[Any]]) -> tuple[Ints, Ints]:
    """All pieces in a row, and the length of each sequence."""
    parts = [np.asarray(sequence, dtype=np.int64) for sequence in sequences]
    lengths = np.array([len(part) for part in parts], np.int64)
    return np.concatenate([np.zeros(0, np.int64), *parts]), lengths


def _check_pieces(pieces: Ints, vocabulary: int) -> None:
    if len(pieces) and not 0 <= int(pieces.min()) <= int(pieces.max()) < vocabulary:
        wrong = pieces[(pieces < 0) | (pieces >= vocabulary)][0]
        raise DataError(
            f"piece {wrong} is outside the vocabulary of {vocabulary:,} pieces (0 to {vocabulary - 1})"
        )


def _marked(pieces: Ints, lengths: Ints, vocabulary: int) -> tuple[Ints, Ints]:
    """The pieces with a mark (number ``vocabulary``) before each sequence, and each one's place behind its mark."""
    start = np.cumsum(lengths + 1) - lengths - 1
    n = len(pieces) + len(lengths)
    marked = np.full(n, vocabulary, np.int64)
    inside = np.ones(n, np.bool_)
    inside[start] = False
    marked[inside] = pieces
    return marked, np.arange(n) - np.repeat(start, lengths + 1)


def _distinct(keys: Ints) -> tuple[Ints, Ints]:
    """The distinct keys in order, and the number of each key among them."""
    order = np.argsort(keys)
    ordered = keys[order]
    new = np.ones(len(keys), np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    inverse = np.empty(len(keys), np.int64)
    inverse[order] = np.cumsum(new) - 1
    return ordered[new], inverse


def _look_up(keys: Ints, wanted: Ints) -> Ints:
    """Where each wanted key stands in the sorted keys (at least one), -1 where it does not."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, -1)


def _chunks(sequences: Sequence[Any]) -> Iterator[Sequence[Any]]:
    begin = size = 0
    for number, sequence in enumerate(sequences, 1):
        size += len(sequence)
        if size >= AT_ONCE or number == len(sequences):
            yield sequences[begin:number]
            begin, size = number, 0
