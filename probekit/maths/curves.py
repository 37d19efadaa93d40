"""What one number says about a curve over layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.maths.resampling import Interval, cluster_bootstrap

Array = np.ndarray[Any, Any]


def center_of_gravity(values: Array) -> Array:
    """The layer around which the gain over layer 0 is centred.

    sum l max(0, a_l - a_0) / sum max(0, a_l - a_0); `values` float64[..., layers], layers numbered from 0 and
    evenly spaced; returns float64[...] in layers. NaN where no layer exceeds layer 0 or a layer was not
    measured. After Tenney et al. 2019, whose gains were those of cumulative probes; here they are those of
    each layer over layer 0.

    >>> float(center_of_gravity(np.array([0.5, 0.7, 0.9, 0.4])))
    1.6666666666666667
    """
    values = np.asarray(values, dtype=np.float64)
    gain = np.maximum(0.0, values - values[..., :1])
    total = gain.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre: Array = np.where(total > 0, gain @ np.arange(values.shape[-1]) / total, np.nan)
    return centre


def center_of_gravity_interval(
    sums: Array, sizes: Array, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The centre of gravity of a curve of means, one resample of sentences shared by all layers.

    `sums` float64[layers, clusters]: what each sentence contributes (e.g. words right); `sizes`
    float64[clusters]: its units. Resamples in which no layer exceeds layer 0 are left out; NaN where the
    curve itself has no centre.
    """
    sums = np.asarray(sums, dtype=np.float64)
    columns = np.concatenate([sums.T, np.asarray(sizes, dtype=np.float64)[:, None]], axis=1)

    def centre(total: Array) -> Array:
        return center_of_gravity(total[..., :-1] / total[..., -1:])

    value, low, high = cluster_bootstrap(columns, centre, resamples=resamples, seed=seed, level=level)
    if np.isnan(value):
        return Interval(np.nan, np.nan, np.nan)
    return Interval(float(value), float(low), float(high))
