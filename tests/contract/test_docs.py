"""The documents are true: generated pages are current, their Python runs, their commands and options exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from probekit.cli import cli
from probekit.data.task import load_task
from probekit.experiment.plan import check_plan

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
SPOKEN = [*PAGES, ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("experiments/*/README.md"))]
FENCE = re.compile(r"^```(\w*)[ ]?([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def load_maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_cli", DOCS / "make_cli.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


maker = load_maker()


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """(file name or "", content) of the fenced blocks in these languages."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [(name.strip(), body) for language, name, body in found if language in languages]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_generated_pages_are_current() -> None:
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == maker.cli_page(), "run: make docs"
    tasks = (DOCS / "tasks.md").read_text(encoding="utf-8")
    assert tasks == maker.with_table(tasks), "run: make docs"


@pytest.mark.parametrize("context", list(maker.walk(cli, "probekit")), ids=lambda c: c.command_path)
def test_every_command_and_option_has_help(context: click.Context) -> None:
    command = context.command
    assert command.help, "no help text"
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts[0]} has no help text"
        elif isinstance(parameter, click.Argument):
            spoken = (parameter.metavar or parameter.name or "").rstrip(".").upper()
            whole = command.help + (context.parent.command.help or "" if context.parent else "")
            assert re.search(rf"\b{spoken}\b", whole), f"the help text does not say what {spoken} is"


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=name_of)
def test_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, body in blocks(page, "text", "toml", "tsv"):
        if name:
            Path(name).write_text(body, encoding="utf-8")
    names: dict[str, object] = {"__name__": "page"}
    for _, body in blocks(page, "python"):
        start = page.read_text(encoding="utf-8").partition(body)[0].count("\n")
        exec(compile("\n" * start + body, str(page), "exec"), names)  # lines as in the page


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "toml")], ids=name_of)
def test_toml_of_a_page_is_valid(page: Path, tmp_path: Path) -> None:
    for name, body in blocks(page, "toml"):
        given = tomllib.loads(body)
        if "question" in given and "label" in given:
            file = tmp_path / (name or "task.toml")
            file.write_text(body, encoding="utf-8")
            assert load_task(file).check_examples() > 0
        elif "analysis" in given and "model" in given:
            assert check_plan(given, name_of(page)).analysis


def spoken_commands() -> Iterator[tuple[Path, str]]:
    """Every `probekit ...` in a shell block or in a code span."""
    for page in SPOKEN:
        text = page.read_text(encoding="utf-8")
        shell = "\n".join(body for _, body in blocks(page, "sh", "bash", "console"))
        lines = shell.replace("\\\n", " ").splitlines()
        spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
        for line in [*lines, *spans]:
            line = line.strip().removeprefix("$ ")
            if line.startswith("probekit "):
                yield page, line


@pytest.mark.parametrize(
    ("page", "line"), list(spoken_commands()), ids=lambda x: x if isinstance(x, str) else ""
)
def test_commands_named_in_a_page_exist(page: Path, line: str) -> None:
    words = shlex.split(line.partition("|")[0].replace("...", ""), comments=True)[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="probekit", **cli.context_settings)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"{page.name}: no command {words[0]!r} in {line!r}"
        command, words = found, words[1:]
        context = click.Context(command, parent=context)
    known = {opt for p in command.get_params(context) for opt in (*p.opts, *p.secondary_opts)}
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in known, f"{page.name}: {line!r}: no option {word}"


def test_make_targets_named_in_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in SPOKEN:
        for target in re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8")):
            assert target in targets, f"{name_of(page)}: make {target}"


def test_pages_name_files_that_exist() -> None:
    file = re.compile(r"`((?:docs|probekit|probes|experiments|tests)/[\w./-]+)`")
    for page in SPOKEN:
        for name in file.findall(page.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{name_of(page)}: {name}"
