"""Several models layer by layer: what two of them give, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

import probekit as pk
from probekit.errors import ConfigError
from probekit.geometry.layer_similarity import similarity
from probekit.geometry.model_similarity import model_similarity
from tests.geometry.made import made

SIZES = [4] * 15


def seeds() -> dict[str, object]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 6))
    return {
        name: made({k: X + noise * rng.normal(size=X.shape) for k in "01"}, SIZES, name=name)
        for name, noise in (("one", 0.1), ("two", 0.1), ("far", 9.0))
    }


def test_equals_the_diagonal_of_two_models() -> None:
    models = seeds()
    found = model_similarity(models, permutations=4)  # type: ignore[arg-type]
    assert found.pairs == (("one", "two"), ("one", "far"), ("two", "far"))
    for i, (one, other) in enumerate(found.pairs):
        both = similarity(models[one], models[other], permutations=4)  # type: ignore[arg-type]
        for name in ("value", "low", "high", "p"):
            np.testing.assert_allclose(getattr(found, name)[i], getattr(both, name).diagonal())
        np.testing.assert_allclose(found.null[i], both.null_mean.diagonal())
    assert (found.value[0] > 0.9).all()
    assert (found.value[1:] < 0.3).all()
    assert len(found.rows) == 2 * 6
    assert "highest 0.9" in found.summary
    for panel in found.panels[1:]:
        pk.plot(panel)


def test_checkpoints_are_compared_with_a_reference() -> None:
    found = model_similarity(seeds(), "procrustes", reference="far", permutations=0)  # type: ignore[arg-type]
    assert found.pairs == (("one", "far"), ("two", "far"))
    assert len(found.rows) == 4


def test_reasons_and_bad_input() -> None:
    models = seeds()
    models["two"].stored["1"][:] = 3.0  # type: ignore[attr-defined]
    found = model_similarity(models, permutations=2)  # type: ignore[arg-type]
    row = next(row for row in found.rows if row.value is None)
    assert row.reason == "layer 1 of two: all 60 rows are identical: there is nothing to compare"
    assert "nan" not in found.summary + found._repr_html_()
    with pytest.raises(ConfigError, match="at least two models by name"):
        model_similarity({"one": models["one"]})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match="no model 'fa' to compare with; did you mean 'far'"):
        model_similarity(models, reference="fa")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="unknown measure"):
        model_similarity(models, "ckaa")  # type: ignore[arg-type]
    models["far"].layers = ("0",)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="layer '1' is not stored here"):
        model_similarity(models)  # type: ignore[arg-type]


def test_one_pair_and_one_layer_read_well() -> None:
    models = dict(list(seeds().items())[:2])
    found = model_similarity(models, layers=[next(iter(models.values())).layers[0]], permutations=0)  # type: ignore[arg-type,attr-defined]
    assert "the same layer of 1 pair of models over" in found.summary
    assert "lowest" not in found.summary
    assert found.panels[1].labels["range"] == [0.0, 1.0]
