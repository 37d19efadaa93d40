"""The page on experiment files names every key there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from probekit.data.strict import Strict
from probekit.experiment import plan, plan_adapt, plan_change, plan_corpus, plan_inside, plan_suites

MODULES = (plan, plan_adapt, plan_change, plan_corpus, plan_inside, plan_suites)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "experiments.md"


def tables() -> Iterator[tuple[str, str]]:
    named = [table for module in MODULES for table in vars(module).values()]
    tables = dict.fromkeys(table for table in named if isinstance(table, type) and issubclass(table, Strict))
    for table in tables:
        if table not in (Strict, plan.Plan):
            for key in table.model_fields:
                yield table.__name__, key


@pytest.mark.parametrize(("table", "key"), [pair for pair in tables() if pair[1] != "kind"])
def test_every_key_is_named(table: str, key: str) -> None:
    page = PAGE.with_name("data.md") if table == "AgreementPlan" else PAGE
    assert re.search(rf"\b{key}\b", page.read_text(encoding="utf-8")), f"{table}.{key}"
