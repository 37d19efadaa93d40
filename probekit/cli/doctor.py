"""`probekit doctor`: is everything there that a run needs, and how fast is this machine."""

from __future__ import annotations

import click

from probekit.cli.common import emit, json_option


@click.command(name="doctor")
@click.option("--measure", is_flag=True, help="Measure this machine's rates for the cost estimates of runs.")
@json_option
def command(measure: bool, as_json: bool) -> int:
    """Versions, device, offline state, health of the store."""
    from probekit.experiment.estimate import spoken_bytes
    from probekit.experiment.health import health, measure_rates

    if measure:
        measure_rates()
    found = health()
    if as_json:
        emit(found)
        return 0
    for package, version in found["versions"].items():
        click.echo(f"{package:14} {version}")
    machine = found["machine"]
    click.echo(f"{'machine':14} {machine['system']} {machine['processor']}, {machine['cores']} cores, "
               f"{machine['threads']} threads, CUDA: {machine['cuda'] or 'none'}")  # fmt: skip
    click.echo(f"{'hub':14} {'offline (HF_HUB_OFFLINE is set)' if found['offline'] else 'allowed'}")
    click.echo(f"{'demo:minilm':14} {found['demo_model']}")
    store = found["store"]
    click.echo(f"{'store':14} {store['path']}: {store['entries']} entries, {spoken_bytes(store['bytes'])} "
               "(probekit store verify checks every byte)")  # fmt: skip
    rates = found["rates"]
    click.echo(f"{'rates':14} forward {rates['forward']:.1f}, solve {rates['solve']:.1f} "
               f"(10^9 multiply-adds per second{'' if measure else '; --measure takes them anew'})")  # fmt: skip
    return 0
