"""An experiment from its file to its report: every step resumable, every number with its provenance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.errors import ConfigError, ProbekitError
from probekit.experiment.adapt_steps import preview_adaptations
from probekit.experiment.asked import Asked
from probekit.experiment.claims import check_claims, claims_panel
from probekit.experiment.corpora import read_planned
from probekit.experiment.describe import describe_corpus, describe_cost
from probekit.experiment.folders import find_or_make, forget, model_content, run_hash
from probekit.experiment.machine import git_state, machine, versions
from probekit.experiment.memory import PeakMemory
from probekit.experiment.plan import Plan, load_plan
from probekit.experiment.train_steps import config_hash, train_planned
from probekit.experiment.work import Say, Work, check_labels, load_planned
from probekit.glossary import Progress, silent
from probekit.results.panel import distinct
from probekit.results.run import Run

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus


def quiet(message: str) -> None:
    """The listener that hears nothing."""


def run_experiment(
    source: str | Path,
    *,
    overrides: Sequence[str] = (),
    fresh: bool = False,
    jobs: int = 1,
    engine: str = "loky",
    runs: str | Path = "runs",
    progress: Progress = silent,
    say: Say = quiet,
) -> Run:
    """Run an experiment (a built-in name, a folder or a TOML file) and write its report; running it again continues.

    The run folder is `runs/<experiment>/<utc>-<hash8>/`; its page is `report/index.html`. Cells that fail are
    recorded in run.json (`failed`) and named on the page; the others go on, and the same call tries them again. A
    run that ends in an error before its first cell is done leaves no folder behind.

    Raises
    ------
    ConfigError
        for whatever is wrong with the file, before anything runs.
    DataError, ModelError, StoreError, DiskError, MissingExtra
        as the corpus, the models and the store do.

    >>> run = run_experiment("quickstart", overrides=["model.0.twins=1"])  # doctest: +SKIP
    >>> run.page  # doctest: +SKIP
    PosixPath('runs/quickstart/20260101T120000Z-0123abcd/report/index.html')
    """
    plan, _, text = load_plan(source, overrides)
    return run_plan(plan, text, fresh=fresh, jobs=jobs, engine=engine, runs=runs, progress=progress, say=say)


def run_plan(
    plan: Plan,
    text: str = "",
    *,
    fresh: bool = False,
    jobs: int = 1,
    engine: str = "loky",
    runs: str | Path = "runs",
    progress: Progress = silent,
    say: Say = quiet,
) -> Run:
    """Run a plan; see `run_experiment`. `text` is the file as given, kept in run.json."""
    from probekit.report.write import write_page

    if jobs == 0:
        raise ConfigError("0 jobs do nothing; give 1 or more, or -1 for one per core")
    check_labels(plan)
    asked = Asked.of(plan)
    begun = time.perf_counter()
    with PeakMemory() as memory:
        corpus = _corpus(plan, say)
        asked.check(corpus)
        contents = [
            config_hash(model.train) if model.train else model_content(model.name, model.revision)
            for model in plan.model
        ]
        contents += asked.contents
        in_force = plan.model_dump(mode="json", exclude_none=True)
        digest = run_hash(in_force, corpus.hash if corpus is not None else "", contents)
        run, known = find_or_make(Path(runs), plan.name, digest, fresh=fresh)
        if known and run.finished and not run.info["failed"]:
            say(f"this run is finished: {run.path} (--fresh runs it anew)")
            if not run.page.is_file():
                write_page(run)
            return run
        if known:
            say(f"continuing {run.path}")
        earlier = run.info.get("seconds", 0.0) if known else 0.0
        info: dict[str, Any] = {
            "name": plan.name,
            "hash": digest,
            "question": plan.question.ask,
            "expectation": plan.question.expect,
            "started": run.info["started"] if known else _now(),
            "plan": in_force,
            "file": text,
            "versions": versions(),
            "git": git_state(Path(__file__).parent),
            "machine": machine(),
            "device": "",
            "threads": machine()["threads"],
            "seeds": _seeds(plan),
            "corpora": [_corpus_info(corpus)] if corpus is not None else [],
            "models": [],
            "left_out": [],
            "unseen_labels": {},
            "failed": [],
            "summary": [],
            "seconds": earlier,
        }
        work = Work(plan, run, info, progress, say, jobs, engine)
        try:
            run.write_info(info)
            train_planned(work, Path(runs) / "models")
            _analyse(work, asked, corpus)
            _write(work)
        except ProbekitError:
            if not known:
                forget(run)
            raise
        info["seconds"] = round(earlier + time.perf_counter() - begun, 2)
        info["peak_anonymous_mb"] = round(max(memory.peak_mb, info.get("peak_anonymous_mb", 0.0)))
        info["finished"] = _now()
        run.write_info(info)
        write_page(run)
    return run


def _analyse(work: Work, asked: Asked, corpus: Corpus | None) -> None:
    """Every analysis of every model; where there are several models, one that fails leaves the others."""
    for step in asked.steps(work, corpus):
        for planned in work.plan.model:
            try:
                step.do(planned)
            except ProbekitError as problem:
                if len(work.plan.model) == 1:
                    raise
                work.fail(planned.name, str(problem))


def _write(work: Work) -> None:
    """All rows and pictures at once, so that a continued run holds each once."""
    (work.run.path / "measurements.jsonl").unlink(missing_ok=True)
    for result in work.results:
        work.run.add_measurements(result.rows)
        if result.summary:
            work.info["summary"].append(result.summary)
    for panel in distinct(panel for result in work.results for panel in result.panels):
        work.run.add_panel(panel)
    if work.plan.claim:
        checked = check_claims(work.plan.claim, work.run.measurements())
        work.run.add_panel(claims_panel(checked))
        work.info["claims"] = [claim.told for claim in checked]
        work.info["claims_not_held"] = [claim.says for claim in checked if not claim.holds]


def _corpus(plan: Plan, say: Say) -> Corpus | None:
    if plan.corpus is None:
        return None
    corpus = read_planned(plan.corpus)
    say(describe_corpus(corpus))
    return corpus


def preview(plan: Plan) -> list[str]:
    """What a plan would do and cost, in lines; reads the corpus and loads the models, runs nothing."""
    check_labels(plan)
    asked = Asked.of(plan)
    corpus = None
    parts = [f"train {model.name} as {model.train} says" for model in plan.model if model.train]
    if plan.corpus is not None:
        corpus = read_planned(plan.corpus)
        parts.append(describe_corpus(corpus))
        asked.check(corpus)
        if asked.probes:
            ready = [planned for planned in plan.model if not planned.train]
            parts += [describe_cost(load_planned(one), one, asked.probes, corpus) for one in ready]
    parts += asked.described
    if corpus is not None:
        ready = [planned for planned in plan.model if not planned.train]
        parts += preview_adaptations(asked.adaptations, ready, corpus)
    return [line for part in parts for line in part.splitlines()]


def _corpus_info(corpus: Corpus) -> dict[str, Any]:
    return {
        "name": corpus.name,
        "hash": corpus.hash,
        "path": ", ".join(Path(file).name for file in corpus.files),
        "sizes": corpus.sizes,
        "words": corpus.n_words,
        "licence": corpus.licence,
        "text_form": corpus.text_form,
        "overlap": dict(corpus.overlap().counts),
    }


def _seeds(plan: Plan) -> dict[str, Any]:
    twins = max(m.twins for m in plan.model)
    seeds: dict[str, Any] = {"twin": list(range(twins)), "resampling": 0}
    for erasure in plan.erasures[:1]:
        first = erasure.seeds.erasure
        seeds |= {
            "erasure": list(range(first, first + erasure.random_draws)),
            "probe": list(range(erasure.seeds.probe)),
        }
    for attending in plan.attendings[:1]:
        first = attending.seeds.twin
        seeds |= {
            "heads": attending.seeds.heads,
            "permutation": attending.seeds.permutation,
            "twin": list(range(first, first + twins)),
        }
    for looking in plan.lookings[:1]:
        seeds |= {"projection": looking.seeds.projection, "sample": looking.seeds.sample}
    for adapting in plan.adaptations[:1]:
        most = max(adapting.seeds_for(name) for name in adapting.strategies)
        seeds |= {"adaptation": list(range(most))}
    for changing in plan.changes[:1]:
        seeds |= {"adapt": list(changing.seeds)}
    for analysis in plan.probes[:1]:
        first = analysis.seeds.twin
        seeds |= {
            "control": list(range(analysis.seeds.control)),
            "probe": list(range(analysis.seeds.probe)),
            "twin": list(range(first, first + twins)),
        }
    return seeds


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
