"""`probekit judge`: a suite over models, beside baselines and random twins, without an experiment file."""

from __future__ import annotations

from typing import Any

import click

from probekit.cli.common import device_option, json_option
from probekit.cli.run import do_plan, report_of, work_options


@click.command(name="judge")
@click.argument("suites", nargs=-1, required=True, metavar="SUITE...")
@click.option("--model", "models", required=True, multiple=True, help="Hub name or folder. Repeatable.")
@click.option(
    "--revision", default=None, help="Revision of a hub model, or a checkpoint of a self-trained one."
)
@click.option("--data", "data", default=None, help="Where the data of a published suite lie.")
@click.option("--format", "form", default=None, help="Format of SUITE or --data where it cannot be told.")
@click.option("--append", default=None, metavar="TEXT", help="Put TEXT behind every sentence, such as ' .'.")
@click.option("--capital/--as-given", default=None, help="Begin every sentence with a capital.")
@click.option(
    "--layers", default=None, help="Judge layers too: all, or names separated by commas: 0,3,final."
)
@click.option("--lens", type=click.Choice(["logit", "tuned"]), default="logit", show_default=True,
              help="How layers are read.")  # fmt: skip
@click.option("--checkpoints", is_flag=True, help="Judge every checkpoint of a self-trained model too.")
@click.option("--baseline-text", multiple=True, help="Text for the unigram and n-gram baselines. Repeatable.")
@click.option("--order", default=5, show_default=True, help="Order of the n-gram baseline.")
@click.option("--bos", type=click.Choice(["auto", "with", "without"]), default="auto", show_default=True,
              help="Whether the beginning of the sentence is given to a causal model.")  # fmt: skip
@click.option("--pll", type=click.Choice(["within_word_l2r", "original"]), default="within_word_l2r",
              show_default=True, help="Pseudo-log-likelihood of a masked model.")  # fmt: skip
@click.option("--twins", default=1, show_default=True, help="Random twins of the model.")
@work_options
@device_option
@json_option
def command(suites: tuple[str, ...], models: tuple[str, ...], as_json: bool, **given: Any) -> int:
    """Judge models on SUITE: a built-in name, a TOML file, or a file or folder in a published format."""
    from pathlib import Path

    from probekit.experiment.plan import check_plan
    from probekit.results.formats import slug

    about = {key: given[key] for key in ("data", "append", "capital") if given[key] is not None}
    if given["form"] is not None:
        about["format"] = given["form"]
    layers = given["layers"]
    analysis = {
        "kind": "judge",
        "suites": [{"suite": suite, **about} for suite in suites],
        "bos": given["bos"],
        "pll": given["pll"],
        "ngram_order": given["order"],
        "lens": given["lens"],
        "checkpoints": given["checkpoints"],
    }
    if layers is not None:
        analysis["layers"] = layers if layers == "all" else [part.strip() for part in layers.split(",")]
    if given["baseline_text"]:
        analysis["baseline_text"] = list(given["baseline_text"])
    document = {
        "name": slug("judge", Path(suites[0]).stem, Path(models[0]).name),
        "model": [
            {"name": model, "revision": given["revision"], "twins": given["twins"], "device": given["device"]}
            for model in models
        ],
        "analysis": [analysis],
    }
    plan = check_plan(document, "command line")
    return report_of(do_plan(plan, given), as_json)
