"""What a worker does for an erasure analysis: fit an eraser, probe and judge through it, and write files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from probekit.errors import DataError, ProbekitError
from probekit.experiment.cells import Ended
from probekit.experiment.erase_edits import edit_of, scrub_all
from probekit.experiment.erase_fit import fit_eraser
from probekit.experiment.opened import Opened, opened
from probekit.experiment.plan import CorpusPlan, ErasePlan, ModelPlan
from probekit.results.bundle import load_bundle, save_bundle
from probekit.results.files import read_json

if TYPE_CHECKING:
    from probekit.activations.activations import Activations
    from probekit.behavior.answers import Answers
    from probekit.erasure.eraser import Eraser
    from probekit.models.hooks import Edit
    from probekit.probing.problem import ProbeProblem

Array = NDArray[Any]
Part = Literal["unedited", "probe", "erase", "scrub"]


@dataclass(frozen=True)
class Posed:
    """A task as a worker opens it: its problem's stem, and the entry of the store that holds its rows."""

    task: str
    problem: str
    entry: str


@dataclass(frozen=True)
class EraseCell:
    """One eraser at one layer (part "erase") or at all (part "scrub"), or what stands before: the probes of a layer on
    unedited states (part "probe"), the behaviour of the unedited model (part "unedited").

    `series` is what the cells of all layers have in common ("leace", "random 1", "random-norm leace"); `role` is "" for
    erasers of the concept, "random-erasure", "random-norm-erasure" or "control-concept" for what they are compared
    with. `like` is the stem of the eraser that a random one is the measure of; `texts` a file of neutral sentences.
    `concepts` names the tasks that are erased among those whose unedited states are probed. Scrubbing reads `corpus`
    anew for `task`, as the model is with lower layers erased.
    """

    name: str
    stem: str
    part: Part
    model: ModelPlan
    folder: str
    analysis: ErasePlan
    texts: str = ""
    posed: Posed | None = None
    neighbours: tuple[Posed, ...] = ()
    layer: str = ""
    series: str = ""
    role: str = ""
    method: str = ""
    draw: int | None = None
    like: str = ""
    eraser: str = ""
    concepts: tuple[str, ...] = ()
    corpus: CorpusPlan | None = None
    task: str = ""

    @property
    def done(self) -> bool:
        """Whether its result lies there; the JSON file is written last."""
        return Path(self.stem + ".json").is_file()

    def result(self) -> CellResult:
        """What was found, read back."""
        from probekit.behavior.answers import Answers

        arrays, words = load_bundle(self.stem)
        answers = tuple(Answers.load(f"{self.stem}.suite-{k}") for k in range(words["n_answers"]))
        return CellResult(self, arrays, words, answers)


@dataclass(frozen=True, eq=False)
class CellResult:
    """The files of a cell, read.

    `arrays`: "<task>|<probe>|<split>" -> predicted codes (seeds, units), and what the comparison of output
    distributions kept; `words`: rank, shares and seconds.
    """

    cell: EraseCell
    arrays: dict[str, Array]
    words: dict[str, Any]
    answers: tuple[Answers, ...]

    def predicted(self, task: str, probe: str, split: str) -> Array:
        """What a probe of this cell predicted for the units of a split, int32 (seeds, units)."""
        return self.arrays[f"{task}|{probe}|{split}"]


def _opened_by(cell: EraseCell) -> Opened:
    return opened(cell.model, cell.folder, cell.analysis.bos, cell.analysis.pll)


def do_erase_cell(cell: EraseCell) -> Ended:
    """Do one cell and write its files; a user's error becomes the reason of the failure."""
    try:
        begun = time.perf_counter()
        arrays, words, answers = _PARTS[cell.part](cell)
        for number, one in enumerate(answers):
            one.save(f"{cell.stem}.suite-{number}")
        words = {**words, "n_answers": len(answers), "seconds": time.perf_counter() - begun}
        save_bundle(cell.stem, arrays, words)
    except ProbekitError as problem:
        return Ended(cell, str(problem), problem)
    except (ArithmeticError, MemoryError, RuntimeError, ValueError) as unforeseen:  # other cells go on
        return Ended(cell, f"{type(unforeseen).__name__}: {unforeseen}")
    return Ended(cell)


Found = tuple[dict[str, Array], dict[str, Any], list["Answers"]]


def _unedited(cell: EraseCell) -> Found:
    """The behaviour of the model as it is. Raises DataError where no item of any suite can be judged."""
    from probekit.behavior.verdicts import give_verdicts, outcomes_of

    arrays, words, answers = _behaviour(cell, ())
    reasons: list[str] = []
    for planned, said in zip(cell.analysis.chosen, answers, strict=True):
        suite, questions = _opened_by(cell).asked(planned)
        outcomes = outcomes_of(suite, questions, give_verdicts(suite, questions, said))
        if len(outcomes.ids):
            return arrays, words, answers
        left_out = ", ".join(f"{reason}: {n:,}" for reason, n in outcomes.left_out.items())
        reasons.append(f"{suite.name!r} ({left_out})")
    raise DataError(
        f"{_opened_by(cell).model.name} can be judged on no item of suite {', '.join(reasons)}; name a suite in words "
        "that it knows"
    )


def _probe(cell: EraseCell) -> Found:
    assert cell.posed is not None
    return _ask_probes(cell, (cell.posed, *cell.neighbours), None), {}, []


def _erase(cell: EraseCell) -> Found:
    from probekit.erasure.eraser import Eraser
    from probekit.erasure.removed import removed

    assert cell.posed is not None
    problem, acts = open_posed(cell.posed)
    train, dev = problem.of("train"), problem.of("dev")
    X = acts.gather(cell.layer, problem.rows[train])
    X_dev = acts.gather(cell.layer, problem.rows[dev])
    like = Eraser.load(cell.like) if cell.like else None
    eraser = fit_eraser(
        cell.method,
        (X, problem.gold[train]),
        (X_dev, problem.gold[dev]),
        like=like,
        seed=cell.draw or 0,
    )
    eraser = replace(eraser, concept=problem.task).bind(
        acts.model["name"], acts.model["fingerprint"], cell.layer, cell.analysis.site
    )
    eraser.save(cell.eraser)
    words = {"rank": eraser.rank, "share": 0.0, "change": 0.0, "moved": 0.0}
    if eraser.rank:
        told = removed(eraser, X)
        words |= {"share": told.variance, "change": told.change, "moved": told.relative_change}
    del X, X_dev
    arrays = _ask_probes(cell, (cell.posed, *cell.neighbours), eraser)
    if not cell.analysis.suites:
        return arrays, words, []
    more, words_too, answers = _behaviour(
        cell, [edit_of(_opened_by(cell).model, eraser, cell.layer, cell.analysis)]
    )
    return arrays | more, words | words_too, answers


def _scrub(cell: EraseCell) -> Found:
    from probekit.data.task import load_task
    from probekit.erasure.scrub import Scrubber
    from probekit.experiment.corpora import read_planned

    assert cell.corpus is not None
    corpus = read_planned(cell.corpus)
    scrubber, edits = scrub_all(
        _opened_by(cell).model,
        corpus,
        cell.corpus,
        load_task(cell.task),
        cell.analysis,
        cell.method,
        like=Scrubber.load(cell.like) if cell.like else None,
        seed=cell.draw or 0,
    )
    scrubber.save(cell.eraser)
    arrays, words, answers = _behaviour(cell, edits)
    ranks = {layer: eraser.rank for layer, eraser in scrubber.erasers.items()}
    return arrays, words | {"ranks": ranks}, answers


_PARTS = {"unedited": _unedited, "probe": _probe, "erase": _erase, "scrub": _scrub}


def open_posed(posed: Posed) -> tuple[ProbeProblem, Activations]:
    """The problem and the stored states behind a task."""
    from probekit.activations.activations import Activations
    from probekit.probing.problem import ProbeProblem

    return ProbeProblem.load(Path(posed.problem)), Activations.open(posed.entry)


def _ask_probes(cell: EraseCell, tasks: Sequence[Posed], eraser: Eraser | None) -> dict[str, Array]:
    """Fit fresh probes to the train rows of a layer (through the eraser), and ask dev and test: of every kind for a
    concept and its erasers, of the first kind for neighbours and for what erasers are compared with."""
    from probekit.erasure.guard import guard

    found: dict[str, Array] = {}
    analysis = cell.analysis
    own_tasks = cell.concepts if eraser is None else (tasks[0].task,)
    when = "before" if eraser is None else "after"
    for posed in tasks:
        problem, acts = open_posed(posed)
        own = {split: problem.of(split) for split in ("train", "dev", "test")}
        asked = np.concatenate([own["dev"], own["test"]])
        said = guard(
            eraser or _as_it_is,
            (acts.gather(cell.layer, problem.rows[own["train"]]), problem.gold[own["train"]]),
            (acts.gather(cell.layer, problem.rows[asked]), problem.gold[asked]),
            probes=analysis.probes if not cell.role and posed.task in own_tasks else analysis.probes[:1],
            C=analysis.strength,
            seeds=range(analysis.seeds.probe),
            when=(when,),
        )
        for (probe, _), codes in said.items():
            dev, test = np.split(codes.astype(np.int32), [len(own["dev"])], axis=1)
            found |= {f"{posed.task}|{probe}|dev": dev, f"{posed.task}|{probe}|test": test}
    return found


def _as_it_is(X: Array) -> Array:
    return X


def _behaviour(cell: EraseCell, edits: Sequence[Edit]) -> Found:
    """Judge every suite with the edits in force, and compare output distributions on the neutral sentences."""
    if not cell.analysis.suites:
        return {}, {}, []
    held = _opened_by(cell)
    arrays: dict[str, Array] = {}
    words: dict[str, Any] = {}
    answers = held.judge(cell.analysis.chosen, edits)
    if cell.texts:
        arrays, words = _divergence(cell, held, edits)
    return arrays, words, answers


def _divergence(
    cell: EraseCell, held: Opened, edits: Sequence[Edit]
) -> tuple[dict[str, Array], dict[str, Any]]:
    from probekit.behavior.divergence import output_reference

    reference = held.references.get(cell.texts)
    if reference is None:
        reference = output_reference(
            held.model, read_json(cell.texts), bos=cell.analysis.bos, pll=cell.analysis.pll
        )
        held.references[cell.texts] = reference
    found = reference.against(edits)
    arrays = {"kl": found.bits, "after": found.after.bits, "pieces": found.before.n_pieces}
    return arrays, {"pseudo": found.before.pseudo, "rule": found.before.rule}
