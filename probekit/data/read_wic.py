"""Word in Context: pairs of texts with one word in each, which means the same in both or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.data.corpus import Corpus
from probekit.data.lines import Paths, expand, read_lines, split_of
from probekit.data.sentence import Sentence
from probekit.errors import DataError

Array = NDArray[Any]
GOLD = {"T": True, "F": False}


@dataclass(frozen=True, eq=False, repr=False)
class WordPairs:
    """n pairs of occurrences of a word.

    ``sentence`` and ``word`` int64[n, 2]: where the two occurrences are in `corpus`; ``same`` bool[n]: whether they
    mean the same; ``target`` the word looked at, ``pos`` N or V, ``split``, ``ids`` [n] each.
    """

    corpus: Corpus
    sentence: Array
    word: Array
    same: Array
    target: tuple[str, ...]
    pos: tuple[str, ...]
    split: tuple[str, ...]
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{s} {self.split.count(s):,}" for s in dict.fromkeys(self.split))
        return f"WordPairs({sizes}; {len(set(self.target)):,} words, {len(self.corpus):,} texts)"

    @cached_property
    def same_form(self) -> Array:
        """Whether the two occurrences are written alike but for capitals, bool[n]."""
        forms = [[self.corpus[int(s)].words[w].lower() for s, w in zip(a, b, strict=True)]
                 for a, b in zip(self.sentence, self.word, strict=True)]  # fmt: skip
        same: Array = np.array([one == other for one, other in forms], dtype=bool)
        return same

    @cached_property
    def overlap(self) -> Array:
        """Whether a text of a dev or test pair also stands in train, bool[n]."""
        splits = np.array(self.split)
        texts = np.array([[self.corpus[int(s)].text for s in pair] for pair in self.sentence], dtype=object)
        train = set(texts[splits == "train"].ravel())
        shared = np.array([any(text in train for text in pair) for pair in texts], dtype=bool)
        found: Array = shared & (splits != "train")
        return found

    def take(self, places: Array) -> WordPairs:
        """The pairs at these places; the corpus stays whole."""
        return replace(
            self, sentence=self.sentence[places], word=self.word[places], same=self.same[places],
            target=_at(self.target, places), pos=_at(self.pos, places), split=_at(self.split, places),
            ids=_at(self.ids, places),
        )  # fmt: skip

    def about(self, word: str) -> WordPairs:
        """The pairs of one word. Raises DataError where there are none."""
        places = np.flatnonzero(np.array(self.target) == word)
        if not len(places):
            raise DataError(f"no pair is about {word!r}")
        return self.take(places)


def read_wic(paths: Paths, *, name: str = "") -> WordPairs:
    """Read ``*.data.txt`` files, each with its ``*.gold.txt`` beside it; the split is what the file's name says.

    A line has the word, N or V, the places of the two occurrences (``3-7``, from 0, in the words between spaces) and
    two texts, between tabs; the gold line is T or F. A text that a split has twice is one sentence of the corpus.
    Pilehvar & Camacho-Collados 2019, "WiC", arXiv 1808.09121. Raises DataError with file:line.

    >>> _ = Path("test.data.txt").write_text("play\\tV\\t0-1\\tPlay chess .\\tThey played Hamlet .\\n")
    >>> _ = Path("test.gold.txt").write_text("F\\n")
    >>> pairs = read_wic("test.data.txt")
    >>> pairs.same.tolist(), pairs.word.tolist()
    ([False], [[0, 1]])
    """
    files = [path for path in expand(paths) if not path.name.endswith(".gold.txt")]
    if not files:
        raise DataError("no file of pairs was named; name the *.data.txt files")
    sentences: dict[tuple[str, str], int] = {}
    made: list[Sentence] = []
    columns: dict[str, list[Any]] = {key: [] for key in ("s", "w", "same", "target", "pos", "split", "ids")}
    for path in files:
        split = split_of(path) or "test"
        lines, gold = read_lines(path), _gold(path)
        if len(gold) != len(lines):
            raise DataError(f"{path}: {len(lines)} pairs, and {len(gold)} lines of gold beside it")
        for number, (line, answer) in enumerate(zip(lines, gold, strict=True), 1):
            place = f"{path}:{number}"
            target, pos, places, texts = _fields(line, place)
            pair = []
            for text in texts:
                if (split, text) not in sentences:
                    sentences[split, text] = len(made)
                    id = f"{split}-{len(made) + 1}"
                    made.append(Sentence.from_words(id, text.split(" "), split=split, place=place))
                pair.append(sentences[split, text])
            for text, word in zip(texts, places, strict=True):
                if word >= len(text.split(" ")):
                    raise DataError(f"{place}: place {word} in a text of {len(text.split(' '))} words")
            for key, value in zip(
                columns, (pair, places, answer, target, pos, split, f"{split}:{number}"), strict=True
            ):
                columns[key].append(value)
    corpus = Corpus(made, name or "wic", [path.name for path in files], text_form="words")
    return WordPairs(
        corpus, np.array(columns["s"], dtype=np.int64), np.array(columns["w"], dtype=np.int64),
        np.array(columns["same"], dtype=bool), tuple(columns["target"]), tuple(columns["pos"]),
        tuple(columns["split"]), tuple(columns["ids"]),
    )  # fmt: skip


def _gold(path: Path) -> list[bool]:
    beside = path.with_name(path.name.replace(".data.", ".gold."))
    if beside == path or not beside.is_file():
        raise DataError(f"{path}: its gold file {beside.name} is not beside it")
    found = []
    for number, line in enumerate(read_lines(beside), 1):
        if line.strip() not in GOLD:
            raise DataError(f"{beside}:{number}: T or F expected, got {line[:20]!r}")
        found.append(GOLD[line.strip()])
    return found


def _fields(line: str, place: str) -> tuple[str, str, list[int], list[str]]:
    fields = line.split("\t")
    if len(fields) != 5:
        raise DataError(
            f"{place}: word, N or V, places and two texts between tabs expected, got {line[:60]!r}"
        )
    target, pos, places, *texts = fields
    numbers = places.split("-")
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise DataError(f"{place}: two places such as 3-7 expected, got {places!r}")
    return target, pos, [int(number) for number in numbers], [text.strip(" ") for text in texts]


def _at(values: Sequence[str], places: Array) -> tuple[str, ...]:
    return tuple(values[i] for i in places)
