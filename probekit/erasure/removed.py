"""What an eraser takes out: how many directions, how much of the states, and how near to what others take out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.erasure.concept import ConceptMoments, checked_states, summed
from probekit.erasure.eraser import Eraser
from probekit.errors import DataError
from probekit.maths.subspaces import principal_angles

Array = NDArray[Any]


@dataclass(frozen=True)
class Removed:
    """What `removed` found, for states [n, dim]; shares are of their total variance.

    ``variance``: by how much of it the erased states vary less (an oblique map may leave more: then below 0).
    ``change``: the mean squared change. ``relative_change``: the mean over states of |x - erased x| / |x|.
    ``norm_change``: the mean over states of |erased x| / |x| - 1. ``separation`` and ``separation_after``: the share
    of the variance that lies between the classes' means, or that numbers explain; None without y.
    """

    rank: int
    variance: float
    change: float
    relative_change: float
    norm_change: float
    separation: float | None = None
    separation_after: float | None = None

    @property
    def summary(self) -> str:
        """One sentence."""
        said = (
            f"{self.rank} direction{'s' * (self.rank != 1)} taken out, which hold {100 * self.variance:.2f} % of the "
            f"variance; a state moves by {100 * self.relative_change:.2f} % of its length on average"
        )
        if self.separation is not None and self.separation_after is not None:
            said += (
                f"; of the variance, {100 * self.separation:.2f} % followed the concept before and "
                f"{100 * self.separation_after:.2f} % after"
            )
        return said + "."


def removed(eraser: Eraser, X: Array, y: Any = None) -> Removed:
    """What `eraser` takes out of states X [n, dim], and how much of the concept y was and is left in them.

    y: labels [n] or numbers [n, k]. Raises DataError as `Leace.fit` does, and where the states do not vary.

    >>> X = np.array([[0.0, 1.0], [0.0, 3.0], [2.0, 1.0], [2.0, 3.0]])
    >>> found = pk.removed(pk.Leace().fit(X, [0, 0, 1, 1]).eraser_, X, [0, 0, 1, 1])
    >>> found.rank, round(found.variance, 6), round(found.separation, 6), round(found.separation_after, 6)
    (1, 0.5, 0.5, 0.0)
    """
    X = checked_states(X)
    erased = eraser(X)
    before, after = summed(X), summed(erased)
    total, left = (float(np.trace(moments.covariance())) for moments in (before, after))
    if total <= 0.0:
        raise DataError("these states do not vary: there is nothing that an eraser could take a share of")
    moved = np.linalg.norm(X.astype(np.float64) - erased, axis=1)
    length, length_after = (np.linalg.norm(states.astype(np.float64), axis=1) for states in (X, erased))
    some = length > 0
    separations = [None, None] if y is None else [_separation(states, y, total) for states in (X, erased)]
    return Removed(
        rank=eraser.rank,
        variance=1.0 - left / total,
        change=float((moved**2).mean()) / total,
        relative_change=float((moved[some] / length[some]).mean()),
        norm_change=float((length_after[some] / length[some] - 1.0).mean()),
        separation=separations[0],
        separation_after=separations[1],
    )


def angles(eraser: Eraser, other: Eraser) -> NDArray[np.float64]:
    """Principal angles between what two erasers take out, in degrees, ascending, float64 [n].

    n is the smaller of both ranks. 0: a direction both take out; 90: unrelated. Compared are the directions along
    which states are changed. Raises DataError for erasers of different widths. Source: Bjorck & Golub 1973.

    >>> one, two = (pk.Eraser(left=d.T, right=d, center=np.zeros(2)) for d in np.array([[[1.0, 0.0]], [[1.0, 1.0]]]))
    >>> pk.angles(one, two).round(6).tolist()
    [45.0]
    """
    if eraser.dim != other.dim:
        raise DataError(
            f"erasers of width {eraser.dim} and {other.dim} cannot be compared; both must be of one model"
        )
    return np.asarray(principal_angles(eraser.basis, other.basis))


def _separation(X: Array, y: Any, total: float) -> float:
    seen = ConceptMoments()
    seen.add(X, y)
    return float((seen.finished()[1].directions ** 2).sum()) / total
