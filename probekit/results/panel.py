"""A picture before it is drawn: kind, arrays, words. Analyses make panels; only the report draws them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from probekit.errors import DataError, did_you_mean
from probekit.results.bundle import load_bundle, save_bundle

Array = np.ndarray[Any, Any]

STYLES = ("task", "control", "twin", "baseline", "difference")
SCALES = ("linear", "log")
FORMATS = ("text", "int", "score", "p", "seconds")


@dataclass(frozen=True, eq=False)
class Panel:
    """Frozen picture data.

    "layer-curve"
        labels: layers [str], x_label, y_label, series [{"name", "style"}], style one of `STYLES`;
        optional reference {"value", "name"}: a thin horizontal line; optional y_range [low, high].
        arrays: value, low, high float64[series, layers]; NaN = not measured.
    "curve"
        Values over numbers or ordered categories. labels: x_label, y_label, series as above; optional x_scale "linear"
        or "log" (0 is then drawn to the left of the scale), x_ticks [str]: names of the points, which make them
        categories at x = 0, 1, ...; reference and y_range as above.
        arrays: x float64[points], ascending; value, low, high float64[series, points]; NaN = not measured.
    "forest"
        A value for each of many rows. labels: rows [str], value_label, series as above; optional reference as
        above (a vertical line), range [low, high].
        arrays: value, low, high float64[series, rows]; NaN = not measured.
    "strip"
        Single values beside their mean: runs of a strategy, seed by seed. labels: rows [str], value_label, point_label:
        what a point is; optional notes [str], one per row, printed at its end; optional hollow: what hollow points
        are; optional reference and range as above.
        arrays: point float64[points]; row int64[points], the row of each; value, low, high float64[rows], NaN = not
        measured; optional hollow bool[points].
    "pareto"
        What things cost and how good they are. labels: names [str], one per point, x_label, y_label, groups [str];
        optional x_scale "linear" or "log"; optional reference as above (a horizontal line).
        arrays: x, y, low, high float64[points], NaN = not measured; group int64[points]; front bool[points]: no other
        point is as cheap and as good.
    "heatmap"
        labels: rows, columns, row_label, column_label, value_label; optional range [low, high].
        arrays: value float64[rows, columns], NaN = not defined; optional n int64[rows].
    "confusion"
        labels: classes; arrays: counts int64[gold, predicted].
    "scatter"
        Points in one or more planes side by side. labels: planes [str], classes [str]; optional marked {"index",
        "name"}: points that are named; optional notes [str], one per plane, printed under it; optional names [str],
        one per point.
        arrays: xy float64[planes, points, 2], NaN = not there; code int64[points], the class of each.
    "attention"
        How pieces or words attend to each other, every head. labels: tokens [str] (what rows and columns stand for),
        layers [str], heads [str]; optional chosen [layer, head], numbers in the arrays: drawn large; optional note;
        optional sentence_b: where a second text begins; optional special [int]: which tokens are special pieces;
        optional view: which live view a page opens (head, model or neuron); optional value_label: what the colours
        mean, where they are no attention weights.
        arrays: weights float32[layers, heads, tokens, tokens], rows look, NaN = not defined; optional queries and
        keys float32[layers, heads, tokens, dim].
    "shaded-text"
        Words shaded by a number. labels: lines [{"words": [str], "name": str}], value_label; optional range [low,
        high].
        arrays: value float64[words of all lines together], NaN = not defined.
    "table"
        labels: columns, rows (lists of text, number or None), formats per column, each one of `FORMATS`.
    "sentence"
        labels: text.

    `name` is a slug and becomes a file name; `caption` is a full sentence. Raises DataError where the data do
    not fit the kind.

    >>> Panel("sentence", "best-layer", "Best layer", labels={"text": "Layer 3."}).kind
    'sentence'
    """

    kind: str
    name: str
    title: str
    caption: str = ""
    arrays: Mapping[str, Array] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in CHECKS:
            raise DataError(f"no panel kind {self.kind!r}; {did_you_mean(self.kind, CHECKS)}")
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,99}", self.name):
            raise DataError(f"panel name {self.name!r} must be a slug of at most 100 characters: a-z 0-9 - .")
        arrays = {name: np.array(array) for name, array in self.arrays.items()}
        for array in arrays.values():
            array.flags.writeable = False
        object.__setattr__(self, "arrays", arrays)
        object.__setattr__(self, "labels", dict(self.labels))
        CHECKS[self.kind](self)

    def save(self, stem: str | Path) -> None:
        """Write `<stem>.safetensors` and `<stem>.json`. Raises DiskError."""
        words = {"kind": self.kind, "name": self.name, "title": self.title, "caption": self.caption}
        save_bundle(stem, self.arrays, {**words, "labels": dict(self.labels)})

    @classmethod
    def load(cls, stem: str | Path) -> Panel:
        """Read a panel back. Raises DataError where a file is absent, StoreError where one is damaged."""
        arrays, words = load_bundle(stem)
        return cls(arrays=arrays, **words)


def _need(panel: Panel, *names: str) -> list[Any]:
    for name in names:
        if name not in panel.labels:
            raise DataError(f"panel {panel.name!r} ({panel.kind}) lacks the label {name!r}")
    return [panel.labels[name] for name in names]


def _shape(panel: Panel, name: str, *shape: int) -> None:
    if name not in panel.arrays:
        raise DataError(f"panel {panel.name!r} ({panel.kind}) lacks the array {name!r}")
    if panel.arrays[name].shape != shape:
        found = panel.arrays[name].shape
        raise DataError(f"panel {panel.name!r}: array {name!r} has shape {found}, its labels ask for {shape}")


def _series(panel: Panel, points: int) -> None:
    """Every series has a name and a style, and a value with bounds at each point."""
    (series,) = _need(panel, "series")
    for one in series:
        if one.get("style") not in STYLES or "name" not in one:
            raise DataError(f"panel {panel.name!r}: series {one!r} needs a name and one style of {STYLES}")
    for name in ("value", "low", "high"):
        _shape(panel, name, len(series), points)


def _layer_curve(panel: Panel) -> None:
    layers, *_ = _need(panel, "layers", "x_label", "y_label")
    _series(panel, len(layers))


def _curve(panel: Panel) -> None:
    _need(panel, "x_label", "y_label")
    scale, ticks = panel.labels.get("x_scale", "linear"), panel.labels.get("x_ticks")
    if scale not in SCALES:
        raise DataError(f"panel {panel.name!r}: no x_scale {scale!r}; {did_you_mean(str(scale), SCALES)}")
    if "x" not in panel.arrays or panel.arrays["x"].ndim != 1 or not len(panel.arrays["x"]):
        raise DataError(f"panel {panel.name!r} (curve) lacks the array 'x' with its points")
    x = panel.arrays["x"]
    if not np.isfinite(x).all() or (np.diff(x) <= 0).any():
        raise DataError(f"panel {panel.name!r}: x must ascend; got {x[:8].tolist()}")
    if scale == "log" and x[0] < 0:
        raise DataError(f"panel {panel.name!r}: x on a log scale must not be negative; got {x[0]:g}")
    if ticks is not None and (len(ticks) != len(x) or scale == "log" or x.tolist() != list(range(len(x)))):
        raise DataError(
            f"panel {panel.name!r}: x_ticks name points at 0, 1, ... of a linear scale; got {len(ticks)} names for x ="
            f" {x[:8].tolist()} ({scale})"
        )
    _series(panel, len(x))


def _forest(panel: Panel) -> None:
    rows, _ = _need(panel, "rows", "value_label")
    _series(panel, len(rows))


def _strip(panel: Panel) -> None:
    rows, *_ = _need(panel, "rows", "value_label", "point_label")
    points = len(panel.arrays["point"]) if panel.arrays.get("point", np.zeros(0)).ndim == 1 else 0
    _shape(panel, "point", points)
    _shape(panel, "row", points)
    for name in ("value", "low", "high"):
        _shape(panel, name, len(rows))
    if "hollow" in panel.arrays:
        _shape(panel, "hollow", points)
    _codes(panel, "row", len(rows))
    if "notes" in panel.labels and len(panel.labels["notes"]) != len(rows):
        raise DataError(
            f"panel {panel.name!r}: {len(panel.labels['notes'])} notes where {len(rows)} are needed"
        )


def _pareto(panel: Panel) -> None:
    names, _, _, groups = _need(panel, "names", "x_label", "y_label", "groups")
    for name in ("x", "y", "low", "high", "group", "front"):
        _shape(panel, name, len(names))
    _codes(panel, "group", len(groups))
    scale = panel.labels.get("x_scale", "linear")
    if scale not in SCALES:
        raise DataError(f"panel {panel.name!r}: no x_scale {scale!r}; {did_you_mean(str(scale), SCALES)}")
    if scale == "log" and (panel.arrays["x"] <= 0).any():
        raise DataError(
            f"panel {panel.name!r}: x on a log scale must be above 0; got {panel.arrays['x'].min():g}"
        )


def _codes(panel: Panel, name: str, count: int) -> None:
    codes = panel.arrays[name]
    if len(codes) and not (codes.min() >= 0 and codes.max() < count):
        raise DataError(f"panel {panel.name!r}: {name} holds {codes.min()}..{codes.max()}, there are {count}")


def _heatmap(panel: Panel) -> None:
    rows, columns, *_ = _need(panel, "rows", "columns", "row_label", "column_label", "value_label")
    _shape(panel, "value", len(rows), len(columns))
    if "n" in panel.arrays:
        _shape(panel, "n", len(rows))


def _confusion(panel: Panel) -> None:
    (classes,) = _need(panel, "classes")
    _shape(panel, "counts", len(classes), len(classes))


def _scatter(panel: Panel) -> None:
    planes, classes = _need(panel, "planes", "classes")
    points = panel.arrays["xy"].shape[1] if panel.arrays.get("xy", np.zeros(0)).ndim == 3 else 0
    _shape(panel, "xy", len(planes), points, 2)
    _shape(panel, "code", points)
    for name, length in (("notes", len(planes)), ("names", points)):
        if name in panel.labels and len(panel.labels[name]) != length:
            raise DataError(
                f"panel {panel.name!r}: {len(panel.labels[name])} {name} where {length} are needed"
            )
    code = panel.arrays["code"]
    if points and not (code.min() >= 0 and code.max() < len(classes)):
        raise DataError(f"panel {panel.name!r}: codes {code.min()}..{code.max()} for {len(classes)} classes")


def _attention(panel: Panel) -> None:
    tokens, layers, heads = _need(panel, "tokens", "layers", "heads")
    _shape(panel, "weights", len(layers), len(heads), len(tokens), len(tokens))
    for name in ("queries", "keys"):
        if name in panel.arrays:
            dim = panel.arrays[name].shape[-1]
            _shape(panel, name, len(layers), len(heads), len(tokens), dim)
    layer, head = panel.labels.get("chosen") or (0, 0)
    if not (0 <= layer < len(layers) and 0 <= head < len(heads)):
        raise DataError(
            f"panel {panel.name!r}: chosen {[layer, head]} of {len(layers)} layers and {len(heads)} heads"
        )
    special = panel.labels.get("special") or ()
    if any(not 0 <= number < len(tokens) for number in special):
        raise DataError(f"panel {panel.name!r}: special {list(special)} of {len(tokens)} tokens")


def _shaded_text(panel: Panel) -> None:
    lines, _ = _need(panel, "lines", "value_label")
    for line in lines:
        if "words" not in line or "name" not in line:
            raise DataError(f"panel {panel.name!r}: a line needs words and a name; got {line!r}")
    _shape(panel, "value", sum(len(line["words"]) for line in lines))


def _table(panel: Panel) -> None:
    columns, rows, formats = _need(panel, "columns", "rows", "formats")
    if len(formats) != len(columns) or not set(formats) <= set(FORMATS):
        raise DataError(f"panel {panel.name!r}: one format of {FORMATS} per column; got {formats}")
    for row in rows:
        if len(row) != len(columns):
            raise DataError(f"panel {panel.name!r}: {len(row)} cells under {len(columns)} columns: {row}")


def _sentence(panel: Panel) -> None:
    _need(panel, "text")


CHECKS: dict[str, Callable[[Panel], None]] = {
    "layer-curve": _layer_curve,
    "curve": _curve,
    "forest": _forest,
    "strip": _strip,
    "pareto": _pareto,
    "heatmap": _heatmap,
    "confusion": _confusion,
    "scatter": _scatter,
    "attention": _attention,
    "shaded-text": _shaded_text,
    "table": _table,
    "sentence": _sentence,
}


def distinct(panels: Iterable[Panel]) -> list[Panel]:
    """The panels, those of a name that was there before numbered from the second on: a name is a file name.

    >>> [panel.name for panel in distinct([Panel("sentence", "x", "X", labels={"text": "1."})] * 2)]
    ['x', 'x-2']
    """
    seen: set[str] = set()
    named = []
    for panel in panels:
        name, number = panel.name, 1
        while name in seen:
            number += 1
            name = f"{panel.name}-{number}"
        seen.add(name)
        named.append(replace(panel, name=name))
    return named
