"""Adapting a model so that what changed in it can be looked at: to a task, or to the same labels shuffled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.fine_tune import FineTune
from probekit.adaptation.problem import AdaptProblem
from probekit.glossary import Progress, silent
from probekit.models.ref import ModelRef

Array = NDArray[Any]


def adapt(
    ref: ModelRef,
    problem: AdaptProblem,
    folder: Path,
    *,
    strategy: str = "full",
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    shuffled: bool = False,
    progress: Progress = silent,
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Fine-tune a model and write it to `folder` as a plain transformers folder.

    With `shuffled`, on the same training examples with their labels exchanged among them. All epochs are done, in
    either case: dev labels choose nothing, so that both are trained for as many steps. Returns what is predicted for
    the test units (gold, predicted, cluster), and the history.

    Raises ModelError where the strategy leaves no plain model, TrainingFailed where the loss is no number.
    """
    given = problem if not shuffled else with_shuffled_labels(problem, seed)
    known = FineTune().get_params()
    settings = dict(options or {})
    own = {name: settings.pop(name) for name in list(settings) if name in known}
    if "checkpoint" in known:
        own["checkpoint"] = folder.with_name(f"{folder.name}.checkpoint")
    classifier: Any = FineTune(ref, strategy, options=settings or None, seed=seed, **own)
    classifier.fit(*given.part("train"), progress=progress)
    texts, _ = problem.part("test")
    said = classifier.predict(texts)
    flat = np.concatenate([np.asarray(one) for one in said]) if problem.unit == "word" else np.asarray(said)
    flat = flat[problem.flat_places("test")]
    units = problem.units_of("test")
    place = {label: code for code, label in enumerate(problem.labels)}
    predicted = (
        flat.astype(np.float64)
        if problem.numeric
        else np.array([place.get(str(one), -1) for one in flat.tolist()], np.int32)
    )
    classifier.export(folder)
    arrays = {"gold": problem.gold[units], "predicted": predicted, "cluster": problem.cluster[units]}
    return arrays, {"history": list(classifier.history_), "n_train": len(problem.units_of("train"))}


def with_shuffled_labels(problem: AdaptProblem, seed: int) -> AdaptProblem:
    """The problem with the labels of its training units exchanged among them; each label is there as often.

    >>> from probekit.adaptation.problem import AdaptProblem
    >>> from probekit.experiment.change_adapt import with_shuffled_labels
    >>> texts, y = [f"text {number}" for number in range(40)], [0, 1] * 20
    >>> problem = AdaptProblem.of_examples(texts, y, ["train"] * 30 + ["dev"] * 5 + ["test"] * 5)
    >>> shuffled = with_shuffled_labels(problem, 0)
    >>> sorted(shuffled.gold.tolist()) == sorted(problem.gold.tolist()), (shuffled.gold == problem.gold).all()
    (True, np.False_)
    """
    gold = problem.gold.copy()
    train = problem.units_of("train")
    gold[train] = np.random.default_rng([seed, 77]).permutation(gold[train])
    return replace(problem, gold=gold)
