"""What the analyses of stored representations ask of an extraction alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.glossary import Layer, layer_name
from probekit.results.measurement import About

Array = NDArray[Any]


def check_whole(least: int, **numbers: Any) -> None:
    """Raises ConfigError, naming it, for a number that is no whole number from `least` on.

    >>> check_whole(0, permutations=0, seed=3)
    """
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ConfigError(f"{name} must be a whole number from {least} on; got {value!r}")


def check_most(most: Any) -> None:
    """Raises ConfigError for a `max_rows` that is neither None (all rows) nor a whole number from 1 on."""
    if most is not None and (isinstance(most, bool) or not isinstance(most, int | np.integer) or most < 1):
        raise ConfigError(f"max_rows must be a whole number from 1 on, or None for all rows; got {most!r}")


def chosen_layers(acts: Activations, layers: str | int | Iterable[int | str]) -> tuple[Layer, ...]:
    """The layers asked for, from low to high; each must be stored. Raises ConfigError.

    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(2, 1, 1), layers=[0, 1])
    >>> chosen_layers(acts, [1, 0]), chosen_layers(acts, 1)
    (('0', '1'), ('1',))
    """
    if layers == "all":
        return acts.layers
    asked = [layers] if isinstance(layers, str | int) else list(layers)
    names = tuple(layer_name(layer) for layer in asked)
    for name in names:
        if name not in acts.layers:
            raise ConfigError(f"layer {name!r} is not stored here; {did_you_mean(name, acts.layers)}")
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"layers must be named once each, at least one; got {list(names)}")
    return tuple(layer for layer in acts.layers if layer in names)


def about_of(acts: Activations) -> About:
    """What the rows of an analysis of these activations say alike."""
    model = acts.model
    return About(
        corpus=str(acts.entry.about["corpus"]),
        model=str(model["name"]),
        model_kind=str(model.get("kind", "pretrained")),
        site=str(acts.recipe.get("site", "hidden")),
    )


def finite_rows(acts: Activations, layer: Layer, rows: Array) -> Array:
    """These rows of a layer, float32 [n, dim]. Raises DataError where one holds a value that is not a finite number.

    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(2, 1, 1), layers=[0, 1])
    >>> finite_rows(acts, "1", np.arange(3)).shape
    (3, 384)
    """
    X = acts.gather(layer, rows)
    bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
    if len(bad):
        raise DataError(
            f"layer {layer} of {acts.model['name']}: {len(bad)} rows hold a value that is not a finite number, first "
            f"row {int(rows[bad[0]])}; leave such words out"
        )
    return X
