"""Ways from a space to a plane: principal components, and t-SNE by scikit-learn or by openTSNE."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError, MissingExtra, did_you_mean

Array = NDArray[Any]


class Plane(NamedTuple):
    """float64[n, 2]; the share of the variance in it (principal components only, else NaN)."""

    xy: Array
    explained: float


def reduce(X: Array, method: str, *, perplexity: float = 30.0, seed: int = 0) -> Plane:
    """The plane of float[n, dim] by ``pca``, ``tsne`` or ``opentsne``; n is at least 3 and the rows are not all equal.

    A perplexity beyond a third of the points is lowered to it (`perplexity_for`); t-SNE starts from the principal
    components, so that a seed matters little. van der Maaten & Hinton 2008; Kobak & Berens 2019 (that start).
    """
    return check_method(method)(np.asarray(X, dtype=np.float64), perplexity_for(len(X), perplexity), seed)


def check_method(method: str) -> Callable[[Array, float, int], Plane]:
    """The way of that name. Raises ConfigError for an unknown one, MissingExtra where its package is absent."""
    if method not in METHODS:
        raise ConfigError(f"no projection {method!r}; {did_you_mean(str(method), METHODS)}")
    if method == "opentsne":
        _opentsne()
    return METHODS[method]


def perplexity_for(points: int, perplexity: float) -> float:
    """The perplexity in force: at most a third of the other points.

    >>> perplexity_for(1000, 30), perplexity_for(31, 30)
    (30.0, 10.0)
    """
    return float(min(perplexity, (points - 1) / 3))


def _pca(X: Array, perplexity: float, seed: int) -> Plane:
    centred = X - X.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    left = left * np.sign(
        left[np.abs(left).argmax(axis=0), np.arange(left.shape[1])]
    )  # one of two mirror images
    xy = np.zeros((len(X), 2))
    xy[:, : min(2, left.shape[1])] = (left * size)[:, :2]
    return Plane(xy, float((size[:2] ** 2).sum() / (size**2).sum()))


def _tsne(X: Array, perplexity: float, seed: int) -> Plane:
    from sklearn.manifold import TSNE

    fitted = TSNE(
        perplexity=perplexity, init=_start(X, perplexity), random_state=seed, learning_rate="auto"
    ).fit_transform(X)
    return Plane(np.asarray(fitted, dtype=np.float64), float("nan"))


def _with_opentsne(X: Array, perplexity: float, seed: int) -> Plane:
    fitted = (
        _opentsne()
        .TSNE(perplexity=perplexity, random_state=seed, initialization=_start(X, perplexity), n_jobs=1)
        .fit(X)
    )
    return Plane(np.asarray(fitted, dtype=np.float64), float("nan"))


def _opentsne() -> Any:
    try:
        return importlib.import_module("openTSNE")
    except ImportError as absent:
        raise MissingExtra(
            'method "opentsne" needs openTSNE, which is absent: pip install "probekit-nlp[projection]", or use "tsne"'
        ) from absent


def _start(X: Array, perplexity: float) -> Array:
    """The principal components, small; equal points a hair apart, which t-SNE could not part otherwise."""
    xy = _pca(X, perplexity, 0).xy
    xy = 1e-4 * xy / xy[:, 0].std()
    jitter = np.random.default_rng(0).normal(scale=1e-6, size=xy.shape)
    return np.asarray(xy + jitter, dtype=np.float32)


METHODS: Mapping[str, Callable[[Array, float, int], Plane]] = MappingProxyType(
    {"pca": _pca, "tsne": _tsne, "opentsne": _with_opentsne}
)
NAMES = {"pca": "PCA", "tsne": "t-SNE", "opentsne": "t-SNE (openTSNE)"}
