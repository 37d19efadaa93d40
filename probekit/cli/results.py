"""probekit results: look at finished runs, compare them, take their numbers elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from probekit.cli.common import emit, json_option, say

MANY = 40


@click.group("results")
def command() -> None:
    """List, show, compare and export runs.

    RUN is a run folder, a folder of runs (its latest), or the name of an experiment under ./runs.
    """


@command.command("list")
@click.option("--root", default="runs", show_default=True, help="Where the runs lie.")
@json_option
def list_command(root: str, as_json: bool) -> None:
    """List the runs under ./runs."""
    from probekit.errors import ProbekitError
    from probekit.results.find import list_runs

    lines = []
    for run in list_runs(root):
        try:
            info = run.info
            state, question = ("finished" if run.finished else "unfinished"), str(info.get("question", ""))
        except ProbekitError:
            state, question = "damaged", ""
        lines.append([run.path.parent.name, run.path.name, state, question])
    columns = ["experiment", "run", "state", "question"]
    if as_json:
        emit([dict(zip(columns, line, strict=True)) for line in lines])
    elif lines:
        _show_table(columns, lines, ["text"] * 4)
    else:
        say(f"no runs under {root}/")


@command.command("show")
@click.argument("run_name", metavar="RUN")
@click.option("--all", "everything", is_flag=True, help=f"Every measurement, not the first {MANY}.")
@json_option
def show_command(run_name: str, everything: bool, as_json: bool) -> None:
    """Show a run: what was asked, what was found, its measurements."""
    from probekit.results.find import find_run
    from probekit.results.formats import format_interval
    from probekit.results.html import visible

    run = find_run(run_name)
    info, rows = run.info, run.measurements()
    if as_json:
        emit({"run": info, "measurements": [row.to_dict() for row in rows], "page": str(run.page)})
        return
    for title, text in (("asked", info.get("question")), ("expected", info.get("expectation"))):
        if text:
            click.echo(f"{title}: {visible(text)}")
    for sentence in info.get("summary") or ():
        click.echo(f"found: {visible(sentence)}")
    for one in info.get("failed") or ():
        click.echo(f"failed: {visible(one.get('cell', ''))}: {visible(one.get('reason', ''))}")
    if not run.finished:
        say("this run is not finished; the command that began it continues it")
    shown = rows if everything else rows[:MANY]
    names = ("model", "layer", "method", "control", "group", "metric")
    lines = [
        [*(getattr(row, name) for name in names), row.value, format_interval(row.low, row.high), row.n]
        for row in shown
    ]
    click.echo()
    _show_table([*names, "value", "95% interval", "n"], lines, ["text"] * 6 + ["score", "text", "int"])
    if len(shown) < len(rows):
        say(f"... {len(rows) - len(shown):,} more rows; --all shows them")
    if run.page.is_file():
        say(f"report: {run.page}")


@command.command("compare")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--metric", default=None, help="accuracy, macro_f1, weighted_f1, mcc, r2, pearson or spearman.")
@click.option("--seed", default=0, show_default=True, help="Seed of the resampling.")
@json_option
def compare_command(before: str, after: str, metric: str | None, seed: int, as_json: bool) -> None:
    """Compare the cells that two runs share: B minus A, paired by unit.

    Intervals resample sentences or clusters of items; p-values are corrected over the cells (Holm). Runs of one model
    each share cells whatever the models are called.
    """
    from probekit.results.compare import compare_runs
    from probekit.results.find import find_run
    from probekit.results.formats import format_interval

    found = compare_runs(find_run(before), find_run(after), metric=metric, seed=seed)
    if as_json:
        emit([row.to_dict() for _, _, row in found])
        return
    lines = [
        [
            cell, one.before, one.after, one.difference, format_interval(one.low, one.high),
            row.p_adjusted, one.mcnemar_p, one.n, one.n_left_out,
        ]
        for cell, one, row in found
    ]  # fmt: skip
    columns = ["cell", "A", "B", "B - A", "95% interval", "p (Holm)", "McNemar", "n", "left out"]
    _show_table(columns, lines, ["text", "score", "score", "score", "text", "p", "p", "int", "int"])


@command.command("export")
@click.argument("run_name", metavar="RUN")
@click.option(
    "--format",
    "how",
    type=click.Choice(["csv", "jsonl", "latex"]),
    default="csv",
    show_default=True,
    help="What to write.",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File; default: stdout."
)
@click.option("--metric", default=None, help="Only rows of this metric.")
@json_option
def export_command(run_name: str, how: str, output: Path | None, metric: str | None, as_json: bool) -> None:
    """Write a run's measurements as CSV, JSON lines or a LaTeX table."""
    from probekit.errors import ConfigError, DataError, did_you_mean
    from probekit.results.export import to_csv, to_jsonl, to_latex
    from probekit.results.files import write_bytes
    from probekit.results.find import find_run

    run = find_run(run_name)
    rows = run.measurements()
    if not rows:
        raise DataError(f"{run.path} has no measurements yet; the command that began it continues it")
    if metric is not None:
        known = {row.metric for row in rows}
        if metric not in known:
            raise ConfigError(f"no rows of metric {metric!r} in {run_name}; {did_you_mean(metric, known)}")
        rows = [row for row in rows if row.metric == metric]
    if as_json:
        emit([row.to_dict() for row in rows])
        return
    text = {"csv": to_csv, "jsonl": to_jsonl, "latex": to_latex}[how](rows)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_bytes(output, text.encode())
        say(f"{len(rows):,} rows written to {output}")


def _show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], formats: Sequence[str]) -> None:
    """A plain aligned table on stdout; columns without any content are left out."""
    from probekit.results.formats import format_cell
    from probekit.results.html import visible

    cells = [
        [visible(format_cell(value, how)) for value, how in zip(row, formats, strict=True)] for row in rows
    ]
    kept = [i for i in range(len(columns)) if any(line[i] for line in cells)]
    widths = {i: max(len(columns[i]), *(len(line[i]) for line in cells)) for i in kept}
    for line in [list(columns), *cells] if kept else []:
        padded = (
            line[i].ljust(widths[i]) if formats[i] == "text" else line[i].rjust(widths[i]) for i in kept
        )
        click.echo("  ".join(padded).rstrip())
