"""Means and samples of a site against a plain loop over texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.erasure.reference import site_states
from probekit.errors import ConfigError, DataError
from tests.erasure.edited_weights import some_ids
from tests.tiny_models import TEXTS, tiny_model


def slow_rows(kind: str, layer: str, site: pk.models.hooks.edit.Site, *, special: bool = True) -> np.ndarray:
    """The states of every piece of every text, one text after another."""
    model = tiny_model(kind)
    rows = []
    for text in TEXTS:
        ids = some_ids(model, text)[:, : model.max_pieces]
        for piece, state in zip(
            ids[0].tolist(), model.states(ids, None, [layer], site=site)[layer][0], strict=True
        ):
            if special or piece not in model.tokenizer.all_special_ids:
                rows.append(state.double().numpy())
    return np.stack(rows)


@pytest.mark.parametrize("site", ["hidden", "mlp", "heads", "attention_output"])
@pytest.mark.parametrize(
    ("kind", "layer"), [("bert", "2"), ("gpt2", "1"), ("llama", "2"), ("t5", "decoder.1")]
)
def test_means_of_a_plain_loop(kind: str, layer: str, site: pk.models.hooks.edit.Site) -> None:
    means = pk.site_means(tiny_model(kind), TEXTS, [layer], site)
    np.testing.assert_allclose(means[layer], slow_rows(kind, layer, site).mean(axis=0), atol=1e-6)


def test_special_pieces_can_be_left_out() -> None:
    model = tiny_model("bert")
    plain, without = (pk.site_means(model, TEXTS, [1], special=special)["1"] for special in (True, False))
    expected = slow_rows("bert", "1", "hidden", special=False).mean(axis=0)
    np.testing.assert_allclose(without, expected, atol=1e-6)
    assert np.abs(plain - without).max() > 1e-3


def test_states_are_drawn_without_replacement_and_belong_together() -> None:
    model = tiny_model("gpt2")
    every = site_states(model, TEXTS, [1, 2], "mlp", rows=10_000)
    rows = slow_rows("gpt2", "2", "mlp")
    assert every["2"].shape == rows.shape
    np.testing.assert_allclose(np.sort(every["2"][:, 0]), np.sort(rows[:, 0]), atol=1e-6)
    some, again, other = (site_states(model, TEXTS, [1, 2], "mlp", rows=20, seed=seed) for seed in (0, 0, 1))
    assert some["1"].shape == (20, rows.shape[1])
    assert np.array_equal(some["1"], again["1"])
    assert not np.array_equal(some["1"], other["1"])
    for one, two in zip(some["1"], some["2"], strict=True):
        at_1 = np.abs(every["1"] - one).max(axis=1) < 1e-6
        at_2 = np.abs(every["2"] - two).max(axis=1) < 1e-6
        assert (at_1 & at_2).any()


def test_stored_activations(tmp_path: Path) -> None:
    model = tiny_model("bert")
    corpus = pk.Corpus([pk.Sentence.from_text(f"s{i}", text) for i, text in enumerate(TEXTS)], name="texts")
    options = {"unit": "piece", "pool": "none", "dtype": "float32", "store": tmp_path, "site": "mlp"}
    acts = pk.extract(model, corpus, layers=[1, 2], special=True, **options)
    read = pk.site_means(model, corpus, [2], "mlp")["2"]
    np.testing.assert_allclose(pk.site_means(model, acts, [2], "mlp")["2"], read, atol=1e-6)
    drawn = site_states(model, acts, [1, 2], "mlp", rows=7)
    assert drawn["2"].shape == (7, 64)
    edits = pk.ablate_neurons(model, {2: [1]}, "mean", acts)
    with pk.edit_all(model, edits):
        states = model.states(some_ids(model), None, [2], site="mlp")["2"]
    torch.testing.assert_close(states[0, :, 1], torch.full((states.shape[1],), float(read[1])))
    with pytest.raises(ConfigError, match="of pieces at 'mlp'; here pieces at 'heads' are"):
        pk.site_means(model, acts, [2], "heads")
    with pytest.raises(ConfigError, match="not of"):
        pk.site_means(tiny_model("gpt2"), acts, [2], "mlp")
    only_one = pk.extract(model, corpus, layers=[1], special=True, **options)
    with pytest.raises(ConfigError, match="lack layer '2'; they have 1"):
        pk.site_means(model, only_one, [2], "mlp")


def test_nothing_to_read() -> None:
    with pytest.raises(DataError, match="no piece to read"):
        pk.site_means(tiny_model("gpt2"), [""], [1])
    with pytest.raises(DataError, match="no piece that is not special"):
        pk.site_means(tiny_model("bert"), [""], [1], special=False)


def test_a_long_text_is_cut() -> None:
    model = tiny_model("gpt2")
    means = pk.site_means(model, ["the cat " * 200], [1])["1"]
    ids = some_ids(model, "the cat " * 200)[:, : model.max_pieces]
    expected = model.states(ids, None, [1])["1"][0].mean(dim=0).numpy()
    np.testing.assert_allclose(means, expected, atol=1e-5)
