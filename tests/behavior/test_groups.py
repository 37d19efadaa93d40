"""How cases are divided: by size where names are numbers, crossed where both vary, never into one group."""

from __future__ import annotations

from probekit.behavior.groups import grouping
from probekit.behavior.questions import ask_suite
from tests.behavior.stand_ins import pairs


def divided(*groups: dict[str, str]) -> dict[str, tuple[str, ...]]:
    suite, _ = pairs(*[(1.0, 2.0)] * len(groups), groups=groups)
    return {one.key: one.names for one in grouping(suite, ask_suite(suite))}


def test_numbers_stand_by_size() -> None:
    found = divided(*({"attractors": str(k)} for k in (10, 2, 0)))
    assert found["attractors"] == ("attractors=0", "attractors=2", "attractors=10")


def test_what_does_not_vary_is_no_division_but_a_phenomenon_is() -> None:
    found = divided({"nonce": "natural", "phenomenon": "p"}, {"nonce": "natural", "phenomenon": "p"})
    assert set(found) == {"", "phenomenon"}


def test_attractors_and_nonce_are_crossed_only_where_both_vary() -> None:
    both = divided({"attractors": "0", "nonce": "natural"}, {"attractors": "1", "nonce": "nonce"})
    assert both["attractors nonce"] == ("attractors=0 nonce=natural", "attractors=1 nonce=nonce")
    assert "attractors nonce" not in divided({"attractors": "0", "nonce": "nonce"}, {"attractors": "1"})


def test_a_case_without_the_group_belongs_to_none() -> None:
    suite, _ = pairs(*[(1.0, 2.0)] * 3, groups=[{"field": "syntax"}, {"field": "semantics"}, {}])
    [field] = [one for one in grouping(suite, ask_suite(suite)) if one.key == "field"]
    assert field.code.tolist() == [1, 0, -1]
    assert field.names == ("field=semantics", "field=syntax")


def test_distances_that_are_no_numbers_stay_as_they_are() -> None:
    assert divided({"distance": "far"}, {"distance": "7"})["distance"] == ("distance=6-8", "distance=far")
