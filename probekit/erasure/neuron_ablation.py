"""Take neurons out of a live model, or all but some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from probekit.erasure.reference import Reference
from probekit.erasure.replacements import How, Part, replace_members
from probekit.glossary import Progress, Site, silent

if TYPE_CHECKING:
    from probekit.models.hooks import Edit
    from probekit.models.model import Model


def ablate_neurons(
    model: Model,
    neurons: Mapping[int | str, Iterable[int]],
    how: How = "zero",
    reference: Reference | None = None,
    keep_only: bool = False,
    site: Site = "mlp",
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Edit, ...]:
    """Edits that take the neurons ``{layer: [number, ...]}`` out, for `pk.edit_all`.

    Neurons are the dimensions of a site: at ``mlp`` the units of the feed-forward part after their activation, at
    ``hidden`` those of the residual state. ``how`` says what they hold instead: "zero"; "mean", over `reference`;
    "resample": for piece t of every text the state of a piece of `reference` drawn with `seed` (the same piece for all
    neurons and layers, so they still go together). `reference` is a corpus, a list of texts, stored activations of
    pieces, or a dict of means float [dim] (as `pk.site_means` gives) or states float [rows, dim]. With `keep_only` the
    neurons named stay and all others of the layer go. Bau et al. 2019; Dalvi et al. 2019 (ablation by ranking).

    Raises ConfigError (a neuron or layer that is not there, nothing chosen, no reference), DataError (nothing in it).

    >>> model = pk.load_model("demo:minilm")
    >>> ids = model.tokenizer("The keys are here.", return_tensors="pt").input_ids
    >>> with pk.edit_all(model, pk.ablate_neurons(model, {2: [0, 7]})):
    ...     states = model.states(ids, None, [2], site="mlp")["2"]
    >>> float(states[..., [0, 7]].abs().max())
    0.0
    """
    part: Part = "dimension" if site == "hidden" else "neuron"
    return replace_members(
        model, neurons, part=part, site=site, how=how, reference=reference, keep_only=keep_only, seed=seed,
        progress=progress,
    )  # fmt: skip
