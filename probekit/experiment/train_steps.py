"""Training as a step of a run: the models that a plan trains first, side by side where there are cores."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from probekit.errors import ProbekitError
from probekit.experiment.plan import ModelPlan
from probekit.experiment.work import Work
from probekit.glossary import Progress, silent
from probekit.results.measurement import Measurement
from probekit.results.panel import Panel


@dataclass(frozen=True)
class TrainingResult:
    """A training as the page shows it: loss curve, perplexity beside that of piece frequencies alone."""

    rows: list[Measurement]
    panels: list[Panel]
    summary: str


def config_hash(config: str) -> str:
    """What tells one training from another: its configuration in force, files by where they lie."""
    from probekit.models.training.config import load_config
    from probekit.results.files import tagged_hash

    in_force = load_config(config).model_dump(mode="json")
    corpus, tokenizer = in_force["corpus"], in_force["tokenizer"]
    text = corpus["text"]
    if text is not None:
        corpus["text"] = _place(text) if isinstance(text, str) else [_place(file) for file in text]
    if tokenizer["existing"] is not None and Path(tokenizer["existing"]).exists():
        tokenizer["existing"] = _place(tokenizer["existing"])
    return tagged_hash("probekit.training", in_force)


def _place(file: str) -> str:
    """Where a file lies, however it was spelt; links are not followed."""
    return os.path.normpath(Path(file).absolute())


def train_planned(work: Work, home: Path) -> None:
    """Train the models of a plan in `home/<name>-<hash8>`, where a finished one is found again.

    A model that cannot be trained is a failure of the run; with no other model it is the run's error.
    """
    wanted = [model for model in work.plan.model if model.train]
    for planned in wanted:
        work.folders[planned.name] = home / f"{planned.name}-{config_hash(str(planned.train))[:8]}"
    todo = [(str(m.train), str(work.folders[m.name])) for m in wanted]
    if len(todo) > 1 and work.jobs != 1:
        from joblib import Parallel, cpu_count, delayed

        jobs = min(len(todo), cpu_count() if work.jobs < 0 else work.jobs)
        work.say(f"training {', '.join(m.name for m in wanted)}, {jobs} at a time")
        threads = max(1, cpu_count() // jobs)
        ended = Parallel(n_jobs=jobs, return_as="generator")(
            delayed(_train)(config, folder, threads) for config, folder in todo
        )
    else:
        ended = (_train(config, folder, 0, work.progress) for config, folder in todo)
    for planned, failed in zip(wanted, ended, strict=True):
        if failed and len(work.plan.model) == 1:
            raise failed
        if failed:
            work.fail(planned.name, str(failed))
            continue
        result = _result(planned, work.folders[planned.name], work.run.path.name, work.plan.question.ask)
        work.say(result.summary)
        work.results.append(result)


def _result(planned: ModelPlan, folder: Path, run: str, question: str) -> TrainingResult:
    from probekit.models.training.trained import open_trained
    from probekit.results.formats import slug

    trained = open_trained(folder)
    score: Mapping[str, Any] = trained.record["score"]
    about: dict[str, Any] = {
        "run": run,
        "question": question,
        "corpus": str(trained.record["corpus"]["source"]),
        "model": planned.name,
        "model_kind": "self-trained",
        "split": "held-out",
        "unit": "piece",
        "n": int(score["pieces"]),
    }
    name = "" if trained.config.objective.kind == "causal" else "masked-piece "
    rows = [
        Measurement(metric=f"{name}perplexity", value=score["perplexity"], **about),
        Measurement(metric=f"{name}loss (nats)", value=score["loss"], **about),
        Measurement(metric=f"{name}loss (nats)", control="unigram", value=score["unigram_loss"], **about),
    ]
    panels = [replace(panel, name=slug(planned.name, panel.name)) for panel in trained.panels]
    return TrainingResult(rows, panels, trained.summary + ".")


def _train(config: str, folder: str, threads: int, progress: Progress = silent) -> ProbekitError | None:
    """Train in this process; a user's error travels back as what it is."""
    import torch

    from probekit.models.training.train import train

    if threads:
        torch.set_num_threads(threads)
    try:
        train(config, out=folder, progress=progress)
    except ProbekitError as problem:
        return problem
    return None
