"""What a user gets wrong in suites and trainings: one clear line, a stated exit code, nothing written over."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_extract import run
from tests.models.training.tiny import tiny
from tests.tiny_models import tiny_folder, tiny_lm_folder

Said = Callable[[], str]
FORMULA = "(2;%bad%) > (2;%good%)"


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    def read() -> str:
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        told = [line for line in shown.err.splitlines() if line.startswith("probekit: ")]
        assert len(told) == 1
        return shown.err[shown.err.index("probekit: ") :]

    return read


def syntaxgym(**changes: Any) -> dict[str, Any]:
    def condition(name: str, *regions: str) -> dict[str, Any]:
        numbered = [{"region_number": n, "content": text} for n, text in enumerate(regions, 1)]
        return {"condition_name": name, "regions": numbered}

    items = [
        {
            "item_number": n,
            "conditions": [condition("good", "the keys", "are"), condition("bad", "the keys", "is")],
        }
        for n in (1, 2)
    ]
    document: dict[str, Any] = {
        "meta": {"name": "small", "metric": "sum"},
        "region_meta": {"1": "subject", "2": "verb"},
        "predictions": [{"type": "formula", "formula": FORMULA}],
        "items": items,
    }
    return document | changes


def short_items() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(json.dumps(syntaxgym()["items"]))
    items[1]["conditions"][1]["regions"].pop()
    return items


def unequal_items() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(json.dumps(syntaxgym()["items"]))
    items[1]["conditions"][1]["condition_name"] = "worse"
    return items


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"items": short_items()}, ("item", "2", "region 2")),
        ({"items": unequal_items()}, ("item", "2", "'bad' is missing")),
        (
            {"predictions": [{"type": "formula", "formula": "(2;%bad%) > > (2;%good%)"}]},
            ("at character 13", "^"),
        ),
        ({"predictions": [{"type": "formula", "formula": "(2;%bad%) > (2;%god%)"}]}, ("'god'",)),
        ({"items": []}, ("'items' must be a list",)),
    ],
)
def test_a_suite_that_does_not_fit_together(
    tmp_path: Path, said: Said, changes: dict[str, Any], parts: tuple[str, ...]
) -> None:
    file = tmp_path / "small.json"
    file.write_text(json.dumps(syntaxgym(**changes)))
    runs = tmp_path / "runs"
    code = run("judge", str(file), "--model", str(tiny_lm_folder("gpt2")), "--runs", str(runs))
    assert code == 1
    line = said()
    for part in parts:
        assert part in line, line
    assert not runs.exists()


def test_a_model_without_a_head(tmp_path: Path, said: Said) -> None:
    runs = tmp_path / "runs"
    assert run("judge", "simple-agreement", "--model", str(tiny_folder("bert")), "--runs", str(runs)) == 1
    line = said()
    assert "has no language-model head" in line
    assert "give a checkpoint of a causal, masked or encoder-decoder language model" in line
    assert not runs.exists()


def test_a_suite_that_nobody_knows(tmp_path: Path, said: Said) -> None:
    model = str(tiny_lm_folder("gpt2"))
    assert run("judge", "simple-agrement", "--model", model, "--runs", str(tmp_path / "runs")) == 2
    assert "did you mean 'simple-agreement'?" in said()
    assert run("judge", "linzen", "--model", model, "--runs", str(tmp_path / "runs")) == 2
    assert "--data" in said()


def test_a_target_outside_the_vocabulary_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _train(tmp_path, tiny(corpus={"text": str(_text(tmp_path))}))
    capsys.readouterr()
    suite = tmp_path / "suite.tsv"
    suite.write_text("good\tbad\nthe dog sleeps .\tthe dog sleep .\nthe dog zooms .\tthe dog zoom .\n")
    code = run(
        "judge",
        str(suite),
        "--model",
        str(tmp_path / "model"),
        "--runs",
        str(tmp_path / "runs"),
        "--twins",
        "0",
    )
    assert code == 0, capsys.readouterr().err
    [info] = (tmp_path / "runs").rglob("run.json")
    left_out = json.loads(info.read_text())["left_out"]
    assert [(one["reason"], one["n"]) for one in left_out] == [("unknown piece", 1)]


def _text(folder: Path) -> Path:
    """200 distinct sentences of some twenty words."""
    file = folder / "text.txt"
    nouns = ["dog", "cat", "king", "poet", "key"]
    places = ["lamp", "river", "door", "table"]
    verbs = ["sleeps", "sleep", "waits", "falls", "sings"]
    lines = [
        f"the {n} near the {p} {v} {w} ."
        for n in nouns
        for p in places
        for v in verbs
        for w in ("here", "now")
    ]
    file.write_text("\n".join(lines) + "\n")
    return file


def _train(folder: Path, document: dict[str, Any]) -> int:
    """Write a training file and train it into `folder/model`."""
    lines = []
    for key, value in document.items():
        if not isinstance(value, dict):
            lines.insert(0, f"{key} = {json.dumps(value)}")
            continue
        inner = ", ".join(f"{k} = {_toml(v)}" for k, v in value.items())
        lines.append(f"{key} = {{ {inner} }}")
    file = folder / "training.toml"
    file.write_text("\n".join(lines) + "\n")
    return run("train", str(file), "-o", str(folder / "model"))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


@pytest.mark.parametrize(
    ("content", "changes", "code", "part"),
    [
        ("", {}, 1, "empty"),
        ("the dog sleeps .\nthe cat sleeps .\n" * 4, {"batches": {"pieces": 4096, "length": 64}}, 1, "batch"),
        (None, {"model": {"family": "gpt3"}}, 2, "did you mean 'gpt2'?"),
        (None, {"steps": 0}, 2, "steps"),
        (None, {"tokenizer": {"kind": "bpe", "size": 100_000}}, 1, "100"),
    ],
)
def test_a_training_that_cannot_be(
    tmp_path: Path, said: Said, content: str | None, changes: dict[str, Any], code: int, part: str
) -> None:
    text = _text(tmp_path)
    if content is not None:
        text.write_text(content)
    assert _train(tmp_path, tiny(corpus={"text": str(text)}, **changes)) == code
    assert part in said()
    assert not (tmp_path / "model").exists()


def test_a_finished_model_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], said: Said
) -> None:
    text = str(_text(tmp_path))
    assert _train(tmp_path, tiny(corpus={"text": text})) == 0
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    capsys.readouterr()
    assert _train(tmp_path, tiny(corpus={"text": text}, seed=5)) == 2
    line = said()
    assert "seed" in line
    assert "--fresh" in line
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before
