"""A run folder into one page: structured parts first, then the template. No model, no clock, no network."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from probekit.glossary import SPLITS
from probekit.report.figures.sentence import draw_sentence
from probekit.report.figures.shaded_text import draw_shaded_text
from probekit.report.figures.style import COLUMN, PAGE, undrawn
from probekit.report.figures.table import draw_table
from probekit.report.live import live_views
from probekit.report.plot import DRAWINGS, data_uri, render
from probekit.results.export import to_csv
from probekit.results.formats import (
    format_count,
    format_interval,
    format_seconds,
)
from probekit.results.fragment import Fragment
from probekit.results.html import table, visible
from probekit.results.measurement import Measurement
from probekit.results.panel import Panel
from probekit.results.run import Run

SHOWN_ROWS = 400
EMBEDDED_CSV = 600_000  # bytes; a larger table is named, not carried
KEYS = 40  # characters that a caption explains
PICTURES = 1_800_000  # bytes; pages with more carry each figure once, without the narrow drawing
ROW_COLUMNS = (
    ("model", "text"), ("layer", "text"), ("method", "text"), ("control", "text"), ("group", "text"),
    ("split", "text"), ("metric", "text"), ("value", "score"), ("95% interval", "text"), ("n", "int"),
    ("left out", "int"), ("against", "text"), ("p (Holm)", "p"), ("remark", "text"),
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One panel as the page shows it: "Figure 2" or "Table 1", its content, its words."""

    kind: str
    anchor: str
    number: str
    title: str
    caption: str
    content: Fragment | None = None
    image: str = ""
    narrow: str = ""
    """The same picture drawn for one column, for a narrow screen."""
    live: Fragment | None = None
    """The same as a view that can be clicked."""
    live_note: str = ""
    """Why there is none, where one was to be expected."""


@dataclass(frozen=True)
class Facts:
    """A titled list of names and values."""

    title: str
    pairs: tuple[tuple[str, str], ...]


def build_page(run: Run) -> bytes:
    """The report of a run as one self-contained HTML file, UTF-8; the same folder gives the same bytes.

    Raises DataError where the folder is no run, StoreError where one of its files is damaged.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    info = run.info
    rows = run.measurements()
    summary = [str(sentence) for sentence in info.get("summary") or ()]
    panels = [panel for panel in run.panels() if panel.labels.get("text") not in summary]
    live = live_views(panels)
    items = [
        replace(item, live=live.frames.get(item.anchor), live_note=live.notes.get(item.anchor, ""))
        for item in _items(panels)
    ]
    environment = Environment(
        loader=PackageLoader("probekit.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.finalize = lambda value: visible(value) if isinstance(value, str) else value
    csv = to_csv(rows).encode("utf-8", "replace")
    page = environment.get_template("page.html.jinja").render(
        name=info.get("name") or run.path.name,
        question=info.get("question", ""),
        expectation=info.get("expectation", ""),
        finished=bool(info.get("finished")),
        meta=_meta(info),
        summary=summary,
        items=items,
        scripts=Fragment(f" script-src {' '.join(live.scripts)};") if live.scripts else "",
        left_out=_left_out(info),
        overlap=_overlap(info),
        failed=[(str(one.get("cell", "")), str(one.get("reason", ""))) for one in info.get("failed") or ()],
        facts=_facts(info),
        models=_models(info),
        corpora=_records(_corpora(info), first=("name", "hash", "sentences", "licence")),
        plan=_pretty(info.get("plan")),
        file=info.get("file") or "",
        rows=_measurement_table(rows[:SHOWN_ROWS]) if rows else None,
        n_rows=format_count(len(rows)),
        n_shown=format_count(min(len(rows), SHOWN_ROWS)),
        csv="data:text/csv;charset=utf-8;base64," + base64.b64encode(csv).decode()
        if rows and len(csv) <= EMBEDDED_CSV
        else "",
    )
    return page.encode("utf-8", "replace")


def _items(panels: Sequence[Panel]) -> list[Item]:
    items, counts = [], {"Figure": 0, "Table": 0}
    for panel in panels:
        words: dict[str, Any] = {"anchor": panel.name, "title": panel.title, "caption": panel.caption}
        if panel.kind == "shaded-text":
            counts["Figure"] += 1
            number = f"Figure {counts['Figure']}"
            items.append(Item("table", number=number, content=draw_shaded_text(panel), **words))
        elif panel.kind in DRAWINGS:
            counts["Figure"] += 1
            number = f"Figure {counts['Figure']}"
            image, narrow = (data_uri(render(panel, width=width)) for width in (PAGE, COLUMN))
            words["caption"] = f"{panel.caption} {_key(panel)}".strip()
            items.append(Item("figure", number=number, image=image, narrow=narrow, **words))
        elif panel.kind == "table":
            counts["Table"] += 1
            number = f"Table {counts['Table']}"
            items.append(Item("table", number=number, content=draw_table(panel), **words))
        else:
            items.append(Item("sentence", number="", content=draw_sentence(panel), **words))
    if sum(len(item.image) + len(item.narrow) for item in items) > PICTURES:
        items = [replace(item, narrow="") for item in items]
    return items


HIDDEN = {"scatter": ("names",)}
"""Labels of a kind of panel that no figure draws."""


def _key(panel: Panel) -> str:
    """What the code points in a figure stand for, where the fonts that drew it lack a character; a browser has more."""
    drawn = {key: value for key, value in panel.labels.items() if key not in HIDDEN.get(panel.kind, ())}
    missing = undrawn("".join(_texts(drawn)))
    if not missing:
        return ""
    named = ", ".join(f"U+{ord(char):04X} is {char}" for char in missing[:KEYS])
    more = f" and {len(missing) - KEYS:,} more" if len(missing) > KEYS else ""
    return f"Characters that the fonts of this figure lack are drawn as code points: {named}{more}."


def _texts(value: Any) -> Iterator[str]:
    """Every text inside lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _meta(info: Mapping[str, Any]) -> list[str]:
    """The line under the title: models, corpora, the day."""
    pretrained = [m for m in info.get("models") or () if m.get("kind") != "random"]
    parts = [", ".join(str(model.get("name", "")) for model in pretrained or info.get("models") or ())]
    parts.append(", ".join(str(corpus.get("name", "")) for corpus in info.get("corpora") or ()))
    when = info.get("finished") or info.get("started")
    parts.append(when[:10] if isinstance(when, str) else "")
    return [part for part in parts if part]


def _left_out(info: Mapping[str, Any]) -> Fragment | None:
    found = info.get("left_out") or ()
    if not found:
        return None
    lines = []
    for one in found:
        examples = one.get("examples") or ()
        texts = examples if isinstance(examples, str) else ", ".join(_plain(example) for example in examples)
        lines.append([one.get("what", ""), one.get("reason", ""), one.get("n"), texts])
    return table(["what", "reason", "n", "for example"], lines, ["text", "text", "int", "text"])


def _overlap(info: Mapping[str, Any]) -> list[str]:
    """A sentence per corpus on text that stands in two splits."""
    sentences = []
    for corpus in info.get("corpora") or ():
        overlap = corpus.get("overlap")
        counts = overlap if isinstance(overlap, Mapping) else {}
        found = [f"{name}: {_plain(n)}" for name, n in counts.items() if n]
        if overlap is not None:
            told = "; ".join(found) if found else "none"
            sentences.append(
                f"{corpus.get('name', 'corpus')}: sentences with equal text in two splits: {told}."
            )
    return sentences


def _corpora(info: Mapping[str, Any]) -> list[dict[str, Any]]:
    corpora = []
    for corpus in info.get("corpora") or ():
        fields = dict(corpus)
        sizes = fields.pop("sizes", None) or {}
        fields.pop("overlap", None)
        if sizes:
            fields["sentences"] = ", ".join(
                f"{split} {format_count(sizes[split])}" for split in sorted(sizes, key=_split_order)
            )
        corpora.append(fields)
    return corpora


def _models(info: Mapping[str, Any]) -> list[Facts]:
    """A card per model; random twins, which differ in their weights alone, share one."""
    models = info.get("models") or ()
    twins = [model for model in models if model.get("kind") == "random"]
    cards = _records(
        [model for model in models if model.get("kind") != "random"],
        ("name", "kind", "fingerprint", "revision"),
    )
    if twins:
        pairs = tuple((str(twin.get("name", "")), str(twin.get("fingerprint", ""))[:16]) for twin in twins)
        cards.append(Facts("Random twins (fingerprints begin)", pairs))
    return cards


def _records(records: Sequence[Mapping[str, Any]], first: Sequence[str]) -> list[Facts]:
    """Each record as a titled list; the fields in `first` lead, the rest follow by name."""
    cards = []
    for record in records:
        names = [name for name in first if name in record] + sorted(set(record) - set(first))
        pairs = [(name.replace("_", " "), _plain(record[name])) for name in names if name != "name"]
        cards.append(Facts(str(record.get("name", "")), tuple((name, text) for name, text in pairs if text)))
    return cards


def _facts(info: Mapping[str, Any]) -> list[Facts]:
    peak = info.get("peak_anonymous_mb")
    when = [
        ("started", _moment(info.get("started"))),
        ("finished", _moment(info.get("finished"))),
        ("took", format_seconds(info["seconds"]) if info.get("seconds") is not None else ""),
        ("device", _plain(info.get("device"))),
        ("threads", _plain(info.get("threads"))),
        ("peak memory", f"{peak:,.0f} MB" if isinstance(peak, int | float) else ""),
    ]
    known = {
        "name", "question", "expectation", "started", "finished", "seconds", "plan", "file", "versions",
        "device", "threads", "seeds", "peak_anonymous_mb", "models", "corpora", "left_out", "failed",
        "summary", "claims", "claims_not_held",
    }  # fmt: skip
    rest = [(name.replace("_", " "), _plain(info[name])) for name in sorted(set(info) - known)]
    groups = [
        Facts("Run", tuple((name, text) for name, text in when + rest if text)),
        Facts("Versions", _pairs(info.get("versions"))),
        Facts("Seeds", _pairs(info.get("seeds"))),
    ]
    return [group for group in groups if group.pairs]


def _measurement_table(rows: Sequence[Measurement]) -> Fragment:
    lines = [
        [
            row.model, row.layer, row.method, row.control, row.group, row.split, row.metric, row.value,
            format_interval(row.low, row.high), row.n, row.n_left_out, row.reference,
            "" if row.p is None else row.p_adjusted if row.p_adjusted is not None else row.p, row.reason,
        ]
        for row in rows
    ]  # fmt: skip
    names = [name for name, _ in ROW_COLUMNS]
    if all(row.p is None and not row.reference for row in rows):
        lines = [line[:11] + line[13:] for line in lines]
        names = [name for name in names if name not in ("against", "p (Holm)")]
    return table(names, lines, [how for name, how in ROW_COLUMNS if name in names])


def _pairs(mapping: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(mapping, Mapping):
        return ()
    return tuple((str(name), _plain(value)) for name, value in sorted(mapping.items()))


def _plain(value: Any) -> str:
    """Any JSON value as short readable text."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(inner) for inner in value)
    return str(value)


def _moment(value: Any) -> str:
    """An ISO time without its T."""
    return (
        value[:19].replace("T", " ") + value[19:].replace("Z", " UTC")
        if isinstance(value, str)
        else _plain(value)
    )


def _split_order(split: str) -> tuple[int, str]:
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS), split)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) if value else ""
