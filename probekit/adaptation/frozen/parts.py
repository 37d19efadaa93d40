"""What heads on stored states share."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.features import Features
from probekit.errors import ConfigError, did_you_mean

WHOLE = ("batch_size", "max_epochs", "patience", "heads", "k", "keep")
"""Options that are whole numbers from 1 on; so is ``hidden``, of which a perceptron has one per hidden layer."""
ABOVE = ("C", "learning_rate")
FROM = ("alpha", "weight_decay", "l1", "l2")


class PlainHead:
    """A head on one vector per unit, fitted in one go: no epochs, no words."""

    reads_words = False

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = []
        self.n_trained = 0


def take_options(name: str, kind: type[Any], options: Mapping[str, Any], seed: int | None = None) -> Any:
    """``kind(**options)``; ConfigError for an option that it does not have, or a value that is none for it. A `seed`
    is handed on where given."""
    known = [one for one in inspect.signature(kind).parameters if one != "seed"]
    for key in options:
        if key not in known:
            raise ConfigError(f"strategy {name!r} has no option {key!r}; {did_you_mean(key, known)}")
    checked = {key: _checked(name, key, value) for key, value in options.items()}
    return kind(**checked) if seed is None else kind(**checked, seed=int(seed))


def _checked(name: str, key: str, value: Any) -> Any:
    """The value of an option as a plain one. Raises ConfigError."""
    if key == "hidden" and name == "frozen-mlp" and isinstance(value, Sequence | np.ndarray):
        if len(value) and all(_whole(one) for one in value):
            return tuple(int(one) for one in value)
        raise ConfigError(f"strategy {name!r}: hidden has whole numbers from 1 on; got {value!r}")
    if key in (*WHOLE, "hidden"):
        if not _whole(value):
            raise ConfigError(f"strategy {name!r}: {key} must be a whole number above 0; got {value!r}")
        return (int(value),) if name == "frozen-mlp" and key == "hidden" else int(value)
    for keys, rule, below in (
        (ABOVE, "above 0", math.inf),
        (FROM, "of at least 0", math.inf),
        (("dropout",), "from 0 up to 1", 1.0),
    ):
        if key in keys:
            number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
            if not 0 <= number < below or (keys is ABOVE and not number):
                raise ConfigError(f"strategy {name!r}: {key} must be a number {rule}; got {value!r}")
            return number
    return value


def _whole(value: Any) -> bool:
    """Whether it is a whole number from 1 on."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1


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
