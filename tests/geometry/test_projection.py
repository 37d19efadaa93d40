"""Projections: a planted plane is found, numbers are those of the maths, bad input is told."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.decomposition import PCA

import probekit as pk
from probekit.data.task import Task
from probekit.errors import ConfigError, DataError, MissingExtra
from probekit.geometry.projection import project
from probekit.maths.planes import faith
from tests.geometry.planted_rows import Planted, labelled, planted

SENSE = Task(name="sense", question="?", label="sense", where="upos != _")


def clouds(dim: int = 6, n: int = 24) -> Planted:
    """Layer 0: noise; 1: two groups on one axis; 2: the same, mirrored and turned, and 3 times as large."""
    rng = np.random.default_rng(0)
    corpus = labelled([f"a{i} word{i} b" for i in range(n)], [["_", "xy"[i % 2], "_"] for i in range(n)])
    noise = rng.normal(size=(3, n, 3, dim))
    turn = np.linalg.qr(rng.normal(size=(dim, dim)))[0]

    def vector(layer: str, s: int, w: int) -> np.ndarray:
        groups = 0.1 * noise[1, s, w] + np.eye(dim)[0] * (4 * (s % 2)) + np.eye(dim)[1] * noise[1, s, w, 0]
        return noise[0, s, w] if layer == "0" else groups if layer == "1" else -3 * (groups @ turn) + 5

    return planted(corpus, vector)


def test_planted_groups_are_found_and_planes_lie_over_each_other() -> None:
    found = project(clouds(), SENSE, neighbours=5)
    assert found.layers == ("0", "1", "2")
    share = {
        (row.layer, row.group, row.control): row.value for row in found.rows if "same_label" in row.metric
    }
    assert share["1", "neighbours=5, in=space", ""] == share["1", "neighbours=5, in=plane", ""] == 1.0
    assert share["0", "neighbours=5, in=space", ""] < 0.8
    assert share["1", "neighbours=5", "permutation"] == pytest.approx((2 * 12 * 11) / (24 * 23))
    assert "layer 1: 100.0 %" in found.summary
    # the same arrangement, turned, mirrored and three times as large, is laid over the one before
    assert np.allclose(found.xy[2], 3 * found.xy[1], atol=1e-3)
    assert next(r.value for r in found.rows if (r.metric, r.layer) == ("fit_to_layer_before", "2")) > 0.9999


def test_pca_and_its_numbers_are_those_of_scikit_learn_and_the_maths() -> None:
    acts = clouds()
    found = project(acts, SENSE, layers=[0], neighbours=4)
    X = acts.units(SENSE).X(0).astype(float)
    plain = PCA(2).fit(X)
    xy = plain.transform(X)
    assert np.allclose(np.abs(found.xy[0]), np.abs(xy), atol=1e-4)
    rows = {row.metric: row.value for row in found.rows if not row.control}
    assert rows["explained_variance"] == pytest.approx(plain.explained_variance_ratio_.sum(), abs=1e-5)
    expected = faith(squareform(pdist(X)), squareform(pdist(xy)), 4)
    assert (rows["stress"], rows["kept_neighbours"]) == pytest.approx(
        (expected.stress, expected.kept), abs=1e-4
    )
    assert rows["trustworthiness"] == pytest.approx(expected.trustworthiness, abs=1e-4)
    note = found.panels[1].labels["notes"][0]
    assert f"stress {expected.stress:.2f}" in note
    assert "fit to the plane before" not in note


@pytest.mark.parametrize("method", ["tsne", pytest.param("opentsne", marks=pytest.mark.peer)])
def test_tsne_keeps_planted_groups_and_gives_the_same_plane_again(method: str) -> None:
    one, other = (project(clouds(), SENSE, method, layers=[1], perplexity=5, seed=3) for _ in range(2))
    assert np.array_equal(one.xy, other.xy)
    plane = next(row for row in one.rows if row.group.endswith("in=plane"))
    assert plane.value is not None
    assert plane.value > 0.9
    assert not [row for row in one.rows if row.metric == "explained_variance"]
    assert "distances between groups mean little" in one.panels[1].caption.lower()


def test_points_are_drawn_and_told_and_marked_ones_are_there() -> None:
    found = project(clouds(), SENSE, points=10, mark=["s23:2", "s0:2"])
    assert found.xy.shape == (3, 10, 2)
    assert "10 of 24 words, drawn at random (seed 0)" in found.summary
    assert "10 of 24 words" in found.panels[1].caption
    assert sorted(found.marked.values()) == ["word0", "word23"]
    assert [found.words.ids[i] for i in found.marked] == ["s23:2", "s0:2"]
    again = project(clouds(), SENSE, points=10, seed=1)
    assert again.words.ids != found.words.ids


def test_numbers_are_cut_at_their_quintiles() -> None:
    acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(12, 2, 2), layers=[1])
    found = pk.project(acts, pk.load_task("dependency_depth"), points=80)
    classes = found.panels[1].labels["classes"]
    assert 2 <= len(classes) <= 5
    assert classes[0].startswith("1: 0") or classes[0].startswith("1: 1")


def test_cosine_and_euclidean_differ_where_lengths_do() -> None:
    corpus = labelled([f"w{i}" for i in range(8)], [["xy"[i % 2]] for i in range(8)])
    # x points one way, y another, but lengths are all over the place
    acts = planted(corpus, lambda layer, s, w: np.array([1.0, s % 2, 0.01 * s]) * 10 ** (s // 2))
    space = {}
    for metric in ("euclidean", "cosine"):
        found = project(acts, SENSE, layers=[1], metric=metric, neighbours=1)
        space[metric] = next(row.value for row in found.rows if row.group.endswith("in=space"))
    assert space["cosine"] == 1.0
    assert space["euclidean"] < 1.0


def test_a_layer_of_identical_vectors_is_not_drawn_and_said() -> None:
    corpus = labelled([f"w{i}" for i in range(6)], [["xy"[i % 2]] for i in range(6)])
    acts = planted(corpus, lambda layer, s, w: np.ones(4) if layer == "0" else np.eye(6)[s])
    found = project(acts, SENSE)
    assert np.isnan(found.xy[0]).all()
    assert np.isfinite(found.xy[1]).all()
    assert found.panels[1].labels["notes"][0] == "all vectors are identical"
    first = [row for row in found.rows if row.layer == "0"]
    assert [(row.value, row.reason) for row in first] == [(None, "all vectors are identical")]
    only = project(acts, SENSE, layers=[0])
    assert "at every layer all vectors are identical" in only.summary


def test_one_class_is_drawn_and_said() -> None:
    corpus = labelled([f"w{i}" for i in range(6)], [["x"]] * 6)
    found = project(planted(corpus, lambda layer, s, w: np.eye(6)[s] * (s + 1)), SENSE, layers=[1])
    assert "all are 'x', so colours say nothing" in found.summary
    share = [row for row in found.rows if row.metric == "same_label_neighbours"]
    assert [(row.value, row.reason) for row in share] == [(None, "all points have one label")]


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_points(n: int) -> None:
    corpus = labelled([f"w{i}" for i in range(n)], [["x"]] * n)
    with pytest.raises(DataError, match=f"{n} words? of 'sense' with a vector; a plane needs 3 or more"):
        project(planted(corpus, lambda layer, s, w: np.eye(4)[s]), SENSE)


def test_three_points_are_enough() -> None:
    corpus = labelled([f"w{i}" for i in range(3)], [[s] for s in "xxy"])
    found = project(planted(corpus, lambda layer, s, w: np.eye(4)[s]), SENSE, layers=[1])
    trust = next(row for row in found.rows if row.metric == "trustworthiness")
    assert (trust.value, trust.reason) == (None, "needs more than 4 points")


def test_options_that_do_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    acts = clouds()
    with pytest.raises(ConfigError, match="no projection 'umap'; known: opentsne, pca, tsne"):
        project(acts, SENSE, "umap")
    with pytest.raises(ConfigError, match="no metric 'cosin'"):
        project(acts, SENSE, metric="cosin")
    with pytest.raises(ConfigError, match="layer '9' is not stored here"):
        project(acts, SENSE, layers=[9])
    with pytest.raises(ConfigError, match="no unit 's99:1' of 'sense' has a vector"):
        project(acts, SENSE, mark=["s99:1"])
    with pytest.raises(ConfigError, match="units are named in a list"):
        project(acts, SENSE, mark="s9:1")
    with pytest.raises(ConfigError, match="a plane needs neighbours"):
        project(acts, SENSE, points=2)
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(
        MissingExtra, match=r'needs openTSNE, which is absent: pip install "probekit-nlp\[projection\]"'
    ):
        project(acts, SENSE, "opentsne")
