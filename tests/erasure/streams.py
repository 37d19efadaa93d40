"""What every fitter that takes a stream is held to: batches equal the whole, and a refused one leaves no trace."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from probekit.errors import DataError


def in_batches(fitter: Any, X: np.ndarray, y: Any = None, cuts: tuple[int, ...] = (1, 3, 40)) -> Any:
    """A copy of `fitter` that was given the rows in uneven batches."""
    fitter = clone(fitter)
    for a, b in pairwise([0, *cuts, len(X)]):
        fitter.partial_fit(X[a:b], None if y is None else y[a:b])
    return fitter


def arrays(eraser: Any) -> dict[str, np.ndarray]:
    return {name: value for name, value in vars(eraser).items() if isinstance(value, np.ndarray)}


def check_stream(fitter: Any, X: np.ndarray, y: Any = None, cuts: tuple[int, ...] = (1, 3, 40)) -> None:
    """The eraser of a stream is that of all rows, follows the stream, and is forgotten by `fit`."""
    whole, stream = clone(fitter).fit(X, y), in_batches(fitter, X, y, cuts)
    found, expected = arrays(stream.eraser_), arrays(whole.eraser_)
    assert len(found) >= 3
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-9 * max(1.0, np.abs(X).max()))
    assert stream.eraser_.about.keys() == whole.eraser_.about.keys()
    assert stream.eraser_.about["n"] == len(X)
    assert stream.eraser_ is stream.eraser_
    stream.partial_fit(X[:50] + 1.0, None if y is None else y[:50])
    assert stream.eraser_.about["n"] == len(X) + 50
    assert np.abs(stream.eraser_.center - whole.eraser_.center).max() > 1e-3
    assert_same(stream.fit(X, y), whole)


def assert_same(one: Any, two: Any) -> None:
    for name, value in arrays(two.eraser_).items():
        np.testing.assert_array_equal(arrays(one.eraser_)[name], value)
    assert dict(one.eraser_.about) == dict(two.eraser_.about)


def check_refusals(fitter: Any, X: np.ndarray, y: Any = None) -> None:
    """Refused batches, of which some rows were good, change nothing; nor is anything there before the first."""
    fitter = clone(fitter)
    for ask in (lambda: fitter.eraser_, lambda: fitter.partial_fit(X[:0], None if y is None else y[:0])):
        with pytest.raises(DataError):
            ask()
    with pytest.raises(DataError, match="has seen no states"):
        fitter.eraser_  # noqa: B018
    with pytest.raises(NotFittedError):
        check_is_fitted(fitter)
    many = np.resize(X, (3000, X.shape[1]))
    labels = None if y is None else np.resize(y, (3000, *y.shape[1:]))
    late, few = many.copy(), X[:3].astype(np.float32)
    late[2999, 0] = np.nan
    few[1, 1] = np.inf
    huge = many.copy()
    huge[2999, 0] = 1e300
    bad = [(late, labels), (huge, labels), (few, None if y is None else y[:3])]
    later = [(X[:, 1:], y)]
    if y is not None:
        bad.append((X, y[:5]))
        bad.append((X[:2], np.array([str(y[0]), None], dtype=object)))
        later.append((X[:3], np.ones((3, 9))))
    for other, beside in bad:  # as the first batch
        with pytest.raises(DataError):
            fitter.partial_fit(other, beside)
    fitter.partial_fit(X[:1], None if y is None else y[:1])
    with pytest.raises(DataError, match="at least 2 rows; got 1"):
        fitter.eraser_  # noqa: B018
    fitter.partial_fit(X[1:], None if y is None else y[1:])
    clean = in_batches(fitter, X, y, (1,))
    check_is_fitted(fitter)
    assert_same(fitter, clean)
    for other, beside in bad + later:
        with pytest.raises(DataError):
            fitter.partial_fit(other, beside)
        assert_same(fitter, clean)
    for each in (fitter, clean):
        each.partial_fit(X[:9], None if y is None else y[:9])
    assert_same(fitter, clean)
    with pytest.raises(DataError):
        fitter.fit(X[:1], None if y is None else y[:1])
    with pytest.raises(DataError, match="has seen no states"):
        fitter.eraser_  # noqa: B018
