"""What a part of a model usually holds: means of a site over texts, and a sample of its states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.data.corpus import Corpus
from probekit.errors import ConfigError, DataError
from probekit.glossary import Progress, Site, layer_name, silent
from probekit.models.scoring.pieces import read_pieces
from probekit.models.scoring.rows import batches

if TYPE_CHECKING:
    from probekit.models.model import Model

Array = NDArray[Any]
Means: TypeAlias = dict[str, NDArray[np.float64]]
Reference: TypeAlias = "Corpus | Sequence[str] | Activations | Mapping[Any, Any]"

SAMPLE = 2048
"""How many states of a reference are kept to draw from."""
ON_CPU = 1024
ON_ACCELERATOR = 16_384
STAGE = "reading a reference"


def site_means(
    model: Model,
    texts: Corpus | Sequence[str] | Activations,
    layers: str | int | Iterable[int | str] = "all",
    site: Site = "hidden",
    *,
    special: bool = True,
    progress: Progress = silent,
) -> Means:
    """The mean state of every layer at a site over all pieces of texts: layer -> float64 [dim], heads side by side.

    Texts are read as `pk.extract` reads them, the tokenizer's special pieces included; ``special=False`` leaves those
    out of the mean. A text that is too long is cut. Stored activations must be of this model, this site, and of pieces.
    Raises DataError where there is nothing to read, ConfigError where the activations are of something else.

    >>> model = pk.load_model("demo:minilm")
    >>> means = pk.site_means(model, ["A text.", "Another."], [1, 2], site="mlp")
    >>> list(means), means["1"].shape == (model.site_dim("mlp"),)
    (['1', '2'], True)
    """
    wanted = model.resolve_layers(layers, site)
    if isinstance(texts, Activations):
        _check_stored(model, texts, wanted, site)
        return {layer: _mean(texts.iter_rows(layer)) for layer in wanted}
    sums: Means = {}
    n = 0
    for states, inside in _read(model, texts, wanted, site, special, progress):
        n += int(inside.sum())
        for layer, state in states.items():
            own = state[inside].sum(dim=0, dtype=torch.float64).cpu().numpy()
            sums[layer] = sums.get(layer, 0.0) + own
    if not n:
        raise DataError("the reference has no piece that is not special; give it text")
    return {layer: sums[layer] / n for layer in wanted}


def site_states(
    model: Model,
    texts: Corpus | Sequence[str] | Activations,
    layers: str | int | Iterable[int | str] = "all",
    site: Site = "hidden",
    *,
    rows: int = SAMPLE,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, NDArray[np.float32]]:
    """At most `rows` states of every layer, drawn with `seed` from all pieces: layer -> float32 [rows, dim].

    Row r of every layer is of the same piece of the same text. Raises as `site_means`.
    """
    wanted = model.resolve_layers(layers, site)
    rng = np.random.default_rng([seed, 6])
    if isinstance(texts, Activations):
        _check_stored(model, texts, wanted, site)
        if not texts.n_rows:
            raise DataError("the stored activations hold no row to draw from")
        chosen = np.sort(rng.permutation(texts.n_rows)[:rows])
        return {layer: np.asarray(texts.gather(layer, chosen)) for layer in wanted}
    inputs = _inputs(model, texts)
    start = np.concatenate([[0], np.cumsum([len(ids) for ids in inputs])])
    taken = np.zeros(int(start[-1]), dtype=bool)
    taken[rng.permutation(int(start[-1]))[:rows]] = True
    place = np.cumsum(taken) - 1
    kept: dict[str, Array] = {}
    for numbers, ids in _batches(model, inputs, progress):
        own = np.stack([np.arange(start[i], start[i + 1]) for i in numbers]).reshape(-1)
        inside = own[taken[own]]
        if not len(inside):
            continue
        row = torch.from_numpy(np.flatnonzero(taken[own])).to(ids.device)
        for layer, state in model.states(ids, None, wanted, site=site).items():
            found = state.flatten(0, 1)[row].float().cpu().numpy()
            if layer not in kept:
                kept[layer] = np.empty((int(taken.sum()), found.shape[1]), np.float32)
            kept[layer][place[inside]] = found
    return kept


def reference_means(
    model: Model, reference: Reference | None, layers: Sequence[str], site: Site, progress: Progress = silent
) -> Means:
    """The means to put in, layer by layer, whatever kind of reference was given. Raises ConfigError, DataError."""
    if isinstance(reference, Mapping):
        return {
            layer: state if state.ndim == 1 else state.mean(axis=0)
            for layer, state in _given(reference, layers, model, site).items()
        }
    return site_means(model, _texts(reference, "mean"), layers, site, progress=progress)


def reference_states(
    model: Model,
    reference: Reference | None,
    layers: Sequence[str],
    site: Site,
    seed: int,
    progress: Progress = silent,
) -> dict[str, Array]:
    """The states to draw from, layer by layer, whatever kind of reference was given. Raises ConfigError, DataError."""
    if not isinstance(reference, Mapping):
        return dict(
            site_states(model, _texts(reference, "resample"), layers, site, seed=seed, progress=progress)
        )
    found = _given(reference, layers, model, site)
    for layer, states in found.items():
        if states.ndim != 2:
            raise ConfigError(
                f"layer {layer}: 'resample' draws from states [rows, dim]; got one of shape {states.shape}; "
                "give texts, or use how='mean'"
            )
    return found


def _texts(reference: Any, how: str) -> Any:
    if reference is None:
        raise ConfigError(
            f"how={how!r} needs a reference: a corpus, a list of texts, stored activations, or a dict by layer"
        )
    if isinstance(reference, str):
        raise ConfigError("a reference is a list of texts, not one text; write [text]")
    return reference


def _given(reference: Mapping[Any, Any], layers: Sequence[str], model: Model, site: Site) -> dict[str, Array]:
    """Arrays [dim] or [rows, dim] by canonical layer name."""
    named = {layer_name(layer): state for layer, state in reference.items()}
    dim = model.site_dim(site)
    found = {}
    for layer in layers:
        if layer not in named:
            known = ", ".join(named) or "none"
            raise ConfigError(f"the reference has no layer {layer!r}; it has {known}")
        state = named[layer]
        array = np.asarray(state.cpu() if isinstance(state, torch.Tensor) else state, dtype=np.float64)
        if array.size == dim:  # heads may lie apart
            array = array.reshape(-1)
        if array.ndim not in (1, 2) or array.shape[-1] != dim or not len(array):
            raise ConfigError(
                f"layer {layer}: the reference has shape {array.shape}; {model.name} has {dim} numbers at {site!r}"
            )
        if not np.isfinite(array).all():
            raise DataError(f"layer {layer}: the reference holds a value that is not a finite number")
        found[layer] = array
    return found


def _check_stored(model: Model, acts: Activations, layers: Sequence[str], site: Site) -> None:
    recipe = acts.recipe
    if recipe["model"]["weights"] != model.fingerprint:
        raise ConfigError(f"the stored activations are of {acts.model.get('name', 'another model')}, not of "
                          f"{model.name} as it is now; extract them again")  # fmt: skip
    if (recipe["site"], recipe["unit"]) != (site, "piece"):
        raise ConfigError(
            f"the stored activations are of {recipe['unit']}s at {recipe['site']!r}; here pieces at {site!r} are "
            f"needed: extract with unit='piece', site={site!r}"
        )
    absent = [layer for layer in layers if layer not in acts.layers]
    if absent:
        raise ConfigError(
            f"the stored activations lack layer {absent[0]!r}; they have {', '.join(acts.layers)}"
        )


def _mean(chunks: Iterable[Array]) -> NDArray[np.float64]:
    total, n = np.zeros(1), 0
    for chunk in chunks:
        total = total + chunk.sum(axis=0, dtype=np.float64)
        n += len(chunk)
    if not n:
        raise DataError("the stored activations hold no row to take the mean of")
    return np.asarray(total / n)


def _inputs(model: Model, texts: Corpus | Sequence[str]) -> list[Array]:
    """The pieces of every text that has any, cut where they are too many."""
    found = [one.text for one in texts] if isinstance(texts, Corpus) else list(texts)
    read = [pieces.ids for pieces in read_pieces(model.tokenizer, found, special=True)]
    inputs = [ids[: model.max_pieces].astype(np.int64) for ids in read if len(ids)]
    if not inputs:
        raise DataError("the reference has no piece to read; give it text")
    return inputs


def _batches(model: Model, inputs: list[Array], progress: Progress) -> Iterator[tuple[Array, torch.Tensor]]:
    """Numbers of inputs of one length, and their pieces [batch, pieces]."""
    device = model.module.device
    done = 0
    progress(STAGE, 0, len(inputs))
    for numbers in batches(
        [[len(ids)] for ids in inputs], ON_CPU if device.type == "cpu" else ON_ACCELERATOR
    ):
        yield numbers, torch.from_numpy(np.stack([inputs[i] for i in numbers])).to(device)
        done += len(numbers)
        progress(STAGE, done, len(inputs))


def _read(
    model: Model,
    texts: Corpus | Sequence[str],
    layers: Sequence[str],
    site: Site,
    special: bool,
    progress: Progress,
) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
    """States of batches, and which of their pieces count."""
    unwanted = torch.tensor(sorted(set(model.tokenizer.all_special_ids)), device=model.module.device)
    for _, ids in _batches(model, _inputs(model, texts), progress):
        inside = torch.ones_like(ids, dtype=torch.bool) if special else ~torch.isin(ids, unwanted)
        yield model.states(ids, None, layers, site=site), inside
