"""`probekit attend`: what attention heads look at, against relations with baselines, without an experiment file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from probekit.cli.common import device_option, format_option, json_option
from probekit.cli.run import do_plan, report_of, work_options

if TYPE_CHECKING:
    from probekit.results.run import Run


@click.command(name="attend")
@click.option("--data", "data", required=True, multiple=True, help="A file, a folder or a glob. Repeatable.")
@click.option("--model", "models", required=True, multiple=True, help="Hub name or folder. Repeatable.")
@click.option(
    "--revision", default=None, help="Revision of a hub model, or a checkpoint of a self-trained one."
)
@click.option("--relation", "relations", multiple=True, metavar="NAME",
              help="Relation to compare heads with, all, or none. Repeatable; default: frequent ones.")  # fmt: skip
@click.option("--direction", "directions", multiple=True, type=click.Choice(["dependent", "head"]),
              default=("dependent", "head"), show_default=True,
              help="Which of the two words looks at the other. Repeatable.")  # fmt: skip
@click.option("--link", "links", multiple=True, metavar="FROM:TO",
              help="Attributes that number who looks and its aim, as in target-1:subject. Repeatable.")  # fmt: skip
@click.option("--layers", default="all", show_default=True, help="all, or names separated by commas: 1,3.")
@click.option("--min-arcs", default=50, show_default=True, help="Words that make a relation frequent.")
@click.option(
    "--permutations",
    type=click.IntRange(min=20),
    default=999,
    show_default=True,
    help="Permutations of the maximum over heads.",
)
@click.option(
    "--twins",
    default=3,
    show_default=True,
    help="Random twins of the model; statistics, distances and the parser read one of them.",
)
@click.option("--statistics/--no-statistics", default=True, show_default=True,
              help="Entropy, and where weight goes: special pieces, previous, next ...")  # fmt: skip
@click.option("--distances", is_flag=True, help="How alike heads are, with a map of them.")
@click.option("--trees", is_flag=True, help="Maximum spanning trees of every head against gold trees.")
@click.option("--parser", is_flag=True, help="Parsers that see nothing but attention.")
@click.option(
    "--view", "views", multiple=True, metavar="TEXT", help="Show how TEXT is attended to. Repeatable."
)
@click.option("--page", type=click.Choice(["head", "model", "neuron"]), default=None,
              help="Which view of the first TEXT --html writes; default: head.")  # fmt: skip
@click.option("--html", type=click.Path(dir_okay=False), default=None, metavar="FILE",
              help="Write one page that needs no network: the view of the first TEXT, else the report.")  # fmt: skip
@click.option("--judge", "suites", multiple=True, metavar="SUITE",
              help="Suite to judge again without the heads found. Repeatable.")  # fmt: skip
@click.option("--heads", default=1, show_default=True, help="Heads ablated for each relation and direction.")
@click.option("--ablate", type=click.Choice(["mean", "zero", "resample"]), default="mean", show_default=True,
              help="What stands in place of an ablated head.")  # fmt: skip
@click.option("--random-draws", default=5, show_default=True, help="Sets of other heads ablated beside.")
@click.option("--bos", type=click.Choice(["auto", "with", "without"]), default="auto", show_default=True,
              help="Whether the beginning of the sentence is given to a causal model.")  # fmt: skip
@click.option("--pll", type=click.Choice(["within_word_l2r", "original"]), default="within_word_l2r",
              show_default=True, help="Pseudo-log-likelihood of a masked model.")  # fmt: skip
@work_options
@format_option
@device_option
@json_option
def command(
    data: tuple[str, ...],
    models: tuple[str, ...],
    as_json: bool,
    data_format: str | None,
    html: str | None,
    **given: Any,
) -> int:
    """Read what every head of a model attends to over a corpus: statistics, and relations beside their baselines.

    A head is chosen on dev and reported on test, beside the best fixed offset, random twins and a permutation null of
    the best head. With --judge the heads found are ablated and the suite is judged again.
    """
    from pathlib import Path

    from probekit.data.read_corpus import check_format, guess_format
    from probekit.errors import ConfigError, ProbekitError
    from probekit.experiment.plan import check_plan
    from probekit.results.formats import slug

    if given["page"] and not given["views"]:
        raise ConfigError(f"--page {given['page']} shows a text, and none is named: add --view TEXT")
    layers = given["layers"]
    form = check_format(data_format) if data_format else guess_format(list(data))
    analysis = {
        "kind": "attend",
        "relations": _relations(given["relations"], bool(given["links"])),
        "directions": list(given["directions"]),
        "links": dict(_link(link) for link in given["links"]),
        "layers": layers if layers == "all" else [part.strip() for part in layers.split(",")],
        "views": list(given["views"]),
        "page": given["page"] or "head",
        "suites": list(given["suites"]),
    }
    same = (
        "min_arcs",
        "permutations",
        "statistics",
        "distances",
        "trees",
        "parser",
        "heads",
        "ablate",
        "random_draws",
    )
    analysis |= {key: given[key] for key in (*same, "bos", "pll")}
    document = {
        "name": slug("attend", Path(models[0]).name),
        "corpus": {form: list(data)},
        "model": [
            {"name": model, "revision": given["revision"], "twins": given["twins"], "device": given["device"]}
            for model in models
        ],
        "analysis": [analysis],
    }
    plan = check_plan(document, "command line")
    if html is not None and given["views"]:
        _check_views()
    run = do_plan(plan, given)
    problem: ProbekitError | None = None
    if html is not None:
        try:
            write_html(run, html, plan.attendings[0].page if given["views"] else "")
        except ProbekitError as error:  # what was found is reported all the same
            problem, html = error, None
    code = report_of(run, as_json, html=html or "")
    if problem is not None:
        raise problem
    return code


def _relations(named: tuple[str, ...], links: bool) -> list[str] | str:
    """The relations asked for: none where only links are, else the frequent ones."""
    if "none" in named:
        return [name for name in named if name != "none"]
    return list(named) or ([] if links else "frequent")


def _link(text: str) -> tuple[str, list[str]]:
    """FROM:TO as a link's name and places."""
    return text.replace(":", " to "), text.split(":")


def _check_views() -> None:
    """Raise MissingExtra at once where the view could not be written at the end."""
    from probekit.errors import MissingExtra
    from probekit.results.views.scripts import views_missing

    if missing := views_missing():
        raise MissingExtra(missing)


def write_html(run: Run, file: str, view: str = "") -> None:
    """Write one page: a view of the first attention panel of the run, or, where no view was asked for, a copy of its
    report. Raises DataError where the view was not made, DiskError."""
    from probekit.errors import DataError
    from probekit.results.files import write_bytes

    shown = next((panel for panel in run.panels() if panel.kind == "attention"), None) if view else None
    if not view:
        write_bytes(file, run.page.read_bytes())
        return
    if shown is None:
        raise DataError(f"{file} was not written: the view of the first text failed, as the report says")
    from probekit.results.views.page import view_page

    write_bytes(file, view_page(shown, view).encode("utf-8"))
