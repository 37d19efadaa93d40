"""From a space to a plane: signs that do not depend on chance, perplexities that fit, equal points."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from probekit.errors import ConfigError
from probekit.geometry.reduce import METHODS, check_method, perplexity_for, reduce


def test_pca_of_mirrored_points_is_the_same_plane_up_to_mirrors_and_does_not_depend_on_order() -> None:
    X = np.random.default_rng(0).normal(size=(20, 5)) * [5, 3, 1, 1, 1]
    order = np.random.default_rng(1).permutation(20)
    assert np.allclose(reduce(X[order], "pca").xy, reduce(X, "pca").xy[order])
    assert 0.5 < reduce(X, "pca").explained < 1.0


def test_one_number_per_point_is_a_line() -> None:
    plane = reduce(np.arange(5.0)[:, None], "pca")
    assert np.allclose(plane.xy[:, 1], 0.0)
    assert plane.explained == pytest.approx(1.0)


@pytest.mark.parametrize("method", ["tsne", pytest.param("opentsne", marks=pytest.mark.peer)])
def test_tsne_keeps_neighbours_of_a_curved_line(method: str) -> None:
    t = np.linspace(0, 3, 60)
    X = np.stack([np.cos(4 * t), np.sin(4 * t), 3 * t, 0 * t], axis=1)
    xy = reduce(X, method, perplexity=8).xy
    assert trustworthiness(X, xy, n_neighbors=4) > 0.95
    assert np.isnan(reduce(X, method, perplexity=8).explained)


@pytest.mark.parametrize("method", ["tsne", pytest.param("opentsne", marks=pytest.mark.peer)])
def test_equal_points_and_few_points_give_finite_planes(method: str) -> None:
    X = np.repeat(np.eye(4), 4, axis=0)
    assert np.isfinite(reduce(X, method).xy).all()
    assert np.isfinite(reduce(np.eye(4)[:3], method).xy).all()


def test_perplexity_and_names() -> None:
    assert perplexity_for(4, 30) == 1.0
    assert perplexity_for(100, 30) == 30.0
    with pytest.raises(ConfigError, match="did you mean 'tsne'"):
        check_method("t-sne")
    assert set(METHODS) == {"pca", "tsne", "opentsne"}
