"""`what_changed`: a model beside adapted copies of itself, over the same sentences, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.attention.links import DIRECTIONS
from probekit.errors import ConfigError
from probekit.experiment.change_behaviour import Surprise
from probekit.experiment.change_cells import SHUFFLED, Version, some_sentences
from probekit.experiment.change_heads import HeadHits, check_relations, head_hits
from probekit.experiment.change_probes import ask_test, fit_probe
from probekit.experiment.change_rows import ProbedTask
from probekit.experiment.change_states import moved_between
from probekit.experiment.changed import Changed
from probekit.glossary import Progress, silent
from probekit.results.measurement import About

if TYPE_CHECKING:
    from probekit.activations.activations import Activations
    from probekit.activations.store import Store
    from probekit.behavior.answers import Answers
    from probekit.data.corpus import Corpus
    from probekit.data.suite import Suite
    from probekit.data.task import Task
    from probekit.models.model import Model


def what_changed(
    before: Model,
    after: Model | Sequence[Model],
    corpus: Corpus,
    tasks: Sequence[Task] = (),
    *,
    control: Model | Sequence[Model] = (),
    layers: str | int | Iterable[int | str] = "all",
    pool: str = "mean",
    strengths: Sequence[float] = (0.01, 0.1, 1.0),
    relations: Sequence[str] = (),
    directions: Sequence[str] = DIRECTIONS,
    suites: Sequence[Suite] = (),
    perplexity: int = 0,
    adapted_to: str = "the task",
    strategy: str = "fine-tuning",
    resamples: int = 1000,
    store: Store | str | Path | None = None,
    about: About | None = None,
    progress: Progress = silent,
) -> Changed:
    """What adaptation changed in a model: probes, states, heads and behaviour, before and after, paired.

    For every task and layer a linear probe is fitted to states before (its strength chosen on dev); after, that probe
    is asked again ("transferred"), and another is fitted ("re-fitted"). Forgotten: the re-fitted one gets less right
    than before. Re-arranged: the old one does, and of the re-fitted no loss is shown. Beside it how far states moved,
    CKA of each layer with itself before, the heads that follow `relations` (chosen on dev before, and anew after),
    `suites` and the perplexity of so many test sentences.

    Parameters
    ----------
    before, after : a model, and it adapted (`FineTune.export` and `load_model`), once or with several seeds
    control : the model adapted otherwise, such as to shuffled labels: drift that is not the task's
    tasks : what is probed: tasks that give words classes

    Raises ConfigError (a task that gives numbers, layers), DataError (a split or relation that the corpus lacks; models
    that do not read the same words), ModelError (suites or perplexity without a language-model head).

    Sources: Merchant et al. 2020, What happens to BERT embeddings during fine-tuning?; Mosbach et al. 2020, On the
    interplay between fine-tuning and sentence-level probing.

    >>> model, corpus = pk.load_model("demo:minilm"), pk.generate_corpus(40, 10, 20)
    >>> changed = what_changed(model, model, corpus, [pk.load_task("upos")], layers=[0, 3], resamples=100)
    >>> changed.verdict("upos", "3"), float(changed.moved[changed.versions[0]].relative.max())
    ('no loss shown', 0.0)
    """
    for task in tasks:
        if task.kind != "classes" or task.unit != "word":
            raise ConfigError(
                f"task {task.name!r} gives no classes to words; what changed is probed by one that does"
            )
    check_relations(corpus, relations)
    models = {Version(): before}
    for control_name, given in (("", after), (SHUFFLED, control)):
        some = list(given) if isinstance(given, Sequence) else [given]
        models |= {Version(control_name, number): model for number, model in enumerate(some)}
    if len(models) < 2:
        raise ConfigError("no adapted model was given; name one to compare with")
    for model in models.values():
        if (model.layers, model.dim, model.tokenizer_fingerprint) != (
            before.layers, before.dim, before.tokenizer_fingerprint,
        ):  # fmt: skip
            raise ConfigError(
                f"{model.name} has other layers or another tokenizer than {before.name}; compare a model with an "
                "adapted copy of itself"
            )
    names = before.resolve_layers(layers)
    states = {
        version: _states(model, corpus, names, pool, store, progress) for version, model in models.items()
    }
    later = [version for version in models if version.seed is not None]
    was = states[Version()]
    answers, surprise = _behaviour(models, corpus, suites, perplexity, progress)
    heads: dict[Version, HeadHits] = {}
    if relations:
        heads = {one: head_hits(model, corpus, relations, directions) for one, model in models.items()}
    return Changed(
        about=about or About(corpus=corpus.name, model=before.name, model_kind=before.kind),
        task=adapted_to,
        strategy=strategy,
        versions=tuple(later),
        probed=tuple(_probed(task, states, names, strengths, later) for task in tasks),
        moved={version: moved_between(was, states[version], names) for version in later},
        heads=heads,
        suites=tuple(suites),
        answers=answers,
        surprise=surprise,
        resamples=resamples,
    )


def _states(
    model: Model, corpus: Corpus, layers: Sequence[str], pool: str, store: Any, progress: Progress
) -> Activations:
    from probekit.activations.extract import extract

    return extract(model, corpus, layers=layers, pool=pool, store=store, progress=progress)


def _probed(
    task: Task,
    states: dict[Version, Activations],
    layers: Sequence[str],
    strengths: Sequence[float],
    later: Sequence[Version],
) -> ProbedTask:
    from probekit.probing.problem import pose

    was = states[Version()]
    problem = pose(was.units(task), task, control_seeds=())
    before, transferred, refitted = {}, {}, {}
    for layer in layers:
        old, _ = fit_probe(problem, was, layer, strengths)
        before[layer] = ask_test(old, problem, was, layer)
        for version in later:
            acts = states[version]
            anew, _ = fit_probe(problem, acts, layer, strengths)
            transferred[version, layer] = ask_test(old, problem, acts, layer)
            refitted[version, layer] = ask_test(anew, problem, acts, layer)
    return ProbedTask(problem, tuple(layers), before, transferred, refitted)


def _behaviour(
    models: dict[Version, Model], corpus: Corpus, suites: Sequence[Suite], n: int, progress: Progress
) -> tuple[dict[Version, list[Answers]], dict[Version, Surprise]]:
    from probekit.behavior.answers import answer_suite
    from probekit.behavior.perplexity import perplexity
    from probekit.models.scoring.make import make_scorer

    answers: dict[Version, list[Answers]] = {}
    surprise: dict[Version, Surprise] = {}
    if not suites and not n:
        return answers, surprise
    for version, model in models.items():
        scorer = make_scorer(model)
        answers[version] = [answer_suite(scorer, suite, progress=progress) for suite in suites]
        if n:
            found = perplexity(scorer, some_sentences(corpus.split("test"), n), progress=progress)
            surprise[version] = Surprise(found.bits, found.n_pieces, found.pseudo, found.rule)
    return answers if suites else {}, surprise
