"""A fitted classifier on disk and back: the same bits, and one line for whatever is amiss."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import probekit as pk
from probekit.adaptation.examples import Target
from probekit.adaptation.fine_tune import FineTune
from probekit.adaptation.saved import load_adapted, target_of, target_words
from probekit.errors import DataError, ModelError, StoreError
from tests.adaptation.small_tasks import LABELS, TEXTS
from tests.tiny_models import tiny_folder, write_tiny

PAIRS = [("the cat", "dogs run"), ("a dog", "the mat"), ("she sits", "at night"), ("dogs", "cats")]
WORDS = [["the", "cat"], ["dogs"], ["a", "dog", "runs"]]


@pytest.mark.parametrize(
    ("strategy", "X", "y", "settings"),
    [
        ("full", TEXTS, LABELS, {"class_weight": {"s": 2.0, "p": 0.5}}),
        ("head-only", TEXTS, [1 if label == "s" else 7 for label in LABELS], {"class_weight": {7: 2.0}}),
        ("lora", TEXTS, [label == "s" for label in LABELS], {"options": {"rank": 4}, "warm_start": True}),
        ("bitfit", TEXTS, [len(text) / 10 for text in TEXTS], {}),
        (
            "head-only",
            np.array(TEXTS),
            np.array(LABELS),
            {"batch_size": np.int64(3), "dropout": np.float64(0.2)},
        ),
        ("head-only", PAIRS, ["x", "y", "x", "y"], {"pool": "cls"}),
        ("pfeiffer", WORDS, [["D", "N"], ["N"], ["D", "N", "V"]], {"max_pieces": 20}),
    ],
)
def test_saved_and_loaded_predicts_the_same_bits(
    strategy: str, X: Any, y: Any, settings: Any, tmp_path: Path
) -> None:
    if strategy == "lora":
        pytest.importorskip("peft")
    clf = FineTune(str(tiny_folder("bert")), strategy, epochs=1, rate=1e-2, seed=np.int64(3), **settings).fit(
        X, y
    )
    clf.save(tmp_path / "c")
    again = pk.load_adapted(tmp_path / "c")
    assert isinstance(again, FineTune)
    mine, theirs = clf.decision_function(X), again.decision_function(X)
    assert all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))
    assert list(map(str, again.predict(X))) == list(map(str, clf.predict(X)))
    for name in ("n_trainable_", "n_stored_", "stored_bytes_", "n_truncated_", "history_", "pool_"):
        assert getattr(again, name) == getattr(clf, name), name
    if hasattr(clf, "classes_"):
        assert again.classes_.dtype == clf.classes_.dtype
        assert again.classes_.tolist() == clf.classes_.tolist()
    given, found = clf.get_params(), again.get_params()
    assert {k: v for k, v in found.items() if k != "model"} == {
        k: v for k, v in given.items() if k != "model"
    }
    # saved once more it is the same file
    again.save(tmp_path / "d")
    name = "adapted.safetensors"
    assert (tmp_path / "c" / name).read_bytes() == (tmp_path / "d" / name).read_bytes()


def test_only_what_was_trained_is_written(tmp_path: Path) -> None:
    clf = FineTune(str(tiny_folder("bert")), "head-only", epochs=1).fit(TEXTS, LABELS)
    clf.save(tmp_path)
    assert clf.n_stored_ == clf.n_trainable_ == 32 * 2 + 2
    assert clf.stored_bytes_ == 4 * 66
    assert (tmp_path / "adapted.safetensors").stat().st_size < 4 * 66 + 250
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapted.json", "adapted.safetensors"]


def test_no_classifier_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no saved classifier"):
        load_adapted(tmp_path)


def test_a_damaged_or_foreign_one(tmp_path: Path) -> None:
    FineTune(str(tiny_folder("bert")), "head-only", epochs=1).fit(TEXTS, LABELS).save(tmp_path)
    words = json.loads((tmp_path / "adapted.json").read_text())
    (tmp_path / "adapted.json").write_text(json.dumps(words | {"kind": "magic"}))
    with pytest.raises(DataError, match="a classifier of kind 'magic'"):
        load_adapted(tmp_path)
    data = tmp_path / "adapted.safetensors"
    data.write_bytes(data.read_bytes()[:-1] + b"?")
    with pytest.raises(StoreError, match="damaged"):
        load_adapted(tmp_path)


def test_the_model_has_changed_or_gone(tmp_path: Path) -> None:
    model = write_tiny("bert", tmp_path / "model")
    FineTune(str(model), "head-only", epochs=1).fit(TEXTS, LABELS).save(tmp_path / "c")
    shutil.rmtree(model)
    with pytest.raises(ModelError, match="no such folder"):
        load_adapted(tmp_path / "c")
    write_tiny("bert", model, seed=1)
    with pytest.raises(ModelError, match="its weights are not those that were adapted"):
        load_adapted(tmp_path / "c")


def test_a_device_takes_the_place_of_the_saved_one(tmp_path: Path) -> None:
    ref = pk.ModelRef(name=str(tiny_folder("bert")), device="cuda:0")
    clf = FineTune(str(tiny_folder("bert")), "head-only", epochs=1).fit(TEXTS, LABELS)
    clf.set_params(model=ref).save(tmp_path)
    assert load_adapted(tmp_path, device="cpu").live_.model.device == "cpu"


@pytest.mark.parametrize("classes", [np.array(["a", "bc"]), np.array([3, 5]), np.array([False, True]), None])
def test_a_target_survives_json(classes: Any) -> None:
    again = target_of(json.loads(json.dumps(target_words(Target(classes)))))
    if classes is None:
        assert again.numeric
    else:
        assert again.classes is not None
        assert again.classes.dtype == classes.dtype
        assert again.classes.tolist() == classes.tolist()


@pytest.mark.parametrize("kind", ["fine-tuning", "feature-extraction"])
def test_a_model_given_by_a_relative_folder_is_found_from_elsewhere(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    write_tiny("bert", tmp_path / "here" / "model")
    monkeypatch.chdir(tmp_path / "here")
    made: Any = (
        FineTune("model", "head-only", epochs=1) if kind == "fine-tuning" else pk.FeatureExtract("model")
    )
    made.fit(TEXTS, LABELS).save(tmp_path / "c")
    monkeypatch.chdir(tmp_path / "there")
    again = load_adapted(tmp_path / "c")
    monkeypatch.chdir(tmp_path / "here")
    assert np.array_equal(
        again.predict_proba(["a text never seen"]), made.predict_proba(["a text never seen"])
    )
    assert load_adapted(tmp_path / "c").model.name == "model", "where it is seen under its name, it is that"


def test_a_model_that_was_moved_is_named(tmp_path: Path) -> None:
    there, now = tmp_path / "there", tmp_path / "now"
    shutil.copytree(tiny_folder("bert"), there)
    clf = FineTune(str(there), "head-only", epochs=1).fit(TEXTS, LABELS)
    clf.save(tmp_path / "c")
    there.rename(now)
    with pytest.raises(ModelError):
        load_adapted(tmp_path / "c")
    again = load_adapted(tmp_path / "c", model=str(now))
    assert np.array_equal(again.predict_proba(TEXTS), clf.predict_proba(TEXTS))
