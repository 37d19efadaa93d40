"""A corpus and the cost of a plan in lines for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from probekit.activations.store import Store
from probekit.errors import ProbekitError
from probekit.experiment.estimate import Cost, Rates, extraction_cost, probing_cost, spoken_bytes
from probekit.experiment.health import rates_of
from probekit.experiment.plan import ModelPlan
from probekit.experiment.wanted import Wanted, sources_of

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.models.model import Model


def describe_corpus(corpus: Corpus) -> str:
    """Name, splits, words and equal texts of a corpus, as a line for a person."""
    sizes = ", ".join(f"{n:,} {split or 'unsplit'}" for split, n in corpus.sizes.items())
    shared = {pair: n for pair, n in corpus.overlap().counts.items() if n}
    note = "; equal text: " + ", ".join(f"{n} {pair}" for pair, n in shared.items()) if shared else ""
    return f"corpus {corpus.name}: {sizes} sentences, {corpus.n_words:,} words{note}"


def describe_cost(
    model: Model, planned: ModelPlan, wanted: Sequence[Wanted], corpus: Corpus, rates: Rates | None = None
) -> str:
    """What the steps of a model will cost, as lines for a person."""
    rates = rates or rates_of(Store().root)
    words, sentences = corpus.n_words, len(corpus)
    tables = sum(p.numel() for name, p in model.module.named_parameters() if "embed" in name)
    lines, total = [], Cost(0.0)
    for w in sources_of(wanted).values():
        layers = len(model.resolve_layers(w.analysis.layers, w.analysis.site))
        reading = _reading(model, w, corpus)
        one = extraction_cost(
            words=reading.words,
            sentences=reading.inputs,
            block_parameters=max(model.parameters - tables, 1),
            layers=layers,
            rows=reading.rows,
            dim=reading.dim,
            rates=rates,
        )
        times = 1 + planned.twins
        total = Cost(total.seconds + one.seconds * times, total.bytes + one.bytes * times)
        lines.append(
            f"  extract {reading.what}, {layers} layers, model and {planned.twins} random twins: about "
            f"{one.seconds * times:,.0f} s, {spoken_bytes(one.bytes * times)} on disk, unless stored before"
        )
    for w in wanted:
        layers = len(model.resolve_layers(w.analysis.layers, w.analysis.site))
        units = words if w.unit == "word" else sentences
        for kind in w.analysis.probes:
            seeds = 1 if kind == "linear" else w.analysis.seeds.probe
            fits = len(w.analysis.strengths) * seeds + w.analysis.seeds.control + 1 + planned.twins
            cost = probing_cost(
                train=int(units * 0.8), dim=model.dim, labels=20, fits=fits, layers=layers, rates=rates
            )
            total = Cost(total.seconds + cost.seconds, total.bytes)
            lines.append(
                f"  probe {w.named.name} ({kind}), {layers} layers x {fits} fits: about {cost.seconds:,.0f} s"
            )
    head = f"plan for {model.name}: about {total.seconds:,.0f} s in all, {spoken_bytes(total.bytes)} on disk"
    return "\n".join([head, *lines])


class _Reading(NamedTuple):
    """What an extraction reads and keeps: words and inputs, rows, numbers of two bytes per row, and its name."""

    words: int
    inputs: int
    rows: int
    dim: int
    what: str


def _reading(model: Model, w: Wanted, corpus: Corpus) -> _Reading:
    where = "" if w.site == "hidden" else f" at {w.site}"
    dim = model.site_dim(w.analysis.site)
    if not w.predicted:
        rows = corpus.n_words if w.unit == "word" else len(corpus)
        return _Reading(corpus.n_words, len(corpus), rows, dim, f"{w.unit}s ({w.pool}){where}")
    what = f"places of prediction ({w.task.name}){where}"
    try:
        sentences = w.task.units(corpus).sentence
    except ProbekitError:  # told where it is probed
        return _Reading(0, 0, 0, dim, what)
    if model.tokenizer.mask_token_id is None:
        return _Reading(corpus.n_words, len(corpus), len(sentences), 2 * dim, what)
    # a masked copy of the sentence for every word
    words = sum(len(corpus[int(number)]) for number in sentences)
    return _Reading(words, len(sentences), len(sentences), 2 * dim, what)
