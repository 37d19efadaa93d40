"""Text coloured by a neuron: values are those of transformers' own pass; what cannot be shown says so."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.errors import ConfigError, DataError
from probekit.report.plot import plot
from tests.geometry.planted import DEPTH, net_depth, planted_corpus, planted_model
from tests.tiny_models import TEXTS, tiny_model


def test_values_are_those_of_a_plain_pass() -> None:
    model = tiny_model("gpt2")
    text = TEXTS[0]
    seen: list[torch.Tensor] = []
    handle = model.module.h[1].mlp.c_proj.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    encoded = model.tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    with torch.no_grad():
        model.module(encoded.input_ids)
    handle.remove()
    found = pk.activation_text(model, text, 2, [5, 60])
    offsets = encoded.offset_mapping[0].tolist()
    start = 0
    for row, word in enumerate(text.split()):
        start = text.index(word, start)
        own = [
            i for i, (a, b) in enumerate(offsets)
            if a < start + len(word) and b > start and text[a:b].strip()
        ]  # fmt: skip
        np.testing.assert_allclose(found.values[row], seen[0][0, own][:, [5, 60]].mean(0).numpy(), atol=1e-5)
        start += len(word)


def test_the_planted_neuron_shades_by_depth() -> None:
    corpus = planted_corpus()
    found = pk.activation_text(planted_model(), corpus, 1, DEPTH)
    depth = np.concatenate([net_depth(one) for one in corpus])
    assert np.corrcoef(found.values[:, 0], depth)[0, 1] > 0.98
    (panel,) = found.panels
    assert panel.kind == "shaded-text"
    assert len(panel.labels["lines"]) == len(corpus)
    assert len(plot(found)) == 1
    words = found.words()
    assert words["word"].tolist() == [word for one in corpus for word in one.words]
    assert words.columns[-1] == f"1.{DEPTH}"


def test_a_word_that_is_not_read_has_no_value_and_is_counted() -> None:
    found = pk.activation_text(tiny_model("bert"), ["the ☃ barks", "a dog"], 1, [0, 3])
    assert np.isnan(found.values[1]).all()
    assert np.isfinite(np.delete(found.values, 1, axis=0)).all()
    assert found.left_out == {"unknown piece": 1}
    assert found.rows[0].n_left_out == 1
    assert found.rows[0].value == pytest.approx(float(np.nanmean(found.values[:, 0])))
    assert "1 unknown piece" in found.panels[0].caption
    assert 'title="no value"' in found._repr_html_()


def test_a_text_without_a_word_that_can_be_read() -> None:
    with pytest.raises(DataError, match="no word"):
        pk.activation_text(tiny_model("bert"), "☃ ☃", 1, 0)
    with pytest.raises(DataError, match="no word to read"):
        pk.activation_text(tiny_model("bert"), [], 1, 0)


@pytest.mark.parametrize(
    ("layer", "neurons", "line"),
    [
        (1, 64, "has no unit 64 at 'mlp': they are numbered 0 to 63"), (1, -1, "has no unit -1"),
        (1, 1.5, "has no unit 1.5"),
        (1, [], "at least one neuron"), (1, [2, 2], "each once"), (7, 0, "has no layer '7'"), (0, 0, "is no block"),
    ],
)  # fmt: skip
def test_neurons_that_are_not_there(layer: int, neurons: object, line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        pk.activation_text(tiny_model("bert"), "a dog", layer, neurons)  # type: ignore[arg-type]
