"""Erasers as edits of a live model: where they act, and all layers at once."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.experiment.erase_fit import fit_eraser

if TYPE_CHECKING:
    import torch

    from probekit.activations.activations import UnitData
    from probekit.data.corpus import Corpus
    from probekit.data.task import Task
    from probekit.erasure.eraser import Eraser
    from probekit.erasure.scrub import Scrubber
    from probekit.experiment.plan import CorpusPlan, ErasePlan
    from probekit.glossary import Progress
    from probekit.models.hooks import Edit
    from probekit.models.model import Model


@dataclass(frozen=True)
class AtPiece:
    """Positions that hold one piece, such as the mask: ids ``[batch, pieces]`` to bool of that shape."""

    piece: int

    @property
    def key(self) -> str:
        """What tells the states that were edited there from others."""
        return f"piece {self.piece}"

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        return ids == self.piece


def edit_of(model: Model, eraser: Eraser, layer: str, analysis: ErasePlan) -> Edit:
    """The eraser in force at the kind of states that it was fitted to.

    Fitted to states that predict (``at = "prediction"``) it acts where the model predicts: at the masks of a masked
    model, at every piece of a causal one, which predicts the next. Fitted to words' own states it acts at every piece.
    """
    from probekit.models.head import load_head
    from probekit.models.hooks import Edit

    at_masks = analysis.at == "prediction" and load_head(model).kind == "masked"
    positions = AtPiece(int(model.tokenizer.mask_token_id)) if at_masks else None
    return Edit(layer, eraser, analysis.site, positions)


def states_of(
    model: Model,
    corpus: Corpus,
    reading: CorpusPlan,
    task: Task,
    analysis: ErasePlan,
    *,
    layers: Any,
    progress: Progress,
    store: str | None = None,
) -> UnitData:
    """The states of a task's words: their own, or those from which the model predicts them."""
    if analysis.at == "prediction":
        from probekit.activations.places import prediction_units

        return prediction_units(
            model, corpus, task, layers=layers, site=analysis.site, bos=analysis.bos, store=store, progress=progress
        )  # fmt: skip
    from probekit.activations.extract import extract

    acts = extract(
        model,
        corpus,
        layers=layers,
        site=analysis.site,
        pool=analysis.pool,
        text_form=reading.text_form,
        length=reading.length,
        store=store,
        progress=progress,
    )
    return acts.units(task)


def scrub_all(
    model: Model,
    corpus: Corpus,
    reading: CorpusPlan,
    task: Task,
    analysis: ErasePlan,
    method: str,
    *,
    like: Scrubber | None = None,
    seed: int = 0,
) -> tuple[Scrubber, list[Edit]]:
    """An eraser for every layer, from low to high, each fitted to states read with those below it in force.

    `like` gives random erasures the rank of every layer's eraser. As `probekit.erasure.scrub`, at the places of
    `edit_of`. Source: Belrose et al. 2023, section 6.
    """
    from probekit.erasure.scrub import Scrubber
    from probekit.glossary import silent
    from probekit.models.hooks import edit_all

    erasers: dict[str, Eraser] = {}
    edits: list[Edit] = []
    for layer in model.resolve_layers(analysis.layers, analysis.site):
        with tempfile.TemporaryDirectory(prefix="probekit-scrub-") as store, edit_all(model, edits):
            data = states_of(
                model, corpus, reading, task, analysis, layers=[layer], progress=silent, store=store
            )
            X, y, split = data.X(layer), data.y, data.split
        _, codes = np.unique(y, return_inverse=True)
        train, dev = ((X[split == one], codes[split == one]) for one in ("train", "dev"))
        beside = like.erasers[layer] if like is not None else None
        eraser = fit_eraser(method, train, dev, like=beside, seed=seed)
        eraser = replace(eraser, concept=task.name).bind(model.name, model.fingerprint, layer, analysis.site)
        erasers[layer] = eraser
        edits.append(edit_of(model, eraser, layer, analysis))
    return Scrubber(erasers, analysis.site, model.name, model.fingerprint), edits
