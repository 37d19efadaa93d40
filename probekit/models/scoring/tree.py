"""Many texts in one row of a batch: what they begin with is read once, and each sees only its own past.

Texts sorted by their pieces form a tree of shared beginnings. Its nodes stand one after another in a row; a mask lets
every node see its ancestors alone, and its position is its depth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.glossary import Progress
from probekit.models.head import OutputHead
from probekit.models.hooks.force import suspended
from probekit.models.model import Model
from probekit.models.pieces import Ints
from probekit.models.scoring.pieces import common_prefix
from probekit.models.scoring.queries import Queries
from probekit.models.scoring.rows import STAGE, Pending, state_layer

NODES = 128
"""How many nodes a row has at most."""
LONGEST = 96
"""How many pieces a text has at most: as many as the trial row has in one text, so that nothing longer is trusted."""


@dataclass(frozen=True, eq=False)
class Row:
    """One packed row. Text k of ``texts`` reads the nodes ``paths[k]``, of which those from ``new[k]`` on are new."""

    texts: list[int]
    paths: list[Ints]
    new: list[int]
    nodes: int


def pack(inputs: Sequence[NDArray[np.int32]], nodes: int = NODES) -> list[Row]:
    """All inputs, none longer than ``nodes``, in rows of at most that many nodes."""
    order = sorted(range(len(inputs)), key=lambda i: inputs[i].astype(">i4").tobytes())
    rows: list[Row] = []
    taken = nodes + 1
    for number in order:
        ids = inputs[number]
        shared = 0
        if rows and taken <= nodes:
            row = rows[-1]
            shared = common_prefix([inputs[row.texts[-1]], ids])
        if taken + len(ids) - shared > nodes:
            rows.append(Row([], [], [], 0))
            taken = shared = 0
        row = rows[-1]
        known = row.paths[-1][:shared] if shared else np.zeros(0, np.int64)
        path = np.concatenate([known, np.arange(taken, taken + len(ids) - shared)])
        taken += len(ids) - shared
        row.texts.append(number)
        row.paths.append(path)
        row.new.append(shared)
        rows[-1] = Row(row.texts, row.paths, row.new, taken)
    return rows


class Tree:
    """Reads packed rows with a model for which that is exact."""

    longest = LONGEST

    def __init__(self, model: Model) -> None:
        self.model = model

    @classmethod
    def where_exact(cls, model: Model) -> Tree | None:
        """The tree reader, if the model gives the same states in a packed row as for separate texts.

        Tried on a row of as many nodes and as long a text as rows ever have: a family that ignores the mask, counts
        positions itself or sees only a window is found out. Edits in force are left aside.
        """
        longest = min(LONGEST, LONGEST if model.max_pieces is None else model.max_pieces)
        draw = np.random.default_rng(0)

        def pieces(n: int) -> Ints:
            found = draw.integers(0, model.vocabulary, n)
            filling = found == model.module.config.pad_token_id  # transformers would warn of it
            return np.where(filling, (found + 1) % model.vocabulary, found)

        first = pieces(longest)
        half = longest - longest // 4
        texts = [first, np.concatenate([first[:half], pieces(longest // 6)]), first[: half // 2], pieces(8)]
        inputs = [text.astype(np.int32) for text in texts]
        tree = cls(model)
        tree.longest = longest
        with suspended():
            return tree if tree._is_exact(inputs) else None

    def _is_exact(self, inputs: Sequence[NDArray[np.int32]]) -> bool:
        layer = state_layer(self.model)
        try:
            [row] = pack(inputs)
            packed = self.states([row], inputs)[0]
        except (
            Exception
        ):  # whatever a family does with arguments it does not know: its texts are read separately
            return False
        for number, path in zip(row.texts, row.paths, strict=True):
            ids = torch.from_numpy(inputs[number].astype(np.int64))[None].to(packed.device)
            alone = self.model.states(ids, None, layer)[layer][0].float()
            apart = (packed[torch.from_numpy(path).to(packed.device)].float() - alone).norm(dim=-1)
            if not bool((apart <= _tolerance(packed.dtype) * alone.norm(dim=-1)).all()):
                return False
        return True

    def states(self, rows: Sequence[Row], inputs: Sequence[NDArray[np.int32]]) -> torch.Tensor:
        """The states of all nodes, ``[rows, nodes, dim]``."""
        n = max(row.nodes for row in rows)
        ids = np.zeros((len(rows), n), dtype=np.int64)
        depth = np.zeros_like(ids)
        seen = np.zeros((len(rows), n, n), dtype=bool)
        seen[:, np.arange(n), np.arange(n)] = True  # the filling sees itself
        for r, row in enumerate(rows):
            for number, path, new in zip(row.texts, row.paths, row.new, strict=True):
                own = path[new:]
                ids[r, own] = inputs[number][new:]
                depth[r, own] = np.arange(new, len(path))
                seen[r, own[:, None], path] = np.tri(len(own), len(path), new, dtype=bool)
        module = self.model.module
        mask = torch.zeros(len(rows), 1, n, n, dtype=module.dtype)
        mask.masked_fill_(~torch.from_numpy(seen)[:, None], torch.finfo(module.dtype).min)
        layer = state_layer(self.model)
        return self.model.states(
            torch.from_numpy(ids).to(module.device),
            mask.to(module.device),
            layer,
            position_ids=torch.from_numpy(depth).to(module.device),
        )[layer]

    def logprobs(
        self, head: OutputHead, queries: Queries, budget: int, progress: Progress
    ) -> NDArray[np.float64]:
        """Log-probabilities of all queries, in nats."""
        rows = pack(queries.inputs)
        row_of = np.zeros(len(queries.inputs), dtype=np.int64)
        start = np.zeros(len(queries.inputs), dtype=np.int64)  # where the path of an input begins in `paths`
        paths: list[Ints] = []
        total = 0
        for r, row in enumerate(rows):
            for number, path in zip(row.texts, row.paths, strict=True):
                row_of[number], start[number] = r, total
                total += len(path)
            paths += row.paths
        node = np.concatenate([np.zeros(0, np.int64), *paths])[start[queries.input] + queries.position]
        cell = row_of[queries.input] * NODES + node
        order = np.argsort(cell, kind="stable")
        ordered = cell[order]
        pending = Pending(head, queries, self.model.vocabulary)
        progress(STAGE, 0, len(rows))
        for begin, end in alike([row.nodes for row in rows], max(1, budget // NODES)):
            own = order[slice(*np.searchsorted(ordered, [begin * NODES, end * NODES]))]
            states = self.states(rows[begin:end], queries.inputs)
            cells = cell[own] - begin * NODES
            pending.add(states, cells // NODES * states.shape[1] + cells % NODES, own)
            progress(STAGE, end, len(rows))
        return pending.flush()


def alike(nodes: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Runs of at most so many rows, in order, in which none is filled up by more than a quarter."""
    begin = 0
    for end in range(1, len(nodes) + 1):
        run = nodes[begin : end + 1]
        if end == len(nodes) or end - begin == most or min(run) < 0.75 * max(run):
            yield begin, end
            begin = end


def _tolerance(dtype: torch.dtype) -> float:
    """1e-5 in float32; types of fewer digits give other last digits to other shapes anyway."""
    return max(1e-5, 4 * torch.finfo(dtype).eps)
