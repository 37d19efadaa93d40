"""Doing one cell in this process: fit, predict, measure, write."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.store import Store
from probekit.adaptation.bill import Bill
from probekit.adaptation.bill_more import more_of
from probekit.adaptation.cell import AdaptCell, CellResult
from probekit.adaptation.feature_extract import FeatureExtract
from probekit.adaptation.fine_tune import FineTune
from probekit.adaptation.loop import TrainingFailed
from probekit.adaptation.meter import Meter
from probekit.adaptation.problem import NO_LABEL, AdaptProblem
from probekit.adaptation.strategy import Strategy, find_strategy, make_head, make_tuning
from probekit.errors import ProbekitError
from probekit.models.ref import ModelRef
from probekit.results.memory import PeakMemory

Array = NDArray[Any]
Parts = dict[str, tuple[list[Any], list[Any]]]


def do_cell_here(cell: AdaptCell, *, isolated: bool = False) -> CellResult:
    """Do a cell in this process and write its result; what goes wrong becomes the reason of a failed run.

    `isolated` says that the process is there for this cell alone, as a bill demands.
    """
    strategy = find_strategy(cell.strategy)
    problem = AdaptProblem.load(cell.problem)
    reason, retry = "", True
    with Meter() as meter:
        try:
            result = _done(cell, strategy, problem, isolated)
        except TrainingFailed as met:
            reason, retry = str(met), False
        except ProbekitError as met:
            reason = str(met)
        except MemoryError:
            reason = "out of memory; use a smaller batch_size, or a smaller model"
        except (ArithmeticError, RuntimeError, ValueError) as unforeseen:  # the other cells go on
            reason = _told(unforeseen)
    if reason:
        spent = Bill(alone=False, cpu_train=meter.cpu, wall_train=meter.wall)
        result = replace(failed_result(cell, problem, reason, retry=retry), bill=spent)
    if result.bill is not None:
        beside = {name: getattr(meter, name) for name in ("busy_elsewhere", "load_before", "load_after")}
        result = replace(result, bill=replace(result.bill, **beside))
    result.save(cell.stem)
    return result


def _told(error: Exception) -> str:
    line = next((one.strip() for one in str(error).splitlines() if one.strip()), "")
    if "alloc" in line.lower() or "out of memory" in line.lower():
        return f"out of memory ({line:.80}); use a smaller batch_size, or a smaller model"
    return f"{type(error).__name__}: {line}"


def failed_result(cell: AdaptCell, problem: AdaptProblem, reason: str, *, retry: bool = False) -> CellResult:
    """The result of a run that gave no predictions."""
    none = np.zeros((0, max(1, len(problem.labels))), np.float32)
    return _result(cell, problem, find_strategy(cell.strategy), cell.settings, none, none,
                   failed=reason, retry=retry)  # fmt: skip


def _result(
    cell: AdaptCell,
    problem: AdaptProblem,
    strategy: Strategy,
    settings: Mapping[str, Any],
    dev: Array,
    test: Array,
    **more: Any,
) -> CellResult:
    gold = {split: problem.gold[problem.units_of(split)] for split in ("dev", "test")}
    return CellResult(
        name=cell.name,
        strategy=cell.strategy,
        family=strategy.family,
        purpose=cell.purpose,
        settings=dict(settings),
        trial=cell.trial,
        seed=cell.seed,
        fraction=cell.fraction,
        model=model_label(cell.model),
        dev=dev,
        test=test,
        gold_dev=gold["dev"],
        gold_test=gold["test"],
        **more,
    )


def model_label(model: Mapping[str, Any]) -> str:
    """What a model is called in results: its name, of a folder the last part."""
    name = str(model["name"])
    return Path(name).name if Path(name).is_dir() else name


@dataclass
class _Measured:
    """What fitting cost: CPU, wall, and the reading of texts where a frozen model did it."""

    fit: Meter
    estimator: Any
    read: float | None = None


def _done(cell: AdaptCell, strategy: Strategy, problem: AdaptProblem, isolated: bool) -> CellResult:
    train = training_examples(cell, problem)
    settings = settings_of(cell, strategy, len(train))
    parts: Parts = {split: problem.part(split) for split in ("dev", "test")}
    parts["train"] = problem.take(train)
    if (
        cell.metric and len(np.unique(problem.gold[problem.units_of("dev")])) > 1
    ):  # of one label it is not defined
        settings.setdefault("metric", cell.metric)
    with PeakMemory() as memory, tempfile.TemporaryDirectory(prefix="probekit-bill-") as aside:
        # a billed frozen run reads its texts anew: what the user's store already holds would cost nothing
        store = Path(aside) / "store" if cell.billed else (cell.store or None)
        measured = _fitted(cell, strategy, settings, parts, store)
        estimator = measured.estimator
        dev = outputs_of(estimator, problem, "dev", parts["dev"][0])
        if cell.billed:  # loads a model that is loaded when first needed
            estimator.predict([_new_text(parts["dev"][0][0], problem.unit == "word")])
        cold = warm = Meter()
        with cold:
            test = outputs_of(estimator, problem, "test", parts["test"][0])
        if strategy.family == "feature-extraction" and cell.billed:
            warm = Meter()
            with warm:
                outputs_of(estimator, problem, "test", parts["test"][0])
    read_test = cold.cpu - warm.cpu if warm is not cold else None
    sizes = _sizes(estimator)
    bill = Bill(
        alone=isolated and cell.billed,
        cpu_train=measured.fit.cpu,
        wall_train=measured.fit.wall,
        cpu_predict=warm.cpu,
        wall_predict=warm.wall,
        cpu_read_train=measured.read,
        cpu_read_predict=None if read_test is None else max(0.0, read_test),
        n_train=len(train),
        n_predicted=len(parts["test"][0]),
        peak_mb=memory.peak_mb,
        trainable=sizes[0],
        stored=sizes[1],
        stored_bytes=sizes[2],
    )
    if cell.keep:
        estimator.save(cell.keep)
    kind = "pretrained"
    if cell.billed:
        more = more_of(estimator, cell, parts, settings)
        kind, bill = more.kind, replace(bill, **more.entries)
    return _result(
        cell,
        problem,
        strategy,
        settings,
        dev,
        test,
        history=tuple(getattr(estimator, "history_", ())),
        n_train=len(train),
        n_truncated=int(getattr(estimator, "n_truncated_", 0)),
        n_left_out=int(getattr(estimator, "n_left_out_", 0)),
        model_kind=kind,
        bill=bill,
    )


def _new_text(text: Any, words: bool) -> Any:
    """A text that was not read before and can be read: one said twice."""
    if isinstance(text, str):
        return f"{text} {text}"
    return tuple(f"{part} {part}" for part in text) if not words else (*text, *text)


def training_examples(cell: AdaptCell, problem: AdaptProblem) -> NDArray[np.int64]:
    """The numbers of the examples that a cell is trained on: its share, and no more than it may have."""
    share = cell.fraction
    if cell.examples:
        share = min(share, cell.examples / len(problem.examples_of("train")))
    return problem.fraction(share, cell.data_seed)


def settings_of(cell: AdaptCell, strategy: Strategy, n: int) -> dict[str, Any]:
    """The settings in force: the strategy's own, changed by the cell's, with as many epochs as steps allow.

    The least number of steps lengthens a default, never epochs that were asked for.
    """
    settings = {**strategy.defaults, **cell.settings}
    if strategy.family == "fine-tuning" and "epochs" in settings:
        size = int(settings.get("batch_size", _parameters(FineTune)["batch_size"].default))
        per_epoch = max(1, -(-n // size))
        least = 0.0 if "epochs" in cell.settings else cell.least_steps / per_epoch
        epochs = max(float(settings["epochs"]), least)
        if cell.steps:
            epochs = min(epochs, cell.steps / per_epoch)
        if epochs != settings["epochs"]:
            settings["epochs"] = epochs
    return settings


def _parameters(kind: type[Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(kind.__init__).parameters


def parted_settings(strategy: Strategy, settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the estimator, and those of the strategy alone."""
    known = _parameters(FineTune if strategy.family == "fine-tuning" else FeatureExtract)
    own = {key: value for key, value in settings.items() if key in known and key != "options"}
    options = {key: value for key, value in settings.items() if key not in known}
    return own, options | dict(settings.get("options") or {})


def check_settings(name: str, settings: Mapping[str, Any]) -> None:
    """See that a strategy has the options that are set. Raises ConfigError with the nearest name."""
    strategy = find_strategy(name)
    _, options = parted_settings(strategy, settings)
    if strategy.family == "fine-tuning":
        make_tuning(strategy, options)
    else:
        make_head(strategy, options, 0)


def make_estimator(
    cell: AdaptCell, strategy: Strategy, settings: Mapping[str, Any], store: str | Path | None
) -> Any:
    """The estimator of a cell: settings that it knows are its own, all others are options of the strategy."""
    kind: type[Any] = FineTune if strategy.family == "fine-tuning" else FeatureExtract
    own, options = parted_settings(strategy, settings)
    if kind is FeatureExtract:
        own["store"] = store
    elif not cell.billed:  # a bill of half a run would be wrong
        own["checkpoint"] = cell.stem + ".checkpoint"
    return kind(
        ModelRef.of(cell.model), strategy=cell.strategy, options=options or None, seed=cell.seed, **own
    )


def _fitted(
    cell: AdaptCell,
    strategy: Strategy,
    settings: Mapping[str, Any],
    parts: Parts,
    store: str | Path | None,
) -> _Measured:
    """Fit, and measure it. A frozen strategy that had to read texts is fitted again from the store: the difference is
    what reading costs, once per text."""
    (X, y), (X_dev, y_dev) = parts["train"], parts["dev"]

    def fit() -> tuple[Any, Meter]:
        estimator = make_estimator(cell, strategy, settings, store)
        with Meter() as meter:
            estimator.fit(X, y, X_dev, y_dev)
        return estimator, meter

    if strategy.family == "fine-tuning":
        estimator, meter = fit()
        return _Measured(meter, estimator)
    held = Store(store)
    known = held.keys()
    estimator, meter = fit()
    if held.keys() == known:
        return _Measured(meter, estimator)
    estimator, again = fit()
    return _Measured(again, estimator, max(0.0, meter.cpu - again.cpu))


def outputs_of(estimator: Any, problem: AdaptProblem, split: str, X: list[Any]) -> Array:
    """Log-probabilities float32[units, labels of the problem], or the numbers predicted float32[units, 1].

    The class of words without a label is left out, and the others make up 1 without it.
    """
    places = problem.flat_places(split)
    if problem.numeric:
        numbers = estimator.predict(X)
        flat = np.concatenate(numbers) if problem.unit == "word" else np.asarray(numbers)
        return flat[places].astype(np.float32)[:, None]
    shares = estimator.predict_proba(X)
    flat = np.concatenate(shares) if problem.unit == "word" else np.asarray(shares)
    trained = [str(label) for label in estimator.classes_]
    asked = [number for number, label in enumerate(trained) if label != NO_LABEL]
    own = flat[places][:, asked].astype(np.float64).clip(min=1e-300)
    outputs = np.full((len(places), len(problem.labels)), -np.inf, np.float32)
    column = {label: number for number, label in enumerate(problem.labels)}
    outputs[:, [column[trained[number]] for number in asked]] = np.log(own / own.sum(axis=1, keepdims=True))
    return outputs


def _sizes(estimator: Any) -> list[int | None]:
    """How many numbers were trained, and how many numbers and bytes are kept, as the estimator tells."""
    return [getattr(estimator, name, None) for name in ("n_trainable_", "n_stored_", "stored_bytes_")]


def with_tuning(result: CellResult, trials: list[CellResult]) -> CellResult:
    """A result whose bill names what its strategy's trials cost."""
    if result.bill is None:
        return result
    spent = [_spent(trial) for trial in trials]
    return replace(result, bill=replace(result.bill, cpu_tuning=sum(spent), trials=len(trials)))


def _spent(trial: CellResult) -> float:
    """CPU seconds of the fit: what a frozen model reads falls to whoever comes first, so it is no part."""
    return 0.0 if trial.bill is None else trial.bill.cpu_train or 0.0
