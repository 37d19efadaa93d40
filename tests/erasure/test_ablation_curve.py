"""Curves over sets of increasing size: hand-made judges whose answer is known, against a plain twin."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import probekit as pk
from probekit.erasure.ablation_curve import ablation_curve
from probekit.errors import ConfigError, DataError
from probekit.results.outcomes import Outcomes
from tests.erasure.edited_weights import some_ids
from tests.tiny_models import tiny_model

N = 32  # neurons that may go; the first four carry everything


def edits(members: list[int]) -> tuple[pk.Edit, ...]:
    return pk.ablate_neurons(tiny_model("bert"), {1: members})


def alive() -> np.ndarray:
    """Which of the first N neurons hold anything."""
    model = tiny_model("bert")
    states = model.states(some_ids(model), None, [1], site="mlp")["1"][0, :, :N]
    return (states.abs() > 0).all(dim=0).numpy()


def outcomes(needs: int = 4) -> Outcomes:
    """Item i is right as long as neuron i % needs lives; two items are a cluster."""
    living = alive()
    predicted = [int(living[i % needs]) for i in range(40)]
    return Outcomes(
        tuple(f"item {i}" for i in range(40)),
        np.arange(40) // 2,
        np.ones(40),
        predicted,
        labels=("no", "yes"),
    )


def curve_of(ranking: list[int], **options):  # type: ignore[no-untyped-def]
    return ablation_curve(tiny_model("bert"), outcomes, edits, ranking, **options)


def test_the_right_ranking_takes_the_score_away_first() -> None:
    curve = curve_of(list(range(N)), sizes=[1, 2, 4, 8], draws=3)
    assert curve.before.mean() == 1.0  # the positive control
    assert curve.ranked.mean(axis=1).tolist() == [0.75, 0.5, 0.0, 0.0]
    assert (curve.random.mean(axis=(0, 2)) > curve.ranked.mean(axis=1)).all()


def test_random_rankings_are_orders_of_the_same_members() -> None:
    one, again, other = (curve_of(list(range(N)), draws=2, seed=seed) for seed in (0, 0, 1))
    assert one.sizes == (1, 2, 4, 8, 16, 32)
    assert np.array_equal(one.random, again.random)
    assert not np.array_equal(one.random, other.random)
    assert (one.random[:, -1] == 0).all()  # at the end all are out, whatever the order
    falling = np.diff(one.random.mean(axis=2), axis=1)
    assert (falling <= 0).all()  # each order's sets contain one another


def test_rows_are_paired_over_items_and_resample_clusters() -> None:
    curve = curve_of(list(range(N)), sizes=[2, 4], draws=3)
    rows = {(row.group, row.control, row.metric): row for row in curve.rows}
    assert len(rows) == 1 + 2 * 3
    difference = rows["size=2", "", "accuracy_difference"]
    expected = curve.ranked[0].mean() - curve.random[:, 0].mean()
    assert difference.value == pytest.approx(expected)
    assert difference.low <= difference.value <= difference.high
    assert difference.reference == "random-ranking"
    assert difference.family_size == 2
    assert difference.p_adjusted >= difference.p
    assert rows["size=0", "", "accuracy"].value == 1.0
    rng_of_control = rows["size=4", "random-ranking", "accuracy"]
    assert rng_of_control.seeds == (("control", 0),)
    # items 2k and 2k + 1 are one cluster and half of the clusters are lost whole: wider than over single items
    single = ablation_curve(
        tiny_model("bert"), lambda: outcomes().correct, edits, list(range(N)), sizes=[2, 4], draws=3
    )
    by_cluster, by_item = rows["size=2", "", "accuracy"], single.rows[1]
    assert by_cluster.value == by_item.value == 0.5
    assert by_cluster.high - by_cluster.low > by_item.high - by_item.low
    assert len(curve.table()) == 7


def test_numbers_with_clusters_and_items_without_a_number() -> None:
    def judge() -> np.ndarray:
        living = alive()
        scores = living[:10] * np.arange(10.0)
        scores[3] = np.nan
        if not living[5]:
            scores[7] = np.nan
        return scores

    curve = ablation_curve(
        tiny_model("bert"), judge, edits, [5, 6, 1], cluster=np.arange(10) // 5, draws=0, metric="log_odds"
    )
    assert curve.sizes == (1, 2, 3)
    assert curve.n_left_out == 2
    assert curve.ranked.sum(axis=1).tolist() == [45 - 3 - 7 - 5, 45 - 3 - 7 - 5 - 6, 45 - 3 - 7 - 5 - 6 - 1]
    assert curve.cluster.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert {row.metric for row in curve.rows} == {"log_odds"}
    assert curve.rows[0].n_left_out == 2


def test_heads_as_members() -> None:
    model = tiny_model("llama")
    ids = some_ids(model)

    def take(members: list[tuple[int, int]]) -> tuple[pk.Edit, ...]:
        by_layer: dict[int, list[int]] = {}
        for layer, head in members:
            by_layer.setdefault(layer, []).append(head)
        return pk.ablate_heads(model, by_layer)

    def judge() -> np.ndarray:
        return model.states(ids, None, ["final"])["final"][0, :, 0].numpy()

    curve = ablation_curve(
        model,
        judge,
        take,
        [(layer, head) for layer in (1, 2) for head in range(4)],
        sizes=[1, 8],
        part="head",
    )
    assert curve.random.shape == (5, 2, ids.shape[1])
    with pk.edit_all(model, pk.ablate_heads(model, {1: [0]})):
        np.testing.assert_array_equal(curve.ranked[0], judge())


def test_words_and_pictures() -> None:
    curve = curve_of(list(range(N)), sizes=[4, 8], draws=2)
    assert curve.summary.startswith(
        "Accuracy is 1.000 with nothing taken out, 0.000 without the first 4 of 32 neurons"
    )
    sentence, picture = curve.panels
    assert sentence.labels["text"] == curve.summary
    assert picture.kind == "curve"
    assert picture.arrays["x"].tolist() == [0.0, 4.0, 8.0]
    assert picture.arrays["value"][:, 0].tolist() == [1.0, 1.0]
    assert "<p>" in curve._repr_html_()
    alone = curve_of(list(range(N)), sizes=[4], draws=0)
    assert alone.summary == "Accuracy is 1.000 with nothing taken out and 0.000 without the first 4 neurons."
    assert len(alone.panels[1].labels["series"]) == 1


def test_what_is_refused() -> None:
    run = partial(ablation_curve, tiny_model("bert"), outcomes, edits)
    with pytest.raises(ConfigError, match="lists every member once"):
        run([1, 2, 2])
    with pytest.raises(ConfigError, match="from 1 to the 3 members"):
        run([1, 2, 3], sizes=[4])
    with pytest.raises(ConfigError, match="one list of members"):
        run(np.zeros((2, 2)))
    with pytest.raises(DataError, match=r"judge gave object; it must give outcomes"):
        ablation_curve(tiny_model("bert"), object, edits, [1, 2])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="draws must be"):
        run([1, 2, 3], draws=-1)
    with pytest.raises(DataError, match="3 clusters for 40 items"):
        run([1, 2, 3], cluster=[0, 1, 2])
    lengths = iter([3, 4])
    with pytest.raises(DataError, match="gave 4 items inside an edit and 3 before"):
        ablation_curve(tiny_model("bert"), lambda: alive()[: next(lengths)], edits, [1, 2])
    with pytest.raises(DataError, match="none of 4 items"):
        ablation_curve(tiny_model("bert"), lambda: alive()[:4] * np.nan, edits, [1, 2])
