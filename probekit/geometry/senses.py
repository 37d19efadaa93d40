"""How far the senses of a word (or any classes of words) lie apart in context, layer by layer, and beyond what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.data.read_contexts import SENSE
from probekit.errors import DataError, StoreError
from probekit.geometry.occurrences import Occurrences, about_of, layers_of, occurrences
from probekit.geometry.sense_rows import ALIKE, PAIRS, LayerSenses, SenseSeparation
from probekit.geometry.stored import check_whole, counted
from probekit.glossary import Layer, Progress, silent
from probekit.maths.pairs import apart, apart_by_chance, apart_draws
from probekit.results.measurement import About

if TYPE_CHECKING:
    from probekit.activations.activations import Activations
    from probekit.data.task import Task
    from probekit.data.units import Units

Array = NDArray[Any]

STAGE = "senses (layers)"
PLACES = 6
"""Cosines are rounded to so many places, so that equal vectors stay equal after rounding in storage."""


def sense_separation(
    acts: Activations,
    task: Task | Units = SENSE,
    *,
    twins: Sequence[Activations] = (),
    layers: str | int | Iterable[int | str] = "all",
    split: str | None = None,
    items: int = 300,
    permutations: int = 999,
    resamples: int = 1000,
    seed: int = 0,
    about: About | None = None,
    progress: Progress = silent,
) -> SenseSeparation:
    """Whether occurrences of one sense (label) have higher cosines than occurrences of different ones, per layer.

    ``sense_separation`` is the mean cosine of pairs within a sense less that of pairs between senses; ``sense_auc`` how
    often a pair within has the higher cosine (0.5 by chance), which does not depend on how narrow the cone is in
    which a layer's vectors lie; ``nearest_same_sense`` how often the nearest neighbour has the same sense. Pairs in
    sentences of equal text are left out. All of it again over pairs of one word form ("play" with "play"), since forms
    differ between senses and a form is known without context. `twins` are activations of random twins for the same
    corpus. Of more than `items` units so many are drawn by `seed`. Intervals resample sentences; p deals the senses out
    anew among items (among items of one form for pairs of one form), Holm over layers. Layers whose cosines are all
    equal (identical vectors) are not scored, with the reason.

    Raises DataError (one sense only, one occurrence only, no two of one sense), ConfigError (a layer), StoreError (a
    twin of another corpus).

    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(10, 5, 5), layers=[0, 3])
    >>> found = pk.sense_separation(acts, pk.load_task("upos"), items=50, permutations=99, resamples=99)
    >>> found.part("3").found.area > 0.6
    True
    """
    check_whole(0, permutations=permutations, seed=seed)
    check_whole(1, items=items, resamples=resamples)
    chosen = layers_of(acts, layers)
    every = occurrences(acts, task, split=split)
    words = every.draw(items, seed=seed)
    _check(words)
    sources: list[tuple[int | None, Activations]] = [(None, acts)]
    for twin in twins:
        if twin.recipe["corpus"] != acts.recipe["corpus"]:
            raise StoreError("the activations of a twin are of another corpus; extract the same one")
        sources.append((_twin_seed(twin, len(sources)), twin))
    parts: list[LayerSenses] = []
    matrices: dict[tuple[int | None, Layer], Array | None] = {}
    total = len(chosen) * len(sources)
    for number, twin in sources:
        data = words if number is None else _of(words, twin)
        for layer in chosen:
            progress(STAGE, len(matrices), total)
            matrices[number, layer] = _cosines(data.vectors(layer))
    for pairs in PAIRS:
        parts += _score(matrices, words, pairs, permutations, resamples, seed)
    progress(STAGE, total, total)
    return SenseSeparation(
        layers=chosen, parts=tuple(parts), words=words, twin_seeds=tuple(n for n, _ in sources if n is not None),
        drawn_from=len(every), seed=seed, resamples=resamples, permutations=permutations,
        about=about or about_of(acts, f"how far apart {words.task} is in context"),
    )  # fmt: skip


def _check(words: Occurrences) -> None:
    """Raise DataError where nothing can be compared."""
    if len(words) < 2:
        raise DataError(
            f"{counted(len(words), 'occurrence')} of {words.task!r}: there is nothing to compare it with; give two or "
            "more of each sense"
        )
    if words.n_classes < 2:
        raise DataError(
            f"all {len(words)} occurrences have one label ({words.classes[0]!r}); separation needs two or more"
        )
    first, second = _pairs(words, "all")
    within = words.codes[first] == words.codes[second]
    if not within.any() or within.all():
        what = "of one label" if not within.any() else "of different labels"
        raise DataError(f"no two occurrences {what} stand in different sentences; give two or more of each")


def _pairs(words: Occurrences, pairs: str) -> tuple[Array, Array]:
    """The two items of every pair in different sentence texts; of one word form where asked."""
    first, second = np.triu_indices(len(words), 1)
    kept = words.text[first] != words.text[second]
    if pairs != "all":
        kept &= words.form[first] == words.form[second]
    return first[kept], second[kept]


def _score(
    matrices: dict[tuple[int | None, Layer], Array | None], words: Occurrences, pairs: str, permutations: int,
    resamples: int, seed: int,
) -> Iterable[LayerSenses]:  # fmt: skip
    first, second = _pairs(words, pairs)
    within = words.codes[first] == words.codes[second]
    if not within.any() or within.all():
        reason = f"no pairs of {'one sense' if not within.any() else 'different senses'} in {pairs} pairs"
        return [LayerSenses(layer, pairs, twin, reason=reason) for twin, layer in matrices]
    reasons = {
        key: "a vector is 0" if matrix is None else ALIKE if np.ptp(matrix[first, second]) == 0 else ""
        for key, matrix in matrices.items()
    }
    scored = [key for key, reason in reasons.items() if not reason]
    if not scored:
        return [LayerSenses(layer, pairs, twin, reason=reasons[twin, layer]) for twin, layer in matrices]
    strata = words.form if pairs != "all" else np.zeros(len(words), dtype=np.int64)
    values = np.array([matrices[key][first, second] for key in scored]).reshape(len(scored), len(first))  # type: ignore[index]
    chance = apart_by_chance(values, words.codes, first, second, strata, permutations=permutations, seed=seed)
    partners = np.bincount(np.concatenate([first, second]), minlength=len(words))
    alike = np.bincount(np.concatenate([first[within], second[within]]), minlength=len(words))
    any_neighbour = float((alike[partners > 0] / partners[partners > 0]).mean())
    found = []
    for key, reason in reasons.items():
        twin, layer = key
        if reason:
            found.append(LayerSenses(layer, pairs, twin, reason=reason))
            continue
        i = scored.index(key)
        draws = apart_draws(values[i], within, first, second, words.cluster, resamples=resamples, seed=seed)
        matrix = matrices[key]
        assert matrix is not None
        found.append(
            LayerSenses(
                layer, pairs, twin, found=apart(values[i], within), within=float(values[i][within].mean()),
                between=float(values[i][~within].mean()), draws=draws, chance=chance[:, i],
                nearest=_nearest(matrix, words, first, second), any_neighbour=any_neighbour, n=len(first),
            )
        )  # fmt: skip
    return found


def _nearest(matrix: Array, words: Occurrences, first: Array, second: Array) -> Array:
    """Whether the nearest item that may be paired with an item has its sense, float64[items]; NaN where none may."""
    near = np.full(matrix.shape, -np.inf)
    near[first, second] = near[second, first] = matrix[first, second]
    same: Array = (words.codes[near.argmax(axis=1)] == words.codes).astype(float)
    same[np.isneginf(near).all(axis=1)] = np.nan
    return same


def _cosines(X: Array) -> Array | None:
    """float64[n, n]; None where a vector is 0."""
    X = np.asarray(X, dtype=np.float64)
    length = np.linalg.norm(X, axis=1, keepdims=True)
    if not length.all():
        return None
    X = X / length
    cosines: Array = np.clip(np.round(X @ X.T, PLACES), -1.0, 1.0)
    return cosines


def _of(words: Occurrences, twin: Activations) -> Occurrences:
    """The same units with the vectors of a twin."""
    data = twin.units(words.data.units)
    if data.ids != words.ids:
        raise StoreError("a twin has no vector for some of the occurrences; extract both in the same way")
    return replace(words, data=data)


def _twin_seed(twin: Activations, number: int) -> int:
    name, _, seed = str(twin.model["name"]).rpartition("#twin-")
    return int(seed) if name and seed.isdecimal() else number
