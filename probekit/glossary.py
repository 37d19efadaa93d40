"""The words of the house, and the small types that every room shares.

word / piece
    A word of the corpus / a subword of the tokenizer.
layer
    ``"0"`` is the output of the embedding, ``"i"`` the output of block i before any final norm, ``"final"`` the
    state after the final norm where a model has one. Encoder-decoders: ``"encoder.0"`` ..., ``"decoder.0"`` ...
site
    Where in a layer: ``hidden`` (the residual state itself), ``attention_output`` (the output of the output projection
    of self-attention, before it joins the residual), ``heads`` (the input of that projection, split into heads),
    ``mlp`` (the input of the down projection: the neurons after their activation, gated ones after the product).
    The last three belong to a block, so they have no layer 0 and no ``final``.
text form
    ``surface``: the model reads the running text; ``words``: it reads the corpus's words, pre-split.
unit
    What carries a label: ``word`` or ``sentence`` (``piece`` for unpooled rows).
control
    A task or model with the same interface whose answer carries no linguistics.
seed
    Never one number: ``probe`` (initialisation), ``control`` (label draw), ``twin`` (weights draw), ``data``.
outcome / measurement
    What happened to one unit / one number with its interval, made from outcomes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

SPLITS = ("train", "dev", "test")
SITES = ("hidden", "attention_output", "mlp", "heads")

Layer: TypeAlias = str
Site: TypeAlias = Literal["hidden", "attention_output", "mlp", "heads"]
Unit: TypeAlias = Literal["word", "sentence", "piece"]
TextForm: TypeAlias = Literal["surface", "words"]
LengthPolicy: TypeAlias = Literal["truncate", "error", "window"]
ModelKind: TypeAlias = Literal["pretrained", "self-trained", "adapted", "random"]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)`` by long work; who draws it is not the worker's business."""


def silent(stage: str, done: int, total: int) -> None:
    """The progress callback that shows nothing."""


def layer_name(layer: int | str) -> Layer:
    """The canonical name of a layer given as a number or a name.

    >>> layer_name(3), layer_name("final")
    ('3', 'final')
    """
    return str(layer)
