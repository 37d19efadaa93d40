"""`probekit tasks`: exit code and text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.cli import main
from probekit.data.task import list_tasks


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(["tasks", *arguments])
    return int(done.value.code or 0)


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list_tasks()
    assert run("list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [task["name"] for task in listed] == list_tasks()


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "number") == 0
    out = capsys.readouterr().out
    assert "where      upos = NOUN" in out
    assert "The keys to the cabinet are here  ->  keys/Plur cabinet/Sing" in out
    assert run("show", "dependency_depth", "--json") == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "number"


def test_unknown_task(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("show", "preview"):
        assert run(command, "upso") == 2
        shown = capsys.readouterr()
        assert "did you mean 'upos'?" in shown.err
        assert shown.out == ""


def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nquestion = "?"\nunit = "word"\nlabel = "upos"\nmetric = "accuracy"\n')
    assert run("check", str(path)) == 0
    shown = capsys.readouterr()
    assert "mine: fine (0 examples, 0 labels)" in shown.out
    assert "no [[example]]" in shown.err
    path.write_text(
        path.read_text() + '[[example]]\ntext = "a b"\ncolumns = { upos = "X Y" }\nlabels = "X X"\n'
    )
    assert run("check", str(path)) == 2
    assert "example 1, 'b': the file says 'X', and the task gives 'Y'" in capsys.readouterr().err
    assert run("check", str(path), "--json") == 2
    assert capsys.readouterr().out == ""
    path.write_text("name = 3\n")
    assert run("check", str(path)) == 2
    assert run("check", str(tmp_path / "none.toml")) == 2


def test_preview_of_the_generated_corpus(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("preview", "number") == 0
    out = capsys.readouterr().out
    assert "2,300 sentences" in out
    assert any(line.split()[:1] == ["Sing"] for line in out.splitlines())
    assert "/Plur" in out


def test_preview_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, test = tmp_path / "train.label", tmp_path / "test.label"
    train.write_text("LOC:city Where is Oulu ?\nHUM:ind Who is it ?\n" + "HUM:ind Who else ?\n" * 20)
    test.write_text("NUM:dist How far ?\nHUM:ind Who is it ?\n")
    assert run("preview", "trec", "--data", str(tmp_path / "*.label")) == 0
    out = capsys.readouterr().out
    assert "not in train" in out
    assert "How far ?  ->  NUM" in out
    assert (
        run("preview", "trec", "--data", str(train), "--data", str(test), "--format", "trec", "--json") == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert document["units"]["test"] == 2
    assert document["labels"]["NUM"] == {"train": 0, "dev": 0, "test": 1}


def test_preview_of_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "train.txt"
    path.write_text("Keys rust.\n")
    assert run("preview", "upos", "--data", str(path)) == 1
    assert "no sentence has the column 'upos'" in capsys.readouterr().err
    assert run("preview", "position", "--data", str(path)) == 0
    assert "numbers from 1 to 2, mean 1.500" in capsys.readouterr().out
    assert run("preview", "position", "--data", str(path), "--format", "conlu") == 2
    assert "did you mean 'conllu'" in capsys.readouterr().err
