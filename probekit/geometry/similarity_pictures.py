"""Rows, a sentence and pictures of how alike layers are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.geometry.stored import basis, counted
from probekit.results.formats import begin_large, format_interval, format_range, format_score, slug
from probekit.results.measurement import Measurement
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from probekit.geometry.layer_similarity import LayerSimilarity

Array = NDArray[Any]
TITLES = {
    "cka": "Linear CKA", "cka-kernel": "Kernel CKA", "svcca": "SVCCA", "pwcca": "PWCCA", "rsa": "RSA",
    "procrustes": "Procrustes distance",
}  # fmt: skip


NEGATIVE = -0.05
"""Similarities down to here are coloured as 0: they are estimates of none."""


def number(value: Any) -> float | None:
    """A float, or None for NaN."""
    return float(value) if np.isfinite(value) else None


def limits(measure: str, value: Array) -> list[float]:
    """From where to where the colours of a map reach: alike for all maps of a measure, so that they compare.

    A similarity below 0, which estimates of none may have, makes the map one around 0.
    """
    if measure == "procrustes":
        return [0.0, 2.0]
    return [-1.0 if np.nanmin(value, initial=0.0) < NEGATIVE else 0.0, 1.0]


def make_rows(found: LayerSimilarity) -> Iterator[Measurement]:
    """A row for each pair, then for each pair what shuffled sentences give."""
    about = found.about
    permutations = len(found.null)
    tested = int(np.isfinite(found.p).sum())
    base: dict[str, Any] = {
        "run": about.run, "question": about.question, "corpus": about.corpus, "model": found.model,
        "model_kind": about.model_kind, "site": about.site, "metric": found.measure, "method": found.method,
        "n": found.n, "n_left_out": found.left_out + 2 * (found.of - found.n), "unit": found.unit, "split": "all",
        "seeds": (("data", found.seed),),
    }  # fmt: skip
    for i, j in pairs(found):
        layer, other = found.layers[i], found.other_layers[j]
        place = f"other_layer={other}" + ("" if found.one_model else f", other_model={found.other}")
        bounded = np.isfinite(found.low[i, j])
        yield Measurement(
            layer=layer, group=place, value=number(found.value[i, j]), low=number(found.low[i, j]),
            high=number(found.high[i, j]), interval=found.interval if bounded else "",
            reference=f"{permutations} permutations of sentences" if permutations else "",
            p=number(found.p[i, j]), p_adjusted=number(found.p_adjusted[i, j]),
            family_size=tested if permutations else None,
            reason=found.reasons.get((layer, other), ""), **base,
        )  # fmt: skip
    for i, j in pairs(found) if permutations else ():
        layer, other = found.layers[i], found.other_layers[j]
        place = f"other_layer={other}" + ("" if found.one_model else f", other_model={found.other}")
        null = found.null[:, i, j]
        yield Measurement(
            layer=layer, group=place, control="permutation", value=number(null.mean()), low=number(null.min()),
            high=number(null.max()), interval=f"smallest and largest of {permutations} permutations of sentences",
            reason=found.reasons.get((layer, other), ""), **base,
        )  # fmt: skip


def pairs(found: LayerSimilarity) -> list[tuple[int, int]]:
    """The pairs that stand for themselves: of a symmetric map of one model those above the diagonal."""
    shape = found.value.shape
    symmetric = found.one_model and found.layers == found.other_layers and found.measure != "pwcca"
    return [
        (i, j)
        for i in range(shape[0])
        for j in range(shape[1])
        if not (symmetric and i >= j) and not (found.one_model and found.layers[i] == found.other_layers[j])
    ] or [(i, j) for i in range(shape[0]) for j in range(shape[1])]


def sentence(found: LayerSimilarity) -> str:
    """What a paper would write."""
    of = basis(found.n, found.unit, found.sentences, found.copies)
    whose = f"layers of {found.model}" if found.one_model else f"layers of {found.model} and {found.other}"
    start = f"{found.method[0].upper() + found.method[1:]}, {whose} over {of}"
    scored = [(found.value[i, j], i, j) for i, j in pairs(found) if np.isfinite(found.value[i, j])]
    if not scored:
        why = next(iter(found.reasons.values()), "not defined")
        return f"{start}: not defined ({why})."
    if found.one_model and all(found.layers[i] == found.other_layers[j] for _, i, j in scored):
        return f"{start}: one layer, which is as itself; name two or more layers, or another model."
    scored.sort()
    last, first = (scored[0], scored[-1]) if not found.distance else (scored[-1], scored[0])
    if len(scored) > 1:
        said = f"{start}: most alike are {_pair(found, *first)}, least {_pair(found, *last)}"
    else:
        said = f"{start}: layers {_pair(found, *first)}"
    null = np.array([found.null_mean[i, j] for _, i, j in scored])
    null = null[np.isfinite(null)]
    if len(null):
        said += f"; with sentences shuffled {format_range(null.min(), null.max())}"
    missing = len(pairs(found)) - len(scored)
    more = f"; {counted(missing, 'pair')} {'is' if missing == 1 else 'are'} not defined"
    return f"{said}{more if missing else ''}."


def make_panels(found: LayerSimilarity) -> list[Panel]:
    """A sentence, the map, and a curve of neighbouring or equal layers with intervals."""
    title = TITLES[found.measure]
    name = slug("similarity", found.measure, found.model, "" if found.one_model else found.other)
    shown = f"{title}: {found.model}" + ("" if found.one_model else f" and {found.other}")
    meaning = "0 the same up to rotation and scale" if found.distance else "1 the same"
    of = basis(found.n, found.unit, found.sentences, found.copies)
    null = ""
    if len(found.null) and np.isfinite(found.null_mean).any():
        level = found.null_mean[np.isfinite(found.null_mean)]
        null = f" With sentences shuffled: {format_range(level.min(), level.max())}."
    crossed = " Crossed out: not defined." if np.isnan(found.value).any() else ""
    names = ("layer", "layer") if found.one_model else (f"layer of {found.model}", f"layer of {found.other}")
    panels = [
        Panel("sentence", f"{name}-sentence", "In a sentence", labels={"text": found.summary}),
        Panel(
            "heatmap", f"{name}-map", shown, f"{begin_large(found.method)} ({meaning}); {of}.{null}{crossed}",
            {"value": found.value},
            {"rows": list(found.layers), "columns": list(found.other_layers), "row_label": names[0],
             "column_label": names[1], "value_label": title, "range": limits(found.measure, found.value)},
        ),
    ]  # fmt: skip
    curve = _curve(found, f"{name}-curve", title, of)
    return [*panels, curve] if curve else panels


def _curve(found: LayerSimilarity, name: str, title: str, of: str) -> Panel | None:
    if found.one_model:
        if found.layers != found.other_layers or len(found.layers) < 3:
            return None
        places = [(i, i + 1) for i in range(len(found.layers) - 1)]
        ticks = [f"{found.layers[i]}–{found.layers[j]}" for i, j in places]
        what = "each layer and the next"
    else:
        shared = [layer for layer in found.layers if layer in found.other_layers]
        if len(shared) < 2:
            return None
        places = [(found.layers.index(layer), found.other_layers.index(layer)) for layer in shared]
        ticks, what = shared, "the same layer of both"
    at = tuple(np.array(places).T)
    series = [{"name": what, "style": "task"}]
    value, low, high = ([grid[at]] for grid in (found.value, found.low, found.high))
    if len(found.null):
        series.append({"name": "sentences shuffled", "style": "control"})
        value, low, high = (
            [*lines, one]
            for lines, one in (
                (value, found.null.mean(axis=0)[at]), (low, found.null.min(axis=0)[at]),
                (high, found.null.max(axis=0)[at]),
            )
        )  # fmt: skip
    caption = f"Bands: {found.interval}; of shuffled sentences the smallest and largest. {of}."
    return Panel(
        "layer-curve", name, f"{title}: {what}", caption,
        {"value": np.stack(value), "low": np.stack(low), "high": np.stack(high)},
        {"layers": ticks, "x_label": "layers" if found.one_model else "layer", "y_label": title, "series": series},
    )  # fmt: skip


def _pair(found: LayerSimilarity, value: float, i: int, j: int) -> str:
    interval = format_interval(number(found.low[i, j]), number(found.high[i, j]))
    return f"{found.layers[i]} and {found.other_layers[j]} ({format_score(value)}{' ' * bool(interval)}{interval})"
