"""Optimal transport between normal distributions: roots, maps, and the mean of several covariances.

Sources: Bures 1969, Knott & Smith 1984 (the map); Alvarez-Esteban, del Barrio, Cuesta-Albertos & Matran 2016 (the
fixed point of the barycentre).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def root(matrix: Array, power: float = 0.5) -> Array:
    """A power of a symmetric matrix [dim, dim] without negative eigenvalues (of full rank for negative powers).

    >>> root(np.diag([4.0, 9.0])).tolist()
    [[2.0, 0.0], [0.0, 3.0]]
    """
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    powered: Array = (vectors * np.clip(values, 0.0, None) ** power) @ vectors.T
    return powered


def transport_map(source: Array, target: Array) -> Array:
    """The symmetric T [dim, dim] with T source T = target that moves a normal distribution least.

    Both are covariances [dim, dim], `source` of full rank: T = S^-1 (S target S)^(1/2) S^-1 with S = source^(1/2).

    >>> transport_map(np.diag([1.0, 4.0]), np.diag([9.0, 1.0])).tolist()
    [[3.0, 0.0], [0.0, 0.5]]
    """
    half, inverse = root(source), root(source, -0.5)
    mapped: Array = inverse @ root(half @ target @ half) @ inverse
    return (mapped + mapped.T) / 2


def barycentre(covariances: Array, weights: Array, *, tolerance: float = 1e-12, most: int = 500) -> Array:
    """The covariance [dim, dim] to which `covariances` [k, dim, dim] are moved least, by `weights` [k] that sum to 1.

    The fixed point of C = C^(-1/2) (sum w (C^(1/2) S C^(1/2))^(1/2))^2 C^(-1/2); all of full rank. Stops where a turn
    changes C by less than `tolerance` of its size, or after `most` turns.

    >>> barycentre(np.array([[[1.0]], [[9.0]]]), np.array([0.5, 0.5])).round(9).tolist()
    [[4.0]]
    """
    center: Array = np.einsum("k,kde->de", weights, covariances)
    for _ in range(most):
        half, inverse = root(center), root(center, -0.5)
        mean = sum(w * root(half @ s @ half) for w, s in zip(weights, covariances, strict=True))
        new = inverse @ (mean @ mean) @ inverse
        new = (new + new.T) / 2
        moved = float(np.abs(new - center).max())
        center = new
        if moved <= tolerance * float(np.abs(center).max()):
            break
    return center
