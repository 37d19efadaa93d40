"""A small multi-layer perceptron on the vectors of one layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.features import Features
from probekit.adaptation.frozen.parts import PlainHead, layer_of, no_class_weight, take_options
from probekit.estimators.logits import log_softmax
from probekit.estimators.networks import NetProblem, NetSolution, net_outputs, solve_mlp

NUMBERS = ("target_shift", "target_scale", "loss", "n_epochs", "converged")


class MLPHead(PlainHead):
    """A perceptron trained as `MLPProbe` is; it stops by dev where there is a dev part, else by a tenth held out."""

    def __init__(
        self,
        layer: int | str = "last",
        hidden: Sequence[int] = (100,),
        learning_rate: float = 1e-3,
        weight_decay: float = 0.3,
        max_epochs: int = 200,
        patience: int = 5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.settings = {
            "hidden": tuple(hidden), "learning_rate": learning_rate, "weight_decay": weight_decay,
            "max_epochs": max_epochs, "patience": patience, "data_seed": seed,
        }  # fmt: skip
        self.seed = seed

    def fit(
        self,
        features: Features,
        y: NDArray[Any],
        n_classes: int,
        features_dev: Features | None = None,
        y_dev: NDArray[Any] | None = None,
        class_weight: NDArray[np.float64] | None = None,
    ) -> None:
        """Fit on the vectors [units, dim] of the layer; ``n_classes=0``: y are numbers."""
        no_class_weight("frozen-mlp", class_weight)
        self.used, self.numeric = layer_of(features, self.layer), not n_classes
        held = None if features_dev is None else features_dev.vectors(self.used)
        problem = NetProblem(y=y, n_classes=n_classes, seed=self.seed, y_dev=None if held is None else y_dev)
        settings: dict[str, Any] = self.settings
        [self.net] = solve_mlp(features.vectors(self.used), [problem], X_dev=held, **settings)
        self._count()

    def _count(self) -> None:
        self.n_trained = sum(part.size for part in (*self.net.weights, *self.net.biases))

    def outputs(self, features: Features) -> NDArray[np.float32]:
        """Log-probabilities [units, classes], or numbers [units, 1]."""
        found = net_outputs(self.net, features.vectors(self.used))
        return np.asarray(found if self.numeric else log_softmax(found), np.float32)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The net, and the layer it is for."""
        net = self.net
        arrays = {"shift": net.shift, "scale": net.scale}
        for depth, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
            arrays |= {f"weight.{depth}": weight, f"bias.{depth}": bias}
        numbers = {name: getattr(net, name) for name in NUMBERS}
        return arrays, {"layer": self.used, "numeric": self.numeric, "net": numbers}

    def restore(self, arrays: Mapping[str, NDArray[Any]], words: Mapping[str, Any]) -> None:
        """Become what `state` told."""
        depth = sum(name.startswith("weight.") for name in arrays)
        self.used, self.numeric = words["layer"], words["numeric"]
        self.net = NetSolution(
            weights=tuple(arrays[f"weight.{i}"] for i in range(depth)),
            biases=tuple(arrays[f"bias.{i}"] for i in range(depth)),
            shift=arrays["shift"], scale=arrays["scale"], **words["net"],
        )  # fmt: skip
        self._count()


def head(options: Mapping[str, Any], seed: int) -> MLPHead:
    """A perceptron; `seed` draws its weights, the rows held out and the order."""
    found: MLPHead = take_options("frozen-mlp", MLPHead, options, seed)
    return found
