"""How much each hidden unit of a live model matters for a prediction: neurons, heads, dimensions, one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.data.corpus import Corpus
from probekit.erasure.predictions import Look, Prediction
from probekit.erasure.reading import ON_ACCELERATOR, ON_CPU, batches, values_of
from probekit.erasure.reference import Reference, reference_means
from probekit.erasure.unit_effects import UnitEffects
from probekit.erasure.versions import as_sentences
from probekit.erasure.word_importance import Texts, is_prediction
from probekit.errors import ConfigError, did_you_mean
from probekit.glossary import Progress, Site, silent
from probekit.models.hooks import Edit, edit_all
from probekit.models.model import Model

Array = NDArray[Any]
HowUnits: TypeAlias = Literal["zero", "mean"]

NONE = -1
"""The mark of a copy in which nothing is left out."""
NAMES = {"hidden": "dimension", "attention_output": "attention output", "mlp": "neuron", "heads": "head"}


def unit_importance(
    model: Model,
    texts: Texts,
    predict: Prediction,
    layers: str | int | Iterable[int | str],
    *,
    site: Site = "mlp",
    units: Sequence[int] | None = None,
    how: HowUnits = "zero",
    reference: Reference | None = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> UnitEffects:
    """How far a prediction falls when a hidden unit is left out, for every unit of some layers, averaged over texts.

    A unit is set to 0, or to its mean, at every piece of the text; the effect is the prediction of the whole model
    minus that without the unit. Importance is the mean size of the effect, in the unit of the prediction (Li, Monroe &
    Jurafsky 2016 average the relative change, which stands in `UnitEffects.units` too). The copies of a text are rows
    of one batch, each with another unit left out.

    Parameters
    ----------
    predict : `LogOdds` or `ProbeOutput`
    site : "mlp" (neurons), "heads", "attention_output", or "hidden" (dimensions of the states)
    units : numbers of the units (from 0); all of them where not given
    how : "zero", or "mean": over the pieces of `reference`, or of the texts themselves without one
    resamples : how many times texts are drawn for the intervals

    Raises ConfigError (unknown layer, site, unit or `how`; a layer above the one a probe reads), ModelError (the
    family's sites are not known) and what the prediction raises.

    >>> model = pk.load_model("demo:minilm")
    >>> found = pk.unit_importance(
    ...     model, "The keys rust.", pk.ProbeOutput(lambda rows: rows[:, 0], 1), 1, site="heads"
    ... )
    >>> found.importance.shape
    (12,)
    """
    if not is_prediction(predict):
        raise ConfigError(
            "unit_importance needs LogOdds or ProbeOutput: a function of texts cannot see a unit left out"
        )
    if how not in get_args(HowUnits):
        raise ConfigError(f"unknown how {how!r}; {did_you_mean(how, get_args(HowUnits))}")
    wanted = model.resolve_layers(layers, site)
    sentences = as_sentences(texts)
    bound = predict.bind(model, sentences)
    _check_below(model, wanted, site, bound.layer)
    width = model.n_heads if site == "heads" else model.site_dim(site)
    chosen = _chosen(units, width, NAMES[site])
    base = bound.looks(bound.versions)
    effects, before = [], np.zeros(0)
    for layer in wanted:
        fill = _fills(model, base, layer, site, how, reference)
        marked = [_marked(look, unit) for unit in (NONE, *chosen) for look in base]
        values = values_of(bound, marked, LeaveOut(model, layer, site, fill), progress).reshape(-1, len(base))
        before = values[0]
        effects.append((values[0] - values[1:]).T)
    change = np.concatenate(effects, axis=1)
    read = np.isfinite(change).all(axis=1)
    return UnitEffects.from_changes(
        change[read],
        before[read],
        units=tuple((layer, unit) for layer in wanted for unit in chosen),
        how=f"set to {'0' if how == 'zero' else 'its mean'} at every piece",
        prediction=predict.name,
        unit=predict.unit,
        kind=NAMES[site],
        site=site,
        model=model.name,
        model_kind=model.kind,
        corpus=texts.name if isinstance(texts, Corpus) else "",
        clusters_are="texts",
        n_left_out=int((~read).sum()),
        reasons=tuple(sorted({look.left_out for look in base if look.left_out})),
        resamples=resamples,
    )


class LeaveOut:
    """Sets in every row of a batch one unit of a layer to its fill, the one that the row's mark names; -1 names none.

    ``fill`` float32 ``[units]``, for heads ``[heads, dim of a head]``.
    """

    def __init__(self, model: Model, layer: str, site: Site, fill: torch.Tensor) -> None:
        self.model, self.layer, self.site, self.fill = model, layer, site, fill

    @contextmanager
    def __call__(self, marks: torch.Tensor) -> Iterator[None]:
        row = torch.nonzero(marks[:, 0] >= 0)[:, 0]
        unit = marks[row, 0]

        def leave_out(states: torch.Tensor) -> torch.Tensor:
            left = states.clone()
            left[row, :, unit] = self.fill[unit][:, None].to(states.dtype)
            return left

        with edit_all(self.model, [Edit(self.layer, leave_out, self.site)]):
            yield


def _marked(look: Look, unit: int) -> Look:
    return replace(look, marks=tuple(np.array([unit]) for _ in look.inputs))


def _chosen(units: Sequence[int] | None, width: int, what: str) -> list[int]:
    if units is None:
        return list(range(width))
    found = [int(unit) for unit in units]
    for unit in found:
        if not 0 <= unit < width:
            raise ConfigError(f"there is no {what} {unit}: they are numbered 0 to {width - 1}")
    if not found or len(set(found)) < len(found):
        raise ConfigError(f"units must name at least one {what}, each once; got {found[:10]}")
    return found


def _check_below(model: Model, layers: Sequence[str], site: Site, read: str) -> None:
    """Refuse units that what is read does not depend on."""
    order = list(model.layers)
    for layer in layers:
        if order.index(layer) > order.index(read):
            raise ConfigError(
                f"layer {layer} ({site}) lies above layer {read}, whose states are read: leaving anything out there "
                "cannot matter; give layers up to that one"
            )


def _fills(
    model: Model, looks: Sequence[Look], layer: str, site: Site, how: HowUnits, reference: Reference | None
) -> torch.Tensor:
    """What stands in for each unit, float32 [units], or [heads, dim of a head]."""
    width = model.site_dim(site)
    if how == "zero":
        mean = torch.zeros(width)
    elif reference is not None:
        mean = torch.from_numpy(reference_means(model, reference, (layer,), site)[layer]).float()
    else:
        mean = _mean_of(model, looks, layer, site)
    return (mean.reshape(model.n_heads, -1) if site == "heads" else mean).to(model.module.device)


def _mean_of(model: Model, looks: Sequence[Look], layer: str, site: Site) -> torch.Tensor:
    """The mean of a site over the pieces of what is read."""
    inputs = list({ids.tobytes(): ids for look in looks for ids in look.inputs}.values())
    device = model.module.device
    budget = ON_CPU if device.type == "cpu" else ON_ACCELERATOR
    total, n = torch.zeros(model.site_dim(site), dtype=torch.float64), 0
    for numbers in batches([(len(ids), 0) for ids in inputs], budget):
        ids = torch.from_numpy(np.stack([inputs[i] for i in numbers])).to(device)
        states = model.states(ids, None, (layer,), site=site)[layer]
        total += states.flatten(0, 1).double().sum(0).cpu()
        n += ids.numel()
    return (total / max(1, n)).float()
