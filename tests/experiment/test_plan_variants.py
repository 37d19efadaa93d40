"""Variants of an experiment file change what they name and leave the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.errors import ConfigError
from probekit.experiment.plan import load_plan
from probekit.experiment.plan_variants import take_variant

TEXT = """
[corpus]
generated = { train = 40, dev = 10, test = 10, seed = 3 }
[[model]]
name = "demo:minilm"
[[analysis]]
kind = "adapt"
task = "tense"
strategies = ["frozen-linear", "full"]
seeds = 5
options = { full = { epochs = 3, rate = 1e-4 } }
[[analysis]]
kind = "probe"
tasks = ["upos"]
[variant.small.corpus]
generated = { train = 9, dev = 9, test = 9 }
[[variant.small.analysis]]
seeds = 2
options = { full = { epochs = 1 } }
[variant.short]
name = "quick"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "one.toml"
    path.write_text(TEXT)
    return path


def test_without_a_variant_the_file_is_what_it_says(file: Path) -> None:
    plan, _, text = load_plan(file)
    assert plan.name == "one"
    assert plan.adaptations[0].seeds == 5
    assert text == TEXT


def test_a_variant_changes_keys_within_tables_and_lists_of_tables(file: Path) -> None:
    plan, _, _ = load_plan(f"{file}#small", ["analysis.0.seeds=4"])
    assert plan.name == "one-small"
    assert plan.corpus is not None
    assert plan.corpus.generated is not None
    assert (plan.corpus.generated.train, plan.corpus.generated.seed) == (9, 3)
    [adapt] = plan.adaptations
    assert adapt.seeds == 4, "--set has the last word"
    assert adapt.options == {"full": {"epochs": 1, "rate": 1e-4}}
    assert adapt.strategies == ["frozen-linear", "full"]
    assert plan.probes[0].tasks == ["upos"]
    assert load_plan(f"{file}#short")[0].name == "quick-short"


def test_longer_lists_of_tables_add_to_the_file() -> None:
    document = {"analysis": [{"a": 1}], "variant": {"v": {"analysis": [{"b": 2}, {"c": 3}]}}}
    assert take_variant(document, "v", "f")["analysis"] == [{"a": 1, "b": 2}, {"c": 3}]
    assert "variant" in document


def test_an_unknown_variant_is_told_with_the_nearest(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \[variant.smal\]; did you mean 'small'"):
        load_plan(f"{file}#smal")
    with pytest.raises(ConfigError, match="variants are tables"):
        take_variant({"variant": {"small": 3}}, "small", "f")
