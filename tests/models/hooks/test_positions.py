"""Positions are counted in every row by itself, and a function may choose them by their pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import probekit as pk
from probekit.errors import ConfigError, ModelError
from probekit.models.hooks.place import Reading
from probekit.models.hooks.positions import chosen
from tests.models.hooks.passes import double, draw, padded, whole, zero
from tests.tiny_models import ALL_KINDS, tiny_model

# the rows have 9, 6 and 2 pieces
CASES: list[tuple[Any, list[list[int]]]] = [
    (0, [[0], [0], [0]]),
    (-1, [[8], [5], [1]]),
    ([1, -2], [[1, 7], [1, 4], [0, 1]]),
    (range(2), [[0, 1]] * 3),
    (np.array([0, -1]), [[0, 8], [0, 5], [0, 1]]),
    (np.int64(1), [[1]] * 3),
    (slice(1, None), [[*range(1, 9)], [*range(1, 6)], [1]]),
    (slice(None, None, 4), [[0, 4, 8], [0, 4], [0]]),
    (slice(-3, -1), [[6, 7], [3, 4], [0]]),
    (slice(3, 5), [[3, 4], [3, 4], []]),
]


@pytest.mark.parametrize("kind", ["bert", "gpt2", "modernbert"])
@pytest.mark.parametrize(("positions", "places"), CASES, ids=[str(case[0]) for case in CASES])
def test_numbers(kind: str, positions: Any, places: list[list[int]]) -> None:
    model = tiny_model(kind)
    ids, mask = padded(model)
    for site in ("hidden", "heads", "mlp"):
        plain = model.states(ids, mask, "1", site=site)["1"]
        with pk.edit(model, 1, double, site, positions):  # type: ignore[arg-type]
            edited = model.states(ids, mask, "1", site=site)["1"]
        for row, numbers in enumerate(places):
            rest = [number for number in range(9) if number not in numbers]
            assert torch.equal(edited[row, numbers], double(plain[row, numbers]))
            assert torch.equal(edited[row, rest], plain[row, rest])


@given(
    mask=st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=4),
    start=st.none() | st.integers(-8, 8),
    stop=st.none() | st.integers(-8, 8),
    step=st.none() | st.sampled_from([-2, -1, 1, 3]),
    numbers=st.lists(st.integers(-6, 5), max_size=3),
)
def test_every_row_is_counted_by_itself(
    mask: list[list[bool]], start: int | None, stop: int | None, step: int | None, numbers: list[int]
) -> None:
    """Against lists of the places that a row has, indexed as Python does."""
    states = torch.zeros(len(mask), 6, 2)
    reading = Reading(mask=torch.tensor(mask, dtype=torch.int64), shape=(len(mask), 6))
    part = slice(start, stop, step)
    found = chosen(part, reading, states)
    own = [[place for place in range(6) if row[place]] for row in mask]
    assert [sorted(places[part]) for places in own] == [torch.nonzero(row)[:, 0].tolist() for row in found]
    if all(-len(places) <= number < len(places) for places in own for number in numbers):
        found = chosen(tuple(numbers), reading, states)
        for places, row in zip(own, found, strict=True):
            assert sorted({places[number] for number in numbers}) == torch.nonzero(row)[:, 0].tolist()
    else:
        with pytest.raises(ConfigError, match="is beyond a row of"):
            chosen(tuple(numbers), reading, states)


def test_padding_on_the_left() -> None:
    model = tiny_model("gpt2")
    ids, mask = padded(model)
    ids, mask = ids.flip(1), mask.flip(1)
    plain = model.states(ids, mask, "1")["1"]
    with pk.edit(model, 1, zero, positions=0):
        edited = model.states(ids, mask, "1")["1"]
    changed = (plain != edited).any(-1)
    assert torch.nonzero(changed).tolist() == [[0, 0], [1, 3], [2, 7]]


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_function_of_the_pieces(kind: str) -> None:
    model = tiny_model(kind)
    ids = draw(model)
    wanted = int(ids[1, 4])
    read: list[torch.Tensor] = []

    def where(given: torch.Tensor) -> torch.Tensor:
        read.append(given)
        return given == wanted

    layer = model.layers[-2]
    plain = model.states(ids, None, [layer])[layer]
    with pk.edit(model, layer, zero, positions=where):
        edited = model.states(ids, None, [layer])[layer]
    assert torch.equal((plain != edited).any(-1), ids == wanted)
    if model.start_piece is None:
        assert torch.equal(read[0], ids)
    else:  # a decoder's start piece is read too
        assert torch.equal(read[0][:, 1:], ids)
        assert read[0][:, 0].tolist() == [model.start_piece] * 3


def test_the_start_piece_of_a_decoder_counts() -> None:
    model = tiny_model("t5")
    ids, mask = padded(model)
    with pk.capture(model, "decoder.1") as plain:
        model.states(ids, mask, "decoder.1")
    with pk.edit(model, "decoder.1", zero, positions=[0, -1]), pk.capture(model, "decoder.1") as edited:
        model.states(ids, mask, "decoder.1")
    changed = (plain["decoder.1"] != edited["decoder.1"]).any(-1)
    assert torch.nonzero(changed).tolist() == [[0, 0], [0, 9], [1, 0], [1, 6], [2, 0], [2, 2]]


@pytest.mark.parametrize("positions", ["all", 1.5, [0.5], [slice(1)], object()])
def test_no_positions(positions: Any) -> None:
    model = tiny_model("bert")
    with (
        pytest.raises(ConfigError, match="positions must be a number"),
        pk.edit(model, 1, zero, positions=positions),
    ):
        raise AssertionError


@pytest.mark.parametrize("position", [9, -10, [0, 20]])
def test_beyond_the_row(position: Any) -> None:
    model = tiny_model("bert")
    with (
        pytest.raises(ConfigError, match="is beyond a row of 9 pieces"),
        pk.edit(model, 1, zero, positions=position),
    ):
        model.states(draw(model), None, "1")


def test_beyond_a_shorter_row_of_the_batch() -> None:
    model = tiny_model("bert")
    with (
        pytest.raises(ConfigError, match="position 3 is beyond a row of 2 pieces"),
        pk.edit(model, 1, zero, positions=3),
    ):
        model.states(*padded(model), "1")


@pytest.mark.parametrize(
    ("fn", "shown"),
    [
        (lambda ids: ids, r"torch.int64 \[3, 9\]"),
        (lambda ids: ids[:, 1:] > 0, r"torch.bool \[3, 8\]"),
        (lambda ids: True, "bool;"),
    ],
)
def test_a_function_that_gives_something_else(fn: Any, shown: str) -> None:
    model = tiny_model("bert")
    with (
        pytest.raises(ConfigError, match=f"positions gave {shown}"),
        pk.edit(model, 1, zero, positions=fn),
    ):
        model.states(draw(model), None, "1")


def test_no_ids_to_read() -> None:
    model = tiny_model("gpt2")
    embedded = model.module.get_input_embeddings()(draw(model))
    with (
        pytest.raises(ModelError, match="this pass reads none"),
        pk.edit(model, 1, zero, positions=lambda ids: ids > 0),
    ):
        model.module(inputs_embeds=embedded)
    with pk.edit(model, 1, zero, positions=-1), pk.capture(model, 1) as seen:
        model.module(inputs_embeds=embedded)
    assert torch.nonzero((seen["1"] == 0).all(-1)).tolist() == [[0, 8], [1, 8], [2, 8]]


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_all_positions_are_no_positions(kind: str) -> None:
    model = tiny_model(kind)
    ids = draw(model)
    layer = model.resolve_layers("all", "heads")[0]
    with pk.edit(model, layer, double, "heads"):
        wanted = whole(model.module, ids).last_hidden_state
    with pk.edit(model, layer, double, "heads", slice(None)):
        assert torch.equal(whole(model.module, ids).last_hidden_state, wanted)
