"""Task files: the built-in ones label their examples, wrong ones say what is wrong."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from probekit.data.catalogue import probes_folder
from probekit.data.task import CONTROLS, Task, list_tasks, load_task
from probekit.errors import ConfigError

GOOD = """\
name = "mine"
question = "Which?"
unit = "word"
label = "upos"
metric = "accuracy"
"""


def write(folder: Path, content: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(content, "utf-8")
    return path


def test_the_built_in_tasks() -> None:
    assert {
        "upos", "xpos", "number", "tense", "person", "verbform", "deprel", "dependency_depth", "position",
        "sentence_length", "word_content", "cola", "trec", "sst",
    } <= set(list_tasks())  # fmt: skip


@pytest.mark.parametrize("name", list_tasks())
def test_a_built_in_task_is_complete_and_labels_its_examples(name: str) -> None:
    task = load_task(name)
    assert task.name == name
    assert task.question.endswith("?")
    assert task.cite
    assert task.licence
    assert len(task.examples) >= 2
    assert task.check_examples() >= 2
    assert task.controls == CONTROLS
    assert task.to_dict()["label"] == task.label


def test_defaults_and_split_table(tmp_path: Path) -> None:
    task = load_task(write(tmp_path, GOOD))
    assert (task.kind, task.split, task.controls, task.seed) == ("classes", "given", CONTROLS, 0)
    again = load_task(
        write(tmp_path, GOOD + 'split = { by = "word-type", fractions = [0.5, 0.25, 0.25], seed = 4 }')
    )
    assert (again.split, again.fractions, again.seed) == ("word-type", (0.5, 0.25, 0.25), 4)


def test_unknown_name() -> None:
    with pytest.raises(ConfigError, match="no task 'upso'; did you mean 'upos'"):
        load_task("upso")
    with pytest.raises(ConfigError, match=r"nowhere.toml"):
        load_task("nowhere.toml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + 'metrik = "x"', "unknown key 'metrik'; did you mean 'metric'"),
        (GOOD + "split = { by = 'sentence', sed = 1 }", "unknown key 'split.sed'; did you mean 'seed'"),
        (
            GOOD + "[[example]]\ntext = 'a'\nlables = 'b'",
            "unknown key 'example.1.lables'; did you mean 'labels'",
        ),
        (GOOD.replace('"accuracy"', '"acuracy"'), "metric = 'acuracy' is unknown; did you mean 'accuracy'"),
        (GOOD.replace('"word"', '"wrod"'), "unit = 'wrod' is unknown; did you mean 'word'"),
        (GOOD.replace('"word"', '"pair"'), "unit = 'pair' is not available yet"),
        (GOOD.replace('"word"', '"span"'), "unit = 'span' is not available yet"),
        (GOOD + "split = 'documnet'", "split = 'documnet' is unknown; did you mean 'document'"),
        (GOOD + "controls = ['word-typ']", "controls.1 = 'word-typ' is unknown; did you mean 'word-type'"),
        (GOOD.replace('name = "mine"\n', ""), "key 'name' is missing"),
        (GOOD.replace('"Which?"', "3"), "question = 3: input should be a valid string"),
        (GOOD.replace('"upos"', '"feats.A.b"'), "label = 'feats.A.b'"),
        (GOOD + "where = 'upos NOUN'", "'=', '!=' or 'in' expected, got 'NOUN' at character 6"),
        (GOOD + "where = 'position = 1'", "'position' cannot be filtered by"),
        (GOOD.replace('"accuracy"', '"r2"'), "metric 'r2' is not for classes; use one of accuracy"),
        (GOOD.replace('"upos"', '"dependency_depth"'), "gives number; set kind = 'number', or cut it"),
        (GOOD.replace('"upos"', '"sentence_length"'), "labels a sentence; set unit = 'sentence'"),
        (GOOD.replace('"word"', '"sentence"'), "a sentence has no 'upos'"),
        (GOOD.replace('"upos"', '"position"') + "bins = [3, 1]", "bins are rising numbers"),
        (GOOD + "options = { words = 5, skip = 1 }", r"\[options\] with words and skip belong to"),
        (GOOD + "[[example]]\ntext = 'a a'\nlabels = { a = 'X' }", "example 1: 'a' stands 2 times"),
        (GOOD + "[[example]]\ntext = 'a b'\nlabels = 'X'", "example 1: 1 values in 'labels' for 2 words"),
        (GOOD + "x y = 1", "not TOML.*line 6"),
    ],
)
def test_wrong_files(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as problem:
        load_task(write(tmp_path, content))
    assert "mine.toml: " in str(problem.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"metric = 'x' is unknown.*; unknown key 'foo'"):
        load_task(write(tmp_path, GOOD.replace('"accuracy"', '"x"') + "foo = 1"))


def test_an_example_that_breaks_its_promise() -> None:
    task = load_task("number")
    wrong = replace(
        task, examples=(replace(task.examples[0], labels=(None, "Sing", None, None, "Sing", None, None)),)
    )
    with pytest.raises(
        ConfigError, match="example 1, 'keys': the file says 'Sing', and the task gives 'Plur'"
    ):
        wrong.check_examples()
    silent = replace(
        task, examples=(replace(task.examples[0], labels=("Sing", "Plur", None, None, "Sing", None, None)),)
    )
    with pytest.raises(ConfigError, match="'The': the file says 'Sing', and the task gives None"):
        silent.check_examples()


def test_the_built_in_files_are_found() -> None:
    assert (probes_folder() / "tasks" / "upos.toml").is_file()


def test_reading_corpora_loads_neither_torch_nor_pydantic() -> None:
    code = (
        "import sys, probekit.data.read_corpus, probekit.data.task, probekit.data.grammar\n"
        "print(sorted({'torch', 'pydantic', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"


def test_a_task_is_frozen() -> None:
    with pytest.raises(AttributeError):
        load_task("upos").label = "xpos"  # type: ignore[misc]
    assert isinstance(load_task("upos"), Task)
