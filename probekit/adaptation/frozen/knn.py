"""A vote of the nearest training examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from probekit.adaptation.features import Features
from probekit.adaptation.frozen.parts import PlainHead, layer_of, no_class_weight, take_options
from probekit.errors import ConfigError, did_you_mean

METRICS = ("euclidean", "cosine")


class NeighbourHead(PlainHead):
    """The ``k`` nearest training vectors of one layer vote, each alike; for numbers their mean.

    The share of a class is (votes + 1/classes) / (k + 1), so that none is impossible. All training vectors are kept,
    which is what such a head costs on disk.
    """

    def __init__(self, layer: int | str = "last", k: int = 10, metric: str = "euclidean") -> None:
        super().__init__()
        if metric not in METRICS:
            raise ConfigError(f"unknown metric {metric!r}; {did_you_mean(str(metric), METRICS)}")
        if not isinstance(k, int) or k < 1:
            raise ConfigError(f"k must be a whole number above 0; got {k!r}")
        self.layer, self.k, self.metric = layer, k, metric

    def fit(
        self,
        features: Features,
        y: NDArray[Any],
        n_classes: int,
        features_dev: Features | None = None,
        y_dev: NDArray[Any] | None = None,
        class_weight: NDArray[np.float64] | None = None,
    ) -> None:
        """Keep the vectors [units, dim] of the layer and their labels."""
        no_class_weight("knn", class_weight)
        self.used = layer_of(features, self.layer)
        self.vectors, self.y, self.n_classes = features.vectors(self.used), y, n_classes

    def outputs(self, features: Features) -> NDArray[np.float32]:
        """Log-probabilities [units, classes], or numbers [units, 1]."""
        k = min(self.k, len(self.vectors))
        near = NearestNeighbors(n_neighbors=k, metric=self.metric, algorithm="brute").fit(self.vectors)
        found = self.y[near.kneighbors(features.vectors(self.used), return_distance=False)]
        if not self.n_classes:
            return np.asarray(found.mean(axis=1, keepdims=True), np.float32)
        votes = np.zeros((len(found), self.n_classes))
        np.add.at(votes, (np.arange(len(found))[:, None], found), 1.0)
        return np.log((votes + 1.0 / self.n_classes) / (k + 1.0)).astype(np.float32)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The training vectors and their labels."""
        words = {"layer": self.used, "k": self.k, "metric": self.metric, "n_classes": self.n_classes}
        return {"vectors": self.vectors, "y": self.y}, words

    def restore(self, arrays: Mapping[str, NDArray[Any]], words: Mapping[str, Any]) -> None:
        """Become what `state` told."""
        self.vectors, self.y = arrays["vectors"], arrays["y"]
        self.used, self.k, self.metric = words["layer"], words["k"], words["metric"]
        self.n_classes = words["n_classes"]


def head(options: Mapping[str, Any], seed: int) -> NeighbourHead:
    """Neighbours; no use for a seed."""
    found: NeighbourHead = take_options("knn", NeighbourHead, options)
    return found
