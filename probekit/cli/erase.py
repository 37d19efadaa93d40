"""`probekit erase`: is what a probe finds also used? One concept, one model, without an experiment file."""

from __future__ import annotations

from typing import Any

import click

from probekit.cli.common import device_option, format_option, json_option
from probekit.cli.run import do_plan, report_of, work_options


@click.command(name="erase")
@click.argument("task")
@click.option("--data", "data", required=True, multiple=True, help="A file, a folder or a glob. Repeatable.")
@click.option("--model", "models", required=True, multiple=True, help="Hub name or folder. Repeatable.")
@click.option(
    "--revision", default=None, help="Revision of a hub model, or a checkpoint of a self-trained one."
)
@click.option("--method", "methods", default="leace,random", show_default=True, metavar="NAMES",
              help="How to erase: leace, inlp, rlace, mean; as controls random, random-norm, pca.")  # fmt: skip
@click.option(
    "--layers", default="all", show_default=True, help="all, or names separated by commas: 0,3,final."
)
@click.option("--at", type=click.Choice(["word", "prediction"]), default="word", show_default=True,
              help="Erase from the word's own state, or from the state that predicts it.")  # fmt: skip
@click.option("--site", type=click.Choice(["hidden", "attention_output", "mlp"]), default="hidden",
              show_default=True, help="Where in a layer.")  # fmt: skip
@click.option("--judge", "suites", multiple=True, metavar="SUITE",
              help="Suite to judge again. Repeatable; without one only probes are asked.")  # fmt: skip
@click.option("--control-concept", "controls", multiple=True, metavar="TASK",
              help="A concept that should not matter, erased beside. Repeatable.")  # fmt: skip
@click.option("--neighbour", "neighbours", multiple=True, metavar="TASK",
              help="A concept that should survive, probed before and after. Repeatable.")  # fmt: skip
@click.option("--random-draws", default=5, show_default=True, help="Random erasures at each layer.")
@click.option("--neutral", default=200, show_default=True,
              help="Dev sentences on which output distributions are compared.")  # fmt: skip
@click.option("--scrub", is_flag=True, help="Erase at every layer at once too.")
@click.option("--probe", "probes", multiple=True, type=click.Choice(["linear", "mlp"]), default=("linear", "mlp"),
              show_default=True, help="Kind of probe. Repeatable.")  # fmt: skip
@click.option("--strength", default=1.0, show_default=True, help="C of the linear probe.")
@click.option("--bos", type=click.Choice(["auto", "with", "without"]), default="auto", show_default=True,
              help="Whether the beginning of the sentence is given to a causal model.")  # fmt: skip
@click.option("--pll", type=click.Choice(["within_word_l2r", "original"]), default="within_word_l2r",
              show_default=True, help="Pseudo-log-likelihood of a masked model.")  # fmt: skip
@work_options
@format_option
@device_option
@json_option
def command(
    task: str,
    data: tuple[str, ...],
    models: tuple[str, ...],
    as_json: bool,
    data_format: str | None,
    **given: Any,
) -> int:
    """Erase TASK (a built-in name or a TOML file) at every layer of a model, then probe and judge again.

    What a probe loses says that the concept was there; what behaviour loses beyond a random erasure of the same rank
    says that the model used it.
    """
    from pathlib import Path

    from probekit.data.read_corpus import check_format, guess_format
    from probekit.experiment.plan import check_plan
    from probekit.results.formats import slug

    layers = given["layers"]
    form = check_format(data_format) if data_format else guess_format(list(data))
    analysis = {
        "kind": "erase",
        "concepts": [task],
        "methods": _names(given["methods"]),
        "layers": layers if layers == "all" else _names(layers),
        "suites": list(given["suites"]),
        "control_concepts": list(given["controls"]),
        "neighbours": list(given["neighbours"]),
        "probes": list(given["probes"]),
    }
    analysis |= {
        key: given[key]
        for key in ("at", "site", "random_draws", "neutral", "scrub", "strength", "bos", "pll")
    }
    document = {
        "name": slug("erase", Path(task).stem, Path(models[0]).name),
        "corpus": {form: list(data)},
        "model": [
            {"name": model, "revision": given["revision"], "twins": 0, "device": given["device"]}
            for model in models
        ],
        "analysis": [analysis],
    }
    plan = check_plan(document, "command line")
    return report_of(do_plan(plan, given), as_json)


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]
