"""`probekit run`: an experiment from its file to its report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from probekit.cli.common import device_option, emit, json_option, options, progress, say

if TYPE_CHECKING:
    from probekit.experiment.plan import Plan
    from probekit.results.run import Run

work_options = options(
    click.option("--fresh", is_flag=True, help="Start anew, even where an earlier run could be continued."),
    click.option("--engine", type=click.Choice(["local", "loky", "dask", "ray"]), default="local", show_default=True,
                 help="Where cells run; dask and ray need their packages."),
    click.option("--jobs", type=int, default=1, show_default=True, help="Cells side by side (-1: one per core)."),
    click.option("--runs", "runs", type=click.Path(file_okay=False), default="runs", show_default=True,
                 help="Folder of run folders."),
)  # fmt: skip


@click.command(name="run")
@click.argument("experiment")
@click.option("--dry-run", is_flag=True, help="Print the plan with its costs and stop.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE",
              help="Change a value of the file, such as corpus.conllu='en_ewt-*.conllu'. Repeatable.")  # fmt: skip
@click.option("--claims", is_flag=True, help="End with 3 where a claim of the file does not hold.")
@work_options
@device_option
@json_option
def command(
    experiment: str,
    dry_run: bool,
    overrides: tuple[str, ...],
    claims: bool,
    fresh: bool,
    engine: str,
    jobs: int,
    runs: str,
    device: str | None,
    as_json: bool,
) -> int:
    """Run EXPERIMENT: a built-in name, a folder with an experiment.toml, or a TOML file.

    The same command again continues an interrupted run and reports a finished one.
    """
    from probekit.experiment.plan import check_plan, load_plan
    from probekit.experiment.run import preview

    plan, _, text = load_plan(experiment, overrides)
    if device is not None:
        document = plan.model_dump(exclude_none=True)
        for model in document["model"]:
            model["device"] = device
        plan = check_plan(document, experiment)
    if dry_run:
        lines = preview(plan)
        if as_json:
            emit({"plan": plan.model_dump(mode="json", exclude_none=True), "cost": lines})
        else:
            click.echo("\n".join(lines))
        return 0
    run = do_plan(plan, {"fresh": fresh, "jobs": jobs, "engine": engine, "runs": runs}, text)
    code = report_of(run, as_json)
    return 3 if claims and run.info.get("claims_not_held") else code


def do_plan(plan: Plan, given: Mapping[str, Any], text: str = "") -> Run:
    """Run a plan as the work options say, showing how far it is."""
    from probekit.experiment.run import run_plan

    options = {key: given[key] for key in ("fresh", "jobs", "engine", "runs")}
    with progress() as show:
        return run_plan(plan, text, progress=show, say=say, **options)


def report_of(run: Run, as_json: bool, *, html: str = "") -> int:
    """Say what came out and where it lies, `html` being a page besides; the exit code: 3 where some cells failed."""
    info = run.info
    more = {"html": html} if html else {}
    if as_json:
        emit({"run": str(run.path), "report": str(run.page), "finished": info.get("finished"),
              "summary": info["summary"], "claims": info.get("claims", []), "failed": info["failed"],
              "seconds": info["seconds"], "peak_anonymous_mb": info["peak_anonymous_mb"],
              **more})  # fmt: skip
    else:
        for sentence in info["summary"]:
            say("")
            say(sentence)
        for told in info.get("claims", []):
            say(told)
        if info["failed"]:
            n = len(info["failed"])
            say(f"{n} {'cell' if n == 1 else 'cells'} failed: see above, and the page")
        say("")
        say(f"{info['seconds']:.0f} s, peak anonymous memory {info['peak_anonymous_mb']:,} MB")
        say(f"run    {run.path}")
        if html:
            say(f"html   {html}")
        click.echo(f"report {run.page}")
    return 3 if info["failed"] else 0
