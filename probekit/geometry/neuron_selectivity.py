"""Which neuron tells a label from the rest, or follows a number, best of all: chosen on dev, reported on test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.activations.extract import extract
from probekit.activations.store import Store
from probekit.data.corpus import Corpus
from probekit.data.task import Task
from probekit.data.units import Units
from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.geometry.neuron_activity import as_twins
from probekit.geometry.selective import Best, Choice, NeuronSelectivity, choose_best, report_on
from probekit.geometry.stored import check_whole
from probekit.geometry.word_numbers import NUMBERS, WordFunction, as_task
from probekit.glossary import SPLITS, Progress, silent
from probekit.maths.rank_effects import Target

if TYPE_CHECKING:
    from probekit.models.model import Model

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Part:
    """The units of one split that are looked at: labels, their sentence, their rows in stored activations."""

    split: str
    units: Units
    given: Array
    """float64 [n, k]: the numbers that are held fixed."""


def neuron_selectivity(
    model: Model,
    corpus: Corpus,
    label: Task | str | WordFunction,
    layers: str | int | Iterable[int | str] = "all",
    site: str = "mlp",
    *,
    given: Sequence[str] = ("position",),
    choose: str = "dev",
    report: str = "test",
    min_count: int = 10,
    most: int = 10_000,
    permutations: int = 199,
    twins: int | Sequence[Model] = 1,
    pool: str = "mean",
    resamples: int = 1000,
    seed: int = 0,
    store: Store | str | Path | None = None,
    progress: Progress = silent,
) -> NeuronSelectivity:
    """For every label the neuron that tells it from all others best; for a number the neuron that follows it best.

    A neuron is judged alone. For a label: the area under the ROC curve of its activation, high or low; for a number:
    Spearman's correlation, and the partial one with the numbers in `given` held fixed (depth and position hang
    together). The neuron is chosen on one split and reported on another. The best of thousands is high by chance too:
    beside it stand p against the permuted maximum over all neurons (labels of whole sentences change places), and the
    neuron of a random twin that is chosen in the same way.

    Parameters
    ----------
    label : a task (or its name) that labels words or sentences; "bracket_depth", "inside_quotes", "position",
        "sentence_length"; or a function that gives for a sentence a number, a label, or None for each word
    given : numbers by name that are held fixed where the label is a number of words
    min_count : units a label, and the rest, must have in both splits; a rarer label is not scored and says so
    most : units of a split at most: whole sentences, drawn with `seed`
    twins : random twins: a number, or models
    store : where the activations are kept; without one nothing is

    Raises ConfigError (layer, site, option), DataError (no unit in a split, one label only, a constant number).

    >>> corpus = pk.generate_corpus(30, 30, 30)
    >>> found = pk.neuron_selectivity(pk.load_model("demo:minilm"), corpus, "number", [2], permutations=19)
    >>> [best.label for best in found.best]
    ['Plur', 'Sing']
    """
    _check(choose, report)
    for least, told in (
        (0, {"permutations": permutations, "seed": seed}),
        (1, {"resamples": resamples}),
        (2, {"min_count": min_count}),
        (10, {"most": most}),
    ):
        check_whole(least, **told)
    others = as_twins(model, twins)
    if not corpus.n_words:
        raise DataError(f"corpus {corpus.name!r} has no word to read; give texts with words in them")
    task, corpus = as_task(label, corpus)
    units = _units(task, corpus)
    for name in given:
        if name not in NUMBERS:
            raise ConfigError(f"no number {name!r} to hold fixed; {did_you_mean(name, NUMBERS)}")
    held = tuple(given) if units.numeric and units.unit == "word" else ()
    parts = [_part(units, corpus, split, held, most, seed) for split in (choose, report)]
    questions = _questions(task, parts, held, min_count)
    wanted = sorted({int(one) for part in parts for one in part.units.sentence})
    read = Corpus([corpus[i] for i in wanted], corpus.name, corpus.files, corpus.licence, corpus.text_form)
    found: list[tuple[Best, ...]] = []
    scores: dict[str, Array] = {}
    names: tuple[str, ...] = ()
    left_out: dict[str, int] = {}
    n = (0, 0)
    for number, one in enumerate((model, *others)):
        with _kept(store) as place:
            acts = extract(
                one, read, layers=layers, site=site, unit=task.unit, pool=pool, store=place, progress=progress
            )
            chosen_on, reported_on = (_with_rows(part, acts, wanted) for part in parts)
            choice = choose_best(
                acts, chosen_on[0], questions[0](chosen_on[1]), chosen_on[1].units.sentence,
                0 if number else permutations, seed, progress,
            )  # fmt: skip
            found.append(
                report_on(
                    acts, choice, reported_on[0], questions[1](reported_on[1]),
                    reported_on[1].units.sentence, resamples, seed,
                )
            )  # fmt: skip
            if not number:
                names, scores = acts.layers, _scores(choice)
                left_out, n = dict(acts.left_out), (len(chosen_on[0]), len(reported_on[0]))
    return NeuronSelectivity(
        task=task.name, numeric=units.numeric, best=found[0], twins=tuple(found[1:]), scores=scores,
        layers=names, width=model.site_dim(site), corpus=corpus.name, model=model.name, model_kind=model.kind,
        site=site, splits=(choose, report), n=n, unit=task.unit, permutations=permutations,
        left_out=left_out, seeds=tuple(int(t.seed) for t in others if t.seed is not None), resamples=resamples,
    )  # fmt: skip


def _check(choose: str, report: str) -> None:
    for split in (choose, report):
        if split not in SPLITS:
            raise ConfigError(f"no split {split!r}; {did_you_mean(str(split), SPLITS)}")
    if choose == report:
        raise ConfigError(
            f"neurons are chosen and reported on {choose!r}: the best of many is too good where it was chosen; "
            "report on another split"
        )


def _units(task: Task, corpus: Corpus) -> Units:
    """The units of a task; nothing is fitted here, so a corpus of dev and test alone will do."""
    if task.split != "given" or "train" in corpus.splits:
        return task.units(corpus)
    if not corpus.splits:
        raise DataError(
            f"corpus {corpus.name!r}: none of {len(corpus):,} sentences is in a split, and neurons are chosen on one "
            "and reported on another; split it: corpus.split_by('sentence')"
        )
    whole = Corpus(
        [replace(one, split="train") for one in corpus], corpus.name, corpus.files, corpus.licence,
        corpus.text_form,
    )  # fmt: skip
    units = task.units(whole)
    return replace(units, split=np.array([one.split for one in corpus])[units.sentence])


def _part(units: Units, corpus: Corpus, split: str, held: tuple[str, ...], most: int, seed: int) -> Part:
    """The units of a split, at most so many, whole sentences."""
    own = units.select(split)
    if not len(own):
        sizes = ", ".join(f"{name} {int((units.split == name).sum()):,}" for name in SPLITS)
        raise DataError(
            f"corpus {corpus.name!r} has no labelled {units.unit} in {split!r} ({sizes}); split it anew with "
            "corpus.split_by('sentence'), or choose other splits"
        )
    if len(own) > most:
        numbers, size = np.unique(own.sentence, return_counts=True)
        order = np.random.default_rng([seed, 8]).permutation(len(numbers))
        kept = numbers[order[np.cumsum(size[order]) <= most]]
        own = own.take(np.flatnonzero(np.isin(own.sentence, kept if len(kept) else numbers[order[:1]])))
    return Part(split, own, _held(own, corpus, held))


def _held(units: Units, corpus: Corpus, held: tuple[str, ...]) -> Array:
    """The numbers held fixed, float64 [n, k]."""
    values: dict[int, list[Sequence[Any]]] = {}
    table = np.zeros((len(units), len(held)))
    for row, (sentence, word) in enumerate(zip(units.sentence.tolist(), units.word.tolist(), strict=True)):
        if sentence not in values:
            values[sentence] = [NUMBERS[name](corpus[sentence]) for name in held]
        table[row] = [column[word] for column in values[sentence]]
    return table


def _with_rows(part: Part, acts: Activations, wanted: list[int]) -> tuple[Array, Part]:
    """The row of every unit that has one, int64 [n], and the part without the others."""
    index = acts.index
    start = np.concatenate([[0], np.cumsum(np.maximum(index.words, 1), dtype=np.int64)])
    row_of = np.full(int(start[-1]), -1, np.int64)
    row_of[start[index.sentence] + np.maximum(index.number, 0)] = np.arange(acts.n_rows)
    local = np.searchsorted(wanted, part.units.sentence)
    rows = row_of[start[local] + np.maximum(part.units.word, 0)]
    kept = np.flatnonzero(rows >= 0)
    if not len(kept):
        raise DataError(f"no labelled {part.units.unit} of {part.split!r} could be read by the model")
    return rows[kept], Part(part.split, part.units.take(kept), part.given[kept])


Asked = dict[str, Target | str]
"""By the name of a question what ranks are compared with, or why that cannot be."""


class _Labels:
    """A question for each label, made anew for the units of a split."""

    def __init__(self, names: Sequence[str], min_count: int) -> None:
        self.names, self.min_count = names, min_count

    def __call__(self, part: Part) -> Asked:
        asked: Asked = {}
        for name in self.names:
            ones = part.units.labels == name
            n, rest = int(ones.sum()), int((~ones).sum())
            having = (
                f"{n:,} {part.units.unit}{'s' if n != 1 else ''} with it and {rest:,} without in {part.split}"
            )
            asked[name] = (
                f"{having}; at least {self.min_count} of each are needed"
                if min(n, rest) < self.min_count
                else Target("area", ones)
            )
        return asked


class _Numbers:
    """The number alone, and with others held fixed."""

    def __init__(self, name: str, held: tuple[str, ...]) -> None:
        self.name, self.held = name, held

    def __call__(self, part: Part) -> Asked:
        values = part.units.labels.astype(np.float64)
        if len(values) < 3 or np.ptp(values) == 0:
            raise DataError(
                f"{self.name} does not vary over {len(values)} {part.units.unit}s of {part.split}; nothing "
                "can follow it"
            )
        asked: Asked = {self.name: Target("correlation", values)}
        if self.held:
            target = Target("correlation", values, part.given)
            named = f"{self.name} given {', '.join(self.held)}"
            asked[named] = (
                target if target.vector().any() else f"{self.name} is known from {', '.join(self.held)}"
            )
        return asked


def _questions(task: Task, parts: list[Part], held: tuple[str, ...], min_count: int) -> list[Any]:
    """What is asked of each split."""
    if parts[0].units.numeric:
        return [_Numbers(task.name, held)] * 2
    names = sorted({str(name) for part in parts for name in np.unique(part.units.labels)})
    first = np.unique(parts[0].units.labels)
    if len(first) < 2:
        raise DataError(
            f"every {parts[0].units.unit} of {parts[0].split!r} has the label {str(first[0])!r}; there is nothing to "
            "tell it from"
        )
    return [_Labels(names, min_count)] * 2


def _scores(choice: Choice) -> dict[str, Array]:
    """By question the effects of all units, float64 [layers, units]: AUC - 1/2, or correlation."""
    return {
        name: np.stack([choice.effects[layer][i] for layer in choice.layers]) - (0.5 if choice.area[i] else 0.0)
        for i, name in enumerate(choice.names)
    }  # fmt: skip


@contextmanager
def _kept(store: Store | str | Path | None) -> Iterator[Store | str | Path]:
    """The store given, or one that is gone afterwards."""
    if store is not None:
        yield store
        return
    with tempfile.TemporaryDirectory(prefix="probekit-neurons-") as folder:
        yield folder
