"""How an attention-only parser scores heads, and how its few numbers are fitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from probekit.attention.parser_data import NOT_SCORED, ParserBatch
from probekit.glossary import Progress, silent

EPOCHS = 40
PATIENCE = 2
RATE = 0.1
SLOWER = (1.0, 0.2, 0.04, 0.008)
"""Where dev gets no better, steps become smaller: heads that are nearly alike add up, and one size fits not all."""
VECTOR_RATE = 0.01
FURTHEST = 10
"""Distances beyond are one."""


class Fitted(NamedTuple):
    """A scorer at its best epoch, which epoch that was, and its mean log-loss on dev in nats."""

    scorer: Scorer
    epoch: int
    loss: float


class Scorer(nn.Module):
    """Scores of every head for every word: linear in the maps of K heads, or of K distances.

    ``sum_k w_k a_ij^k + u_k a_ji^k`` with a the weight of word i on word j (Clark et al. 2019, section 5); with
    `dims` the numbers w_k and u_k are ``W_k v_i + V_k v_j + c_k`` of static vectors v of the two words.
    The root's score has a weight for what the word gives to special pieces in each head, a constant, and, with
    `dims`, a direction of the word's vector. Distances look one way only and know no special pieces.
    """

    def __init__(self, features: int, dims: int = 0, *, distances: bool = False) -> None:
        super().__init__()
        self.distances = distances
        ways = 1 if distances else 2
        self.weight = nn.Parameter(torch.zeros(ways, features))
        self.root_weight = nn.Parameter(torch.zeros(0 if distances else features))
        self.root = nn.Parameter(torch.zeros(()))
        self.own_vector = nn.Parameter(torch.zeros(ways, features, dims))
        self.other_vector = nn.Parameter(torch.zeros(ways, features, dims))
        self.root_vector = nn.Parameter(torch.zeros(dims))

    def forward(self, batch: ParserBatch) -> torch.Tensor:
        """Scores ``[batch, words, words + 1]``, the root last; minus infinity where no head may be."""
        dims = self.root_vector.shape[0]
        maps = distance_maps(batch.words)[None] if self.distances else batch.maps.float()
        words = torch.zeros(len(batch.sizes), batch.words, batch.words)
        for way, seen in enumerate((maps, maps.transpose(2, 3))[: len(self.weight)]):
            words = words + torch.einsum("skij,k->sij", seen, self.weight[way])
            if dims:
                seen = seen.expand(len(batch.sizes), -1, -1, -1)
                own = batch.vectors @ self.own_vector[way].T
                other = batch.vectors @ self.other_vector[way].T
                words = words + torch.einsum("skij,sik->sij", seen, own)
                words = words + torch.einsum("skij,sjk->sij", seen, other)
        root = self.root.expand(words.shape[:2])
        if not self.distances:
            root = root + torch.einsum("ski,k->si", batch.special.float(), self.root_weight)
        if dims:
            root = root + batch.vectors @ self.root_vector
        scores = torch.cat([words, root[..., None]], 2)
        return scores.masked_fill(~batch.allowed(), float("-inf"))

    def start_from(self, other: Scorer) -> None:
        """Take over what another scorer of the same heads, without vectors, found."""
        with torch.no_grad():
            for name in ("weight", "root_weight", "root"):
                getattr(self, name).copy_(getattr(other, name))


def distance_maps(words: int) -> torch.Tensor:
    """One map for each distance -10 ... 10 but 0: 1 where word j is that far behind word i, ``[20, words, words]``.

    >>> distance_maps(3)[10].tolist()  # the next word
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    place = torch.arange(words)
    offset = (place[None] - place[:, None]).clamp(-FURTHEST, FURTHEST)
    known = torch.tensor([k for k in range(-FURTHEST, FURTHEST + 1) if k])
    return (offset[None] == known[:, None, None]).float()


def fit_scorer(
    scorer: Scorer,
    train: Sequence[ParserBatch],
    dev: Sequence[ParserBatch],
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Fitted:
    """Fit by Adam to the gold heads of train; the epoch with the lowest log-loss on dev is kept.

    After two epochs without a better one it goes on from the best with smaller steps, and ends after the smallest.
    The order of batches is drawn with `seed`.
    """
    optimizer, step, since = _optimizer(scorer, SLOWER[0]), 0, 0
    scored = sum(int((batch.heads != NOT_SCORED).sum()) for batch in train)
    rng = np.random.default_rng([seed, 7])
    best = Fitted(scorer, 0, mean_loss(scorer, dev))
    kept = {name: value.clone() for name, value in scorer.state_dict().items()}
    for epoch in range(1, EPOCHS + 1):
        for number in rng.permutation(len(train)).tolist():
            optimizer.zero_grad()
            with torch.enable_grad():
                loss = _loss(scorer, train[number]) * (len(train) / scored)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        progress("parser probe (epochs)", epoch, EPOCHS)
        loss_now = mean_loss(scorer, dev)
        if loss_now < best.loss:
            best = Fitted(scorer, epoch, loss_now)
            kept = {name: value.clone() for name, value in scorer.state_dict().items()}
            since = epoch
        elif epoch - since >= PATIENCE:
            scorer.load_state_dict(kept)
            since, step = epoch, step + 1
            if step == len(SLOWER):
                break
            optimizer = _optimizer(scorer, SLOWER[step])
    scorer.load_state_dict(kept)
    return best


def _optimizer(scorer: Scorer, slower: float) -> torch.optim.Optimizer:
    vectors = [scorer.own_vector, scorer.other_vector, scorer.root_vector]
    return torch.optim.Adam([
        {"params": [scorer.weight, scorer.root_weight, scorer.root], "lr": slower * RATE},
        {"params": vectors, "lr": slower * VECTOR_RATE},
    ])  # fmt: skip


def mean_loss(scorer: Scorer, batches: Sequence[ParserBatch]) -> float:
    """Mean log-loss of the gold head over the words scored, in nats."""
    scored = sum(int((batch.heads != NOT_SCORED).sum()) for batch in batches)
    with torch.no_grad():
        return sum(float(_loss(scorer, batch)) for batch in batches) / max(1, scored)


def _loss(scorer: Scorer, batch: ParserBatch) -> torch.Tensor:
    return nn.functional.cross_entropy(
        scorer(batch).flatten(0, 1), batch.heads.flatten(), ignore_index=NOT_SCORED, reduction="sum"
    )
