"""`probekit extract`: exit code and text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.cli import main
from tests.tiny_models import tiny_folder

TREEBANK = """# sent_id = a
# text = The cat runs.
1\tThe\tthe\tDET\t_\t_\t2\tdet\t_\t_
2\tcat\tcat\tNOUN\t_\t_\t3\tnsubj\t_\t_
3\truns\trun\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No
4\t.\t.\tPUNCT\t_\t_\t3\tpunct\t_\t_

"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "tiny-train.conllu"
    path.write_text(TREEBANK)
    return path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_extract_says_what_it_did(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("extract", "--data", data, "--model", tiny_folder("bert"), "--device", "cpu")
    assert run(*command) == 0
    shown = capsys.readouterr()
    for word in ("key", "rows      4 of 32 numbers", "left out  nothing", "disk", "words/s", "memory"):
        assert word in shown.out
    assert "4 rows in 1 shards need 0.0 MB in" in shown.err
    assert run(*command) == 0
    assert "already stored" in capsys.readouterr().err


def test_json_is_one_document(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("extract", "--data", data, "--model", tiny_folder("bert"), "--layers", "0,2", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["layers"] == ["0", "2"]
    assert document["rows"] == 4
    assert document["was_stored"] is False
    assert document["peak_anonymous_mb"] > 0


@pytest.mark.parametrize(("site", "dim"), [("mlp", 64), ("heads", 32), ("attention_output", 32)])
def test_other_sites(data: Path, capsys: pytest.CaptureFixture[str], site: str, dim: int) -> None:
    assert run("extract", "--data", data, "--model", tiny_folder("bert"), "--site", site, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["layers"], document["dim"]) == (["1", "2"], dim)
    bad = ("extract", "--data", data, "--model", tiny_folder("bert"), "--site", site, "--layers", "0")
    assert run(*bad) == 2
    assert f"layer '0' is no block and has no site '{site}'; it has 1 ... 2" in capsys.readouterr().err


def test_piece_rows_need_no_pool(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("extract", "--data", data, "--model", tiny_folder("bert"), "--unit", "piece", "--json") == 0
    assert json.loads(capsys.readouterr().out)["rows"] >= 4


@pytest.mark.parametrize(
    ("extra", "code", "message"),
    [
        (("--pool", "men"), 2, "did you mean 'mean'?"),
        (("--site", "mpl"), 2, "did you mean 'mlp'?"),
        (("--layers", "0,7"), 2, "no layer '7'"),
        (("--format", "conlu"), 2, "did you mean 'conllu'?"),
        (("--data", "absent.conllu"), 1, "absent.conllu"),
    ],
)
def test_mistakes_are_one_line(
    data: Path, extra: tuple[str, ...], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("extract", "--data", data, "--model", tiny_folder("bert"), *extra) == code
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
