"""From a task and a corpus to units: label sources, filter, splits, and what is left out."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from probekit.data.corpus import Corpus
from probekit.data.properties import PROPERTIES, Values, content_words, features, word_content
from probekit.data.sentence import MISSING, Sentence
from probekit.data.splits import assign_splits, split_groups
from probekit.data.task import Task
from probekit.data.units import Units
from probekit.data.where import parse_where
from probekit.errors import ConfigError, DataError, did_you_mean

DEV_SHARE = 0.1

Source = Callable[[Sentence], Values]
"""The values of one label source in a sentence: one per word, or one for sentence units."""


def label_units(task: Task, corpus: Corpus) -> Units:
    """The units of `task` in `corpus`; see `Task.units`."""
    try:
        return _label(task, corpus)
    except (DataError, ConfigError) as problem:
        raise type(problem)(f"task {task.name!r}, corpus {corpus.name!r}: {problem}") from None


def _label(task: Task, corpus: Corpus) -> Units:
    splits = _splits(task, corpus)
    label = _label_source(task, corpus, splits)
    asked = _asked(task, corpus)
    as_label = _as_number if task.kind == "number" else _as_class
    sentences: list[int] = []
    words: list[int] = []
    labels: list[str | float] = []
    left_out: Counter[str] = Counter()
    dropped = 0
    for number, sentence in enumerate(corpus):
        if task.unit == "sentence" and not sentence.words:
            left_out["empty sentence"] += 1
            continue
        values, keep = label(sentence), asked(sentence)
        for position, value in enumerate(values):
            if not keep[position]:
                dropped += 1
            elif value is None:
                left_out[f"no value for {task.label}"] += 1
            elif not splits[number]:
                left_out["in no split"] += 1
            else:
                sentences.append(number)
                words.append(position if task.unit == "word" else -1)
                labels.append(as_label(task, value, sentence))
    if not labels:
        raise DataError(_why_none(task, corpus, dropped, left_out))
    return _units(task, corpus, splits, sentences, words, labels, left_out)


def _units(
    task: Task,
    corpus: Corpus,
    splits: Sequence[str],
    sentences: list[int],
    words: list[int],
    labels: list[str | float],
    left_out: Counter[str],
) -> Units:
    def form(sentence: int, word: int) -> str:
        return corpus[sentence].text if word < 0 else corpus[sentence].words[word]

    types = tuple(map(form, sentences, words))
    if task.split == "word-type":
        split = split_groups([t.lower() for t in types], fractions=task.fractions, seed=task.seed)
        overlap = [False] * len(types)  # a split of word types shares sentences by design
    else:
        in_train = {s.text for s, split in zip(corpus, splits, strict=True) if split == "train"}
        split = [splits[s] for s in sentences]
        overlap = [splits[s] != "train" and corpus[s].text in in_train for s in sentences]
    return Units(
        unit=task.unit,
        corpus_hash=corpus.hash,
        sentence=np.array(sentences, np.int32),
        word=np.array(words, np.int32),
        labels=np.array(labels, np.float64 if task.kind == "number" else object),
        types=types,
        split=np.array(split, "U5"),
        ids=tuple(
            corpus[s].id if w < 0 else f"{corpus[s].id}:{w + 1}"
            for s, w in zip(sentences, words, strict=True)
        ),
        left_out=dict(left_out),
        overlap=np.array(overlap, np.bool_),
    )


def _splits(task: Task, corpus: Corpus) -> Sequence[str]:
    if task.split in ("sentence", "document"):
        return assign_splits(corpus, task.split, fractions=task.fractions, seed=task.seed)
    if task.split == "word-type":
        return ["train"] * len(corpus)
    if "train" not in corpus.splits:
        raise DataError(
            f"there is no train split (splits: {', '.join(corpus.splits) or 'none'}); read files whose names say"
            " train, dev and test, or split the corpus (corpus.split_by('sentence'), or split = 'sentence' in a task)"
        )
    given = [s.split for s in corpus]
    return given if "dev" in given else _with_dev(given, corpus, task.seed)


def _with_dev(given: list[str], corpus: Corpus, seed: int) -> list[str]:
    """Some data sets have train and test only (TREC): a tenth of train's texts becomes dev, to choose on."""
    rows = [i for i, split in enumerate(given) if split == "train"]
    parts = split_groups([corpus[i].text for i in rows], fractions=(1 - DEV_SHARE, DEV_SHARE, 0.0), seed=seed)
    for i, part in zip(rows, parts, strict=True):
        given[i] = part
    return given


def _label_source(task: Task, corpus: Corpus, splits: Sequence[str]) -> Source:
    if task.label != "word_content":
        return source(task.label, corpus, task.unit)
    train = (s for s, split in zip(corpus, splits, strict=True) if split == "train")
    targets = content_words(train, words=task.options["words"], skip=task.options["skip"])
    return lambda sentence: [word_content(sentence, targets)]


def source(name: str, corpus: Corpus, unit: str) -> Source:
    """What reads the values called `name` from a sentence; DataError where no sentence of the corpus has them."""
    if name in PROPERTIES:
        _require(PROPERTIES[name].needs, corpus)
        return PROPERTIES[name].of
    head, dot, key = name.partition(".")
    if dot and head == "attribute":
        if key not in corpus.attributes:
            raise DataError(f"no sentence has the attribute {key!r}; {did_you_mean(key, corpus.attributes)}")
        return lambda s: [s.attributes.get(key)] * (len(s) if unit == "word" else 1)
    if dot and head in ("feats", "misc"):
        _require(head, corpus)
        return lambda s: [features(value).get(key) for value in _column(s, head)]
    if name == "word":
        return lambda s: list(s.words)
    _require(name, corpus)
    return lambda s: [None if value == MISSING else value for value in _column(s, name)]


def _column(sentence: Sentence, name: str) -> Sequence[str]:
    return sentence.columns.get(name) or (MISSING,) * len(sentence)


def _require(column: str, corpus: Corpus) -> None:
    if column and column not in corpus.columns:
        known = {*corpus.columns, *PROPERTIES} if corpus.columns else {"word", *PROPERTIES}
        raise DataError(f"no sentence has the column {column!r}; {did_you_mean(column, known)}")


def _asked(task: Task, corpus: Corpus) -> Callable[[Sentence], Sequence[bool]]:
    """For every unit of a sentence, whether the task's filter keeps it."""
    if not task.where:
        return lambda s: (True,) * (len(s) if task.unit == "word" else 1)
    keeps = parse_where(task.where)
    sources = {name: source(name, corpus, task.unit) for name in sorted(keeps.names)}

    def asked(sentence: Sentence) -> list[bool]:
        values = {name: read(sentence) for name, read in sources.items()}
        count = len(sentence) if task.unit == "word" else 1
        return [keeps(partial(_value, values, i)) for i in range(count)]

    return asked


def _value(values: Mapping[str, Values], position: int, name: str) -> str:
    value = values[name][position]
    return MISSING if value is None else str(value)


def _as_number(task: Task, value: str | float, sentence: Sentence) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{sentence.location}: {task.label} is {value!r}, not a number")
    return number


def _as_class(task: Task, value: str | float, sentence: Sentence) -> str:
    if task.bins:
        number = _as_number(task, value, sentence)
        place = bisect_left(task.bins, number)
        value = f"<={task.bins[place]:g}" if place < len(task.bins) else f">{task.bins[-1]:g}"
    return task.names.get(str(value), str(value))


def _why_none(task: Task, corpus: Corpus, dropped: int, left_out: Counter[str]) -> str:
    """Why there is no unit at all, with the values that are there."""
    counts = [f"{dropped:,} dropped by where = {task.where!r}"] if task.where else []
    counts += [f"{n:,} {reason}" for reason, n in left_out.items()]
    what = f"no {task.unit} gets a label: {', '.join(counts) or 'there are no words'}"
    if not left_out and task.where:
        name = min(parse_where(task.where).names)
        read = source(name, corpus, task.unit)
        seen = Counter(str(v) for s in corpus for v in read(s) if v is not None)
        what += f"; {name} has {', '.join(v for v, _ in seen.most_common(12)) or 'no value'}"
    elif task.label.startswith("feats."):
        names = sorted({f for s in corpus for value in _column(s, "feats") for f in features(value)})
        what += f"; {did_you_mean(task.label.partition('.')[2], names)}"
    return what
