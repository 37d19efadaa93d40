"""Log-probabilities at single places: the head reads only the states that are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.glossary import Progress
from probekit.models.head import OutputHead
from probekit.models.model import Model
from probekit.models.pieces import Ints
from probekit.models.scoring.queries import Queries

STAGE = "scoring"
LOGITS_AT_ONCE = 1 << 22
"""How many logits are in memory at one time where a head gives them for the whole vocabulary only."""
ROWS, COLUMNS = 1024, 2048
"""A block of logits otherwise: small enough to stay in the cache."""


def state_layer(model: Model) -> str:
    """The layer whose states the output head reads."""
    return model.layers[-1]


@torch.no_grad()
def head_logprobs(
    head: OutputHead, states: torch.Tensor, row: Ints, target: Ints, vocabulary: int
) -> NDArray[np.float64]:
    """The log-probability, in nats, of piece ``target[k]`` at ``states[row[k]]``; ``row`` ascends from 0 and leaves
    none out. Never are there logits of more than a few rows.
    """
    out = np.empty(len(row))
    step = ROWS if head.is_open else max(1, LOGITS_AT_ONCE // max(vocabulary, 1))
    for begin in range(0, len(states), step):
        own = slice(*np.searchsorted(row, [begin, begin + step]))
        rows = torch.from_numpy(row[own] - begin).to(states.device)
        targets = torch.from_numpy(target[own]).to(states.device)
        part = states[begin : begin + step]
        opened = head.features(part)
        found = _whole(head(part), rows, targets) if opened is None else _by_blocks(opened, rows, targets)
        out[own] = found.double().cpu().numpy()
    return out


def _whole(logits: torch.Tensor, rows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    logits = logits.float()
    wanted = logits[rows, targets]
    highest = logits.amax(-1, keepdim=True)
    # in place: the logits are not needed any more
    normaliser = logits.sub_(highest).exp_().sum(-1).log_() + highest[:, 0]
    found: torch.Tensor = wanted - normaliser[rows]
    return found


def _by_blocks(
    opened: tuple[torch.Tensor, torch.Tensor, torch.Tensor | None], rows: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """The normaliser as a running sum over blocks of the vocabulary, the wanted logits by themselves."""
    features, weight, bias = opened
    room = torch.empty(len(features) * COLUMNS, dtype=features.dtype, device=features.device)
    highest = torch.full((len(features), 1), -torch.inf, device=features.device)
    total = torch.zeros_like(highest)
    for begin in range(0, len(weight), COLUMNS):
        part = weight[begin : begin + COLUMNS]
        block = room[: len(features) * len(part)].view(len(features), len(part))
        torch.mm(features, part.T, out=block)
        if bias is not None:
            block.add_(bias[begin : begin + COLUMNS])
        logits = block.float()
        higher = torch.maximum(highest, logits.amax(-1, keepdim=True))
        total.mul_((highest - higher).exp_()).add_(logits.sub_(higher).exp_().sum(-1, keepdim=True))
        highest = higher
    wanted = (features[rows].float() * weight[targets].float()).sum(-1)
    if bias is not None:
        wanted += bias[targets].float()
    return wanted - (total.log_() + highest)[rows, 0]


class Pending:
    """States of several batches, until there are enough of them to be worth a pass of the head."""

    def __init__(self, head: OutputHead, queries: Queries, vocabulary: int) -> None:
        self.logprob = np.empty(len(queries))
        self._target = queries.target
        self._head, self._vocabulary = head, vocabulary
        self._states: list[torch.Tensor] = []
        self._rows: list[Ints] = []
        self._queries: list[Ints] = []
        self._n = 0

    def add(self, states: torch.Tensor, cell: Ints, queries: Ints) -> None:
        """The states of one batch ``[batch, pieces, dim]``, and in which of its cells which queries look."""
        cells, row = np.unique(cell, return_inverse=True)
        self._states.append(states.reshape(-1, states.shape[-1])[torch.from_numpy(cells).to(states.device)])
        self._rows.append(row + self._n)
        self._queries.append(queries)
        self._n += len(cells)
        if self._n >= ROWS:
            self.flush()

    def flush(self) -> NDArray[np.float64]:
        """Let the head read what is waiting; the log-probabilities so far."""
        if self._queries:
            row, own = np.concatenate(self._rows), np.concatenate(self._queries)
            order = np.argsort(row, kind="stable")
            own, row = own[order], row[order]
            states = torch.cat(self._states)
            self.logprob[own] = head_logprobs(self._head, states, row, self._target[own], self._vocabulary)
        self._states, self._rows, self._queries, self._n = [], [], [], 0
        return self.logprob


def batches(lengths: Sequence[Sequence[int]], budget: int) -> Iterator[Ints]:
    """Numbers of inputs of one and the same length, at most ``budget`` pieces together."""
    if not lengths:
        return
    keys = np.asarray(lengths, dtype=np.int64)
    order = np.lexsort(keys.T)
    ordered = keys[order]
    cuts = np.flatnonzero((ordered[1:] != ordered[:-1]).any(1)) + 1
    for same in np.split(order, cuts):
        if len(same):
            step = max(1, budget // max(1, int(keys[same[0]].max())))
            for begin in range(0, len(same), step):
                yield same[begin : begin + step]


def plain_logprobs(
    model: Model, head: OutputHead, queries: Queries, budget: int, vocabulary: int, progress: Progress
) -> NDArray[np.float64]:
    """Log-probabilities of all queries, in nats, from batches of inputs of equal length."""
    layer = state_layer(model)
    pending = Pending(head, queries, vocabulary)
    lengths = [[len(ids)] for ids in queries.inputs]
    if queries.sources:
        lengths = [[len(source), *own] for source, own in zip(queries.sources, lengths, strict=True)]
    device = model.module.device
    place = np.zeros(len(queries.inputs), dtype=np.int64)
    chosen = list(batches(lengths, budget))
    order = np.concatenate([np.zeros(0, np.int64), *chosen])
    place[order] = np.arange(len(order))
    by_place = np.lexsort((queries.position, place[queries.input]))
    places = place[queries.input][by_place]
    done = 0
    progress(STAGE, 0, len(order))
    for numbers in chosen:
        own = by_place[slice(*np.searchsorted(places, [done, done + len(numbers)]))]
        ids = torch.from_numpy(np.stack([queries.inputs[i] for i in numbers]).astype(np.int64)).to(device)
        if queries.sources:
            sources = np.stack([queries.sources[i] for i in numbers]).astype(np.int64)
            states = model.decode(torch.from_numpy(sources).to(device), None, ids, layer)[layer]
        else:
            states = model.states(ids, None, layer)[layer]
        pending.add(states, (place[queries.input[own]] - done) * ids.shape[1] + queries.position[own], own)
        done += len(numbers)
        progress(STAGE, done, len(order))
    return pending.flush()
