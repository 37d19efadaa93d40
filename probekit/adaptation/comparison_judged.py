"""Each strategy judged: its scores on dev and test, without overlapping text, and how far its probabilities are off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from probekit.adaptation.comparison_runs import Arm, Ground
from probekit.adaptation.comparison_scores import Scores
from probekit.maths.calibration import BINNINGS, calibrated_errors, calibration_error

BINS = 15
"""Bins of the calibration error, as Guo et al. 2017 have them."""
DRAWN = 1_000_000
"""Units drawn to tell how large the error of calibrated answers is, for one run."""


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error of a strategy: the mean over seeds, and what calibrated answers would show.

    ``calibrated`` is the mean of such answers with the same confidences, ``low`` and ``high`` hold 95 % of them.
    """

    binning: str
    error: float
    calibrated: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Judged:
    """An arm with its scores; None where no run ended well, or where there is no text overlap to leave out."""

    arm: Arm
    test: Scores | None
    dev: Scores | None
    apart: Scores | None = None
    calibration: tuple[Calibration, ...] = ()
    trials: tuple[tuple[str, float, bool], ...] = field(default=())
    """Settings that were tried on dev in words, the score there, and whether they are those of the runs."""

    @property
    def name(self) -> str:
        """The strategy."""
        return self.arm.strategy


def judge_arms(arms: Sequence[Arm], ground: Ground, resamples: int) -> list[Judged]:
    """The scores of every arm."""
    whole = max((arm.fraction for arm in arms), default=1.0)
    return [
        _judge(arm, ground, resamples, number, tuned=arm.fraction == whole) for number, arm in enumerate(arms)
    ]


def constant_scores(ground: Ground, resamples: int) -> Scores:
    """The answer that needs no text, judged on test: the same for every unit, and no seed to differ by."""
    gold = ground.gold["test"]
    answers = np.full((1, len(gold)), ground.constant, np.float64 if ground.numeric else np.int64)
    return Scores(gold, answers, ground.cluster["test"], len(ground.labels), resamples=resamples, fixed=True)


def setting_told(settings: object) -> str:
    """Settings in words, by name; "defaults" where there are none.

    >>> setting_told({"rate": 0.001, "layer": "last"})
    'layer=last, rate=0.001'
    """
    if not isinstance(settings, dict) or not settings:
        return "defaults"
    return ", ".join(f"{name}={_plain(value)}" for name, value in sorted(settings.items()))


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _judge(arm: Arm, ground: Ground, resamples: int, stream: int, *, tuned: bool) -> Judged:
    """`tuned`: on this share of the data the settings were tried, so that the trials are told with it."""
    tried = []
    for trial in arm.trials if tuned else ():
        score = np.nan if trial.failed else _dev_score(trial.predicted("dev"), ground)
        # by number: a trial that may take few steps has other epochs than the runs
        tried.append((setting_told(dict(trial.settings)), score, trial.trial == arm.trial))
    if not arm.done:
        return Judged(arm, None, None, trials=tuple(tried))

    def on(split: str, keep: NDArray[np.bool_] | None = None) -> Scores:
        gold, cluster = ground.gold[split], ground.cluster[split]
        answers = np.stack([run.predicted(split) for run in arm.done])
        if keep is not None:
            gold, cluster, answers = gold[keep], cluster[keep], answers[:, keep]
        return Scores(gold, answers, cluster, len(ground.labels), stream=stream, resamples=resamples)

    own = ~ground.overlap["test"]
    apart = on("test", own) if own.any() and not own.all() else None
    binnings = () if ground.numeric else BINNINGS
    calibration = tuple(_calibration(arm, ground, binning) for binning in binnings)
    return Judged(arm, on("test"), on("dev"), apart, calibration, tuple(tried))


def _dev_score(predicted: NDArray[np.generic], ground: Ground) -> float:
    gold = ground.gold["dev"]
    return Scores(gold, predicted[None], ground.cluster["dev"], len(ground.labels)).value(ground.metric)


def _calibration(arm: Arm, ground: Ground, binning: str) -> Calibration:
    gold = ground.gold["test"]
    errors, drawn = [], []
    draws = int(np.clip(DRAWN // max(1, len(gold)), 100, 1000))
    for run in arm.done:
        confidence = run.probabilities("test").max(axis=1)
        right = run.predicted("test") == gold
        errors.append(calibration_error(confidence, right, bins=BINS, binning=binning))
        drawn.append(calibrated_errors(confidence, bins=BINS, binning=binning, draws=draws, seed=run.seed))
    low, high = np.quantile(np.stack(drawn), [0.025, 0.975], axis=1).mean(axis=1)
    return Calibration(binning, float(np.mean(errors)), float(np.mean(drawn)), float(low), float(high))
