"""What is said about patched pairs: means over the pairs that have a place, intervals over clusters, words."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.erasure.patched import Patching
from probekit.results.measurement import About


def made(**changes: object) -> Patching:
    """Four pairs, two layers; the subject carries 0.8 and then nothing, the last piece the rest; one pair has no
    attractor."""
    base, source = np.array([2.0, 2.0, 1.0, 4.0]), np.array([-2.0, -1.0, -1.0, -4.0])
    effect = np.zeros((4, 2, 3))
    effect[:, 0, 0], effect[:, 1, 2] = [0.7, 0.9, 0.8, 0.8], 1.0
    effect[:, 0, 1] = [0.1, 0.1, 0.1, np.nan]
    effect[3, 1, 1] = np.nan
    given = {
        "layers": ("1", "2"), "places": ("subject", "attractor", "last"), "base": base, "source": source,
        "patched": base[:, None, None] + effect * (source - base)[:, None, None], "pair": np.array([0, 1, 2, 5]),
        "cluster": np.array([0, 0, 1, 2]), "left_out": {"base and source have different numbers of pieces": 2},
        "rule": "left to right", "about": About(model="tiny"),
    }  # fmt: skip
    return Patching(**{**given, **changes})  # type: ignore[arg-type]


def test_effects_are_shares_of_the_way() -> None:
    found = made()
    np.testing.assert_allclose(found.effect[:, 0, 0], [0.7, 0.9, 0.8, 0.8])
    np.testing.assert_allclose(found.mean, [[0.8, 0.1, 0.0], [0.0, 0.0, 1.0]], atol=1e-12)


def test_rows() -> None:
    rows = {(row.metric, row.layer, row.group): row for row in made().rows}
    assert rows["total_effect", "", ""].value == pytest.approx(-np.mean([4, 3, 2, 8]))
    subject = rows["indirect_effect", "1", "position=subject"]
    assert subject.value == pytest.approx(0.8)
    assert 0.7 <= subject.low <= subject.value <= subject.high <= 0.9
    assert (subject.n, subject.n_left_out, subject.unit) == (4, 2, "pair")
    assert "over pairs" in subject.interval
    assert rows["indirect_effect", "1", "position=attractor"].n == 3
    assert subject.family_size == 3  # where nothing moves there is nothing to test
    assert rows["indirect_effect", "2", "position=subject"].p is None
    assert subject.p_adjusted >= subject.p
    assert "left to right" in subject.method
    assert len(made().table()) == 3 + 6


def test_clusters_are_resampled_not_pairs() -> None:
    one = {row.group: row for row in made(cluster=np.zeros(4, int)).rows if row.layer == "1"}[
        "position=subject"
    ]
    assert one.low is None
    assert one.p is None


def test_the_largest_effect_is_where_enough_pairs_have_the_place() -> None:
    found = made()
    assert found.largest == ("2", "last")
    assert "position 'last', moves the prediction after base 1.000" in found.summary
    assert "'subject' (layer 1) then 'last' (layer 2)" in found.summary
    assert "different numbers of pieces (2)" in found.summary
    patched = found.patched.copy()
    patched[0, 0, 1] = 100 * found.source[0]
    patched[1:, :, 1] = np.nan
    assert made(patched=patched).largest == ("2", "last")
    assert made(places=("subject", "attractor", "all")).largest == ("1", "subject")


def test_pictures() -> None:
    sentence, heat = made().panels
    assert sentence.labels["text"] == made().summary
    assert heat.kind == "heatmap"
    assert heat.labels["rows"] == ["1", "2"]
    assert heat.labels["columns"] == ["subject", "attractor", "last"]
    np.testing.assert_array_equal(heat.arrays["value"], made().mean)
    assert "<table>" in made()._repr_html_()
