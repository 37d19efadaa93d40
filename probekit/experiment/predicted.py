"""What a saved classifier says of the texts of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.errors import DataError

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus


@dataclass(frozen=True)
class Predicted:
    """One text (or one word of a text): what is predicted, and how probable it is (None where a number is)."""

    id: str
    text: str
    label: str | float
    probability: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"id": self.id, "text": self.text, "label": self.label, "probability": self.probability}


def predict_files(
    classifier: str | Path | Any, paths: Sequence[str | Path], format: str | None = None
) -> list[Predicted]:
    """Predict every text of some files with a saved (or fitted) classifier, in the order of the files.

    A file whose format cannot be told holds one text a line; files of several formats are refused. A classifier of
    pairs reads lines of two texts with a tab between; one of words gives every word of a sentence a line. Raises as
    `load_adapted` and the readers do.

    >>> predict_files("runs/.../artifacts/lora", ["questions.txt"])  # doctest: +SKIP
    [Predicted(id='questions-1', text='Where is Oulu ?', label='LOC', probability=0.98)]
    """
    loaded = _loaded(classifier)
    corpus = _read(paths, format, loaded.unit_)
    if not len(corpus):
        raise DataError(f"{', '.join(map(str, paths))}: no text to predict")
    if loaded.unit_ == "pair":
        inputs: list[Any] = [_pair(sentence.text, sentence.place) for sentence in corpus]
    elif loaded.unit_ == "word":
        inputs = [list(sentence.words) for sentence in corpus]
    else:
        inputs = [sentence.text for sentence in corpus]
    numeric = loaded.target_.numeric
    labels = loaded.predict(inputs)
    probabilities = None if numeric else loaded.predict_proba(inputs)
    found = []
    for number, sentence in enumerate(corpus):
        shares = None if probabilities is None else np.atleast_2d(probabilities[number]).max(axis=1)
        own = np.atleast_1d(labels[number]).tolist()
        texts = (
            [(f"{sentence.id}:{place}", word) for place, word in enumerate(sentence.words, 1)]
            if loaded.unit_ == "word"
            else [(sentence.id, sentence.text)]
        )
        for place, ((name, text), label) in enumerate(zip(texts, own, strict=True)):
            sure = None if shares is None else float(shares[place])
            found.append(Predicted(name, text, label, sure))
    return found


def _loaded(classifier: str | Path | Any) -> Any:
    if not isinstance(classifier, str | Path):
        return classifier
    from probekit.adaptation.saved import load_adapted

    return load_adapted(classifier)


def _read(paths: Sequence[str | Path], format: str | None, unit: str) -> Corpus:
    from probekit.data.read_corpus import read_corpus

    given = list(_present(paths))
    if format is None:
        formats = {path: _told(path, unit) for path in given}
        if len(set(formats.values())) > 1:
            said = ", ".join(f"{Path(path).name}: {form}" for path, form in list(formats.items())[:6])
            raise DataError(
                f"these files are not of one format ({said}); predict them one by one, or give the format"
            )
        format = formats[given[0]]
    return read_corpus(given, format=format)


def _told(path: str | Path, unit: str) -> str:
    """The format of a file, or of all files of a folder."""
    from probekit.data.read_corpus import guess_format

    if unit == "pair" and Path(path).suffix.lower() == ".tsv":
        return "text"  # the tab stands between the two texts
    try:
        format = guess_format([path])
    except DataError:  # lines of text, whatever the file is called
        if Path(path).is_dir():
            raise
        return "text"
    # short texts with blank lines between look like words in columns
    return "text" if format == "columns" and unit != "word" else format


def _present(paths: Sequence[str | Path]) -> Iterator[str | Path]:
    """Folders as they are, all else file by file. DataError where there is no such file."""
    from probekit.data.lines import expand

    for path in paths:
        if Path(path).is_dir():
            yield path
        else:
            yield from expand(path)


def _pair(text: str, place: str) -> tuple[str, str]:
    first, tab, second = text.partition("\t")
    if not tab or not first.strip() or not second.strip() or "\t" in second:
        raise DataError(f"{place}: two texts with a tab between expected; got {text!r:.60}")
    return first, second
