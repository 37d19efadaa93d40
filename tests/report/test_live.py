"""Views inside the page of a run: allowed by hash, the same bytes, and a line where they cannot be."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from probekit.report import live
from probekit.report.page import build_page
from probekit.report.write import write_page, write_report
from probekit.results.panel import Panel
from probekit.results.run import Run
from probekit.results.views.page import script_hashes
from probekit.results.views.scripts import views_missing
from tests.results.views.shown import ATTACK, attention

from .conftest import layer_curve

needs_views = pytest.mark.skipif(bool(views_missing()), reason=views_missing())
NAMED = re.compile(r'Content-Security-Policy" content="([^"]+)"')


def run_with(folder: Path, *panels: Panel) -> Run:
    run = Run(folder)
    run.write_info({"finished": "2026-01-01"})
    for panel in panels:
        run.add_panel(panel)
    return run


def second(panel: Panel) -> Panel:
    return Panel(panel.kind, "second", panel.title, "", panel.arrays, {**panel.labels, "view": "neuron"})


@needs_views
def test_the_page_allows_exactly_the_scripts_of_its_views(tmp_path: Path) -> None:
    run = run_with(tmp_path, attention(5, 1, 2), second(attention(5, 1, 2, dim=4)))
    page = build_page(run).decode()
    policy = NAMED.search(page)
    assert policy
    named = re.search(r"script-src ([^;]+);", policy[1])
    assert named
    assert set(named[1].split()) == {*script_hashes("head"), *script_hashes("neuron")}
    assert "'unsafe-inline'" not in named[1]
    assert page.count("<iframe") == page.count("<details><summary>Open it as a view") == 2
    assert page.count('sandbox="allow-scripts"') == 2
    assert "<script" not in page  # those of the frames are text in an attribute
    inner = [html.unescape(text) for text in re.findall(r'srcdoc="([^"]*)"', page)]
    assert ['"view":"head"' in inner[0], '"view":"neuron"' in inner[1]] == [True, True]
    assert build_page(run).decode() == page


@needs_views
def test_text_of_a_view_is_text_in_the_page(tmp_path: Path) -> None:
    page = build_page(run_with(tmp_path, attention(3, 1, 1, tokens=["a", ATTACK, "b"]))).decode()
    assert "<img src=x" not in page
    assert ATTACK not in page


def test_a_page_without_views_allows_no_script(tmp_path: Path) -> None:
    page = build_page(run_with(tmp_path, layer_curve(2))).decode()
    assert "script-src" not in page
    assert "<iframe" not in page


def test_without_the_packages_the_picture_stands_alone_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "mpld3 and XStatic-jQuery are not installed: pip install 'probekit-nlp[views]'"
    monkeypatch.setattr(live, "views_missing", lambda: line)
    run = run_with(tmp_path, attention(5, 1, 2))
    page = write_page(run).read_text(encoding="utf-8")
    assert html.escape(line).replace("&#x27;", "&#39;") in page
    assert "Figure 1." in page
    assert "<iframe" not in page
    assert "script-src" not in page
    assert (run.page.parent / "figures" / "attention.pdf").is_file()


@needs_views
def test_many_views_stay_a_small_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = attention(5, 1, 2), second(attention(5, 1, 2, dim=4))
    monkeypatch.setattr(live, "LIVE", 600_000)
    page = build_page(run_with(tmp_path, one, two)).decode()
    assert page.count("<iframe") == 1
    assert page.count("left out to keep this page small") == 1


def test_a_summary_of_one_sentence_is_one_sentence(tmp_path: Path) -> None:
    class Found:
        rows = ()
        panels = (layer_curve(2),)
        summary = "Layer 1 is best."

    write_report(tmp_path / "r", Found())
    assert Run(tmp_path / "r").info["summary"] == ["Layer 1 is best."]
