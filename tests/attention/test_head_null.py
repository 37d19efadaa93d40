"""The null of the maximum over heads: valid for heads that know nothing, and alive for heads that know."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from probekit.attention import head_null
from probekit.attention.head_null import maximum_null
from probekit.attention.links import Links

HEADS, SENTENCES, STUDIES = 6, 30, 120
PERMUTATIONS = 39  # p <= 0.05 has probability 2 in 40 then


def study(
    rng: np.random.Generator, most: int = 3, *, sets: bool = False
) -> tuple[Links, np.ndarray[Any, Any]]:
    """Random links, up to `most` in a sentence of 4 to 9 words, near targets more often, and sentence lengths."""
    links, lengths = [], []
    for sentence in range(SENTENCES):
        n = int(rng.integers(4, 10))
        for source in sorted(rng.choice(n, int(rng.integers(1, most + 1)), replace=False).tolist()):
            others = [word for word in range(n) if word != source]
            weight = np.array([1 / abs(word - source) for word in others])
            many = int(rng.integers(1, 3)) if sets else 1
            targets = rng.choice(others, many, replace=False, p=weight / weight.sum())
            links.append((sentence, source, sorted(targets.tolist())))
            lengths.append(n)
    return Links.of("x", "", links), np.array(lengths)


def knows_nothing(
    rng: np.random.Generator, links: Links, lengths: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Heads that look anywhere else in the sentence, and one that looks at the next word."""
    looks = rng.integers(0, lengths[None].repeat(HEADS, 0) - 1)
    looks += looks >= links.source
    looks[0] = np.where(links.source + 1 < lengths, links.source + 1, links.source - 1)
    return looks


def rejections(seed: int, **how: Any) -> int:
    """In how many of `STUDIES` studies of ignorant heads p is at most 0.05."""
    rng = np.random.default_rng(seed)
    found = 0
    for number in range(STUDIES):
        links, lengths = study(rng, **how)
        attended = knows_nothing(rng, links, lengths)
        found += maximum_null(links, attended, lengths, permutations=PERMUTATIONS, seed=number).p <= 0.05
    return found


@pytest.mark.parametrize("how", [{"most": 1}, {"most": 3}, {"most": 3, "sets": True}])
def test_ignorant_heads_are_called_so_at_the_stated_level(how: dict[str, Any]) -> None:
    assert binom.ppf(0.001, STUDIES, 0.05) <= rejections(1, **how) <= binom.ppf(0.999, STUDIES, 0.05)


def test_links_that_may_leave_their_sentence_would_flatter_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        head_null._Chain, "_fits", lambda self, link, targets: np.ones(np.shape(link), dtype=bool)
    )
    assert rejections(1, most=1) > 2 * binom.ppf(0.999, STUDIES, 0.05)


def test_a_head_that_knows_is_seen_though_five_know_nothing() -> None:
    rng = np.random.default_rng(0)
    links, lengths = study(rng)
    attended = knows_nothing(rng, links, lengths)
    attended[3] = np.where(rng.random(len(links)) < 0.7, links.target, attended[3])
    null = maximum_null(links, attended, lengths, permutations=199)
    assert null.p == 1 / 200
    assert null.highest == (attended == links.target).mean(axis=1).max() > null.drawn.max()


def test_a_head_that_follows_an_offset_is_explained_by_it() -> None:
    rng = np.random.default_rng(3)
    links, lengths = study(rng, most=1)
    inside = links.source + 1 < lengths
    step = np.where(inside, links.source + 1, -1)
    ones = np.where(
        inside & (rng.random(len(links)) < 0.8), step, links.target
    )  # most links lead one word on
    links = Links(links.name, "", links.sentence, links.source, links.start, ones, links.cluster)
    null = maximum_null(links, step[None], lengths, permutations=199)
    assert null.highest > 0.7
    assert null.p > 0.05


def test_heads_that_attend_to_nothing_are_never_right() -> None:
    rng = np.random.default_rng(0)
    links, lengths = study(rng, sets=True)
    null = maximum_null(links, np.full((2, len(links)), -1), lengths, permutations=9)
    assert (null.highest, null.drawn.max(), null.p) == (0.0, 0.0, 1.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_every_arrangement_is_a_possible_one(seed: int, sets: bool) -> None:
    rng = np.random.default_rng(seed)
    links, lengths = study(rng, sets=sets)
    chain = head_null._Chain(links, lengths, rng)
    held = chain.walk(np.repeat(np.arange(len(links))[None], 3, axis=0))
    offset = links.target - links.source[links.owner]
    per_link = np.bincount(links.cluster)
    for one in held:
        assert sorted(one.tolist()) == list(range(len(links)))  # nobody's targets are lost or doubled
        for link, holds in enumerate(one.tolist()):
            for step in offset[links.start[holds] : links.start[holds + 1]]:
                assert 0 <= links.source[link] + step < lengths[link]
        came_from = links.cluster[one]
        for sentence in np.unique(links.cluster):  # sentences exchange as wholes, with their likes
            assert len(set(came_from[links.cluster == sentence].tolist())) == 1
        assert (per_link[came_from] == per_link[links.cluster]).all()
    assert (held[0] != held[1]).any()


def test_the_same_seed_gives_the_same_null() -> None:
    rng = np.random.default_rng(0)
    links, lengths = study(rng)
    attended = knows_nothing(rng, links, lengths)
    one, again, other = (
        maximum_null(links, attended, lengths, permutations=49, seed=seed).drawn for seed in (1, 1, 2)
    )
    assert (one == again).all()
    assert (one != other).any()
