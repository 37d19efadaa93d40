"""Scores of a causal language model: every piece given all pieces before it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.errors import ModelError
from probekit.glossary import Progress, silent
from probekit.models.hooks.force import suspended
from probekit.models.hooks.named import only_rowwise
from probekit.models.model import Model
from probekit.models.scoring.base import ModelScorer
from probekit.models.scoring.pieces import BosRule, begin_piece
from probekit.models.scoring.queries import Asked, Queries, QueryList
from probekit.models.scoring.tree import Tree


class CausalScorer(ModelScorer):
    """Left to right. Texts that begin alike share the states of what they share.

    With the shared beginning packed once, several texts stand in one row of a batch, each seeing only its own past.
    That is done where a trial on this very model gives the states of separate reading, else texts are read
    separately. A last piece predicts nothing and is not read. Under edits that are not rowwise, or hold at some
    positions only, texts are read separately too.
    """

    kind = "causal"

    def __init__(self, model: Model, bos: BosRule = "auto", pieces_per_batch: int | None = None) -> None:
        super().__init__(model, pieces_per_batch)
        begin = begin_piece(model.tokenizer, bos)
        self.front = () if begin is None else (begin,)
        self.skip_first = begin is None
        _check_direction(model)
        self.tree: Tree | None = Tree.where_exact(model)
        self.rule = _rule(model, begin)

    @property
    def room(self) -> int | None:
        """How many pieces of a text can be read behind the piece in front."""
        limit = self.model.max_pieces
        return None if limit is None else limit - len(self.front)

    def ask(self, asked: Asked) -> Queries:
        """The state before a piece says how likely it is; nothing behind the last such state is read."""
        found = QueryList(asked)
        shift = len(self.front) - 1
        for number, pieces in enumerate(asked.pieces):
            piece = asked.piece[number]
            if len(piece):
                position = piece + shift
                ids = np.concatenate([self.front, pieces.ids])[: int(position.max()) + 1].astype(np.int32)
                found.add(found.number(ids), position, pieces.ids[piece], number, asked.span[number])
        return found.done()

    def logprobs(self, queries: Queries, progress: Progress = silent) -> NDArray[np.float64]:
        """The log-probability of every query, in nats."""
        if self.tree is None or not only_rowwise(self.model):
            return super().logprobs(queries, progress)
        longest = self.tree.longest
        short = np.array([len(ids) <= longest for ids in queries.inputs], dtype=bool)
        out = np.empty(len(queries))
        packed, rows = queries.about(short)
        out[rows] = self.tree.logprobs(self.head, packed, self.budget, progress)
        if not short.all():
            rest, rows = queries.about(~short)
            out[rows] = super().logprobs(rest, progress)
        return out


def _rule(model: Model, begin: int | None) -> str:
    rest = "each piece given those before it, nothing scored after the last"
    if begin is None:
        return f"left to right, nothing in front: the first piece has no context and is not scored; {rest}"
    shown = model.tokenizer.convert_ids_to_tokens(begin)
    return f"left to right, {shown} in front: the first piece is scored given it; {rest}"


def _check_direction(model: Model) -> None:
    """A model that sees the future gives other states to a text with another end."""
    top = model.vocabulary
    ids = torch.tensor([[5, 6, 7, 8], [5, 6, 7, 9]], device=model.module.device) % top
    last = model.layers[-1]
    with suspended():
        states = model.states(ids, None, last)[last][:, :3].float()
    if float((states[0] - states[1]).abs().max()) > 1e-3 * max(1.0, float(states.abs().max())):
        raise ModelError(
            f"{model.name} has a causal head, and its states depend on what comes later; load the checkpoint with "
            "is_decoder set in its config.json, or give a masked language model"
        )
