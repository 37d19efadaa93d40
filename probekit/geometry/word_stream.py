"""Words of running text with what a site holds at each of them, batch by batch; nothing is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.activations.plan import Plan, plan_extraction
from probekit.activations.pool import make_pooler
from probekit.activations.recipe import Options
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError, ModelError
from probekit.glossary import Layer, Progress, silent
from probekit.models.hooks.force import suspended

if TYPE_CHECKING:
    from probekit.models.model import Model

Array = NDArray[Any]
Texts: TypeAlias = "Corpus | str | Sequence[str]"

STAGE = "neurons (words)"
TOGETHER = 1024
"""Pieces read at once on a CPU: a batch of a wide site still fits into a few megabytes."""


@dataclass(frozen=True, eq=False)
class Words:
    """One batch at one layer: row i of ``values`` float32 [words, units] is word ``word[i]`` of ``sentence[i]``."""

    layer: Layer
    values: Array
    sentence: Array
    word: Array


@dataclass(frozen=True, eq=False)
class WordStream:
    """A corpus that is read once by every `read`, always in the same order.

    ``plan`` holds the numbers of the corpus's pieces and no state. ``left_out`` counts the words that have no row, by
    reason.
    """

    model: Model
    corpus: Corpus
    site: str
    plan: Plan

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers read, from low to high."""
        return self.plan.layers

    @property
    def dim(self) -> int:
        """Units of a layer."""
        return self.plan.dim

    @property
    def n_words(self) -> int:
        """Words that have a row."""
        return self.plan.n_rows

    @property
    def left_out(self) -> Counter[str]:
        """Words without a row: how many, by reason."""
        index = self.plan.index
        numbers = np.bincount(index.left_reason, minlength=len(index.reasons))
        return Counter({reason: int(n) for reason, n in zip(index.reasons, numbers, strict=True) if n})

    def of(self, model: Model) -> WordStream:
        """The same text read by another model, a random twin for instance."""
        recipe = self.plan.recipe
        return stream_words(
            model, self.corpus, self.layers, self.site, pool=recipe["pool"], text_form=recipe["text_form"],
            pieces_per_batch=recipe["pieces_per_batch"],
        )  # fmt: skip

    def read(self, progress: Progress = silent) -> Iterator[Words]:
        """Every batch, layer by layer. Raises ModelError where a state is NaN or infinite: layer and sentence named."""
        plan, done = self.plan, 0
        stage = f"{STAGE} of {self.model.name}"
        progress(stage, 0, plan.n_rows)
        for number in range(plan.n_shards):
            for start, stop in plan.batches(number):
                batch = plan.batch(number, start, stop)
                ids = torch.from_numpy(batch.ids).to(self.model.device)
                pooler = make_pooler(batch.first, batch.stop, plan.recipe["pool"], self.model.device)
                states = self.model.states(ids, None, plan.layers, site=self.site)
                rows = slice(done, done + len(batch.first))
                sentence = plan.index.sentence[rows].astype(np.int64)
                word = plan.index.number[rows].astype(np.int64)
                for layer in plan.layers:
                    state = states.pop(layer).reshape(-1, plan.dim).to(torch.float32)
                    values = pooler(state).cpu().numpy()
                    if not np.isfinite(values).all():
                        bad = int(sentence[np.flatnonzero(~np.isfinite(values).all(axis=1))[0]])
                        raise ModelError(
                            f"{self.model.name}: layer {layer} gives NaN or infinity at {self.site!r} in "
                            f"{self.corpus[bad].location}; load it with dtype='float32', or leave the sentence out"
                        )
                    yield Words(layer, values, sentence, word)
                done = rows.stop
                progress(stage, done, plan.n_rows)


def stream_words(
    model: Model,
    texts: Texts,
    layers: str | int | Iterable[int | str] = "all",
    site: str = "mlp",
    *,
    pool: str = "mean",
    text_form: str | None = None,
    pieces_per_batch: int | None = None,
) -> WordStream:
    """The words of texts as `pk.extract` reads them, one row each, nothing stored.

    Raises DataError where there is no word to read, ConfigError for an unknown layer, site or pooling.
    """
    corpus = as_corpus(texts)
    if not corpus.n_words:
        raise DataError(f"{_named(corpus)} has no word to read; give texts with words in them")
    if pieces_per_batch is None and model.device.startswith("cpu"):
        pieces_per_batch = TOGETHER
    options = Options(
        layers=layers, site=site, pool=pool, text_form=text_form, pieces_per_batch=pieces_per_batch
    )
    with suspended():  # nothing is stored, so edits in force need not say what they do
        plan = plan_extraction(model, corpus, options)
    return WordStream(model, corpus, site, plan)


def as_corpus(texts: Texts) -> Corpus:
    """Texts as a corpus: words are what white space separates. Raises ConfigError for anything else."""
    if isinstance(texts, Corpus):
        return texts
    if not isinstance(texts, str | Sequence):
        raise ConfigError(f"texts are a corpus, a text or a list of texts; got {type(texts).__name__}")
    given = [texts] if isinstance(texts, str) else list(texts)
    for text in given:
        if not isinstance(text, str):
            raise ConfigError(
                f"texts are a corpus, a text or a list of texts; got a list with {type(text).__name__}"
            )
    return Corpus([Sentence.from_text(f"text-{i}", text) for i, text in enumerate(given, 1)], name="texts")


def check_unit(unit: int, width: int, layer: Layer, site: str) -> int:
    """The number of a unit that is there. Raises ConfigError."""
    if isinstance(unit, bool) or not isinstance(unit, int | np.integer) or not 0 <= unit < width:
        raise ConfigError(
            f"layer {layer} has no unit {unit!r} at {site!r}: they are numbered 0 to {width - 1}; choose one of these"
        )
    return int(unit)


def _named(corpus: Corpus) -> str:
    return f"corpus {corpus.name!r}" if corpus.name else "the corpus"
