"""`probekit suites`: exit code and text; a weak model is told and never refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.cli import main
from probekit.data.read_suite import list_suites
from tests.tiny_models import write_tiny


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(["suites", *arguments])
    return int(done.value.code or 0)


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list_suites()
    assert "36 items" in next(line for line in lines if line.startswith("simple-agreement"))
    assert "--data" in next(line for line in lines if line.startswith("blimp"))
    assert run("list", "--json") == 0
    listed = {suite["name"]: suite for suite in json.loads(capsys.readouterr().out)}
    assert sorted(listed) == list_suites()
    assert (listed["blimp"]["items"], listed["reflexives"]["items"]) == (None, 24)


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "gulordava") == 0
    out = capsys.readouterr().out
    assert "(2;%bad%) > (2;%good%)" in out
    assert "CC BY-NC 4.0" in out
    assert "must not hold" in out
    assert run("show", "syntaxgym", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["kind"], len(shown["anchors"])) == ("regions", 4)
    assert run("show", "blmp") == 2
    assert "did you mean 'blimp'?" in capsys.readouterr().err


def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "blimp") == 0
    assert capsys.readouterr().out == "blimp: fine (no data given, 2 anchors)\n"
    assert run("check", "syntaxgym") == 0
    assert "no anchors to check without its data" in capsys.readouterr().err
    assert run("check", "simple-agreement") == 0
    assert "fine (36 items, 2 anchors)" in capsys.readouterr().out
    path = tmp_path / "mine.tsv"
    path.write_text("good\tbad\nHe runs.\tHe run.\n")
    assert run("check", str(path)) == 0
    shown = capsys.readouterr()
    assert "mine: fine (1 items, 0 anchors)" in shown.out
    assert "no anchors to check here" in shown.err
    path.write_text("good\tbad\nHe runs.\n")
    assert run("check", str(path)) == 1
    assert f"{path}:2: 1 fields" in capsys.readouterr().err


def test_a_flipped_suite_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\nquestion = "?"\n[[item]]\ngood = "a"\nbad = "b"\n[[prediction]]\nname = "p"\n'
        'formula = "(*;%bad%) < (*;%good%)"\n[[anchor]]\nexpect = true\ntexts = { good = "a", bad = "b" }\n'
        'scores = { "*;good" = 1.0, "*;bad" = 2.0 }\n'
    )
    assert run("check", str(path)) == 2
    assert "anchor 1: (*;%bad%) < (*;%good%) must hold and does not" in capsys.readouterr().err
    path.write_text(path.read_text().replace('"(*;%bad%) <', '"(*;%bad%) <<'))
    assert run("check", str(path)) == 2
    assert capsys.readouterr().err.endswith("  (*;%bad%) << (*;%good%)\n             ^\n")


@pytest.mark.parametrize("kind", ["gpt2", "roberta"])
def test_check_with_a_model(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_tiny(kind, tmp_path, head=True)
    assert run("check", "simple-agreement", "--model", str(folder), "--json") == 0
    shown = capsys.readouterr()
    scored = json.loads(shown.out)["scored"]
    assert [anchor["anchor"] for anchor in scored] == [1, 2]
    for anchor in scored:
        assert anchor["as_expected"] == (anchor["holds"] == anchor["expect"])
        assert anchor["holds"] == (anchor["margin"] > 0)
    wrong = [anchor for anchor in scored if not anchor["as_expected"]]
    assert shown.err.count("warning:") == len(wrong)  # a model without training: told, and not refused


def test_preview(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("preview", "simple-agreement", "--append", " !") == 0
    out = capsys.readouterr().out
    assert "36 items of kind target in 12 clusters; texts ' !' appended" in out
    assert "attractors: 0 12, 1 12, 2 12" in out
    assert "good  The pilot | sleeps | at home . !" in out
    assert run("preview", "simple-agreement", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["items"], shown["clusters"], len(shown["hash"])) == (36, 12, 64)
    assert run("preview", "linzen") == 2
    assert "needs its data" in capsys.readouterr().err


def test_preview_of_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.txt"
    path.write_text("True\tthe author laughs\nFalse\tthe author laugh\n")
    assert run("preview", "marvin-linzen", "--data", str(path)) == 0
    assert "phenomenon: x 1" in capsys.readouterr().out
    assert run("preview", str(path), "--capital") == 0
    assert "good  The author laughs" in capsys.readouterr().out
    assert run("preview", str(path), "--format", "blimp") == 1
    assert f"{path}:1: not JSON" in capsys.readouterr().err
