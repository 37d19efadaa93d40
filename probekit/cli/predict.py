"""`probekit predict`: what a saved classifier says of the texts of a file."""

from __future__ import annotations

import click

from probekit.cli.common import emit, format_option, json_option


@click.command(name="predict")
@click.argument("model")
@click.option("--data", "data", required=True, multiple=True,
              help="One text a line (of pairs: a tab between), or a known format. Repeatable.")  # fmt: skip
@format_option
@json_option
def command(model: str, data: tuple[str, ...], data_format: str | None, as_json: bool) -> None:
    """Predict texts with MODEL, the folder of a saved classifier (`save`, or `probekit adapt --save`).

    A line for each text: label, probability, text, with tabs between (a line break inside a text is shown as a space);
    for classifiers of words a line for each word.
    """
    from probekit.data.read_corpus import check_format
    from probekit.experiment.predicted import predict_files

    found = predict_files(model, data, check_format(data_format) if data_format else None)
    if as_json:
        emit({"model": model, "predictions": [one.to_dict() for one in found]})
        return
    for one in found:
        label = f"{one.label:.4g}" if isinstance(one.label, float) else str(one.label)
        sure = "-" if one.probability is None else f"{one.probability:.3f}"
        click.echo(f"{_on_a_line(label)}\t{sure}\t{_on_a_line(one.text)}")


def _on_a_line(text: str) -> str:
    """A text whose line breaks are spaces, so that a line stays one."""
    return " ".join(text.splitlines())
