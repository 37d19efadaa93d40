"""What the corpus alone tells of an analysis of attention."""

from __future__ import annotations

import pytest

import probekit as pk
from probekit.errors import DataError
from probekit.experiment.attend_checks import check_attending
from probekit.experiment.plan_inside import AttendPlan


@pytest.mark.parametrize("asked", [{"relations": "frequent"}, {"min_arcs": 50}])
def test_frequent_relations_are_missed_only_where_somebody_asked_for_them(asked: dict[str, object]) -> None:
    corpus = pk.generate_corpus(5, 5, 5)
    check_attending(AttendPlan(kind="attend"), corpus)
    with pytest.raises(DataError, match="no relation has 50 words in dev"):
        check_attending(AttendPlan.model_validate({"kind": "attend", **asked}), corpus)
