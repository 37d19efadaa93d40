"""Probes of one layer before and after a model was adapted: the old one asked again, and one fitted anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.estimators.linear import LinearProbe
from probekit.probing.fitting import Constant, Target, fit_together

if TYPE_CHECKING:
    from probekit.activations.activations import Activations
    from probekit.probing.problem import ProbeProblem

Array = NDArray[Any]


def fit_probe(
    problem: ProbeProblem, acts: Activations, layer: str, strengths: Sequence[float]
) -> tuple[Any, float]:
    """A linear probe of the train units, its strength chosen on dev by accuracy; of equals the first."""
    train, dev = problem.of("train"), problem.of("dev")
    gold = problem.gold[train]
    fitted = fit_together(
        LinearProbe(), acts.gather(layer, problem.rows[train]), [Target(gold, C, 0) for C in strengths]
    )
    X = acts.gather(layer, problem.rows[dev])
    right = [float((ask(one, X) == problem.gold[dev]).mean()) for one in fitted]
    best = int(np.argmax(right))
    return fitted[best], strengths[best]


def ask_test(probe: Any, problem: ProbeProblem, acts: Activations, layer: str) -> Array:
    """What a probe predicts for the test units, int32 codes."""
    return ask(probe, acts.gather(layer, problem.rows[problem.of("test")]))


def ask(probe: LinearProbe | Constant, X: Array) -> Array:
    """Predicted codes of rows, int32."""
    return np.asarray(probe.predict(X), np.int32)
