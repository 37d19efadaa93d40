"""The table of strategies: every entry can be done, and tries what it may."""

from __future__ import annotations

import inspect

import pytest

import probekit as pk
from probekit.adaptation.strategy import STRATEGIES, find_strategy, make_tuning
from probekit.errors import ConfigError

FINE_TUNING = [one for one in STRATEGIES.values() if one.family == "fine-tuning"]
PARAMETERS = set(inspect.signature(pk.FineTune.__init__).parameters) - {"self"}


@pytest.mark.parametrize("strategy", FINE_TUNING, ids=lambda one: one.name)
def test_defaults_and_trials_are_settings_that_exist(strategy: object) -> None:
    assert isinstance(strategy, type(STRATEGIES["full"]))
    assert len(strategy.trials) == (1 if strategy.name == "full" else 2)
    for settings in (strategy.defaults, *strategy.trials):
        own = {key: value for key, value in settings.items() if key not in PARAMETERS}
        tuning = make_tuning(strategy, own)
        for name in ("prepare", "groups", "begin_epoch", "merge"):
            assert callable(getattr(tuning, name))
    assert {"rate", "epochs"} <= set(strategy.defaults)
    assert strategy.told
    assert not strategy.told.endswith(".")


def test_all_that_was_promised_is_there() -> None:
    assert {one.name for one in FINE_TUNING} == {
        "full", "head-only", "top-k", "gradual", "bitfit", "lora", "ia3", "prefix", "prompt", "houlsby", "pfeiffer",
        "reinit", "continued",
    }  # fmt: skip
    assert set(STRATEGIES) - {one.name for one in FINE_TUNING} == {
        "frozen-linear", "frozen-mlp", "scalar-mix", "all-layers", "bilstm", "attention-pooling", "centroid", "knn",
    }  # fmt: skip
    assert all(name == one.name for name, one in STRATEGIES.items())


@pytest.mark.parametrize(
    ("name", "family", "line"),
    [
        ("lorra", "", r"no strategy 'lorra'; did you mean 'lora'\?"),
        ("bottleneck", "fine-tuning", "no strategy 'bottleneck'; known: .*pfeiffer"),
        ("lora", "feature-extraction", "'lora' is a strategy of FineTune; known: .*centroid"),
        ("knn", "fine-tuning", "'knn' is a strategy of FeatureExtract; known: .*bitfit"),
    ],
)
def test_a_name_that_is_none(name: str, family: str, line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        find_strategy(name, family)
