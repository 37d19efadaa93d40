"""Many looks read together against each read by itself."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from probekit.erasure.predictions import Look, nothing_to_read
from probekit.erasure.reading import batches, flatten, read_states
from tests.tiny_models import tiny_model


def look(ids: list[int], *ranges: tuple[int, int]) -> Look:
    n = len(ranges)
    first, stop = np.array(ranges).T
    return Look(
        (np.array(ids),), (np.zeros((0, 2), int),), np.zeros(n, int), first, stop, np.arange(n), np.ones(n)
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
@pytest.mark.parametrize("pool", ["mean", "max", "first", "last"])
def test_rows_are_those_of_each_input_alone(kind: str, pool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.erasure.reading.ON_CPU", 8)
    model = tiny_model(kind)
    layer = "encoder.1" if kind == "t5" else "1"
    looks = [
        look([5, 6, 7, 8], (0, 3), (2, 3)),
        look([9, 8], (0, 2)),
        look([5, 6, 7, 8], (0, 3)),
        look([1, 2, 3, 4], (1, 4)),
    ]
    flat = flatten(looks)
    assert [ids.tolist() for ids in flat.inputs] == [[5, 6, 7, 8], [9, 8], [1, 2, 3, 4]]
    told: list[tuple[int, int]] = []
    states, row = read_states(
        model, flat, layer, pool, progress=lambda _, done, total: told.append((done, total))
    )
    assert len(states) == 4  # one question twice
    question = 0
    for one in looks:
        alone = model.states(torch.tensor([one.inputs[0].tolist()]), None, [layer])[layer][0]
        for a, b in zip(one.first, one.stop, strict=True):
            part = alone[a:b]
            pooled = {"mean": part.mean(0), "max": part.amax(0), "first": part[0], "last": part[-1]}[pool]
            assert torch.allclose(states[row[question]], pooled, atol=1e-5)
            question += 1
    assert told[0] == (0, 3)
    assert told[-1] == (3, 3)


def test_marks_go_to_the_change_with_their_inputs() -> None:
    model = tiny_model("bert")
    plain = look([5, 6, 7], (0, 1))
    marked = [replace(plain, marks=(np.array([k]),)) for k in (3, 4, 3)]
    flat = flatten([plain, *marked])
    assert len(flat.inputs) == 3
    seen: list[list[int]] = []

    @contextmanager
    def change(marks: torch.Tensor) -> Any:
        seen.append(marks.flatten().tolist())
        yield

    read_states(model, flat, "1", change=change)
    assert sorted(seen) == [[], [3, 4]]


def test_looks_that_are_left_out_take_no_room() -> None:
    flat = flatten([nothing_to_read("too long"), look([5, 6], (0, 1))])
    assert flat.n_looks == 2
    assert flat.look.tolist() == [1]
    assert flatten([]).inputs == []


def test_batches_hold_one_shape_and_no_more_than_their_budget() -> None:
    shapes = [(4, 0), (3, 0), (4, 0), (4, 1), (4, 0), (100, 0)]
    found = [numbers.tolist() for numbers in batches(shapes, 8)]
    assert sorted(number for numbers in found for number in numbers) == list(range(6))
    assert all(len({shapes[i] for i in numbers}) == 1 for numbers in found)
    assert max(len(numbers) for numbers in found) == 2
    assert list(batches([], 8)) == []
