"""Sign flips by sentence: exact on small inputs, honest under the null, blind to how words are cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from probekit.maths.resampling import paired_difference
from probekit.maths.sign_flips import sign_flip_p


def exact_p(sums: np.ndarray) -> float:
    flips = np.array(list(itertools.product([-1.0, 1.0], repeat=len(sums))))
    return float((np.abs(flips @ sums) >= abs(sums.sum()) - 1e-9).mean())


def test_approaches_the_exact_test_over_all_flips() -> None:
    rng = np.random.default_rng(0)
    units = rng.normal(0.3, 1.0, size=30)
    cluster = np.repeat(np.arange(10), 3)
    sums = np.bincount(cluster, weights=units)
    got = sign_flip_p(units[None], cluster, flips=20_000)[0]
    assert got == pytest.approx(exact_p(sums), abs=0.01)
    by_words = sign_flip_p(units[None], np.arange(30), flips=20_000)[0]
    assert abs(by_words - got) > 0.02  # flipping words instead gives another number


def test_agrees_with_the_single_comparison() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 2, 200).astype(float), rng.integers(0, 2, 200).astype(float)
    cluster = rng.integers(0, 40, 200)
    assert sign_flip_p((a - b)[None], cluster)[0] == pytest.approx(
        paired_difference(a, b, cluster).p, abs=0.02
    )


def test_false_positives_stay_at_the_level() -> None:
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(60), 5)
    shared = rng.normal(size=(400, 60))[:, cluster]  # sentences differ as wholes
    differences = shared + 0.1 * rng.normal(size=(400, 300))
    rate = float((sign_flip_p(differences, cluster, flips=1999) < 0.05).mean())
    assert 0.02 < rate < 0.08
    assert (sign_flip_p(differences, np.arange(300), flips=499) < 0.05).mean() > 0.3  # words: far too many


def test_one_sentence_gives_no_p() -> None:
    assert np.isnan(sign_flip_p(np.ones((2, 3)), np.zeros(3, dtype=int))).all()
