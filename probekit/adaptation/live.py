"""A Transformer that is being adapted: its body, and a head of its own on what the body says of each unit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from probekit.adaptation.inputs import Batch, Inputs
from probekit.errors import ModelError
from probekit.models.model import Model


class Live(nn.Module):
    """Body and head. ``body`` is the module of a freshly loaded model (a strategy may wrap it); ``head`` is linear.

    A unit is the mean of its pieces' last states; dropout stands before the head. Of an encoder-decoder the body is
    the encoder. ``inputs`` are the examples to train on, None while a saved model is put together again: a strategy
    that reads text in `prepare` leaves that out then. ``trained`` names what an optimiser has had so far.
    """

    def __init__(self, model: Model, outputs: int, *, dropout: float = 0.1, seed: int = 0) -> None:
        super().__init__()
        if model.dtype not in ("float32", "float64"):
            raise ModelError(
                f"{model.name} is loaded as {model.dtype}, in which small steps are lost; load it as float32 and "
                "fine-tune with precision='bfloat16'"
            )
        self.model = model
        self.seed = seed
        self.inputs: Inputs | None = None
        self.trained: set[str] = set()
        module: Any = model.module
        self.body: Any = module if model.start_piece is None else module.get_encoder()
        module.requires_grad_(False)
        self.body.requires_grad_(True)
        self.dropout = nn.Dropout(dropout)
        # its weights are drawn below, from a generator of its own
        self.head = nn.utils.skip_init(  # type: ignore[no-untyped-call]
            nn.Linear, model.dim, outputs, device=model.device, dtype=model.module.dtype
        )
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
        if hasattr(self.body.config, "use_cache"):
            given["use_cache"] = False
        states: Tensor = self.body(**given).last_hidden_state
        return states[:, -batch.ids.shape[1] :]


@torch.no_grad()
def reads_ahead(model: Model) -> bool:
    """Whether the first state depends on what follows; seen in two passes over four pieces that differ in the last."""
    if model.start_piece is not None:
        return True
    ids = torch.tensor([[5, 6, 7, 8], [5, 6, 7, 9]], device=model.device) % model.vocabulary
    first = model.states(ids, None, [model.layers[-1]])[model.layers[-1]][:, 0]
    return bool((first[0] - first[1]).abs().max() > 1e-6 * first.abs().max())
