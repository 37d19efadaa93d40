"""The first principal directions go, as scikit-learn finds them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

import probekit as pk
from probekit.errors import ConfigError, DataError
from tests.erasure.streams import check_refusals, check_stream, in_batches


def drawn() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(200, 6)) * [1, 9, 2, 5, 1, 1] + 3.0


@pytest.mark.parametrize("rank", [0, 1, 3, 6])
def test_equals_scikit_learn(rank: int) -> None:
    X = drawn()
    fitter, pca = pk.PcaErasure(rank).fit(X), PCA().fit(X)
    kept = pca.components_[rank:]
    expected = (X - pca.mean_) @ kept.T @ kept + pca.mean_
    np.testing.assert_allclose(fitter.eraser_(X), expected, atol=1e-10)
    np.testing.assert_allclose(fitter.share_, pca.explained_variance_ratio_[:rank], atol=1e-10)
    assert fitter.eraser_.rank == rank
    assert fitter.eraser_.method == "pca"


def test_no_projection_of_its_rank_takes_more() -> None:
    X = drawn()
    taken = ((pk.PcaErasure(2).fit(X).eraser_(X) - X) ** 2).sum()
    for seed in range(20):
        other = pk.RandomErasure(rank=2, seed=seed).fit(X).eraser_
        assert ((other(X) - X) ** 2).sum() < taken


def test_few_rows_and_constants() -> None:
    X = drawn()[:3]
    np.testing.assert_allclose(pk.PcaErasure(2).fit(X).eraser_(X), np.broadcast_to(X.mean(axis=0), X.shape))
    still = pk.PcaErasure(1).fit(np.ones((3, 2)))
    assert still.share_.tolist() == [0.0]


def test_bad_input_is_refused() -> None:
    with pytest.raises(ConfigError, match="from 0 to the width 6 of the states; got 7"):
        pk.PcaErasure(7).fit(drawn())
    with pytest.raises(DataError, match="at least 2 rows; got 1"):
        pk.PcaErasure(1).fit(drawn()[:1])


def test_a_stream_equals_the_whole() -> None:
    X = drawn()
    check_stream(pk.PcaErasure(2), X)
    check_refusals(pk.PcaErasure(2), X)
    stream = in_batches(pk.PcaErasure(2), X)
    np.testing.assert_allclose(stream.share_, pk.PcaErasure(2).fit(X).share_, atol=1e-12)
    assert stream.fit(X, ["not", "looked", "at"]).partial_fit(X, []).eraser_.about["n"] == 400
    with pytest.raises(ConfigError, match="got 7"):
        pk.PcaErasure(7).partial_fit(X)
