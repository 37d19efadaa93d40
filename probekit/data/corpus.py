"""A frozen collection of sentences with splits and a content hash."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from probekit.data.sentence import Sentence
from probekit.errors import DataError, did_you_mean
from probekit.glossary import SPLITS, TextForm
from probekit.results.files import tagged_hash


@dataclass(frozen=True)
class Overlap:
    """Sentences of one split whose text stands, character for character, in another split too.

    ``counts["test in train"]`` is the number of test sentences (repeats counted) with a twin in train;
    ``ids`` names them. Empty texts are not counted.
    """

    counts: Mapping[str, int]
    ids: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, repr=False)
class Corpus:
    """Sentences in a fixed order, known by what they contain and not by where they lie.

    ``text_form`` is ``"words"`` where the source has no running text (word/tag files), else ``"surface"``.
    Raises DataError, naming both places, where two sentences have one id or one document stands in two splits.

    >>> corpus = Corpus([Sentence.from_text("a", "Keys rust.", split="train")], name="tiny")
    >>> corpus.sizes, len(corpus.hash)
    ({'train': 1}, 64)
    """

    sentences: Sequence[Sentence]
    name: str = ""
    files: Sequence[str] = ()
    licence: str = ""
    text_form: TextForm = "surface"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentences", tuple(self.sentences))
        object.__setattr__(self, "files", tuple(self.files))
        self._by_id  # noqa: B018 - built at once, since building it refuses doubled ids

    @cached_property
    def _by_id(self) -> Mapping[str, int]:
        return _index(self.sentences)

    def __len__(self) -> int:
        return len(self.sentences)

    def __iter__(self) -> Iterator[Sentence]:
        return iter(self.sentences)

    def __getitem__(self, key: int | str) -> Sentence:
        """A sentence by its number or by its id."""
        if not isinstance(key, str):
            return self.sentences[key]
        try:
            return self.sentences[self._by_id[key]]
        except KeyError:
            raise DataError(
                f"corpus {self.name!r} has no sentence {key!r}; {_near(key, self._by_id)}"
            ) from None

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split or 'no split'} {n:,}" for split, n in self.sizes.items())
        return f"Corpus({self.name!r}: {sizes} sentences, {self.n_words:,} words)"

    def __hash__(self) -> int:
        return hash(self.hash)

    @cached_property
    def hash(self) -> str:
        """Sha256 of everything a result can depend on: ids, words, text, offsets, annotation, splits, order."""
        return tagged_hash("probekit.corpus.1", b"\n".join(_canonical(s, annotation=True) for s in self))

    @cached_property
    def text_hash(self) -> str:
        """Sha256 of what a model reads: ids in order, words, text, offsets. Labels and splits may change freely."""
        return tagged_hash("probekit.text.1", b"\n".join(_canonical(s, annotation=False) for s in self))

    @property
    def sizes(self) -> dict[str, int]:
        """Sentences per split, in the order train, dev, test; ``""`` for sentences that belong to none."""
        found = [s.split for s in self.sentences]
        return {split: found.count(split) for split in (*SPLITS, "") if split in found}

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have sentences."""
        return tuple(split for split in self.sizes if split)

    @property
    def n_words(self) -> int:
        """Words over all sentences."""
        return sum(map(len, self.sentences))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the word columns that any sentence has, sorted."""
        return tuple(sorted(set().union(*(s.columns for s in self.sentences))))

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """Names of the sentence attributes that any sentence has, sorted."""
        return tuple(sorted(set().union(*(s.attributes for s in self.sentences))))

    def split(self, name: str) -> Corpus:
        """The sentences of one split, as a corpus of its own."""
        if name not in self.sizes:
            raise DataError(f"corpus {self.name!r} has no split {name!r}; {did_you_mean(name, self.splits)}")
        return Corpus(
            [s for s in self if s.split == name], self.name, self.files, self.licence, self.text_form
        )

    def split_by(
        self, by: str, *, fractions: tuple[float, float, float] = (0.8, 0.1, 0.1), seed: int = 0
    ) -> Corpus:
        """The same sentences split anew, whole sentences or whole documents together (`assign_splits`).

        A split by sentence takes sentences for independent of their documents, so it forgets which those were.
        """
        from probekit.data.splits import assign_splits

        given = assign_splits(self, by, fractions=fractions, seed=seed)
        kept = (s if by == "document" else replace(s, document="") for s in self)
        moved = [replace(s, split=split) for s, split in zip(kept, given, strict=True)]
        return Corpus(moved, self.name, self.files, self.licence, self.text_form)

    def overlap(self) -> Overlap:
        """Equal texts between splits, for each pair of a later split in an earlier one (`Overlap`)."""
        texts = {split: {s.text for s in self if s.split == split and s.text} for split in self.splits}
        ids: dict[str, tuple[str, ...]] = {}
        for number, later in enumerate(self.splits):
            for earlier in self.splits[:number]:
                ids[f"{later} in {earlier}"] = tuple(
                    s.id for s in self if s.split == later and s.text in texts[earlier]
                )
        return Overlap({pair: len(found) for pair, found in ids.items()}, ids)


def _index(sentences: Sequence[Sentence]) -> dict[str, int]:
    """Position of every id; refuses what would let one sentence or document stand on both sides of a split."""
    by_id: dict[str, int] = {}
    documents: dict[str, Sentence] = {}
    for position, sentence in enumerate(sentences):
        if sentence.split and sentence.split not in SPLITS:
            hint = did_you_mean(sentence.split, SPLITS)
            raise DataError(f"{sentence.location}: unknown split {sentence.split!r}; {hint}")
        if sentence.id in by_id:
            first = sentences[by_id[sentence.id]]
            raise DataError(
                f"{sentence.location}: this id was already given at {first.place or 'an earlier sentence'}"
                f" (splits {first.split or 'none'!r} and {sentence.split or 'none'!r}); ids must be unique in a corpus"
            )
        by_id[sentence.id] = position
        if sentence.document:
            first = documents.setdefault(sentence.document, sentence)
            if first.split != sentence.split:
                raise DataError(
                    f"{sentence.location}: document {sentence.document!r} stands in {sentence.split or 'no split'!r}"
                    f" and, at {first.location}, in {first.split or 'no split'!r}; keep a document in one split"
                )
    return by_id


def _near(key: str, known: Mapping[str, int]) -> str:
    return did_you_mean(key, known) if len(known) < 1000 else f"it has {len(known):,} others"


def _canonical(sentence: Sentence, *, annotation: bool) -> bytes:
    """One line of ASCII JSON (a line break inside a text is escaped, so lines cannot be confused)."""
    parts: list[object] = [sentence.id, sentence.words, sentence.text, sentence.offsets]
    if annotation:
        parts += [sentence.split, sentence.document]
        parts += [sorted(sentence.columns.items()), sorted(sentence.attributes.items())]
    return json.dumps(parts, separators=(",", ":")).encode("ascii")
