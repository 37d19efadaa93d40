"""The erasers that an experiment file can name, fitted to the rows of one layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from probekit.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from probekit.erasure.eraser import Eraser

Array = NDArray[Any]
Rows = tuple[Array, Array]


def fit_eraser(method: str, train: Rows, dev: Rows, *, like: Eraser | None = None, seed: int = 0) -> Eraser:
    """The eraser that `method` fits to train rows (X, y); dev rows are where INLP stops and
    R-LACE is judged, and nothing else.

    `like` is the eraser whose rank ("random", "pca") or whose mean squared change ("random-norm") is matched.
    Raises ConfigError for an unknown method, DataError as the fitters do.
    """
    if method not in FITTERS:
        raise ConfigError(f"no method {method!r} to erase with; {did_you_mean(method, FITTERS)}")
    eraser: Eraser = FITTERS[method](train, dev, like, seed)
    return eraser


def _leace(train: Rows, dev: Rows, like: Any, seed: int) -> Any:
    from probekit.erasure.leace import Leace

    return Leace().fit(*train).eraser_


def _inlp(train: Rows, dev: Rows, like: Any, seed: int) -> Any:
    from probekit.erasure.inlp import Inlp

    return Inlp().fit(*train, X_dev=dev[0], y_dev=dev[1]).eraser_


def _rlace(train: Rows, dev: Rows, like: Any, seed: int) -> Any:
    from probekit.erasure.rlace import Rlace

    return Rlace().fit(*train, X_dev=dev[0], y_dev=dev[1]).eraser_


def _mean(train: Rows, dev: Rows, like: Any, seed: int) -> Any:
    from probekit.erasure.mean_difference import MeanDifference

    return MeanDifference().fit(*train).eraser_


def _pca(train: Rows, dev: Rows, like: Any, seed: int) -> Any:
    from probekit.erasure.pca_erasure import PcaErasure

    return PcaErasure(rank=_rank(like)).fit(*train).eraser_


def _random(train: Rows, dev: Rows, like: Any, seed: int) -> Any:
    from probekit.erasure.random_erasure import RandomErasure

    return RandomErasure(like=like, rank=None if like else 1, seed=seed).fit(*train).eraser_


def _random_norm(train: Rows, dev: Rows, like: Any, seed: int) -> Any:
    from probekit.erasure.random_erasure import RandomErasure

    return RandomErasure(like=like, match="norm", seed=seed).fit(*train).eraser_


def _rank(like: Any) -> int:
    return 1 if like is None else int(like.rank)


FITTERS: dict[str, Callable[[Rows, Rows, Any, int], Any]] = {
    "leace": _leace,
    "inlp": _inlp,
    "rlace": _rlace,
    "mean": _mean,
    "pca": _pca,
    "random": _random,
    "random-norm": _random_norm,
}
