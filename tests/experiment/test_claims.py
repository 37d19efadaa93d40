"""Claims: only the one measurement that is meant, and only within its bounds."""

from __future__ import annotations

import pytest

from probekit.errors import ConfigError
from probekit.experiment.claims import check_claims, claims_panel
from probekit.experiment.plan import ClaimPlan, check_plan
from probekit.results.measurement import Measurement

ROWS = [
    Measurement(
        metric="accuracy", model="causal", group="attractors=2", value=0.95, low=0.9, high=0.97, n=100
    ),
    Measurement(metric="accuracy", model="causal", group="attractors=1", value=0.99, n=100),
    Measurement(metric="accuracy", model="masked", group="attractors=2", reason="no items", n=0),
]


@pytest.mark.parametrize(
    ("where", "bounds", "holds", "remark"),
    [
        ({"model": "causal", "group": "attractors=2"}, {"at_least": 0.95}, True, ""),
        ({"model": "causal", "group": "attractors=2"}, {"at_least": 0.951}, False, ""),
        ({"model": "causal", "group": "attractors=1"}, {"at_most": 0.98}, False, ""),
        ({"model": "causal"}, {"at_least": 0.1}, False, "2 measurements are meant, not one"),
        ({"model": "other"}, {"at_least": 0.1}, False, "0 measurements are meant, not one"),
        ({"model": "masked"}, {"at_most": 1.0}, False, "not measured: no items"),
    ],
)
def test_a_claim_is_about_one_measurement(
    where: dict[str, str], bounds: dict[str, float], holds: bool, remark: str
) -> None:
    [checked] = check_claims([ClaimPlan(says="it agrees", where=where, **bounds)], ROWS)
    assert (checked.holds, checked.remark) == (holds, remark)
    assert checked.told.startswith("claim holds" if holds else "claim DOES NOT HOLD")
    assert claims_panel([checked]).labels["rows"][0][0] == ("holds" if holds else "does not hold")


def test_what_is_wrong_with_a_claim_is_said() -> None:
    base = {
        "corpus": {"generated": {}},
        "model": [{"name": "m"}],
        "analysis": [{"kind": "probe", "tasks": ["upos"]}],
    }
    with pytest.raises(ConfigError, match="a claim needs at_least"):
        check_plan(base | {"claim": [{"says": "x", "where": {"model": "m"}}]}, "file")
    with pytest.raises(ConfigError, match=r"no field 'modle'; did you mean 'model'"):
        check_plan(base | {"claim": [{"says": "x", "where": {"modle": "m"}, "at_least": 1}]}, "file")
