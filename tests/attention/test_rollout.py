"""Rollout against the product written out, and where a wrong order or a missing residual would show."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.errors import ConfigError
from tests.tiny_models import tiny_model

TEXT = "The keys to the cabinet are here"


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
def test_equals_the_product_written_out(kind: str) -> None:
    model = tiny_model(kind)
    ids = torch.tensor(model.tokenizer([TEXT]).input_ids)
    prefix = "encoder." if kind == "t5" else ""
    seen = pk.attentions(model, ids, layers=[f"{prefix}1", f"{prefix}2"])
    steps = [
        0.5 * seen[f"{prefix}{n}"][0].double().mean(0).numpy() + 0.5 * np.eye(ids.shape[1]) for n in (1, 2)
    ]
    found = pk.rollout(model, TEXT, level="piece")
    np.testing.assert_allclose(found.map(f"{prefix}1"), steps[0], atol=1e-6)
    np.testing.assert_allclose(found.map(), steps[1] @ steps[0], atol=1e-6)
    assert not np.allclose(steps[0] @ steps[1], steps[1] @ steps[0], atol=1e-4)  # the order shows
    assert found.map().sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_rows_of_words_add_up_with_what_special_pieces_give() -> None:
    found = pk.rollout(tiny_model("bert"), TEXT)
    one = found.texts[0]
    assert (one.maps[:, 0].sum(-1) + one.special[:, 0]) == pytest.approx(1.0, abs=1e-5)
    assert found.map().shape == (7, 7)


def test_residual_is_said_and_checked() -> None:
    model = tiny_model("bert")
    plain = pk.rollout(model, TEXT, residual=0.0, level="piece")
    assert plain.method == "attention rollout (residual 0)"
    ids = torch.tensor(model.tokenizer([TEXT]).input_ids)
    np.testing.assert_allclose(plain.map(1), pk.attentions(model, ids)["1"][0].mean(0), atol=1e-6)
    for bad in (1.0, -0.1):
        with pytest.raises(ConfigError, match="residual must be at least 0 and below 1"):
            pk.rollout(model, TEXT, residual=bad)
