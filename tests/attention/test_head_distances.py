"""Jensen-Shannon divergence between heads beside plain loops, the plane, the clusters, and layers against chance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

import probekit as pk
from probekit.attention import head_distances as module
from probekit.attention.head_distances import head_distances
from probekit.attention.head_plane import HeadDistances, find_clusters
from probekit.data.corpus import Corpus
from probekit.errors import ConfigError, DataError
from probekit.maths.resampling import mean_interval
from probekit.maths.scaling import distances
from probekit.models.align import encode
from probekit.models.attention import attentions
from tests.attention.planted_looks import looking_model
from tests.attention.test_head_statistics import lines
from tests.tiny_models import tiny_model


def slow(model: Any, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """Divergences ``[pieces, heads, heads]`` by scipy, one piece at a time, and the sentence of each piece."""
    found, sentences = [], []
    for number, sentence in enumerate(corpus):
        encoding = encode(model, [sentence])
        maps = attentions(model, torch.from_numpy(encoding.piece_ids)[None].long())
        for i in np.flatnonzero(~encoding.special):
            rows = []
            for weights in maps.values():
                start = weights.shape[2] - len(encoding.special)
                heads = weights[0].double().numpy()[:, i + start]
                rows.extend(np.concatenate([np.zeros(1 - start), head]) for head in heads)
            found.append(
                [[jensenshannon(a, b, base=2) ** 2 if a is not b else 0.0 for b in rows] for a in rows]
            )
            sentences.append(number)
    return np.nan_to_num(np.array(found)), np.array(sentences)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
def test_divergences_equal_plain_loops(kind: str) -> None:
    model, corpus = tiny_model(kind), lines(4)
    each, sentences = slow(model, corpus)
    found = head_distances(model, corpus, pieces=10**6, pieces_per_batch=30, permutations=99, resamples=100)
    assert found.n_pieces == len(each)
    np.testing.assert_allclose(found.distance, each.mean(0), atol=2e-6)
    upper = np.triu_indices(len(found.distance), 1)
    same = found.layer_of[upper[0]] == found.layer_of[upper[1]]
    rows = {row.metric: row for row in found.rows if not row.control}
    for metric, values in (
        ("js_within_layers", each[:, upper[0], upper[1]][:, same].mean(1)),
        ("js_between_layers", each[:, upper[0], upper[1]][:, ~same].mean(1)),
    ):
        want = mean_interval(values, sentences, resamples=100)
        row = rows[metric]
        assert (row.value, row.low, row.high) == pytest.approx(tuple(want), rel=1e-3)
    apart = rows["js_between_less_within"]
    assert apart.value == pytest.approx(rows["js_between_layers"].value - rows["js_within_layers"].value)  # type: ignore[operator]
    assert apart.n == len(each)


def test_heads_that_look_alike_lie_together() -> None:
    """The head of layer 1 that looks back and that of layer 2 that looks ahead share nothing: one bit."""
    texts = ["a b c d f", "b c d f a", "f d b a c"]
    found = head_distances(looking_model(), texts, permutations=99)
    names = {name: number for number, name in enumerate(found.names)}
    assert list(names) == ["1.0", "1.1", "2.0", "2.1"]
    assert found.distance[names["1.0"], names["2.0"]] == pytest.approx(1.0, abs=0.01)
    assert np.array_equal(found.distance, found.distance.T)
    assert not np.diag(found.distance).any()
    assert distances(found.plane)[0, 2] > 0.5


def made(distance: np.ndarray, layers: int, *, clusters: bool = True) -> HeadDistances:
    layer_of = np.repeat(np.arange(layers), len(distance) // layers)
    codes, silhouette = find_clusters(distance) if clusters else (np.zeros(len(distance), np.int64), np.nan)
    return HeadDistances(
        layers=tuple(str(n + 1) for n in range(layers)),
        distance=distance,
        plane=np.zeros((len(distance), 2)),
        layer_of=layer_of,
        cluster_of=codes,
        silhouette=silhouette,
        sums=np.array([[1.0, 2.0, 1.0], [1.0, 3.0, 1.0]]),
        n_pieces=2,
        permutations=499,
        model="m",
    )


def test_heads_of_a_layer_against_heads_dealt_out_anew() -> None:
    """Planted layers are found; distances without layers give p below 0.05 about as often as it says."""
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.normal(size=(3, 4)) * 3, 4, axis=0)
    assert made(distances(centres + rng.normal(size=centres.shape)), 3).p == pytest.approx(1 / 500)
    below = [made(distances(rng.normal(size=(12, 4))), 3, clusters=False).p <= 0.05 for _ in range(100)]
    assert sum(below) <= 11  # binomial(100, 0.05): beyond 11 in 1.1 % of draws


def test_clusters() -> None:
    rng = np.random.default_rng(1)
    centres = np.repeat(np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]]), [4, 3, 5], axis=0)
    apart = distances(centres + rng.normal(size=centres.shape))
    codes, best = find_clusters(apart)
    assert codes.tolist() == [0] * 4 + [1] * 3 + [2] * 5
    assert 0.5 < best < 1
    assert find_clusters(apart, 2)[0].max() == 1
    alone = np.full((13, 13), 60.0)  # one far from all: the clusters of the rest are found beside it
    alone[:12, :12], alone[12, 12] = apart, 0.0
    assert find_clusters(alone)[0].tolist() == [*codes, 3]
    assert find_clusters(alone, 2)[0].tolist() == [0] * 12 + [1]
    codes, best = find_clusters(np.zeros((4, 4)))
    assert codes.tolist() == [0] * 4
    assert np.isnan(best)


def test_rows_say_what_is_missing() -> None:
    alike = made(np.zeros((4, 4)), 2)
    rows = {row.metric: row for row in alike.rows if not row.control}
    assert rows["silhouette"].value is None
    assert rows["silhouette"].reason == "all heads alike"
    assert rows["stress"].value is None
    assert "NaN" not in alike.summary
    assert "nan" not in alike.summary
    assert all("nan" not in str(panel.labels.get("notes", "")) for panel in alike.panels)
    one = made(distances(np.random.default_rng(0).normal(size=(4, 3))), 4)
    reasons = {row.metric: row.reason for row in one.rows}
    assert reasons["js_within_layers"] == "one head a layer: none within"
    assert replace(one, layers=("1",), layer_of=np.zeros(4, np.int64)).summary.startswith("4 heads of m.")


def test_pieces_are_drawn_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    model, corpus = tiny_model("bert"), lines()
    whole = head_distances(model, corpus, pieces=10**6, permutations=9)
    some = head_distances(model, corpus, pieces=30, permutations=9)
    assert 10 < some.n_pieces < whole.n_pieces
    assert np.abs(some.distance - whole.distance).max() < 0.01
    again = head_distances(model, corpus, pieces=30, permutations=9)
    assert np.array_equal(again.distance, some.distance)
    monkeypatch.setattr(module, "CELLS", 1000)
    few = head_distances(model, corpus, pieces=10**6, permutations=9)
    assert 0 < few.n_pieces < whole.n_pieces
    monkeypatch.setattr(module, "CHUNK", 1)
    monkeypatch.setattr(module, "CELLS", 10**6)
    one_by_one = head_distances(model, corpus, pieces=30, permutations=9)
    np.testing.assert_allclose(one_by_one.distance, some.distance, rtol=1e-5, atol=1e-9)


def test_twins_panels_and_words() -> None:
    found = head_distances(tiny_model("bert"), lines(), twins=1, permutations=99, resamples=50)
    twin = [row for row in found.rows if row.control == "random-twin"]
    assert [row.metric for row in twin] == ["js_within_layers", "js_between_layers", "js_between_less_within"]
    assert twin[0].seeds == (("twin", 0),)
    assert twin[0].model_kind == "random"
    assert {row.control for row in found.rows} == {"", "random-twin", "chance"}
    assert [panel.kind for panel in found.panels] == ["scatter", "scatter", "heatmap"]
    assert "stress" in found.panels[0].labels["notes"][0]
    assert "in one random twin" in found.summary
    assert "bits nearer to each other" in found.summary
    assert "bits nearer to each other" in found._repr_html_()
    assert len(found.table()) == len(found.rows)
    for panel in found.panels:
        pk.plot(panel)


def test_words_and_rows_say_of_which_split_and_what_one_sentence_cannot_say() -> None:
    model = tiny_model("bert")
    corpus = pk.generate_corpus(1, 4, 3)
    one = head_distances(model, corpus.split("train"), permutations=99, resamples=20)
    assert "(one sentence: no interval; p " in one.summary
    assert " ," not in one.summary
    test = head_distances(model, corpus.split("test"), twins=2, permutations=99, resamples=20)
    assert "over 3 sentences of test; in 2 random twins" in test.summary
    assert {row.split for row in test.rows} == {"test"}
    assert all("3 sentences of test" in panel.caption for panel in test.panels)
    shown = test._repr_html_()
    assert shown.count("<table") == 1
    assert "NaN" not in shown


def test_a_difference_that_is_nothing_is_said_to_be_about_0() -> None:
    equal = replace(
        made(np.ones((4, 4)) - np.eye(4), 2), sums=np.array([[1.0, 0.9999, 1.0], [1.0, 0.9998, 1.0]]),
        twins=(np.array([[1.0, 0.9999, 1.0], [1.0, 0.9997, 1.0]]),), twin_seeds=(0,),
    )  # fmt: skip
    assert "are about 0 bits nearer" in equal.summary
    assert "in one random twin about 0." in equal.summary


def test_bad_input() -> None:
    model = tiny_model("bert")
    with pytest.raises(ConfigError, match="2 heads make no plane"):
        head_distances(model, "the cat", [1])
    with pytest.raises(ConfigError, match="must be at least 1; got 0 and 9999"):
        head_distances(model, "the cat", pieces=0)
    with pytest.raises(ConfigError, match="4 heads make 2 to 3 clusters, not 4"):
        head_distances(model, "the cat", clusters=4)
    with pytest.raises(DataError, match=r"has no word that .* reads"):
        head_distances(model, [""])
    with pytest.raises(ConfigError, match="twins must be 0 or more"):
        head_distances(model, "the cat", twins=-2)
