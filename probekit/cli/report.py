"""probekit report: build the page of a run again."""

from __future__ import annotations

from pathlib import Path

import click

from probekit.cli.common import emit, json_option, say


@click.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the page; default: the run's own report/.",
)
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
@json_option
def command(runs: tuple[str, ...], output: Path | None, open_page: bool, as_json: bool) -> None:
    """Build the page of finished runs again, from their folders alone: no model, no network.

    RUN is a run folder, a folder of runs (its latest), or the name of an experiment under ./runs.
    With several runs, each gets a folder of its own under the output.
    """
    from probekit.report.write import write_page
    from probekit.results.find import find_run

    found = [find_run(name) for name in runs]
    pages = []
    for run in found:
        folder = output
        if output and len(found) > 1:
            folder = output / f"{run.path.resolve().parent.name}-{run.path.resolve().name}"
        pages.append(write_page(run, folder).resolve())
        if not run.finished:
            say(f"{run.path}: not finished; the page shows what it has so far")
    if as_json:
        emit({"pages": [str(page) for page in pages]})
    else:
        for page in pages:
            click.echo(str(page))
    if open_page:
        import webbrowser

        for page in pages:
            webbrowser.open(page.as_uri())
