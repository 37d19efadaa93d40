"""Change what self-attention hands on in a live pass: the values of each block, before they are averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import torch

from probekit.errors import ModelError
from probekit.models.attention import CHANGE, looked_up_by_name

if TYPE_CHECKING:
    from probekit.models.model import Model

Change: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""Values ``[batch, heads that have values, pieces, dim of a head]`` to values of the same shape."""


@contextmanager
def changed_values(model: Model, change: Change) -> Iterator[None]:
    """Inside the block every self-attention that `attend` watches averages what `change` makes of its values.

    Weights are as they were: queries and keys are not touched. Only passes of `attend` in this thread are concerned.
    Raises ModelError for a family whose values cannot be reached.
    """
    if not looked_up_by_name(model):
        raise ModelError(
            f"{model.name}: {model.family} computes the values of its attention out of sight, so that they cannot be "
            "changed; rollout, flow and the weights themselves need no values"
        )
    token = CHANGE.set(change)
    try:
        yield
    finally:
        CHANGE.reset(token)
