"""Rankings of neurons: hand-made cases, planted neurons, and the properties every ranking has."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from probekit.errors import ConfigError, DataError
from probekit.probing.neuron_ranking import By, NeuronRanking, rank_neurons


def planted(
    n: int = 600, dim: int = 20, seed: int = 0, dtype: type = np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """Neuron 3 tells class a, neuron 7 class b, neuron 11 varies most and tells nothing."""
    rng = np.random.default_rng(seed)
    y = rng.choice(["a", "b", "c"], size=n)
    X = rng.normal(size=(n, dim))
    X[:, 3] += 4.0 * (y == "a")
    X[:, 7] -= 4.0 * (y == "b")
    X[:, 11] *= 30.0
    return X.astype(dtype), y


class TestOfWeights:
    def test_cases_of_neurox(self) -> None:
        assert NeuronRanking.of_weights([[5, 1, 1], [1, 10, 1]], ["0", "1"]).top(0.5) == (
            [0, 1], {"0": [0], "1": [1]},
        )  # fmt: skip
        union, per = NeuronRanking.of_weights([[10, 9, 8], [10, 2, 1]], ["0", "1"]).top(1.1)
        assert (union, per) == ([0, 1, 2], {"0": [0, 1, 2], "1": [0, 1, 2]})
        hard = NeuronRanking.of_weights([[5, 1, 2, 1], [1, 10, 1, 6]], ["0", "1"]).heavier_than(1 / 2)
        assert hard == ([0, 1, 3], {"0": [0], "1": [1, 3]})
        assert NeuronRanking.of_weights([[5, 4, 1], [10, 1, 1]], ["0", "1"]).bottom(0.1) == (
            [1, 2], {"0": [2], "1": [1, 2]},
        )  # fmt: skip
        assert NeuronRanking.of_weights([[4, 1, 5], [1, 1, 10]]).order.tolist() == [2, 0, 1]

    def test_the_sign_does_not_count(self) -> None:
        assert NeuronRanking.of_weights([[-5.0, 1.0]]).order.tolist() == [0, 1]

    def test_a_class_with_small_weights_counts_as_much_as_one_with_large(self) -> None:
        # by largest absolute weight neuron 2 would come last
        ranking = NeuronRanking.of_weights([[100.0, 90.0, 0.0], [0.0, 0.0, 0.1]])
        assert ranking.order.tolist() == [2, 0, 1]
        np.testing.assert_allclose(ranking.score, [1.0, 90 / 190, 1.0])

    def test_no_weight_at_all(self) -> None:
        ranking = NeuronRanking.of_weights(np.zeros((2, 3)), ["a", "b"])
        assert ranking.score.tolist() == [0.0, 0.0, 0.0]
        assert ranking.order.tolist() == [0, 1, 2]
        assert any(row.value is None and row.reason for row in ranking.rows)
        assert len(ranking.panels) == 3

    @given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.floats(-9, 9)),
           st.floats(0.01, 1.0))  # fmt: skip
    def test_properties(self, weights: np.ndarray, share: float) -> None:
        classes = [f"k{i}" for i in range(len(weights))]
        ranking = NeuronRanking.of_weights(weights, classes)
        n = weights.shape[1]
        assert sorted(ranking.order.tolist()) == list(range(n))
        assert (np.diff(ranking.score[ranking.order]) <= 0).all()
        union, per = ranking.top(share)
        mass = np.abs(weights)
        for row, name in zip(mass, classes, strict=True):
            taken = row[per[name]].sum()
            assert taken >= share * row.sum() * (1 - 1e-9)
            if len(per[name]) > 1 and row.sum() > 1e-200:  # and one fewer would not do
                assert row[per[name][:-1]].sum() < share * row.sum()
        assert union == sorted(set().union(*per.values()))

    def test_bad_weights(self) -> None:
        with pytest.raises(DataError, match="finite matrix"):
            NeuronRanking.of_weights([[np.nan, 1.0]])
        with pytest.raises(DataError, match="1 names"):
            NeuronRanking.of_weights([[2.0, 1.0], [1.0, 1.0]], ["a"])
        with pytest.raises(ConfigError, match="share"):
            NeuronRanking.of_weights([[2.0, 1.0]]).top(0.0)


class TestRankNeurons:
    @pytest.mark.parametrize("by", ["elastic-net", "selectivity"])
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_planted_neurons_come_first(self, by: By, dtype: type) -> None:
        X, y = planted(dtype=dtype)
        ranking = rank_neurons(X, y, by)
        assert set(ranking.order[:2].tolist()) == {3, 7}
        assert ranking.orders[0, 0] == 3
        assert ranking.orders[1, 0] == 7
        assert ranking.classes == ("a", "b", "c")

    def test_the_scale_of_a_neuron_does_not_count(self) -> None:
        X, y = planted(dtype=np.float64)
        scaled = X * np.geomspace(1e-3, 1e3, X.shape[1])
        one, other = rank_neurons(X, y, tol=1e-8), rank_neurons(scaled, y, tol=1e-8)
        np.testing.assert_allclose(one.mass, other.mass, atol=1e-6)

    def test_elastic_net_leaves_most_neurons_without_weight(self) -> None:
        X, y = planted()
        ranking = rank_neurons(X, y, l1=0.05)
        assert ranking.options["converged"]
        assert set(np.flatnonzero(ranking.mass.any(axis=0)).tolist()) == {3, 7}

    def test_selectivity_is_cohens_d(self) -> None:
        X, y = planted(n=60, dtype=np.float64)
        mass = rank_neurons(X, y, "selectivity").mass
        for k, name in enumerate("abc"):
            for j in range(X.shape[1]):
                a, b = X[y == name, j], X[y != name, j]
                pooled = np.sqrt((((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()) / len(X))
                assert mass[k, j] == pytest.approx(abs(a.mean() - b.mean()) / pooled, rel=1e-9)

    def test_a_neuron_that_is_the_label_is_the_most_selective(self) -> None:
        rng = np.random.default_rng(0)
        y = np.array([0, 1] * 10)
        X = np.column_stack([y + 0.3 * rng.normal(size=20), y, np.full(20, 7.0)])
        ranking = rank_neurons(X, y, "selectivity")
        assert ranking.order.tolist() == [1, 0, 2]
        assert ranking.mass[0, 2] == 0.0

    def test_variance(self) -> None:
        X, _ = planted()
        ranking = rank_neurons(X, by="variance")
        assert ranking.order[0] == 11
        np.testing.assert_allclose(ranking.mass[0], X.astype(np.float64).var(axis=0), rtol=1e-5)
        assert ranking.top(0.5) == ([11], {})

    def test_a_constant_neuron_far_from_zero_has_no_variance(self) -> None:
        X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
        X[:, 1] = 1000.1
        assert rank_neurons(X, by="variance").mass[0, 1] == 0.0
        assert rank_neurons(X, np.arange(50) % 2, "elastic-net").mass[:, 1].max() == 0.0

    def test_random(self) -> None:
        X, y = planted(dim=200)
        one, again, other = (rank_neurons(X, y, "random", seed=seed) for seed in (1, 1, 2))
        assert one.order.tolist() == again.order.tolist() != other.order.tolist()
        assert sorted(one.top(0.25)[0]) == sorted(one.order[:50].tolist())
        assert sorted(one.bottom(0.25)[0]) == sorted(one.order[150:].tolist())
        assert (np.diff(one.score[one.order]) < 0).all()

    @pytest.mark.parametrize("by", get_args(By))
    def test_everything_a_result_has(self, by: By) -> None:
        X, y = planted()
        ranking = rank_neurons(X, y, by)
        assert len(ranking.table()) == len(ranking.rows) >= 10
        assert {panel.kind for panel in ranking.panels} == {"sentence", "curve", "table"}
        assert "first are" in ranking.summary
        assert "<table>" in ranking._repr_html_()
        assert len(ranking) == 20

    def test_bad_input(self) -> None:
        X, y = planted()
        with pytest.raises(ConfigError, match="did you mean 'elastic-net'"):
            rank_neurons(X, y, "elasticnet")  # type: ignore[arg-type]
        with pytest.raises(DataError, match="needs two classes; all 600 labels are 'a'"):
            rank_neurons(X, ["a"] * 600)
        with pytest.raises(DataError, match="one label a row"):
            rank_neurons(X, y[:-1])
        with pytest.raises(DataError, match="needs y"):
            rank_neurons(X)
        with pytest.raises(DataError, match="got numbers with a point"):
            rank_neurons(X, X[:, 0])
        X[4, 5] = np.nan
        with pytest.raises(DataError, match="not a finite number"):
            rank_neurons(X, y, "variance")
