"""Suite files: where a published suite comes from and which way round it is meant, or a small suite as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from probekit.data.anchors import marked_condition
from probekit.data.formula import parse_formula
from probekit.data.strict import Strict, check_table, read_toml
from probekit.data.suite import (
    SENTENCE,
    TARGET,
    TARGET_REGIONS,
    Anchor,
    Condition,
    Item,
    Kind,
    Prediction,
    Suite,
)
from probekit.errors import ConfigError, DataError

Said = Annotated[str, Field(min_length=1)]
FormatName = Literal[
    "blimp", "syntaxgym", "gulordava", "linzen", "marvin-linzen", "goldberg", "cola", "pairs", "blocks"
]


class TextTable(Strict):
    """What is done to the texts."""

    append: str = ""
    capital: bool = False


class AnchorTable(Strict):
    """Texts with hand-given scores in bits, and whether the prediction must hold of them."""

    texts: dict[str, Said]
    scores: dict[str, float]
    expect: bool
    prediction: str = ""


class PredictionTable(Strict):
    """A formula and what it is about."""

    name: Said
    formula: Said
    phenomenon: str = ""


class ItemTable(Strict):
    """An item: good and bad, or any conditions; bars between spaces part the regions."""

    good: str = ""
    bad: str = ""
    conditions: dict[str, Said] = Field(default={})
    id: str = ""
    cluster: str = ""
    source: str = ""
    groups: dict[str, str | int] = Field(default={})


class GeneratedTable(Strict):
    """A suite of the agreement grammar: what `agreement_suite` takes."""

    seed: int = 0
    items: int = Field(default=20, ge=1)
    attractors: list[int] = Field(default=[0, 1, 2, 3, 4])
    constructions: list[str] | dict[str, float] = Field(default=["simple", "pp", "src", "orc"])
    nonce: bool | Literal["both"] = False


class SuiteFile(Strict):
    """A suite file as written."""

    name: Said
    question: Said
    source: str = ""
    licence: str = ""
    cite: str = ""
    format: FormatName | None = None
    generated: GeneratedTable | None = None
    data: str = ""
    kind: Literal["sentence", "target", "regions"] | None = None
    regions: list[str] = Field(default=[])
    text: TextTable = TextTable()
    prediction: list[PredictionTable] = Field(default=[])
    anchor: list[AnchorTable] = Field(default=[])
    item: list[ItemTable] = Field(default=[])

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        return tuple(Anchor(a.texts, a.scores, a.expect, a.prediction) for a in self.anchor)


def read_suite_file(path: Path) -> SuiteFile:
    """What a suite file says; ConfigError for every wrong key or value."""
    document, _ = read_toml(path)
    table = check_table(SuiteFile, document, str(path))
    if [bool(table.item), bool(table.format), table.generated is not None].count(True) != 1:
        raise ConfigError(
            f"{path}: a suite has either 'format' (and data), or [[item]] tables of its own, or 'generated'"
        )
    if not table.item and (table.prediction or table.kind or table.regions):
        raise ConfigError(
            f"{path}: 'kind', 'regions' and [[prediction]] belong to suites with [[item]] tables"
        )
    if table.data and not table.format:
        raise ConfigError(f"{path}: 'data' belongs to suites with a 'format'")
    return table


def own_suite(table: SuiteFile, path: Path) -> Suite:
    """The suite whose items stand in the file itself, or are generated as it says."""
    if table.generated is not None:
        return _generated(table, table.generated, path)
    kind: Kind = table.kind or "sentence"
    items = tuple(_item(item, number, kind, path) for number, item in enumerate(table.item, 1))
    regions = tuple(table.regions) or (TARGET_REGIONS if kind == "target" else ())
    suite = Suite(table.name, items, _predictions(table, kind, path), kind, regions)
    return with_header(suite, table)


def _generated(table: SuiteFile, given: GeneratedTable, path: Path) -> Suite:
    """The suite that the agreement grammar generates."""
    from probekit.data.agreement_suite import agreement_suite

    try:
        suite = agreement_suite(**given.model_dump(), name=table.name)
    except ConfigError as problem:
        raise ConfigError(f"{path}: generated: {problem}") from None
    header = {key: getattr(table, key) or getattr(suite, key) for key in ("source", "licence", "cite")}
    return with_header(suite, table.model_copy(update=header))


def with_header(suite: Suite, table: SuiteFile) -> Suite:
    """A suite with the question, source, licence, citation and anchors of a suite file.

    Anchors about a prediction that the data at hand lacks (one file of a folder) are not for it.
    """
    known = {prediction.name for prediction in suite.predictions}
    anchors = tuple(a for a in table.anchors if not a.prediction or a.prediction in known)
    return replace(
        suite,
        question=table.question,
        source=table.source,
        licence=table.licence,
        cite=table.cite,
        anchors=anchors if table.format else table.anchors,
    )


def _predictions(table: SuiteFile, kind: Kind, path: Path) -> tuple[Prediction, ...]:
    if not table.prediction and kind != "regions":
        return (Prediction("good over bad", SENTENCE if kind == "sentence" else TARGET),)
    found = []
    for prediction in table.prediction:
        try:
            formula = parse_formula(prediction.formula)
        except DataError as problem:
            raise ConfigError(f"{path}: prediction {prediction.name!r}: {problem}") from None
        found.append(Prediction(prediction.name, formula, prediction.phenomenon))
    return tuple(found)


def _item(table: ItemTable, number: int, kind: Kind, path: Path) -> Item:
    pair = {name: text for name, text in (("good", table.good), ("bad", table.bad)) if text}
    if bool(pair) == bool(table.conditions):
        raise ConfigError(f"{path}: item {number} has either 'good' and 'bad', or 'conditions'")
    texts = pair or table.conditions
    conditions: list[Condition] = [
        marked_condition(name, text.strip(), kind, table.source) for name, text in texts.items()
    ]
    groups = {name: str(value) for name, value in table.groups.items()}
    return Item(table.id or str(number), tuple(conditions), table.cluster, groups, str(path))
