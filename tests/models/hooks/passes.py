"""What the tests of hooks share: batches, whole passes through transformers, and a look at the hooks of a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from probekit.models.model import Model


def draw(model: Model, seed: int = 0, rows: int = 3, pieces: int = 9) -> torch.Tensor:
    """Piece ids ``[rows, pieces]``, none of them special."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(5, min(90, model.vocabulary), (rows, pieces), generator=generator)


def padded(model: Model) -> tuple[torch.Tensor, torch.Tensor]:
    """Three rows of 9, 6 and 2 pieces, padded on the right, and their mask."""
    ids = draw(model, 3)
    mask = torch.ones_like(ids)
    mask[1, 6:] = mask[2, 2:] = 0
    return ids.masked_fill(mask == 0, model.pad_piece), mask


@torch.no_grad()
def whole(module: Any, ids: torch.Tensor, mask: torch.Tensor | None = None, **more: Any) -> Any:
    """One pass of transformers' module itself; an encoder-decoder reads the ids in both stacks."""
    if module.config.is_encoder_decoder:
        more |= {"decoder_input_ids": ids, "use_cache": False}
    return module(input_ids=ids, attention_mask=mask, return_dict=True, **more)


def all_hooks(module: torch.nn.Module) -> dict[str, Any]:
    """Every hook of every part."""
    kinds = (
        "_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs",
        "_forward_hooks_always_called",
    )  # fmt: skip
    return {
        f"{name}.{kind}": dict(getattr(part, kind)) for name, part in module.named_modules() for kind in kinds
    }


def double(states: torch.Tensor) -> torch.Tensor:
    """Twice the states and one: nothing stays as it was."""
    return 2 * states + 1


def zero(states: torch.Tensor) -> torch.Tensor:
    """Nothing."""
    return 0 * states


def zero_head(number: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Nothing in one head, the others as they are."""

    def fn(heads: torch.Tensor) -> torch.Tensor:
        keep = torch.ones(heads.shape[2], 1)
        keep[number] = 0
        return heads * keep

    return fn
