"""The states of all layers side by side, or of the layers or numbers that serve best, and a linear probe on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.features import Features
from probekit.adaptation.frozen.linear import fit_linear, linear_outputs
from probekit.adaptation.frozen.parts import PlainHead, take_options
from probekit.errors import ConfigError, did_you_mean
from probekit.estimators.elastic_net import solve_elastic_net
from probekit.estimators.holding_out import hold_out

SELECT = ("none", "layers", "elastic-net")
HELD_BYTES = 512 * 2**20
"""A concatenation larger than this is read from the store at each pass instead of being held."""


class SideBySide:
    """Layers side by side as a matrix [units, layers*dim] that is read where it is indexed. Each layer is divided by
    its scale; `columns` picks some of the numbers.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(
        self,
        features: Features,
        layers: Sequence[str],
        scale: NDArray[np.float32],
        columns: NDArray[np.int64] | None = None,
    ) -> None:
        self.features, self.layers, self.scale, self.columns = features, tuple(layers), scale, columns
        width = len(self.layers) * features.dim if columns is None else len(columns)
        self.shape = (len(features), width)

    def __getitem__(self, rows: slice | NDArray[Any]) -> NDArray[np.float32]:
        which = np.arange(self.shape[0])[rows]
        parts = [
            self.features.vectors(layer, which) / scale
            for layer, scale in zip(self.layers, self.scale, strict=True)
        ]
        joined = np.concatenate(parts, axis=1)
        return joined if self.columns is None else joined[:, self.columns]

    def matrix(self) -> Any:
        """The numbers themselves where they fit; else itself."""
        return self[:] if 4 * self.shape[0] * self.shape[1] <= HELD_BYTES else self


class AllLayersHead(PlainHead):
    """A linear probe over several layers. ``select`` says over which:

    ``none``: all. ``layers``: the ``keep`` layers whose own linear probes do best on dev (on a fifth of the training
    examples where there is no dev part). ``elastic-net``: of all layers the numbers to which an elastic-net probe
    gives a weight (Zou & Hastie 2005); ``l1`` and ``l2`` are its penalties.
    """

    def __init__(
        self,
        select: str = "none",
        keep: int = 3,
        C: float = 1.0,
        alpha: float = 1.0,
        l1: float = 1e-3,
        l2: float = 1e-3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if select not in SELECT:
            raise ConfigError(f"all-layers: unknown select {select!r}; {did_you_mean(str(select), SELECT)}")
        if not isinstance(keep, int) or keep < 1:
            raise ConfigError(f"all-layers: keep must be a whole number above 0; got {keep!r}")
        self.select, self.keep, self.C, self.alpha, self.l1, self.l2, self.seed = (
            select, keep, C, alpha, l1, l2, seed)  # fmt: skip

    def fit(
        self,
        features: Features,
        y: NDArray[Any],
        n_classes: int,
        features_dev: Features | None = None,
        y_dev: NDArray[Any] | None = None,
        class_weight: NDArray[np.float64] | None = None,
    ) -> None:
        """Fit on the layers chosen; ``n_classes=0``: y are numbers."""
        self.numeric, self.columns = not n_classes, None
        self.used = features.layers
        if self.select == "layers":
            self.used = self._best_layers(features, y, n_classes, features_dev, y_dev, class_weight)
        self.scale = np.array([_spread(features.vectors(layer)) for layer in self.used], np.float32)
        if self.select == "elastic-net":
            self.columns = self._columns(features, y, n_classes)
        self.coef, self.intercept = fit_linear(
            self._joined(features).matrix(), y, n_classes, class_weight, C=self.C, alpha=self.alpha
        )
        self.n_trained = self.coef.size + self.intercept.size

    def _joined(self, features: Features) -> SideBySide:
        return SideBySide(features, self.used, self.scale, self.columns)

    def _best_layers(
        self,
        features: Features,
        y: NDArray[Any],
        n_classes: int,
        features_dev: Features | None,
        y_dev: NDArray[Any] | None,
        class_weight: NDArray[np.float64] | None,
    ) -> tuple[str, ...]:
        """The best few layers, from low to high; of equal ones the lower."""
        train = np.arange(len(features))
        if features_dev is None or y_dev is None:
            train, held = hold_out(len(features), 0.2, self.seed)
            features_dev, y_dev = features.take(held), y[held]
            if (
                n_classes and len(np.unique(y[train])) < n_classes
            ):  # a rare class must not be lost to the choice
                train = np.arange(len(features))
        scores = []
        for layer in features.layers:
            scale = _spread(features.vectors(layer, train))
            coef, intercept = fit_linear(
                features.vectors(layer, train) / scale,
                y[train],
                n_classes,
                class_weight,
                C=self.C,
                alpha=self.alpha,
            )
            found = linear_outputs(
                features_dev.vectors(layer) / scale, coef, intercept, numeric=not n_classes
            )
            if n_classes:
                scores.append(float((found.argmax(axis=1) == y_dev).mean()))
            else:
                scores.append(-float(np.square(found[:, 0] - y_dev).mean()))
        best = np.sort(np.argsort(-np.array(scores), kind="stable")[: self.keep])
        return tuple(features.layers[number] for number in best)

    def _columns(self, features: Features, y: NDArray[Any], n_classes: int) -> NDArray[np.int64]:
        """Numbers of the concatenation to which the elastic net gives a weight."""
        if not n_classes:
            raise ConfigError(
                "all-layers: select='elastic-net' is for classes; take 'none' or 'layers' for numbers"
            )
        X = self._joined(features).matrix()
        found = solve_elastic_net(X, y, n_classes, l1=self.l1, l2=self.l2, max_iter=200)
        columns = np.flatnonzero(np.abs(found.coef).max(axis=0) > 0)
        if not len(columns):
            raise ConfigError(f"all-layers: with l1={self.l1} no number of any layer has a weight; lower l1")
        return columns

    def outputs(self, features: Features) -> NDArray[np.float32]:
        """Log-probabilities [units, classes], or numbers [units, 1]."""
        return linear_outputs(
            self._joined(features).matrix(), self.coef, self.intercept, numeric=self.numeric
        )

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Weights, and the layers and numbers they are for."""
        arrays = {"coef": self.coef, "intercept": self.intercept, "scale": self.scale}
        if self.columns is not None:
            arrays["columns"] = self.columns
        return arrays, {"layers": list(self.used), "numeric": self.numeric}

    def restore(self, arrays: Mapping[str, NDArray[Any]], words: Mapping[str, Any]) -> None:
        """Become what `state` told."""
        self.coef, self.intercept, self.scale = arrays["coef"], arrays["intercept"], arrays["scale"]
        self.columns = arrays.get("columns")
        self.used, self.numeric = tuple(words["layers"]), words["numeric"]
        self.n_trained = self.coef.size + self.intercept.size


def _spread(X: NDArray[np.float32]) -> np.float32:
    """The root of the mean variance of the columns: what a layer is divided by, so that no layer outweighs another."""
    return np.float32(float(np.sqrt(X.var(axis=0, dtype=np.float64).mean())) or 1.0)


def head(options: Mapping[str, Any], seed: int) -> AllLayersHead:
    """A probe over layers; `seed` draws the part that chooses them where there is no dev part."""
    found: AllLayersHead = take_options("all-layers", AllLayersHead, options, seed)
    return found
