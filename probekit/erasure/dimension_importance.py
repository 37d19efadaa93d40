"""How much each dimension matters to a probe, or to a live model: left out one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from probekit.erasure.predictions import Prediction
from probekit.erasure.probe_output import Measure
from probekit.erasure.probe_scores import (
    check_probe,
    class_scores,
    is_classifier,
    is_function,
    label_code,
    label_scores,
    plain_output,
    spoken_output,
    unit_of,
)
from probekit.erasure.reference import Reference
from probekit.erasure.unit_effects import UnitEffects
from probekit.erasure.unit_importance import HowUnits, unit_importance
from probekit.erasure.word_importance import Texts
from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.glossary import Progress, silent
from probekit.models.model import Model

Array = NDArray[Any]
Ints = NDArray[np.int64]

NO_FOIL = -1


def dimension_importance(
    source: Any,
    data: Texts | Array,
    predict: Prediction | Any = None,
    *,
    layer: int | str = "0",
    how: HowUnits = "zero",
    foil: Any = None,
    measure: Measure = "margin",
    clusters: Sequence[int] | Array | None = None,
    dimensions: Sequence[int] | None = None,
    reference: Reference | None = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> UnitEffects:
    """How far a prediction moves when one dimension is set to 0 or to its mean, for every dimension, averaged.

    ``dimension_importance(probe, X, labels)`` asks a fitted probe about rows X ``[n, dim]``: its margin (or
    log-probability) for the labels, one for each row, or for what it predicts where none are given. For a linear probe
    leaving dimension d out moves the scores of the classes by ``-(x_d - fill_d) w_d``: nothing is computed anew.

    ``dimension_importance(model, texts, predict, layer=...)`` asks a live model, the dimension left out at every piece
    of a layer; 0 is the output of the embedding. See `unit_importance`.

    Parameters
    ----------
    how : "zero", or "mean": of X, or of the layer over `reference` (the texts themselves without one)
    foil, measure : as in `ProbeOutput`, for a probe
    clusters : for a probe, which sentence each row is of: intervals resample these; else rows
    dimensions : numbers (from 0); all of them where not given

    Raises ConfigError and DataError where arguments do not fit together. Li, Monroe & Jurafsky 2016.

    >>> X = np.array([[1.0, 0.0], [-1.0, 0.0], [2.0, 1.0], [-2.0, 1.0]])
    >>> probe = pk.LinearProbe().fit(X, ["a", "b", "a", "b"])
    >>> pk.dimension_importance(probe, X).order.tolist()
    [0, 1]
    """
    if isinstance(source, Model):
        if predict is None:
            raise ConfigError(
                "say what is predicted: dimension_importance(model, texts, LogOdds(...) or ProbeOutput(...))"
            )
        if foil is not None or measure != "margin" or clusters is not None:
            raise ConfigError(
                "foil, measure and clusters are for a probe and its rows; give them to ProbeOutput, or drop them"
            )
        return unit_importance(
            source, cast(Texts, data), predict, layer, site="hidden", units=dimensions, how=how, reference=reference,
            resamples=resamples, progress=progress,
        )  # fmt: skip
    if reference is not None:
        raise ConfigError("reference is for a model and texts; a probe takes the mean of X, so leave it out")
    if how not in ("zero", "mean"):
        raise ConfigError(f"unknown how {how!r}; {did_you_mean(how, ('zero', 'mean'))}")
    probe = source
    check_probe(probe, measure)
    X = _checked(probe, data)
    target = _targets(probe, X, predict)
    sentence = None if clusters is None else np.asarray(clusters)
    if sentence is not None and sentence.shape != (len(X),):
        raise DataError(
            f"{len(X)} rows, and clusters have the shape {sentence.shape}; give one number for each row"
        )
    code = NO_FOIL if foil is None else label_code(probe, foil)
    chosen = np.arange(X.shape[1]) if dimensions is None else np.asarray(dimensions, dtype=np.int64)
    if not len(chosen) or chosen.min() < 0 or chosen.max() >= X.shape[1]:
        raise ConfigError(
            f"dimensions must be numbers from 0 to {X.shape[1] - 1}, at least one; got {chosen[:10].tolist()}"
        )
    fill = np.zeros(X.shape[1]) if how == "zero" else X.mean(axis=0, dtype=np.float64)
    before = _output(probe, X, target, code, measure)
    weights = linear_weights(probe, X)
    if weights is None:
        change = _by_loop(probe, X, target, code, measure, fill, chosen, before, progress)
    else:
        change = by_weights(weights, _scores(probe, X), X, target, code, measure, fill, chosen, before)
    return UnitEffects.from_changes(
        change,
        before,
        sentence,
        units=tuple(("", int(number)) for number in chosen),
        how=f"set to {'0' if how == 'zero' else 'its mean'}",
        prediction=spoken_output(probe, measure, predict, foil),
        unit=unit_of(probe, measure),
        kind="dimension",
        clusters_are="rows" if sentence is None else "sentences",
        resamples=resamples,
    )


def linear_weights(probe: Any, X: Array) -> Array | None:
    """The weights of every class, float64 ``[classes, dim]``, of a probe whose scores are linear in X; else None.

    Two classes have the weights 0 and w. Whether it is linear is looked at on some rows, not believed by name.
    """
    if not hasattr(probe, "coef_") or not hasattr(probe, "intercept_") or is_function(probe):
        return None
    coef = np.atleast_2d(np.asarray(probe.coef_, dtype=np.float64))
    if coef.ndim != 2 or coef.shape[1] != X.shape[1]:
        return None
    if is_classifier(probe) and len(coef) == 1:
        coef = np.concatenate([np.zeros_like(coef), coef])
    some = X[:: max(1, len(X) // 16)]
    found = _scores(probe, some)
    intercept = np.atleast_1d(np.asarray(probe.intercept_, dtype=np.float64))
    if is_classifier(probe) and len(intercept) == 1:
        intercept = np.concatenate([np.zeros(1), intercept])
    made = some.astype(np.float64) @ coef.T + intercept
    near = found.shape == made.shape and np.allclose(
        found, made, rtol=1e-4, atol=1e-4 * (1 + np.abs(made).max())
    )
    return coef if near else None


def by_weights(
    weights: Array, scores: Array, X: Array, target: Ints, foil: int, measure: str, fill: Array, chosen: Array,
    before: Array,
) -> Array:  # fmt: skip
    """before - after for every row and dimension, float64 ``[n, dimensions]``, from the weights of a linear probe.

    Where the number is a difference of two scores that do not change, it is ``(x_d - fill_d) (w_d - w'_d)``; else the
    scores of all classes are moved and compared again.
    """
    moved = X[:, chosen].astype(np.float64) - fill[chosen]
    if len(weights) == 1:
        return np.asarray(moved * weights[0, chosen])
    other = 1 - target if len(weights) == 2 else np.full(len(X), foil)
    if measure == "margin" and (len(weights) == 2 or foil >= 0):
        other = np.full(len(X), foil) if foil >= 0 else other
        return np.asarray(moved * (weights[target][:, chosen] - weights[other][:, chosen]))
    change = np.empty((len(X), len(chosen)))
    for column, number in enumerate(chosen):
        after = scores - moved[:, column : column + 1] * weights[:, number]
        change[:, column] = before - label_scores(after, target, foil, measure)
    return change


def _by_loop(
    probe: Any, X: Array, target: Ints, foil: int, measure: str, fill: Array, chosen: Array, before: Array,
    progress: Progress,
) -> Array:  # fmt: skip
    """The same for any probe, which is asked once for every dimension."""
    change = np.empty((len(X), len(chosen)))
    copy = X.copy()
    for column, number in enumerate(chosen):
        progress("leaving out dimensions", column, len(chosen))
        copy[:, number] = fill[number]
        change[:, column] = before - _output(probe, copy, target, foil, measure)
        copy[:, number] = X[:, number]
    progress("leaving out dimensions", len(chosen), len(chosen))
    return change


def _scores(probe: Any, X: Array) -> Array:
    return class_scores(probe, X) if is_classifier(probe) else plain_output(probe, X)[:, None]


def _output(probe: Any, X: Array, target: Ints, foil: int, measure: str) -> Array:
    if not is_classifier(probe):
        return plain_output(probe, X)
    return label_scores(class_scores(probe, X), target, foil, measure)


def _checked(probe: Any, data: Any) -> Array:
    X = np.asarray(data)
    if X.ndim != 2 or not len(X) or X.dtype.kind != "f":
        raise DataError(
            f"X must be numbers [rows, dimensions] with at least one row; got {X.dtype} {X.shape}"
        )
    if not np.isfinite(X).all():
        raise DataError("X holds NaN or infinity; leave such rows out")
    width = getattr(probe, "n_features_in_", X.shape[1])
    if width != X.shape[1]:
        raise DataError(f"the probe reads {width} dimensions, and X has {X.shape[1]}")
    return X if X.dtype in (np.float32, np.float64) else X.astype(np.float32)


def _targets(probe: Any, X: Array, labels: Any) -> Ints:
    if not is_classifier(probe):
        if labels is not None:
            raise ConfigError(f"{type(probe).__name__} predicts numbers; leave the labels out")
        return np.zeros(len(X), np.int64)
    if labels is None:
        return np.asarray(np.searchsorted(probe.classes_, probe.predict(X)), dtype=np.int64)
    given = np.asarray([labels] * len(X) if isinstance(labels, str) or np.ndim(labels) == 0 else labels)
    if given.shape != (len(X),):
        raise DataError(
            f"{len(X)} rows, and labels have the shape {given.shape}; give one for each row, or one for all"
        )
    codes = {label: label_code(probe, label) for label in dict.fromkeys(given.tolist())}
    return np.array([codes[label] for label in given.tolist()], dtype=np.int64)
