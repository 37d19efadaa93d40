"""One layer, one kind of probe: the task, its controls and its random twins, fitted and asked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.maths.scores import score
from probekit.probing.fitting import Target, fit_together, margins, parameter_of
from probekit.probing.problem import ProbeProblem
from probekit.results.bundle import load_bundle, save_bundle

Array = NDArray[Any]


@dataclass(frozen=True)
class LayerResult:
    """What the probes of one layer predicted.

    Attributes
    ----------
    dev, test : (probe seeds, units of the split): the task, at the chosen strength
    margin : float32 (test units,): log-odds of gold over the best other label, first probe seed; NaN for numbers
    word_type, shuffled : (seeds, test units): what probes fitted to control labels predict
    twin : (twins, test units): the task's probe over the random twins
    strength : the regularisation chosen on dev; dev_scores : strength -> dev score (mean over probe seeds)
    fits : how each fit ended (condition, seed, gradient norm where the probe has one, passes, whether it converged)
    """

    layer: str
    probe: str
    strength: float | None
    dev_scores: Mapping[str, float]
    dev: Array
    test: Array
    margin: Array
    word_type: Array
    shuffled: Array
    twin: Array
    fits: Sequence[Mapping[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def save(self, stem: Path) -> None:
        """Write the arrays and what is said of them; the JSON file, written last, marks the cell as done."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        words = {name: getattr(self, name) for name in _WORDS} | {"dev_scores": dict(self.dev_scores)}
        save_bundle(stem, arrays, words)

    @classmethod
    def load(cls, stem: Path) -> LayerResult:
        """Read what `save` wrote."""
        arrays, words = load_bundle(stem)
        given: dict[str, Any] = {**words, **arrays}
        return cls(**given)


_ARRAYS = ("dev", "test", "margin", "word_type", "shuffled", "twin")
_WORDS = ("layer", "probe", "strength", "dev_scores", "fits", "seconds")


def probe_layer(
    probe: Any,
    problem: ProbeProblem,
    acts: Activations,
    layer: str,
    *,
    twins: Sequence[Activations] = (),
    strengths: Sequence[float] | None = None,
    probe_seeds: Sequence[int] = (0,),
) -> LayerResult:
    """Fit and ask every probe of one layer.

    The strength is chosen on dev, for the task; the controls and the twins run at the chosen one. Everything that
    shares the layer's vectors is solved together. Ties on dev go to the strength given first.

    Shapes: the layer's vectors of the train units are held once, float32 (train units, dim).
    """
    begun = time.perf_counter()
    train, dev, test = (problem.of(split) for split in ("train", "dev", "test"))
    name, default = parameter_of(probe)
    grid = tuple(strengths) if strengths and name else (default,)
    fits: list[dict[str, Any]] = []

    def asked(fitted: Sequence[Any], X: Array) -> Array:
        return np.stack([_codes(one.predict(X), problem) for one in fitted])

    X = acts.gather(layer, problem.rows[train])
    X_dev = acts.gather(layer, problem.rows[dev])
    gold = problem.gold[train]
    targets = [Target(gold, strength, seed) for strength in grid for seed in probe_seeds]
    candidates = fit_together(probe, X, targets)
    on_dev = asked(candidates, X_dev).reshape(len(grid), len(probe_seeds), len(dev))
    n_labels = len(problem.labels)
    dev_scores = np.array(
        [np.mean([score(problem.metric, problem.gold[dev], p, n_labels) for p in seeds]) for seeds in on_dev]
    )
    best = int(np.nanargmax(dev_scores)) if not np.isnan(dev_scores).all() else 0
    chosen = candidates[best * len(probe_seeds) : (best + 1) * len(probe_seeds)]
    fits += [_ending(one, "task", seed) for one, seed in zip(chosen, probe_seeds, strict=True)]

    labels = [(condition, seed, values) for condition, seeds, rows in (
        ("word-type", problem.control_seeds, problem.word_type),
        ("shuffled", problem.control_seeds[:1] or (0,), problem.shuffled),
    ) for seed, values in zip(seeds, rows, strict=False)]  # fmt: skip
    controls = fit_together(probe, X, [Target(v[train], grid[best], probe_seeds[0]) for _, _, v in labels])
    fits += [
        _ending(one, condition, seed) for one, (condition, seed, _) in zip(controls, labels, strict=True)
    ]
    del X

    X_test = acts.gather(layer, problem.rows[test])
    predicted = asked(chosen, X_test)
    margin = margins(chosen[0], X_test, problem.gold[test]) if not problem.is_numeric else _nothing(len(test))
    answers = {
        condition: _stack([_codes(one.predict(X_test), problem) for one, label in zip(controls, labels, strict=True)
                           if label[0] == condition], predicted)
        for condition in ("word-type", "shuffled")
    }  # fmt: skip
    del X_test

    twin_answers = []
    for number, twin in enumerate(twins):
        X = twin.gather(layer, problem.rows[train])
        [fitted] = fit_together(probe, X, [Target(gold, grid[best], probe_seeds[0])])
        del X
        fits.append(_ending(fitted, "random-twin", number))
        twin_answers.append(_codes(fitted.predict(twin.gather(layer, problem.rows[test])), problem))

    return LayerResult(
        layer=layer,
        probe=type(probe).__name__,
        strength=grid[best],
        dev_scores={_spell(s): float(v) for s, v in zip(grid, dev_scores, strict=True) if not np.isnan(v)},
        dev=on_dev[best],
        test=predicted,
        margin=margin,
        word_type=answers["word-type"],
        shuffled=answers["shuffled"],
        twin=_stack(twin_answers, predicted),
        fits=fits,
        seconds=time.perf_counter() - begun,
    )


def _codes(predicted: Array, problem: ProbeProblem) -> Array:
    return np.asarray(predicted, dtype=np.float64 if problem.is_numeric else np.int32)


def _stack(rows: list[Array], like: Array) -> Array:
    return np.stack(rows) if rows else np.zeros((0, like.shape[1]), like.dtype)


def _nothing(n: int) -> Array:
    return np.full(n, np.nan, np.float32)


def _spell(strength: float | None) -> str:
    return "" if strength is None else f"{strength:g}"


def _ending(fitted: Any, condition: str, seed: int) -> dict[str, Any]:
    ending: dict[str, Any] = {"condition": condition, "seed": int(seed)}
    for attribute in ("gradient_norm_", "n_iter_", "n_epochs_"):
        value = getattr(fitted, attribute, None)
        if value is not None and np.ndim(value) == 0 and np.isfinite(value):
            ending[attribute.rstrip("_")] = float(value)
    if getattr(fitted, "converged_", None) is not None:
        ending["converged"] = bool(fitted.converged_)
    return ending
