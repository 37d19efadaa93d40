"""What heads on stored states share."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.features import Features
from probekit.errors import ConfigError, did_you_mean


class PlainHead:
    """A head on one vector per unit, fitted in one go: no epochs, no words."""

    reads_words = False

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = []
        self.n_trained = 0


def take_options(name: str, kind: type[Any], options: Mapping[str, Any], seed: int | None = None) -> Any:
    """``kind(**options)``; ConfigError for an option that it does not have. A `seed` is handed on where given."""
    known = [one for one in inspect.signature(kind).parameters if one != "seed"]
    for key in options:
        if key not in known:
            raise ConfigError(f"strategy {name!r} has no option {key!r}; {did_you_mean(key, known)}")
    return kind(**options) if seed is None else kind(**options, seed=seed)


def layer_of(features: Features, layer: int | str) -> str:
    """The layer that ``last``, ``middle``, a number or a name stands for."""
    layers = features.layers
    if layer == "last":
        return layers[-1]
    if layer == "middle":
        return layers[len(layers) // 2]
    if str(layer) not in layers:
        raise ConfigError(f"no layer {layer!r}; {did_you_mean(str(layer), [*layers, 'last', 'middle'])}")
    return str(layer)


def only_classes(name: str, n_classes: int) -> None:
    """ConfigError where numbers are to be predicted by a head that knows classes only."""
    if not n_classes:
        raise ConfigError(
            f"strategy {name!r} predicts classes, and the labels are numbers; take frozen-linear"
        )


def no_class_weight(name: str, class_weight: NDArray[np.float64] | None) -> None:
    """ConfigError where classes are weighted and the head cannot."""
    if class_weight is not None:
        raise ConfigError(
            f"strategy {name!r} has no class weights; leave class_weight out, or take frozen-linear"
        )
