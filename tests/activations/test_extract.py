"""What extraction promises beside its numbers: reuse, keys, guards, limits, and what it leaves out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from probekit.activations.entry import MANIFEST
from probekit.activations.extract import extract
from probekit.activations.plan import plan_extraction
from probekit.activations.recipe import Options
from probekit.activations.store import Store
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError, DiskError, ModelError
from probekit.models import load_model, random_twin
from tests.activations.plain import CORPUS, TEXTS, corpus_of
from tests.tiny_models import tiny_folder, tiny_model


@pytest.fixture
def passes() -> Iterator[list[tuple[int, ...]]]:
    """The shape of every batch the tiny BERT reads."""
    shapes: list[tuple[int, ...]] = []

    def note(module: Any, args: Any, kwargs: Any) -> None:
        shapes.append(tuple(kwargs["input_ids"].shape))

    hook = tiny_model("bert").module.register_forward_pre_hook(note, with_kwargs=True)
    yield shapes
    hook.remove()


def test_second_call_reads(passes: list[Any]) -> None:
    first = extract(tiny_model("bert"), CORPUS)
    assert passes
    passes.clear()
    second = extract(tiny_model("bert"), CORPUS)
    assert passes == []
    assert (second.key, second.path) == (first.key, first.path)
    np.testing.assert_array_equal(second.rows(1), first.rows(1))


def test_batches_keep_to_the_budget_and_read_each_input_once(passes: list[tuple[int, ...]]) -> None:
    extract(tiny_model("bert"), CORPUS, pieces_per_batch=20)
    assert all(inputs == 1 or inputs * pieces <= 20 for inputs, pieces in passes)
    assert sum(inputs for inputs, _ in passes) == len(CORPUS)


def pieces_of(texts: list[str]) -> list[int]:
    return [len(tiny_model("bert").tokenizer(text)["input_ids"]) for text in texts]


def changed(**options: Any) -> str:
    corpus, model = options.pop("corpus", CORPUS), options.pop("model", tiny_model("bert"))
    return plan_extraction(model, corpus, Options(**options)).key


def other_model(**load: Any) -> Any:
    return load_model(str(tiny_folder("bert")), device="cpu", **load)


CHANGES: dict[str, Any] = {
    "weights": lambda: changed(model=random_twin(tiny_model("bert"), 1)),
    "tokenizer": lambda: changed(
        model=dataclasses.replace(tiny_model("bert"), tokenizer_fingerprint="other")
    ),
    "attention": lambda: changed(model=other_model(attention="eager")),
    "compute dtype": lambda: changed(model=other_model(dtype="bfloat16")),
    "device": lambda: changed(model=dataclasses.replace(tiny_model("bert"), device="cuda:0")),
    "text": lambda: changed(corpus=corpus_of([*TEXTS[:-1], "the dog sat on the mat"])),
    "ids": lambda: changed(corpus=corpus_of(TEXTS, prefix="t")),
    "order": lambda: changed(corpus=Corpus(CORPUS.sentences[::-1], name="plain")),
    "length limit": lambda: changed(model=dataclasses.replace(tiny_model("bert"), max_pieces=8)),
    "layers": lambda: changed(layers=[0, 1]),
    "unit": lambda: changed(unit="sentence"),
    "pool": lambda: changed(pool="max"),
    "special": lambda: changed(unit="sentence", special=True),
    "text form": lambda: changed(text_form="words"),
    "length": lambda: changed(length="error"),
    "dtype": lambda: changed(dtype="float32"),
    "batch": lambda: changed(pieces_per_batch=100),
    "shard": lambda: changed(rows_per_shard=10),
}


def test_key_changes_with_every_ingredient() -> None:
    keys = {name: change() for name, change in CHANGES.items()} | {"": changed()}
    assert len(set(keys.values())) == len(keys), keys


def test_key_does_not_change_with_names_labels_and_splits() -> None:
    renamed = dataclasses.replace(tiny_model("bert"), name="other", revision="x")
    relabelled = Corpus(
        [dataclasses.replace(s, split="test", attributes={"label": "a"}) for s in CORPUS], name="other"
    )
    assert changed(model=renamed, corpus=relabelled, layers=["2", 1, 0]) == changed()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"site": "head"}, "did you mean .heads."),
        ({"site": "hiden"}, "did you mean 'hidden'"),
        ({"unit": "wrod"}, "did you mean 'word'"),
        ({"pool": "men"}, "did you mean 'mean'"),
        ({"pool": "cls"}, "for unit='word'"),
        ({"unit": "piece"}, "known: none|did you mean"),
        ({"length": "cut"}, "unknown length"),
        ({"dtype": "bfloat16"}, "unknown dtype"),
        ({"layers": [9]}, "no layer '9'"),
        ({"layers": []}, "no layer was asked for"),
        ({"special": True}, "special=True"),
        ({"unit": "sentence", "length": "window"}, "window"),
        ({"pieces_per_batch": 0}, "above 0"),
        ({"text_form": "raw"}, "unknown text_form"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        extract(tiny_model("bert"), CORPUS, **options)


class Plant:
    """Adds to the output of the last block of the tiny BERT while it is open, for inputs of one length."""

    def __init__(self, value: float, pieces: int | None = None) -> None:
        self.value, self.pieces = value, pieces

    def __enter__(self) -> None:
        self.hook = tiny_model("bert").module.encoder.layer[-1].register_forward_hook(self.change)

    def change(self, module: Any, args: Any, output: Any) -> None:
        state = output[0] if isinstance(output, tuple) else output
        if self.pieces in (None, state.shape[1]):
            state[:, 1, 0] += self.value  # in place: transformers has taken note of the tensor already

    def __exit__(self, *error: object) -> None:
        self.hook.remove()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("pool", ["mean", "max"])
def test_nan_names_layer_and_sentence(value: float, pool: str, own_store: Path) -> None:
    longest = pieces_of(TEXTS).index(max(pieces_of(TEXTS)))
    with Plant(value), pytest.raises(ModelError, match=rf"layer 2 .* in sentence s{longest};"):
        extract(tiny_model("bert"), CORPUS, pool=pool)
    (folder,) = Path(own_store).iterdir()
    assert not list(folder.glob("*shard*"))
    assert not list(folder.glob(".*"))
    assert not (folder / MANIFEST).exists()


def test_overflow_keeps_the_layer_of_that_shard_in_float32(own_store: Path) -> None:
    with Plant(7e4, max(pieces_of(TEXTS))):
        found = extract(tiny_model("bert"), CORPUS, pool="first", rows_per_shard=4)
        exact = extract(tiny_model("bert"), CORPUS, pool="first", rows_per_shard=4, dtype="float32")
    assert found.wide == {"2": 1}
    assert exact.wide == {}
    assert np.abs(found.rows(2)).max() > 6e4
    first = found.entry.shards[0].layout
    assert dict(first.dtypes) == {"0": "float16", "1": "float16", "2": "float32"}
    np.testing.assert_array_equal(found.rows(2)[: first.rows], exact.rows(2)[: first.rows])
    later = exact.rows(2)[first.rows :].astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(found.rows(2)[first.rows :], later)
    assert Store(own_store).verify() == []


def test_overflow_found_late_gives_the_same_bytes_as_found_early(tmp_path: Path) -> None:
    """What the guess of a shard's widths was does not show in its bytes."""
    with Plant(7e4, min(pieces_of(TEXTS))):
        whole = extract(tiny_model("bert"), CORPUS, pool="first", rows_per_shard=10, store=tmp_path / "a")
        again = extract(tiny_model("bert"), CORPUS, pool="first", rows_per_shard=10, store=tmp_path / "b")
        last = again.path / again.entry.shards[-1].name
        last.unlink()
        assert whole.entry.shards[-1].layout.dtypes["2"] == "float32"
        extract(tiny_model("bert"), CORPUS, pool="first", rows_per_shard=10, store=tmp_path / "b")
    for file in whole.path.iterdir():
        assert file.read_bytes() == (again.path / file.name).read_bytes()


def test_words_cut_or_unknown_are_left_out_and_named() -> None:
    long = " ".join(["dog"] * 100)
    corpus = corpus_of(["the cat sat", long, "a \N{SNOWMAN} runs", ""])
    found = extract(tiny_model("bert"), corpus)
    assert found.left_out["truncated"] == 100 - (64 - 2)
    assert found.left_out["unknown piece"] == 1
    assert found.left_out_examples["unknown piece"] == ("s2:2 '\N{SNOWMAN}'",)
    assert found.left_out_examples["truncated"][0] == "s1:63 'dog'"
    assert found.n_rows == 3 + 62 + 2


def test_windows_give_every_word_a_row() -> None:
    long = " ".join(["dog", "cat", "runs"] * 50)
    corpus = corpus_of(["the cat sat", long])
    found = extract(tiny_model("bert"), corpus, length="window")
    assert found.left_out == {}
    assert found.n_rows == 153


def test_sentences_without_text_are_left_out() -> None:
    corpus = corpus_of(["the cat sat", "", "  "])
    found = extract(tiny_model("bert"), corpus, unit="sentence", pool="cls")
    assert found.n_rows == 1
    assert found.left_out == {"empty": 2}
    assert found.left_out_examples == {"empty": ("s1", "s2")}


def test_a_corpus_without_any_row_is_refused() -> None:
    with pytest.raises(DataError, match="no word"):
        extract(tiny_model("bert"), corpus_of(["", " "]))


def test_words_form_follows_the_corpus() -> None:
    sentence = Sentence.from_words("s0", ("the", "cat"), split="train")
    corpus = Corpus([sentence], name="columns", text_form="words")
    assert extract(tiny_model("bert"), corpus).recipe["text_form"] == "words"


def test_progress_counts_rows_to_the_end() -> None:
    seen: list[tuple[str, int, int]] = []
    found = extract(tiny_model("bert"), CORPUS, rows_per_shard=10, progress=lambda *step: seen.append(step))
    done = [step[1] for step in seen]
    assert done == sorted(done)
    assert seen[-1][1:] == (found.n_rows, found.n_rows)


def test_resume_computes_only_what_is_missing(passes: list[tuple[int, ...]]) -> None:
    whole = extract(tiny_model("bert"), CORPUS, rows_per_shard=10)
    before = {file.name: file.read_bytes() for file in whole.path.iterdir()}
    kept = {f.name: f.stat().st_mtime_ns for f in whole.path.glob("shard-*")}
    (whole.path / MANIFEST).unlink()
    (whole.path / whole.entry.shards[1].name).unlink()
    kept.pop(whole.entry.shards[1].name)
    passes.clear()
    again = extract(tiny_model("bert"), CORPUS, rows_per_shard=10)
    assert {file.name: file.read_bytes() for file in again.path.iterdir()} == before
    assert {name: (again.path / name).stat().st_mtime_ns for name in kept} == kept
    assert 0 < sum(inputs for inputs, _ in passes) < len(CORPUS)


def test_disk_is_asked_before_the_model_runs(passes: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_extraction(tiny_model("bert"), CORPUS, Options())
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("probekit.activations.store.shutil.disk_usage", lambda path: usage)
    with pytest.raises(DiskError, match=r"bytes are needed and 1,000 are free"):
        extract(tiny_model("bert"), CORPUS)
    assert passes == []
    assert plan.disk_bytes > 1000


def test_planned_disk_is_what_it_takes() -> None:
    plan = plan_extraction(tiny_model("bert"), CORPUS, Options(rows_per_shard=10))
    found = extract(tiny_model("bert"), CORPUS, rows_per_shard=10)
    shards = sum(file.stat().st_size for file in found.path.glob("shard-*"))
    index = sum(file.stat().st_size for file in found.path.glob("index.*"))
    assert plan.disk_bytes == shards + index
    assert plan.n_shards == len(found.entry.shards)


def test_a_file_in_place_of_the_store(tmp_path: Path, passes: list[Any]) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(DiskError, match="store"):
        extract(tiny_model("bert"), CORPUS, store=tmp_path / "store")
    assert passes == []


def test_gradients_and_global_state_stay_untouched() -> None:
    state = torch.random.get_rng_state()
    extract(tiny_model("bert"), CORPUS)
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.is_grad_enabled()
