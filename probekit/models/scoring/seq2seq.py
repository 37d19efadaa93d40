"""Scores of the decoder of an encoder-decoder, given what its encoder reads."""

from __future__ import annotations

import numpy as np

from probekit.models.model import Model
from probekit.models.scoring.asks import TOO_LONG
from probekit.models.scoring.base import ModelScorer
from probekit.models.scoring.pieces import pieces_in_front, read_pieces
from probekit.models.scoring.queries import Asked, Queries, QueryList


class Seq2SeqScorer(ModelScorer):
    """The decoder reads the text left to right; the encoder reads the source of an ask, empty or not."""

    kind = "encoder-decoder"

    def __init__(self, model: Model, pieces_per_batch: int | None = None) -> None:
        super().__init__(model, pieces_per_batch)
        start = 0 if model.start_piece is None else model.start_piece
        self.front = (start, *pieces_in_front(model.tokenizer))
        shown = " ".join(str(piece) for piece in model.tokenizer.convert_ids_to_tokens(list(self.front)))
        self.rule = (
            f"decoder left to right given the source in the encoder, {shown} in front: the first piece is scored "
            "given it; each piece given those before it, nothing scored after the last"
        )

    @property
    def room(self) -> int | None:
        """How many pieces of a text the decoder can read; its limit counts the start piece already."""
        limit = self.model.max_pieces
        return None if limit is None else limit - (len(self.front) - 1)

    def ask(self, asked: Asked) -> Queries:
        """As for a causal model, and the source belongs to the input. A source that is too long leaves out."""
        numbers: dict[str, int] = {}
        which = [numbers.setdefault(source, len(numbers)) for source in asked.sources]
        read = [
            pieces.ids.astype(np.int32)
            for pieces in read_pieces(self.model.tokenizer, list(numbers), special=True)
        ]
        # an encoder has to read something: its tokenizer may add nothing to an empty source
        read = [ids if len(ids) else np.array(self.front[:1], np.int32) for ids in read]
        limit = self.model.max_pieces
        found = QueryList(asked)
        shift = len(self.front) - 1
        for number, pieces in enumerate(asked.pieces):
            source = read[which[number]]
            if limit is not None and len(source) > limit:
                asked.left_out[number] = asked.left_out[number] or TOO_LONG
                continue
            piece = asked.piece[number]
            if len(piece):
                position = piece + shift
                ids = np.concatenate([self.front, pieces.ids])[: int(position.max()) + 1].astype(np.int32)
                found.add(found.number(ids, source), position, pieces.ids[piece], number, asked.span[number])
        return found.done()
