"""Units left out one by one in batches, against one edited pass for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.erasure.log_odds import LogOdds
from probekit.erasure.probe_output import ProbeOutput
from probekit.erasure.reading import values_of
from probekit.erasure.unit_importance import unit_importance
from probekit.erasure.versions import as_sentences
from probekit.errors import ConfigError, ProbekitError
from probekit.models import Model
from tests.tiny_models import tiny_lm, tiny_model

TEXTS = ["the cat ___ here", "dogs that chase the jalapeños ___", "a cat ___"]
PREDICT = LogOdds("sat", "cabinets")


def some_units(model: Model, site: str) -> list[int]:
    """All heads; of other sites some units, the last one among them."""
    if site == "heads":
        return list(range(model.n_heads))
    width = model.site_dim(site)
    return [*range(0, width, width // 6), width - 1]


def slow(model: Model, layer: str, site: str, fill: Any) -> np.ndarray[Any, Any]:
    """before - after, [texts, units], each unit by an edit of its own."""
    bound = PREDICT.bind(model, as_sentences(TEXTS))
    looks = bound.looks(bound.versions)
    before = values_of(bound, looks)
    columns = []
    for unit in some_units(model, site):

        def out(states: torch.Tensor, unit: int = unit) -> torch.Tensor:
            left = states.clone()
            left[:, :, unit] = torch.as_tensor(fill[unit], dtype=states.dtype)
            return left

        with pk.edit(model, layer, out, site=site):  # type: ignore[arg-type]
            columns.append(before - values_of(bound, looks))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
@pytest.mark.parametrize("site", ["mlp", "heads", "attention_output", "hidden"])
def test_every_unit_against_an_edit_of_its_own(kind: str, site: Any) -> None:
    model = tiny_lm(kind)
    units = some_units(model, site)
    found = unit_importance(model, TEXTS, PREDICT, [1, 2], site=site, units=units)
    fill = np.zeros(model.site_dim(site))
    expected = np.concatenate([slow(model, layer, site, fill) for layer in ("1", "2")], axis=1)
    assert found.units == tuple((layer, unit) for layer in ("1", "2") for unit in units)
    assert np.allclose(found.effect, expected, atol=2e-5)
    assert np.allclose(found.importance, np.abs(expected).mean(axis=0), atol=2e-5)
    assert found.importance.max() > 1e-3


@pytest.mark.parametrize("site", ["mlp", "heads"])
def test_means_are_those_of_the_pieces_that_are_read(site: Any) -> None:
    model = tiny_lm("gpt2")
    found = unit_importance(model, TEXTS, PREDICT, 1, site=site, how="mean", units=some_units(model, site))
    bound = PREDICT.bind(model, as_sentences(TEXTS))
    inputs = {ids.tobytes(): ids for look in bound.looks(bound.versions) for ids in look.inputs}
    states = torch.cat(
        [model.states(torch.from_numpy(ids)[None], None, [1], site=site)["1"][0] for ids in inputs.values()]
    )
    mean = states.mean(0)
    fill = mean.reshape(model.n_heads, -1) if site == "heads" else mean
    assert np.allclose(found.effect, slow(model, "1", site, fill), atol=2e-5)


def test_a_reference_gives_other_means() -> None:
    model = tiny_lm("gpt2")
    units = some_units(model, "mlp")
    means = {"1": np.linspace(-1, 1, model.site_dim("mlp"))}
    found = unit_importance(model, TEXTS, PREDICT, 1, how="mean", reference=means, units=units)
    assert np.allclose(found.effect, slow(model, "1", "mlp", means["1"]), atol=2e-5)
    texts = ["the dogs bark", "cats sit on mats"]
    fill = pk.site_means(model, texts, [1], site="mlp")["1"]
    found = unit_importance(model, TEXTS, PREDICT, 1, how="mean", reference=texts, units=units)
    assert np.allclose(found.effect, slow(model, "1", "mlp", fill), atol=2e-5)


def test_some_units_of_the_layer_a_probe_reads() -> None:
    model = tiny_model("bert")
    predict = ProbeOutput(lambda rows: rows[:, 3] - 2 * rows[:, 7], 1)
    found = unit_importance(model, TEXTS, predict, 1, site="hidden", units=[7, 0, 3])
    assert found.units == (("1", 7), ("1", 0), ("1", 3))
    values = {}
    for dim in (3, 7):
        bound = ProbeOutput(lambda rows, dim=dim: rows[:, dim], 1).bind(model, as_sentences(TEXTS))
        values[dim] = values_of(bound, bound.looks(bound.versions))
    assert np.allclose(found.effect, np.stack([-2 * values[7], 0 * values[3], values[3]], axis=1), atol=1e-5)
    assert (found.effect[:, 1] == 0).all()  # the probe does not look there, and nothing else is read


def test_all_units_are_taken_where_none_are_named() -> None:
    model = tiny_lm("gpt2")
    found = unit_importance(model, TEXTS[0], PREDICT, 2)
    assert len(found.units) == model.site_dim("mlp")
    some = some_units(model, "mlp")
    apart = unit_importance(model, TEXTS[0], PREDICT, 2, units=some)
    assert np.allclose(found.effect[:, some], apart.effect, atol=1e-5)


def test_texts_that_cannot_be_read_are_counted() -> None:
    long = "the cat " * 40
    found = unit_importance(tiny_lm("bert"), [f"{long}___", *TEXTS], PREDICT, 1, site="heads")
    assert found.n_left_out == 1
    assert found.reasons == ("too long",)
    assert len(found.effect) == 3
    nothing = unit_importance(tiny_lm("bert"), [f"{long}___"], PREDICT, 1, site="heads")
    assert nothing.summary.startswith("Nothing could be read")
    assert nothing.rows[0].value is None
    assert "too long" in nothing.rows[0].reason
    assert nothing.panels[0].labels["text"] == nothing.summary


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layers": 9}, "no layer '9'"),
        ({"layers": 0}, "no block"),
        ({"layers": 1, "site": "mpl"}, "unknown site 'mpl'"),
        ({"layers": 1, "how": "resample"}, "unknown how 'resample'"),
        ({"layers": 1, "units": [64]}, "no neuron 64"),
        ({"layers": 1, "units": []}, "at least one neuron"),
        ({"layers": 1, "units": [2, 2]}, "each once"),
        ({"layers": 1, "predict": len}, "a function of texts cannot see"),
        ({"layers": 2, "predict": ProbeOutput(len, 1)}, "lies above layer 1"),
    ],
)
def test_what_does_not_go_together_is_refused(options: Any, says: str) -> None:
    given = {"predict": PREDICT, **options}
    with pytest.raises(ProbekitError, match=says) as caught:
        unit_importance(tiny_lm("bert"), TEXTS, given.pop("predict"), given.pop("layers"), **given)
    assert isinstance(caught.value, ConfigError)
