"""`probekit suites`: which suites there are, what they ask, and what they hold."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from probekit.cli.common import device_option, emit, format_option, json_option, options, say

if TYPE_CHECKING:
    from probekit.data.read_suite import Stated
    from probekit.data.suite import Item, Suite

SHOWN_ITEMS = 5
SHOWN_VALUES = 12

data_options = options(
    click.option("--data", default=None, help="File, folder or glob of a published suite."),
    format_option,
)
text_options = options(
    click.option("--append", default=None, help="What every text must end in, such as ' .'."),
    click.option("--capital/--no-capital", default=None, help="Whether texts begin with a capital letter."),
)


@click.group("suites")
def command() -> None:
    """List, show, check and preview behavioural suites."""


@command.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """List the built-in suites with their questions; those of others need their data (--data)."""
    from probekit.data.read_suite import list_suites, state_suite

    stated = [state_suite(name) for name in list_suites()]
    if as_json:
        emit(
            [
                {
                    "name": s.table.name,
                    "question": s.table.question,
                    "kind": s.kind,
                    "format": s.table.format,
                    "items": s.n_items,
                }
                for s in stated
            ]
        )
        return
    width = max(len(s.table.name) for s in stated)
    for s in stated:
        has = "--data" if s.n_items is None else f"{s.n_items:,} items"
        click.echo(f"{s.table.name:<{width}}  {s.kind:<13}  {has:<11}  {s.table.question}")


@command.command("show")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what the suite NAME (built in, or a TOML file) asks, where it comes from and which way round it is."""
    from probekit.data.read_suite import state_suite

    stated = state_suite(name)
    table = stated.table
    record: dict[str, Any] = {
        "name": table.name,
        "question": table.question,
        "kind": stated.kind,
        "format": table.format or "",
        "items": stated.n_items or 0,
        "predictions": {p.name: str(p.formula) for p in stated.predictions or ()},
        "text": ", ".join(_text_rule(stated)) or "as given",
        "source": table.source,
        "licence": table.licence,
        "cite": table.cite,
        "file": str(stated.file),
    }
    if as_json:
        emit(record | {"anchors": [anchor.model_dump() for anchor in table.anchor]})
        return
    for key, value in record.items():
        if value not in ("", {}, 0):
            shown = "; ".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, dict) else value
            click.echo(f"{key:<11}  {shown}")
    for anchor in table.anchors:
        said = "must hold" if anchor.expect else "must not hold"
        for condition, text in anchor.texts.items():
            scores = [f"{v:g}" for k, v in anchor.scores.items() if k.partition(";")[2] == condition]
            bits = f"   ({', '.join(scores)} bits)" if scores else ""
            click.echo(f"anchor       {said:<13}  {condition}: {text}{bits}")


@command.command("check")
@click.argument("name")
@data_options
@click.option(
    "--model", default=None, help="Score the anchors with this model; it is warned of, never refused."
)
@click.option("--revision", default=None, help="Revision of a hub model.")
@device_option
@json_option
def check(
    name: str,
    data: str | None,
    data_format: str | None,
    model: str | None,
    revision: str | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Check the suite NAME (built in, a TOML file, or data): keys, items, formulas, anchors.

    Without --data a published suite's anchors are checked alone. A model that gets an anchor wrong is told, and is no
    error: models may be weak.
    """
    from probekit.data.read_suite import find_suite_file, load_suite, state_suite

    stated = state_suite(name) if find_suite_file(name) else None
    suite = None
    if stated is None or data is not None or not stated.table.format or stated.table.data:
        suite = load_suite(name, data=data, format=data_format)
    n = len(suite.anchors) if suite else stated.check() if stated else 0
    scored = _scored_anchors(suite or stated, model, revision, device) if model else []
    if as_json:
        emit(
            {
                "name": suite.name if suite else name,
                "items": len(suite) if suite else None,
                "anchors": n,
                "model": model,
                "scored": scored,
            }
        )
    else:
        items = f"{len(suite):,} items" if suite else "no data given"
        click.echo(f"{suite.name if suite else name}: fine ({items}, {n} anchors)")
        for anchor in scored:
            click.echo(f"anchor {anchor['anchor']}: {anchor['said']}")
    if not n:
        where = "without its data" if stated and not suite else "here"
        say(f"{name}: no anchors to check {where}")
    for anchor in scored:
        if not anchor["as_expected"]:
            say(f"warning: {model} gets anchor {anchor['anchor']} of {name} wrong: {anchor['said']}")


@command.command("preview")
@click.argument("name")
@data_options
@text_options
@json_option
def preview(
    name: str,
    data: str | None,
    data_format: str | None,
    append: str | None,
    capital: bool | None,
    as_json: bool,
) -> None:
    """Show what the suite NAME (built in, a TOML file, or data) holds: predictions, groups, some items."""
    from probekit.data.read_suite import load_suite

    suite = load_suite(name, data=data, format=data_format, append=append, capital=capital)
    groups = _groups(suite)
    shown = suite.items[:: max(1, len(suite) // SHOWN_ITEMS)][:SHOWN_ITEMS]
    if as_json:
        emit(
            {
                "name": suite.name,
                "kind": suite.kind,
                "hash": suite.hash,
                "items": len(suite),
                "clusters": _clusters(suite),
                "text_rule": suite.text_rule,
                "predictions": {p.name: str(p.formula) for p in suite.predictions},
                "groups": groups,
                "examples": [_as_record(item) for item in shown],
            }
        )
        return
    click.echo(f"{suite.name}: {suite.question or 'pairs'}")
    click.echo(
        f"{len(suite):,} items of kind {suite.kind} in {_clusters(suite):,} clusters; texts {suite.text_rule}"
    )
    for prediction in suite.predictions:
        click.echo(f"prediction  {prediction.name}: {prediction.formula}")
    for group, counts in groups.items():
        listed = [f"{value} {n:,}" for value, n in list(counts.items())[:SHOWN_VALUES]]
        more = f", and {len(counts) - SHOWN_VALUES} more" if len(counts) > SHOWN_VALUES else ""
        click.echo(f"{group}: {', '.join(listed)}{more}")
    for item in shown:
        click.echo(f"  {item.id}")
        width = max(len(condition.name) for condition in item.conditions)
        for condition in item.conditions:
            click.echo(f"    {condition.name:<{width}}  {_barred(item, condition.name)}")


def _text_rule(stated: Stated) -> list[str]:
    rule = stated.table.text
    said = ["first letter capital"] if rule.capital else []
    return said + ([f"{rule.append!r} appended"] if rule.append else [])


def _groups(suite: Suite) -> dict[str, dict[str, int]]:
    """How often each value of each group occurs; numbers in their order, others as they come."""
    counts: dict[str, dict[str, int]] = {}
    for item in suite:
        for group, value in item.groups.items():
            of = counts.setdefault(group, {})
            of[value] = of.get(value, 0) + 1
    return {
        group: dict(sorted(of.items(), key=lambda pair: int(pair[0])) if all(map(str.isdecimal, of)) else of)
        for group, of in counts.items()
    }


def _clusters(suite: Suite) -> int:
    return len({(bool(item.cluster), item.cluster or item.id) for item in suite})


def _barred(item: Item, name: str) -> str:
    """A text with bars between its regions, where it has more than one."""
    condition = item[name]
    if len(condition.regions) == 1:
        return condition.text
    parts = [condition.text[start:end] for start, end in condition.regions]
    rest = condition.text[condition.regions[-1][1] :]
    return " | ".join(parts) + rest


def _as_record(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "cluster": item.cluster,
        "groups": dict(item.groups),
        "conditions": {c.name: c.text for c in item.conditions},
        "regions": {c.name: [list(span) for span in c.regions] for c in item.conditions},
        "place": item.place,
    }


def _bits_of(bits: dict[tuple[int | str, str], float], region: int | str, condition: str) -> float:
    return bits[region, condition]


def _scored_anchors(
    of: Suite | Stated | None, model: str | None, revision: str | None, device: str | None
) -> list[dict[str, Any]]:
    """What the model makes of the anchors: verdict, margin in bits, and whether it is as expected."""
    from probekit.data.anchors import anchor_formula, anchor_item
    from probekit.models.load import load_model
    from probekit.models.scoring.asks import Ask
    from probekit.models.scoring.make import make_scorer

    if of is None or model is None or of.predictions is None:
        return []
    loaded = load_model(model, revision=revision, device=device)
    scorer = make_scorer(loaded)
    found = []
    for number, anchor in enumerate(of.anchors, 1):
        formula = anchor_formula(anchor, of.predictions, of.kind, f"anchor {number}")
        item = anchor_item(anchor, of.kind, number)
        needs = sorted(formula.needs, key=str)
        asks = [Ask(item[c].text, (item[c].span(region),), item[c].source) for region, c in needs]
        answers = scorer.score([asks])[0]
        left_out = next((answer.left_out for answer in answers if answer.left_out), "")
        bits = {need: float(answer.bits[0]) for need, answer in zip(needs, answers, strict=True)}
        verdict = formula.judge(partial(_bits_of, bits))
        said = (
            f"not scored ({left_out})"
            if left_out
            else f"{'holds' if verdict.holds else 'does not hold'} by {abs(verdict.margin):.2f} bits,"
            f"{'' if anchor.expect else ' not'} expected to hold"
        )
        found.append(
            {
                "anchor": number,
                "expect": anchor.expect,
                "holds": None if left_out else verdict.holds,
                "margin": None if left_out else verdict.margin,
                "as_expected": not left_out and verdict.holds == anchor.expect,
                "said": said,
            }
        )
    return found
