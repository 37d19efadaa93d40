"""The bill of each strategy as rows and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from probekit.adaptation.bill import Bill
from probekit.adaptation.comparison_judged import Judged
from probekit.results.formats import NOTHING, begin_large, format_count, format_seconds
from probekit.results.measurement import Measurement
from probekit.results.panel import Panel

COSTS: dict[str, str] = {
    "cpu_seconds_train": "cpu_train",
    "cpu_seconds_first_task": "cpu_first_task",
    "cpu_seconds_read_train": "cpu_read_train",
    "cpu_seconds_predict_1000": "cpu_predict_1000",
    "cpu_seconds_tuning": "cpu_tuning",
    "wall_seconds_train": "wall_train",
    "wall_seconds_predict": "wall_predict",
    "peak_megabytes": "peak_mb",
    "device_megabytes": "device_mb",
    "parameters_trained": "trainable",
    "parameters_stored": "stored",
    "bytes_per_task": "stored_bytes",
    "flops_train": "flops_train",
    "flops_predict": "flops_predict",
    "busy_cores_elsewhere": "busy_elsewhere",
}
"""Name of a row's metric -> where a bill has it."""
MAY_LACK = {
    "cpu_seconds_read_train": "the model is read live, its reading is part of the training",
    "device_megabytes": "no accelerator was used",
    "cpu_seconds_tuning": "nothing was tuned",
}
NOT_BILLED = "no run of this strategy with so much data was billed, or it failed"


def cost_rows(one: Judged, base: Measurement) -> Iterator[Measurement]:
    """A row per cost; `group` says whether the run had the machine's other processes beside it."""
    from dataclasses import replace

    bill = one.arm.bill
    row = replace(base, split="all", n=one.arm.n_train, n_left_out=0, unit="example")
    if bill is None:
        yield replace(row, metric="cpu_seconds_train", reason=NOT_BILLED)
        return
    row = replace(row, group=f"{base.group}, {beside(bill)}", n=bill.n_train or one.arm.n_train)
    for metric, name in COSTS.items():
        value = getattr(bill, name)
        if value is None:
            yield replace(row, metric=metric, reason=MAY_LACK.get(metric, "not measured"))
        else:
            yield replace(row, metric=metric, value=float(value), reason="")


def beside(bill: Bill) -> str:
    """Whether a bill can be trusted, as a group of a row.

    >>> beside(Bill(alone=True, busy_elsewhere=0.0))
    'alone=yes, other_work=no'
    """
    known = {True: "no", False: "yes", None: "unknown"}[bill.quiet]
    return f"alone={'yes' if bill.alone else 'no'}, other_work={known}"


def cost_tables(judged: Sequence[Judged], name: str, task: str) -> list[Panel]:
    """What each strategy took in time, and what in memory, parameters, bytes and arithmetic."""
    billed = [(one.name, bill) for one in judged if (bill := one.arm.bill) is not None]
    if not billed:
        return []
    told: dict[str, list[str]] = {}
    for strategy, bill in billed:
        told.setdefault(_caution(bill), []).append(strategy)
    note = " ".join(
        begin_large(caution) + (f" ({', '.join(names)})." if len(told) > 1 else ".")
        for caution, names in told.items()
    )
    times: list[list[Any]] = [
        [
            strategy,
            bill.cpu_train,
            bill.cpu_read_train,
            bill.cpu_predict_1000,
            bill.wall_train,
            tuning_told(bill),
        ]
        for strategy, bill in billed
    ]
    sizes: list[list[Any]] = [
        [strategy, _megabytes(bill.peak_mb), bill.trainable, bill.stored, bytes_told(bill.stored_bytes),
         flops_told(bill.flops_train), flops_told(bill.flops_predict)]
        for strategy, bill in billed
    ]  # fmt: skip
    time = {
        "columns": ["strategy", "CPU to train", "CPU to read texts", "CPU per 1,000 predicted", "wall to train",
                    "CPU to tune"],
        "rows": times, "formats": ["text", "seconds", "seconds", "seconds", "seconds", "text"],
    }  # fmt: skip
    size = {
        "columns": ["strategy", "peak memory", "trained parameters", "kept parameters", "one more task on disk",
                    "FLOPs to train", "FLOPs per prediction"],
        "rows": sizes, "formats": ["text", "text", "int", "int", "text", "text", "text"],
    }  # fmt: skip
    spent = (
        "One run with the settings chosen, one thread, the loading of the model included. A frozen model reads a text"
        f" once for all tasks: that is told apart, and is part of the prediction of 1,000 new texts. {note}"
    )
    kept = "Most anonymous memory of the process; parameters trained, and kept for this task; FLOPs are estimates."
    return [
        Panel("table", f"{name}-times", f"{task}: time of each strategy", spent, labels=time),
        Panel("table", f"{name}-sizes", f"{task}: memory, size and arithmetic", kept, labels=size),
    ]


def _caution(bill: Bill) -> str:
    if bill.alone:
        return f"each ran in a process of its own; {bill.told}"
    return "measured in a process that did other runs of the comparison too, so times and memory are not to be trusted"


def tuning_told(bill: Bill) -> str:
    """CPU seconds of the trials and how many there were.

    >>> tuning_told(Bill(alone=True, cpu_tuning=20.0, trials=2)), tuning_told(Bill(alone=True))
    ('20 s (2 trials)', 'nothing tuned')
    """
    if not bill.trials:
        return "nothing tuned"
    return f"{format_seconds(bill.cpu_tuning)} ({bill.trials} trial{'s' * (bill.trials > 1)})"


def bytes_told(value: float | None) -> str:
    """Bytes in the unit that suits them, powers of ten.

    >>> bytes_told(90_900_000), bytes_told(9_300), bytes_told(None)
    ('90.9 MB', '9.3 kB', '–')
    """
    if value is None:
        return NOTHING
    for size, mark in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= size:
            return f"{value / size:.3g} {mark}"
    return f"{format_count(value)} B"


def flops_told(value: float | None) -> str:
    """Floating point operations, with two digits.

    >>> flops_told(2.31e14)
    '2.3e14'
    """
    return NOTHING if value is None else f"{value:.1e}".replace("e+0", "e").replace("e+", "e")


def _megabytes(value: float | None) -> str:
    return NOTHING if value is None else f"{format_count(round(value))} MB"
