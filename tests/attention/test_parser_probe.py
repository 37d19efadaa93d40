"""Attention-only parsers: planted heads are used, distances are learned, scores equal the formula written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.attention import parser_probe as module
from probekit.attention.gold_trees import gold_trees
from probekit.attention.parser_data import (
    NOT_SCORED,
    ParserInput,
    StaticVectors,
    parser_batches,
    read_inputs,
)
from probekit.attention.parser_scores import Scorer, distance_maps, fit_scorer, mean_loss
from probekit.errors import ConfigError, DataError
from probekit.models import Model
from tests.attention.test_tree_heads import corpus
from tests.tiny_models import tiny_model

HEADS, DIMS = 3, 2


def inputs(n: int, seed: int = 0, *, planted: bool = True) -> list[ParserInput]:
    """Random trees of 3 to 6 words; head 1 looks from a head at its dependents, all else is noise."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(n):
        size = 3 + number % 4
        order = rng.permutation(size)
        heads = np.full(size, size)
        for place in range(1, size):
            heads[order[place]] = order[rng.integers(0, place)]
        maps = rng.random((HEADS, size, size)).astype(np.float16) * 0.5
        if planted:
            word = np.flatnonzero(heads < size)
            maps[1, heads[word], word] = 1.0
        special = rng.random((HEADS, size)).astype(np.float16)
        if planted:
            special[2] = heads == size
        vectors = rng.normal(size=(size, DIMS)).astype(np.float32)
        found.append(ParserInput(number, maps, special, vectors, heads.astype(np.int64)))
    return found


def randomised(scorer: Scorer, seed: int = 0) -> Scorer:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in scorer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return scorer


@pytest.mark.parametrize("distances", [False, True])
@pytest.mark.parametrize("dims", [0, DIMS])
def test_scores_are_the_formula_written_out(distances: bool, dims: int) -> None:
    scorer = randomised(Scorer(20 if distances else HEADS, dims, distances=distances))
    own = inputs(8)
    for batch in parser_batches(own, pairs=60):
        scores = scorer(batch).detach().numpy()
        for row, number in enumerate(batch.numbers):
            one = own[number]
            n = len(one.heads)
            maps = distance_maps(n).numpy() if distances else one.maps.astype(np.float64)
            for i in range(n):
                root = scorer.root.item()
                if not distances:
                    root += float(one.special[:, i].astype(float) @ scorer.root_weight.detach().numpy())
                if dims:
                    root += float(one.vectors[i] @ scorer.root_vector.detach().numpy())
                assert scores[row, i, -1] == pytest.approx(root, abs=1e-4)
                for j in range(n):
                    if i == j:
                        assert scores[row, i, j] == -np.inf
                        continue
                    total = 0.0
                    for way in range(len(scorer.weight)):
                        for k in range(len(maps)):
                            strength = scorer.weight[way, k].item()
                            if dims:
                                strength += float(one.vectors[i] @ scorer.own_vector[way, k].detach().numpy())
                                strength += float(
                                    one.vectors[j] @ scorer.other_vector[way, k].detach().numpy()
                                )
                            total += strength * float(maps[k, i, j] if way == 0 else maps[k, j, i])
                    assert scores[row, i, j] == pytest.approx(total, abs=1e-3)
            assert (scores[row, :n, n:-1] == -np.inf).all()  # no head in the padding


def test_a_planted_head_is_learned_in_its_direction() -> None:
    train, dev = list(parser_batches(inputs(80), 400)), list(parser_batches(inputs(40, 1), 400))
    fitted = fit_scorer(Scorer(HEADS), train, dev)
    weight = fitted.scorer.weight.detach().numpy()
    assert divmod(int(weight.argmax()), HEADS) == (1, 1)  # head looks at dependent, head 1
    assert int(fitted.scorer.root_weight.argmax()) == 2
    right, tree, _ = module._parse(fitted.scorer, list(parser_batches(inputs(40, 2))), 0)
    assert right.mean() > 0.95
    assert tree.mean() > 0.95


def test_noise_stops_where_dev_does_not_improve() -> None:
    train, dev = (list(parser_batches(inputs(40, seed, planted=False), 400)) for seed in (0, 1))
    fitted = fit_scorer(Scorer(HEADS, DIMS), train, dev)
    assert fitted.epoch < 40
    assert fitted.loss <= np.log(6)


def test_many_heads_that_are_nearly_alike_do_not_throw_it_off() -> None:
    # one step of 0.1 in each of 200 nearly equal heads moves a score far too much
    rng = np.random.default_rng(0)

    def alike(one: ParserInput) -> ParserInput:
        size = len(one.heads)
        maps = (
            np.full((200, size, size), 1 / size) + 0.05 * rng.random((200, size, size)) + 0.004 * one.maps[1]
        )
        special = (0.2 + 0.02 * rng.random((200, size))).astype(np.float16)
        return replace(one, maps=maps.astype(np.float16), special=special)

    train, dev = ([alike(one) for one in inputs(60, seed)] for seed in (0, 1))
    batches = [list(parser_batches(own, 800)) for own in (train, dev)]
    start = mean_loss(Scorer(200), batches[1])
    fitted = fit_scorer(Scorer(200), *batches)
    assert fitted.epoch > 0
    assert fitted.loss < start - 0.01


def test_the_same_seed_gives_the_same_numbers() -> None:
    train, dev = list(parser_batches(inputs(20), 200)), list(parser_batches(inputs(20, 1), 200))
    one, other, third = (fit_scorer(Scorer(HEADS), train, dev, seed=seed).scorer for seed in (3, 3, 4))
    assert torch.equal(one.weight, other.weight)
    assert not torch.equal(one.weight, third.weight)


def test_padding_changes_no_loss_and_no_score() -> None:
    scorer = randomised(Scorer(HEADS, DIMS))
    own = inputs(12)
    alone = [module._parse(scorer, list(parser_batches([one])), 0)[0].mean() for one in own]
    right, _, sentence = module._parse(scorer, list(parser_batches(own)), 0)
    assert [right[sentence == one.number].mean() for one in own] == pytest.approx(alone)


def test_chains_and_gold_heads_by_hand() -> None:
    one = ParserInput(0, np.zeros((1, 3, 3), np.float16), np.zeros((1, 3), np.float16), np.zeros((3, 1), np.float32),
                      np.array([3, 0, NOT_SCORED]))  # fmt: skip
    batches = list(parser_batches([one]))
    assert module._chain(batches, -1, 5)[0].tolist() == [1.0, 1.0]  # the root, and the word before
    assert module._chain(batches, 1, 5)[0].tolist() == [0.0, 0.0]
    assert module._chain(batches, 1, 5)[2].tolist() == [5, 5]


def test_static_vectors_are_the_mean_embedding_turned() -> None:
    model = tiny_model("bert")
    own = pk.Corpus([pk.Sentence.from_words("1", ["cat", "cabinets", "dogs"])])
    static = StaticVectors(model, 3)
    [vectors] = static.of(own, None)
    table = model.module.get_input_embeddings().weight.detach().numpy()  # type: ignore[operator]
    raw = np.stack(
        [table[model.tokenizer(w, add_special_tokens=False).input_ids].mean(0) for w in own[0].words]
    )
    centred = raw - raw.mean(0)
    # distances between words are kept up to one factor: three words lie in a plane
    given = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    expected = np.linalg.norm(centred[:, None] - centred[None], axis=-1)
    assert np.ptp(given[np.triu_indices(3, 1)] / expected[np.triu_indices(3, 1)]) < 1e-4
    again = static.of(pk.Corpus([pk.Sentence.from_words("2", ["cat"])]), None)[0]
    assert again[0] == pytest.approx(vectors[0], abs=1e-5)  # fitted once


def test_maps_of_a_model_reach_the_parser() -> None:
    model = tiny_model("bert")
    own, trees = gold_trees(corpus(3), "dev")
    read = read_inputs(model, own, trees, StaticVectors(model, 4))
    assert [one.maps.shape for one in read] == [(4, n, n) for n in (3, 4, 5)]
    assert read[2].heads.tolist() == [2, 0, 5, 2, NOT_SCORED]  # PUNCT is not scored
    weights = pk.attentions(model, torch.tensor(model.tokenizer([own[0].text]).input_ids), layers=[2])["2"]
    assert read[0].maps[3] == pytest.approx(weights[0, 1, 1:-1, 1:-1].numpy(), abs=1e-3)


def test_whole_way_with_a_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 5)  # test is read in parts
    model = tiny_model("bert")
    found = pk.parse_with_attention(model, corpus(), twins=1, static_dims=4, train_sentences=8, resamples=50)
    names = [system.spoken for system in found.systems]
    assert names == [
        "attention", "attention and static vectors", "attention of a random twin (seed 0)",
        "attention and static vectors of a random twin (seed 0)", "distance", "distance and static vectors",
        "previous word is the head", "next word is the head",
    ]  # fmt: skip
    sentences = [system.sentence.tolist() for system in found.systems]
    assert all(own == sentences[0] for own in sentences)
    assert found.sentences["train"] == 8
    assert found.n_words - len(sentences[0]) == found.n_punctuation == 4
    assert found.weights.shape == (2, 2, 2)
    assert found.panels[-1].labels["columns"] == ["0", "1"]  # as everywhere
    assert [row.control for row in found.rows if row.metric == "uas"].count("random-twin") == 4
    differences = [row for row in found.rows if row.metric == "uas_difference"]
    assert len(differences) == 5
    assert all(row.family_size == 5 and row.p_adjusted is not None for row in differences)
    # three sentence shapes only: distances and vectors cannot miss what train holds; chains can
    assert found.uas("next word is the head") < found.uas("distance and static vectors")
    assert [panel.kind for panel in found.panels] == ["sentence", "forest", "heatmap", "heatmap"]
    assert "<table" in found._repr_html_()
    assert len(found.table()) == len(found.rows)
    with pytest.raises(ConfigError, match="no system 'attentoin'; did you mean 'attention'"):
        found.uas("attentoin")
    with pytest.raises(ConfigError, match="no decoder 'tree'"):
        found.uas("attention", "tree")


def test_one_sentence_of_test_has_no_interval_and_no_p() -> None:
    own = corpus(4)
    first = [one for one in own if one.split != "test"] + list(own.split("test"))[:1]
    found = pk.parse_with_attention(
        tiny_model("bert"), pk.Corpus(first, "one"), static_dims=4, train_sentences=4, resamples=20
    )
    assert {(row.p, row.p_adjusted, row.low) for row in found.rows} == {(None, None, None)}
    assert found.summary.endswith("This is one sentence: no interval, no test.")
    shown = found._repr_html_()
    assert "best tree" in shown
    assert "NaN" not in shown


def test_bad_input() -> None:
    model: Model = tiny_model("bert")
    with pytest.raises(ConfigError, match="train_sentences must be at least 1, not 0"):
        pk.parse_with_attention(model, corpus(), train_sentences=0)
    with pytest.raises(DataError, match="has the column 'head'"):
        pk.parse_with_attention(model, corpus(heads=False))
    only = [replace(s, columns={"head": s.columns["head"], "upos": ["PUNCT"] * len(s)}) if s.split == "test" else s
            for s in corpus(3)]  # fmt: skip
    with pytest.raises(DataError, match="test holds no word with a head to score"):
        pk.parse_with_attention(model, pk.Corpus(only), resamples=10)
    with pytest.raises(ConfigError, match="is no twin of"):
        pk.parse_with_attention(model, corpus(3), twins=[tiny_model("llama")])
