"""Many paired comparisons of means over the same sentences, tested with one set of sign flips."""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.maths.resampling import dense_clusters

Array = np.ndarray[Any, Any]
ROWS = 500


def sign_flip_p(differences: Array, cluster: Array, *, flips: int = 9999, seed: int = 0) -> Array:
    """Two-sided p of "mean difference 0" for m paired comparisons, float64[m].

    `differences` float64[m, n] holds a - b for each unit, `cluster` int[n] its sentence. Under the null a
    sentence's answers could as well be exchanged, which flips the sign of its summed difference; p counts how
    often random flips give a sum as large, (b + 1) / (flips + 1), so it is never 0. All comparisons share the
    flips. NaN with fewer than two sentences.

    Source: Phipson & Smyth 2010.

    >>> p = sign_flip_p(np.ones((1, 20)), np.arange(20))
    >>> bool(p[0] <= 2e-4)
    True
    """
    codes, n_clusters = dense_clusters(cluster)
    differences = np.atleast_2d(np.asarray(differences, dtype=np.float64))
    if n_clusters < 2:
        return np.full(len(differences), np.nan)
    sums = np.stack([np.bincount(codes, weights=row, minlength=n_clusters) for row in differences], axis=1)
    observed = np.abs(sums.sum(axis=0))
    bound = observed * (1 - 1e-9) - 1e-12  # equal up to rounding counts as equal
    rng = np.random.default_rng([seed, 2])
    as_large = np.zeros(len(differences), dtype=np.int64)
    for start in range(0, flips, ROWS):
        size = (min(ROWS, flips - start), n_clusters)
        signs = rng.integers(0, 2, size=size, dtype=np.int8).astype(np.float64) * 2.0 - 1.0
        as_large += (np.abs(signs @ sums) >= bound).sum(axis=0)
    p: Array = (as_large + 1) / (flips + 1)
    return p
