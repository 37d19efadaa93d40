"""What every step of a run shares: the plan, the folder, what is told, and how failures are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from probekit.errors import ConfigError
from probekit.experiment.cells import AnyCell, Ended, Some, do_cells
from probekit.experiment.plan import ModelPlan, Plan
from probekit.glossary import Progress
from probekit.results.run import Run

if TYPE_CHECKING:
    from probekit.glossary import ModelKind
    from probekit.models.model import Model
    from probekit.results.measurement import About

Say = Callable[[str], None]


class Step(Protocol):
    """An analysis of a run, done for one model after the other."""

    def do(self, planned: ModelPlan) -> None:
        """Do it for one model; what comes out joins the results of the run."""


@dataclass
class Work:
    """One run under way. `folders` holds where the models that were trained for it lie."""

    plan: Plan
    run: Run
    info: dict[str, Any]
    progress: Progress
    say: Say
    jobs: int
    engine: str
    folders: dict[str, Path] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    results: list[Any] = field(default_factory=list)
    """Everything with rows, panels and a summary, in the order of the page."""

    def fail(self, cell: str, reason: str) -> None:
        """Record what could not be done; the rest goes on."""
        self.say(f"failed: {cell}: {reason}")
        self.info["failed"].append({"cell": cell, "reason": reason})

    def note_left_out(
        self, what: str, counts: Mapping[str, int], examples: Mapping[str, tuple[str, ...]]
    ) -> None:
        """Record how many units or items could not be scored, and why."""
        for reason, n in counts.items():
            if n:
                named = list(examples.get(reason, ()))
                self.info["left_out"].append({"what": what, "reason": reason, "n": n, "examples": named})

    def name_of(self, *parts: str) -> str:
        """A file name made of words, told apart from every other of this run."""
        from probekit.results.formats import slug

        name = slug(*parts)
        number = 1
        while name in self.names:
            number += 1
            name = f"{slug(*parts)}-{number}"
        self.names.add(name)
        return name

    def do_cells(
        self,
        stage: str,
        cells: Sequence[Some],
        do: Callable[[Some], Ended],
        *,
        needed: Callable[[AnyCell], bool] = lambda cell: False,
    ) -> None:
        """Do the cells whose results do not lie there yet; what fails is recorded, and the others go on.

        A cell that is `needed` raises its error instead: without it there is nothing to go on with.
        """
        left = [cell for cell in cells if not cell.done]
        if len(left) < len(cells):
            self.say(f"{len(cells) - len(left)} of {len(cells)} cells were done before")
        self.progress(stage, 0, len(left))
        for done, ended in enumerate(do_cells(left, do, jobs=self.jobs, engine=self.engine), start=1):
            if ended.problem is not None and needed(ended.cell):
                raise ended.problem
            if ended.failed:
                self.fail(ended.cell.name, ended.failed)
            self.progress(stage, done, len(left))

    def load(self, planned: ModelPlan) -> Model:
        """The model that a plan names, or the one that was trained for it."""
        return load_planned(planned, self.folders.get(planned.name))

    def about(self, corpus: str, label: str, kind: ModelKind, site: str = "hidden") -> About:
        """What every row of an analysis of a model says alike."""
        from probekit.results.measurement import About

        return About(
            run=self.run.path.name,
            question=self.plan.question.ask,
            corpus=corpus,
            model=label,
            model_kind=kind,
            site=site,
        )

    def note_model(self, model: Model, planned: ModelPlan) -> None:
        """Record a model once, under the name it has on the page."""
        described = model.describe() | {"name": label_of(planned)}
        if all(known["fingerprint"] != described["fingerprint"] for known in self.info["models"]):
            self.info["models"].append(described)
            if model.kind == "self-trained":
                self._note_plateau(Path(model.name), label_of(planned))
        self.info["device"] = model.device

    def _note_plateau(self, folder: Path, label: str) -> None:
        """A model that learned how frequent pieces are and no more is not to be compared with one that did."""
        from probekit.models.training.trained import RECORD, open_trained

        if (folder / RECORD).is_file() and open_trained(folder).on_plateau:
            note = (
                f"{label} did not leave the unigram plateau in training: what it does or holds says little about "
                "its objective, and is not to be compared with a model that did."
            )
            self.info["summary"].append(note)
            self.say(note)


def label_of(planned: ModelPlan) -> str:
    """What a model is called in results: its label, else its name, of a folder the last part."""
    if planned.label:
        return planned.label
    return Path(planned.name).name if Path(planned.name).is_dir() else planned.name


def check_labels(plan: Plan) -> None:
    """Raise ConfigError where two models would be called alike: rows tell them apart by that alone."""
    labels = [label_of(model) for model in plan.model]
    doubled = next((label for label in labels if labels.count(label) > 1), None)
    if doubled is not None:
        raise ConfigError(
            f"two models would be called {doubled!r} in results; give one of them a label of its own"
        )


def load_planned(planned: ModelPlan, folder: Path | None = None) -> Model:
    """The model that a plan names, from `folder` where it was trained for the run."""
    from probekit.models.load import load_model

    return load_model(
        str(folder or planned.name),
        revision=planned.revision,
        device=planned.device,
        dtype=planned.dtype,
        allow_bin=planned.allow_bin,
        trust_remote_code=planned.trust_remote_code,
    )
