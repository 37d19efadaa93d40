"""The pages that the program writes of itself: docs/cli.md, and the table of tasks in docs/tasks.md.

python docs/make_cli.py          (make docs)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from probekit.cli import cli
from probekit.data.task import Task, list_tasks, load_task

DOCS = Path(__file__).resolve().parent
WIDTH = 100
BEGIN, END = "<!-- tasks: begin -->", "<!-- tasks: end -->"

HEAD = """\
# Commands

Written by the program itself (`make docs`), so it says what the program says.

Results go to stdout, everything said on the way to stderr, so that
`probekit results show quickstart --json | jq .run.summary` works. The same command given again continues what was
interrupted and does not repeat what is done.
"""


def walk(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    """The context of a command and of every command below it, in the order in which help lists them."""
    settings = {**command.context_settings, "terminal_width": WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from walk(found, below, context)


def cli_page() -> str:
    """docs/cli.md: a heading and the help text of every command."""
    parts = [HEAD]
    for context in walk(cli, "probekit"):
        level = "##" if context.parent is None or context.parent.parent is None else "###"
        text = "\n".join(line.rstrip() for line in context.get_help().splitlines())
        parts.append(f"{level} {context.command_path}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def task_table() -> str:
    """The built-in tasks as a Markdown table, from their files."""
    lines = ["| task | asks | unit | label | filter | metric |", "|---|---|---|---|---|---|"]
    lines += [f"| {' | '.join(_cells(load_task(name)))} |" for name in list_tasks()]
    return "\n".join(lines)


def _cells(task: Task) -> list[str]:
    label = f"`{task.label}`" + (" (a number)" if task.kind == "number" else "")
    where = f"`{task.where}`" if task.where else ""
    return [f"`{task.name}`", task.question, task.unit, label, where, task.metric]


def with_table(page: str) -> str:
    """A page with the table of tasks between its two marks."""
    before, mark, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n{task_table()}\n{END}{after}"


def main() -> int:
    (DOCS / "cli.md").write_text(cli_page(), encoding="utf-8")
    tasks = DOCS / "tasks.md"
    tasks.write_text(with_table(tasks.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{DOCS / 'cli.md'}\n{tasks}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
