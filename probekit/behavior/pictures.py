"""What a judgement looks like: panels and the sentence a paper would write, made from its rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.groups import natural
from probekit.behavior.items import extremes, spoken_texts
from probekit.behavior.questions import Questions
from probekit.behavior.rows import About, spoken_clusters, spoken_rule
from probekit.behavior.systems import System
from probekit.behavior.verdicts import LABELS
from probekit.data.suite import Suite
from probekit.results.formats import format_interval, format_p, format_score
from probekit.results.measurement import Measurement
from probekit.results.panel import Panel

Array = NDArray[Any]

CONTROLS = {
    "": ("", "task"),
    "ngram": ("n-gram", "baseline"),
    "unigram": ("unigram", "baseline"),
    "majority": ("majority number", "baseline"),
    "random-twin": ("random twins (mean)", "twin"),
}
"""How a system is called in a figure, and drawn."""

CURVES = {"attractors": "number of attractors", "distance": "distance (words between)"}
FORESTS = {
    "phenomenon": "phenomenon",
    "field": "field",
    "construction": "construction",
    "prediction": "prediction",
}
EXAMPLES = 10
"""Items in each half of the table of examples."""


def slug(*parts: str) -> str:
    """A file name made of names: lower case, anything but letters, digits and dots becomes a hyphen.

    Of a path only its last part counts, and of a long part its last 40 characters.

    >>> slug("models/My Model", "blimp")
    'my-model-blimp'
    """
    short = [part.rstrip("/").rpartition("/")[2][-40:] for part in parts]
    return re.sub(r"[^a-z0-9.]+", "-", "-".join(short).lower()).strip("-.") or "x"


def make_panels(
    suite: Suite,
    questions: Questions,
    model: System,
    controls: Sequence[System],
    rows: Sequence[Measurement],
    about: About,
) -> list[Panel]:
    """What there is of: sentence, accuracy by attractors and distance, forests by group, layer curve, tables."""
    find = Finder(rows)
    name = slug(about.model or model.name, suite.name)
    text = sentence(suite, questions, model, rows, about)
    panels = [Panel("sentence", f"{name}-summary", "In a sentence", labels={"text": text})]
    if suite.kind != "acceptability":
        for key, label in CURVES.items():
            panels += _by_category(suite, find, about, name, key, label, chance(suite))
        for key, label in FORESTS.items():
            panels += _forest(suite, find, about, name, key, label)
    panels += layer_curve(suite, find, about, name)
    panels.append(_table(suite, rows, name))
    if suite.kind != "acceptability":
        panels += _examples(suite, questions, model, name)
    return panels


def sentence(
    suite: Suite, questions: Questions, model: System, rows: Sequence[Measurement], about: About
) -> str:
    """What a paper would write of this judgement, with its numbers and the rule of scoring."""
    find = Finder(rows)
    who = about.model or model.name
    n = f"{len(model.right) - sum(model.left_out.values()):,} items"
    parts = []
    if suite.kind == "acceptability":
        both = [row for row in rows if row.metric == "auc" and not row.control and not row.layer]
        shown = " and ".join(f"{_bounded(row)} ({row.group.removeprefix('score=')})" for row in both)
        parts.append(
            f"On {suite.name} ({n}), {who} ranks acceptable above unacceptable sentences with AUC {shown}"
        )
    else:
        one = find.get("accuracy")
        parts.append(f"On {suite.name} ({n}), {who} is right on {_bounded(one)}" if one and one.value is not None
                     else f"On {suite.name}, {who} could be judged on no item")  # fmt: skip
        macro = find.get("macro_accuracy", "mean over phenomena")
        n_phenomena = len(suite.phenomena)
        if macro is not None and macro.value is not None and n_phenomena > 1:
            parts.append(f"mean over {n_phenomena} phenomena {_bounded(macro)}")
        for control, (spoken, _) in CONTROLS.items():
            beside = find.get("accuracy", control=control)
            if not control or beside is None or beside.value is None:
                continue
            difference = find.difference(f"control={control}")
            said = f"{spoken} {format_score(beside.value)}"
            if difference is not None and difference.value is not None:
                said += f" (difference {_bounded(difference)}"
                if difference.p_adjusted is not None:
                    said += f", exact McNemar p {_p(difference.p_adjusted)}, Holm-corrected"
                said += ")"
            parts.append(said)
        nonce = find.difference("nonce=nonce", "nonce=natural")
        if nonce is not None and nonce.value is not None:
            parts.append(f"natural minus nonce {_bounded(nonce)}")
        level = chance(suite)
        if level is not None:
            parts.append(f"chance is {level:g}")
    text = "; ".join(parts) + ". "
    if model.left_out:
        text += (
            f"Left out: {', '.join(f'{number:,} {reason}' for reason, number in model.left_out.items())}. "
        )
    if suite.kind != "acceptability":
        text += f"{model.ties:,} ties count as not right. "
    return text + f"Scoring: {spoken_rule(suite, model.rule)}."


def chance(suite: Suite) -> float | None:
    """0.5 where every prediction is one comparison of two scores by < or >; None for conjunctions and others."""
    single = all(p.formula.root.sign in "<>" and len(p.formula.needs) == 2 for p in suite.predictions)
    return 0.5 if suite.predictions and single else None


class Finder:
    """Rows by what they say: metric, group, control, layer."""

    def __init__(self, rows: Sequence[Measurement]) -> None:
        self.rows = rows
        plain = [row for row in rows if not row.reference]
        self._plain: dict[tuple[str, str, str, str], Measurement] = {}
        for row in plain:
            self._plain.setdefault((row.metric, row.group, row.control, row.layer), row)
        self._differences = {
            (row.reference, row.group): row
            for row in rows
            if row.reference and not (row.control or row.layer)
        }

    def get(self, metric: str, group: str = "", control: str = "", layer: str = "") -> Measurement | None:
        """A row that is no difference; of the twins their mean."""
        return self._plain.get((metric, group, control, layer))

    def difference(self, reference: str, group: str = "") -> Measurement | None:
        """A difference of the model's."""
        return self._differences.get((reference, group))

    def values(self, key: str) -> list[str]:
        """The groups ``key=...`` of the model that were judged, in order, without further keys."""
        found = [
            row.group
            for row in self._plain.values()
            if row.group.startswith(f"{key}=") and row.metric == "accuracy" and not (row.control or row.layer)
        ]
        plain = [group for group in dict.fromkeys(found) if " nonce=" not in group]
        return sorted(plain, key=natural)

    def controls(self) -> list[str]:
        """Controls that were measured, as `CONTROLS` orders them, then scorers that were given."""
        measured = {
            row.control: None
            for row in self.rows
            if row.metric == "accuracy" and row.value is not None and not row.layer
        }
        known = [control for control in CONTROLS if control in measured]
        return known + [control for control in measured if control not in CONTROLS]


def _series(find: Finder, about: About) -> list[tuple[str, str, str]]:
    """(control, name, style) of everyone who was measured, the model first."""
    found = []
    for control in find.controls():
        name, style = CONTROLS.get(control, (control, "control"))
        found.append((control, name or about.model or "model", style))
    return found


def _by_category(
    suite: Suite, find: Finder, about: About, name: str, key: str, label: str, level: float | None
) -> list[Panel]:
    """Accuracy along an ordered group, natural and nonce as series of their own where both are there."""
    ticks = find.values(key)
    if len(ticks) < 2:
        return []
    kinds = ("nonce=natural", "nonce=nonce")
    split = any(find.get("accuracy", f"{ticks[0]} {kind}") for kind in kinds) or any(
        find.get("accuracy", f"{tick} {kinds[1]}") for tick in ticks
    )
    series, lines = [], []
    for control, spoken, style in _series(find, about):
        for kind in kinds if split else ("",):
            shown = f"{spoken}, {kind.removeprefix('nonce=')}" if kind else spoken
            found = [find.get("accuracy", f"{tick} {kind}".strip(), control) for tick in ticks]
            if any(row is not None and row.value is not None for row in found):
                series.append({"name": shown, "style": style})
                lines.append(found)
    labels: dict[str, Any] = {
        "x_label": label,
        "y_label": "accuracy (share of items right)",
        "series": series,
        "x_scale": "linear",
        "x_ticks": [tick.partition("=")[2] for tick in ticks],
        "y_range": [0.0, 1.0],
    }
    if level is not None:
        labels["reference"] = {"value": level, "name": "chance"}
    counts = [row.n if row is not None else 0 for row in lines[0]]
    return [
        Panel(
            "curve",
            f"{name}-{key}",
            f"{suite.name}: accuracy by {label}",
            f"Strict accuracy; bars: 95 % cluster bootstrap over {spoken_clusters(suite)} (exact where all are alike). "
            f"Items of {series[0]['name']} by {label}: "
            + ", ".join(f"{tick} {n:,}" for tick, n in zip(labels["x_ticks"], counts, strict=True))
            + ".",
            {"x": np.arange(len(ticks), dtype=np.float64), **_bounds(lines)},
            labels,
        )
    ]


def _forest(suite: Suite, find: Finder, about: About, name: str, key: str, label: str) -> list[Panel]:
    groups = find.values(key)
    if len(groups) < 2:
        return []
    groups = sorted(groups, key=lambda group: -_value(find.get("accuracy", group)))
    series = [one for one in _series(find, about) if one[0] in CONTROLS]
    lines = [[find.get("accuracy", group, control) for group in groups] for control, _, _ in series]
    shown = [group.partition("=")[2] for group in groups]
    return [
        Panel(
            "forest",
            f"{name}-{key}",
            f"{suite.name}: accuracy by {label}",
            f"Strict accuracy with 95 % intervals over {spoken_clusters(suite)}, best first; items of each {label}: "
            f"{_range([row.n for row in lines[0] if row is not None])}.",
            _bounds(lines),
            {
                "rows": shown,
                "series": [{"name": spoken, "style": style} for _, spoken, style in series],
                "value_label": "accuracy (share of items right)",
                "range": [0.0, 1.0],
                **(
                    {"reference": {"value": level, "name": "chance"}}
                    if (level := chance(suite)) is not None
                    else {}
                ),
            },
        )
    ]


def layer_curve(suite: Suite, find: Finder, about: About, name: str) -> list[Panel]:
    """Accuracy (or AUC) of the lens at every layer, beside the model's own output."""
    metric, group = (
        ("auc", "score=mean log-probability") if suite.kind == "acceptability" else ("accuracy", "")
    )
    layers = [row.layer for row in find.rows if row.layer and row.metric == metric and row.group == group]
    layers = list(dict.fromkeys(layers))
    if not layers:
        return []
    attractors = find.values("attractors") if metric == "accuracy" else []
    lines = [[find.get(metric, one, layer=layer) for layer in layers] for one in (group, *attractors)]
    names = ["all items", *(f"{one.partition('=')[2]} attractors" for one in attractors)]
    labels: dict[str, Any] = {
        "layers": layers,
        "x_label": "layer (0 = embeddings)" if "0" in layers else "layer",
        "y_label": "accuracy" if metric == "accuracy" else "AUC",
        "series": [
            {"name": one, "style": "task" if not number else "control"} for number, one in enumerate(names)
        ],
    }
    direct = find.get(metric, group)
    if direct is not None and direct.value is not None:
        labels["reference"] = {"value": direct.value, "name": "the model's output"}
    method = next(row.method for row in find.rows if row.layer)
    return [
        Panel(
            "layer-curve",
            f"{name}-layers",
            f"{suite.name}: behaviour at every layer of {about.model or 'the model'}",
            f"Each layer read through the output head. Bands: 95 % intervals over {spoken_clusters(suite)}. {method}.",
            _bounds(lines),
            labels,
        )
    ]


def _table(suite: Suite, rows: Sequence[Measurement], name: str) -> Panel:
    shown = [
        row
        for row in rows
        if row.metric in ("accuracy", "macro_accuracy", "auc", "accuracy_difference", "ties", "left_out")
        and not (row.layer and row.group not in ("", "score=mean log-probability"))
    ]
    cells: list[list[Any]] = [
        [
            row.metric.replace("_", " "),
            row.group or "all items",
            " ".join([row.control or "model", *(str(seed) for _, seed in row.seeds)])
            + (f" at layer {row.layer}" if row.layer else ""),
            row.reference.removeprefix("control="),
            row.value if row.metric not in ("ties", "left_out") else f"{int(row.value or 0):,}",
            format_interval(row.low, row.high),
            row.p_adjusted,
            row.n,
            row.n_left_out,
            row.reason if row.value is None else "",
        ]
        for row in shown
    ]
    return Panel(
        "table",
        f"{name}-table",
        f"{suite.name}: all accuracies",
        "Accuracy is right / (right + wrong + ties), strictly. Differences are the model minus the reference on the "
        "items both were judged on; p: exact McNemar, Holm-corrected over the baselines.",
        labels={
            "columns": [
                "metric",
                "items",
                "who",
                "minus",
                "value",
                "95 %",
                "p (Holm)",
                "n",
                "left out",
                "why none",
            ],
            "formats": ["text", "text", "text", "text", "score", "text", "p", "int", "int", "text"],
            "rows": cells,
        },
    )


def _examples(suite: Suite, questions: Questions, model: System, name: str) -> list[Panel]:
    worst, best = extremes(model, EXAMPLES)
    if not len(worst) or model.verdicts is None:
        return []
    cells = [
        [
            which,
            questions.cases[i].id,
            LABELS[model.verdicts.code[i]],
            f"{model.verdicts.margin[i]:.2f}",
            spoken_texts(suite, questions.cases[i]),
        ]
        for which, chosen in (("worst", worst), ("best", best))
        for i in chosen
    ]
    return [
        Panel(
            "table",
            f"{name}-examples",
            f"{suite.name}: worst and best items",
            "By margin: the bits by which the prediction holds (negative: fails).",
            labels={
                "columns": ["", "item", "outcome", "margin (bits)", "texts"],
                "formats": ["text"] * 5,
                "rows": cells,
            },
        )
    ]


def _bounds(lines: Sequence[Sequence[Measurement | None]]) -> dict[str, Array]:
    def number(row: Measurement | None, key: str) -> float:
        value = getattr(row, key) if row is not None else None
        return np.nan if value is None else value

    return {
        key: np.array([[number(row, key) for row in line] for line in lines], dtype=np.float64)
        for key in ("value", "low", "high")
    }


def _value(row: Measurement | None) -> float:
    return -1.0 if row is None or row.value is None else row.value


def _bounded(row: Measurement | None) -> str:
    if row is None or row.value is None:
        return "not defined"
    return f"{format_score(row.value)} {format_interval(row.low, row.high)}".strip()


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _p(value: float | None) -> str:
    text = format_p(value)
    return text if text.startswith("<") else f"= {text}"
