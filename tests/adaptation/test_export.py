"""An exported body is the adapted one, for everything that reads a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

import probekit as pk
from probekit.adaptation.fine_tune import FineTune
from probekit.adaptation.inputs import Batch
from probekit.errors import ConfigError, ModelError
from probekit.models.head import has_language_model, load_head
from tests.adaptation.small_tasks import LABELS, TEXTS
from tests.tiny_models import tiny_folder, tiny_lm_folder


def fitted(folder: Path, strategy: str = "full", **settings: Any) -> FineTune:
    clf = FineTune(str(folder), strategy, epochs=1, rate=1e-2, batch_size=4, **settings)
    return clf.fit(TEXTS, LABELS)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
def test_states_are_those_of_the_adapted_body_and_the_head_is_the_source_s(kind: str, tmp_path: Path) -> None:
    clf = fitted(tiny_lm_folder(kind))
    before = clf.predict_proba(TEXTS)
    clf.export(tmp_path / "out")
    assert np.array_equal(clf.predict_proba(TEXTS), before)  # the estimator itself is left as it is
    model, source = (
        pk.load_model(str(tmp_path / "out"), device="cpu"),
        pk.load_model(str(tiny_lm_folder(kind))),
    )
    assert (model.kind, source.kind) == ("adapted", "pretrained")
    assert model.fingerprint != source.fingerprint
    ids = torch.tensor([[5, 9, 7, 11]])
    last = model.stacks[0].layers[-1]
    wanted = live_states(clf, ids)
    assert torch.equal(model.states(ids, torch.ones_like(ids), [last])[last], wanted)
    # the output head works on the new states, and has the weights that the source has, tied ones as adapted
    head, was = load_head(model), load_head(source)
    features = torch.randn(3, model.dim, generator=torch.Generator().manual_seed(0))
    opened, opened_was = head.features(features), was.features(features)
    assert opened is not None
    assert opened_was is not None
    embedding = model.module.get_input_embeddings().weight
    tied = opened_was[1] is source.module.get_input_embeddings().weight
    assert torch.equal(opened[1], embedding if tied else opened_was[1])
    assert torch.equal(opened[0], opened_was[0])


@torch.no_grad()
def live_states(clf: FineTune, ids: Any) -> Any:
    """The last states of the adapted body."""
    none = torch.zeros(0, dtype=torch.int64)
    return clf.live_.states(Batch(ids, None, None, none, none, np.zeros(0, np.int64)))


def test_transformers_reads_it_and_judge_too(tmp_path: Path) -> None:
    clf = fitted(tiny_lm_folder("gpt2"))
    clf.export(tmp_path / "out")
    whole = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert torch.equal(whole.lm_head.weight, clf.live_.body.wte.weight)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]  # nothing half-done beside it


def test_without_a_language_model_it_is_the_body_alone(tmp_path: Path) -> None:
    clf = fitted(tiny_folder("bert"))
    assert not has_language_model(clf.live_.model)
    clf.export(tmp_path / "out")
    assert not has_language_model(pk.load_model(str(tmp_path / "out")))


def test_what_can_be_merged_is_merged(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    clf = fitted(tiny_lm_folder("bert"), "lora")
    clf.export(tmp_path / "out")
    model = pk.load_model(str(tmp_path / "out"), device="cpu")
    ids = torch.tensor([[5, 9, 7, 11]])
    last = model.layers[-1]
    live = live_states(clf, ids)
    plain = pk.load_model(str(tiny_lm_folder("bert"))).states(ids, None, [last])[last]
    assert float((model.states(ids, None, [last])[last] - live).abs().max()) < 1e-5
    assert float((plain - live).abs().max()) > 1e-3


def test_what_cannot_be_merged_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    clf = fitted(tiny_folder("bert"), "pfeiffer")
    with pytest.raises(ModelError, match="do not fold into the weights"):
        clf.export(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_record_says_from_what_to_what(tmp_path: Path) -> None:
    clf = fitted(tiny_folder("bert"), seed=4)
    clf.export(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "adaptation.json").read_text())
    assert record["params"]["model"]["name"] == str(tiny_folder("bert"))
    assert (record["params"]["strategy"], record["params"]["seed"]) == ("full", 4)
    assert record["target"]["classes"] == ["p", "s"]
    assert record["fingerprint"] == pk.load_model(str(tiny_folder("bert"))).fingerprint


def test_another_export_may_be_replaced_and_nothing_else(tmp_path: Path) -> None:
    clf = fitted(tiny_folder("bert"), "head-only")
    clf.export(tmp_path / "out")
    clf.export(tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds something else already; give a new folder"):
        clf.export(tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


def test_a_random_twin_can_be_adapted_and_exported(tmp_path: Path) -> None:
    ref = pk.ModelRef(name=str(tiny_lm_folder("gpt2")), twin=3, device="cpu")
    clf = FineTune(ref, "top-k", epochs=1, batch_size=4).fit(TEXTS, LABELS)
    clf.export(tmp_path / "out")
    model = pk.load_model(str(tmp_path / "out"), device="cpu")
    ids = torch.tensor([[5, 9, 7, 11]])
    last = model.layers[-1]
    assert torch.equal(model.states(ids, torch.ones_like(ids), [last])[last], live_states(clf, ids))
    load_head(model)


def test_an_exported_model_can_be_adapted_again(tmp_path: Path) -> None:
    fitted(tiny_folder("bert")).export(tmp_path / "one")
    clf = fitted(tmp_path / "one", "head-only")
    assert clf.live_.model.kind == "adapted"
