"""Take whole layers out of a live model: a block, its attention, or its feed-forward part."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import torch

from probekit.erasure.reference import Reference
from probekit.erasure.replacements import How, replace_members
from probekit.errors import ConfigError, ModelError, did_you_mean
from probekit.glossary import Progress, Site, silent
from probekit.models.hooks import Edit
from probekit.results.files import tagged_hash

if TYPE_CHECKING:
    from probekit.models.model import Model

BlockPart: TypeAlias = Literal["block", "attention", "mlp"]


def ablate_layers(
    model: Model,
    layers: str | int | Iterable[int | str],
    part: BlockPart = "block",
    how: How = "zero",
    reference: Reference | None = None,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Edit, ...]:
    """Edits that take layers out, for `pk.edit_all`.

    "block"
        The state goes past the block unchanged: layer i is what layer i - 1 was when these edits acted, so an edit of
        layer i - 1 has to be opened before. Only ``how="zero"``.
    "attention"
        What self-attention adds is zero, its mean over `reference`, or resampled from it, bias included.
    "mlp"
        All neurons of the feed-forward part are; what the part adds is then the bias of its down projection (zero
        where it has none), its mean, or resampled.

    ``how``, `reference` and `seed` as in `pk.ablate_neurons`, dicts at site ``attention_output`` or ``mlp``.
    Sources: Sajjad et al. 2023 (blocks); Wang et al. 2023 (mean ablation).

    Raises ConfigError (a layer that is no block, an unknown part, no reference), DataError.

    >>> model = pk.load_model("demo:minilm")
    >>> ids = model.tokenizer("The keys are here.", return_tensors="pt").input_ids
    >>> with pk.edit_all(model, pk.ablate_layers(model, [2])):
    ...     states = model.states(ids, None, [1, 2])
    >>> bool((states["2"] == states["1"]).all())
    True
    """
    if part not in get_args(BlockPart):
        raise ConfigError(f"no part {part!r} of a layer; {did_you_mean(str(part), get_args(BlockPart))}")
    if part == "block":
        if how != "zero" or reference is not None:
            raise ConfigError(
                "a block is taken out by handing its input on; 'mean' and 'resample' are for part='attention' or 'mlp'"
            )
        return _skip(model, _blocks(model, layers))
    site: Site = "attention_output" if part == "attention" else "mlp"
    chosen = dict.fromkeys(model.resolve_layers(layers, site), ())
    return replace_members(
        model, chosen, part="neuron", site=site, how=how, reference=reference, keep_only=True, seed=seed,
        progress=progress,
    )  # fmt: skip


def _blocks(model: Model, layers: str | int | Iterable[int | str]) -> tuple[str, ...]:
    if layers == "all":
        return tuple(layer for layer in model.layers if layer.rpartition(".")[2] not in ("0", "final"))
    names = model.resolve_layers(layers)
    for name in names:
        if name.rpartition(".")[2] in ("0", "final"):
            raise ConfigError(
                f"{model.name}: layer {name!r} is no block, so it cannot be taken out; blocks begin at 1"
            )
    return names


def _skip(model: Model, blocks: Iterable[str]) -> tuple[Edit, ...]:
    edits: list[Edit] = []
    for block in blocks:
        prefix, dot, number = block.rpartition(".")
        memory = threading.local()
        edits.append(Edit(f"{prefix}{dot}{int(number) - 1}", _Remember(memory, block)))
        edits.append(Edit(block, _PutBack(memory, block)))
    return tuple(edits)


class _Remember:
    """Keeps what a block is given, for this thread."""

    rowwise = True

    def __init__(self, memory: threading.local, block: str) -> None:
        self.memory, self.block = memory, block
        self.key = tagged_hash("probekit.ablation", f"keep what enters block {block}".encode())

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        self.memory.states = states.clone()  # a block may add to what it is given
        return states


class _PutBack:
    """Gives back what the block was given."""

    rowwise = True

    def __init__(self, memory: threading.local, block: str) -> None:
        self.memory, self.block = memory, block
        self.key = tagged_hash("probekit.ablation", f"pass by block {block}".encode())

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        kept: Any = self.memory.__dict__.pop("states", None)
        if kept is None or kept.shape != states.shape:
            raise ModelError(
                f"block {self.block}: what it was given was not seen; use the edits of ablate_layers together"
            )
        found: torch.Tensor = kept
        return found
