"""`probekit look`: how states lie in space, without an experiment file."""

from __future__ import annotations

from typing import Any

import click

from probekit.cli.attend import write_html
from probekit.cli.common import device_option, format_option, json_option
from probekit.cli.run import do_plan, report_of, work_options


@click.command(name="look")
@click.option("--data", "data", required=True, multiple=True, help="A file, a folder or a glob. Repeatable.")
@click.option("--model", "models", required=True, multiple=True, help="Hub name or folder. Repeatable.")
@click.option(
    "--revision", default=None, help="Revision of a hub model, or a checkpoint of a self-trained one."
)
@click.option("--task", "tasks", multiple=True, metavar="TASK",
              help="Draw words as points coloured by TASK (a built-in name or a TOML file). Repeatable.")  # fmt: skip
@click.option("--method", "methods", multiple=True, type=click.Choice(["pca", "tsne", "opentsne"]), default=("pca",),
              show_default=True, help="How points are laid into a plane. Repeatable.")  # fmt: skip
@click.option(
    "--layers", default="all", show_default=True, help="all, or names separated by commas: 0,3,final."
)
@click.option("--site", type=click.Choice(["hidden", "attention_output", "mlp"]), default="hidden",
              show_default=True, help="Where in a layer.")  # fmt: skip
@click.option("--pool", type=click.Choice(["mean", "first", "last", "max"]), default="mean", show_default=True,
              help="How pieces become a word.")  # fmt: skip
@click.option("--split", type=click.Choice(["train", "dev", "test"]), default=None,
              help="Whose words pictures, senses, activity and texts show; default: test where there is one. "
              "Statistics, similarity and neighbours are over all splits.")  # fmt: skip
@click.option("--similar-to", "similar_to", multiple=True, metavar="MODEL",
              help="Compare layers with those of MODEL, self, or twin (a random twin). Repeatable.")  # fmt: skip
@click.option("--measure", "measures", multiple=True, default=("cka",), show_default=True,
              type=click.Choice(["cka", "cka-kernel", "svcca", "pwcca", "rsa", "procrustes"]),
              help="How layers are compared. Repeatable.")  # fmt: skip
@click.option("--statistics/--no-statistics", default=True, show_default=True,
              help="Isotropy, intrinsic dimension, outlier dimensions.")  # fmt: skip
@click.option("--senses", multiple=True, metavar="TASK",
              help="How far the labels of TASK lie apart, layer by layer. Repeatable.")  # fmt: skip
@click.option("--neighbours", multiple=True, metavar="WORD",
              help="Nearest neighbours of an occurrence of WORD, layer by layer. Repeatable.")  # fmt: skip
@click.option("--activity", is_flag=True, help="Dead and always-on neurons, top sentences.")
@click.option("--selective", is_flag=True, help="Which neurons tell the labels of the tasks apart.")
@click.option("--neuron", "neurons", multiple=True, metavar="LAYER:UNIT",
              help="Shade running text by a neuron. Repeatable.")  # fmt: skip
@click.option("--neuron-site", type=click.Choice(["mlp", "hidden", "attention_output"]), default="mlp",
              show_default=True, help="Where neurons are.")  # fmt: skip
@click.option("--texts", default=10, show_default=True, help="Sentences a neuron is shown over.")
@click.option("--sample", default=1000, show_default=True, help="Words of a picture.")
@click.option("--html", type=click.Path(dir_okay=False), default=None, metavar="FILE",
              help="Write the report, one page that needs no network, here too.")  # fmt: skip
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
    """Look at how the states of a model lie in space: pictures of words in context with what they lose, similarity
    of layers and models, neighbours of a word, single neurons.
    """
    from pathlib import Path

    from probekit.data.read_corpus import check_format, guess_format
    from probekit.experiment.plan import check_plan
    from probekit.results.formats import slug

    layers = given["layers"]
    form = check_format(data_format) if data_format else guess_format(list(data))
    listed = ("tasks", "methods", "similar_to", "measures", "senses", "neighbours", "neurons")
    same = ("site", "pool", "split", "statistics", "activity", "selective", "neuron_site", "texts", "sample")
    analysis = {
        "kind": "look",
        "layers": layers if layers == "all" else [part.strip() for part in layers.split(",")],
        **{key: list(given[key]) for key in listed},
        **{key: given[key] for key in same},
    }
    document = {
        "name": slug("look", Path(models[0]).name),
        "corpus": {form: list(data)},
        "model": [
            {"name": model, "revision": given["revision"], "twins": 0, "device": given["device"]}
            for model in models
        ],
        "analysis": [analysis],
    }
    plan = check_plan(document, "command line")
    run = do_plan(plan, given)
    if html is not None:
        write_html(run, html)
    return report_of(run, as_json, html=html or "")
