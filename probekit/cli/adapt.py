"""`probekit adapt`: strategies of adaptation side by side on one task, without an experiment file."""

from __future__ import annotations

from typing import Any

import click

from probekit.cli.attend import write_html
from probekit.cli.common import device_option, emit, format_option, json_option
from probekit.cli.run import do_plan, report_of, work_options


@click.command(name="adapt")
@click.argument("task")
@click.option("--data", "data", required=True, multiple=True, help="A file, a folder or a glob. Repeatable.")
@click.option("--model", "model", required=True, help="Hub name, folder, or demo:minilm.")
@click.option(
    "--revision", default=None, help="Revision of a hub model, or a checkpoint of a self-trained one."
)
@click.option("--strategy", "strategies", default="frozen-linear,full", show_default=True,
              help="Strategies separated by commas, such as frozen-linear,scalar-mix,lora,full.")  # fmt: skip
@click.option("--seeds", default=3, show_default=True, help="Seeds of every strategy.")
@click.option("--seeds-of", "seeds_of", multiple=True, metavar="STRATEGY=N",
              help="Another number of seeds for STRATEGY, such as full=3. Repeatable.")  # fmt: skip
@click.option("--budget", default="trials=2", show_default=True,
              help="What may be spent on choosing settings on dev, the same for each strategy: trials=N, seconds=S, "
              "steps=N or examples=N.")  # fmt: skip
@click.option("--fractions", default="1", show_default=True,
              help="Shares of the training part, separated by commas: 0.01,0.1,1 draws learning curves.")  # fmt: skip
@click.option("--least-steps", default=100, show_default=True,
              help="Fine-tuning on few examples goes on for at least so many steps.")  # fmt: skip
@click.option("--option", "fixed", multiple=True, metavar="STRATEGY.KEY=VALUE",
              help="A setting that is fixed and not tuned, such as lora.rank=4. Repeatable.")  # fmt: skip
@click.option("--metric", type=click.Choice(["accuracy", "macro_f1", "mcc", "spearman", "pearson", "r2"]),
              default=None, help="What dev chooses by and the verdict is about; default: the task's.")  # fmt: skip
@click.option("--save", is_flag=True, help="Keep the first seed's classifiers in the run's artifacts.")
@click.option("--dry-run", is_flag=True, help="Print the plan with its costs and stop.")
@click.option("--html", type=click.Path(dir_okay=False), default=None, metavar="FILE",
              help="Write the report, one page that needs no network, here too.")  # fmt: skip
@work_options
@format_option
@device_option
@json_option
def command(
    task: str,
    data: tuple[str, ...],
    model: str,
    as_json: bool,
    data_format: str | None,
    html: str | None,
    dry_run: bool,
    **given: Any,
) -> int:
    """Adapt a model to TASK (a built-in name or a TOML file) by several strategies, and compare what they reach and
    what they cost: same splits, same budget of tuning, several seeds.
    """
    from pathlib import Path

    from probekit.data.read_corpus import check_format, guess_format
    from probekit.experiment.plan import check_plan
    from probekit.experiment.run import preview
    from probekit.results.formats import slug

    form = check_format(data_format) if data_format else guess_format(list(data))
    analysis: dict[str, Any] = {
        "kind": "adapt",
        "task": task,
        "strategies": [name.strip() for name in given["strategies"].split(",") if name.strip()],
        "fractions": _shares(given["fractions"]),
        "options": _settings(given["fixed"], "--option", "STRATEGY.KEY=VALUE, such as lora.rank=4"),
        "seeds_of": _settings(given["seeds_of"], "--seeds-of", "STRATEGY=N, such as full=3"),
        **{key: given[key] for key in ("seeds", "budget", "metric", "least_steps", "save")},
    }
    document = {
        "name": slug("adapt", Path(task).stem, Path(model).name),
        "corpus": {form: list(data)},
        "model": [{"name": model, "revision": given["revision"], "twins": 0, "device": given["device"]}],
        "analysis": [analysis],
    }
    plan = check_plan(document, "command line")
    if dry_run:
        lines = preview(plan)
        if as_json:
            emit({"plan": plan.model_dump(mode="json", exclude_none=True), "cost": lines})
        else:
            click.echo("\n".join(lines))
        return 0
    run = do_plan(plan, given)
    if html is not None:
        write_html(run, html)
    return report_of(run, as_json, html=html or "")


def _shares(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"numbers separated by commas; got {text!r}", param_hint="--fractions"
        ) from None


def _settings(given: tuple[str, ...], option: str, form: str) -> dict[str, Any]:
    """Settings by strategy as a table of an experiment file would have them."""
    from probekit.data.strict import set_key

    found: dict[str, Any] = {}
    for one in given:
        key, equals, _ = one.partition("=")
        if not equals or ("." in form.partition("=")[0]) != ("." in key):
            raise click.BadParameter(f"{form}; got {one!r}", param_hint=option)
        set_key(found, one)
    return found
