"""Take dimensions out of the embedding, or of the states of chosen layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from probekit.erasure.reference import Reference
from probekit.erasure.replacements import How, replace_members
from probekit.glossary import Progress, silent

if TYPE_CHECKING:
    from probekit.models.hooks import Edit
    from probekit.models.model import Model


def ablate_dimensions(
    model: Model,
    dimensions: Iterable[int],
    layers: str | int | Iterable[int | str] | None = None,
    how: How = "zero",
    reference: Reference | None = None,
    keep_only: bool = False,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Edit, ...]:
    """Edits that take dimensions of the states out, for `pk.edit_all`; by default of layer 0, the embedding.

    An encoder-decoder has two of those, and both lose them. ``how``, `reference`, `keep_only` and `seed` are those of
    `pk.ablate_neurons`, `reference` at site ``hidden``. Li, Monroe & Jurafsky 2016 (dimensions of the embedding).

    Raises ConfigError (a dimension or layer that is not there, nothing chosen, no reference), DataError.

    >>> model = pk.load_model("demo:minilm")
    >>> ids = model.tokenizer("The keys are here.", return_tensors="pt").input_ids
    >>> with pk.edit_all(model, pk.ablate_dimensions(model, [3, 4])):
    ...     states = model.states(ids, None, [0])["0"]
    >>> float(states[..., 3:5].abs().max())
    0.0
    """
    if layers is None:
        layers = [f"{stack.prefix}0" for stack in model.stacks]
    numbers = dimensions if isinstance(dimensions, str | int) else list(dimensions)
    return replace_members(
        model, dict.fromkeys(model.resolve_layers(layers), numbers), part="dimension", site="hidden", how=how,
        reference=reference, keep_only=keep_only, seed=seed, progress=progress,
    )  # fmt: skip
