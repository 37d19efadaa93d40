"""Behaviour at every layer: stored states through the final norm and the output head, asked what the model is asked."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.activations.extract import run_extraction
from probekit.activations.plan import plan_extraction
from probekit.activations.recipe import Options
from probekit.behavior.answers import Answers, collect
from probekit.behavior.questions import Questions, ask_suite
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import DataError, ModelError
from probekit.glossary import Progress, silent
from probekit.models.align import COUNTED, Encoding
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


@dataclass(frozen=True, eq=False)
class Read:
    """Stored states at chosen places of given inputs: ``row`` leads from each place asked for to its row."""

    acts: Activations
    row: Array

    def states(self, layer: str, device: torch.device) -> torch.Tensor:
        """The states of a layer at the places asked for, float32 ``[places, dim]``."""
        return torch.from_numpy(self.acts.gather(layer, self.row)).to(device)


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


def read_places(
    model: Model,
    inputs: Sequence[Array],
    number: Array,
    position: Array,
    layers: Sequence[str],
    store: Store | str | Path | None = None,
    progress: Progress = silent,
) -> Read | None:
    """Extract (or find in the store) the states at places (input number, position); None where there is no place."""
    if not len(number):
        return None
    start = np.concatenate([[0], np.cumsum([len(ids) for ids in inputs])]).astype(np.int64)
    place = start[number] + position
    corpus = Corpus(
        [Sentence(f"input-{i + 1}", (), "", ()) for i in range(len(inputs))], name="inputs of a lens"
    )
    encoding = encode_inputs(inputs, place)
    options = Options(layers=layers, unit="piece", pool="none", dtype="float32")
    plan = plan_extraction(model, corpus, options, encoding=encoding)
    acts = run_extraction(plan, model, corpus, store=store, progress=progress)
    row_of = np.full(int(start[-1]), -1, np.int64)
    row_of[start[acts.index.sentence] + acts.index.number] = np.arange(acts.n_rows)
    return Read(acts, row_of[place])


def encode_inputs(inputs: Sequence[Array], place: Array) -> Encoding:
    """Inputs as an encoding in which all places but those asked for are marked special, so that only these are kept.

    `inputs` int32 arrays of pieces, each a sentence of its own; `place` int64, counted through all inputs.
    """
    lengths = np.array([len(ids) for ids in inputs], dtype=np.int64)
    if not lengths.all():
        raise DataError(f"input {int(np.argmin(lengths)) + 1} has no piece")
    start = np.concatenate([[0], np.cumsum(lengths)])
    special = np.ones(int(start[-1]), dtype=bool)
    special[place] = False
    none = np.zeros(0, np.int32)
    return Encoding(
        piece_ids=np.concatenate(list(inputs)).astype(np.int32),
        input_start=start.astype(np.int64),
        input_sentence=np.arange(len(inputs), dtype=np.int32),
        special=special,
        word_sentence=none,
        word_index=none,
        word_input=none,
        word_first=none,
        word_stop=none,
        word_reason=none.astype(np.uint8),
        sentence_reason=np.zeros(len(inputs), np.uint8),
        counts=dict.fromkeys(COUNTED, 0)
        | {"sentences": len(inputs), "inputs": len(inputs), "pieces": int(start[-1])},
    )


def head_of(model: Model) -> OutputHead:
    """The output head of a model that a lens can read. Raises ModelError."""
    head = load_head(model)
    if head.kind == "encoder-decoder":
        raise ModelError(f"{model.name}: a lens needs a causal or masked model, not an encoder-decoder")
    return head
