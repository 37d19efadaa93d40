"""Probe every layer for one task, with its controls: the call of a notebook, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator

from probekit.activations.activations import Activations
from probekit.data.task import Task
from probekit.errors import ConfigError
from probekit.glossary import Progress, silent
from probekit.probing.fitting import is_random
from probekit.probing.layer import LayerResult, probe_layer
from probekit.probing.pictures import make_panels, sentence
from probekit.probing.problem import ProbeProblem, check_same_rows, pose
from probekit.probing.rows import Scores, make_rows, score_all
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.outcomes import Outcomes
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Sweep:
    """Probes over layers: rows (measurements), panels (pictures), outcomes (every test unit), the problem posed."""

    problem: ProbeProblem
    results: tuple[LayerResult, ...]
    about: About
    scores: Scores = field(repr=False)
    rows: tuple[Measurement, ...] = field(repr=False)

    @property
    def panels(self) -> list[Panel]:
        """Pictures of the sweep: `pk.plot(sweep)` draws them."""
        return make_panels(self.problem, self.results, self.scores, self.rows, self.about)

    @property
    def best_layer(self) -> str:
        """The layer with the highest dev score."""
        return self.scores.best

    @property
    def summary(self) -> str:
        """What a paper would write."""
        text = sentence(self.problem, self.scores, self.rows, self.about)
        ends = [fit["converged"] for result in self.results for fit in result.fits if "converged" in fit]
        short = ends.count(False)
        return (
            f"{text} {short:,} of {len(ends):,} probes stopped short of their tolerance." if short else text
        )

    def outcomes(self, layer: int | str) -> Outcomes:
        """What happened to every test unit at a layer (first probe seed)."""
        by_layer = {result.layer: result for result in self.results}
        if str(layer) not in by_layer:
            raise ConfigError(f"no layer {layer!r} in this sweep; it has {', '.join(by_layer)}")
        return layer_outcomes(self.problem, by_layer[str(layer)])

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        return tidy(self.rows)

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        shown = next(panel for panel in self.panels if panel.kind == "table")
        labels = shown.labels
        return f"<p>{escape(self.summary)}</p>{table(labels['columns'], labels['rows'], labels['formats'])}"


def layer_outcomes(problem: ProbeProblem, result: LayerResult) -> Outcomes:
    """The test units of one layer with gold and prediction of the first probe seed."""
    test = problem.of("test")
    return Outcomes(
        ids=tuple(problem.ids[i] for i in test),
        cluster=problem.cluster[test],
        gold=problem.gold[test],
        predicted=result.test[0],
        margin=result.margin,
        labels=problem.labels,
        left_out=problem.left_out,
    )


def assemble(
    problem: ProbeProblem, results: Sequence[LayerResult], about: About, *, resamples: int = 1000
) -> Sweep:
    """Rows from what the probes of every layer predicted; no model and no vectors are needed."""
    scores = score_all(problem, results)
    rows = make_rows(problem, results, scores, about, resamples=resamples)
    return Sweep(problem, tuple(results), about, scores, tuple(rows))


def probe_layers(
    probe: BaseEstimator,
    acts: Activations,
    task: Task,
    *,
    twins: Sequence[Activations] = (),
    layers: str | Sequence[int | str] = "all",
    strengths: Sequence[float] | None = None,
    control_seeds: int = 5,
    probe_seeds: int = 3,
    bootstrap: int = 1000,
    about: About | None = None,
    progress: Progress = silent,
) -> Sweep:
    """Fit and test a probe at every layer, beside its controls.

    Controls: the word-type control task (a random label per word type, Hewitt & Liang 2019), shuffled labels,
    majority, word identity, and the same probe over the model's random twins where `twins` are given (without them
    that row is null, with the reason). The strength is chosen on dev, scores are of test, intervals resample
    sentences, differences are paired and Holm-corrected.

    Parameters
    ----------
    probe : a probe of this package, or any scikit-learn classifier (regressor for numeric tasks)
    acts, twins : stored representations of the same corpus with the same pooling
    strengths : values of the probe's `C` (or `alpha`) to choose from on dev; None keeps the probe's own
    control_seeds, probe_seeds : how many; probe seeds apply to probes with a random start only

    Raises
    ------
    ConfigError
        if the probe does not fit the task (a classifier for numbers, or the reverse).
    DataError
        if a split is empty or training has one label only.

    Examples
    --------
    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(20, 5, 5))
    >>> task = pk.load_task("upos")
    >>> sweep = probe_layers(pk.LinearProbe(), acts, task, layers=[0, 3], control_seeds=1, bootstrap=100)
    >>> sorted({row.layer for row in sweep.rows if row.metric == "selectivity"})
    ['0', '3']
    """
    check_probe(probe, task)
    data = acts.units(task)
    for twin in twins:
        check_same_rows(acts.recipe, twin.recipe)
    problem = pose(data, task, control_seeds=range(control_seeds))
    chosen = acts.layers if layers == "all" else _layers(acts, layers)
    seeds = range(probe_seeds) if is_random(probe) else (0,)
    results = []
    for done, layer in enumerate(chosen):
        progress("probing layers", done, len(chosen))
        results.append(
            probe_layer(probe, problem, acts, layer, twins=twins, strengths=strengths, probe_seeds=seeds)
        )
    progress("probing layers", len(chosen), len(chosen))
    about = about or About(
        corpus=acts.corpus.name if acts.corpus is not None else "",
        model=acts.model.get("name", ""),
        model_kind=acts.model.get("kind", "pretrained"),
        site=acts.recipe["site"],
    )
    return assemble(problem, results, about, resamples=bootstrap)


def check_probe(probe: BaseEstimator, task: Task) -> None:
    """Refuse a classifier for a numeric task and a regressor for a task with classes."""
    from sklearn.base import is_classifier, is_regressor

    if task.kind == "number" and not is_regressor(probe):
        raise ConfigError(
            f"task {task.name!r} has numbers; use LinearProbeRegressor or MLPProbeRegressor, not {probe!r}"
        )
    if task.kind == "classes" and not is_classifier(probe):
        raise ConfigError(f"task {task.name!r} has classes; use LinearProbe or MLPProbe, not {probe!r}")


def _layers(acts: Activations, layers: str | Sequence[Any]) -> list[str]:
    from probekit.errors import did_you_mean
    from probekit.glossary import layer_name

    wanted = [layer_name(layer) for layer in ([layers] if isinstance(layers, str) else layers)]
    for layer in wanted:
        if layer not in acts.layers:
            raise ConfigError(f"no layer {layer!r} is stored; {did_you_mean(layer, acts.layers)}")
    return wanted
