"""What a bill tells beyond the clock: loading, arithmetic, device; asked after everything else was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from probekit.adaptation.cell import AdaptCell
from probekit.adaptation.examples import read_examples
from probekit.adaptation.flops import count_flops
from probekit.adaptation.inputs import encode_inputs
from probekit.adaptation.live import Live
from probekit.adaptation.meter import Meter
from probekit.errors import ProbekitError
from probekit.models.model import Model
from probekit.models.ref import ModelRef


@dataclass(frozen=True)
class More:
    """The kind of the model, and entries for the bill."""

    kind: str
    entries: dict[str, Any]


def more_of(
    estimator: Any,
    cell: AdaptCell,
    parts: Mapping[str, tuple[list[Any], list[Any]]],
    settings: Mapping[str, Any],
) -> More:
    """Loading, arithmetic and device of a fitted estimator."""
    with Meter() as loading:
        model = ModelRef.of(cell.model).load()
    on_gpu = model.device.startswith("cuda")
    entries: dict[str, Any] = {
        "cpu_load": loading.cpu,
        "device": model.device,
        "device_mb": torch.cuda.max_memory_allocated() / 1e6 if on_gpu else None,
        **_arithmetic(estimator, model, parts, settings),
    }
    return More(model.kind, entries)


def _arithmetic(
    estimator: Any,
    model: Model,
    parts: Mapping[str, tuple[list[Any], list[Any]]],
    settings: Mapping[str, Any],
) -> dict[str, float | None]:
    """Operations of training and of predicting one example. Of a frozen model: to read the texts of training once, and
    one text; its head is not counted. None where the model is not one that `Live` takes."""
    live = getattr(estimator, "live_", None)
    try:
        if live is None:
            if model.start_piece is not None:  # the store holds the states of both stacks
                return {}
            counted, epochs = count_flops(Live(model, 1)), 0.0
        else:
            counted, epochs = count_flops(live), min(float(settings["epochs"]), len(estimator.history_))
        reader = model if live is None else live.model
        train, test = (
            encode_inputs(reader, read_examples(*parts[split], unit=estimator.unit_)).lengths
            for split in ("train", "test")
        )
    except ProbekitError:
        return {}
    trained = counted.training(train, epochs) if epochs else counted.predicting(train)
    return {"flops_train": trained, "flops_predict": counted.predicting(test) / max(1, len(test))}
