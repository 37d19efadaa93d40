"""The command line: one short file per noun or verb; nothing heavy is imported before a command runs."""

from __future__ import annotations

import importlib
import os
import sys
import warnings

import click

COMMANDS = {
    "run": "Run an experiment: a built-in name, a folder or a TOML file. Running it again continues it.",
    "train": "Train a small causal or masked Transformer from nothing.",
    "tasks": "List, show, check and preview probing tasks.",
    "suites": "List, show, check and preview behavioural suites.",
    "extract": "Store the representations of a corpus, every layer in one pass.",
    "probe": "Probe every layer for one task, with its controls.",
    "judge": "Judge models on behavioural suites, beside baselines and random twins.",
    "erase": "Erase a concept at every layer, probe and judge again: is what a probe finds also used?",
    "attend": "What attention heads look at, against relations with baselines; a view of a text, offline.",
    "look": "How states lie in space: pictures, similarity of layers and models, neighbours, neurons.",
    "adapt": "Adapt a model to a task by several strategies, and compare what they reach and what they cost.",
    "predict": "Predict the texts of a file with a saved classifier.",
    "results": "List, show, compare and export finished runs.",
    "report": "Build the page of a run again, without a model.",
    "store": "List, verify and remove stored representations.",
    "doctor": "Versions, device, offline state, health of the store.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"probekit.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from probekit.errors import did_you_mean

        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            ctx.fail(f"no such command {args[0]!r}; {did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(package_name="probekit-nlp", prog_name="probekit")
def cli() -> None:
    """Find out what a Transformer knows about language, and in which layer.

    Exit codes: 0 done; 1 data, alignment, model, missing extra or disk; 2 command line, TOML or unknown name;
    3 done, but some cells failed; 4 damaged store; 130 interrupted (run the same command again to continue).
    """


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit with its code; no traceback for anything a user can cause."""
    from probekit.errors import ProbekitError

    # a thread that spins while its partner waits for a busy core can cost tenfold; read when torch is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # joblib starts a worker anew that has grown; nothing is lost by it
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
    try:
        code = cli.main(args=argv, prog_name="probekit", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted; run the same command again to continue", err=True)
        sys.exit(130)
    except click.ClickException as problem:
        problem.show()
        sys.exit(problem.exit_code)
    except ProbekitError as problem:
        click.echo(f"probekit: {problem}", err=True)
        sys.exit(problem.exit_code)
    except OSError as problem:  # a place that may not be read, standard output on a full disk
        click.echo(
            f"probekit: {problem.filename or 'standard output'}: {problem.strerror or problem}", err=True
        )
        if not problem.filename:
            _drop_output()
        sys.exit(1)
    except MemoryError:
        click.echo("probekit: not enough memory; use a smaller model or less data at once", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _drop_output() -> None:
    """Send what could not be written nowhere: Python would try it again at its end, and complain."""
    from contextlib import suppress

    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
