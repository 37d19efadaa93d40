"""What stands in for a word that is hidden: a piece of the tokenizer that means nothing of its own."""

from __future__ import annotations

import torch

from probekit.models.model import Model


def fill_piece(model: Model, *, sees_ahead: bool) -> tuple[int | None, str]:
    """The piece, or None with the reason why there is none.

    A model that sees both sides of a place was trained with a mask piece; one that reads from left to right never saw
    one, so an unknown piece is taken, unless it is the piece that begins or ends texts.
    """
    tokenizer = model.tokenizer
    mask, unknown = tokenizer.mask_token_id, tokenizer.unk_token_id
    if sees_ahead and mask is not None:
        return int(mask), ""
    marks = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id)
    if unknown is not None and unknown not in marks:
        return int(unknown), ""
    shown = tokenizer.convert_ids_to_tokens(unknown) if unknown is not None else None
    has = (
        "no piece that stands for nothing"
        if shown is None
        else f"{shown} both for unknown text and between texts"
    )
    kind = "has no mask piece" if sees_ahead else "reads from left to right"
    return None, f"{model.name} {kind}, and its tokenizer has {has}"


def shown_piece(model: Model, piece: int) -> str:
    """How the tokenizer writes a piece."""
    return str(model.tokenizer.convert_ids_to_tokens(piece))


def sees_ahead(model: Model, layer: str) -> bool:
    """Whether the states of a layer depend on what comes later in the text; tried on four pieces.

    Layer 0 depends on nothing else, so the last layer of its stack is asked.
    """
    stack = layer.rpartition(".")[0]
    last = [name for name in model.layers if name.rpartition(".")[0] == stack][-1]
    ids = torch.tensor([[5, 6, 7, 8], [5, 6, 7, 9]], device=model.module.device) % model.vocabulary
    states = model.states(ids, None, (last,))[last][:, :3].float()
    return float((states[0] - states[1]).abs().max()) > 1e-3 * max(1.0, float(states.abs().max()))
