"""Results of runs made by hand: strategies of known quality on a problem of known labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probekit.adaptation.bill import Bill
from probekit.adaptation.cell import CellResult
from probekit.adaptation.problem import AdaptProblem

LABELS = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
SHARES = np.array([0.02, 0.28, 0.19, 0.13, 0.16, 0.22])


def problem(
    n_test: int = 200, n_dev: int = 100, *, metric: str = "accuracy", overlap: int = 0, seed: int = 0
) -> AdaptProblem:
    """Six classes of unequal size; the first `overlap` test texts stand in train too."""
    rng = np.random.default_rng([seed, 50])
    n_train = 300
    n = n_train + n_dev + n_test
    split = ["train"] * n_train + ["dev"] * n_dev + ["test"] * n_test
    texts = [f"text {number}" for number in range(n)]
    for number in range(overlap):
        texts[n_train + n_dev + number] = texts[number]
    y = np.array(LABELS)[rng.choice(6, size=n, p=SHARES / SHARES.sum())]
    y[: len(LABELS)] = LABELS
    return AdaptProblem.of_examples(texts, y.tolist(), split, task="questions", metric=metric)


def numbers(n_test: int = 100, metric: str = "pearson") -> AdaptProblem:
    rng = np.random.default_rng(51)
    split = ["train"] * 100 + ["dev"] * 60 + ["test"] * n_test
    return AdaptProblem.of_examples(
        [f"text {i}" for i in range(len(split))], rng.normal(size=len(split)).tolist(), split, metric=metric
    )


def answers(
    given: AdaptProblem, split: str, right: float, *, shared: float = 0.8, seed: int = 0, sure: float = 0.0
) -> np.ndarray:
    """Log-probabilities that are right for a share of the units; hard units are hard for all (`shared`)."""
    gold = given.gold[given.units_of(split)]
    n, k = len(gold), len(given.labels)
    common = np.random.default_rng([52, split == "test"]).random(n)
    rng = np.random.default_rng([53, seed, split == "test"])
    own = np.where(rng.random(n) < shared, common, rng.random(n))
    wrong = (gold + 1 + rng.integers(0, k - 1, size=n)) % k
    code = np.where(own < right, gold, wrong)
    top = np.clip(right + sure + 0.03 * rng.normal(size=n), 1 / k + 0.01, 0.999)
    out = np.repeat(((1 - top) / (k - 1))[:, None], k, axis=1)
    out[np.arange(n), code] = top
    return np.log(out).astype(np.float32)


def result(
    given: AdaptProblem, strategy: str, seed: int, dev: np.ndarray, test: np.ndarray, **how: Any
) -> CellResult:
    gold = {split: given.gold[given.units_of(split)] for split in ("dev", "test")}
    told: dict[str, Any] = {
        "name": f"{strategy}-{seed}", "family": "fine-tuning", "purpose": "run", "settings": {}, "trial": 0,
        "fraction": 1.0, "model": "demo:minilm", "n_train": len(given.examples_of("train")),
    } | how  # fmt: skip
    return CellResult(
        strategy=strategy, seed=seed, dev=dev, test=test, gold_dev=gold["dev"], gold_test=gold["test"], **told
    )


def runs(
    given: AdaptProblem,
    strategy: str,
    right: float,
    seeds: Sequence[int] = range(3),
    *,
    spread: float = 0.0,
    sure: float = 0.0,
    shared: float = 0.8,
    **how: Any,
) -> list[CellResult]:
    """A run per seed; seeds lie `spread` around the quality asked for."""
    found = []
    for seed in seeds:
        quality = right + spread * np.random.default_rng([54, seed, len(strategy)]).normal()
        draw = seed + 100 * len(strategy) + sum(map(ord, strategy))
        dev, test = (
            answers(given, part, quality, seed=draw, sure=sure, shared=shared) for part in ("dev", "test")
        )
        found.append(result(given, strategy, seed, dev, test, **how))
    return found


def failed(given: AdaptProblem, strategy: str, seed: int, why: str, **how: Any) -> CellResult:
    none = np.zeros((0, max(1, len(given.labels))), np.float32)
    return result(given, strategy, seed, none, none, failed=why, **how)


def bill(
    cpu: float, stored: int, *, read: float | None = None, alone: bool = True, busy: float | None = 0.05
) -> Bill:
    return Bill(
        alone=alone, cpu_train=cpu, wall_train=cpu * 1.01, cpu_predict=cpu / 50, wall_predict=cpu / 50, n_predicted=500,
        cpu_read_train=read, cpu_read_predict=None if read is None else read / 10, cpu_tuning=2 * cpu, trials=2,
        n_train=4906, peak_mb=640.0, trainable=stored // 4, stored=stored // 4, stored_bytes=stored, flops_train=3.2e14,
        flops_predict=1.1e9, busy_elsewhere=busy,
    )  # fmt: skip
