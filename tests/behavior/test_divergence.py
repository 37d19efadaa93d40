"""Divergence of outputs: equal to a plain loop over transformers' own logits, exactly 0 where nothing is edited."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import rel_entr

import probekit as pk
from probekit.behavior import divergence
from probekit.behavior.divergence import kl_nats
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError, ModelError
from probekit.models.hooks import Edit, edit_all
from probekit.models.scoring import make_scorer
from tests.tiny_models import TEXTS, tiny_lm, tiny_lm_folder, tiny_model

ENGLISH = [TEXTS[0], TEXTS[5], TEXTS[6]]


def halved(states: torch.Tensor) -> torch.Tensor:
    return 0.5 * states


def flipped(states: torch.Tensor) -> torch.Tensor:
    return -states


def test_divergence_by_hand() -> None:
    p = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.25, 0.25], [0.2, 0.3, 0.5]], dtype=torch.float64).log()
    q = torch.tensor([[0.25, 0.25, 0.5], [0.25, 0.5, 0.25], [0.2, 0.3, 0.5]], dtype=torch.float64).log()
    # 1 bit; 0.5 * 1 - 0.25 * 1 bits; nothing. The other direction of the first has no bound
    np.testing.assert_allclose(kl_nats(p, q).numpy() / math.log(2), [1.0, 0.25, 0.0], atol=1e-15)
    assert math.isinf(float(kl_nats(q, p)[0]))


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float64, (2, 3, 5), elements=st.floats(-60, 60)),
    arrays(np.float64, 3, elements=st.floats(-5, 5)),
)
def test_divergence_equals_the_sum_of_relative_entropies(logits: np.ndarray, shift: np.ndarray) -> None:
    p, q = (torch.from_numpy(one).log_softmax(-1) for one in logits)
    found = kl_nats(p, q).numpy()
    np.testing.assert_allclose(
        found, rel_entr(p.exp().numpy(), q.exp().numpy()).sum(-1), rtol=1e-6, atol=1e-12
    )
    assert (found >= 0).all()
    # what is added to all logits of a place alike changes no prediction
    moved = torch.from_numpy(logits[0] + shift[:, None]).log_softmax(-1)
    np.testing.assert_allclose(kl_nats(p, moved).numpy(), 0.0, atol=1e-12)


def plain(kind: str, edited: bool) -> list[torch.Tensor]:
    """Log-probabilities ``[pieces, vocabulary]`` of each text by transformers alone, a hook halving block 1."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    auto: Any = AutoModelForMaskedLM if kind == "bert" else AutoModelForCausalLM
    whole = auto.from_pretrained(tiny_lm_folder(kind), trust_remote_code=False).eval()
    block = {"gpt2": lambda: whole.transformer.h[0], "bert": lambda: whole.bert.encoder.layer[0]}[kind]()

    def halve(module: Any, given: Any, output: Any) -> Any:
        return (0.5 * output[0], *output[1:]) if isinstance(output, tuple) else 0.5 * output

    handle = block.register_forward_hook(halve) if edited else None
    tokenizer, found = tiny_lm(kind).tokenizer, []
    with torch.no_grad():
        for text in ENGLISH:
            ids = tokenizer(text)["input_ids"]
            if kind == "gpt2":
                logits = whole(input_ids=torch.tensor([[tokenizer.bos_token_id, *ids[:-1]]])).logits[0]
            else:
                copies = []
                for place in range(1, len(ids) - 1):
                    masked = torch.tensor([ids])
                    masked[0, place] = tokenizer.mask_token_id
                    copies.append(whole(input_ids=masked).logits[0, place])
                logits = torch.stack(copies)
            found.append(logits.double().log_softmax(-1))
    if handle is not None:
        handle.remove()
    return found


@pytest.mark.parametrize(("kind", "pll"), [("gpt2", "within_word_l2r"), ("bert", "original")])
def test_it_equals_a_plain_loop(kind: str, pll: Any) -> None:
    found = pk.output_divergence(tiny_lm(kind), ENGLISH, [Edit(1, halved)], pll=pll)
    for bits, n, p, q in zip(
        found.bits, found.before.n_pieces, plain(kind, False), plain(kind, True), strict=True
    ):
        assert n == len(p)
        wanted = float((p.exp() * (p - q)).sum()) / math.log(2)
        assert bits == pytest.approx(wanted, rel=2e-4)
        assert wanted > 1e-3  # the edit does something


@pytest.mark.parametrize("kind", ["gpt2", "llama", "bert", "roberta", "t5", "bart"])
def test_where_nothing_changes_it_is_exactly_zero(kind: str) -> None:
    model = tiny_lm(kind)
    layer = "decoder.1" if kind in ("t5", "bart") else 1
    reference = pk.output_reference(model, ENGLISH)
    for edits in ((), (Edit(layer, lambda states: states),)):
        found = reference.against(edits)
        assert found.bits.tolist() == [0.0] * 3
        assert found.per_piece == 0.0
        assert [row.value for row in found.rows][0::3] == [0.0, 0.0]
        np.testing.assert_array_equal(found.before.bits, found.after.bits)
    assert reference.against([Edit(layer, flipped)]).per_piece > 1e-4  # type: ignore[operator]


@pytest.mark.parametrize("kind", ["gpt2", "llama", "bert", "t5"])
def test_perplexity_is_that_of_pk_perplexity(kind: str) -> None:
    model = tiny_lm(kind)
    edits = [Edit("decoder.1" if kind == "t5" else 1, flipped)]
    found = pk.output_divergence(model, ENGLISH, edits)
    before = pk.perplexity(model, ENGLISH)
    with edit_all(model, edits):
        after = pk.perplexity(model, ENGLISH)
    assert found.before.per_piece == pytest.approx(before.per_piece, rel=1e-6)
    assert found.after.per_piece == pytest.approx(after.per_piece, rel=1e-6)
    np.testing.assert_allclose(found.after.bits, after.bits, rtol=1e-5)
    assert abs(found.after.per_piece / found.before.per_piece - 1) > 1e-4  # type: ignore[operator]
    rows = {row.metric + row.group: row.value for row in found.rows}
    p = "pseudo_" if kind == "bert" else ""
    assert rows[f"{p}perplexity_per_pieceedits=before"] == found.before.per_piece
    assert rows[f"{p}perplexity_per_piece_difference"] == pytest.approx(
        found.after.per_piece - found.before.per_piece  # type: ignore[operator]
    )


def test_blocks_and_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_lm("bert")
    whole = pk.output_divergence(model, ENGLISH, [Edit(1, halved)])
    monkeypatch.setattr(divergence, "LOGITS_AT_ONCE", 3 * model.vocabulary)
    parts = pk.output_divergence(model, ENGLISH, [Edit(1, halved)], pieces_per_batch=40)
    np.testing.assert_allclose(parts.bits, whole.bits, rtol=1e-4)
    np.testing.assert_allclose(parts.after.bits, whole.after.bits, rtol=1e-6)


def test_one_unedited_pass_serves_many_edits() -> None:
    model, seen = tiny_lm("gpt2"), []
    reference = pk.output_reference(model, ENGLISH, progress=lambda *told: seen.append(told))
    once = len(seen)
    first, second = reference.against([Edit(1, halved)]), reference.against([Edit(2, flipped, "mlp")])
    assert len(seen) == 3 * once
    np.testing.assert_array_equal(first.before.bits, second.before.bits)
    np.testing.assert_array_equal(first.bits, pk.output_divergence(model, ENGLISH, [Edit(1, halved)]).bits)
    assert (first.layer, first.site, second.layer, second.site) == ("1", "hidden", "2", "mlp")
    assert first.edits == "1 edit at hidden of layer 1"
    both = reference.against([Edit(1, halved), Edit(2, flipped, "mlp")], method="two things")
    assert (both.layer, both.site, both.rows[0].method) == ("", "", "two things")
    assert repr(reference) == f"<Reference of {model.name}: 3 texts, {len(reference.states)} places>"


def test_edits_may_depend_on_positions() -> None:
    model = tiny_lm("gpt2")
    last = pk.output_divergence(model, ENGLISH, [Edit(2, flipped, positions=-1)])
    whole = pk.output_divergence(model, ENGLISH, [Edit(2, flipped)])
    # the last state that is read predicts the last piece, and nothing comes after it
    assert (last.bits > 0).all()
    assert (last.bits < whole.bits).all()


def test_edits_that_are_in_force_are_compared_with() -> None:
    model = tiny_lm("gpt2")
    wanted = pk.output_divergence(model, ENGLISH, [Edit(1, halved)])
    reference = pk.output_reference(model, ENGLISH)
    with pk.edit(model, 1, halved):
        np.testing.assert_array_equal(reference.against(()).bits, wanted.bits)
        assert pk.output_divergence(model, ENGLISH, ()).per_piece == 0.0


def test_a_corpus_its_split_and_what_is_left_out() -> None:
    model = tiny_lm("bert")
    sentences = [
        Sentence.from_text("a", ENGLISH[1], split="test"),
        Sentence.from_text("b", " ".join([ENGLISH[2]] * 9), split="test"),
        Sentence.from_text("c", ENGLISH[2], split="train"),
        Sentence("d", (), "", (), split="test"),
    ]
    found = pk.output_divergence(model, Corpus(sentences, name="few"), [Edit(1, flipped)], split="test")
    assert found.left_out == {"empty text": 1, "too long": 1}
    assert found.before.ids == ("a", "b", "d")
    assert np.isnan(found.bits).tolist() == [False, True, True]
    assert "Left out: 1 empty text, 1 too long. Scoring" in found.summary
    row = found.rows[0]
    assert (row.corpus, row.split, row.n, row.n_left_out, row.low) == ("few", "test", 1, 2, None)
    nothing = pk.output_divergence(model, [""], [Edit(1, flipped)][:0])
    assert nothing.per_piece is None
    assert {row.reason for row in nothing.rows} == {"no sentence was scored"}
    assert "none of 1 texts could be scored" in nothing.summary


def test_bad_input_is_told_in_one_line() -> None:
    model = tiny_lm("gpt2")
    reference = pk.output_reference(model, ENGLISH)
    with pytest.raises(ModelError, match=r"1 edit at hidden of layer 1: .* NaN or infinity in text '1'"):
        reference.against([Edit(1, lambda states: states / 0)])
    with pytest.raises(ConfigError, match="no layer '9'"):
        reference.against([Edit(9, halved)])
    with pytest.raises(ConfigError, match=r"write \[text\]"):
        pk.output_reference(model, "a text")
    with pytest.raises(DataError, match="1 sources for 2 texts"):
        pk.output_reference(model, ["a", "b"], sources=["c"])
    with pytest.raises(ModelError, match="no language-model head"):
        pk.output_reference(tiny_model("bert"), ENGLISH)
    assert make_scorer(model).rule in pk.output_divergence(model, ENGLISH, ()).summary
