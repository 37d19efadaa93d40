"""What a worker does to find what adaptation changed: adapt, probe, compare states, read heads, judge; all to files."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from probekit.errors import ProbekitError
from probekit.experiment.cells import Ended
from probekit.experiment.corpora import read_once
from probekit.experiment.opened import opened
from probekit.experiment.plan import CorpusPlan, ModelPlan
from probekit.experiment.plan_change import ChangePlan
from probekit.glossary import Progress, silent
from probekit.results.bundle import load_bundle, save_bundle

if TYPE_CHECKING:
    from probekit.activations.activations import Activations
    from probekit.behavior.answers import Answers
    from probekit.data.corpus import Corpus

Array = NDArray[Any]
Part = Literal["adapt", "probe", "drift", "heads", "judge", "perplexity"]
SHUFFLED = "shuffled-labels"
BEFORE = "before"


@dataclass(frozen=True)
class Version:
    """One version of a model: before, or adapted with a seed to the task (`control` "") or to shuffled labels."""

    control: str = ""
    seed: int | None = None

    @property
    def tag(self) -> str:
        """A part of a file name."""
        if self.seed is None:
            return BEFORE
        return f"{self.control or 'adapted'}-{self.seed}"


@dataclass(frozen=True)
class ChangeCell:
    """One thing done with one version of a model (its `part`).

    `model` and `folder` are where that version lies; `problem` is the stem of the problem that is adapted to or
    probed; `entry` where the states of this version lie in the store, `before` where those of the model as it was do;
    `old` is the stem of the probe that was fitted before. `out` is where an adapted model is written.
    """

    name: str
    stem: str
    part: Part
    model: ModelPlan
    folder: str
    version: Version
    corpus: CorpusPlan
    analysis: ChangePlan
    problem: str = ""
    task: str = ""
    layer: str = ""
    entry: str = ""
    before: str = ""
    old: str = ""
    out: str = ""
    layers: tuple[str, ...] = field(default=())

    @property
    def done(self) -> bool:
        """Whether its result lies there; the JSON file is written last."""
        return Path(f"{self.stem}.json").is_file()

    def found(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Arrays and words, read back."""
        return load_bundle(self.stem)

    def answers(self) -> list[Answers]:
        """What was answered to every suite, read back."""
        from probekit.behavior.answers import Answers

        n = load_bundle(self.stem)[1]["n_answers"]
        return [Answers.load(f"{self.stem}.suite-{number}") for number in range(n)]


def do_change_cell(cell: ChangeCell, progress: Progress = silent) -> Ended:
    """Do one cell and write its files; a user's error becomes the reason of the failure."""
    try:
        begun = time.perf_counter()
        arrays, words = PARTS[cell.part](cell, progress)
        save_bundle(cell.stem, arrays, {**words, "seconds": time.perf_counter() - begun})
    except ProbekitError as problem:
        return Ended(cell, str(problem), problem)
    except (ArithmeticError, MemoryError, RuntimeError, ValueError) as unforeseen:  # other cells go on
        return Ended(cell, f"{type(unforeseen).__name__}: {unforeseen}")
    return Ended(cell)


def some_sentences(corpus: Corpus, n: int) -> Corpus:
    """At most `n` sentences of each split, in their order; which, their texts decide. 0 takes all.

    >>> from probekit.experiment.change_cells import some_sentences
    >>> some_sentences(pk.generate_corpus(20, 10, 3), 5).sizes
    {'train': 5, 'dev': 5, 'test': 3}
    """
    from probekit.data.corpus import Corpus as Sentences
    from probekit.data.splits import stable_hash

    if not n or max(corpus.sizes.values(), default=0) <= n:
        return corpus
    kept: set[str] = set()
    for split in corpus.sizes:
        own = [one for one in corpus if one.split == split]
        kept |= {one.id for one in sorted(own, key=lambda one: (stable_hash(one.text), one.id))[:n]}
    chosen = [one for one in corpus if one.id in kept]
    return Sentences(chosen, corpus.name, corpus.files, corpus.licence, corpus.text_form)


@lru_cache(maxsize=1)
def _sentences(reading: str, n: int) -> Corpus:
    return some_sentences(read_once(CorpusPlan.model_validate_json(reading)), n)


def _corpus(cell: ChangeCell) -> Corpus:
    return _sentences(cell.corpus.model_dump_json(), cell.analysis.sentences)


Found = tuple[dict[str, Array], dict[str, Any]]


def _adapt(cell: ChangeCell, progress: Progress) -> Found:
    from probekit.adaptation.problem import AdaptProblem
    from probekit.experiment.change_adapt import adapt
    from probekit.models.ref import ModelRef

    planned = cell.model
    ref = ModelRef(
        name=cell.folder or planned.name,
        revision=planned.revision,
        device=planned.device,
        dtype=planned.dtype,
        trust_remote_code=planned.trust_remote_code,
        allow_bin=planned.allow_bin,
    )
    return adapt(
        ref,
        AdaptProblem.load(cell.problem),
        Path(cell.out),
        strategy=cell.analysis.strategy,
        options=cell.analysis.options,
        seed=cell.version.seed or 0,
        shuffled=bool(cell.version.control),
        progress=progress,
    )


def _states(place: str) -> Activations:
    from probekit.activations.activations import Activations

    return Activations.open(place)


def _probe(cell: ChangeCell, progress: Progress) -> Found:
    """Before: a probe, kept for later versions. After: that probe asked again, and one fitted anew."""
    from probekit.estimators.save import load_probe, save_probe
    from probekit.experiment.change_probes import ask_test, fit_probe
    from probekit.probing.problem import ProbeProblem

    problem, acts = ProbeProblem.load(Path(cell.problem)), _states(cell.entry)
    probe, strength = fit_probe(problem, acts, cell.layer, cell.analysis.strengths)
    arrays = {"fitted": ask_test(probe, problem, acts, cell.layer)}
    if cell.version.seed is None:
        save_probe(probe, f"{cell.stem}.probe")
    else:
        arrays["transferred"] = ask_test(load_probe(cell.old), problem, acts, cell.layer)
    return arrays, {"strength": strength}


def _drift(cell: ChangeCell, progress: Progress) -> Found:
    from probekit.experiment.change_states import moved_between

    moved = moved_between(_states(cell.before), _states(cell.entry), cell.layers, max_rows=cell.analysis.rows)
    return moved.arrays(), moved.words()


def _heads(cell: ChangeCell, progress: Progress) -> Found:
    from probekit.experiment.change_heads import head_hits

    given = cell.analysis
    held = opened(cell.model, cell.folder, given.bos, given.pll)
    found = head_hits(
        held.model,
        _corpus(cell),
        given.relations,
        given.directions,
        text_form=cell.corpus.text_form,
        progress=progress,
    )
    return found.arrays(), found.words()


def _judge(cell: ChangeCell, progress: Progress) -> Found:
    held = opened(cell.model, cell.folder, cell.analysis.bos, cell.analysis.pll)
    answers = held.judge(cell.analysis.chosen, ())
    for number, one in enumerate(answers):
        one.save(f"{cell.stem}.suite-{number}")
    return {}, {"n_answers": len(answers)}


def _perplexity(cell: ChangeCell, progress: Progress) -> Found:
    """Bits of each of some test sentences."""
    from probekit.behavior.perplexity import perplexity

    held = opened(cell.model, cell.folder, cell.analysis.bos, cell.analysis.pll)
    found = perplexity(held.scorer, some_sentences(_corpus(cell).split("test"), cell.analysis.perplexity))
    arrays = {"bits": found.bits, "n_pieces": found.n_pieces}
    return arrays, {"pseudo": found.pseudo, "rule": found.rule, "ids": found.ids}


PARTS: dict[str, Callable[[ChangeCell, Progress], Found]] = {
    "adapt": _adapt,
    "probe": _probe,
    "drift": _drift,
    "heads": _heads,
    "judge": _judge,
    "perplexity": _perplexity,
}
