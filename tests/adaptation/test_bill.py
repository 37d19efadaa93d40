"""Bills: sums with and without what is paid once per text."""

from __future__ import annotations

import pytest

from probekit.adaptation.bill import Bill


def test_reading_is_told_apart() -> None:
    bill = Bill(
        alone=True, cpu_train=2.0, cpu_read_train=20.0, cpu_predict=1.0, cpu_read_predict=3.0, n_predicted=500
    )
    assert bill.cpu_first_task == 22.0
    assert bill.cpu_predict_1000 == 8.0
    live = Bill(alone=True, cpu_train=2.0, cpu_predict=1.0, n_predicted=500)
    assert (live.cpu_first_task, live.cpu_predict_1000) == (2.0, 2.0)
    assert Bill(alone=False).cpu_predict_1000 is None
    assert Bill(alone=False).cpu_first_task is None
    assert Bill.from_dict(bill.to_dict()) == bill


@pytest.mark.parametrize(
    ("busy", "quiet", "said"),
    [
        (None, None, "not known whether other work ran"),
        (0.05, True, "no other work ran on the machine"),
        (1.26, False, "other work kept 1.3 cores busy meanwhile"),
    ],
)
def test_other_work_is_told(busy: float | None, quiet: bool | None, said: str) -> None:
    bill = Bill(alone=True, busy_elsewhere=busy)
    assert bill.quiet is quiet
    assert said in bill.told
