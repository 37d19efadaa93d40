"""Behaviour by layer on real small models: the highest layer is the model itself, lower ones by a plain loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from probekit.activations.places import encode_inputs, read_places
from probekit.activations.plan import plan_extraction
from probekit.activations.recipe import Options
from probekit.behavior.answers import answer_suite
from probekit.behavior.judge import judge
from probekit.behavior.lens import layer_answers
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.data.suite import Condition, Item, Suite, pair_suite, sentence_pair, target_pair
from probekit.errors import ConfigError, DataError, ModelError
from probekit.models import Model, load_model
from probekit.models.head import load_head
from probekit.models.scoring import make_scorer
from tests.tiny_models import tiny_lm_folder

FAMILIES = ("gpt2", "llama", "bert", "roberta")


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {kind: load_model(str(tiny_lm_folder(kind)), device="cpu") for kind in FAMILIES}


def sentences() -> Suite:
    pairs = [
        ("the cat sat on the mat", "the cat sat on the mats"),
        ("the dogs that chase the cat bark", "the dogs that chase the cat barks"),
        ("a dog runs", "a dog run"),
    ]
    return pair_suite("s", [Item(f"i{k}", sentence_pair(*pair)) for k, pair in enumerate(pairs)], "sentence")


def targets() -> Suite:
    parts = [("the keys to the cabinet", "are", "is", "here"), ("the dogs", "runs", "run", "at night")]
    return pair_suite("t", [Item(f"i{k}", target_pair(*part)) for k, part in enumerate(parts)], "target")


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("make", [sentences, targets])
def test_the_highest_layer_gives_the_models_own_scores(models: dict[str, Model], kind: str, make) -> None:  # type: ignore[no-untyped-def]
    model, suite = models[kind], make()
    direct = answer_suite(make_scorer(model), suite)
    by_layer = layer_answers(model, suite)
    assert [answers.layer for answers in by_layer] == list(model.layers)
    np.testing.assert_allclose(by_layer[-1].bits, direct.bits, rtol=2e-5, atol=2e-4)
    np.testing.assert_array_equal(by_layer[-1].n_pieces, direct.n_pieces)
    if model.layers[-1] == "final":  # normed once: the last block, normed here, is the final layer
        np.testing.assert_allclose(by_layer[-2].bits, by_layer[-1].bits, rtol=2e-5, atol=2e-4)
    assert abs(by_layer[0].bits - direct.bits).max() > 0.01


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_a_lower_layer_equals_a_plain_loop(models: dict[str, Model], kind: str) -> None:
    model, suite = models[kind], targets()
    head, scorer = load_head(model), make_scorer(model)
    [answers] = layer_answers(model, suite, layers=[1])
    groups = _groups(suite)
    queries = scorer.queries(groups)
    plain = np.zeros(4)
    for k in range(len(queries)):
        ids = torch.from_numpy(queries.inputs[queries.input[k]].astype(np.int64))[None]
        state = model.states(ids, None, ("1",))["1"][0, queries.position[k]][None]
        logprob = head(head.norm(state)).log_softmax(-1)[0, queries.target[k]]
        plain[queries.ask[k]] -= float(logprob) / np.log(2)
    np.testing.assert_allclose(answers.bits, plain, rtol=1e-5, atol=1e-4)


def _groups(suite: Suite):  # type: ignore[no-untyped-def]
    from probekit.behavior.questions import ask_suite

    return ask_suite(suite).groups


def test_only_the_places_that_are_looked_at_are_stored(models: dict[str, Model], own_store: Path) -> None:
    model, suite = models["bert"], targets()
    queries = make_scorer(model).queries(_groups(suite))
    read = read_places(model, queries.inputs, queries.input, queries.position, ["0", "1"])
    assert read is not None
    assert read.acts.n_rows == len({*zip(queries.input.tolist(), queries.position.tolist(), strict=True)})
    assert read.acts.recipe["dtype"] == "float32"
    ids = read.acts.index.pieces
    assert set(ids.tolist()) == {model.tokenizer.mask_token_id}


def test_a_second_reading_comes_from_the_store(models: dict[str, Model], tmp_path: Path) -> None:
    model, suite = models["gpt2"], sentences()
    first = layer_answers(model, suite, store=tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = layer_answers(model, suite, store=tmp_path)
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.bits, two.bits)


def test_other_inputs_make_another_entry(models: dict[str, Model]) -> None:
    model = models["gpt2"]
    corpus = Corpus([Sentence("a", (), "", ())])
    options = Options(layers="all", unit="piece", pool="none", dtype="float32")
    keys = set()
    for ids in ([5, 6, 7], [5, 6, 8]):
        encoding = encode_inputs([np.array(ids, np.int32)], np.array([2]))
        keys.add(plan_extraction(model, corpus, options, encoding=encoding).key)
    assert len(keys) == 2
    encoding = encode_inputs([np.array([5], np.int32)] * 2, np.array([0, 1]))
    with pytest.raises(DataError, match="encoding of 2 sentences"):
        plan_extraction(model, corpus, options, encoding=encoding)


def test_judge_has_rows_and_a_curve_by_layer(models: dict[str, Model]) -> None:
    model = models["llama"]
    judged = judge(model, targets(), baselines=(), layers="all", resamples=50)
    layers = [row.layer for row in judged.rows if row.metric == "accuracy" and row.layer and not row.group]
    assert layers == list(model.layers)
    assert "logit lens" in next(row.method for row in judged.rows if row.layer)
    [panel] = [panel for panel in judged.panels if panel.kind == "layer-curve"]
    assert panel.labels["layers"] == list(model.layers)
    assert panel.labels["reference"]["value"] == judged.accuracy


def test_reasons_for_leaving_out_are_those_of_the_model(models: dict[str, Model]) -> None:
    long = " ".join(["the cat sat on the mat"] * 40)
    suite = pair_suite("l", [Item("long", sentence_pair(long, long + "s")), *sentences().items], "sentence")
    judged = judge(models["bert"], suite, baselines=(), layers=[1], resamples=50)
    assert judged.left_out == {"too long": 1}
    assert judged.layers[0].left_out == {"too long": 1}


def test_a_suite_without_a_scorable_text_still_answers(models: dict[str, Model]) -> None:
    long = " ".join(["the cat sat on the mat"] * 40)
    suite = pair_suite("l", [Item("long", sentence_pair(long, long + "s"))], "sentence")
    [answers] = layer_answers(models["bert"], suite, layers=[1])
    assert np.isnan(answers.bits).all()


def test_what_cannot_be_read_by_layer_is_refused(models: dict[str, Model]) -> None:
    with pytest.raises(ConfigError, match="no layer '9'"):
        layer_answers(models["gpt2"], targets(), layers=[9])
    t5 = load_model(str(tiny_lm_folder("t5")), device="cpu")
    with pytest.raises(ModelError, match="causal or masked"):
        layer_answers(t5, targets())


def test_a_model_without_a_head_is_refused_by_name() -> None:
    from tests.tiny_models import tiny_folder

    model = load_model(str(tiny_folder("bert")), device="cpu")
    with pytest.raises(ModelError, match="no language-model head"):
        judge(model, targets())


def test_an_encoder_decoder_is_judged_given_its_source() -> None:
    t5 = load_model(str(tiny_lm_folder("t5")), device="cpu")
    suite = pair_suite(
        "t", [Item("a", target_pair("the dogs", "runs", "run", "at night", "a dog runs"))], "target"
    )
    judged = judge(t5, suite, baselines=(), twins=1, resamples=50)
    assert judged.accuracy in (0.0, 1.0)
    assert judged.answers.kind == "encoder-decoder"
    assert isinstance(suite.items[0].conditions[0], Condition)
