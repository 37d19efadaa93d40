"""The mean embedding of the vocabulary in place of the embedding of chosen pieces."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from probekit.errors import ModelError
from probekit.models.model import Model

CHUNK = 4096


class MeanEmbedding:
    """Puts the mean embedding of the vocabulary where marks are 1; what is added for positions stays.

    Raises ModelError for an encoder-decoder, whose two stacks share one embedding.
    """

    def __init__(self, model: Model) -> None:
        if model.start_piece is not None:
            raise ModelError(
                f"{model.name} is an encoder-decoder; how='mean' needs one stack, so use 'delete' or 'mask'"
            )
        self._module: Any = model.module.get_input_embeddings()
        self.mean = mean_embedding(model)

    @contextmanager
    def __call__(self, marks: torch.Tensor) -> Iterator[None]:
        thread = threading.get_ident()

        def hook(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor | None:
            if threading.get_ident() != thread:
                return None
            return torch.where(marks[:, :, None] > 0, self.mean.to(output.dtype), output)

        handle = self._module.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()


@torch.no_grad()
def mean_embedding(model: Model) -> torch.Tensor:
    """The mean of what the embedding gives for every piece, float32 ``[dim]``: some families scale its rows."""
    module: Any = model.module.get_input_embeddings()
    total: Any = 0
    for begin in range(0, model.vocabulary, CHUNK):
        ids = torch.arange(begin, min(begin + CHUNK, model.vocabulary), device=model.module.device)
        total = total + module(ids).double().sum(0)
    mean: torch.Tensor = (total / model.vocabulary).float()
    return mean
