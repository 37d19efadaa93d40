"""What is classified: texts, pairs of texts, or the words of sentences; and what their labels are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError, DataError, did_you_mean

UNITS = ("sentence", "pair", "word")
TARGETS = ("auto", "classes", "number")


@dataclass(frozen=True, eq=False)
class Examples:
    """n examples of one unit: ``sentence`` (str), ``pair`` ((str, str)) or ``word`` (tuple of str)."""

    unit: str
    texts: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many labels each example has: int64[n], 1 but for words."""
        if self.unit != "word":
            return np.ones(len(self), np.int64)
        return np.array([len(text) for text in self.texts], np.int64)


def read_examples(X: Any, y: Any = None, *, unit: str | None = None) -> Examples:
    """Texts as examples. Words are told from pairs by labels that are lists themselves.

    Raises DataError, naming the example, for what is no text and for an empty one.

    >>> read_examples([("a b", "c")]).unit, read_examples([["a", "b"]], [["X", "Y"]]).unit
    ('pair', 'word')
    """
    if isinstance(X, str):
        raise DataError("texts are a list; got one text: write [text]")
    listed = list(X)
    if not listed:
        raise DataError("no texts were given")
    found = unit or _unit_of(listed[0], y)
    if found not in UNITS:
        raise ConfigError(f"unknown unit {found!r}; {did_you_mean(str(found), UNITS)}")
    return Examples(found, tuple(_text(one, found, number) for number, one in enumerate(listed)))


def _unit_of(first: Any, y: Any) -> str:
    if isinstance(first, str):
        return "sentence"
    labels = None if y is None else next(iter(y), None)
    if isinstance(labels, Sequence | np.ndarray) and not isinstance(labels, str):
        return "word"
    return "pair" if isinstance(first, Sequence | np.ndarray) and len(first) == 2 else "word"


def _text(one: Any, unit: str, number: int) -> Any:
    place = f"example {number}"
    if unit == "sentence":
        if not isinstance(one, str):
            raise DataError(f"{place}: a text expected, got {type(one).__name__} ({one!r:.60})")
        if not one.strip():
            raise DataError(f"{place} is an empty text; leave it out")
        return one
    if not isinstance(one, Sequence | np.ndarray) or isinstance(one, str):
        raise DataError(f"{place}: a {'pair of texts' if unit == 'pair' else 'list of words'} expected, "
                        f"got {type(one).__name__} ({one!r:.60})")  # fmt: skip
    parts = tuple(one)
    if not all(isinstance(part, str) for part in parts):
        raise DataError(f"{place}: all parts must be str; got {[type(part).__name__ for part in parts][:5]}")
    if unit == "pair" and len(parts) != 2:
        raise DataError(f"{place}: a pair has two texts; got {len(parts)}")
    if not parts or not all(part.strip() for part in parts):
        raise DataError(f"{place} has an empty {'text' if unit == 'pair' else 'word, or none'}; leave it out")
    return parts


@dataclass(frozen=True, eq=False)
class Target:
    """What is predicted: one of `classes`, or a number (then `classes` is None)."""

    classes: NDArray[Any] | None

    @property
    def numeric(self) -> bool:
        """Whether a number is predicted."""
        return self.classes is None

    @property
    def outputs(self) -> int:
        """How many outputs a head needs."""
        return 1 if self.classes is None else len(self.classes)

    @classmethod
    def of(cls, y: Any, examples: Examples, target: str = "auto") -> Target:
        """What labels ask for: floats a number, all else classes. Raises DataError for one class or NaN."""
        if target not in TARGETS:
            raise ConfigError(f"unknown target {target!r}; {did_you_mean(str(target), TARGETS)}")
        labels = flat_labels(y, examples)
        if target == "number" or (target == "auto" and labels.dtype.kind == "f"):
            if labels.dtype.kind not in "fiu" or not np.isfinite(labels.astype(np.float64)).all():
                raise DataError(f"numbers to predict must be finite; got {labels[:5].tolist()}")
            return cls(None)
        if labels.dtype.kind == "f" and np.isnan(labels).any():
            place = int(np.flatnonzero(np.isnan(labels))[0])
            raise DataError(f"label {place} is missing (NaN); leave such examples out")
        classes = np.unique(labels)
        if len(classes) < 2:
            raise DataError(f"two classes are needed; the labels have one class: {classes.tolist()[0]!r}")
        return cls(classes)

    def encode(self, y: Any, examples: Examples) -> NDArray[Any]:
        """Codes int64[units] or float64[units]. A label that training had not is -1: it cannot be got right."""
        labels = flat_labels(y, examples)
        if self.classes is None:
            try:
                numbers = labels.astype(np.float64)
            except ValueError:
                raise DataError(f"numbers are predicted; got labels such as {labels.tolist()[0]!r}") from None
            if not np.isfinite(numbers).all():
                first = int(np.flatnonzero(~np.isfinite(numbers))[0])
                raise DataError(
                    f"numbers are predicted; label {first} is {numbers[first]}, leave such examples out"
                )
            return numbers
        if (labels.dtype.kind in "US") != (self.classes.dtype.kind in "US"):
            raise DataError(f"labels such as {labels.tolist()[0]!r}, where training had {self.classes.tolist()[0]!r}: "
                            "give labels of one type")  # fmt: skip
        place = np.searchsorted(self.classes, labels).clip(max=len(self.classes) - 1)
        return np.where(self.classes[place] == labels, place, -1).astype(np.int64)


def flat_labels(y: Any, examples: Examples) -> NDArray[Any]:
    """The labels of all units, one after the other. Raises DataError where they do not fit the examples."""
    if y is None:
        raise DataError("labels are needed: fit(texts, labels)")
    listed = list(y)
    if len(listed) != len(examples):
        raise DataError(f"{len(examples)} examples and {len(listed)} labels; each needs one")
    if examples.unit == "word":
        for number, (own, size) in enumerate(zip(listed, examples.sizes, strict=True)):
            if isinstance(own, str) or not isinstance(own, Sequence | np.ndarray) or len(own) != size:
                raise DataError(f"example {number} has {size} words; its labels are {own!r:.60}")
        listed = [label for own in listed for label in own]
    kinds = {str if isinstance(label, str) else float for label in listed}
    if len(kinds) > 1 or any(label is None for label in listed):
        raise DataError("labels must be all text or all numbers; got both, or None")
    try:
        labels = np.array(listed)
    except ValueError:
        raise DataError("one label per example expected; got lists of different lengths") from None
    if labels.dtype.kind == "O" and (odd := [one for one in listed if isinstance(one, Mapping | Set)]):
        raise DataError(f"one label per example expected; got a {type(odd[0]).__name__} ({odd[0]!r:.60})")
    if labels.ndim != 1:
        raise DataError(f"one label per example expected; got shape {labels.shape}")
    return labels


def as_list(y: Any) -> Any:
    """Labels that may be looked at more than once, whatever gives them one by one; None stays None."""
    return None if y is None else list(y)


def decisions(outputs: NDArray[Any]) -> NDArray[Any]:
    """Outputs [units, classes] as scikit-learn's scorers read them: of two classes, the second above the first [units].

    >>> from probekit.adaptation.examples import decisions
    >>> decisions(np.array([[1.0, 3.0], [2.0, 0.5]])).tolist()
    [2.0, -1.5]
    """
    return outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs


def nested(values: NDArray[Any], examples: Examples) -> Any:
    """Values of units [units, ...] back in the form of the examples: for words, a list of arrays."""
    if examples.unit != "word":
        return values
    return np.split(values, np.cumsum(examples.sizes)[:-1])
