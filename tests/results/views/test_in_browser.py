"""The views as a browser shows them: Chromium, headless, its network cut, every line compared with the panel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from probekit.report.write import write_report
from probekit.results.panel import Panel
from probekit.results.views.page import view_page
from probekit.results.views.scripts import views_missing
from tests.browser import Chromium, Tab, browser

from .shown import ATTACK, attention

pytestmark = pytest.mark.skipif(bool(views_missing()), reason=views_missing())

LINES = "[...document.querySelectorAll(`#vis %s line`)].map(line => +line.getAttribute('stroke-opacity'))"
CHOOSE = "(() => {{ const box = document.getElementById('{0}'); box.selectedIndex = {1}; \
box.dispatchEvent(new Event('change')); return box.options[{1}].text; }})()"
# what `Event` needs to reach d3's and jQuery's handlers
POINT = "document.querySelectorAll('{0}')[{1}].dispatchEvent(new MouseEvent('{2}', {{bubbles: true}}))"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with browser() as found:
        yield found


def shown(chromium: Chromium, folder: Path, page: str) -> Tab:
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    return chromium.open(path)


def head_lines(tab: Tab, head: int) -> np.ndarray:
    return np.array(tab.run(LINES % f".headAttention[head-index='{head}']"))


@pytest.mark.parametrize("pieces", [13, 53, 402])
def test_head_view_and_its_layers(chromium: Chromium, tmp_path: Path, pieces: int) -> None:
    panel = attention(pieces, chosen=[1, 4])
    tab = shown(chromium, tmp_path, view_page(panel))
    window = np.arange(pieces) if pieces <= 96 else np.array([*range(95), pieces - 1])
    weights = np.round(panel.arrays["weights"][:, :, window[:, None], window].astype(float), 3)
    assert tab.run("document.getElementById('layer').selectedOptions[0].text") == "2"
    np.testing.assert_allclose(head_lines(tab, 4), weights[1, 4].reshape(-1), atol=1e-9)
    assert not head_lines(tab, 3).any()
    assert tab.run(CHOOSE.format("layer", 5)) == "6"
    np.testing.assert_allclose(head_lines(tab, 4), weights[5, 4].reshape(-1), atol=1e-9)
    numbers = "[...document.querySelectorAll('#vis .number')].map(text => text.textContent)"
    assert tab.run(numbers) == [str(head) for head in range(12)]
    assert tab.run("[...document.querySelectorAll('#left text')].map(text => text.textContent)") == [
        panel.labels["tokens"][i] for i in window
    ]
    assert tab.trouble() == []


def test_two_texts_have_their_filters(chromium: Chromium, tmp_path: Path) -> None:
    panel = attention(9, 2, 3, special=[0, 4, 8], sentence_b=5, chosen=[1, 2])
    tab = shown(chromium, tmp_path, view_page(panel))
    weights = np.round(panel.arrays["weights"][1, 2].astype(float), 3)
    whole, first, second = slice(9), slice(5), slice(5, 9)
    parts = [(whole, whole), (first, first), (first, second), (second, first), (second, second)]
    for number, (rows, columns) in enumerate(parts):
        tab.run(CHOOSE.format("filter", number))
        np.testing.assert_allclose(head_lines(tab, 2), weights[rows, columns].reshape(-1), atol=1e-9)
    assert tab.run("document.getElementById('filter').options[2].text") == "Text A → text B"
    assert tab.trouble() == []


def test_model_view_opens_a_head(chromium: Chromium, tmp_path: Path) -> None:
    panel = attention(7, 3, 4)
    labels = {
        **panel.labels,
        "layers": ["encoder.1", "encoder.2", "decoder.1"],
        "heads": ["0", "3", "5", "7"],
    }
    tab = shown(
        chromium, tmp_path, view_page(Panel("attention", "a", "A", "", panel.arrays, labels), "model")
    )
    weights = np.round(panel.arrays["weights"].astype(float), 3)
    np.testing.assert_allclose(tab.run(LINES % ""), weights.reshape(-1), atol=1e-9)
    tab.run(POINT.format("#vis svg > g > rect:last-child", 2 * 4 + 1, "click"))
    assert "Layer decoder.1, Head 3" in tab.run("document.getElementById('vis').textContent")
    assert "encoder.2" in tab.run("[...document.querySelectorAll('#vis text')].map(text => text.textContent)")
    assert tab.trouble() == []


def test_neuron_view_multiplies_queries_and_keys(chromium: Chromium, tmp_path: Path) -> None:
    panel = attention(6, 2, 3, dim=4)
    tab = shown(chromium, tmp_path, view_page(panel, "neuron"))
    assert tab.run(CHOOSE.format("layer", 1)) == "2"
    assert tab.run(CHOOSE.format("att_head", 2)) == "2"
    tab.run(POINT.format("#collapsed #leftText > g", 3, "mouseover"))
    tab.run(POINT.format("#collapsed #leftText > g:nth-child(4) > rect", 1, "click"))
    tab.run(POINT.format("#expanded #leftText > g", 3, "mouseover"))
    values = "[...document.querySelectorAll('#expanded {0}')].map(one => +one.getAttribute('data-value'))"
    queries, keys = (np.round(panel.arrays[name][1, 2].astype(float), 2) for name in ("queries", "keys"))
    np.testing.assert_allclose(tab.run(values.format("#queries .element")), queries.reshape(-1), atol=1e-9)
    products = queries[3] * keys
    np.testing.assert_allclose(tab.run(values.format("#product .element")), products.reshape(-1), atol=1e-9)
    np.testing.assert_allclose(tab.run(values.format("#dotproducts rect")), products.sum(1) / 2, atol=1e-9)
    assert tab.run("document.querySelector('#expanded').getAttribute('visibility')") == "visible"
    assert tab.trouble() == []


def test_heads_that_are_not_carried_are_marked(chromium: Chromium, tmp_path: Path) -> None:
    panel = attention(48, 12, 16, dim=64)
    tab = shown(chromium, tmp_path, view_page(panel, "neuron"))
    names = tab.run("[...document.getElementById('att_head').options].map(option => option.text)")
    assert any(name.endswith("(not carried)") for name in names)
    assert any(not name.endswith("(not carried)") for name in names)
    tab.run(CHOOSE.format("att_head", [name.endswith(")") for name in names].index(True)))
    assert not np.any(tab.run(LINES % "#collapsed"))
    assert tab.trouble() == []


def test_markup_in_a_text_is_text_and_would_not_be_without_the_guards(
    chromium: Chromium, tmp_path: Path
) -> None:
    page = view_page(attention(4, 1, 2, tokens=["[CLS]", ATTACK, "x", "[SEP]"]))
    tab = shown(chromium, tmp_path, page)
    assert tab.run("[document.title, document.images.length]") == ["Attention of a model", 0]
    assert ATTACK in tab.run("[...document.querySelectorAll('#left text')].map(text => text.textContent)")
    assert tab.trouble() == []
    # each of the two guards holds alone, and without both the text runs
    raw = page.replace("\\u003c", "<").replace("\\u003e", ">")
    title = "document.title"
    assert shown(chromium, tmp_path, raw).run(title) == "Attention of a model"
    bare = raw.replace('http-equiv="Content-Security-Policy"', "")
    broken = shown(chromium, tmp_path, bare)
    broken.wait("document.title === 'XSS'")


def test_the_view_inside_a_report(chromium: Chromium, tmp_path: Path) -> None:
    panel = attention(9, 2, 3, chosen=[1, 2], tokens=["[CLS]", ATTACK, *"abcdef", "[SEP]"])
    path = write_report(tmp_path / "run", panel, question="What do heads look at?")
    tab = chromium.open(path, dark=True)
    tab.run("document.querySelector('figure details').open = true")
    (frame,) = tab.frames(1)
    frame.wait("document.querySelectorAll('#vis line').length > 0")
    weights = np.round(panel.arrays["weights"].astype(float), 3)
    frame.run(CHOOSE.format("layer", 0))
    np.testing.assert_allclose(head_lines(frame, 2), weights[0, 2].reshape(-1), atol=1e-9)
    # black on white, on a dark page too
    ground = "getComputedStyle(document.body).backgroundColor"
    assert frame.run(ground) == "rgb(255, 255, 255)"
    assert frame.run("getComputedStyle(document.querySelector('#left text')).fill") == "rgb(0, 0, 0)"
    assert tab.run(ground) == "rgb(22, 24, 26)"
    # the frame can reach nothing around it
    assert (
        frame.run("(() => { try { return window.parent.document.title } catch { return 'refused' } })()")
        == "refused"
    )
    assert tab.run("document.title") == "run · probekit"
    assert frame.trouble() == tab.trouble() == []
