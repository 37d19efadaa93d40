"""The page: complete, inert, the same bytes every time, made without a model."""

from __future__ import annotations

import base64
import csv
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from probekit.errors import ConfigError, DataError, StoreError
from probekit.report.figures import style
from probekit.report.page import _key, build_page
from probekit.report.write import write_page, write_report
from probekit.results.measurement import Measurement
from probekit.results.panel import Panel
from probekit.results.run import Run

from .conftest import ATTACK, INFO, layer_curve, table_panel
from .pictured import BLIMP, attractors, forest

REBUILD = """
import sys
from probekit.report.page import build_page
from probekit.results.run import Run
page = build_page(Run(sys.argv[1]))
sys.stdout.buffer.write(page)
heavy = {"torch", "transformers", "tensorflow", "matplotlib.pyplot"} & set(sys.modules)
print(heavy or "", end="", file=sys.stderr)
"""


class Reader(HTMLParser):
    """Collects tags, addresses and text; complains about tags left open."""

    VOID = ("meta", "img", "source", "br", "link")

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.handlers: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "data"):
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    from .conftest import make_run

    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def page(run: Run) -> str:
    return build_page(run).decode()


@pytest.fixture(scope="module")
def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_two_processes_build_the_same_bytes_without_a_model(run: Run, page: str) -> None:
    for seed in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", REBUILD, str(run.path)], capture_output=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "PATH": "", "HOME": str(run.path)},
        )  # fmt: skip
        assert found.stdout.decode() == page
        assert not found.stderr.decode().strip().endswith("}")


def test_everything_is_told(read: Reader) -> None:
    text = read.text
    for words in (
        INFO["question"],
        INFO["expectation"],
        *INFO["summary"],
        "53aa51172d142c89",
        "CC BY-SA 4.0",
    ):
        assert words in text
    for words in (
        "812 MB",
        "2 min 41 s",
        "train/test: 93",
        "weblog-1:231",
        "no convergence",
        "torch",
        "control",
    ):
        assert words in text
    assert "train 12,544, dev 2,001, test 2,077" in text
    assert [f"Figure {i}." in text for i in range(1, 6)] == [True] * 4 + [False]
    assert "Table 1." in text
    assert len(set(read.ids)) == len(read.ids)


def test_nothing_is_loaded_and_nothing_runs(page: str, read: Reader) -> None:
    assert "script" not in read.tags
    assert not read.handlers
    assert ATTACK not in page
    assert ATTACK in read.text
    for address in read.addresses:
        assert address.startswith(("data:image/svg+xml;base64,", "data:text/csv", "#"))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert not re.search(r"url\(|@import|https?:", "".join(styles))
    assert len(page) < 3_000_000


def test_pictures_inside_load_nothing_either(read: Reader) -> None:
    for address in read.addresses:
        if address.startswith("data:image"):
            svg = base64.b64decode(address.split(",", 1)[1]).decode()
            assert "<script" not in svg
            for inner in re.findall(r'(?:href|src)="([^"]*)', svg):
                assert inner.startswith(("#", "data:image/png;base64,"))


def test_the_embedded_table_is_whole(run: Run, read: Reader) -> None:
    (address,) = [address for address in read.addresses if address.startswith("data:text/csv")]
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(address.split(",", 1)[1]).decode())))
    assert [row["value"] for row in rows] == [
        "" if row.value is None else repr(row.value) for row in run.measurements()
    ]


def test_a_large_run_stays_a_small_page(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_info({"name": "large"})
    run.add_measurements(
        Measurement(metric="accuracy", value=i / 8_000, model="m" * 120) for i in range(8_000)
    )
    page = build_page(run).decode()
    assert len(page) < 3_000_000
    assert "8,000 rows" in page
    assert "the first 400" in page
    assert "results export" in page


def test_many_figures_stay_a_small_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path)
    run.write_info({"summary": ["Said once."]})
    run.add_panel(layer_curve(3))
    run.add_panel(Panel("sentence", "s", "In a sentence", labels={"text": "Said once."}))
    assert build_page(run).decode().count("<source media") == 1
    monkeypatch.setattr("probekit.report.page.PICTURES", 100)
    page = build_page(run).decode()
    assert "<source media" not in page
    assert page.count("Said once.") == 1


def test_a_bare_unfinished_run_has_a_page(tmp_path: Path) -> None:
    run = Run(tmp_path / "bare")
    run.write_info({})
    page = build_page(run).decode()
    assert "has not come to its end" in page
    assert "<h1>bare</h1>" in page
    assert "Nothing was left out" in page


def test_text_with_surrogates_and_control_characters(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.path.joinpath("run.json").write_text(
        '{"name": "a", "question": "\\ud800\\u001b[31m{{7*7}}", "finished": "x"}'
    )
    page = build_page(run).decode()
    assert "?␛[31m{{7*7}}" in page


def test_damage_is_not_drawn(fake_run: Run) -> None:
    file = sorted((fake_run.path / "artifacts").glob("*.safetensors"))[0]
    file.write_bytes(file.read_bytes()[:-8] + b"\0" * 8)
    with pytest.raises(StoreError, match=file.name):
        build_page(fake_run)
    with pytest.raises(DataError, match=r"no run\.json"):
        build_page(Run(fake_run.path / "outcomes"))


def test_figures_lie_beside_the_page(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.write_info({"finished": "2026-01-01"})
    run.add_panel(layer_curve(2))
    page = write_page(run)
    assert page == run.page
    names = {file.name for file in (page.parent / "figures").iterdir()}
    assert names == {"layer-curve.svg", "layer-curve.pdf", "layer-curve-column.pdf"}
    assert write_report(tmp_path / "copy", run).read_bytes() == page.read_bytes()


def test_curves_and_forests_are_figures_of_the_page(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.write_info({"finished": "2026-01-01"})
    for panel in (attractors(), forest(BLIMP[:6])):
        run.add_panel(panel)
    page = write_page(run)
    text = page.read_text()
    assert [f"Figure {n}" in text for n in (1, 2, 3)] == [True, True, False]
    assert "Accuracy by number of attractors" in text
    assert build_page(run) == page.read_bytes()
    assert (page.parent / "figures" / "forest-column.pdf").is_file()


def test_code_points_in_a_figure_are_explained_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "_drawable", lambda char: char not in "名詞")
    run = Run(tmp_path / "run")
    run.write_info({"finished": "2026-01-01"})
    run.add_panel(forest(["名詞", "verb", "名", "noun"]))
    run.add_panel(attractors())
    text = build_page(run).decode()
    figure, other = (text.index(f"Figure {n}") for n in (1, 2))
    assert figure < text.rindex("drawn as code points") < other
    assert "Best first. Characters that the fonts of this figure lack" in text
    assert "U+540D is 名, U+8A5E is 詞." in text


def test_only_characters_that_are_drawn_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "_drawable", lambda char: char not in "名詞")
    arrays = {"xy": np.zeros((1, 2, 2)), "code": np.array([0, 1])}
    labels = {"planes": ["layer 0"], "classes": ["a", "名"], "names": ["詞", "b"]}
    told = _key(Panel("scatter", "x", "X", "", arrays, labels))
    assert "U+540D is 名." in told
    assert "詞" not in told


def test_write_report_puts_results_together_and_replaces_the_old(tmp_path: Path) -> None:
    class Sweep:
        rows = (Measurement(metric="accuracy", value=0.5),)
        panels = (layer_curve(2), table_panel())
        summary = ("Layer 1 is best.",)

    page = write_report(tmp_path / "r", Sweep(), layer_curve(3), question="Why?")
    run = Run(tmp_path / "r")
    assert [panel.name for panel in run.panels()] == ["layer-curve", "best-layer", "layer-curve-2"]
    assert "Layer 1 is best." in page.read_text()
    write_report(tmp_path / "r", Sweep())
    assert [panel.name for panel in run.panels()] == ["layer-curve", "best-layer"]
    assert len(run.measurements()) == 1
    with pytest.raises(ConfigError, match="at least one result"):
        write_report(tmp_path / "none")
