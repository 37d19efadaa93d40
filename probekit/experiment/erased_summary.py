"""What a paper would write of an erasure: where the concept is, what is left of it, and whether the model uses it."""

from __future__ import annotations

from probekit.experiment.erased_context import UNEDITED, Context
from probekit.experiment.erased_finder import Finder
from probekit.experiment.erased_rows import NORM, method_of
from probekit.experiment.erased_series import ALL_LAYERS, CONTROL_CONCEPT, Judged, Series, written
from probekit.results.formats import format_interval, format_p, format_score
from probekit.results.measurement import Measurement

LEVEL = 0.05
PAIRS = ("sentence", "target")
"""Kinds of suite in which a coin is right in half of the items."""


def sentence(found: Context, find: Finder) -> str:
    """The summary of one concept in one model: its probes, then every suite."""
    if not found.own:
        return f"{found.about.model}, {found.concept}: no eraser could be fitted."
    one = found.own[0]
    text = f"{found.about.model}: {_probes(found, find, one)}"
    for judged in found.judged:
        text += f" {_behaviour(found, find, one, judged)}"
    if not found.judged:
        text += " No suite was judged, so nothing is said of its use."
    return written(text)


def _probes(found: Context, find: Finder, one: Series) -> str:
    """Best layer of the first probe, chosen on dev; what is left there, and whether another probe still finds it."""
    probes = found.analysis.probes
    best = max(found.layers, key=lambda layer: _on_dev(found, layer, probes[0]))
    before = find.probe("probe_accuracy", best, probes[0])
    after = find.probe("probe_accuracy", best, probes[0], one.name)
    most = find.get("probe_accuracy", "", "majority")
    where = "the state that predicts the word" if found.analysis.at == "prediction" else "the word's state"
    text = (
        f"{spoken_probe(probes[0])} tells {found.concept} from {where} best at layer {best}: {_score(before)} of "
        f"words (majority {_score(most)}); after {one.name} {_score(after)}."
    )
    for probe in probes:
        left = [
            (layer, row)
            for layer in found.layers
            if (row := find.probe("encoded_after", layer, probe, one.name, "control=majority")) is not None
            and row.value is not None
            and row.value > 0
            and row.p_adjusted is not None
            and row.p_adjusted < LEVEL
        ]
        if left:
            layer, most_left = max(left, key=lambda pair: pair[1].value or 0.0)
            text += (
                f" Not all of it is gone: {spoken_probe(probe)} is still {_score(most_left)} "
                f"{_bounds(most_left)} above the majority at layer {layer}"
                f"{'' if len(left) == 1 else f' (and above it at {len(left) - 1} more)'}."
            )
    return text


def _behaviour(found: Context, find: Finder, one: Series, judged: Judged) -> str:
    suite = judged.suite.name
    unedited = find.get("accuracy", "", UNEDITED, corpus=suite)
    n, gone = (0, 0) if unedited is None else (unedited.n, unedited.n_left_out)
    left_out = f", {gone:,} more left out" if gone else ""
    text = f"On {suite} ({n:,} items of the test half{left_out}) it is right in {_score(unedited)}."
    if judged.suite.kind in PAIRS and unedited is not None and (unedited.low or 0.0) <= 0.5:
        text = f"{text[:-1]} {_bounds(unedited)}, not told from one half: there is little to lose."
    chosen = find.chosen(one, suite)
    if chosen is None or chosen.value is None:
        return f"{text} No layer could be chosen and tested."
    text += f" {_at(found, find, one, suite, chosen)}"
    others = [
        row
        for layer in found.layers
        if layer != chosen.layer
        and (row := find.used(layer, one, suite)) is not None
        and row.value is not None
    ]
    costs = [row for row in others if _clear(row) and _above(row)]
    weak = {row.layer: _not_beyond(find, row.layer, one, suite) for row in costs}
    for said, rows in (
        ("It also costs at layer {}.", [row for row in costs if not weak[row.layer]]),
        ("Accuracy rises at layer {}.", [row for row in others if _clear(row) and not _above(row)]),
        ("At layer {} no use is shown.", [row for row in others if not _clear(row)]),
    ):
        if rows:
            text += " " + said.format(_listed(rows))
    for row in costs:
        if weak[row.layer]:
            text += f" At layer {_listed([row])} it costs too, but {weak[row.layer]}."
    whole = find.used(ALL_LAYERS, one, suite)
    if whole is not None:
        after = find.get("accuracy", ALL_LAYERS, one.name, corpus=suite)
        text += (
            f" Scrubbed from every layer it is right in {_score(after)}: {_lost(found)} {_score(whole)} "
            f"{_bounds(whole)}."
        )
    return text


def _at(found: Context, find: Finder, one: Series, suite: str, chosen: Measurement) -> str:
    """What happens at the layer that was chosen on dev, on test."""
    after = find.get("accuracy", chosen.layer, one.name, corpus=suite)
    parts = [f"after {one.name} (rank {one.mean(chosen.layer, 'rank') or 0:g}) at layer {chosen.layer}, the layer "
             f"chosen on the other half, in {_score(after)}"]  # fmt: skip
    random = find.random("accuracy", chosen.layer, one, suite)
    if random is not None:
        parts.append(f"after random erasures of the same rank in {_score(random)}")
    for other in found.series:
        if other.role == CONTROL_CONCEPT and method_of(other) == method_of(one):
            beside = find.get("accuracy", chosen.layer, other.name, corpus=suite)
            parts.append(f"after {other.name} in {_score(beside)}")
    n = len(found.layers)
    p = "" if chosen.p_adjusted is None else (
        f", p {_p(chosen.p_adjusted)}, Holm-corrected over {chosen.family_size} {'layer' if n == 1 else 'layers'}"
    )  # fmt: skip
    text = f"{'; '.join(parts)}".replace("after", "After", 1)
    text += f": {_lost(found)} {_score(chosen)} {_bounds(chosen)}{p}."
    weak = _not_beyond(find, chosen.layer, one, suite, rises=not _above(chosen)) if _clear(chosen) else ""
    if weak:
        text += f" But {weak}."
    if weak or not _clear(chosen):
        text += f" So no layer is shown to use {found.concept} in this way."
    elif not _above(chosen):
        text += f" Accuracy rises: what the model does here hangs on {found.concept}, and goes against what is right."
    elif find.loss[0] == "accuracy_lost":
        text += " No random erasure was asked for, so any erasure might cost as much."
    return text


def _not_beyond(find: Finder, layer: str, one: Series, suite: str, *, rises: bool = False) -> str:
    """Why a loss (or a rise) at a layer is not laid to the concept: no probe finds it there, or another control moves
    accuracy as much; "" where neither holds."""
    found = []
    encoded = [
        row
        for probe in find.found.analysis.probes
        if (row := find.probe("encoded", layer, probe, reference="control=majority")) is not None
    ]
    if encoded and not any(_clear(row) and _above(row) for row in encoded):
        found.append(f"no probe finds {find.found.concept} there, so something else was taken away")
    for row in find.beside(layer, one, suite):
        if not _clear(row) or _above(row) is rises:
            what = row.reference.removeprefix("control=").removeprefix(CONTROL_CONCEPT).strip()
            what = "random erasure that changes as much" if what == NORM else f"{what} does"
            found.append(f"not clearly more than {what} (difference {_score(row)} {_bounds(row)})")
    return "; ".join(found)


def spoken_probe(probe: str) -> str:
    """A kind of probe in running text."""
    return {"linear": "a linear probe", "mlp": "an MLP probe"}[probe]


def _lost(found: Context) -> str:
    return "lost beyond random erasure" if found.has_random else "lost"


def _clear(row: Measurement) -> bool:
    """Whether a difference is told from 0 after correction."""
    return row.p_adjusted is not None and row.p_adjusted < LEVEL


def _above(row: Measurement) -> bool:
    return row.value is not None and row.value > 0


def _listed(rows: list[Measurement]) -> str:
    return ", ".join(f"{row.layer} ({_score(row)} {_bounds(row)})" for row in rows)


def _score(row: Measurement | None) -> str:
    return format_score(None if row is None else row.value)


def _bounds(row: Measurement) -> str:
    return format_interval(row.low, row.high)


def _on_dev(found: Context, layer: str, probe: str) -> float:
    """Accuracy of a probe on dev before erasure; below all others where it was not asked."""
    cell = found.probes.get(layer)
    right = None if cell is None else found.mean_right([cell], found.concept, probe, "dev")
    return -1.0 if right is None or not len(right) else float(right.mean())


def _p(value: float) -> str:
    text = format_p(value)
    return text if text.startswith("<") else f"= {text}"
