"""Erasers by the words of an experiment file: what of the data each of them is shown."""

from __future__ import annotations

import numpy as np
import pytest

import probekit as pk
from probekit.experiment.erase_fit import fit_eraser


def planted(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    X = rng.normal(size=(n, 6))
    X[:, 0] += 2.0 * y
    return X, y


@pytest.mark.parametrize(("method", "fitter"), [("inlp", pk.Inlp), ("rlace", pk.Rlace)])
def test_what_stops_or_judges_is_dev_and_not_a_part_of_train(method: str, fitter: type) -> None:
    train, dev = planted(400, 0), planted(150, 1)
    found = fit_eraser(method, train, dev)
    assert found.key == fitter().fit(*train, X_dev=dev[0], y_dev=dev[1]).eraser_.key
    assert found.key != fitter().fit(*train).eraser_.key
