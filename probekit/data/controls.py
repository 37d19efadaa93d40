"""Control labels and baselines: what a probe's score means only beside these."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from probekit.data.splits import stable_hash
from probekit.data.units import Units
from probekit.errors import DataError

Labels = npt.NDArray[Any]
Codes = npt.NDArray[np.intp]


def word_type_labels(units: Units, seed: int) -> Labels:
    """The control task: every word type gets one label, drawn from train's label distribution, whatever its context.

    The draw is u = hash(seed, type) in [0, 1), read off the sorted train labels (the inverse distribution
    function; for numbers the empirical one). So a type has its label in every split, in every order and on every
    machine. Sentence units: the type is the text. Hewitt and Liang 2019, "Designing and interpreting probes with
    control tasks", EMNLP. Raises DataError where train is empty.
    """
    train = np.sort(_train(units))
    types, inverse = _types(units)
    draws = np.array([stable_hash(str(seed), kind) for kind in types.tolist()], np.uint64)
    # the top 53 bits fill a double exactly, so u stays below 1
    positions = (draws >> np.uint64(11)).astype(np.float64) * 2.0**-53 * len(train)
    return train[positions.astype(np.intp)][inverse]


def shuffled_labels(units: Units, seed: int) -> Labels:
    """The labels with train permuted, and dev permuted, each within itself; test keeps its true labels.

    What is left above chance is what the probe takes from the label distribution alone.
    """
    labels = units.labels.copy()
    generator = np.random.default_rng([seed, 0x5F])
    for split in ("train", "dev"):
        rows = np.flatnonzero(units.split == split)
        labels[rows] = labels[generator.permutation(rows)]
    return labels


def majority_predictions(units: Units) -> Labels:
    """Train's most frequent label (of equals the first in sorting), or train's mean, predicted everywhere."""
    train = _train(units)
    guess: Any = train.mean() if units.numeric else _most_frequent(train)
    return np.full(len(units), guess, dtype=units.labels.dtype)


def word_identity_predictions(units: Units) -> Labels:
    """Each form's most frequent train label (numbers: its mean); unseen forms back off to lower case, then to all.

    The lower-cased form counts over all spellings. Equal counts go to the label that is more frequent in train,
    then to the first in sorting.
    """
    predicted = majority_predictions(units)
    is_train = units.split == "train"
    forms = np.array(units.types, dtype=object)
    lowered = np.array([form.lower() for form in units.types], dtype=object)
    for keys in (lowered, forms):  # exact forms last: they overrule
        types, inverse = np.unique(keys, return_inverse=True)
        seen = np.zeros(len(types), np.bool_)
        seen[inverse[is_train]] = True
        best = _best_by_type(units, inverse, len(types), is_train)
        known = seen[inverse]
        predicted[known] = best[inverse[known]]
    return predicted


def _best_by_type(units: Units, inverse: Codes, n_types: int, is_train: npt.NDArray[np.bool_]) -> Labels:
    """For every type its mean or most frequent train label; what stands at types unseen in train means nothing."""
    if units.numeric:
        sums = np.bincount(inverse[is_train], units.labels[is_train], n_types)
        return np.asarray(sums / np.maximum(np.bincount(inverse[is_train], minlength=n_types), 1))
    classes, codes, totals = np.unique(units.labels[is_train], return_inverse=True, return_counts=True)
    order = np.lexsort((np.arange(len(classes)), -totals))  # classes from frequent to rare
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    pairs, counts = np.unique(inverse[is_train] * len(classes) + rank[codes], return_counts=True)
    pair_type, pair_rank = np.divmod(pairs, len(classes))
    by = np.lexsort(
        (-pair_rank, counts, pair_type)
    )  # within a type, the winner comes last and is written last
    winner = np.zeros(n_types, np.intp)
    winner[pair_type[by]] = pair_rank[by]
    return np.asarray(classes[order][winner])


def _train(units: Units) -> Labels:
    train = units.labels[units.split == "train"]
    if not len(train):
        raise DataError("there are no train units, so there is no label distribution to draw from")
    return np.asarray(train)


def _types(units: Units) -> tuple[Labels, Codes]:
    types, inverse = np.unique(np.array(units.types, dtype=object), return_inverse=True)
    return types, inverse


def _most_frequent(labels: Labels) -> Any:
    classes, counts = np.unique(labels, return_counts=True)
    return classes[counts.argmax()]
