"""Scrubbing a live model: every layer's class means are equal once all erasers are in force, and were not before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import probekit as pk
from probekit.errors import ConfigError, DataError, ModelError, StoreError
from probekit.models.hooks.edit import active_edits
from tests.tiny_models import tiny_model

CORPUS = pk.generate_corpus(25, 8, 8)
TASK = pk.load_task("upos")


def states(model: pk.Model | Any, site: str = "hidden") -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Training states [n, dim] and labels [n] at every layer, as the model is now."""
    data = pk.extract(model, CORPUS, dtype="float32", site=site).units(TASK, "train")
    return {layer: (data.X(layer), data.y) for layer in data.activations.layers}


def apart(X: np.ndarray, y: np.ndarray) -> float:
    """The largest distance of a class mean from the mean, as a share of the states' spread."""
    X = X.astype(np.float64)
    means = np.array([X[y == label].mean(axis=0) for label in np.unique(y)])
    return float(np.abs(means - X.mean(axis=0)).max() / X.std())


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
def test_class_means_are_equal_at_every_layer(kind: str) -> None:
    model = tiny_model(kind)
    before = states(model)
    scrubber = pk.scrub(model, pk.word_states(model, CORPUS, TASK))
    assert scrubber.layers == tuple(before) == tuple(model.resolve_layers("all"))
    with pk.edit_all(model, scrubber.edits):
        after = states(model)
    for layer in before:
        assert apart(*before[layer]) > 0.1, layer
        assert apart(*after[layer]) < 2e-5, layer
    assert not active_edits(model)
    np.testing.assert_array_equal(
        states(model)[before and next(iter(before))][0], before[next(iter(before))][0]
    )


def test_erasers_of_the_untouched_model_do_not_do() -> None:
    """Why each layer is read with the lower ones erased."""
    model = tiny_model("bert")
    untouched = {layer: pk.Leace().fit(X, y).eraser_ for layer, (X, y) in states(model).items()}
    with pk.edit_all(model, [pk.Edit(layer, eraser) for layer, eraser in untouched.items()]):
        after = states(model)
    assert apart(*after["0"]) < 2e-5
    assert apart(*after["2"]) > 1e-3


def test_other_sites_and_some_layers() -> None:
    model = tiny_model("bert")
    read = pk.word_states(model, CORPUS, TASK, site="mlp")
    scrubber = pk.scrub(model, read, layers=[2, 1, 2], site="mlp")
    assert scrubber.layers == ("1", "2")
    assert scrubber.erasers["1"].dim == model.site_dim("mlp")
    with pk.edit_all(model, scrubber.edits):
        after = states(model, "mlp")
    assert max(apart(*after[layer]) for layer in after) < 2e-5


def test_readers_are_called_with_the_lower_erasers_in_force() -> None:
    model = tiny_model("gpt2")
    seen: list[tuple[str, tuple[str, ...]]] = []
    inner = pk.word_states(model, CORPUS, TASK)

    def read(layer: str) -> Any:
        seen.append((layer, tuple(str(edit.layer) for edit in active_edits(model))))
        return inner(layer)[:2]

    told: list[tuple[str, int, int]] = []
    pk.scrub(model, read, progress=lambda *a: told.append(a))
    assert seen == [("0", ()), ("1", ("0",)), ("2", ("0", "1")), ("final", ("0", "1", "2"))]
    assert [one[1:] for one in told] == [(i, 4) for i in range(5)]


def test_units_with_rows_give_train_and_dev_to_those_that_stop_by_it() -> None:
    model = tiny_model("bert")

    def read(layer: str) -> Any:
        return pk.extract(model, CORPUS, layers=[layer]).units(TASK)

    fitter = pk.Inlp(rounds=2, concept="upos")
    scrubber = pk.scrub(model, read, fitter, layers=[1, 2])
    assert not hasattr(fitter, "eraser_")  # a copy was fitted
    for eraser in scrubber.erasers.values():
        assert (eraser.method, eraser.about["dev"]) == ("inlp", "given")
        assert eraser.rank > 0
    plain = pk.scrub(model, lambda layer: read(layer).select("train"), layers=[1])
    assert plain.erasers["1"].method == "leace"


def test_saved_and_loaded_and_for_this_model_only(tmp_path: Path) -> None:
    model = tiny_model("bert")
    scrubber = pk.scrub(model, pk.word_states(model, CORPUS, TASK), layers=[0, 1])
    scrubber.save(tmp_path / "scrubbed")
    again = pk.Scrubber.load(tmp_path / "scrubbed")
    assert (again.layers, again.site, again.model, again.fingerprint) == (
        scrubber.layers, "hidden", model.name, model.fingerprint,
    )  # fmt: skip
    assert [e.key for e in again.erasers.values()] == [e.key for e in scrubber.erasers.values()]
    again.check(model)
    with pk.edit_all(model, again.edits):
        assert apart(*states(model)["1"]) < 2e-5
    other = tiny_model("gpt2")
    with pytest.raises(ModelError, match=f"{model.name} .*not for {other.name} "):
        again.check(other)
    with pytest.raises(ModelError, match=f"{model.name} .*{other.name}"), pk.edit_all(other, again.edits):
        pass
    with pytest.raises(DataError):
        pk.Scrubber.load(tmp_path / "nowhere")
    (tmp_path / "scrubbed" / "scrubber.json").write_text('{"kind": "eraser"}')
    with pytest.raises(StoreError, match="not the description of a scrubber"):
        pk.Scrubber.load(tmp_path / "scrubbed")


def test_a_folder_with_another_eraser_is_damaged(tmp_path: Path) -> None:
    model = tiny_model("bert")
    scrubber = pk.scrub(model, pk.word_states(model, CORPUS, TASK), layers=[0, 1])
    scrubber.save(tmp_path)
    scrubber.erasers["0"].save(tmp_path / "layer-1")
    with pytest.raises(StoreError, match="not those it was saved with"):
        pk.Scrubber.load(tmp_path)


def test_nothing_of_the_passes_is_kept_unless_asked(tmp_path: Path, own_store: Path) -> None:
    model = tiny_model("bert")
    pk.scrub(model, pk.word_states(model, CORPUS, TASK), layers=[0, 1])
    assert not list(own_store.iterdir())
    pk.scrub(model, pk.word_states(model, CORPUS, TASK, store=tmp_path), layers=[0, 1])
    assert list(tmp_path.rglob("*.safetensors"))


def test_refused() -> None:
    model = tiny_model("bert")
    read = pk.word_states(model, CORPUS, TASK)
    with pytest.raises(ConfigError, match="unfitted fitter"):
        pk.scrub(model, read, pk.Leace)
    with pytest.raises(ConfigError, match="7"):
        pk.scrub(model, read, layers=[7])
    with pytest.raises(ConfigError, match=r"\(X, y\)"):
        pk.scrub(model, lambda layer: (1, 2, 3), layers=[0])
    with pytest.raises(ConfigError, match="gives no eraser"):
        pk.scrub(model, read, pk.LinearProbe(), layers=[0])
    with pytest.raises(DataError, match="no unit in train"):
        pk.scrub(model, lambda layer: pk.extract(model, CORPUS).units(TASK, "dev"), layers=[0])
    with pytest.raises(ModelError, match="width"):
        pk.scrub(model, lambda layer: (np.eye(5), [0, 1, 0, 1, 0]), layers=[0])
    assert not active_edits(model)
