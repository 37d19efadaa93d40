"""Log-probabilities at single places, block by block and all at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from probekit.models.head import load_head
from probekit.models.scoring import rows
from probekit.models.scoring.rows import batches, head_logprobs
from tests.tiny_models import KINDS, tiny_lm


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_equal_to_the_whole_softmax(kind: str, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_lm(kind)
    head = load_head(model)
    states = scale * torch.randn(7, model.dim, generator=torch.Generator().manual_seed(0))
    row = np.array([0, 0, 1, 2, 3, 4, 5, 5, 5, 6])
    target = np.array([3, 90, 5, 0, 17, 30, 3, 3, 8, model.vocabulary - 1])
    expected = head(states).double().log_softmax(-1)[row, target].numpy()
    for name, value in (("ROWS", 3), ("COLUMNS", 50), ("LOGITS_AT_ONCE", 3 * model.vocabulary)):
        monkeypatch.setattr(rows, name, value)
    found = head_logprobs(head, states, row, target, model.vocabulary)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_most_heads_end_in_a_linear_map_and_one_adds_to_it() -> None:
    assert {kind for kind in KINDS if not load_head(tiny_lm(kind)).is_open} == {"bart"}
    for kind in ("bert", "t5", "llama"):
        head = load_head(tiny_lm(kind))
        states = torch.randn(4, tiny_lm(kind).dim)
        opened = head.features(states)
        assert opened is not None
        features, weight, bias = opened
        assert torch.allclose(torch.nn.functional.linear(features, weight, bias), head(states), atol=1e-5)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), max_size=20), st.integers(1, 12))
def test_batches_are_of_one_length_and_within_the_budget(lengths: list[tuple[int, int]], budget: int) -> None:
    chosen = list(batches(lengths, budget))
    assert sorted(i for batch in chosen for i in batch) == list(range(len(lengths)))
    for batch in chosen:
        assert len({lengths[i] for i in batch}) == 1
        assert len(batch) == 1 or len(batch) * max(lengths[batch[0]]) <= budget
