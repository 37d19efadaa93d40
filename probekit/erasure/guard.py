"""Probes trained anew before and after an erasure, on plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.erasure.concept import check_classes, checked_concept, checked_states, plain
from probekit.erasure.train_dev import check_one_kind
from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.estimators.logistic import Problem, solve_logistic
from probekit.estimators.logits import linear_logits
from probekit.estimators.networks import NetProblem, net_outputs, solve_mlp

Array = NDArray[Any]

PROBES = ("linear", "mlp")
WHEN = ("before", "after")


def guard(
    eraser: Callable[[Any], Any],
    train: tuple[Array, Any],
    test: tuple[Array, Any],
    *,
    probes: Sequence[str] = PROBES,
    C: float = 1.0,
    seeds: Sequence[int] = (0,),
    when: Sequence[str] = WHEN,
) -> dict[tuple[str, str], Array]:
    """What fresh probes predict on test before and after an erasure: (probe, "before" or "after") -> labels [seeds, n].

    `train` and `test` are pairs of states [n, dim] and labels [n]; `eraser` maps states to states and was fitted on
    train alone. ``linear`` is the `LinearProbe` at `C`, one row, for it has no seed; ``mlp`` the `MLPProbe`, a row per
    seed. Probes are trained on the erased states, not only tested on them: what is asked is whether anything is left,
    not whether an old probe is misled (Elazar et al. 2021).

    Raises ConfigError (an unknown probe), DataError (one class only, numbers, values that are not finite, widths or
    lengths that differ).

    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.normal(size=(400, 3)), np.repeat([0, 1], 200)
    >>> X[200:, 0] += 5
    >>> said = pk.guard(pk.Leace().fit(X[::2], y[::2]).eraser_, (X[::2], y[::2]), (X[1::2], y[1::2]), probes=["linear"])
    >>> [bool((said["linear", when][0] == y[1::2]).mean() > 0.9) for when in ("before", "after")]
    [True, False]
    """
    for name, known, given in (("probe", PROBES, probes), ("time", WHEN, when)):
        for one in given:
            if one not in known:
                raise ConfigError(f"no {name} {one!r}; {did_you_mean(one, known)}")
    X, X_test = checked_states(train[0]), checked_states(test[0])
    if X.shape[1] != X_test.shape[1]:
        raise DataError(f"train has width {X.shape[1]}, test has width {X_test.shape[1]}")
    y, y_test = checked_concept(train[1], len(X)), checked_concept(test[1], len(X_test))
    if y.ndim != 1 or y_test.ndim != 1:
        raise DataError(f"guardedness is asked of labels [n]; got numbers {y.shape}")
    check_one_kind(y, "train")
    classes, codes = np.unique(y, return_inverse=True)
    check_classes([plain(label) for label in classes.tolist()])
    found = {}
    for moment in when:
        here, there = (X, X_test) if moment == "before" else (eraser(X), eraser(X_test))
        for probe in probes:
            answers = _linear(here, codes, len(classes), there, C) if probe == "linear" else None
            if answers is None:
                answers = _mlp(here, codes, len(classes), there, seeds)
            found[probe, moment] = classes[answers]
    return found


def _linear(X: Array, codes: Array, classes: int, X_test: Array, C: float) -> Array:
    [one] = solve_logistic(X, [Problem(y=codes, n_classes=classes, C=C)])
    answers: Array = linear_logits(X_test, one.coef, one.intercept).argmax(axis=1)[None]
    return answers


def _mlp(X: Array, codes: Array, classes: int, X_test: Array, seeds: Sequence[int]) -> Array:
    nets = solve_mlp(X, [NetProblem(y=codes, n_classes=classes, seed=seed) for seed in seeds])
    return np.stack([net_outputs(net, X_test).argmax(axis=1) for net in nets])
