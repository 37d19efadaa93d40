"""What will be stored of the attention over a corpus: which sentences, how large, in which shards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from probekit.attention.attention_map import MapLevel, resolve_heads
from probekit.attention.maps import Texts, as_corpus, left_out
from probekit.data.corpus import Corpus
from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.glossary import Layer
from probekit.models.align import REASONS, encode
from probekit.results.files import canonical_json

if TYPE_CHECKING:
    from probekit.models.model import Model

Array = NDArray[Any]

SHARD_BYTES = 1 << 26
"""A shard is cut before it grows beyond this; one sentence is never cut."""
WIDTH = {"float16": 2, "float32": 4}


@dataclass(frozen=True, eq=False)
class MapPlan:
    """What is to be stored.

    ``stored`` are the numbers of the sentences that are read, ``sizes`` how many tokens their maps have, ``left`` the
    words that each loses, by reason; ``inputs`` is a hash of the pieces read.
    """

    corpus: Corpus
    layers: tuple[Layer, ...]
    heads: list[int]
    level: MapLevel
    dtype: str
    text_form: str
    stored: Array
    sizes: Array
    left: tuple[dict[str, int], ...]
    left_out: Counter[str]
    inputs: str
    shard_bytes: int

    @cached_property
    def weights(self) -> Array:
        """Bytes of every stored sentence."""
        numbers = self.sizes**2 + (self.sizes if self.level == "word" else 0)
        return np.asarray(numbers * len(self.layers) * len(self.heads) * WIDTH[self.dtype] + 8)

    def shards(self) -> list[tuple[int, int]]:
        """Runs of stored sentences: the first, and the one behind the last."""
        cuts, size = [0], 0
        for number, more in enumerate(self.weights.tolist()):
            if number > cuts[-1] and size + more > self.shard_bytes:
                cuts.append(number)
                size = 0
            size += more
        return list(zip(cuts, [*cuts[1:], len(self.stored)], strict=True))


def plan_maps(
    model: Model, texts: Texts, level: MapLevel, layers: Any, heads: Any, dtype: str, text_form: str | None
) -> MapPlan:
    """Read the texts as pieces and see what there will be. Raises ConfigError (an option), DataError (no word)."""
    for option, given, known in (("level", level, get_args(MapLevel)), ("dtype", dtype, tuple(WIDTH))):
        if given not in known:
            raise ConfigError(f"no {option} {given!r} of stored maps; {did_you_mean(str(given), known)}")
    wanted = model.resolve_layers(layers, "heads")
    chosen = resolve_heads(model, None if isinstance(heads, str) and heads == "all" else heads)
    stacks = {layer.rpartition(".")[0] for layer in wanted}
    if level == "piece" and len(stacks) > 1:
        raise ConfigError(
            f"{model.name}: the decoder reads a start piece more than the encoder; store layers of one stack, or words"
        )
    corpus = as_corpus(texts)
    canonical_json([sentence.id for sentence in corpus])
    form: Any = text_form or corpus.text_form
    encoding = encode(model, corpus.sentences, text_form=form)
    reads = np.zeros(len(corpus), np.bool_)
    reads[encoding.word_sentence[encoding.word_reason == 0]] = True
    if not reads.any():
        raise DataError(
            f"corpus {corpus.name!r} has no word that {model.name} reads; there is nothing to store"
        )
    stored = np.flatnonzero(reads)
    sizes = np.array([len(sentence) for sentence in corpus], dtype=np.int64)
    lost = np.zeros((len(corpus), len(REASONS)), np.int64)
    np.add.at(lost, (encoding.word_sentence, encoding.word_reason), 1)
    if level == "piece":
        sizes[encoding.input_sentence] = np.diff(encoding.input_start) + (stacks == {"decoder"})
    left = tuple(
        {reason: n for reason, n in zip(REASONS[1:], row, strict=True) if n}
        for row in lost[stored, 1:].tolist()
    )
    return MapPlan(
        corpus, wanted, chosen, level, dtype, form, stored, sizes[stored], left, left_out(encoding), encoding.ids_hash,
        SHARD_BYTES,
    )  # fmt: skip
