"""`probekit train`: a Transformer from nothing, by a configuration file."""

from __future__ import annotations

import click

from probekit.cli.common import emit, json_option, progress, say


@click.command(name="train")
@click.argument("config")
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False),
    default=None,
    help="Folder of the model; default: models/<name of the configuration>.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a value of the file, such as model.layers=2. Repeatable.",
)
@click.option("--fresh", is_flag=True, help="Start anew, and take the place of a finished model.")
@json_option
def command(config: str, out: str | None, overrides: tuple[str, ...], fresh: bool, as_json: bool) -> None:
    """Train a causal or masked language model as CONFIG, a TOML file, says.

    What is written is an ordinary transformers folder with a tokenizer and a model card. The same command again
    continues an interrupted training and reports a finished one.
    """  # fmt: skip
    from probekit.models.training.train import train

    with progress() as show:
        trained = train(config, out=out, fresh=fresh, overrides=overrides, progress=show, say=say)
    if as_json:
        emit({"model": str(trained.path), "summary": trained.summary, **trained.record["score"],
              "steps": trained.record["steps"], "cost": trained.record["cost"], "curve": trained.curve,
              "revisions": list(trained.revisions)})  # fmt: skip
        return
    say(trained.summary)
    click.echo(f"model  {trained.path}")
