"""The meter counts this process apart from the rest of the machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from probekit.adaptation import meter
from probekit.adaptation.meter import Meter


def test_waiting_costs_no_cpu_and_others_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    stat = tmp_path / "stat"
    monkeypatch.setattr(meter, "STAT", stat)
    stat.write_text("cpu  100 0 0 5000 7 0 0 0 0 0\ncpu0 1 2\n")
    with Meter() as measured:
        time.sleep(0.25)
        # others: user, nice, system, irq, softirq and steal count; idle and waiting for disks do not
        stat.write_text(f"cpu  {100 + ticks} 0 0 9000 900 0 0 {ticks} 0 0\n")
    assert measured.wall >= 0.25
    assert measured.cpu < 0.2
    assert measured.busy_elsewhere == pytest.approx((2 - measured.cpu) / measured.wall)


def test_where_the_system_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "STAT", tmp_path / "absent")
    assert meter.busy_seconds() is None
    monkeypatch.delattr(os, "getloadavg")
    assert meter.load_average() is None
    with Meter() as measured:
        pass
    assert measured.busy_elsewhere is None
