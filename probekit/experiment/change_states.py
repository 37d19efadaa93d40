"""How far states moved between two versions of a model, and how alike each layer is to itself before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.drift import state_drift
from probekit.geometry.model_similarity import model_similarity

if TYPE_CHECKING:
    from probekit.activations.activations import Activations

Array = NDArray[Any]
PERMUTATIONS = 5
"""How often sentences are shuffled, to see how alike layers are that have nothing to do with each other."""


@dataclass(frozen=True, eq=False)
class Moved:
    """How far states of one version moved.

    ``relative``, ``cosine`` float32 [layers, rows] and ``shift`` float64 [layers] as `Drift` has them, ``cluster`` the
    sentence of each row; ``cka`` float64 [4, layers]: value, low, high, and the mean when sentences are shuffled, NaN
    where it is not defined, for which ``reasons`` says why by layer. CKA is over ``n`` words.
    """

    layers: tuple[str, ...]
    relative: Array
    cosine: Array
    shift: Array
    cluster: Array
    cka: Array
    method: str = "linear CKA"
    interval: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    n: int = 0

    def arrays(self) -> dict[str, Array]:
        """All arrays, for a file."""
        return {name: getattr(self, name) for name in ("relative", "cosine", "shift", "cluster", "cka")}

    def words(self) -> dict[str, Any]:
        """What arrays cannot hold."""
        return {
            "layers": self.layers, "method": self.method, "interval": self.interval, "reasons": dict(self.reasons),
            "n": self.n,
        }  # fmt: skip

    @classmethod
    def restore(cls, arrays: Mapping[str, Array], words: Mapping[str, Any]) -> Moved:
        """Back from `arrays` and `words`."""
        named = ("method", "interval", "reasons", "n")
        given: dict[str, Any] = {**arrays, **{name: words[name] for name in named}}
        return cls(layers=tuple(words["layers"]), **given)


def moved_between(
    before: Activations, after: Activations, layers: Sequence[str], *, max_rows: int = 0
) -> Moved:
    """Compare stored states of the same words, layer by layer. Raises DataError where rows or layers differ."""
    drift = state_drift(before, after)
    alike = model_similarity(
        {"before": before, "after": after},
        "cka",
        layers=list(layers),
        max_rows=max_rows,
        permutations=PERMUTATIONS,
    )
    places = [drift.layers.index(layer) for layer in layers]
    return Moved(
        layers=tuple(layers),
        relative=drift.relative[places].astype(np.float32),
        cosine=drift.cosine[places].astype(np.float32),
        shift=drift.shift[places],
        cluster=drift.cluster.astype(np.int64),
        cka=np.stack([alike.value[0], alike.low[0], alike.high[0], alike.null[0]]),
        method=alike.method,
        interval=alike.interval,
        reasons={layer: why for (_, layer), why in alike.reasons.items()},
        n=alike.n[0],
    )
