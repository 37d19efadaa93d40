"""SyntaxGym test suites: items in conditions, conditions in regions, predictions over regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from probekit.data.formula import parse_formula
from probekit.data.json_text import list_at, read_json, text_at
from probekit.data.lines import Paths, common_name, expand
from probekit.data.suite import Condition, Item, Prediction, Suite
from probekit.errors import DataError


def read_syntaxgym(paths: Paths, *, name: str = "") -> Suite:
    """One or several suites as one; phenomenon is the file's stem, and its predictions are about its items only.

    Regions are joined as syntaxgym-core joins them: single spaces between those that are not blank, so
    "book" and ", the nurse" give "book , the nurse". A region's score is the sum over its pieces (``meta.metric``
    "sum"); suites that ask for another metric are refused. Gauthier, Hu, Wilcox, Qian and Levy 2020, "SyntaxGym: an
    online platform for targeted evaluation of language models", ACL demonstrations.
    """
    files = expand(paths)
    items: list[Item] = []
    predictions: list[Prediction] = []
    names: set[tuple[str, ...]] = set()
    for path in files:
        document = read_json(path)
        _check_metric(document.get("meta"), str(path))
        predictions += _predictions(document, path)
        meta = document.get("region_meta")
        names.add(tuple(str(value) for value in meta.values()) if isinstance(meta, dict) else ())
        for number, record in enumerate(list_at(document, "items", str(path)), 1):
            items.append(_item(record, path, record.get("item_number", number)))
    shared = names.pop() if len(names) == 1 else ()
    return Suite(name or common_name(files), tuple(items), tuple(predictions), "regions", shared)


def _check_metric(meta: Any, place: str) -> None:
    metric = meta.get("metric", "sum") if isinstance(meta, dict) else "sum"
    asked = metric if isinstance(metric, list) else [metric]
    if not set(asked) & {"sum", "all"}:
        raise DataError(
            f"{place}: meta.metric is {metric!r}; regions are scored by the sum of their pieces' surprisals, and the"
            " mean, median, range, min and max depend on the tokenizer: set it to 'sum'"
        )


def _predictions(document: dict[str, Any], path: Path) -> list[Prediction]:
    records = list_at(document, "predictions", str(path))
    found = []
    for number, record in enumerate(records, 1):
        place = f"{path}: prediction {number}"
        if record.get("type", "formula") != "formula":
            raise DataError(f"{place}: type {record['type']!r} is unknown; only 'formula' is")
        try:
            formula = parse_formula(text_at(record, "formula", place))
        except DataError as problem:
            raise DataError(
                str(problem) if str(problem).startswith(place) else f"{place}: {problem}"
            ) from None
        name = path.stem if len(records) == 1 else f"{path.stem} {number}"
        found.append(Prediction(name, formula, path.stem))
    return found


def _item(record: dict[str, Any], path: Path, number: Any) -> Item:
    place = f"{path}: item {number}"
    conditions = []
    for condition in list_at(record, "conditions", place):
        name = text_at(condition, "condition_name", place)
        where = f"{place}, condition {name!r}"
        parts = []
        for wanted, region in enumerate(list_at(condition, "regions", where), 1):
            if region.get("region_number", wanted) != wanted:
                raise DataError(f"{where}: region {wanted} expected, got {region['region_number']!r}")
            parts.append(text_at(region, "content", f"{where}, region {wanted}", empty=True))
        conditions.append(Condition.of_parts(name, parts))
    groups = {"phenomenon": path.stem}
    return Item(f"{path.stem}-{number}", tuple(conditions), "", groups, str(path))
