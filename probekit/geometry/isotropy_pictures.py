"""Rows, a sentence and pictures of anisotropy and of words across contexts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.geometry.stored import basis, counted, format_ends
from probekit.results.formats import format_score, slug
from probekit.results.measurement import Measurement
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from probekit.geometry.isotropy import Isotropy

SHOWN = 8
OVER_TYPES = "bootstrap over word types, 1000 resamples, 95% percentile"


def make_rows(found: Isotropy) -> Iterator[Measurement]:
    """A row for every layer and metric."""
    about = found.about
    for metric, values in found.values.items():
        of_types = metric.startswith(("self", "max"))
        for layer, (value, low, high) in zip(found.layers, values, strict=True):
            bounded = bool(np.isfinite(low) and np.isfinite(high))
            yield Measurement(
                run=about.run, question=about.question, corpus=about.corpus, model=about.model,
                model_kind=about.model_kind, site=about.site, layer=layer, metric=metric, split="all",
                method="cosine of words in context" if not metric.startswith("max") else "first principal component",
                value=value, low=low, high=high, seeds=(("data", found.seed),),
                interval=(OVER_TYPES if metric.startswith("max") else found.interval) if bounded else "",
                n=len(found.types) if of_types else found.n, unit="word type" if of_types else "word",
                reason=found.reasons.get((layer, metric), ""),
            )  # fmt: skip


def sentence(found: Isotropy) -> str:
    """What a paper would write."""
    base = np.array([one.value for one in found.values["anisotropy"]])
    of = f"{basis(found.n, 'word', found.sentences, found.copies)}, {found.about.model}"
    if not np.isfinite(base).any():
        return f"Isotropy of {of}: not defined ({next(iter(found.reasons.values()), 'no reason known')})."
    low, high = int(np.nanargmin(base)), int(np.nanargmax(base))
    text = (
        f"Two words of different sentences ({of}) have a mean cosine of "
        f"{format_ends((base[low], found.layers[low]), (base[high], found.layers[high]))}"
    )
    own = np.array([one.value for one in found.values["self_similarity_adjusted"]])
    known = np.flatnonzero(np.isfinite(own))
    if not len(known):
        return f"{text}; no word type occurs in {found.min_sentences} sentences."
    first, last = known[0], known[-1]
    at = list(dict.fromkeys((first, last)))
    nearer = " and ".join(f"by {_size(own[i])} at layer {found.layers[i]}" for i in at)
    types = counted(len(found.types), "type")
    return f"{text}; occurrences of one type are nearer than that {nearer} (mean of {types})."


def _size(value: float) -> str:
    """A difference that may be next to nothing."""
    return "less than 0.001" if abs(value) < 0.0005 else format_score(float(value))


def make_panels(found: Isotropy) -> list[Panel]:
    """A sentence, curves, and the words that change most and least with their context."""
    name = slug("isotropy", found.about.model)
    panels = [
        Panel("sentence", f"{name}-sentence", "In a sentence", labels={"text": found.summary}),
        _curves(
            found, f"{name}-curves", "Cosines beside those of random words", "mean cosine",
            {"anisotropy": ("two words of different sentences", "baseline"),
             "self_similarity": ("a word and itself in another sentence", "task"),
             "intra_sentence_similarity": ("a word and the mean of its sentence", "twin")},
        ),
        _curves(
            found, f"{name}-adjusted", "What context leaves alike, less what random words have", "difference",
            {"self_similarity_adjusted": ("self-similarity", "task"),
             "intra_sentence_similarity_adjusted": ("similarity within a sentence", "twin"),
             "max_explainable_variance_adjusted": ("maximum explainable variance", "control")}, "as random words",
        ),
    ]  # fmt: skip
    scored = np.isfinite(found.by_type).all(axis=0)
    if scored.any():
        panels.append(_types(found, f"{name}-types", np.flatnonzero(scored)))
    return panels


def _curves(
    found: Isotropy, name: str, title: str, label: str, shown: dict[str, tuple[str, str]], zero: str = ""
) -> Panel:
    values = np.array([[tuple(one) for one in found.values[metric]] for metric in shown], dtype=float)
    return Panel(
        "layer-curve", name, f"{title}: {found.about.model}",
        f"{basis(found.n, 'word', found.sentences, found.copies)}, {counted(len(found.types), 'type')} "
        f"of at least {found.min_sentences} sentences. Bands: {found.interval}; of the explainable variance: "
        f"{OVER_TYPES}.",
        dict(zip(("value", "low", "high"), np.moveaxis(values, 2, 0), strict=True)),
        {"layers": list(found.layers), "x_label": "layer", "y_label": label,
         "series": [{"name": spoken, "style": style} for spoken, style in shown.values()]}
        | ({"reference": {"value": 0.0, "name": zero}} if zero else {}),
    )  # fmt: skip


def _types(found: Isotropy, name: str, scored: Any) -> Panel:
    last = found.by_type[-1, scored]
    order = scored[np.argsort(last, kind="stable")]
    ends = [*order[:SHOWN], *(k for k in order[-SHOWN:] if k not in order[:SHOWN])]
    cells = [
        [found.types[k], int(found.contexts[k]), *(float(x) for x in found.by_type[[0, -1], k])] for k in ends
    ]
    columns = ["word type", "sentences", *(f"layer {found.layers[i]}" for i in (0, -1))]
    return Panel(
        "table", name, f"Words that change most and least with their context: {found.about.model}",
        f"Self-similarity less the anisotropy of the layer; the {SHOWN} lowest and highest at layer "
        f"{found.layers[-1]}.",
        labels={"columns": columns, "rows": cells, "formats": ["text", "int", "score", "score"]},
    )  # fmt: skip
