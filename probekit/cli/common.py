"""What every command shares: the options they have in common, progress on stderr, JSON on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from probekit.glossary import Progress

json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else."
)
device_option = click.option(
    "--device", default=None, help="cpu, cuda, cuda:1 ...; default: the first CUDA device, else cpu."
)
format_option = click.option(
    "--format", "data_format", default=None, help="Format of --data where it cannot be told."
)


def options(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several click options as one decorator, in the order in which help shows them."""

    def apply(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def say(message: str) -> None:
    """A line for the person, on stderr."""
    click.echo(message, err=True)


def emit(document: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False))


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress callback: a bar with rate and time left on a terminal, else one line per stage and per 30 s."""
    if sys.stderr.isatty():
        with _bars() as callback:
            yield callback
    else:
        yield _lines()


def _lines() -> Progress:
    begun: dict[str, float] = {}
    shown: dict[str, tuple[float, int]] = {}

    def show(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        when, before = shown.get(stage, (-1e9, -1))
        if stage not in begun or done < before:  # the stage begins, or begins again with other work
            begun[stage], when, before = now, -1e9, -1
        if done == before or (done < total and now - when < 30):
            return
        shown[stage] = (now, done)
        seconds = now - begun[stage]
        rate = _rate(done / seconds) if done and seconds > 1 else ""
        say(f"{stage}: {done:,}/{total:,}{rate}")

    return show


def _rate(per_second: float) -> str:
    return f", {per_second:,.0f}/s" if per_second >= 10 else f", {per_second:.2f}/s"


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as RichProgress,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with RichProgress(*columns, console=Console(stderr=True)) as bars:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(escape(stage), total=total, rate="")
            speed = bars.tasks[list(tasks).index(stage)].speed
            bars.update(
                tasks[stage], completed=done, total=total, rate=_rate(speed).lstrip(", ") if speed else ""
            )

        yield show
