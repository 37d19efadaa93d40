"""Statistics of heads beside plain loops over one sentence at a time, and heads that were told where to look."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.attention import head_statistics as module
from probekit.attention.head_statistics import head_statistics
from probekit.attention.head_table import METRICS
from probekit.attention.targets import OFFSETS
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError, ModelError
from probekit.maths.resampling import mean_interval
from probekit.models.align import encode
from probekit.models.attention import attentions
from tests.attention.planted_looks import LOOKS, looking_model
from tests.models.test_attention import build
from tests.tiny_models import tiny_model

LINES = [
    "the cat sat on the mat, the dogs run.",
    "a dog runs; dogs run",
    "The keys to the cabinet are here, and the dogs that chase the cat bark at night.",
    "cats",
    "the the the",
    "She doesn't know whether he's read the 3 books; they can't be sold for $4.50!",
]


def lines(n: int = len(LINES)) -> Corpus:
    return Corpus([Sentence.from_text(f"s{i}", text) for i, text in enumerate(LINES[:n])], "lines")


def punctuation(model: Any, piece: int) -> bool:
    text = model.tokenizer.convert_ids_to_tokens(piece).replace("##", "").strip("Ġ▁")
    return bool(text) and all(letter in ".,;!'\"-:?%" for letter in text)


def slow(model: Any, corpus: Corpus) -> dict[Any, list[tuple[float, float, int]]]:
    """(metric, layer, head) -> (value, what it counts, sentence) of every piece that looks, by loops."""
    found: dict[Any, list[tuple[float, float, int]]] = defaultdict(list)
    for number, sentence in enumerate(corpus):
        encoding = encode(model, [sentence])
        ids, special = encoding.piece_ids.tolist(), encoding.special.tolist()
        owner = [-1] * len(ids)
        for word, (first, stop) in enumerate(zip(encoding.word_first, encoding.word_stop, strict=True)):
            owner[first:stop] = [word] * (stop - first)
        maps = attentions(model, torch.tensor([ids]))
        for layer, weights in maps.items():
            start = weights.shape[2] - len(ids)
            all_ids, all_special, all_owner = (
                [-9] * start + ids,
                [True] * start + special,
                [-1] * start + owner,
            )
            causal = layer.startswith("decoder.") or model.family in ("gpt2", "llama")
            n = len(all_ids)
            for head, rows in enumerate(weights[0].double().tolist()):
                for i, row in enumerate(rows):
                    if all_special[i]:
                        continue
                    seen = [
                        j
                        for j in range(n)
                        if not (causal and j > i)
                        and not (model.family == "modernbert" and layer == "2" and abs(i - j) > 4)
                    ]
                    plain = [j for j in seen if not all_special[j]]
                    kinds = {
                        "to_special": [j for j in seen if all_special[j]],
                        "to_punctuation": [j for j in plain if punctuation(model, all_ids[j])],
                        "to_same_word": [j for j in plain if j != i and all_owner[j] == all_owner[i] >= 0],
                        "to_same_type": [j for j in plain if j != i and all_ids[j] == all_ids[i]],
                        "to_previous": [j for j in plain if j == i - 1],
                        "to_self": [i],
                        "to_next": [j for j in plain if j == i + 1],
                        **{f"offset={d}": [j for j in plain if j == i + d] for d in OFFSETS},
                    }
                    for who, w in ((head, row), ("even", [(j in seen) / len(seen) for j in range(n)])):
                        if who == "even" and head:
                            continue
                        for kind, at in kinds.items():
                            if at:
                                found[kind, layer, who].append((sum(w[j] for j in at), 1.0, number))
                        bits = -sum(x * math.log2(x) for x in w if x > 0)
                        found["entropy", layer, who].append((bits, 1.0, number))
                        found["confidence", layer, who].append((max(w[j] for j in plain), 1.0, number))
                        far = sum(w[j] * abs(i - j) for j in plain)
                        found["distance", layer, who].append((far, sum(w[j] for j in plain), number))
    return found


def ratio(parts: list[tuple[float, float, int]]) -> float:
    return sum(part[0] for part in parts) / sum(part[1] for part in parts) if parts else math.nan


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama", "t5", "modernbert"])
def test_every_statistic_equals_plain_loops(kind: str) -> None:
    model, corpus = tiny_model(kind), lines()
    expected = slow(model, corpus)
    found = head_statistics(model, corpus, pieces_per_batch=40, resamples=50)
    assert found.layers == model.resolve_layers("all", "heads")
    assert found.n_sentences == len(corpus)
    for at, layer in enumerate(found.layers):
        for metric in METRICS:
            for head in range(model.n_heads):
                value = found.value(metric)[at, head]
                assert value == pytest.approx(ratio(expected[metric, layer, head]), rel=1e-4, nan_ok=True), (
                    metric
                )
            even = found.baseline(metric)[at]
            assert even == pytest.approx(ratio(expected[metric, layer, "even"]), rel=1e-5, nan_ok=True), (
                metric
            )
            assert found.n[at, list(METRICS).index(metric)] == len(expected[metric, layer, 0])
        for number, offset in enumerate(found.offsets):
            want = [ratio(expected[f"offset={offset}", layer, head]) for head in range(model.n_heads)]
            np.testing.assert_allclose(found.profile[at, :, number], want, rtol=1e-4)
    looks_ahead = kind not in ("gpt2", "llama")
    assert np.isnan(found.value("to_next")[-1]).all() != (looks_ahead and kind != "t5")
    assert np.isnan(found.value("to_special")).all() == (kind in ("gpt2", "llama"))


def test_intervals_resample_sentences() -> None:
    model, corpus = tiny_model("bert"), lines()
    expected = slow(model, corpus)
    found = head_statistics(model, corpus, [2], resamples=200, seed=3)
    for metric in ("entropy", "to_same_type", "confidence"):
        parts = expected[metric, "2", 1]
        sentences = np.array([part[2] for part in parts])
        values = np.array([part[0] for part in parts])
        if metric == "to_same_type":  # sentences without such a piece are clusters too
            assert set(sentences) < set(range(len(corpus)))
            continue
        want = mean_interval(values, sentences, resamples=200, seed=3)
        at = list(METRICS).index(metric)
        got = found.values[0, 1, at], found.low[0, 1, at], found.high[0, 1, at]
        assert got == pytest.approx(tuple(want), rel=1e-4)
        assert got[1] < got[0] < got[2]


def test_heads_that_were_told_where_to_look_are_found() -> None:
    texts = ["a b a c d .", "b b , c ad", "f a b a", "c d f c d f .", "ae be , ae"]
    found = head_statistics(looking_model(), texts, twins=2, resamples=50)
    for (layer, head), metric in LOOKS.items():
        value = found.value(metric)
        assert value[int(layer) - 1, head] > (0.49 if metric == "to_same_type" else 0.99)
        best = np.unravel_index(np.argmax(value), value.shape)
        assert (found.layers[best[0]], best[1]) == (layer, head)
        assert found.baseline(metric)[int(layer) - 1] < 0.4
        assert found.twins[..., list(METRICS).index(metric)].max() < value[int(layer) - 1, head] - 0.05
    assert found.value("entropy")[0, 0] < 0.01
    assert found.value("distance")[0, 0] == pytest.approx(1.0, abs=0.01)
    assert found.value("confidence")[1, 1] < 0.01  # special pieces are left out of it
    assert found.profile[0, 0, found.offsets.index(-1)] > 0.99
    assert "the previous piece 1.00 by head 0 of layer 1" in found.summary


def test_rows_tables_and_panels() -> None:
    model, corpus = tiny_model("gpt2"), lines()
    found = head_statistics(model, corpus, twins=1, resamples=50)
    assert found.values.shape == (2, 2, len(METRICS))
    rows = [row for row in found.rows if row.layer == "2" and row.metric == "to_self"]
    assert [(row.control, row.group) for row in rows] == [
        ("", "head=0"), ("", "head=1"), ("uniform", ""), ("random-twin", ""),
    ]  # fmt: skip
    assert rows[0].value == pytest.approx(found.value("to_self")[1, 0])
    assert rows[0].low is not None
    assert rows[3].seeds == (("twin", 0),)
    assert rows[3].low == pytest.approx(found.twins[0, 1, :, list(METRICS).index("to_self")].min())
    ahead = [row for row in found.rows if row.metric == "to_next"]
    assert {(row.value, row.reason) for row in ahead} == {(None, "no piece may look at the piece after it")}
    names = [panel.name for panel in found.panels]
    assert "heads-to-next" not in names
    assert names[-1] == "heads-by-distance"
    assert all(panel.kind == "heatmap" for panel in found.panels)
    assert len(found.table()) == len(found.rows)
    assert found.summary in found._repr_html_()
    for panel in (found.panels[0], found.panels[-1]):
        pk.plot(panel)
    with pytest.raises(ConfigError, match="no statistic 'to_prevous' of heads; did you mean 'to_previous'"):
        found.value("to_prevous")


def test_many_sentences_share_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums are of runs of neighbouring sentences then, and the values stay what they were."""
    model, corpus = tiny_model("bert"), lines()
    whole = head_statistics(model, corpus, resamples=50)
    monkeypatch.setattr(module, "CLUSTERS", 3)
    runs = head_statistics(model, corpus, resamples=50)
    np.testing.assert_allclose(runs.values, whole.values, rtol=1e-9)
    assert runs.n_clusters == 3
    assert "(3 runs of neighbouring sentences)" in runs.rows[0].interval


def test_sentences_longer_than_the_model_are_counted() -> None:
    model = looking_model()
    found = head_statistics(model, ["a b", "a " * 30], resamples=20)
    assert found.left_out == {"truncated": 12}
    assert found.rows[0].n_left_out == 12
    assert found.n[0, 0] == 2 + 18


def test_one_sentence_has_no_interval() -> None:
    found = head_statistics(tiny_model("bert"), "the cat sat")
    assert np.isnan(found.low).all()
    assert {row.interval for row in found.rows} == {""}


def test_rows_and_words_say_of_which_split_and_how_many_twins() -> None:
    model = tiny_model("bert")
    corpus = pk.generate_corpus(1, 2, 3)
    one = head_statistics(model, corpus.split("test"), twins=1, resamples=20)
    assert {row.split for row in one.rows} == {"test"}
    assert "over 3 sentences of test." in one.summary
    assert all("3 sentences of test" in panel.caption for panel in one.panels)
    assert "heads of one random twin: " in one.panels[0].caption
    every = head_statistics(model, corpus, twins=2, resamples=20)
    assert {row.split for row in every.rows} == {"all"}
    assert "6 sentences of all splits" in every.summary
    assert "heads of 2 random twins: " in every.panels[0].caption
    text = head_statistics(model, "the cat sat")
    assert {row.split for row in text.rows} == {""}
    assert "over 1 sentence." in text.summary
    shown = one._repr_html_()
    assert shown.count("<tr>") == 1 + len(METRICS)
    assert "NaN" not in shown


def test_edits_in_force_act() -> None:
    model = tiny_model("bert")
    plain = head_statistics(model, lines(3), resamples=20)
    with pk.edit(model, 1, lambda states: 0 * states):
        edited = head_statistics(model, lines(3), resamples=20)
    assert np.array_equal(edited.values[0], plain.values[0], equal_nan=True)
    np.testing.assert_allclose(edited.values[1, :, 0], edited.uniform[1, 0], rtol=1e-4)  # all pieces alike


def test_what_cannot_be_read_is_refused() -> None:
    from transformers import MambaConfig, MambaModel

    mamba = build(MambaModel(MambaConfig(vocab_size=300, hidden_size=24, num_hidden_layers=2, state_size=4)))
    with pytest.raises(ModelError, match="mamba gives 0 attentions"):
        head_statistics(mamba, "the cat")
    with pytest.raises(DataError, match="there is no text"):
        head_statistics(tiny_model("bert"), [])
    with pytest.raises(DataError, match=r"has no word that .* reads"):
        head_statistics(tiny_model("bert"), ["", " "])
    with pytest.raises(ConfigError, match="twins must be 0 or more"):
        head_statistics(tiny_model("bert"), "the cat", twins=-1)
    with pytest.raises(ConfigError, match=r"is no twin of .*: it has other layers or heads"):
        head_statistics(tiny_model("bert"), "the cat", twins=[tiny_model("modernbert")])


@pytest.mark.real
def test_a_pretrained_encoder_has_a_head_that_looks_back(shared_data: Any) -> None:
    """MiniLM's head 2 of layer 1, on treebank sentences; no head of a random twin comes near."""
    treebank = pk.read_conllu(shared_data / "ud_ewt" / "en_ewt-ud-test.conllu")
    corpus = Corpus(treebank.sentences[:30], "EWT test")
    found = head_statistics(pk.load_model("demo:minilm"), corpus, [1], twins=1, resamples=50)
    back = found.value("to_previous")[0]
    assert back.argmax() == 2
    assert found.low[0, 2, list(METRICS).index("to_previous")] > 0.95
    assert found.twins[..., list(METRICS).index("to_previous")].max() < 0.15
    assert found.baseline("to_previous")[0] < 0.15
