"""Whole attention maps of one text, between its pieces or its words, kept in memory and saved on request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.attention.counted import counted
from probekit.attention.maps import PieceBatch, read_pieces
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError, ModelError, did_you_mean
from probekit.glossary import Layer, ModelKind
from probekit.models.attention import attend
from probekit.models.pair import read_piece_text
from probekit.results.bundle import load_bundle, save_bundle
from probekit.results.formats import format_score
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.models.attention import Attended
    from probekit.models.model import Model

Array = NDArray[Any]
MapLevel: TypeAlias = Literal["piece", "word"]

FORMAT = "probekit attention map 1"
START = "<start>"
"""How the start piece of a decoder is shown."""
VECTORS = ("queries", "keys", "values")


@dataclass(frozen=True, eq=False, repr=False)
class AttentionMap:
    """The attention of one text, made by `pk.attention_map`.

    Attributes
    ----------
    tokens : what rows and columns stand for, pieces or words; ``special`` bool ``[tokens]`` marks special pieces
    weights : float32 ``[layers, heads, tokens, tokens]``, rows look; NaN where a word is left out
    to_special : float32 ``[layers, heads, tokens]``, what goes to special pieces (which are no words)
    vectors : of pieces, on request: "queries", "keys", "values", float32 ``[layers, heads, tokens, dim of a head]``
    left_out : words that were not read, by reason
    """

    tokens: tuple[str, ...]
    special: Array
    layers: tuple[Layer, ...]
    heads: tuple[int, ...]
    weights: Array
    to_special: Array
    level: MapLevel = "piece"
    vectors: Mapping[str, Array] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    text: str = ""
    model: str = ""
    model_kind: ModelKind = "pretrained"

    def of(self, layer: int | str, head: int) -> Array:
        """One head, float32 ``[tokens, tokens]``. Raises ConfigError where it is not here."""
        if str(layer) not in self.layers or head not in self.heads:
            raise ConfigError(
                f"no head {head} of layer {layer} in this map; it has layers {', '.join(self.layers)} and heads "
                f"{', '.join(map(str, self.heads))}"
            )
        return np.asarray(self.weights[self.layers.index(str(layer)), self.heads.index(head)])

    def save(self, stem: str | Path) -> None:
        """Write ``<stem>.safetensors`` (one tensor per head) and ``<stem>.json``. Raises DiskError."""
        arrays = {
            f"{layer}/{head}": np.ascontiguousarray(self.weights[at, number])
            for at, layer in enumerate(self.layers)
            for number, head in enumerate(self.heads)
        }
        arrays |= {"to_special": self.to_special, "special": self.special.astype(np.uint8), **self.vectors}
        words = {
            "format": FORMAT, "tokens": list(self.tokens), "layers": list(self.layers), "heads": list(self.heads),
            "level": self.level, "left_out": dict(self.left_out), "text": self.text, "model": self.model,
            "model_kind": self.model_kind,
        }  # fmt: skip
        save_bundle(stem, arrays, words)

    @classmethod
    def load(cls, stem: str | Path) -> AttentionMap:
        """Read a map back. Raises DataError where it is absent or something else, StoreError where it is damaged."""
        arrays, words = load_bundle(stem)
        if words.pop("format", None) != FORMAT:
            raise DataError(
                f"{stem}.json holds no attention map; give the stem that AttentionMap.save was given"
            )
        layers, heads = tuple(words["layers"]), tuple(words["heads"])
        weights = [[arrays.pop(f"{layer}/{head}") for head in heads] for layer in layers]
        return cls(
            tokens=tuple(words.pop("tokens")),
            special=arrays.pop("special").astype(np.bool_),
            weights=np.array(weights, dtype=np.float32),
            to_special=arrays.pop("to_special"),
            vectors=arrays,
            **words | {"layers": layers, "heads": heads},
        )

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """For every head what it gives to special pieces and to the token that looks, averaged over ordinary tokens."""
        return tuple(self._rows())

    def _rows(self) -> Iterator[Measurement]:
        looks = ~self.special & ~np.isnan(self.to_special[0, 0])
        own = np.diagonal(self.weights, axis1=2, axis2=3)
        for at, layer in enumerate(self.layers):
            for number, head in enumerate(self.heads):
                for metric, values in (("to_special", self.to_special), ("to_self", own)):
                    yield Measurement(
                        metric=metric, value=float(values[at, number, looks].mean()), layer=layer,
                        group=f"head={head}", method="attention head", site="heads", split="", unit=self.level,
                        n=int(looks.sum()), n_left_out=sum(self.left_out.values()), model=self.model,
                        model_kind=self.model_kind,
                    )  # fmt: skip

    def table(self) -> pandas.DataFrame:
        """The rows as a pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """How much goes to special pieces, in a sentence."""
        given = [row.value for row in self.rows if row.metric == "to_special" and row.value is not None]
        left = sum(self.left_out.values())
        return (
            f"{counted(len(given), 'head')} of {self.model} over "
            f"{counted(len(self.tokens), self.level)} of one text; to special pieces "
            f"goes {format_score(float(np.mean(given)), 2)} of a weight on average"
            + (f"; {counted(left, self.level)} {'was' if left == 1 else 'were'} left out" if left else "")
            + ". One text is an illustration, no evidence."
        )

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Every head small and one large: the one that gives least to special pieces and to the token itself."""
        looks = ~self.special & ~np.isnan(self.to_special[0, 0])
        own = np.diagonal(self.weights, axis1=2, axis2=3)
        spent = (self.to_special + own)[:, :, looks].mean(2)
        chosen = [int(x) for x in np.unravel_index(int(spent.argmin()), spent.shape)]
        note = "Words: added up to a split word, averaged from it; special pieces left out."
        labels: dict[str, Any] = {
            "tokens": list(self.tokens), "layers": list(self.layers), "heads": [str(head) for head in self.heads],
            "chosen": chosen, "note": note if self.level == "word" else "",
            "special": np.flatnonzero(self.special).tolist(),
        }  # fmt: skip
        vectors = {name: self.vectors[name] for name in ("queries", "keys") if name in self.vectors}
        return (
            Panel(
                "attention",
                f"attention-{self.level}s",
                f"Attention between {self.level}s",
                f"Rows look, columns are looked at. {self.summary}",
                {"weights": self.weights, **vectors},
                labels,
            ),
        )

    def _repr_html_(self) -> str:
        from probekit.results.html import escape

        return f"<p>{escape(self.summary)}</p>"

    def __repr__(self) -> str:
        layers, heads, tokens, _ = self.weights.shape
        return f"AttentionMap({layers} layers x {heads} heads of {self.model}, {tokens} {self.level}s)"


def attention_map(
    model: Model,
    text: str | Sentence,
    level: MapLevel = "piece",
    layers: str | int | Iterable[int | str] = "all",
    heads: Iterable[int] | None = None,
    *,
    vectors: bool = False,
) -> AttentionMap:
    """The attention of one text, every head, between its pieces or between its words.

    Words are those of a `Sentence`, of a plain text what white space separates; weights *to* the pieces of a word are
    added up and weights *from* them averaged, special pieces are no words, and nothing is renormalised. Pieces beyond
    what the model reads are cut; words among them are left out and counted. With `vectors` the queries, keys and values
    of pieces are kept too. Edits in force are in force here. Source: Clark et al. 2019, section 4.1 (words).

    Raises ConfigError (an unknown level, layer or head; pieces of encoder and decoder at once, which differ by a start
    piece), DataError (nothing to read), ModelError (no attention; `vectors` of a family that does not show them).

    >>> found = pk.attention_map(pk.load_model("demo:minilm"), "The keys are here.", "word", layers=[1, 6])
    >>> found.tokens, found.weights.shape
    (('The', 'keys', 'are', 'here.'), (2, 12, 4, 4))
    """
    if level not in get_args(MapLevel):
        raise ConfigError(f"no level {level!r} of a map; {did_you_mean(str(level), get_args(MapLevel))}")
    if vectors and level == "word":
        raise ConfigError("queries, keys and values belong to pieces; ask for level='piece'")
    wanted = model.resolve_layers(layers, "heads")
    chosen = resolve_heads(model, heads)
    make = _of_words if level == "word" else _of_pieces
    return make(model, text, wanted, chosen, vectors)


def _of_words(
    model: Model, text: str | Sentence, layers: tuple[Layer, ...], heads: list[int], vectors: bool
) -> AttentionMap:
    sentence = Sentence.from_text("1", text) if isinstance(text, str) else text
    weights: list[Array] = []
    special: list[Array] = []

    def visit(batch: PieceBatch, layer: Layer, attended: Attended) -> None:
        gone = ~batch.present[0]
        words = batch.to_words(attended.weights)[0, heads]
        words[:, gone], words[:, :, gone] = torch.nan, torch.nan
        given = batch.to_special(attended.weights)[0, heads]
        given[:, gone] = torch.nan
        weights.append(words.cpu().numpy())
        special.append(given.cpu().numpy())

    left = read_pieces(model, [sentence], visit, layers)
    if not weights:
        raise DataError(f"{sentence.location}: there is no word that {model.name} reads")
    return AttentionMap(
        tokens=sentence.words,
        special=np.zeros(len(sentence), np.bool_),
        layers=layers,
        heads=tuple(heads),
        weights=np.stack(weights),
        to_special=np.stack(special),
        level="word",
        left_out=dict(left),
        text=sentence.text,
        model=model.name,
        model_kind=model.kind,
    )


def _of_pieces(
    model: Model, text: str | Sentence, layers: tuple[Layer, ...], heads: list[int], vectors: bool
) -> AttentionMap:
    stacks = {layer.rpartition(".")[0] for layer in layers}
    if len(stacks) > 1:
        raise ConfigError(
            f"{model.name}: the decoder reads a start piece more than the encoder, so their pieces are no one map; ask "
            "for layers of one stack, or for level='word'"
        )
    read = read_piece_text(model, text if isinstance(text, str) else text.text)
    tokens, special = list(read.names), read.special
    if stacks == {"decoder"}:
        tokens, special = [START, *tokens], np.concatenate([[True], special])
    weights: list[Array] = []
    kept: dict[str, list[Array]] = {name: [] for name in VECTORS} if vectors else {}

    def visit(layer: Layer, attended: Attended) -> None:
        weights.append(attended.weights[0, heads].float().cpu().numpy())
        for name, found in kept.items():
            vector: torch.Tensor | None = getattr(attended, name)
            if vector is None:
                raise ModelError(
                    f"{model.name}: {model.family} computes its {name} out of sight; leave vectors out"
                )
            found.append(vector[0, heads].float().cpu().numpy())

    attend(model, read.ids, None, visit, layers)
    stacked = np.stack(weights)
    return AttentionMap(
        tokens=tuple(tokens),
        special=special,
        layers=layers,
        heads=tuple(heads),
        weights=stacked,
        to_special=stacked[..., special].sum(-1),
        vectors={name: np.stack(found) for name, found in kept.items()},
        left_out={"pieces beyond what the model reads": read.cut} if read.cut else {},
        text=text if isinstance(text, str) else text.text,
        model=model.name,
        model_kind=model.kind,
    )


def resolve_heads(model: Model, heads: Iterable[int] | None) -> list[int]:
    """The numbers of the heads asked for, from low to high; None is all of them. Raises ConfigError."""
    known = model.n_heads
    found = list(range(known)) if heads is None else sorted({int(head) for head in heads})
    if not found or found[0] < 0 or found[-1] >= known:
        raise ConfigError(f"heads of {model.name} are numbered 0 to {known - 1}; got {found or 'none'}")
    return found
