"""The recipe of stored representations: everything their numbers depend on, and the key made from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from probekit.errors import ConfigError, did_you_mean
from probekit.glossary import SITES, LengthPolicy, TextForm
from probekit.results.files import tagged_hash

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.models.align import Encoding
    from probekit.models.model import Model

FORMAT = 1
POOLS = {
    "word": ("mean", "first", "last", "max"),
    "sentence": ("mean", "cls", "last", "max"),
    "piece": ("none",),
}
DTYPES = ("float16", "float32")
PIECES_PER_BATCH = {"cpu": 2048, "cuda": 16_384}
ROWS_PER_SHARD = 20_000


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen about an extraction; `checked` refuses what does not exist."""

    layers: str | int | Iterable[int | str] = "all"
    site: str = "hidden"
    unit: str = "word"
    pool: str = "mean"
    special: bool = False
    text_form: str | None = None
    length: str = "truncate"
    dtype: str = "float16"
    pieces_per_batch: int | None = None
    rows_per_shard: int = ROWS_PER_SHARD

    def checked(self) -> Options:
        """The same options. Raises ConfigError, naming the nearest that exists."""
        _known("site", self.site, SITES)
        _known("unit", self.unit, POOLS)
        _known("pool", self.pool, POOLS[self.unit], f" for unit={self.unit!r}")
        _known("length", self.length, get_args(LengthPolicy))
        _known("dtype", self.dtype, DTYPES)
        if self.text_form is not None:
            _known("text_form", self.text_form, get_args(TextForm))
        if self.length == "window" and self.unit != "word":
            raise ConfigError(
                f"length='window' gives words their rows, not a {self.unit}; use 'truncate' or 'error'"
            )
        if self.special and (self.unit == "word" or self.pool == "cls"):
            raise ConfigError(
                "special=True adds special pieces to rows of sentences (mean, max, last) or pieces; drop it"
            )
        for name in ("pieces_per_batch", "rows_per_shard"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ConfigError(f"{name} must be a whole number above 0; got {value!r}")
        return self


def make_recipe(model: Model, corpus: Corpus, encoding: Encoding, options: Options) -> dict[str, Any]:
    """What the numbers depend on, as JSON for people to read; names and folders are no part of it.

    Edits in force are a part of it. Raises ConfigError where one of them does not say what it does.
    """
    from probekit.models.hooks.named import edits_recipe

    device = model.device.partition(":")[0]
    recipe = {
        "format": FORMAT,
        "model": {
            "weights": model.fingerprint,
            "tokenizer": model.tokenizer_fingerprint,
            "dtype": model.dtype,
            "attention": model.attention,
            "device": device,
        },
        "corpus": {"text": corpus.text_hash, "inputs": encoding.ids_hash},
        "layers": list(model.resolve_layers(options.layers, options.site)),
        "site": options.site,
        "unit": options.unit,
        "pool": options.pool,
        "special": options.special,
        "text_form": options.text_form or corpus.text_form,
        "length": options.length,
        "dtype": options.dtype,
        "pieces_per_batch": options.pieces_per_batch or PIECES_PER_BATCH.get(device, 2048),
        "rows_per_shard": options.rows_per_shard,
    }
    edits = edits_recipe(model)
    return recipe | {"edits": edits} if edits else recipe  # without edits the key is what it always was


def recipe_key(recipe: dict[str, Any]) -> str:
    """The name of the entry: a tagged sha256 of the recipe's canonical JSON.

    >>> recipe_key({"a": 1}) == recipe_key({"a": 2})
    False
    """
    return tagged_hash("probekit.activations", recipe)


def _known(option: str, value: str, known: Iterable[str], where: str = "") -> None:
    if value not in tuple(known):
        raise ConfigError(f"unknown {option} {value!r}{where}; {did_you_mean(str(value), known)}")
