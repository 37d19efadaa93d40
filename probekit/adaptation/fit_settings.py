"""The settings of a fine-tuning run: what is given, else what the strategy is published with, else the house's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.adaptation.dev_score import metric_in_force
from probekit.adaptation.examples import Target
from probekit.adaptation.inputs import POOLS
from probekit.adaptation.loop import LoopPlan
from probekit.adaptation.schedule import check_schedule
from probekit.errors import ConfigError, did_you_mean
from probekit.models.training.loop import bfloat16_is_fast

PRECISIONS = ("auto", "float32", "bfloat16")
HOUSE = {"epochs": 3, "rate": 1e-4, "schedule": "linear", "warmup": 0.1, "weight_decay": 0.01}
"""What holds where neither the estimator nor its strategy says anything."""


def params_given(estimator: Any) -> dict[str, Any]:
    """The parameters of an estimator as they are now. ConfigError where ``options`` is no mapping."""
    found: dict[str, Any] = estimator.get_params(deep=False)
    if not isinstance(found["options"], Mapping | None):
        raise ConfigError(f"options is a mapping from names to values, or None; got {found['options']!r:.60}")
    return {**found, "options": None if found["options"] is None else dict(found["options"])}


def check_seed(seed: Any) -> None:
    """ConfigError for what no generator can be begun with."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigError(f"seed must be a whole number of at least 0; got {seed!r}")
    if seed >= 2**63:
        raise ConfigError(f"seed must lie below 2**63; got {seed!r}")


def settings_in_force(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """All settings, None replaced; ``options`` are the strategy's, its defaults included. Raises ConfigError."""
    found = {key: value.item() if isinstance(value, np.generic) else value for key, value in given.items()}
    for name, house in HOUSE.items():
        if found[name] is None:
            found[name] = defaults.get(name, house)
    own = {key: value for key, value in defaults.items() if key not in given}
    found["options"] = {**own, **(given["options"] or {})}
    _check(found)
    return found


def _check(found: Mapping[str, Any]) -> None:
    for name, rule, good in (
        ("epochs", "above 0", lambda v: v > 0),
        ("rate", "above 0", lambda v: v > 0),
        ("weight_decay", "at least 0", lambda v: v >= 0),
        ("warmup", "from 0 up to 1", lambda v: 0 <= v < 1),
        ("dropout", "from 0 up to 1", lambda v: 0 <= v < 1),
        ("save_seconds", "at least 0", lambda v: v >= 0),
        ("clip", "above 0, or None", lambda v: v is None or v > 0),
    ):
        value = found[name]
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not ((number and np.isfinite(value)) or value is None) or not _holds(good, value):
            raise ConfigError(f"{name} must be a number {rule}; got {value!r}")
    for name, least, may_be_none in (
        ("batch_size", 1, False),
        ("accumulate", 1, False),
        ("max_pieces", 3, True),
        ("patience", 1, True),
    ):
        value = found[name]
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not (whole and value >= least) and not (may_be_none and value is None):
            raise ConfigError(f"{name} must be a whole number of at least {least}; got {value!r}")
    check_seed(found["seed"])
    check_schedule(found["schedule"])
    for name, known in (("pool", ("auto", *POOLS)), ("precision", PRECISIONS)):
        if found[name] not in known:
            raise ConfigError(f"unknown {name} {found[name]!r}; {did_you_mean(str(found[name]), known)}")


def _holds(rule: Any, value: Any) -> bool:
    try:
        return bool(rule(value))
    except TypeError:
        return False


def loop_plan(found: Mapping[str, Any], target: Target, codes: NDArray[Any], device: str) -> LoopPlan:
    """The plan of the loop from settings in force. Raises ConfigError."""
    return LoopPlan(
        epochs=found["epochs"],
        rate=found["rate"],
        batch_size=found["batch_size"],
        weight_decay=found["weight_decay"],
        warmup=found["warmup"],
        clip=found["clip"],
        seed=found["seed"],
        accumulate=found["accumulate"],
        schedule=found["schedule"],
        precision=precision_in_force(found["precision"], device),
        patience=found["patience"],
        metric=metric_in_force(found["metric"], target.numeric),
        class_weight=class_weights(found["class_weight"], target, codes),
    )


def precision_in_force(asked: str, device: str) -> str:
    """float32 or bfloat16: ``auto`` is bfloat16 on a CUDA device that multiplies it itself.

    Raises ConfigError where bfloat16 is asked for and would be emulated.
    """
    where = torch.device(device)
    if asked == "auto":
        return "bfloat16" if where.type == "cuda" and bfloat16_is_fast(where) else "float32"
    if asked == "bfloat16" and not bfloat16_is_fast(where):
        raise ConfigError(
            f"precision: bfloat16 is emulated on {device}, which is slower; use 'float32' or 'auto'"
        )
    return asked


def class_weights(asked: Any, target: Target, codes: NDArray[Any]) -> tuple[float, ...] | None:
    """A weight per class: ``balanced`` is n / (classes * count), so that every class weighs the same in all; a mapping
    from labels leaves the others at 1. Raises ConfigError for an unknown label and where numbers are predicted."""
    if asked is None:
        return None
    if target.classes is None:
        raise ConfigError("class_weight has no meaning where numbers are predicted; leave it out")
    classes = target.classes.tolist()
    if isinstance(asked, str) and asked == "balanced":
        counts = np.bincount(codes[codes >= 0], minlength=len(classes))
        return tuple(float(counts.sum() / (len(classes) * max(1, count))) for count in counts)
    if not isinstance(asked, Mapping):
        raise ConfigError(f"class_weight must be None, 'balanced' or a mapping from labels; got {asked!r}")
    for label, weight in asked.items():
        if label not in classes:
            raise ConfigError(
                f"class_weight names a label {label!r} that training has not; "
                f"{did_you_mean(str(label), [str(one) for one in classes])}"
            )
        if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 <= float(weight) < math.inf:
            raise ConfigError(f"class_weight of {label!r} must be a number of at least 0; got {weight!r}")
    found = tuple(float(asked.get(label, 1.0)) for label in classes)
    if not any(found):
        raise ConfigError("class_weight leaves no class with a weight above 0")
    return found
