"""A learned weighted mean of all layers, and a linear layer on it (Peters et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.features import Features
from probekit.adaptation.frozen.parts import PlainHead, take_options
from probekit.estimators.logits import log_softmax
from probekit.estimators.mixing import MixSolution, mix_outputs, solve_mix

ARRAYS = ("weights", "coef", "intercept", "shift", "scale")
NUMBERS = ("gamma", "target_shift", "target_scale", "converged")


class StoredLayers:
    """All layers of stored states, for the solver: nothing is read before it is asked for."""

    def __init__(self, features: Features) -> None:
        self.features = features
        self.n, self.n_layers, self.dim = len(features), len(features.layers), features.dim

    def take(self, layer: int, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Some rows of a layer, by its number from the bottom."""
        return self.features.vectors(self.features.layers[layer], rows)


class ScalarMixHead(PlainHead):
    """The mix as `ScalarMixProbe` trains it, read from the store in windows."""

    def __init__(
        self,
        learning_rate: float = 5e-3,
        weight_decay: float = 0.1,
        batch_size: int = 128,
        max_epochs: int = 60,
        patience: int = 5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "learning_rate": learning_rate, "weight_decay": weight_decay, "batch_size": batch_size,
            "max_epochs": max_epochs, "patience": patience, "seed": seed,
        }  # fmt: skip

    def fit(
        self,
        features: Features,
        y: NDArray[Any],
        n_classes: int,
        features_dev: Features | None = None,
        y_dev: NDArray[Any] | None = None,
        class_weight: NDArray[np.float64] | None = None,
    ) -> None:
        """Fit on all layers; ``n_classes=0``: y are numbers. Dev says when to stop."""
        dev = None if features_dev is None else StoredLayers(features_dev)
        self.names, self.numeric = features.layers, not n_classes
        self.solution = solve_mix(
            StoredLayers(features),
            y,
            n_classes,
            dev=dev,
            y_dev=y_dev,
            class_weight=class_weight,
            **self.settings,
        )
        self.history = list(self.solution.history)
        self._count()

    def _count(self) -> None:
        self.n_trained = sum(getattr(self.solution, name).size for name in ARRAYS[:3]) + 1

    @property
    def layer_weights(self) -> dict[str, float]:
        """The share of each layer; they sum to 1."""
        return dict(zip(self.names, self.solution.weights.tolist(), strict=True))

    def outputs(self, features: Features) -> NDArray[np.float32]:
        """Log-probabilities [units, classes], or numbers [units, 1]."""
        found = mix_outputs(self.solution, StoredLayers(features))
        return found if self.numeric else log_softmax(found).astype(np.float32)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Mix, linear layer and what standardises the layers."""
        arrays = {name: getattr(self.solution, name) for name in ARRAYS}
        numbers = {name: getattr(self.solution, name) for name in NUMBERS}
        return arrays, {"layers": list(self.names), "numeric": self.numeric, "mix": numbers}

    def restore(self, arrays: Mapping[str, NDArray[Any]], words: Mapping[str, Any]) -> None:
        """Become what `state` told."""
        self.names, self.numeric = tuple(words["layers"]), words["numeric"]
        told: dict[str, Any] = {**{name: arrays[name] for name in ARRAYS}, **words["mix"]}
        self.solution = MixSolution(**told, history=())
        self._count()


def head(options: Mapping[str, Any], seed: int) -> ScalarMixHead:
    """A scalar mix; `seed` draws weights, the rows held out and the order."""
    found: ScalarMixHead = take_options("scalar-mix", ScalarMixHead, options, seed)
    return found
