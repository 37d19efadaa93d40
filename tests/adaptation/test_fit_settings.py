"""Settings in force, and one clear line for every bad one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from probekit.adaptation import fit_settings
from probekit.adaptation.examples import Target
from probekit.adaptation.fine_tune import FineTune
from probekit.adaptation.fit_settings import class_weights, precision_in_force, settings_in_force
from probekit.errors import ConfigError

CLASSES = Target(np.array(["a", "b", "c"]))


def force(defaults: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    return settings_in_force(FineTune(**given).get_params(deep=False), defaults or {})


def test_given_beats_the_strategy_beats_the_house() -> None:
    strategy = {"rate": 1e-3, "epochs": 5, "rank": 8}
    found = force(strategy, rate=1e-2, options={"alpha": 16})
    assert (found["rate"], found["epochs"], found["warmup"], found["schedule"]) == (1e-2, 5, 0.1, "linear")
    assert found["options"] == {"rank": 8, "alpha": 16}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"epochs": 0}, "epochs must be a number above 0; got 0"),
        ({"rate": float("nan")}, "rate must be a number above 0; got nan"),
        ({"rate": "fast"}, "rate must be a number above 0; got 'fast'"),
        ({"warmup": 1.0}, "warmup must be a number from 0 up to 1; got 1.0"),
        ({"dropout": -0.1}, "dropout must be a number from 0 up to 1; got -0.1"),
        ({"weight_decay": -1}, "weight_decay must be a number at least 0; got -1"),
        ({"clip": 0}, "clip must be a number above 0, or None; got 0"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1; got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number of at least 1; got 2.5"),
        ({"accumulate": True}, "accumulate must be a whole number of at least 1; got True"),
        ({"seed": -1}, "seed must be a whole number of at least 0; got -1"),
        ({"patience": 0}, "patience must be a whole number of at least 1; got 0"),
        ({"max_pieces": 2}, "max_pieces must be a whole number of at least 3; got 2"),
        ({"pool": "men"}, "unknown pool 'men'; did you mean 'mean'"),
        ({"precision": "float16"}, "unknown precision 'float16'; did you mean"),
        ({"schedule": "slant"}, "unknown schedule 'slant'; did you mean 'slanted'"),
        ({"save_seconds": None}, "save_seconds must be a number at least 0; got None"),
    ],
)
def test_a_bad_setting_is_one_line(given: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        force(**given)


def test_balanced_weights_make_every_class_weigh_the_same() -> None:
    codes = np.array([0, 0, 0, 1, 1, 2])
    weights = class_weights("balanced", CLASSES, codes)
    assert weights == pytest.approx((6 / 9, 1.0, 2.0))
    assert np.bincount(codes, weights=np.array(weights)[codes]).tolist() == pytest.approx([2, 2, 2])


def test_a_mapping_leaves_the_others_at_1() -> None:
    assert class_weights({"b": 3}, CLASSES, np.array([0, 1, 2])) == (1.0, 3.0, 1.0)
    assert class_weights(None, CLASSES, np.array([0])) is None


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("even", "class_weight must be None, 'balanced' or a mapping"),
        ({"B": 2}, "class_weight names a label 'B' that training has not"),
        ({"a": -1}, "class_weight of 'a' must be a number of at least 0; got -1"),
        ({"a": 0, "b": 0, "c": 0}, "class_weight leaves no class with a weight above 0"),
    ],
)
def test_a_bad_class_weight_is_one_line(asked: Any, line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        class_weights(asked, CLASSES, np.array([0, 1, 2]))


def test_class_weights_are_refused_for_numbers() -> None:
    with pytest.raises(ConfigError, match="no meaning where numbers are predicted"):
        class_weights("balanced", Target(None), np.array([0.5]))


def test_bfloat16_is_refused_where_it_is_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_settings, "bfloat16_is_fast", lambda device: False)
    assert precision_in_force("auto", "cpu") == "float32"
    with pytest.raises(ConfigError, match="bfloat16 is emulated on cpu"):
        precision_in_force("bfloat16", "cpu")
    monkeypatch.setattr(fit_settings, "bfloat16_is_fast", lambda device: True)
    assert precision_in_force("auto", "cpu") == "float32"
    assert precision_in_force("bfloat16", "cpu") == "bfloat16"
