"""Integrated gradients: which words a prediction is due to, by captum (an optional extra)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.data.corpus import Corpus
from probekit.erasure.fills import shown_piece
from probekit.erasure.importance import GRADIENTS, Importance, TextImportance
from probekit.erasure.mean_embedding import mean_embedding
from probekit.erasure.predictions import Bound, Look, Prediction
from probekit.erasure.reading import values_of
from probekit.erasure.versions import as_sentences
from probekit.erasure.word_importance import Groups, Texts, is_prediction, why_not, word_labels
from probekit.errors import ConfigError, MissingExtra, ModelError, did_you_mean
from probekit.glossary import Progress, silent
from probekit.models.hooks import active_edits
from probekit.models.model import Model

Array = NDArray[Any]
Ints = NDArray[np.int64]
Baseline: TypeAlias = Literal["auto", "mask", "pad", "zero", "mean"]

STAGE = "integrating gradients"
PIECES = 1024
"""How many pieces go through the model at one time."""


def integrated_gradients(
    model: Model,
    texts: Texts,
    predict: Prediction,
    *,
    steps: int = 50,
    baseline: Baseline = "auto",
    groups: Groups = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> Importance:
    """What share every word has in a prediction, by integrated gradients over the embeddings of its pieces.

    The gradient is integrated on the straight way from a baseline, in which every word has a neutral embedding, to the
    text; special pieces and the place that is predicted keep their own. The shares of all words add up to the
    prediction of the text minus that of the baseline, but for the error of the integral, which is `Importance.delta`.
    Sundararajan, Taly & Yan 2017; computed by captum (Gauss-Legendre quadrature).

    Parameters
    ----------
    predict : `LogOdds`, or `ProbeOutput` with a linear probe or an MLPProbe
    steps : points of the quadrature
    baseline : the embedding of every word's pieces to begin with: "mask" or "pad" piece, "zero", the "mean" of the
        vocabulary; "auto": the mask piece where words can be masked (see `word_importance`), else the mean
    groups, resamples : as in `word_importance`

    Raises
    ------
    MissingExtra
        where captum is absent.
    ConfigError
        for a baseline or number of steps that does not exist, a prediction without gradients, or inside `pk.edit`.
    ModelError
        for an encoder-decoder.

    Examples
    --------
    >>> model = pk.load_model("demo:minilm")
    >>> probe = pk.LinearProbe().fit(np.eye(384)[:4], ["a", "b", "a", "b"])
    >>> found = pk.integrated_gradients(model, "The keys rust.", pk.ProbeOutput(probe, 2, "a"))
    >>> found.texts[0].importance.shape, found.delta < 1e-3
    ((3,), True)
    """
    gradients = _captum()
    if not is_prediction(predict):
        raise ConfigError(
            "integrated_gradients needs LogOdds or ProbeOutput: a function of texts has no gradient"
        )
    if baseline not in get_args(Baseline):
        raise ConfigError(f"unknown baseline {baseline!r}; {did_you_mean(baseline, get_args(Baseline))}")
    if not isinstance(steps, int) or steps < 1:
        raise ConfigError(f"steps must be a whole number from 1 on; got {steps!r}")
    if model.start_piece is not None:
        raise ModelError(
            f"{model.name} is an encoder-decoder, whose stacks share one embedding; use word_importance"
        )
    if active_edits(model):
        raise ConfigError("integrated_gradients reads the model as it is; call it outside of pk.edit")
    sentences = as_sentences(texts)
    labels, key = word_labels(sentences, groups)
    bound = predict.bind(model, sentences)
    neutral, spoken = _neutral(model, bound, baseline)
    looks = bound.looks(bound.versions)
    before = values_of(bound, looks)
    found, deltas = [], [0.0]
    for number, (one, version, look) in enumerate(zip(sentences, bound.versions, looks, strict=True)):
        progress(STAGE, number, len(looks))
        why = why_not(version, look)
        words = np.array([not reason for reason in why], dtype=bool)
        shares, delta = _shares(gradients, bound, look, words, neutral, steps)
        deltas.append(abs(delta))
        found.append(
            TextImportance(
                one.id, one.text, one.offsets, float(before[number]), np.full(len(why), np.nan),
                np.where(words, shares, np.nan), tuple(why), labels[number], look.left_out,
            )
        )  # fmt: skip
    progress(STAGE, len(looks), len(looks))
    return Importance(
        texts=tuple(found),
        how=spoken,
        prediction=predict.name,
        unit=predict.unit,
        model=model.name,
        model_kind=model.kind,
        layer=bound.layer,
        corpus=texts.name if isinstance(texts, Corpus) else "",
        group_key=key,
        measure=GRADIENTS,
        delta=max(deltas),
        resamples=resamples,
    )


def _captum() -> Callable[..., Any]:
    try:
        from captum.attr import IntegratedGradients
    except ImportError as absent:
        raise MissingExtra(
            'integrated gradients are computed by captum, which is absent: pip install "probekit-nlp[attribution]"'
        ) from absent
    return IntegratedGradients  # type: ignore[no-any-return]


def _neutral(model: Model, bound: Bound, baseline: Baseline) -> tuple[torch.Tensor, str]:
    """The embedding that a word begins with, float [dim], and what it is in words."""
    embed: Any = model.module.get_input_embeddings()
    tokenizer = model.tokenizer
    if baseline == "zero":
        return torch.zeros_like(_embedding(embed, model, 0)), "every word's embedding 0"
    if baseline == "mean" or (baseline == "auto" and bound.fill is None):
        return mean_embedding(model), "every word's embedding the mean of the vocabulary"
    piece = {"auto": bound.fill, "mask": tokenizer.mask_token_id, "pad": tokenizer.pad_token_id}[baseline]
    if piece is None:
        raise ConfigError(
            f"the tokenizer of {model.name} has no {baseline} piece; use baseline='mean' or 'zero'"
        )
    return _embedding(
        embed, model, int(piece)
    ), f"{shown_piece(model, int(piece))} in place of every piece of a word"


@torch.no_grad()
def _embedding(embed: Any, model: Model, piece: int) -> torch.Tensor:
    found: torch.Tensor = embed(torch.tensor([piece], device=model.module.device))[0]
    return found


def _shares(
    gradients: Callable[..., Any], bound: Bound, look: Look, words: Array, neutral: torch.Tensor, steps: int
) -> tuple[Array, float]:
    """The share of every word, float64 ``[words]``, and by how much they add up to too much."""
    shares, delta = np.zeros(len(words)), 0.0
    embed: Any = bound.model.module.get_input_embeddings()
    for number, (ids, ranges) in enumerate(zip(look.inputs, look.words, strict=True)):
        with torch.no_grad():
            own = embed(torch.from_numpy(ids)[None].to(bound.model.module.device))
        owner = np.full(len(ids), -1)
        for word in np.flatnonzero(words):
            owner[slice(*ranges[word])] = word
        begin = own.clone()
        begin[0, torch.from_numpy(owner >= 0).to(own.device)] = neutral.to(own.dtype)
        with torch.enable_grad():
            found, error = gradients(_forward(bound, look, number)).attribute(
                own, begin, n_steps=steps, internal_batch_size=max(1, PIECES // len(ids)), return_convergence_delta=True
            )  # fmt: skip
        pieces = found[0].sum(-1).double().cpu().numpy()
        np.add.at(shares, owner[owner >= 0], pieces[owner >= 0])
        delta += float(error.sum())
    return shares, delta


def _forward(bound: Bound, look: Look, number: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """From embeddings ``[batch, pieces, dim]`` of one input to what it adds to the prediction, ``[batch]``."""
    rows = np.flatnonzero(look.input == number)
    stack = bound.model.stacks[0]

    def forward(embedded: torch.Tensor) -> torch.Tensor:
        _, layers = stack.run((bound.layer,), inputs_embeds=embedded, attention_mask=None)
        states = layers[bound.layer]
        total = states.new_zeros(len(states), dtype=torch.float64)
        for row in rows:
            pooled = _pooled(states[:, int(look.first[row]) : int(look.stop[row])], bound.pool)
            target = torch.full((len(states),), int(look.target[row]), device=states.device)
            total = total + float(look.weight[row]) * bound.differentiable(pooled, target).double()
        return total

    return forward


def _pooled(states: torch.Tensor, pool: str) -> torch.Tensor:
    if pool == "mean":
        return states.mean(1)
    if pool == "max":
        return states.amax(1)
    return states[:, 0] if pool == "first" else states[:, -1]
