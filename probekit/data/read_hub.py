"""A data set of the Hugging Face hub, by name and revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from probekit.data.corpus import Corpus
from probekit.data.sentence import MISSING, Sentence
from probekit.errors import DataError, MissingExtra, did_you_mean
from probekit.glossary import SPLITS

SPLIT_NAMES = {"train": "train", "validation": "dev", "dev": "dev", "test": "test"}


def read_hub(
    name: str,
    *,
    revision: str | None = None,
    config: str | None = None,
    text: str = "text",
    label: str | None = "label",
    words: str | None = None,
    columns: Mapping[str, str] | None = None,
    splits: Mapping[str, str] | None = None,
    licence: str = "",
) -> Corpus:
    """Sentences of a hub data set: text with a label, or (with `words`) lists of words with lists of tags.

    `columns` names our word columns and theirs: ``{"tag": "ner_tags"}``; classes are given by name. `splits` maps
    their splits to ours (``validation`` is dev). Code of a data set is never run.

    Raises MissingExtra without the ``hub`` extra; DataError for an unknown name, column or split, and offline.

    >>> read_hub("owner/name", words="tokens", columns={"tag": "tags"}, revision="...")  # doctest: +SKIP
    """
    return corpus_of(
        _load(name, config, revision),
        name,
        text=text,
        label=label,
        words=words,
        columns=columns or {},
        splits=splits or SPLIT_NAMES,
        licence=licence,
    )


def _load(name: str, config: str | None, revision: str | None) -> Mapping[str, Any]:
    try:
        import datasets
    except ImportError:
        raise MissingExtra(
            "a data set of the hub needs the package 'datasets': pip install 'probekit-nlp[hub]'"
        ) from None
    what = f"data set {name!r}" + (f" at revision {revision!r}" if revision else "")
    try:
        loaded: Mapping[str, Any] = datasets.load_dataset(name, config, revision=revision)
    except Exception as problem:  # datasets raises a dozen classes, of its own and of its HTTP stack
        said = " ".join(str(problem).split())[:300]
        raise DataError(
            f"{what} cannot be loaded: {said or type(problem).__name__}; check the name, the revision and the"
            " network (HF_HUB_OFFLINE=1 allows only what was downloaded before)"
        ) from None
    return loaded


def corpus_of(
    loaded: Mapping[str, Any],
    name: str,
    *,
    text: str,
    label: str | None,
    words: str | None,
    columns: Mapping[str, str],
    splits: Mapping[str, str],
    licence: str,
) -> Corpus:
    """The corpus in a loaded mapping of splits; splits that mean none of ours are passed over."""
    sentences: list[Sentence] = []
    for theirs, rows in loaded.items():
        if theirs not in splits:
            continue
        ours = splits[theirs]
        if ours not in SPLITS:
            raise DataError(f"{name}: split {theirs!r} is mapped to {ours!r}; {did_you_mean(ours, SPLITS)}")
        wanted = [words, *columns.values()] if words else [text] + ([label] if label else [])
        for column in wanted:
            if column not in rows.features:
                raise DataError(
                    f"{name}, split {theirs!r}: no column {column!r}; {did_you_mean(str(column), rows.features)}"
                )
        for number, row in enumerate(rows, 1):
            id = f"{theirs}-{number}"
            if words:
                values = {
                    mine: _names(rows.features[column], row[column]) for mine, column in columns.items()
                }
                sentences.append(Sentence.from_words(id, row[words], columns=values, split=ours))
            else:
                attributes = {"label": _names(rows.features[label], [row[label]])[0]} if label else {}
                sentences.append(Sentence.from_text(id, str(row[text]), attributes=attributes, split=ours))
    if not sentences:
        raise DataError(f"{name}: none of its splits ({', '.join(loaded)}) is one of {', '.join(splits)}")
    return Corpus(sentences, name, licence=licence, text_form="words" if words else "surface")


def _names(feature: Any, values: Sequence[Any]) -> list[str]:
    """Class numbers as their names, where the data set gives names; -1 (no label) as "_"."""
    inner = getattr(feature, "feature", feature)
    names = getattr(inner, "names", None)
    if names is None:
        return [MISSING if value is None else str(value) for value in values]
    return [MISSING if value is None or value < 0 else str(names[value]) for value in values]
