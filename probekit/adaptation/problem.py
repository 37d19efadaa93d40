"""What strategies are compared on: examples with their labels and splits, as plain values that travel to a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.examples import Examples, flat_labels, read_examples
from probekit.data.splits import split_groups
from probekit.errors import DataError, did_you_mean
from probekit.glossary import SPLITS
from probekit.maths.scores import check_metric
from probekit.results.bundle import load_bundle, save_bundle

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.data.task import Task

Array = NDArray[Any]
NO_LABEL = "(no label)"
"""What a word that a task says nothing of is called in training: a class of its own, which is never scored."""
_ARRAYS = ("split", "owner", "word", "gold", "cluster", "overlap")
_WORDS = ("task", "unit", "metric", "corpus", "labels", "n_train_labels", "texts", "ids", "left_out")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class AdaptProblem:
    """n examples (texts, pairs of texts, or sentences as words) with m labelled units.

    Labels are codes into `labels`: first those that occur in training, sorted, then those that occur only in dev or
    test, which count as wrong. Where numbers are predicted, `labels` is empty.

    Attributes
    ----------
    texts : n examples: str, (str, str) or tuple of words
    split : int8[n], index into ("train", "dev", "test")
    owner : int32[m], the example of each unit; word : int32[m], its word from 0, or -1
    gold : int32[m] codes, or float64[m]
    cluster : int32[m], what intervals resample; overlap : bool[m], the unit's text stands in train too

    >>> texts, labels = ["a dog", "dogs", "a cat", "cats"], ["sg", "pl", "sg", "pl"]
    >>> problem = AdaptProblem.of_examples(texts, labels, ["train", "train", "dev", "test"])
    >>> problem.labels, problem.part("test")
    (('pl', 'sg'), (['cats'], ['pl']))
    """

    task: str
    unit: str
    metric: str
    labels: tuple[str, ...]
    n_train_labels: int
    texts: tuple[Any, ...]
    ids: tuple[str, ...]
    split: Array
    owner: Array
    word: Array
    gold: Array
    cluster: Array
    overlap: Array
    corpus: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(self.examples_of(name)):,}" for name in SPLITS)
        what = "numbers" if self.numeric else f"{self.n_train_labels} classes"
        return f"AdaptProblem({self.task!r}, {self.unit}, {what}: {sizes} examples)"

    @property
    def numeric(self) -> bool:
        """Whether numbers are predicted."""
        return not self.labels

    def examples_of(self, split: str) -> NDArray[np.int64]:
        """The numbers of the n examples of a split, int64[n]."""
        if split not in SPLITS:
            raise DataError(f"unknown split {split!r}; {did_you_mean(split, SPLITS)}")
        return np.flatnonzero(self.split == SPLITS.index(split))

    def units_of(self, split: str) -> NDArray[np.int64]:
        """The numbers of the n units of a split, int64[n], in the order in which `part` gives their examples."""
        return np.flatnonzero(np.isin(self.owner, self.examples_of(split)))

    def part(self, split: str) -> tuple[list[Any], list[Any]]:
        """Texts and labels of a split, as `fit` takes them. A word without a label has `NO_LABEL`."""
        return self.take(self.examples_of(split))

    def take(self, examples: NDArray[np.integer[Any]]) -> tuple[list[Any], list[Any]]:
        """Texts and labels of some examples, in this order."""
        texts = [self.texts[number] for number in examples]
        return texts, [self._labels_of[number] for number in examples]

    @cached_property
    def _labels_of(self) -> list[Any]:
        values = self.gold.tolist() if self.numeric else [self.labels[code] for code in self.gold]
        if self.unit != "word":
            return values
        listed: list[list[Any]] = [[NO_LABEL] * len(text) for text in self.texts]
        for owner, word, value in zip(self.owner, self.word, values, strict=True):
            listed[owner][word] = value
        return listed

    def flat_places(self, split: str) -> NDArray[np.int64]:
        """Where the n labelled units of a split stand among all of its words (or examples), int64[n]."""
        examples, units = self.examples_of(split), self.units_of(split)
        sizes = [len(self.texts[number]) if self.unit == "word" else 1 for number in examples]
        first = np.zeros(len(self.texts), np.int64)
        first[examples] = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if sizes else 0
        places: NDArray[np.int64] = first[self.owner[units]] + self.word[units].clip(min=0)
        return places

    def fraction(self, share: float, seed: int) -> NDArray[np.int64]:
        """The numbers int64[n] of a share of the training examples, at least one of each class where that can be.

        Classes (tenths of the range of numbers) keep their shares. With the same seed, the examples of a smaller
        share are among those of a larger one. Raises DataError for a share outside (0, 1].
        """
        if not 0 < share <= 1:
            raise DataError(f"a share of the training data lies above 0 and is at most 1; got {share}")
        train = self.examples_of("train")
        if share == 1:
            return train
        order = np.random.default_rng([seed, 20_261]).permutation(len(train))
        strata = self._strata(train)[order]
        rank = np.zeros(len(order), np.float64)
        for stratum in np.unique(strata):
            here = np.flatnonzero(strata == stratum)
            rank[here] = (np.arange(len(here)) + 0.5) / len(here)
            rank[here[0]] = 0.0 if stratum >= 0 else rank[here[0]]
        n = max(round(share * len(train)), int((rank == 0).sum()))
        return np.sort(train[order[np.argsort(rank, kind="stable")[:n]]])

    def _strata(self, train: NDArray[np.int64]) -> NDArray[np.int64]:
        """A stratum per training example. Of sentences as words, the first example of a class stands for it."""
        if self.unit != "word":
            gold = self.gold[train]
            if not self.numeric:
                return gold.astype(np.int64)
            cuts = np.quantile(gold, np.arange(1, 10) / 10)
            return np.searchsorted(cuts, gold, side="right").astype(np.int64)
        strata = np.full(len(self.texts), -1, np.int64)
        if not self.numeric:
            seen: set[int] = set()
            for owner, code in zip(self.owner, self.gold, strict=True):
                if self.split[owner] == 0 and code not in seen and strata[owner] < 0:
                    seen.add(int(code))
                    strata[owner] = code
        return strata[train]

    @property
    def majority(self) -> float:
        """The code of the most frequent training label (the lower of two), or the mean of the training numbers."""
        gold = self.gold[self.units_of("train")]
        return float(gold.mean()) if self.numeric else float(np.bincount(gold).argmax())

    def save(self, stem: str | Path) -> None:
        """Write `<stem>.safetensors` and `<stem>.json`. Raises DiskError."""
        words = {name: getattr(self, name) for name in _WORDS}
        save_bundle(stem, {name: getattr(self, name) for name in _ARRAYS}, words)

    @classmethod
    def load(cls, stem: str | Path) -> AdaptProblem:
        """Read what `save` wrote. Raises DataError where absent, StoreError where damaged."""
        arrays, words = load_bundle(stem)
        for name in ("labels", "ids"):
            words[name] = tuple(words[name])
        words["texts"] = tuple(text if isinstance(text, str) else tuple(text) for text in words["texts"])
        given: dict[str, Any] = {**words, **{name: arrays[name] for name in _ARRAYS}}
        return cls(**given)

    @classmethod
    def of(cls, task: Task, corpus: Corpus) -> AdaptProblem:
        """The problem a task poses over a corpus: sentences as running text, or as their words.

        Raises DataError where a split has no unit, or training has one class.

        >>> problem = AdaptProblem.of(pk.load_task("number"), pk.generate_corpus(20, 5, 5))
        >>> problem.unit, problem.labels
        ('word', ('Plur', 'Sing'))
        """
        units = task.units(corpus)
        words = task.unit == "word"
        used, owner = np.unique(units.sentence, return_inverse=True)
        split = np.full(len(used), -1, np.int8)
        split[owner] = [SPLITS.index(name) if name in SPLITS else -1 for name in units.split]
        if words:
            _check_one_split(split[owner], units.split, task.name)
        sentences = [corpus.sentences[number] for number in used]
        return _problem(
            task=task.name,
            unit=task.unit,
            metric=task.metric,
            texts=tuple(s.words if words else s.text for s in sentences),
            ids=units.ids,
            split=split,
            owner=owner,
            word=units.word,
            values=units.labels,
            cluster=units.sentence,
            overlap=units.overlap,
            corpus=corpus.name,
            left_out=dict(units.left_out),
        )

    @classmethod
    def of_examples(
        cls,
        X: Any,
        y: Any,
        split: Sequence[str] | None = None,
        *,
        task: str = "examples",
        metric: str = "",
        seed: int = 0,
    ) -> AdaptProblem:
        """A problem of texts, pairs or lists of words with labels; `split` says of each example where it belongs.

        Without `split`, equal texts stay together, and 8 of 10 become train, 1 dev, 1 test. `metric` is accuracy,
        for numbers pearson, unless given. Labels are told as text in results.

        >>> texts = [f"the {noun} {verb}" for noun in ("dog", "cat", "cow") for verb in ("barks", "bark")]
        >>> AdaptProblem.of_examples(texts, [0, 1] * 3, ["train"] * 2 + ["dev"] * 2 + ["test"] * 2)
        AdaptProblem('examples', sentence, 2 classes: train 2, dev 2, test 2 examples)
        """
        examples = read_examples(X, y)
        values, there = _values(y, examples)
        keys = ["\0".join(text) if not isinstance(text, str) else text for text in examples.texts]
        if split is None:
            split = split_groups(keys, seed=seed)
        if len(split) != len(examples):
            raise DataError(f"{len(examples)} examples and {len(split)} splits; each needs one")
        unknown = next((name for name in split if name not in SPLITS), None)
        if unknown is not None:
            raise DataError(f"unknown split {unknown!r}; {did_you_mean(str(unknown), SPLITS)}")
        trained = {key for key, name in zip(keys, split, strict=True) if name == "train"}
        codes = np.array([SPLITS.index(name) for name in split], np.int8)
        owner = np.repeat(np.arange(len(examples)), examples.sizes)
        words = examples.unit == "word"
        word = (
            np.concatenate([np.arange(size) for size in examples.sizes]) if words else np.full(len(owner), -1)
        )
        owner, word = owner[there], word[there]
        also = np.array([key in trained for key in keys], bool) & (codes != 0)
        return _problem(
            task=task,
            unit=examples.unit,
            metric=metric or ("pearson" if values.dtype.kind == "f" else "accuracy"),
            texts=examples.texts,
            ids=tuple(f"{o}:{w + 1}" if words else str(o) for o, w in zip(owner, word, strict=True)),
            split=codes,
            owner=owner,
            word=word,
            values=values,
            cluster=owner,
            overlap=also[owner],
        )


def _values(y: Any, examples: Examples) -> tuple[Array, NDArray[np.bool_]]:
    """The labels of units (floats stay numbers, all else becomes text), and which words have one."""
    if examples.unit == "word" and y is not None:
        listed = [list(own) if isinstance(own, Sequence | np.ndarray) else own for own in y]
        flat = [label for own in listed if isinstance(own, list) for label in own]
        there = np.array([label is not None for label in flat], bool)
        if len(there) == int(examples.sizes.sum()) and not there.all():
            kept = [label for label in flat if label is not None]
            one = Examples("sentence", tuple("-" for _ in kept))
            return _spelled(flat_labels(kept, one)), there
    return _spelled(flat_labels(y, examples)), np.ones(int(examples.sizes.sum()), bool)


def _spelled(labels: Array) -> Array:
    if labels.dtype.kind == "f":
        return labels.astype(np.float64)
    return np.array([str(label) for label in labels.tolist()], object)


def _problem(*, values: Array, split: Array, owner: Array, **given: Any) -> AdaptProblem:
    where = split[owner]
    task = given["task"]
    sizes = {name: int((where == code).sum()) for code, name in enumerate(SPLITS)}
    if (split < 0).any() or not all(sizes.values()):
        told = ", ".join(f"{name} {n}" for name, n in sizes.items())
        raise DataError(f"task {task!r} needs units in train, dev and test (there are {told}); give a file for each "
                        "split, or set split = 'sentence' in the task file")  # fmt: skip
    numeric = values.dtype.kind == "f"
    labels: tuple[str, ...] = ()
    n_train = 0
    if numeric:
        if not np.isfinite(values).all():
            raise DataError(f"task {task!r}: numbers to predict must be finite")
        gold: Array = values.astype(np.float64)
    else:
        seen = sorted(set(values[where == 0].tolist()))
        labels, n_train = (*seen, *sorted(set(values.tolist()) - set(seen))), len(seen)
        if n_train < 2:
            raise DataError(
                f"task {task!r}: every training unit has the label {seen[0]!r}; two classes are needed"
            )
        number = {label: code for code, label in enumerate(labels)}
        gold = np.array([number[value] for value in values.tolist()], np.int32)
    check_metric(given["metric"])
    if numeric and given["unit"] == "word":
        n_words = np.array([len(text) for text in given["texts"]])
        if (np.bincount(owner, minlength=len(n_words)) < n_words).any():
            raise DataError(f"task {task!r} gives numbers to some words of a sentence only; strategies need one for "
                            "each word")  # fmt: skip
    if numeric != (given["metric"] in ("r2", "pearson", "spearman")):
        raise DataError(f"task {task!r}: metric {given['metric']!r} does not fit "
                        f"{'numbers' if numeric else 'classes'}")  # fmt: skip
    return AdaptProblem(
        **{**given, "cluster": given["cluster"].astype(np.int32), "word": given["word"].astype(np.int32)},
        labels=labels,
        n_train_labels=n_train,
        split=split.astype(np.int8),
        owner=owner.astype(np.int32),
        gold=gold,
    )


def _check_one_split(of_sentence: Array, of_unit: Array, task: str) -> None:
    """A sentence is read as a whole: its words cannot lie in two splits."""
    told = np.array([SPLITS.index(name) if name in SPLITS else -1 for name in of_unit], np.int8)
    if (told != of_sentence).any():
        raise DataError(f"task {task!r} splits the words of a sentence (split by word type); adaptation reads whole "
                        "sentences: set split = 'given' or 'sentence' in the task file")  # fmt: skip
