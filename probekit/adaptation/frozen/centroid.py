"""The class whose mean state is nearest (Rocchio's rule), with probabilities from a spherical normal around each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.features import Features
from probekit.adaptation.frozen.parts import PlainHead, layer_of, no_class_weight, only_classes, take_options
from probekit.errors import ConfigError, did_you_mean
from probekit.estimators.logits import log_softmax

METRICS = ("euclidean", "cosine")


class CentroidHead(PlainHead):
    """Means of the classes in one layer. With ``metric="cosine"`` vectors are centred and brought to length 1 first.

    Probabilities are those of equally frequent normal distributions around the means that share one variance.
    """

    def __init__(self, layer: int | str = "last", metric: str = "euclidean") -> None:
        super().__init__()
        if metric not in METRICS:
            raise ConfigError(f"unknown metric {metric!r}; {did_you_mean(str(metric), METRICS)}")
        self.layer, self.metric = layer, metric

    def fit(
        self,
        features: Features,
        y: NDArray[Any],
        n_classes: int,
        features_dev: Features | None = None,
        y_dev: NDArray[Any] | None = None,
        class_weight: NDArray[np.float64] | None = None,
    ) -> None:
        """The mean of each class over the vectors [units, dim] of the layer."""
        only_classes("centroid", n_classes)
        no_class_weight("centroid", class_weight)
        self.used = layer_of(features, self.layer)
        X = features.vectors(self.used)
        self.center = X.mean(axis=0, dtype=np.float64).astype(np.float32)
        X = self._placed(X)
        total = np.zeros((n_classes, X.shape[1]))
        np.add.at(total, y, X)
        self.means = (total / np.bincount(y, minlength=n_classes)[:, None]).astype(np.float32)
        spread = float(np.square(X - self.means[y], dtype=np.float64).mean())
        self.variance = np.array([spread or 1.0])
        self.n_trained = self.means.size + 1

    def _placed(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        X = X - self.center
        if self.metric == "cosine":
            X = X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), np.float32(1e-12))
        return X

    def outputs(self, features: Features) -> NDArray[np.float32]:
        """Log-probabilities [units, classes]."""
        X = self._placed(features.vectors(self.used))
        # |x - m|^2 without |x|^2, which is the same for all classes
        distance = np.square(self.means, dtype=np.float64).sum(axis=1) - 2.0 * (X @ self.means.T)
        return log_softmax(-distance / (2.0 * self.variance)).astype(np.float32)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The means, their common centre and variance."""
        arrays = {"means": self.means, "center": self.center, "variance": self.variance}
        return arrays, {"layer": self.used, "metric": self.metric}

    def restore(self, arrays: Mapping[str, NDArray[Any]], words: Mapping[str, Any]) -> None:
        """Become what `state` told."""
        self.means, self.center, self.variance = arrays["means"], arrays["center"], arrays["variance"]
        self.used, self.metric = words["layer"], words["metric"]
        self.n_trained = self.means.size + 1


def head(options: Mapping[str, Any], seed: int) -> CentroidHead:
    """Class means; no use for a seed."""
    found: CentroidHead = take_options("centroid", CentroidHead, options)
    return found
