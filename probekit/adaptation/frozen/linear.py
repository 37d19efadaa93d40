"""Logistic (or ridge) regression on the vectors of one layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.features import Features
from probekit.adaptation.strategies.parts import no_options
from probekit.errors import ConfigError, did_you_mean
from probekit.estimators.linear import LinearProbe, LinearProbeRegressor


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


class LinearHead:
    """A linear probe over one layer."""

    def __init__(self, layer: int | str = "last", C: float = 1.0) -> None:
        self.layer, self.C = layer, C

    def fit(self, features: Features, y: NDArray[Any], n_classes: int) -> None:
        """Fit on the vectors [units, dim] of the layer; ``n_classes=0``: y are numbers."""
        self.used = layer_of(features, self.layer)
        self.probe = LinearProbe(C=self.C) if n_classes else LinearProbeRegressor()
        self.probe.fit(features.vectors(self.used), y)

    def outputs(self, features: Features) -> NDArray[np.float32]:
        """Log-probabilities [units, classes], or numbers [units, 1]."""
        X = features.vectors(self.used)
        if isinstance(self.probe, LinearProbe):
            found: NDArray[np.float32] = self.probe.predict_log_proba(X).astype(np.float32)
            return found
        return np.asarray(self.probe.predict(X), np.float32)[:, None]


def head(options: Mapping[str, Any], seed: int) -> LinearHead:
    """A linear head; it has no use for a seed."""
    no_options("frozen-linear", options, ("layer", "C"))
    return LinearHead(**options)
