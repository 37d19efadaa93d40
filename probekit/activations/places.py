"""States at chosen places of given inputs; above all of the place from which a model predicts a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.activations.activations import EXAMPLES, Activations, UnitData
from probekit.activations.extract import run_extraction
from probekit.activations.plan import plan_extraction
from probekit.activations.recipe import Options
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.data.units import Units
from probekit.errors import ConfigError, DataError, ModelError, StoreError
from probekit.glossary import Progress, silent
from probekit.models.align import COUNTED, Encoding
from probekit.models.scoring.asks import TOO_LONG
from probekit.models.scoring.base import ModelScorer
from probekit.models.scoring.make import make_scorer
from probekit.models.scoring.pieces import BosRule, TextPieces, owned, read_pieces
from probekit.models.scoring.queries import Asked

if TYPE_CHECKING:
    from probekit.activations.store import Store
    from probekit.data.task import Task
    from probekit.models.model import Model

Array = NDArray[Any]

NO_PIECE = "no piece"
NO_CONTEXT = "no context"
REASONS = (TOO_LONG, NO_PIECE, NO_CONTEXT)
"""Why a labelled word has no place of prediction; the first that holds is given."""


@dataclass(frozen=True, eq=False)
class Read:
    """Stored states at chosen places of given inputs: ``row`` leads from each place asked for to its row."""

    acts: Activations
    row: Array

    def states(self, layer: str, device: torch.device) -> torch.Tensor:
        """The states of a layer at the places asked for, float32 ``[places, dim]``."""
        return torch.from_numpy(self.acts.gather(layer, self.row)).to(device)


@dataclass(frozen=True, eq=False, repr=False)
class Places:
    """Where a model with a tokenizer like the given one predicts the labelled words, before any state is read.

    Unit i of `units` is predicted from the state at ``position[i]`` of ``inputs[input[i]]``; equal inputs are kept
    once. ``rule`` says how in words; ``left_out`` counts the labelled words without a place and what the task left out.
    """

    corpus: str
    rule: str
    inputs: Sequence[Array]
    input: Array
    position: Array
    units: Units
    left_out: Mapping[str, int]
    left_out_examples: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.units)

    def __repr__(self) -> str:
        return f"<Places of prediction of {len(self):,} words in {len(self.inputs):,} inputs>"

    def read(
        self,
        model: Model,
        *,
        layers: str | int | Iterable[int | str] = "all",
        site: str = "hidden",
        store: Store | str | Path | None = None,
        progress: Progress = silent,
    ) -> UnitData:
        """The states of a model at the places, each with its label; of the model itself or a random twin of it."""
        name = f"{self.corpus}, at the place of prediction"
        read = read_places(
            model, self.inputs, self.input, self.position, layers, store, progress, site=site, name=name
        )
        if read is None:
            raise DataError(
                f"{self.corpus or 'the corpus'}: no labelled word has a place from which {model.name} predicts it "
                f"({_spoken(self.left_out)})"
            )
        return UnitData(read.acts, self.units, read.row, self.left_out, self.left_out_examples)


def prediction_units(
    model: Model,
    corpus: Corpus,
    task: Task | Units,
    *,
    layers: str | int | Iterable[int | str] = "all",
    site: str = "hidden",
    bos: BosRule = "auto",
    store: Store | str | Path | None = None,
    progress: Progress = silent,
) -> UnitData:
    """For every labelled word the state from which the model predicts it, with its label.

    A causal model predicts a word from the state of the piece before the word's first piece; a beginning piece stands
    in front of a text by the rule of `make_scorer` (`bos`). A masked model predicts it at the mask that stands for its
    first piece, all its pieces masked (within-word left to right: Kauf and Ivanova 2023). The head applied to the
    highest layer there gives the log-probability of the first piece that `score_pieces` reports. Texts are the
    sentences' running texts, as the scorer reads them; words of a corpus without running text stand between single
    spaces. Equal inputs are read once, and rows are stored as float32 and can be resumed like those of `extract`.

    ``left_out`` counts, beside what the task leaves out, the words of texts that are too long to be scored (``too
    long``), words in which no piece begins (``no piece``), and first words that nothing precedes (``no context``, with
    ``bos="without"``). Unknown pieces do no harm here: the word itself is not read.

    Raises ModelError for an encoder-decoder and for a model without a language-model head, ConfigError for a task over
    sentences, StoreError for units of another corpus, DataError where no word has a place.

    >>> data = pk.prediction_units(model, corpus, pk.load_task("verb_number"))    # doctest: +SKIP
    >>> data.X("final").shape, data.left_out                                      # doctest: +SKIP
    ((1000, 256), {})
    """
    places = prediction_places(model, corpus, task, bos=bos)
    return places.read(model, layers=layers, site=site, store=store, progress=progress)


def prediction_places(model: Model, corpus: Corpus, task: Task | Units, *, bos: BosRule = "auto") -> Places:
    """Where a model predicts the words that a task labels; raises as `prediction_units`, reads no state."""
    units = task if isinstance(task, Units) else task.units(corpus)
    if units.unit != "word":
        raise ConfigError(
            f"a model predicts words, and the task labels each {units.unit}; use at='word' for it"
        )
    if units.corpus_hash != corpus.hash:
        raise StoreError("these units were made from another corpus than the one given; make them anew")
    if model.start_piece is not None:
        raise ModelError(
            f"{model.name}: the place of prediction is that of a causal or masked model, and this is an "
            "encoder-decoder; use at='word'"
        )
    scorer = make_scorer(model, bos=bos)
    asked, reason = _ask_first_pieces(scorer, corpus, units)
    queries = scorer.ask(asked)
    begin = np.concatenate([[0], np.cumsum(asked.n_spans)]).astype(np.int64)
    order = _by_sentence(units)[begin[queries.ask] + queries.span]
    kept = np.flatnonzero(reason == len(REASONS))
    inputs, positions = np.zeros(len(units), np.int64), np.zeros(len(units), np.int64)
    inputs[order], positions[order] = queries.input, queries.position
    left_out, examples = Counter(units.left_out), {}
    for number, name in enumerate(REASONS):
        gone = np.flatnonzero(reason == number)
        if len(gone):
            left_out[name] += len(gone)
            examples[name] = tuple(f"{units.ids[i]} {units.types[i]!r}" for i in gone[:EXAMPLES])
    return Places(
        corpus=corpus.name,
        rule=_rule(scorer),
        inputs=queries.inputs,
        input=inputs[kept],
        position=positions[kept],
        units=units.take(kept),
        left_out=dict(left_out),
        left_out_examples=examples,
    )


def _rule(scorer: ModelScorer) -> str:
    where = (
        "the mask of the word's first piece, all its pieces masked"
        if scorer.kind == "masked"
        else "the piece before the word"
    )
    return f"at the place of prediction: {where}"


def _by_sentence(units: Units) -> Array:
    """The numbers of the units, sentence after sentence."""
    return np.argsort(units.sentence, kind="stable")


def _ask_first_pieces(scorer: ModelScorer, corpus: Corpus, units: Units) -> tuple[Asked, Array]:
    """The first piece of every labelled word as a span of its own, an ask per sentence; and for every unit the number
    of the reason why it has no place (the length of REASONS where it has one).
    """
    reason = np.full(len(units), len(REASONS), np.int64)
    order = _by_sentence(units)
    sentences, begins = np.unique(units.sentence[order], return_index=True)
    texts = [corpus[int(number)].text for number in sentences]
    read = read_pieces(scorer.model.tokenizer, texts, special=scorer.special)
    asked = Asked((len(texts),), [], [""] * len(texts), [], [], [], [""] * len(texts), [0] * len(texts))
    for pieces, number, own in zip(read, sentences, np.split(order, begins[1:]), strict=True):
        offsets = corpus[int(number)].offsets
        piece, span = owned(pieces, [offsets[word] for word in units.word[own]])
        found, first = np.unique(span, return_index=True)
        _, last = np.unique(span[::-1], return_index=True)
        first, last = piece[first], piece[::-1][last]
        reason[np.delete(own, found)] = REASONS.index(NO_PIECE)
        if scorer.skip_first:
            reason[own[found[first == 0]]] = REASONS.index(NO_CONTEXT)
            found, last, first = found[first > 0], last[first > 0], first[first > 0]
        if scorer.room is not None and len(pieces) > scorer.room:
            reason[own] = REASONS.index(TOO_LONG)
            found, last, first = found[:0], last[:0], first[:0]
        asked.pieces.append(_as_wholes(pieces, first, last))
        asked.n_spans.append(len(own))
        asked.piece.append(first)
        asked.span.append(found)
    return asked, reason


def _as_wholes(pieces: TextPieces, first: Array, last: Array) -> TextPieces:
    """The pieces, each labelled word one word also where the tokenizer splits it (*U.S.*): it is masked as a whole."""
    if not (pieces.words[first] != pieces.words[last]).any():
        return pieces
    new = np.ones(len(pieces), dtype=bool)
    new[1:] = pieces.words[1:] != pieces.words[:-1]
    for begin, end in zip(first, last, strict=True):
        new[begin + 1 : end + 1] = False
    return replace(pieces, words=np.where(pieces.special, -1, np.cumsum(new)))


def read_places(
    model: Model,
    inputs: Sequence[Array],
    number: Array,
    position: Array,
    layers: str | int | Iterable[int | str],
    store: Store | str | Path | None = None,
    progress: Progress = silent,
    *,
    site: str = "hidden",
    name: str = "inputs of a lens",
) -> Read | None:
    """Extract (or find in the store) the states at places (input number, position); None where there is no place."""
    if not len(number):
        return None
    start = np.concatenate([[0], np.cumsum([len(ids) for ids in inputs])]).astype(np.int64)
    place = start[number] + position
    corpus = Corpus([Sentence(f"input-{i + 1}", (), "", ()) for i in range(len(inputs))], name=name)
    encoding = encode_inputs(inputs, place)
    options = Options(layers=layers, site=site, unit="piece", pool="none", dtype="float32")
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


def _spoken(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {reason}" for reason, n in left_out.items()) or "there is none"
