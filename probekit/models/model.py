"""A frozen Transformer and what the other rooms need to know of it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from probekit.errors import ConfigError, ModelError, did_you_mean
from probekit.glossary import Layer, ModelKind, Site, layer_name
from probekit.models.hooks.capture import capture, site_width
from probekit.models.hooks.edit import active_edits
from probekit.models.hooks.sites import check_site, has_site, n_heads
from probekit.models.stacks import Stack, vocabulary

STACKS = ("encoder", "decoder")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Model:
    """A Transformer in evaluation mode without gradients, its tokenizer, and facts about both.

    Made by `load_model` and `random_twin`. ``layers`` are the names that can be asked for: ``"0"`` is the
    output of the embedding, ``"i"`` the output of block i before any final norm, and ``"final"`` the state
    after the final norm, listed only where it differs from the last block. An encoder-decoder has
    ``"encoder.0"`` ... and ``"decoder.0"`` ... instead. ``fingerprint`` depends on the weights in memory and
    on how they are used, never on the name or the folder.
    """

    name: str
    revision: str
    kind: ModelKind
    family: str
    module: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    layers: tuple[Layer, ...]
    dim: int
    max_pieces: int | None
    device: str
    dtype: str
    attention: str
    fingerprint: str
    tokenizer_fingerprint: str
    stacks: tuple[Stack, ...]
    start_piece: int | None
    """The piece that stands in front of what a decoder of an encoder-decoder reads."""
    seed: int | None = None
    """What the weights of a random twin were drawn with."""
    allow_bin: bool = False
    """Whether pickled weights may be read, when the output head is loaded from the same source."""

    @property
    def pad_piece(self) -> int:
        """The id to fill shorter rows of a batch with; what it is does not matter under an attention mask."""
        for piece in (
            self.tokenizer.pad_token_id,
            self.module.config.pad_token_id,
            self.tokenizer.eos_token_id,
        ):
            if isinstance(piece, int) and piece >= 0:
                return piece
        return 0

    @property
    def parameters(self) -> int:
        """How many numbers the model has; tied weights count once."""
        return sum(p.numel() for p in self.module.parameters())

    @property
    def vocabulary(self) -> int:
        """How many pieces the embedding has rows for."""
        return vocabulary(self.module)

    @property
    def n_heads(self) -> int:
        """How many attention heads a block has. Raises ModelError where blocks differ or the family does not say."""
        found = {n_heads(self, stack) for stack in self.stacks}
        if len(found) > 1:
            raise ModelError(
                f"{self.name}: encoder and decoder have different numbers of heads {sorted(found)}"
            )
        return found.pop()

    def resolve_layers(
        self, layers: str | int | Iterable[int | str] = "all", site: str = "hidden"
    ) -> tuple[Layer, ...]:
        """The canonical names of the layers asked for, from low to high, each once.

        ``"final"`` names the last block where the model has no final norm. Sites other than ``hidden`` belong to
        blocks: ``"all"`` leaves layer 0 and the final norm out there. Raises ConfigError on an unknown name.
        """
        where = check_site(site)
        if layers == "all":
            return self._with(where)
        asked = [layers] if isinstance(layers, str | int) else list(layers)
        if not asked:
            raise ConfigError(f"no layer was asked for; {self.name} has {_span(self._with(where))}")
        found = {self._resolve(layer, where) for layer in asked}
        for layer in found:
            if not has_site(layer, where):
                raise ConfigError(
                    f"{self.name}: layer {layer!r} is no block and has no site {site!r}; "
                    f"it has {_span(self.resolve_layers('all', site))}"
                )
        return tuple(layer for layer in self.layers if layer in found)

    def site_dim(self, site: str = "hidden") -> int:
        """How many numbers a piece has at a site, all heads together. Raises ModelError where blocks differ."""
        return self.dim if check_site(site) == "hidden" else site_width(self, check_site(site))

    def _with(self, site: Site) -> tuple[Layer, ...]:
        """The layers that have a site."""
        return tuple(layer for layer in self.layers if has_site(layer, site))

    def _resolve(self, layer: int | str, site: Site) -> Layer:
        name = layer_name(layer)
        if name in self.layers:
            return name
        prefix, _, last = name.rpartition(".")
        if last == "final" and prefix in ("", *STACKS):
            same_stack = [known for known in self.layers if known.rpartition(".")[0] == prefix]
            if same_stack:
                return same_stack[-1]
        if self.start_piece is not None and f"encoder.{name}" in self.layers:
            hint = f"say which stack: 'encoder.{name}' or 'decoder.{name}'"
        else:
            hint = did_you_mean(name, self._with(site))
        raise ConfigError(f"{self.name} has no layer {name!r}: it has {_span(self._with(site))}; {hint}")

    @torch.no_grad()
    def states(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None,
        layers: str | int | Iterable[int | str],
        *,
        site: str = "hidden",
        position_ids: torch.Tensor | None = None,
    ) -> dict[Layer, torch.Tensor]:
        """The states of the layers named, each ``[batch, pieces, dim]``, as transformers gives them.

        At another `site` they are what passes by there, heads side by side. Edits in force are in force here.

        ``input_ids`` is ``[batch, pieces]``, padded on the right; ``attention_mask`` likewise, or None where
        nothing is padded. Row t of a decoder layer of an encoder-decoder is the state after reading piece t:
        the start piece in front is read and dropped. A model of one stack may be given ``position_ids`` and a
        mask ``[batch, 1, pieces, pieces]`` that is added to the attention scores; not every family heeds them.
        """
        wanted = self.resolve_layers(layers, site)
        if site == "hidden" and not active_edits(self):
            return self._read(input_ids, attention_mask, wanted, position_ids, wanted)
        # what transformers collects by itself may have been collected before an edit
        with capture(self, wanted, check_site(site)) as seen:
            self._read(input_ids, attention_mask, wanted, position_ids, ())
        return {
            layer: (state[:, 1:] if layer.startswith("decoder.") else state).flatten(2)
            for layer in wanted
            for state in [seen[layer]]
        }

    def _read(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None,
        wanted: Sequence[Layer],
        position_ids: torch.Tensor | None,
        handed: Sequence[Layer],
    ) -> dict[Layer, torch.Tensor]:
        """One pass of the stacks that `wanted` needs; the states of the layers `handed` that transformers gives."""
        if self.start_piece is None:
            own = {} if position_ids is None else {"position_ids": position_ids}
            return self.stacks[0].run(handed, input_ids=input_ids, attention_mask=attention_mask, **own)[1]
        encoder, decoder = self.stacks
        encoded, states = encoder.run(handed, input_ids=input_ids, attention_mask=attention_mask)
        if not set(wanted).isdisjoint(decoder.layers):
            pad = torch.nn.functional.pad
            _, decoded = decoder.run(
                handed,
                encoder_outputs=encoded,
                attention_mask=attention_mask,
                decoder_input_ids=pad(input_ids, (1, 0), value=self.start_piece),
                decoder_attention_mask=None
                if attention_mask is None
                else pad(attention_mask, (1, 0), value=1),
            )
            states |= {layer: state[:, 1:] for layer, state in decoded.items()}
        return states

    @torch.no_grad()
    def decode(
        self,
        source_ids: torch.Tensor,
        source_mask: torch.Tensor | None,
        decoder_ids: torch.Tensor,
        layers: Sequence[Layer],
    ) -> dict[Layer, torch.Tensor]:
        """States of the decoder of an encoder-decoder that reads ``decoder_ids`` given another source text.

        ``source_ids`` and ``source_mask`` are ``[batch, source pieces]``, padded on the right; ``decoder_ids``
        is ``[batch, pieces]``, its start piece included, and every one of its rows is given back.
        """
        encoder, decoder = self.stacks
        wanted = self.resolve_layers(layers)
        encoded, _ = encoder.run((), input_ids=source_ids, attention_mask=source_mask)
        inputs: dict[str, Any] = {
            "encoder_outputs": encoded,
            "attention_mask": source_mask,
            "decoder_input_ids": decoder_ids,
        }
        if not active_edits(self):
            return decoder.run(wanted, **inputs)[1]
        with capture(self, wanted) as seen:
            decoder.run((), **inputs)
        return seen

    def describe(self) -> dict[str, Any]:
        """Everything a run should record about the model, ready for JSON."""
        return {
            "name": self.name,
            "revision": self.revision,
            "kind": self.kind,
            "family": self.family,
            "layers": list(self.layers),
            "dim": self.dim,
            "parameters": self.parameters,
            "max_pieces": self.max_pieces,
            "device": self.device,
            "dtype": self.dtype,
            "attention": self.attention,
            "fingerprint": self.fingerprint,
            "tokenizer_fingerprint": self.tokenizer_fingerprint,
            "transformers": str(transformers.__version__),
            "torch": str(torch.__version__),
        }

    def __repr__(self) -> str:
        revision = f"@{self.revision[:12]}" if self.revision else ""
        return (
            f"<Model {self.name}{revision}: {self.kind} {self.family}, layers {_span(self.layers)}, "
            f"{self.dim} dimensions, {self.parameters:,} parameters, {self.dtype} on {self.device}>"
        )

    def _repr_html_(self) -> str:
        rows = {**self.describe(), "layers": _span(self.layers), "parameters": f"{self.parameters:,}"}
        cells = "".join(
            f"<tr><th scope='row' style='text-align:left'>{html.escape(str(key))}</th>"
            f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
            for key, value in rows.items()
        )
        return f"<table>{cells}</table>"


def _span(layers: Sequence[Layer]) -> str:
    """The layers of a model in few words: ``0 ... 6, final``."""
    stacks: dict[str, list[str]] = {}
    for layer in layers:
        stack, _, last = layer.rpartition(".")
        stacks.setdefault(stack, []).append(last)
    parts = []
    for stack, names in stacks.items():
        dot = f"{stack}." if stack else ""
        numbers = [name for name in names if name != "final"]
        parts.append(
            f"{dot}{numbers[0]} ... {dot}{numbers[-1]}" + (f", {dot}final" if "final" in names else "")
        )
    return "; ".join(parts)
