"""`probekit probe`: one task over the layers of one model, without writing an experiment file."""

from __future__ import annotations

from typing import Any

import click

from probekit.cli.common import device_option, format_option, json_option
from probekit.cli.run import do_plan, report_of, work_options


@click.command(name="probe")
@click.argument("task")
@click.option("--data", "data", required=True, multiple=True, help="A file, a folder or a glob. Repeatable.")
@click.option("--model", "model", required=True, help="Hub name, folder, or demo:minilm.")
@click.option("--revision", default=None, help="Revision of a hub model.")
@click.option(
    "--layers", default="all", show_default=True, help="all, or names separated by commas: 0,3,final."
)
@click.option("--at", type=click.Choice(["word", "prediction"]), default="word", show_default=True,
              help="Read the word itself, or the state from which the model predicts it.")  # fmt: skip
@click.option("--site", type=click.Choice(["hidden", "attention_output", "mlp", "heads"]), default="hidden",
              show_default=True, help="Where in a layer.")  # fmt: skip
@click.option("--probe", "probes", multiple=True, type=click.Choice(["linear", "mlp"]), default=("linear",),
              show_default=True, help="Kind of probe. Repeatable.")  # fmt: skip
@click.option(
    "--strengths", default="0.01,0.1,1,10", show_default=True, help="Values of C (alpha), chosen on dev."
)
@click.option(
    "--pool", default="mean", show_default=True, help="How pieces become a unit: mean, first, last, max, cls."
)
@click.option("--twins", default=3, show_default=True, help="Random twins of the model.")
@click.option("--control-seeds", default=5, show_default=True, help="Draws of control labels.")
@click.option("--probe-seeds", default=3, show_default=True, help="Initialisations of probes that have one.")
@click.option("--length", type=click.Choice(["truncate", "error", "window"]), default="truncate", show_default=True,
              help="What to do with sentences longer than the model reads.")  # fmt: skip
@work_options
@format_option
@device_option
@json_option
def command(
    task: str, data: tuple[str, ...], model: str, as_json: bool, data_format: str | None, **given: Any
) -> int:
    """Probe every layer of a model for TASK (a built-in name or a TOML file), with its controls."""
    from pathlib import Path

    from probekit.data.read_corpus import check_format, guess_format
    from probekit.experiment.plan import check_plan
    from probekit.results.formats import slug

    layers = given["layers"]
    form = check_format(data_format) if data_format else guess_format(list(data))
    document = {
        "name": slug("probe", Path(task).stem, Path(model).name),
        "corpus": {form: list(data), "length": given["length"]},
        "model": [
            {"name": model, "revision": given["revision"], "twins": given["twins"], "device": given["device"]}
        ],
        "analysis": [
            {
                "kind": "probe",
                "tasks": [task],
                "at": given["at"],
                "site": given["site"],
                "layers": layers if layers == "all" else [part.strip() for part in layers.split(",")],
                "probes": list(given["probes"]),
                "strengths": _numbers(given["strengths"]),
                "pool": given["pool"],
                "seeds": {"control": given["control_seeds"], "probe": given["probe_seeds"]},
            }
        ],
    }
    plan = check_plan(document, "command line")
    return report_of(do_plan(plan, given), as_json)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"numbers separated by commas; got {text!r}", param_hint="--strengths"
        ) from None
