"""Heads against links in a sentence and in pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.attention.counted import cell, counted, paragraph_and_table, twins_told
from probekit.attention.links import SPOKEN
from probekit.results.formats import (
    format_count,
    format_interval,
    format_p,
    format_percent,
    format_score,
    slug,
)
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from probekit.attention.alignment import HeadAlignment, LinkResult

COLUMNS = (
    "links", "direction", "head", "accuracy", "95 % interval", "offset", "of the offset", "difference",
    "interval of the difference", "p (Holm)", "highest on {dev}", "of chance", "p (permutation)", "random twins", "n",
)  # fmt: skip
FORMATS = (
    "text", "text", "text", "score", "text", "text", "score",
    "score", "text", "p", "score", "score", "p", "score", "int",
)  # fmt: skip


def sentence(found: HeadAlignment) -> str:
    """What was compared, how many chosen heads are more than baselines, and the one that gains most."""
    from probekit.attention.alignment import spoken

    dev, test = found.splits
    n, heads = len(found.results), len(found.place)
    of = f" of {found.about.model}" if found.about.model else ""
    text = (
        f"{counted(heads, 'head')}{of} {'was' if heads == 1 else 'were'} compared with {counted(n, 'set')} of links "
        f"({format_count(found.comparisons)} "
        f"{'accuracy' if found.comparisons == 1 else 'accuracies'} on {dev}); "
        f"the best head of each is reported on {test}. "
    )
    number = int(found.significant.sum())
    if found.too_few_permutations:
        return f"{text}{too_few(found.permutations)}.{_scarce(found)}"
    if not number:
        return text + (
            "No head beats the baselines: none is above the best fixed offset (Holm-corrected p < 0.05) and above what "
            "the best of so many heads reaches by chance (permutation p < 0.05)." + _scarce(found)
        )
    text += (
        f"{number} of {n} beat{'s' if number == 1 else ''} the best fixed offset (Holm-corrected p < 0.05) and what "
        "the best of so many heads reaches by chance (permutation p < 0.05)"
    )
    twins = len(found.results[0].twin_hits)
    if twins:
        both = int((found.significant & found.beyond_twins).sum())
        text += f"; {both or 'none'} of these {'is' if both == 1 else 'are'} also above {_every(twins)}"
    gains = [one.accuracy - float(one.offset_hits.mean()) for one in found.results]
    best = max(np.flatnonzero(found.significant).tolist(), key=gains.__getitem__)
    one = found.results[best]
    bounds, _ = found.interval(one.head_hits, one.cluster)
    return text + (
        f". The largest gain: head {_head(found, one)} follows {spoken(*one.key)}, in "
        f"{format_score(one.accuracy)} {format_interval(bounds.low, bounds.high)} of cases; offset {one.offset:+d} "
        f"does in {format_score(float(one.offset_hits.mean()))}"
        + (f", {twins_told(twins)} in {format_score(float(one.twin_hits.mean()))}" if twins else "")
        + "."
        + _scarce(found)
    )


def too_few(permutations: int) -> str:
    """That nothing could have been significant, in a sentence without its full stop.

    >>> from probekit.attention.alignment_pictures import too_few
    >>> too_few(19)
    '19 permutations are too few to show anything: the smallest p they can give is 0.050; make at least 20'
    """
    made = f"{permutations} permutation{'s are' if permutations != 1 else ' is'} too few to show anything"
    return f"{made}: the smallest p they can give is {1 / (permutations + 1):.3f}; make at least 20"


def make_panels(found: HeadAlignment) -> list[Panel]:
    """Sentence, forests and heat maps by direction, a map of the heads, who follows what, a table."""
    name = slug(found.about.model or "model", "heads-links")
    panels = [Panel("sentence", f"{name}-summary", "In a sentence", labels={"text": found.summary})]
    for direction in dict.fromkeys(one.direction for one in found.results):
        numbers = [i for i, one in enumerate(found.results) if one.direction == direction]
        way = f", {SPOKEN.get(direction, direction)}" if direction else ""
        panels.append(_forest(found, numbers, slug(name, direction or "links", "forest"), way))
        panels.append(_layers(found, numbers, slug(name, direction or "links", "layers"), way))
    panels.append(_map(found, f"{name}-map"))
    return [*panels, *_followers(found, f"{name}-followers"), _table(found, f"{name}-table")]


def _forest(found: HeadAlignment, numbers: list[int], name: str, way: str) -> Panel:
    dev, test = found.splits
    ordered = sorted(numbers, key=lambda i: -found.results[i].accuracy)
    series = [
        {"name": f"head chosen on {dev}", "style": "task"},
        {"name": "best fixed offset", "style": "baseline"},
    ]
    twins = len(found.results[0].twin_hits)
    if twins:
        name_of_twins = twins_told(1) if twins == 1 else f"random twins (mean of {twins})"
        series.append({"name": name_of_twins, "style": "twin"})
    bounds = np.full((3, len(series), len(ordered)), np.nan)
    for column, i in enumerate(ordered):
        one = found.results[i]
        values = [one.head_hits, one.offset_hits] + ([one.twin_hits.mean(axis=0)] if twins else [])
        for line, value in enumerate(values):
            bounds[:, line, column] = found.interval(value, one.cluster)[0]
    marks = found.significant
    return Panel(
        "forest", name, f"Which links heads follow{way}",
        f"Accuracy on {test} of the head chosen on {dev}, beside the fixed offset chosen there. Lines: 95 % intervals "
        "over sentences. *: above the offset (Holm-corrected p < 0.05) and above chance (permutation p < 0.05).",
        dict(zip(("value", "low", "high"), bounds, strict=True)),
        {
            "rows": [
                f"{found.results[i].name}{' *' if marks[i] else ''} ({_head(found, found.results[i])})" for i in ordered
            ],
            "value_label": f"accuracy ({test}); in brackets: layer.head", "series": series, "range": [0.0, 1.0],
        },
    )  # fmt: skip


def _layers(found: HeadAlignment, numbers: list[int], name: str, way: str) -> Panel:
    layers = list(dict.fromkeys(layer for layer, _ in found.place))
    own = np.array([layers.index(layer) for layer, _ in found.place])
    value = np.array(
        [[found.results[i].dev_accuracy[own == at].max() for at in range(len(layers))] for i in numbers]
    )
    dev = found.splits[0]
    return Panel(
        "heatmap", name, f"Where in the model links are followed{way}",
        f"Highest accuracy on {dev} of any head of the layer: a maximum, and so higher than on new sentences.",
        {"value": value, "n": np.array([found.results[i].n_dev for i in numbers])},
        {
            "rows": [found.results[i].name for i in numbers], "columns": layers, "row_label": "links",
            "column_label": "layer", "value_label": f"highest accuracy ({dev})", "range": [0.0, 1.0],
        },
    )  # fmt: skip


def _map(found: HeadAlignment, name: str) -> Panel:
    layers = list(dict.fromkeys(layer for layer, _ in found.place))
    gain = np.stack([one.dev_accuracy - one.dev_offset_accuracy for one in found.results]).max(axis=0)
    value = np.full((len(layers), max(head for _, head in found.place) + 1), np.nan)
    for (layer, head), most in zip(found.place, gain.tolist(), strict=True):
        value[layers.index(layer), head] = most
    dev = found.splits[0]
    return Panel(
        "heatmap", name, "How far each head gets beyond a fixed offset",
        f"Accuracy on {dev} minus that of the best fixed offset there, for the links a head does best on: a maximum "
        f"over {len(found.results)}, and so higher than on new sentences.",
        {"value": value},
        {
            "rows": layers, "columns": [str(head) for head in range(value.shape[1])], "row_label": "layer",
            "column_label": "head", "value_label": f"largest gain ({dev})",
        },
    )  # fmt: skip


def _followers(found: HeadAlignment, name: str) -> list[Panel]:
    """Which heads were found to follow which links; nothing where none was."""
    follows: dict[int, list[str]] = {}
    for one, passed in zip(found.results, found.significant.tolist(), strict=True):
        if passed:
            way = f" ({one.direction})" if one.direction else ""
            follows.setdefault(one.chosen, []).append(f"{one.name}{way}")
    if not follows:
        return []
    rows = [
        ["{}.{}".format(*found.place[number]), len(names), ", ".join(names)]
        for number, names in sorted(follows.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    return [
        Panel(
            "table", name, "Heads that follow links",
            f"The heads that are best on {found.splits[0]} for links they follow above an offset and chance.",
            labels={"columns": ["head", "sets of links", "links"], "rows": rows, "formats": ["text", "int", "text"]},
        )
    ]  # fmt: skip


def _table(found: HeadAlignment, name: str) -> Panel:
    dev, test = found.splits
    rows = []
    for i, one in enumerate(found.results):
        bounds, _ = found.interval(one.head_hits, one.cluster)
        gain, _ = found.interval(one.head_hits.astype(np.float64) - one.offset_hits, one.cluster)
        rows.append([
            one.name, one.direction, _head(found, one), bounds.value, format_interval(bounds.low, bounds.high),
            f"{one.offset:+d}", float(one.offset_hits.mean()), gain.value, format_interval(gain.low, gain.high),
            _number(found.tests["offset holm"][i]), one.null.highest, float(one.null.drawn.mean()), one.null.p,
            float(one.twin_hits.mean()) if len(one.twin_hits) else None, len(one.cluster),
        ])  # fmt: skip
    rows += [[name, way, why] + [None] * (len(COLUMNS) - 3) for name, way, why in found.not_scored]
    return Panel(
        "table", name, "Heads, baselines, differences",
        f"Head and offset are chosen on {dev}, accuracies and differences are of {test}. p (Holm) is of the "
        f"difference, over {len(found.results)} comparisons; p (permutation) of the highest accuracy on {dev} of "
        f"{len(found.place)} heads. {_ties(found)}",
        labels={
            "columns": [column.format(dev=dev) for column in COLUMNS], "rows": rows, "formats": list(FORMATS),
        },
    )  # fmt: skip


def small_table(found: HeadAlignment) -> str:
    """The sentence and, for the sets of links with the largest gains, head, offset, twins and both p."""
    gain = [one.accuracy - float(one.offset_hits.mean()) for one in found.results]
    rows = []
    for i in sorted(range(len(gain)), key=lambda i: -gain[i]):
        one = found.results[i]
        bounds, _ = found.interval(one.head_hits, one.cluster)
        rows.append([
            one.name, one.direction, _head(found, one), cell(bounds.value), format_interval(bounds.low, bounds.high),
            f"{cell(float(one.offset_hits.mean()))} ({one.offset:+d})",
            cell(float(one.twin_hits.mean())) if len(one.twin_hits) else "",
            format_p(_number(found.tests["offset holm"][i])), format_p(one.null.p),
        ])  # fmt: skip
    columns = ["links", "direction", "head", "accuracy", "95 % interval", "fixed offset", "twins", "p (Holm)",
               "p (permutation)"]  # fmt: skip
    return paragraph_and_table(found.summary, columns, rows)


def _ties(found: HeadAlignment) -> str:
    """How often a head's most attended word was not one."""
    looks = max(1, found.looks)
    return (
        f"In {format_percent(found.ties / looks)} of {format_count(found.looks)} looks two words were attended to most "
        f"and the first was taken; in {format_percent(found.silent / looks)} no other word was."
    )


def _head(found: HeadAlignment, one: LinkResult) -> str:
    layer, head = found.place[one.chosen]
    return f"{layer}.{head}"


def _every(twins: int) -> str:
    return twins_told(1) if twins == 1 else f"each of {twins} random twins"


def _scarce(found: HeadAlignment) -> str:
    n = len(found.not_scored)
    return f" {n} more could not be scored: {found.not_scored[0][2]}." if n else ""


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
