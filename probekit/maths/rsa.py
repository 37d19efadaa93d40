"""Representational similarity analysis: whether the same pairs of rows are far apart in two representations.

Spearman's correlation of the dissimilarities of all pairs of rows (Kriegeskorte, Mur & Bandettini 2008).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.maths.cka import paired_rows, squared_distances

Array = np.ndarray[Any, Any]
Dissimilarity: TypeAlias = Literal["cosine", "correlation", "euclidean"]
DISSIMILARITIES = ("cosine", "correlation", "euclidean")
FEWEST = 4


def rsa(X: Any, Y: Any, *, dissimilarity: Dissimilarity = "cosine") -> float:
    """Spearman's correlation between the dissimilarities of all pairs of rows of X [n, p] and of Y [n, q].

    "cosine" and "euclidean" do not change under rotation and scaling of a side, "euclidean" nor when it is moved;
    "correlation" (one minus Pearson's over dimensions) changes under rotation. Raises ConfigError for another name,
    DataError for rows that do not fit together, do not vary, or have no direction.

    >>> X = np.random.default_rng(0).normal(size=(20, 5))
    >>> round(pk.rsa(X, -2 * X[:, ::-1]), 6)
    1.0
    """
    X, Y, _ = paired_rows(X, Y)
    if len(X) < FEWEST:
        raise DataError(f"{len(X)} rows are too few for similarities of pairs; give at least {FEWEST}")
    sides = [dissimilarities(side, dissimilarity) for side in (X, Y)]
    upper = np.triu_indices(len(X), 1)
    return float(unit_ranks(sides[0][upper]) @ unit_ranks(sides[1][upper]))


def dissimilarities(X: Array, how: Dissimilarity = "cosine") -> Array:
    """The dissimilarity of every pair of rows X [n, p], float64 [n, n]. Raises as `rsa`.

    >>> dissimilarities(np.array([[1.0, 0.0], [0.0, 2.0]])).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    if how not in DISSIMILARITIES:
        raise ConfigError(f"unknown dissimilarity {how!r}; {did_you_mean(str(how), DISSIMILARITIES)}")
    X = np.asarray(X, dtype=np.float64)
    if how == "euclidean":
        return np.sqrt(squared_distances(X))
    if how == "correlation":
        X = X - X.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(X, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise DataError(
            f"{int((lengths == 0).sum())} of {len(X)} rows have no direction, so no {how}; use 'euclidean'"
        )
    units = X / lengths
    found = 1.0 - units @ units.T
    np.fill_diagonal(found, 0.0)
    return np.asarray((found + found.T) / 2)


def unit_ranks(values: Array) -> Array:
    """Ranks (ties share their mean) less their mean, scaled to length 1: their products are Spearman's correlations.

    Raises DataError where all values are equal.

    >>> unit_ranks(np.array([5.0, 9.0])).round(3).tolist()
    [-0.707, 0.707]
    """
    from scipy.stats import rankdata

    ranks = rankdata(values)
    ranks -= ranks.mean()
    length = float(np.linalg.norm(ranks))
    if not length > 0:
        raise DataError("all pairs of rows are equally far apart: there is nothing to compare")
    return np.asarray(ranks / length)
