"""How much each word matters for a prediction: the prediction with the word and without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias, TypeGuard, cast, get_args

import numpy as np
from numpy.typing import NDArray

from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.erasure.fills import shown_piece
from probekit.erasure.importance import Importance, TextImportance
from probekit.erasure.mean_embedding import MeanEmbedding
from probekit.erasure.predictions import Bound, Look, Prediction
from probekit.erasure.reading import values_of
from probekit.erasure.versions import Version, as_sentences, deletions, erasable, without_word
from probekit.errors import ConfigError, did_you_mean
from probekit.glossary import Progress, silent
from probekit.models.model import Model

Array = NDArray[Any]
How: TypeAlias = Literal["mask", "delete", "mean"]
Texts: TypeAlias = str | Sentence | Sequence[str | Sentence] | Corpus
OfTexts: TypeAlias = Callable[[list[str]], Any]
Groups: TypeAlias = str | Sequence[Sequence[str]] | None

READ = "what is predicted"
NOT_READ = "not read by the model"
NOTHING_LEFT = "nothing left to read without it"
NO_LETTER = "no letter"


def word_importance(
    model: Model | None,
    texts: Texts,
    predict: Prediction | OfTexts,
    how: How = "mask",
    *,
    groups: Groups = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> Importance:
    """How far a prediction falls when a word is left out, for every word of every text.

    The importance of a word is the prediction of the whole text minus that of the text without the word, in the unit
    of the prediction; beside it stands the relative change of Li, Monroe & Jurafsky 2016, (S - S without) / S. Words
    are what white space separates (or the words of a Sentence or Corpus), a word of several pieces is left out whole;
    the place that is predicted, or the word a probe reads, is not left out. The running text is read. All copies of
    all texts are read together, equal ones once, in batches of one length.

    Parameters
    ----------
    predict : `LogOdds`, `ProbeOutput`, any `Prediction`, or a function from a list of texts to numbers (for "delete")
    how : "mask": the mask piece in place of each piece of the word (for a model that reads left to right the unknown
        piece, where its tokenizer has one); "delete": the text without the word and the space in front of it; "mean":
        the mean embedding of the vocabulary in place of each piece's own, positions unchanged
    groups : a column of the corpus ("upos"), or a label for every word of every text: means are then given by group
    resamples : how many times texts are drawn for the intervals of means

    Raises
    ------
    ConfigError
        for an unknown `how`, where no piece can stand for a word, or where options do not fit the texts.
    DataError
        where there is no text, or a place is marked twice.
    ModelError
        where the model cannot make the prediction.

    Examples
    --------
    >>> found = pk.word_importance(None, "good good bad", lambda texts: [t.count("good") for t in texts], "delete")
    >>> found.texts[0].importance.tolist()
    [1.0, 1.0, 0.0]
    """
    if how not in get_args(How):
        raise ConfigError(f"unknown how {how!r}; {did_you_mean(how, get_args(How))}")
    sentences = as_sentences(texts)
    labels, key = word_labels(sentences, groups)
    if not is_prediction(predict):
        return _of_texts(model, sentences, cast(OfTexts, predict), how, labels, key, resamples)
    if model is None:
        raise ConfigError(f"the {predict.name} needs a model; only a function of texts goes without one")
    bound = predict.bind(model, sentences)
    if how == "mask" and bound.fill is None:
        raise ConfigError(
            f"{bound.no_fill}: how='mask' has nothing to put in place of a word; use how='delete'"
        )
    change = MeanEmbedding(model) if how == "mean" else None
    looks = bound.looks(bound.versions)
    why = [why_not(version, look) for version, look in zip(bound.versions, looks, strict=True)]
    copies = [
        (number, word) for number, own in enumerate(why) for word, reason in enumerate(own) if not reason
    ]
    values = values_of(bound, _with_copies(bound, looks, copies, how), change, progress)
    after = [np.full(len(own), np.nan) for own in why]
    for (number, word), value in zip(copies, values[len(looks) :], strict=True):
        after[number][word] = value
        if np.isnan(value):
            why[number][word] = NOTHING_LEFT
    return Importance(
        texts=tuple(
            TextImportance.erased(one, float(values[i]), after[i], why[i], labels[i], looks[i].left_out)
            for i, one in enumerate(sentences)
        ),
        how=_spoken(how, bound),
        prediction=predict.name,
        unit=predict.unit,
        model=model.name,
        model_kind=model.kind,
        layer=bound.layer,
        corpus=texts.name if isinstance(texts, Corpus) else "",
        group_key=key,
        resamples=resamples,
    )


def is_prediction(predict: object) -> TypeGuard[Prediction]:
    """Whether it can be bound to a model; a function of texts cannot."""
    return hasattr(predict, "bind")


def why_not(version: Version, look: Look) -> list[str]:
    """Why each word is not left out; "" for those that are."""
    if look.left_out:
        return [look.left_out] * len(version.words)
    allowed = set(erasable(version))
    read = np.any([ranges[:, 1] > ranges[:, 0] for ranges in look.words], axis=0)
    why = []
    for word, (start, stop) in enumerate(version.words):
        if start == stop:
            why.append(NO_LETTER)
        elif word not in allowed:
            why.append(READ)
        else:
            why.append("" if read[word] else NOT_READ)
    return why


def _with_copies(
    bound: Bound, looks: Sequence[Look], copies: Sequence[tuple[int, int]], how: How
) -> list[Look]:
    """The looks, and after them one for every copy (number of the text, number of the word)."""
    if how == "delete":
        versions = [without_word(bound.versions[number], word) for number, word in copies]
        return [*looks, *bound.looks(versions)]
    if how == "mask" and bound.fill is not None:
        return [*looks, *(_masked(looks[number], word, bound.fill) for number, word in copies)]
    plain = [replace(one, marks=tuple(np.zeros_like(ids) for ids in one.inputs)) for one in looks]
    return [*plain, *(_marked(looks[number], word) for number, word in copies)]


def _masked(look: Look, word: int, fill: int) -> Look:
    inputs = tuple(ids.copy() for ids in look.inputs)
    for ids, ranges in zip(inputs, look.words, strict=True):
        ids[slice(*ranges[word])] = fill
    return replace(look, inputs=inputs)


def _marked(look: Look, word: int) -> Look:
    marks = tuple(np.zeros_like(ids) for ids in look.inputs)
    for mark, ranges in zip(marks, look.words, strict=True):
        mark[slice(*ranges[word])] = 1
    return replace(look, marks=marks)


def _spoken(how: How, bound: Bound) -> str:
    if how == "mask" and bound.fill is not None:
        return f"each of its pieces replaced by {shown_piece(bound.model, bound.fill)}"
    return {
        "delete": "the text read without it",
        "mean": "its pieces' embeddings replaced by the mean of the vocabulary",
    }[how]


def _of_texts(
    model: Model | None,
    sentences: list[Sentence],
    predict: OfTexts,
    how: How,
    labels: list[tuple[str, ...]],
    key: str,
    resamples: int,
) -> Importance:
    """Importance for a function of texts, which is asked once for all of them."""
    if not callable(predict):
        raise ConfigError(f"predict must be LogOdds, ProbeOutput or a function of texts; got {predict!r}")
    if how != "delete":
        raise ConfigError(f"a function of texts cannot see how={how!r}; use how='delete'")
    versions = [Version(number, one.text, one.offsets) for number, one in enumerate(sentences)]
    erased = list(deletions(versions))
    numbers: dict[str, int] = {}
    which = [
        numbers.setdefault(text, len(numbers))
        for text in [*(v.text for v in versions), *(e[2].text for e in erased)]
    ]
    given = np.asarray(predict(list(numbers)), dtype=np.float64)
    if given.shape != (len(numbers),):
        raise ConfigError(
            f"the function gave the shape {given.shape} for {len(numbers)} texts; it must give one number each"
        )
    values = given[which]
    after = [np.full(len(one), np.nan) for one in sentences]
    why = [[NO_LETTER] * len(one) for one in sentences]
    for (number, word, _), value in zip(erased, values[len(versions) :], strict=True):
        after[number][word], why[number][word] = value, ""
    return Importance(
        texts=tuple(
            TextImportance.erased(one, float(values[i]), after[i], why[i], labels[i])
            for i, one in enumerate(sentences)
        ),
        how="the text read without it",
        prediction=getattr(predict, "__name__", "a function of texts"),
        unit="what it gives",
        model=model.name if model is not None else "",
        model_kind=model.kind if model is not None else "pretrained",
        group_key=key,
        resamples=resamples,
    )


def word_labels(sentences: Sequence[Sentence], groups: Groups) -> tuple[list[tuple[str, ...]], str]:
    """A label for every word of every text, and what the labels are. Raises ConfigError where they do not fit."""
    if groups is None:
        return [()] * len(sentences), ""
    if isinstance(groups, str):
        for one in sentences:
            if groups not in one.columns:
                raise ConfigError(
                    f"{one.location} has no column {groups!r}; {did_you_mean(groups, one.columns)}"
                )
        return [one.columns[groups] for one in sentences], groups
    if len(groups) != len(sentences):
        raise ConfigError(f"groups for {len(groups)} texts, and there are {len(sentences)}")
    for one, own in zip(sentences, groups, strict=True):
        if isinstance(own, str) or len(own) != len(one):
            raise ConfigError(
                f"{one.location} has {len(one)} words; groups needs a label for each, got {own!r}"
            )
    return [tuple(str(label) for label in own) for own in groups], "group"
