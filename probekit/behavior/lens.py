"""Behaviour at every layer: stored states through the final norm and the output head, asked what the model is asked."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.activations.places import Read, read_places
from probekit.behavior.answers import Answers, collect
from probekit.behavior.questions import Questions, ask_suite
from probekit.errors import ModelError
from probekit.glossary import Progress, silent
from probekit.models.head import OutputHead, load_head
from probekit.models.scoring import Queries, make_scorer
from probekit.models.scoring.masked import Pll
from probekit.models.scoring.pieces import BosRule
from probekit.models.scoring.rows import head_logprobs

if TYPE_CHECKING:
    from probekit.activations.store import Store
    from probekit.data.suite import Suite
    from probekit.models.model import Model

Array = NDArray[Any]

LOGIT_LENS = "logit lens: the final norm and the output head applied to the layer as it is"


class Lens(Protocol):
    """What maps a layer's states to states that the output head reads."""

    @property
    def rule(self) -> str:
        """What is done, in words."""
        ...

    def __call__(self, states: torch.Tensor, layer: str) -> torch.Tensor:
        """States ``[rows, dim]`` of a layer as states before the final norm, ``[rows, dim]``."""
        ...

    def check(self, model: Model, layers: Sequence[str]) -> None:
        """Raise ConfigError unless it was made for this model and these layers."""
        ...


def layer_answers(
    model: Model,
    suite: Suite,
    *,
    layers: str | int | Iterable[int | str] = "all",
    lens: Lens | None = None,
    bos: BosRule = "auto",
    pll: Pll = "within_word_l2r",
    store: Store | str | Path | None = None,
    questions: Questions | None = None,
    progress: Progress = silent,
) -> list[Answers]:
    """What the model would answer if the output head read each layer, by the same queries as its own scores.

    The states at the queried places are extracted once, float32, and kept in the store; layer ``final`` is normed
    already and is read by the head alone. The highest layer gives the model's own scores within rounding. Logit
    lens: nostalgebraist 2020; with `lens` a tuned lens (Belrose et al. 2023).

    Raises ModelError for an encoder-decoder, whose decoder is stored reading the same text as its encoder, and where
    the model has no head; ConfigError for an unknown layer.
    """
    scorer = make_scorer(model, bos=bos, pll=pll)
    if scorer.kind == "encoder-decoder":
        raise ModelError(
            f"{model.name}: behaviour by layer needs a causal or masked model; judge this one without layers"
        )
    questions = questions or ask_suite(suite)
    queries = scorer.queries(questions.groups, shared_prefix_cancels=questions.shared_prefix_cancels)
    wanted = model.resolve_layers(layers)
    if lens is not None:
        lens.check(model, wanted)
    rule = f"{LOGIT_LENS if lens is None else lens.rule}; {scorer.rule}"
    read = read_places(model, queries.inputs, queries.input, queries.position, wanted, store, progress)
    found = []
    for done, layer in enumerate(wanted):
        progress("reading layers", done, len(wanted))
        begun = time.perf_counter()
        logprob = (
            read_layer(scorer.head, model, read, layer, queries, lens) if read is not None else np.zeros(0)
        )
        flat = [answer for group in queries.answers(logprob) for answer in group]
        found.append(
            collect(
                flat,
                name=model.name,
                rule=rule,
                kind=scorer.kind,
                suite=suite.hash,
                layer=layer,
                model_kind=model.kind,
                seconds=time.perf_counter() - begun,
            )
        )
    progress("reading layers", len(wanted), len(wanted))
    return found


def read_layer(
    head: OutputHead, model: Model, read: Read, layer: str, queries: Queries, lens: Lens | None
) -> Array:
    """The log-probability of every query, in nats, as the head reads a layer."""
    places, row = np.unique(read.row, return_inverse=True)
    states = Read(read.acts, places).states(layer, model.module.device).to(model.module.dtype)
    with torch.no_grad():
        through = before_norm(states, layer, lens)
        normed = through if is_normed(layer) else head.norm(through)
        order = np.argsort(row, kind="stable")
        logprob = np.empty(len(row))
        logprob[order] = head_logprobs(head, normed, row[order], queries.target[order], model.vocabulary)
    return logprob


def before_norm(states: torch.Tensor, layer: str, lens: Lens | None) -> torch.Tensor:
    """States mapped by the lens; the final layer, which the head reads itself, stays as it is."""
    return states if lens is None or is_normed(layer) else lens(states, layer)


def is_normed(layer: str) -> bool:
    """Whether a layer has been through the final norm."""
    return layer.rpartition(".")[2] == "final"


def head_of(model: Model) -> OutputHead:
    """The output head of a model that a lens can read. Raises ModelError."""
    head = load_head(model)
    if head.kind == "encoder-decoder":
        raise ModelError(f"{model.name}: a lens needs a causal or masked model, not an encoder-decoder")
    return head
