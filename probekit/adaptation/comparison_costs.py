"""The bill of each strategy as rows and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from probekit.adaptation.bill import Bill
from probekit.adaptation.comparison_judged import Judged
from probekit.results.formats import NOTHING, format_count, format_seconds
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
NOT_BILLED = "no run of this strategy was billed"


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


def cost_table(judged: Sequence[Judged], name: str, task: str) -> Panel:
    """What each strategy cost: time, memory, what is kept for one more task."""
    lines: list[list[Any]] = []
    told: dict[str, list[str]] = {}
    for one in judged:
        bill = one.arm.bill
        if bill is None:
            lines.append([one.name, *[None] * 9])
            continue
        told.setdefault(_caution(bill), []).append(one.name)
        lines.append([
            one.name, bill.cpu_train, bill.cpu_read_train, bill.cpu_predict_1000, bill.wall_train, tuning_told(bill),
            _megabytes(bill.peak_mb), bill.trainable, bytes_told(bill.stored_bytes), flops_told(bill.flops_train),
        ])  # fmt: skip
    columns = ["strategy", "CPU to train", "CPU to read texts", "CPU per 1,000 predicted", "wall to train",
               "CPU to tune", "peak memory", "trained parameters", "kept per task", "FLOPs to train"]  # fmt: skip
    formats = ["text", "seconds", "seconds", "seconds", "seconds", "text", "text", "int", "text", "text"]
    note = " ".join(
        f"{caution[0].upper()}{caution[1:]} ({', '.join(names)})." if len(told) > 1
        else f"{caution[0].upper()}{caution[1:]}."
        for caution, names in told.items()
    )  # fmt: skip
    caption = (
        "CPU seconds of one run with the settings chosen, one thread, the loading of the model included; wall time"
        " beside them. A frozen model reads a text once for all tasks: that is told apart, and is part of the"
        f" prediction of 1,000 new texts. FLOPs are estimates. {note or 'No run was billed.'}"
    )
    return Panel(
        "table", f"{name}-costs", f"{task}: what each strategy costs", caption,
        labels={"columns": columns, "rows": lines, "formats": formats},
    )  # fmt: skip


def _caution(bill: Bill) -> str:
    if bill.alone:
        return f"each ran in a process of its own; {bill.told}"
    return (
        "measured while other runs of the comparison ran beside it, so times and memory are not to be trusted"
    )


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
