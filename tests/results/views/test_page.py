"""The page of a view: complete, inert, small, the same every time; all text in it stays text."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from probekit.errors import ConfigError, MissingExtra
from probekit.results.panel import Panel
from probekit.results.views import scripts
from probekit.results.views.page import script_hashes, view_frame, view_page
from probekit.results.views.scripts import VIEWS, read_scripts, views_missing

from .shown import ATTACK, attention

pytestmark = pytest.mark.skipif(bool(views_missing()), reason=views_missing())
DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def data_of(page: str) -> dict[str, Any]:
    (found,) = DATA.findall(page)
    data: dict[str, Any] = json.loads(found)
    return data


@pytest.mark.parametrize(("words", "most"), [(10, 1), (40, 3), (300, 6)])
@pytest.mark.parametrize("view", VIEWS)
def test_sizes(view: str, words: int, most: int) -> None:
    panel = attention(2 + words * 4 // 3, dim=32 if view == "neuron" else 0)
    assert len(view_page(panel, view).encode()) < most * 1_000_000


def test_a_large_model_is_no_large_page() -> None:
    assert len(view_page(attention(100, 24, 16), "head").encode()) < 3_000_000


def test_the_page_carries_every_weight_once_with_three_decimals() -> None:
    panel = attention(9, 2, 3, dim=5)
    data = data_of(view_page(panel, "neuron"))
    np.testing.assert_array_equal(data["weights"], np.rint(panel.arrays["weights"].astype(float) * 1000))
    np.testing.assert_array_equal(data["keys"], np.rint(panel.arrays["keys"].astype(float) * 100))
    assert (data["dim"], data["bidirectional"]) == (5, True)
    assert "queries" not in data_of(view_page(panel, "head"))
    assert data_of(view_page(attention(9, 2, 3, dim=5, causal=True), "neuron"))["bidirectional"] is False


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_loaded_and_only_named_scripts_run(view: str) -> None:
    page = view_page(attention(dim=4), view)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1]
    bodies = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'" for body in bodies
    ]
    assert tuple(hashes) == script_hashes(view)
    assert all(one in policy[1] for one in hashes)
    markup = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert not re.search(r"\b(src|href|action)=|\bon\w+=|https?:", markup)
    assert "cdnjs" not in page
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style
    assert not re.search(r"url\(|@import", style[1])


@pytest.mark.parametrize("view", VIEWS)
def test_no_script_ends_before_its_end(view: str) -> None:
    for code in read_scripts(view).run:
        assert not re.search("</script|<!--", code, re.IGNORECASE)


@pytest.mark.parametrize("place", ["tokens", "layers", "heads", "note", "title"])
def test_text_stays_text(place: str) -> None:
    labels: dict[str, Any] = {"layers": ["1"], "heads": ["0"], "tokens": ["a", "b", "c"]}
    title = ATTACK if place == "title" else "A"
    if place == "note":
        labels["note"] = ATTACK
    elif place != "title":
        labels[place][0] = ATTACK
    panel = Panel("attention", "a", title, "", {"weights": np.full((1, 1, 3, 3), 1 / 3)}, labels)
    page = view_page(panel)
    assert "<img" not in page
    plain = view_page(attention(3, 1, 1))
    assert [page.count(tag) for tag in ("<script", "</script", "<!--")] == [
        plain.count(tag) for tag in ("<script", "</script", "<!--")
    ]
    assert ATTACK in json.dumps(data_of(page)) or html.escape(ATTACK) in page
    assert "<img" not in view_frame(panel).html
    assert view_frame(panel).html.count("<") == 2


def test_control_characters_and_surrogates_are_seen_not_obeyed() -> None:
    tokens = ["a\x1b[31m", "\ud800", " & &amp;", "\x00"]
    page = view_page(attention(4, 1, 1, tokens=tokens, special=[]))
    assert data_of(page)["tokens"] == ["a␛[31m", "?", " & &amp;", "␀"]
    page.encode("utf-8")


def test_long_texts_are_cut_and_many_heads_left_out_and_both_are_told() -> None:
    page = view_page(attention(302), "head", start=50)
    data = data_of(page)
    assert data["tokens"][0] == "[CLS]"
    assert data["tokens"][-1] == "[SEP]"
    assert len(data["tokens"]) == 96
    assert "Shown: 96 of 302 pieces: 94 of the text from piece 50 on and 2 special ones." in page
    page = view_page(attention(60, 24, 16, chosen=[23, 15]), "model")
    kept = [[bool(head) for head in layer] for layer in data_of(page)["weights"]]
    assert f"Carried: {np.sum(kept)} of 384 heads" in page
    assert kept[23][15]  # the head that is drawn large is always there
    assert "Carried" not in view_page(attention(60), "head")


def test_weights_that_are_not_defined_are_counted() -> None:
    panel = attention(4, 1, 2)
    weights = panel.arrays["weights"].copy()
    weights[0, 1, 2] = np.nan
    page = view_page(Panel("attention", "a", "A", "", {"weights": weights}, panel.labels))
    assert "4 weights that are not defined are drawn as 0." in page
    assert data_of(page)["weights"][0][1][2] == [0, 0, 0, 0]


def test_two_processes_make_the_same_page() -> None:
    code = (
        "import sys; from probekit.results.panel import Panel; from probekit.results.views import view_page\n"
        "import numpy as np\n"
        "labels = {'tokens': ['a', 'b', 'c'], 'layers': ['1'], 'heads': ['0']}\n"
        "sys.stdout.write(view_page(Panel('attention', 'a', 'A', '', {'weights': np.eye(3)[None, None]}, labels)))\n"
        "assert not {'bertviz', 'mpld3', 'torch', 'IPython'} & set(sys.modules)"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert runs[0] == runs[1]
    assert b"bertviz_params" in runs[0]


def test_bad_asks_have_clear_lines() -> None:
    panel = attention(5, 1, 2)
    with pytest.raises(ConfigError, match=r"no view 'haed'; did you mean 'head'\?"):
        view_page(panel, "haed")
    with pytest.raises(
        ConfigError, match="has no queries and keys, which the neuron view shows; take view='head'"
    ):
        view_page(panel, "neuron")
    with pytest.raises(ConfigError, match="is of kind 'sentence'; a view needs one of kind 'attention'"):
        view_page(Panel("sentence", "s", "S", labels={"text": "A."}))


def test_without_the_packages_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scripts._find
    monkeypatch.setattr(
        scripts, "_find", lambda package, file: "" if package == "mpld3" else found(package, file)
    )
    read_scripts.cache_clear()
    with pytest.raises(MissingExtra, match=r"mpld3 is not installed: pip install 'probekit-nlp\[views\]'"):
        view_page(attention(5, 1, 2))
    monkeypatch.setattr(scripts, "_find", lambda package, file: "")
    assert views_missing().startswith("mpld3 and XStatic-jQuery and bertviz are not installed")
    read_scripts.cache_clear()


def test_another_bertviz_is_not_taken_for_the_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "_find", lambda package, file: "nothing of what was known")
    read_scripts.cache_clear()
    with pytest.raises(MissingExtra, match=r"built otherwise than that of 1\.4"):
        read_scripts("head")
    read_scripts.cache_clear()


def test_the_page_says_how_much_weight_its_own_window_leaves_out() -> None:
    """A panel cut before is cut again by a smaller view: the share is of what is drawn, not of the panel."""
    n = 90
    weights = np.zeros((1, 2, n, n), np.float32)
    weights[..., :40] = 0.5 / 40  # half of every row lies inside the neuron view's 48 pieces
    weights[..., 60:] = 0.25 / 30  # a quarter outside, and a quarter outside the panel
    labels = {"tokens": [f"w{i}" for i in range(n)], "layers": ["1"], "heads": ["0", "1"]}
    arrays = {"weights": weights, "queries": np.zeros((1, 2, n, 4)), "keys": np.zeros((1, 2, n, 4))}
    page = view_page(Panel("attention", "long", "Long", "", arrays, labels), "neuron")
    assert "Shown: 48 of 90 pieces" in page
    assert "What goes to the others (50% of all weight of these pieces) is not there." in page
