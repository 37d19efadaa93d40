"""Rows of a divergence: sums divided once, differences drawn in pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import probekit as pk
from probekit.behavior.diverged import Divergence
from probekit.behavior.perplexity import Perplexity


def made(kl: list[float], before: list[float], after: list[float], n: list[int]) -> Divergence:
    """A divergence of texts with these numbers of bits and pieces."""
    numbers = np.array(n, dtype=np.int64)
    ids = tuple(str(k + 1) for k in range(len(n)))
    first = Perplexity(
        "a model", "as told", False, ids, np.array(before), numbers, numbers, numbers, ("",) * len(n), "few"
    )
    return Divergence("halved", "3", "mlp", np.array(kl), first, replace(first, bits=np.array(after)))


def test_sums_are_divided_once_and_differences_are_paired() -> None:
    # 1 bit over 1 piece, 1 bit over 3 pieces: 0.5 per piece, not the mean of 1 and 1/3
    found = made([1.0, 1.0], before=[1.0, 3.0], after=[2.0, 6.0], n=[1, 3])
    kl, before, after, difference = found.rows
    assert (kl.metric, kl.value, kl.low, kl.high) == ("kl_bits_per_piece", 0.5, pytest.approx(1 / 3), 1.0)
    assert (kl.layer, kl.site, kl.method, kl.unit, kl.n) == ("3", "mlp", "halved", "sentence", 2)
    assert (before.group, before.value) == ("edits=before", 2.0)
    assert (after.group, after.value) == ("edits=after", 4.0)
    # every resample has 1 bit per piece before and 2 after: paired, the difference never varies
    assert (difference.value, difference.low, difference.high) == (2.0, 2.0, 2.0)
    assert difference.reference == "edits=before"
    assert found.per_piece == 0.5
    uneven = made([0.0, 0.0], before=[1.0, 1.0], after=[2.0, 1.0], n=[1, 1]).rows[-1]
    assert uneven.value == pytest.approx(2**1.5 - 2)
    assert (uneven.low, uneven.high) == (0.0, 2.0)


def test_what_is_left_out_does_not_count() -> None:
    found = made([1.0, np.nan], before=[1.0, np.nan], after=[2.0, np.nan], n=[1, 0])
    assert (found.per_piece, found.rows[0].n, found.rows[0].n_left_out) == (1.0, 1, 1)
    assert found.rows[0].low is None
    assert found.rows[0].interval == ""


def test_it_is_shown(tmp_path: Path) -> None:
    found = made([1.0, 1.0], before=[1.0, 3.0], after=[2.0, 6.0], n=[1, 3])
    assert found.summary.startswith("a model over 2 texts of few, halved: the output moves by KL 0.5 [")
    assert "difference 2 [2, 2]" in found.summary
    assert repr(found) == "<Divergence of a model over 2 texts, halved: 0.5 bits per piece>"
    assert found._repr_html_().startswith("<p>a model over 2 texts")
    assert found.table().metric.tolist()[0] == "kl_bits_per_piece"
    assert found.sentences().kl_bits.tolist() == [1.0, 1.0]
    page = pk.write_report(tmp_path / "r", found).read_text(encoding="utf-8")
    assert "Output of a model: halved" in page
    assert [panel.kind for panel in found.panels] == ["sentence", "table"]
