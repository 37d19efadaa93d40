"""Training as a step of a run: the models that a plan trains first, side by side where there are cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from probekit.errors import ProbekitError
from probekit.experiment.work import Work
from probekit.glossary import Progress, silent


def config_hash(config: str) -> str:
    """What tells one training from another: its configuration in force."""
    from probekit.models.training.config import load_config
    from probekit.results.files import tagged_hash

    return tagged_hash("probekit.training", load_config(config).model_dump(mode="json"))


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
    for planned, (summary, failed) in zip(wanted, ended, strict=True):
        if failed and len(work.plan.model) == 1:
            raise failed
        if failed:
            work.fail(planned.name, str(failed))
        else:
            work.say(summary)
            work.info["summary"].append(summary)


def _train(
    config: str, folder: str, threads: int, progress: Progress = silent
) -> tuple[str, ProbekitError | None]:
    """Train in this process; a user's error travels back as what it is."""
    import torch

    from probekit.models.training.train import train

    if threads:
        torch.set_num_threads(threads)
    try:
        trained: Any = train(config, out=folder, progress=progress)
    except ProbekitError as problem:
        return "", problem
    return trained.summary, None
