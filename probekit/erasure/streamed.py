"""Fitters that keep sums of the rows they were given, and work the eraser out when it is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, Self, TypeVar

from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from probekit.erasure.concept import check_products, checked_states
from probekit.errors import DataError
from probekit.maths.moments import Moments

Array = NDArray[Any]


class Sums(Protocol):
    """What is kept of the rows; a batch that `add` refuses leaves it as it was."""

    def add(self, X: Array, y: Any) -> None:
        """Take in states [n, dim] and what stands beside them. Raises DataError."""


Seen = TypeVar("Seen", bound=Sums)
Solved = TypeVar("Solved")


class Streamed(BaseEstimator, ABC, Generic[Seen, Solved]):  # type: ignore[misc]
    """A fitter of one batch (`fit`) or of many (`partial_fit`), which keeps sums and no rows."""

    _seen: Seen
    _solved: Solved

    def fit(self, X: Array, y: Any) -> Self:
        """Fit on states X [n, dim] and labels y [n] of any kind, or numbers y [n, k]; earlier batches are forgotten.

        Raises DataError for one class only, fewer than 2 rows, values that are not finite, and lengths that differ.
        """
        self._forget()
        try:
            self._take(X, y)
            self._learned()
        except Exception:
            self._forget()
            raise
        return self

    def partial_fit(self, X: Array, y: Any) -> Self:
        """Take in one more batch; labels not seen before may appear. A batch that is refused leaves no trace.

        Raises as `fit`, but waits for a second row and a second class until the eraser is asked for.
        """
        self._take(X, y)
        return self

    @abstractmethod
    def _begin(self) -> Seen:
        """Sums of no rows."""

    @abstractmethod
    def _solve(self, seen: Seen) -> Solved:
        """What is learned from the sums of all batches. Raises DataError where they do not suffice."""

    def _check(self, dim: int) -> None:
        """Raises ConfigError or DataError for options that are wrong, or wrong for states of this width."""

    def _take(self, X: Array, y: Any) -> None:
        X = checked_states(X)
        self._check(X.shape[1])
        seen = self._seen if self.__sklearn_is_fitted__() else self._begin()
        seen.add(X, y)
        self._seen = seen
        self.__dict__.pop("_solved", None)

    def _forget(self) -> None:
        self.__dict__.pop("_seen", None)
        self.__dict__.pop("_solved", None)

    def _begun(self) -> Seen:
        if not self.__sklearn_is_fitted__():
            raise DataError(f"this {type(self).__name__} has seen no states; call fit or partial_fit first")
        return self._seen

    def _learned(self) -> Solved:
        if "_solved" not in self.__dict__:
            self._solved = self._solve(self._begun())
        return self._solved

    def __sklearn_is_fitted__(self) -> bool:
        return "_seen" in self.__dict__


class StateSums:
    """Moments of states alone, batch by batch."""

    def __init__(self) -> None:
        self._moments: Moments | None = None

    def add(self, X: Array, y: Any = None) -> None:
        """Take in states [n, dim]; y is not looked at. Raises DataError."""
        X = checked_states(X, None if self._moments is None else self._moments.dim)
        moments = Moments(X.shape[1]) if self._moments is None else self._moments
        if moments.n:
            check_products(X)
        moments.add(X)
        self._moments = moments

    def finished(self) -> Moments:
        """The moments. Raises DataError for fewer than 2 rows."""
        n = 0 if self._moments is None else self._moments.n
        if self._moments is None or n < 2:
            raise DataError(f"an eraser needs at least 2 rows; got {n}")
        return self._moments
