"""What makes a training another one."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from probekit.adaptation.fine_tune import FineTune
from probekit.adaptation.fit_settings import settings_in_force
from probekit.adaptation.live import Live
from probekit.adaptation.loop import Labelled
from probekit.adaptation.run_identity import run_identity
from tests.adaptation.small_tasks import labelled, live_model
from tests.tiny_models import tiny_folder


@functools.cache
def live() -> Live:
    """One model for all, never changed."""
    return live_model()


def identity(train: Labelled | None = None, *, warm: bool = False, **changed: Any) -> dict[str, Any]:
    settings = settings_in_force(
        FineTune(str(tiny_folder("bert")), **changed).get_params(deep=False), {"rate": 1e-4}
    )
    return run_identity(settings, live(), train or labelled(live()), None, warm=warm)


def test_the_same_is_the_same_and_where_it_is_kept_does_not_count() -> None:
    assert identity() == identity() == identity(checkpoint="somewhere", save_seconds=1.0)
    assert identity(rate=1e-4) == identity()  # given, or the strategy's own


def test_every_setting_and_every_bit_of_the_data_counts() -> None:
    base, train = identity(), labelled(live())
    for changed in (
        {"rate": 2e-4},
        {"options": {"k": 1}},
        {"class_weight": {1: 2.0}},
        {"clip": None},
        {"seed": 2},
    ):
        (name,) = changed
        other = identity(**changed)  # type: ignore[arg-type]
        assert {key for key in base if base[key] != other[key]} == {name}
    y = train.y.copy()
    y[0] = 1 - y[0]
    other = identity(replace(train, y=y))
    assert {key for key in base if base[key] != other[key]} == {"examples"}
    ids = (train.inputs.ids[0][:-1], *train.inputs.ids[1:])
    other = identity(replace(train, inputs=replace(train.inputs, ids=ids)))
    assert {key for key in base if base[key] != other[key]} == {"examples"}
    assert identity(warm=True)["begun with"]
