"""One text, or two read as a pair, as a model's pieces: their names, which are special, where the second begins."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.errors import DataError, ModelError

if TYPE_CHECKING:
    from probekit.models.model import Model


SPACE = "\u2581"
"""How SentencePiece writes a space; alone it is a piece that covers the letter behind it and spells none."""


@dataclass(frozen=True, eq=False)
class PieceText:
    """The pieces of a text or a pair.

    ``ids`` int64 ``[1, pieces]`` on the model's device; ``names`` as they are shown; ``special`` bool ``[pieces]``;
    ``second``: the first piece of the second text, or None; ``cut``: how many pieces the model has no room for;
    ``segments`` int64 ``[1, pieces]`` where the family was trained to tell two texts apart by them, else None.
    """

    ids: torch.Tensor
    names: tuple[str, ...]
    special: NDArray[np.bool_]
    second: int | None
    cut: int
    segments: torch.Tensor | None


def read_piece_text(model: Model, text: str, text_b: str | None = None) -> PieceText:
    """The pieces of `text`, or of `text` and `text_b` as the pair the tokenizer makes of them.

    What is longer than the model reads is cut, of a pair the longer text first. Pieces of byte-level and
    SentencePiece-like vocabularies are shown as the letters they stand for. Raises DataError where there is nothing to
    read, or text that is not valid Unicode, ModelError where tokenizer and model do not belong together.
    """
    for one in (text, text_b or ""):
        if not isinstance(one, str):
            raise DataError(f"a text must be a string; got {type(one).__name__}")
        if any("\ud800" <= character <= "\udfff" for character in one):
            raise DataError("the text holds half of a surrogate pair, which no tokenizer can read; mend it")
    backend = model.tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    found = whole = backend.encode(text, text_b)
    if model.max_pieces is not None and len(whole.ids) > model.max_pieces:
        try:
            backend.enable_truncation(model.max_pieces, strategy="longest_first")
            found = backend.encode(text, text_b)
        finally:
            backend.no_truncation()
    if max(found.ids, default=0) >= model.vocabulary:
        raise ModelError(
            f"{model.name}: its tokenizer gives piece {max(found.ids)}, and its embedding has {model.vocabulary} rows; "
            "tokenizer and model do not belong together"
        )
    special = np.array(found.special_tokens_mask, dtype=np.bool_)
    if special.all():
        raise DataError(f"there is nothing to look at: {text!r} has no piece but special ones")
    second = [number for number, owner in enumerate(found.sequence_ids) if owner == 1]
    device = model.module.device
    ids = torch.tensor([found.ids], device=device)
    segments = torch.tensor([found.type_ids], device=device)
    return PieceText(
        ids,
        tuple(_names(model, found, (text, text_b or ""))),
        special,
        second[0] if second else None,
        len(whole.ids) - len(found.ids),
        segments if _tells_apart(model, segments) else None,
    )


@contextmanager
def as_pair(model: Model, read: PieceText) -> Iterator[None]:
    """Inside the block every pass of this thread over exactly these pieces is told which text each belongs to."""
    if read.segments is None:
        yield
        return
    thread = threading.get_ident()

    def tell(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        ids = kwargs.get("input_ids")
        if threading.get_ident() == thread and ids is not None and torch.equal(ids, read.ids):
            kwargs = {**kwargs, "token_type_ids": read.segments}
        return args, kwargs

    handle = model.module.register_forward_pre_hook(tell, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _tells_apart(model: Model, segments: torch.Tensor) -> bool:
    kinds = int(getattr(model.module.config, "type_vocab_size", 0) or 0)
    takes = "token_type_ids" in inspect.signature(model.module.forward).parameters
    return takes and 0 < int(segments.max()) < kinds


def _names(model: Model, found: Any, texts: tuple[str, str]) -> Iterator[str]:
    """A piece as its vocabulary writes it, or the letters it covers where the vocabulary writes bytes or marks."""
    plain = type(model.tokenizer.backend_tokenizer.model).__name__ == "WordPiece"
    for piece, name, (begin, end), owner in zip(
        found.ids, found.tokens, found.offsets, found.sequence_ids, strict=True
    ):
        letters = "" if owner is None or name == SPACE else texts[owner][begin:end].strip()
        yield name if plain or not letters or piece == model.tokenizer.unk_token_id else letters
