"""A Transformer that is being adapted: its body, and a head of its own on what the body says of each unit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from probekit.adaptation.inputs import Batch
from probekit.errors import ModelError
from probekit.models.model import Model


class Live(nn.Module):
    """Body and head. ``body`` is the module of a freshly loaded model (a strategy may wrap it); ``head`` is linear.

    A unit is the mean of its pieces' last states; dropout stands before the head.
    """

    def __init__(self, model: Model, outputs: int, *, dropout: float = 0.1, seed: int = 0) -> None:
        super().__init__()
        if model.start_piece is not None:
            raise ModelError(f"{model.name} is an encoder-decoder; fine-tune an encoder or a decoder")
        self.model = model
        self.body: Any = model.module
        self.body.requires_grad_(True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(model.dim, outputs, device=model.device)
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            weight = torch.randn(outputs, model.dim, generator=draw) * 0.02
            self.head.weight.copy_(weight)
            self.head.bias.zero_()

    def forward(self, batch: Batch) -> Tensor:
        """Outputs of the head, [units of the batch, outputs]."""
        states = self.states(batch)
        flat = states.reshape(-1, states.shape[-1]).index_select(0, batch.piece)
        n = len(batch.units)
        pooled = torch.zeros(n, flat.shape[1], dtype=flat.dtype, device=flat.device)
        pooled = pooled.index_add(0, batch.owner, flat)
        counts = torch.bincount(batch.owner, minlength=n).to(flat.dtype).unsqueeze(1)
        logits: Tensor = self.head(self.dropout(pooled / counts))
        return logits

    def states(self, batch: Batch) -> Tensor:
        """Last states of the body [rows, width, dim]; pieces that a strategy puts in front are dropped."""
        given: dict[str, Any] = {"input_ids": batch.ids}
        mask = batch.mask
        if mask is None:
            mask = torch.ones_like(batch.ids)
        given["attention_mask"] = mask
        if batch.types is not None:
            given["token_type_ids"] = batch.types
        if not hasattr(self.body.config, "type_vocab_size"):
            given["use_cache"] = False
        states: Tensor = self.body(**given).last_hidden_state
        return states[:, -batch.ids.shape[1] :]
