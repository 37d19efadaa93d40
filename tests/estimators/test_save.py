"""A probe read from disk says what it said when it was written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from probekit.errors import DataError, StoreError
from probekit.estimators import (
    LinearProbe,
    LinearProbeRegressor,
    MLPProbe,
    MLPProbeRegressor,
    load_probe,
    save_probe,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 6)).astype(np.float32)
NUMBERS = X[:, 0] + np.abs(X[:, 1])
THREE = np.digitize(NUMBERS, [0.0, 1.0])

PROBES = [
    LinearProbe(C=0.5, class_weight="balanced"),
    LinearProbe(class_weight={0: 1.0, 1: 2.0, 2: 0.5}),
    LinearProbeRegressor(alpha=2.0),
    MLPProbe(hidden=(8, 4), max_epochs=3, random_state=1),
    MLPProbeRegressor(hidden=(8,), max_epochs=3, random_state=np.random.RandomState(0)),
]


@pytest.mark.parametrize("probe", PROBES, ids=lambda p: type(p).__name__)
def test_round_trip_to_the_bit(probe, tmp_path):
    probe.fit(X, THREE if hasattr(probe, "predict_proba") else NUMBERS)
    save_probe(probe, tmp_path / "layer.3")
    again = load_probe(tmp_path / "layer.3")
    assert type(again) is type(probe)
    assert again.predict(X).tobytes() == probe.predict(X).tobytes()
    if hasattr(probe, "predict_proba"):
        assert again.predict_proba(X).tobytes() == probe.predict_proba(X).tobytes()
        assert again.get_params() == probe.get_params()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layer.3.json", "layer.3.safetensors"]


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["über", "unter"]),
        np.array(["a", "b"], dtype=object),
        np.array([True, False]),
        np.array([7, -2]),
    ],
    ids=["text", "object", "bool", "int"],
)
def test_labels_keep_their_type(labels, tmp_path):
    y = labels[(X[:, 0] > 0).astype(int)]
    save_probe(LinearProbe().fit(X, y), tmp_path / "probe")
    again = load_probe(tmp_path / "probe")
    assert again.classes_.dtype == y.dtype
    assert set(again.predict(X).tolist()) <= set(labels.tolist())


def test_what_cannot_be_saved_is_refused(tmp_path):
    with pytest.raises(DataError, match="not fitted"):
        save_probe(LinearProbe(), tmp_path / "probe")
    with pytest.raises(DataError, match="only LinearProbe"):
        save_probe(object(), tmp_path / "probe")
    assert not list(tmp_path.iterdir())


def test_what_is_not_a_saved_probe_is_refused(tmp_path):
    save_probe(LinearProbe().fit(X, THREE), tmp_path / "probe")
    file = tmp_path / "probe.json"
    about = json.loads(file.read_text())
    for change, message in [
        ({"format": 99}, "format 99"),
        ({"kind": "LinearProb"}, "did you mean 'LinearProbe'"),
        ({"parameters": {"K": 1}}, "damaged"),
        ({"numbers": {"fit": 1}}, "damaged"),
    ]:
        file.write_text(json.dumps(about | change))
        with pytest.raises(StoreError, match=message):
            load_probe(tmp_path / "probe")
    file.write_text("[]")
    with pytest.raises(StoreError, match="not the description"):
        load_probe(tmp_path / "probe")
    with pytest.raises(DataError):
        load_probe(tmp_path / "absent")
