"""An experiment file is checked to the last key before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from probekit.errors import ConfigError
from probekit.experiment.plan import built_in_experiments, find_experiment, load_plan
from probekit.experiment.plan_paths import resolve_paths

GOOD = """
[question]
ask = "Is it there?"
[corpus]
conllu = "*.conllu"
[[model]]
name = "demo:minilm"
[[analysis]]
kind = "probe"
tasks = ["upos"]
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "experiment.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_task_files_are_relative_to_the_file_too(tmp_path: Path) -> None:
    tasks = {"tasks": ["own.toml", "upos"], "concepts": ["a/own.toml"], "control_concepts": ["/x/own.toml"]}
    document: dict[str, Any] = {"analysis": [{"kind": "probe", **tasks}, "no table"]}
    resolve_paths(document, tmp_path)
    [found, _] = document["analysis"]
    assert found["tasks"] == [str(tmp_path / "own.toml"), "upos"]
    assert found["concepts"] == [str(tmp_path / "a" / "own.toml")]
    assert found["control_concepts"] == ["/x/own.toml"]


def test_defaults_are_in_force_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    plan, folder, text = load_plan(write(tmp_path, GOOD))
    assert folder == tmp_path
    assert text == GOOD
    assert plan.name == tmp_path.name
    assert plan.corpus.conllu == str(tmp_path / "*.conllu")
    assert plan.model[0].twins == 3
    assert plan.analysis[0].seeds.control == 5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('tasks = ["upos"]', 'task = ["upos"]', "unknown key 'analysis.0.task'; did you mean 'tasks'"),
        ('kind = "probe"', 'kind = "prob"', "analysis.0.kind: should be 'probe'"),
        ('name = "demo:minilm"', 'nmae = "demo:minilm"', "did you mean 'name'"),
        ('conllu = "*.conllu"', "", "name one source"),
        ('conllu = "*.conllu"', 'conllu = "a"\ntrec = "b"', "conllu and trec"),
        ('tasks = ["upos"]', 'tasks = ["upos"]\nstrengths = [0.0]', "above 0"),
        ('tasks = ["upos"]', 'tasks = ["upos"]\nprobes = ["liner"]', "did you mean 'linear'"),
        ('tasks = ["upos"]', 'tasks = ["upos"]\nseeds = { controls = 2 }', "did you mean 'control'"),
        ("[question]", "[qestion]", "did you mean 'question'"),
        ("[[model]]", "[[model", "not valid TOML"),
        ('name = "demo:minilm"', 'name = "demo:minilm"\ntwins = -1', "greater than or equal to 0"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"experiment\.toml") as caught:
        load_plan(write(tmp_path, GOOD.replace(old, new)))
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_overrides(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)
    plan, *_ = load_plan(file, ["corpus.trec=here/train.txt", "model.0.twins=1", "analysis.0.layers=[0, 2]"])
    assert plan.corpus.source == "trec"
    assert plan.corpus.trec == "here/train.txt"
    assert plan.model[0].twins == 1
    assert plan.analysis[0].layers == [0, 2]
    for bad in ("corpus.trec", "model.5.twins=1", "=3"):
        with pytest.raises(ConfigError, match="--set"):
            load_plan(file, [bad])
    with pytest.raises(ConfigError, match="did you mean 'twins'"):
        load_plan(file, ["model.0.twin=1"])


def test_experiments_that_come_along_are_valid() -> None:
    built_in = built_in_experiments()
    assert {"quickstart", "ewt_upos"} <= set(built_in)
    for name in built_in:
        plan, *_ = load_plan(name)
        assert plan.question.ask
        assert plan.question.expect
    with pytest.raises(ConfigError, match="did you mean 'quickstart'"):
        find_experiment("quikstart")
