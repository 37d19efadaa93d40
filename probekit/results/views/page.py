"""A page for one attention panel: one file, no address in it, nothing runs in it but the scripts it names by hash."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError
from probekit.results.fragment import Fragment
from probekit.results.html import escape, visible
from probekit.results.panel import Panel
from probekit.results.views.scripts import read_scripts
from probekit.results.views.window import choose_heads, choose_pieces, room_for, told_heads, told_window

Array = NDArray[Any]

WEIGHT_PARTS = 1000  # weights are carried as whole thousandths,
VECTOR_PARTS = 100  # queries and keys as whole hundredths
TALLEST = 760
HELP = {
    "head": "Left attends to right. Click a numbered square to show or hide that head, double-click it to see it alone "
    "(and again to see all); point at a piece to see its weights.",
    "model": "Each small picture is one head, left attends to right. Click one to enlarge it.",
    "neuron": "Left attends to right. Point at a piece on the left; the plus beside it opens queries and keys (blue: "
    "positive, orange: negative).",
}
SELECTORS = {
    "head": '<label>Layer <select id="layer"></select></label>',
    "model": '<label hidden>Layer <select id="layer"></select></label>',
    "neuron": '<label>Layer <select id="layer"></select></label><label>Head <select id="att_head"></select></label>',
}
_CHOOSE = (
    '<div class="choose">{selectors}<label id="filters">Attention <select id="filter"></select></label></div>'
)


def view_page(panel: Panel, view: str = "head", *, start: int = 0) -> str:
    """A panel of kind "attention" as one HTML page that can be clicked, opened from a disk without any network.

    `view`: "head" (one layer, lines from piece to piece), "model" (all heads at once), "neuron" (queries and keys of
    one head; needs them in the panel). The drawing is bertviz's (Vig 2019), read from the installed package. A long
    text is shown in a window that begins with piece `start`, and where that is not enough the heads that look
    least sharply at pieces farther away are left out; the page says so. Weights have three decimals. Text stays text.

    Raises ConfigError (another view, another kind of panel, no queries), MissingExtra with the line to install.

    >>> weights = np.full((1, 2, 3, 3), 1 / 3)
    >>> labels = {"tokens": ["[CLS]", "</script>", "[SEP]"], "layers": ["1"], "heads": ["0", "1"], "special": [0, 2]}
    >>> page = view_page(Panel("attention", "a", "A", "", {"weights": weights}, labels))
    >>> page.count("</script>"), "\\\\u003c/script" in page  # six ends of its own, one in the text
    (6, True)
    """
    scripts = read_scripts(view)
    data, told = _carry(panel, view, start)
    content = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    content = content.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    policy = (
        f"default-src 'none'; script-src {' '.join(script_hashes(view))}; style-src {_hash(scripts.style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    lines = "".join(f'<p class="told">{escape(line)}</p>' for line in told)
    runs = "\n".join(f"<script>{code}</script>" for code in scripts.run)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="referrer" content="no-referrer">\n<title>{escape(panel.title)}</title>\n'
        f"<style>{scripts.style}</style>\n</head>\n<body>\n<h1>{escape(panel.title)}</h1>\n{lines}"
        f"<p>{HELP[view]}</p>\n<noscript><p>This view needs JavaScript.</p></noscript>\n"
        f'<div id="view" class="{view}">{_CHOOSE.format(selectors=SELECTORS[view])}<div id="vis"></div></div>\n'
        f'<script type="application/json" id="data">{content}</script>\n{runs}\n</body>\n</html>\n'
    )


def view_frame(panel: Panel, view: str = "head", *, start: int = 0) -> Fragment:
    """The page of `view_page` inside a frame that can reach nothing around it, for a notebook or a report."""
    page = view_page(panel, view, start=start)
    n = min(len(panel.labels["tokens"]), room_for(view, len(panel.labels["tokens"]), _heads(panel)))
    height = min(TALLEST, 230 + 27 * n)
    return Fragment(
        f'<iframe sandbox="allow-scripts" title="{escape(panel.title)}" width="100%" height="{height}" '
        f'style="border:0;background:#fff" srcdoc="{html.escape(page)}"></iframe>'
    )


def script_hashes(view: str) -> tuple[str, ...]:
    """What a Content-Security-Policy calls the scripts of a view, each in its quotes.

    Raises ConfigError, MissingExtra.

    >>> len(script_hashes("head")), script_hashes("head")[0][:8]
    (5, "'sha256-")
    """
    return tuple(_hash(code) for code in read_scripts(view).run)


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def _heads(panel: Panel) -> int:
    return len(panel.labels["layers"]) * len(panel.labels["heads"])


def _carry(panel: Panel, view: str, start: int) -> tuple[dict[str, Any], list[str]]:
    """What the page carries, ready for JSON, and the sentences that say what it does not."""
    if panel.kind != "attention":
        raise ConfigError(
            f"panel {panel.name!r} is of kind {panel.kind!r}; a view needs one of kind 'attention'"
        )
    labels, arrays = panel.labels, panel.arrays
    vectors = {name: arrays[name] for name in ("queries", "keys") if name in arrays}
    if view == "neuron" and len(vectors) < 2:
        raise ConfigError(
            f"panel {panel.name!r} has no queries and keys, which the neuron view shows; take view='head' or 'model'"
        )
    names = [visible(token) for token in labels["tokens"]]
    special, border = [int(number) for number in labels.get("special") or ()], labels.get("sentence_b")
    dim = vectors["queries"].shape[-1] if view == "neuron" else 0
    room = room_for(view, len(names), _heads(panel), dim)
    chosen = choose_pieces(len(names), room, special, border, start)
    where = {int(number): place for place, number in enumerate(chosen)}
    inside = [where[number] for number in special if number in where]
    weights = arrays["weights"][:, :, chosen[:, None], chosen]
    kept = choose_heads(view, weights, inside, dim)
    large = labels.get("chosen")
    if large is not None:
        kept[large[0], large[1]] = True
    undefined = int(np.isnan(weights[kept]).sum())
    second = 0 if border is None else int((chosen < border).sum())
    told = [
        str(labels.get("note") or ""),
        told_window(len(names), chosen, len(inside), start, border is not None, gone=_gone(weights)),
        told_heads(kept),
        f"{undefined:,} weights that are not defined are drawn as 0." if undefined else "",
    ]
    data: dict[str, Any] = {
        "view": view,
        "tokens": [names[number] for number in chosen],
        "layers": [visible(layer) for layer in labels["layers"]],
        "heads": [visible(head) for head in labels["heads"]],
        "sentence_b": second if 0 < second < len(chosen) else None,
        "chosen": None if large is None else [int(large[0]), int(large[1])],
        "weights": _whole(weights, kept, WEIGHT_PARTS),
    }
    if view == "neuron":
        later = np.triu(np.ones(weights.shape[-2:], dtype=bool), 1)
        data["bidirectional"] = bool(np.nan_to_num(weights[..., later]).any())
        data["dim"] = dim
        data |= {name: _whole(array[:, :, chosen], kept, VECTOR_PARTS) for name, array in vectors.items()}
    return data, [line for line in told if line]


def _gone(weights: Array) -> float:
    """The share of weight that goes to what is not drawn, over rows that are defined: whole rows add up to 1."""
    inside = weights.astype(np.float64).sum(-1)
    known = inside[np.isfinite(inside)]
    return float(np.clip(1.0 - known.mean(), 0.0, 1.0)) if known.size else 0.0


def _whole(values: Array, kept: Array, parts: int) -> list[list[Any]]:
    """Numbers as whole parts, head by head; 0 for a head that is not kept."""
    rounded = np.rint(np.nan_to_num(values.astype(np.float64)) * parts).astype(np.int64)
    return [
        [head.tolist() if keep else 0 for head, keep in zip(layer, keeps, strict=True)]
        for layer, keeps in zip(rounded, kept, strict=True)
    ]
