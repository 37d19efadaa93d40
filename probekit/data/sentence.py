"""A sentence as a corpus gives it: words, running text, where each word stands in it, and its annotation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from probekit.errors import DataError

MISSING = "_"
"""What a column holds where nothing is annotated, as in CoNLL-U."""


def spans_inside(text: str, span: tuple[int, int], words: Sequence[str]) -> list[tuple[int, int]]:
    """The span of each word of a written word: its own part where the words spell it, else the whole.

    ``don't`` is spelt by ``do`` and ``n't``, so each has letters of its own; French ``du`` is not spelt by ``de`` and
    ``le``, which share it.

    >>> spans_inside("I don't", (2, 7), ["do", "n't"]), spans_inside("du", (0, 2), ["de", "le"])
    ([(2, 4), (4, 7)], [(0, 2), (0, 2)])
    """
    start, stop = span
    if "".join(words) != text[start:stop]:
        return [span] * len(words)
    ends = list(accumulate(map(len, words), initial=start))
    return list(pairwise(ends))


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, never changed after reading.

    ``offsets[i]`` is the span of word i in ``text``; the words of a multiword token share its span,
    unless they spell it (`spans_inside`). ``columns`` has
    one value per word (``"_"`` = not annotated; ``head`` counts from 1, ``"0"`` = root), ``attributes`` one value
    per sentence. ``place`` (file:line) serves messages only and belongs to no hash and no comparison.

    Raises DataError where lengths disagree or a span lies outside the text.

    >>> Sentence.from_text("s1", "Keys  rust.").offsets
    ((0, 4), (6, 11))
    """

    id: str
    words: tuple[str, ...]
    text: str
    offsets: tuple[tuple[int, int], ...]
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    split: str = ""
    document: str = ""
    place: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        n = len(self.words)
        if len(self.offsets) != n:
            raise DataError(f"{self.location}: {n} words but {len(self.offsets)} offsets")
        for name, values in self.columns.items():
            if len(values) != n:
                raise DataError(f"{self.location}: {n} words but {len(values)} values in column {name!r}")
        end = len(self.text)
        for start, stop in self.offsets:
            if not 0 <= start <= stop <= end:
                raise DataError(
                    f"{self.location}: span {start}:{stop} lies outside the text of {end} characters"
                )

    def __len__(self) -> int:
        return len(self.words)

    def __hash__(self) -> int:
        return hash((self.id, self.split, self.text))

    @property
    def location(self) -> str:
        """How messages name this sentence: its place in a file, or its id."""
        return f"{self.place} (sentence {self.id!r})" if self.place else f"sentence {self.id!r}"

    @classmethod
    def from_text(
        cls,
        id: str,
        text: str,
        *,
        attributes: Mapping[str, str] | None = None,
        split: str = "",
        document: str = "",
        place: str = "",
    ) -> Sentence:
        """A sentence whose words are what whitespace separates; the text is kept to the character."""
        spans = tuple(match.span() for match in re.finditer(r"\S+", text))
        words = tuple(text[start:stop] for start, stop in spans)
        return cls(id, words, text, spans, {}, dict(attributes or {}), split, document, place)

    @classmethod
    def from_words(
        cls,
        id: str,
        words: Iterable[str],
        *,
        columns: Mapping[str, Iterable[str]] | None = None,
        attributes: Mapping[str, str] | None = None,
        split: str = "",
        document: str = "",
        place: str = "",
    ) -> Sentence:
        """A sentence of given words; its text is the words joined by one space."""
        words = tuple(words)
        offsets, start = [], 0
        for word in words:
            offsets.append((start, start + len(word)))
            start += len(word) + 1
        values = {name: tuple(column) for name, column in (columns or {}).items()}
        return cls(
            id, words, " ".join(words), tuple(offsets), values, dict(attributes or {}), split, document, place
        )
