"""`probekit attend`: options become a plan; the page it writes; exit code and text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.data.write_conllu import write_conllu
from probekit.errors import ModelError
from probekit.experiment import attend_cells
from probekit.results.run import Run
from probekit.results.views.scripts import views_missing
from tests.cli.test_extract import run
from tests.experiment.test_train_and_judge import SUITE
from tests.tiny_models import tiny_folder, tiny_lm_folder


@pytest.fixture(autouse=True)
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than everything else."""

    def write(run: Run) -> Path:
        run.page.parent.mkdir(parents=True, exist_ok=True)
        run.page.write_bytes(b"<html>the report</html>")
        return run.page

    monkeypatch.setattr("probekit.report.write.write_page", write)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    import probekit as pk

    corpus = pk.generate_corpus(5, 20, 20, seed=2)
    folder = tmp_path / "bank"
    for split in ("train", "dev", "test"):
        write_conllu(corpus.split(split), folder / f"x-ud-{split}.conllu")
    return folder


def test_every_option_reaches_the_run(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.toml").write_text(SUITE)
    command = (
        "attend", "--data", data, "--model", tiny_lm_folder("gpt2"), "--relation", "det", "--direction", "dependent",
        "--layers", "1", "--permutations", 20, "--twins", 0, "--no-statistics", "--judge", tmp_path / "small.toml",
        "--heads", 2, "--ablate", "zero", "--random-draws", 1, "--bos", "without", "--min-arcs", 3,
        "--device", "cpu", "--runs", tmp_path / "runs", "--html", tmp_path / "page.html",
    )  # fmt: skip
    assert run(*command, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    found = Run(told["run"])
    [analysis] = found.info["plan"]["analysis"]
    wanted = {
        "kind": "attend", "relations": ["det"], "directions": ["dependent"], "layers": ["1"], "permutations": 20,
        "statistics": False, "heads": 2, "ablate": "zero", "random_draws": 1, "bos": "without", "min_arcs": 3,
        "trees": False, "distances": False, "parser": False,
    }  # fmt: skip
    assert {key: analysis[key] for key in wanted} == wanted
    assert {row.metric for row in found.measurements()} >= {"accuracy_difference", "accuracy_lost"}
    assert told["html"] == str(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == found.page.read_bytes()
    assert run(*command) == 0
    shown = capsys.readouterr()
    assert shown.out == f"report {found.page}\n"
    assert "this run is finished" in shown.err
    assert f"html   {tmp_path / 'page.html'}" in shown.err


@pytest.mark.skipif(bool(views_missing()), reason="the extra 'views' is not installed")
@pytest.mark.parametrize("page", ["", "head", "model", "neuron"])
def test_a_view_is_one_page(
    page: str, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = (
        "attend", "--data", data, "--model", tiny_folder("bert"), "--relation", "none", "--twins", 0, "--layers", 1,
        "--view", "The keys </script> are here.", "--html", tmp_path / "view.html", "--runs", tmp_path / "runs",
    )  # fmt: skip
    assert run(*command, *(("--page", page) if page else ())) == 0
    shown = (tmp_path / "view.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in shown
    assert "http://" not in shown.split("</head>")[0]
    assert ('"queries"' in shown) == (page == "neuron")
    capsys.readouterr()


def test_a_page_without_a_view_is_refused_and_a_view_without_a_text(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("attend", "--data", data, "--model", tiny_folder("bert"), "--runs", tmp_path / "runs")
    for more, message in [
        (("--page", "neuron"), "--page neuron shows a text, and none is named: add --view TEXT"),
        (("--view", ""), "a view needs a text"),
    ]:
        assert run(*command, *more) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(bool(views_missing()), reason="the extra 'views' is not installed")
def test_a_page_that_cannot_be_written_leaves_the_report(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(cell: object, model: object) -> object:
        raise ModelError("no view today")

    monkeypatch.setitem(attend_cells._PARTS, "view", refused)
    command = (
        "attend", "--data", data, "--model", tiny_folder("bert"), "--relation", "none", "--twins", 0, "--layers", 1,
        "--view", "The keys.", "--html", tmp_path / "view.html", "--runs", tmp_path / "runs",
    )  # fmt: skip
    assert run(*command) == 1
    told = capsys.readouterr()
    assert told.out.startswith("report ")
    assert "was not written: the view of the first text failed" in told.err
    assert not (tmp_path / "view.html").exists()


def test_links_need_no_relation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import probekit as pk

    corpus = pk.generate_agreement(2, 20, 20, attractors=[1], constructions=["pp"])
    write_conllu(corpus, tmp_path / "agreement.conllu")
    command = (
        "attend", "--data", tmp_path / "agreement.conllu", "--model", tiny_folder("bert"), "--link", "target-1:subject",
        "--no-statistics", "--twins", 0, "--permutations", 20, "--runs", tmp_path / "runs",
    )  # fmt: skip
    code = run(*command, "--json")
    told = capsys.readouterr()
    assert code in (0, 1), told.err  # where the file keeps no attributes, that is said
    if code == 0:
        [analysis] = Run(json.loads(told.out)["run"]).info["plan"]["analysis"]
        assert (analysis["relations"], analysis["links"]) == (
            [],
            {"target-1 to subject": ["target-1", "subject"]},
        )


def test_what_is_wrong_is_told(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = (
        "attend",
        "--data",
        data,
        "--model",
        tiny_folder("bert"),
        "--min-arcs",
        3,
        "--runs",
        tmp_path / "runs",
    )
    for more, message in [
        (("--link", "target"), "needs two attributes that number words"),
        (("--link", "target:subject"), "have no attribute 'target'"),
        (("--judge", "agreemnt"), "did you mean 'agreement'"),
        (("--judge", "agreement"), "has no language-model head"),
        (("--layers", "9", "--no-statistics"), "has no layer '9'"),
        (("--permutations", "19"), "19 is not in the range x>=20"),
    ]:
        assert run(*command, *more) in (1, 2)
        assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("more", [(), ("--relation", "det"), ("--relation", "none", "--trees")])
def test_a_corpus_without_test_is_refused_before_a_model_is_read(
    more: tuple[str, ...], tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "x-ud-test.conllu").unlink()
    command = ("attend", "--data", data, "--model", "no/such-model", "--runs", tmp_path / "runs", *more)
    assert run(*command) == 1
    told = capsys.readouterr().err
    assert "no split 'test'" in told
    assert ("--relation none" in told) == (not more)
