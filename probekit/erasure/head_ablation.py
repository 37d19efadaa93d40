"""Take attention heads out of a live model, or all but some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from probekit.erasure.reference import Reference
from probekit.erasure.replacements import How, replace_members
from probekit.glossary import Progress, silent

if TYPE_CHECKING:
    from probekit.models.hooks import Edit
    from probekit.models.model import Model


def ablate_heads(
    model: Model,
    heads: Mapping[int | str, Iterable[int]],
    how: How = "zero",
    reference: Reference | None = None,
    keep_only: bool = False,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Edit, ...]:
    """Edits that take the self-attention heads ``{layer: [number, ...]}`` out, for `pk.edit_all`.

    What a head hands to the output projection is replaced, so "zero" is what zero columns of that projection would
    give. ``how``, `reference`, `keep_only` and `seed` are those of `pk.ablate_neurons`, `reference` at site ``heads``:
    dicts hold float [dim], heads side by side, or float [rows, dim]. Michel et al. 2019; Voita et al. 2019.

    Raises ConfigError (head 12 of 12, a layer that is no block, nothing chosen, no reference), DataError.

    >>> model = pk.load_model("demo:minilm")
    >>> ids = model.tokenizer("The keys are here.", return_tensors="pt").input_ids
    >>> with pk.edit_all(model, pk.ablate_heads(model, {1: [0]})):
    ...     states = model.states(ids, None, [1], site="heads")["1"]
    >>> float(states[..., : model.dim // model.n_heads].abs().max())
    0.0
    """
    return replace_members(
        model, heads, part="head", site="heads", how=how, reference=reference, keep_only=keep_only, seed=seed,
        progress=progress,
    )  # fmt: skip
