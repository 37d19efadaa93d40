"""A body with learned pieces in front of the text, and how strategies that put them there prepare it."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.layout import drawing
from probekit.adaptation.strategies.parts import NotMergeable
from probekit.adaptation.strategies.through_peft import PeftTuning, expected, import_peft
from probekit.errors import ConfigError

LEAST = 8
"""So many pieces of the text itself must still fit behind those in front."""


class Fronted(nn.Module):
    """What peft made of a body, called as peft does; but the types of a pair's two texts are handed on, which peft
    drops with a warning.
    """

    def __init__(self, wrapped: Any, pieces: int, keys: bool) -> None:
        super().__init__()
        self.wrapped, self.pieces, self.keys = wrapped, pieces, keys

    @property
    def config(self) -> Any:
        """The configuration of the body."""
        return self.wrapped.get_base_model().config

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        **others: Any,
    ) -> Any:
        """As the body. ``last_hidden_state`` has the pieces in front too where they are vectors, not keys."""
        rows = len(input_ids)
        front = attention_mask.new_ones(rows, self.pieces)
        given = {**others, "attention_mask": torch.cat([front, attention_mask], dim=1)}
        base = self.wrapped.get_base_model()
        learned = self.wrapped.get_prompt(rows)
        if self.keys:
            if token_type_ids is not None:
                given["token_type_ids"] = token_type_ids
            return base(input_ids=input_ids, past_key_values=learned, **given)
        embedded = base.get_input_embeddings()(input_ids)
        if token_type_ids is not None:
            given["token_type_ids"] = torch.cat([torch.zeros_like(front), token_type_ids], dim=1)
        return base(inputs_embeds=torch.cat([learned.to(embedded.dtype), embedded], dim=1), **given)


class FrontTuning(PeftTuning):
    """Learned pieces in front; the text has so many fewer places. `keys`: keys and values of every layer."""

    keys = False
    reason = ""
    """Why a model cannot, where it cannot."""

    def prepare(self, live: Live) -> None:
        """Wrap the body and look whether what stands in front acts. Raises ModelError, ConfigError."""
        peft = import_peft()
        pieces = self.whole("pieces", 20)
        room = live.model.max_pieces
        if room is not None and room - pieces < LEAST:
            raise ConfigError(
                f"strategy {self.name!r}: {pieces} pieces in front leave {room - pieces} of the {room} that "
                f"{live.model.name} reads; give fewer"
            )
        live.body.requires_grad_(False)
        body, config = live.body, self.configure(live)
        with drawing(live), expected():
            try:
                live.body = Fronted(peft.get_peft_model(body, config), pieces, self.keys)
                acts = self._acts(live)
            except (ValueError, KeyError, AttributeError, TypeError, RuntimeError) as problem:
                live.body = body
                raise self.impossible(live, self.reason) from problem
        if not acts:
            live.body = body
            raise self.impossible(
                live,
                "not all of what stands in front reaches the text: attention does not look there, or not so far "
                "back; 'lora' needs no place",
            )
        if room is not None:
            live.model = dataclasses.replace(live.model, max_pieces=room - pieces)

    def _acts(self, live: Live) -> bool:
        """Whether the loss would reach what is learned: in every layer of every piece, where these are keys."""
        was = live.body.training
        live.body.eval()
        ids = torch.tensor([[5, 6, 7, 8]], device=live.model.device) % live.model.vocabulary
        states = live.body(ids, torch.ones_like(ids)).last_hidden_state[:, -4:]
        live.body.train(was)
        if not states.requires_grad:
            return False
        learned = [p for p in live.body.parameters() if p.requires_grad]
        weights = torch.linspace(-1, 1, states.numel(), device=states.device, dtype=states.dtype)
        found = torch.autograd.grad((states.flatten() * weights).sum(), learned, allow_unused=True)
        if any(gradient is None for gradient in found):
            return False
        (gradient,) = [one for one in found if one is not None]
        layers = live.model.stacks[0].blocks if self.keys else 1
        return bool(gradient.reshape(len(gradient), layers, -1).abs().amax(dim=2).gt(0).all())

    def merge(self, live: Live) -> None:
        """Raises NotMergeable."""
        raise NotMergeable(
            f"strategy {self.name!r}: what stands in front of the text does not fold into the weights of "
            f"{live.model.name}; save it with save(), or use 'lora' where a plain model is needed"
        )
