"""What the analyses of stored representations ask of an extraction alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.activations.activations import Activations
from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.glossary import Layer, layer_name
from probekit.results.formats import format_score
from probekit.results.measurement import About

Array = NDArray[Any]
FLAT = 1e-6
"""Vectors that differ by less than this share of their length are one vector."""


def check_whole(least: int, **numbers: Any) -> None:
    """Raises ConfigError, naming it, for a number that is no whole number from `least` on.

    >>> check_whole(0, permutations=0, seed=3)
    """
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ConfigError(f"{name} must be a whole number from {least} on; got {value!r}")


def check_most(most: Any) -> None:
    """Raises ConfigError for a `max_rows` that is neither None (all rows) nor a whole number from 1 on."""
    if most is not None and (isinstance(most, bool) or not isinstance(most, int | np.integer) or most < 1):
        raise ConfigError(f"max_rows must be a whole number from 1 on, or None for all rows; got {most!r}")


def chosen_layers(acts: Activations, layers: str | int | Iterable[int | str]) -> tuple[Layer, ...]:
    """The layers asked for, from low to high; each must be stored. Raises ConfigError.

    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(2, 1, 1), layers=[0, 1])
    >>> chosen_layers(acts, [1, 0]), chosen_layers(acts, 1)
    (('0', '1'), ('1',))
    """
    if layers == "all":
        return acts.layers
    asked = [layers] if isinstance(layers, str | int) else list(layers)
    names = tuple(layer_name(layer) for layer in asked)
    for name in names:
        if name not in acts.layers:
            raise ConfigError(f"layer {name!r} is not stored here; {did_you_mean(name, acts.layers)}")
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"layers must be named once each, at least one; got {list(names)}")
    return tuple(layer for layer in acts.layers if layer in names)


def identical(X: Array) -> bool:
    """Whether rows [n, dim] are one vector, up to the rounding of their storage.

    >>> identical(np.array([[1.0, 2.0], [1.0, 2.0 + 1e-9]])), identical(np.array([[1.0, 2.0], [1.0, 2.1]]))
    (True, False)
    """
    return bool(np.ptp(X, axis=0).max() <= FLAT * np.abs(X).max())


def about_of(acts: Activations) -> About:
    """What the rows of an analysis of these activations say alike."""
    model = acts.model
    return About(
        corpus=str(acts.entry.about["corpus"]),
        model=str(model["name"]),
        model_kind=str(model.get("kind", "pretrained")),
        site=str(acts.recipe.get("site", "hidden")),
    )


def basis(n: int, unit: str, sentences: int, copies: int = 0) -> str:
    """What an analysis rests on, in words; sentences whose text another has are its copies and count with it.

    >>> basis(1, "word", 1), basis(36, "word", 9, 3)
    ('1 word of 1 sentence', '36 words of 9 sentences and 3 copies of them')
    """
    of = "it" if sentences == 1 else "them"
    more = f" and {copies:,} {'copy' if copies == 1 else 'copies'} of {of}" if copies else ""
    return f"{counted(n, unit)} of {counted(sentences, 'sentence')}{more}"


def format_ends(low: tuple[float, Layer], high: tuple[float, Layer], places: int = 3) -> str:
    """The smallest and the largest number with their layers; one of them where they read alike.

    >>> format_ends((0.1, "0"), (0.25, "6")), format_ends((20.52, "3"), (20.52, "3"), 1)
    ('0.100 (layer 0) to 0.250 (layer 6)', '20.5 (layer 3)')
    >>> format_ends((0.9999, "2"), (1.0000001, "3"))
    '>0.999 (layer 2) to 1.000 (layer 3)'
    """
    (one, at), (other, there) = low, high
    texts = [
        f"within {10.0**-places:.{places}f} of 0"
        if 0 < abs(x) < 0.5 * 10.0**-places
        else format_score(x, places)
        for x in (float(one), float(other))
    ]
    if at == there:
        return f"{texts[0]} (layer {at})"
    return f"{texts[0]} (layer {at}) to {texts[1]} (layer {there})"


def rows_that(n: int, one: str, many: str) -> str:
    """How many rows, with the verb for one or for many.

    >>> rows_that(1, "is 0", "are 0"), rows_that(2, "is 0", "are 0")
    ('1 row is 0', '2 rows are 0')
    """
    return f"{counted(n, 'row')} {one if n == 1 else many}"


def counted(n: int, what: str) -> str:
    """A number with what it counts.

    >>> counted(1, "word"), counted(1200, "word")
    ('1 word', '1,200 words')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def finite_rows(acts: Activations, layer: Layer, rows: Array) -> Array:
    """These rows of a layer, float32 [n, dim]. Raises DataError where one holds a value that is not a finite number.

    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(2, 1, 1), layers=[0, 1])
    >>> finite_rows(acts, "1", np.arange(3)).shape
    (3, 384)
    """
    X = acts.gather(layer, rows)
    bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
    if len(bad):
        bad_rows = rows_that(len(bad), "holds", "hold")
        raise DataError(
            f"layer {layer} of {acts.model['name']}: {bad_rows} a value that is not a finite number, first "
            f"row {int(rows[bad[0]])}; leave such words out"
        )
    return X
