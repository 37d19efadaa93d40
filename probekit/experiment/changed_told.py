"""What adaptation changed, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from probekit.experiment.change_cells import BEFORE
from probekit.experiment.change_rows import REFITTED, TRANSFERRED
from probekit.results.formats import format_interval, format_p, format_score
from probekit.results.measurement import Measurement

if TYPE_CHECKING:
    from probekit.experiment.change_rows import ProbedTask
    from probekit.experiment.changed import Changed

CALLED = {"": "Adapted to the task", "shuffled-labels": "Adapted to shuffled labels"}
SEVERAL = 2


def sentences(changed: Changed) -> dict[str, str]:
    """A text for each part that was asked for, by the title it has on the page."""
    told = {"The task": _learned(changed)} if changed.learned else {}
    told |= {f"What probes of {one.name} say": _probed(changed, one) for one in changed.probed}
    told |= {"How far states moved": _moved(changed)} if changed.moved else {}
    told |= {"Heads": _heads(changed)} if len(changed.heads) > 1 else {}
    behaviour = _suites(changed) if changed.suites and len(changed.answers) > 1 else []
    behaviour += [_surprise(changed)] if len(changed.surprise) > 1 else []
    told["Behaviour"] = " ".join([*behaviour, *changed.notes])
    return {title: text for title, text in told.items() if text}


def spell(row: Measurement | None, places: int = 3) -> str:
    """A value with its interval."""
    if row is None or row.value is None:
        return "not measured"
    bounds = format_interval(row.low, row.high) if places == 3 else ""
    return f"{format_score(row.value, places)} {bounds}".rstrip()


def tested(row: Measurement | None) -> str:
    """A difference with its interval and p."""
    if row is None or row.value is None:
        return "not measured"
    if row.p_adjusted is None:
        return spell(row)
    p = format_p(row.p_adjusted)
    family = f" (Holm over {row.family_size})" if row.family_size and row.family_size > 1 else ""
    return f"{spell(row)}, p {p if p.startswith('<') else f'= {p}'}{family}"


def listed(layers: Sequence[str], every: Sequence[str]) -> str:
    """Layers as a person names them: runs of neighbours as from-to.

    >>> listed(["1", "2", "3", "5"], ["0", "1", "2", "3", "4", "5"])
    'layers 1-3 and 5'
    """
    if len(layers) == len(every) and len(every) > 1:
        return "every layer"
    runs: list[list[str]] = []
    for layer in every:
        if layer not in layers:
            continue
        before = list(every).index(layer) - 1
        if runs and before >= 0 and runs[-1][-1] == every[before]:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    parts = [part for run in runs for part in ([f"{run[0]}-{run[-1]}"] if len(run) > SEVERAL else run)]
    words = " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
    return f"layer{'s' if len(layers) > 1 else ''} {words}"


def _learned(changed: Changed) -> str:
    metric = "pearson" if next(iter(changed.learned.values())).numeric else "accuracy"
    rows = [row for row in changed.rows if row.group == f"adapted to={changed.task}" and row.metric == metric]
    by = {row.control: row for row in rows if metric == "pearson" or not row.seeds}
    n = sum(not version.control for version in changed.versions)
    text = f"{changed.about.model} adapted to {changed.task} ({changed.strategy}, {n} seed{'s' * (n != 1)})"
    text += f" has {metric} {spell(by.get(''))} there"
    if "shuffled-labels" in by:
        text += f", adapted to shuffled labels {spell(by['shuffled-labels'])}"
    if "majority" in by:
        text += f"; the most frequent label has {spell(by['majority'])}"
    return f"{text}."


def _probed(changed: Changed, one: ProbedTask) -> str:
    from probekit.experiment.changed import FORGOTTEN, GAINED, PARTLY, REARRANGED

    parts = []
    for control in changed.controls:
        by = {layer: changed.verdict(one.name, layer, control) for layer in one.layers}
        if not any(by.values()):
            continue
        said = []
        for verdict in (FORGOTTEN, PARTLY, REARRANGED, GAINED):
            layers = [layer for layer, found in by.items() if found == verdict]
            if layers:
                said.append(f"{verdict} at {listed(layers, one.layers)}")
        text = f"{CALLED[control]}: {', '.join(said) or 'no loss shown at any layer'}"
        worst = _worst(changed, one, control)
        if worst is not None:
            was = changed.row("accuracy", f"task={one.name}, probe={BEFORE}", worst)
            old, anew = (
                changed.row("accuracy", f"task={one.name}, probe={probe}", worst, control)
                for probe in (TRANSFERRED, REFITTED)
            )
            change = tested(changed.change(one.name, worst, REFITTED, control))
            text += (
                f" (the old probe loses most at layer {worst}: before {spell(was)}, old probe {spell(old)}, fitted "
                f"anew {spell(anew)}; change of the latter {change})"
            )
        parts.append(text)
    return f"{one.name}: {'. '.join(parts)}." if parts else f"{one.name}: not measured."


def _worst(changed: Changed, one: ProbedTask, control: str) -> str | None:
    found = {
        layer: row.value
        for layer in one.layers
        if (row := changed.change(one.name, layer, TRANSFERRED, control)) is not None
        and row.value is not None
    }
    lost = {layer: value for layer, value in found.items() if value < 0}
    return min(lost, key=lambda layer: lost[layer]) if lost else None


def _moved(changed: Changed) -> str:
    layers = next(iter(changed.moved.values())).layers
    text = []
    for control in changed.controls:
        rows = [
            changed.row("relative_change", layer=layer, control=control, reference=BEFORE) for layer in layers
        ]
        there = [row for row in rows if row is not None and row.value is not None]
        if not there:
            continue
        most = max(there, key=lambda row: row.value or 0.0)
        alike = [
            row
            for row in changed.rows
            if row.metric == "cka" and row.control == control and row.value is not None
        ]
        part = f"{CALLED[control].lower()}, states move most at layer {most.layer}, by {spell(most)} of their length"
        if alike:
            least = min(alike, key=lambda row: row.value or 0.0)
            part += f"; CKA with the same layer before is lowest at layer {least.layer}, {spell(least)}"
        text.append(part)
    joined = ". ".join(part[:1].upper() + part[1:] for part in text)
    return f"{joined}." if joined else ""


def _heads(changed: Changed) -> str:
    from probekit.experiment.changed import shown

    rows = [row for row in changed.rows if row.metric == "accuracy_difference" and row.site == "heads"]
    parts = []
    for control in changed.controls:
        own = [row for row in rows if row.control == control]
        same = [row for row in own if ", head=same" in row.group]
        anew = [row for row in own if ", head=anew" in row.group]
        fewer, worse = (sum(shown(row, below=True) for row in some) for some in (same, anew))
        text = f"{CALLED[control]}: of {len(same)} heads chosen before, {fewer} {'is' if fewer == 1 else 'are'} shown "
        text += f"to follow the relation less; the best head chosen anew is shown to in {worse}"
        falls = [row for row in same if row.value is not None]
        worst = min(falls, key=lambda row: row.value or 0.0, default=None)
        if worst is not None and worst.value:
            relation = (
                worst.group.split(", head=")[0].replace("relation=", "").replace("direction=", "from the ")
            )
            text += f" (largest change: {relation}, {tested(worst)})"
        parts.append(text)
    return ". ".join(parts) + "."


def _suites(changed: Changed) -> list[str]:
    from probekit.experiment.changed import shown

    told = []
    for suite in changed.suites:
        was = changed.row("accuracy", f"version={BEFORE}", corpus=suite.name)
        parts = []
        for control in changed.controls:
            now = changed.row("accuracy", "version=after", control=control, corpus=suite.name)
            change = changed.row("accuracy_difference", "version=after", "", control, BEFORE, suite.name)
            if now is None:
                continue
            verdict = "" if shown(change) else ", no change shown"
            parts.append(f"{CALLED[control].lower()} {spell(now)} ({tested(change)}{verdict})")
        n = 0 if was is None else was.n
        told.append(f"Suite {suite.name} ({n:,} items): before {spell(was)}; {'; '.join(parts)}.")
    return told


def _surprise(changed: Changed) -> str:
    metric = next(row.metric for row in changed.rows if "bits_per_piece" in row.metric)
    name = metric.replace("bits", "perplexity")
    was = changed.row(name, f"version={BEFORE}")
    parts = []
    for control in changed.controls:
        now = changed.row(name, "version=after", control=control)
        change = changed.row(f"{metric}_difference", "version=after", control=control, reference=BEFORE)
        if now is not None and now.value is not None:
            parts.append(f"{CALLED[control].lower()} {now.value:,.4g} ({tested(change)} bits per piece)")
    n = 0 if was is None else was.n
    before = "–" if was is None or was.value is None else f"{was.value:,.4g}"
    what = "Pseudo-perplexity" if name.startswith("pseudo") else "Perplexity"
    return f"{what} per piece of {n:,} test sentences: before {before}; {'; '.join(parts)}."
