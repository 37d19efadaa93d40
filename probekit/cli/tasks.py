"""`probekit tasks`: which tasks there are, what they ask, and what they label in a corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from probekit.cli.common import emit, format_option, json_option, say

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.data.task import Task
    from probekit.data.units import Units

SHOWN_SENTENCES = 5
SHOWN_LABELS = 20


@click.group("tasks")
def command() -> None:
    """List, show, check and preview probing tasks."""


@command.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """List the built-in tasks with their questions."""
    from probekit.data.task import list_tasks, load_task

    tasks = [load_task(name) for name in list_tasks()]
    if as_json:
        emit([{"name": t.name, "question": t.question, "unit": t.unit, "kind": t.kind} for t in tasks])
        return
    width = max(len(task.name) for task in tasks)
    for task in tasks:
        click.echo(f"{task.name:<{width}}  {task.unit:<8}  {task.question}")


@command.command("show")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what the task NAME (built in, or a TOML file) asks, compares with and cites."""
    from probekit.data.task import load_task

    task = load_task(name)
    if as_json:
        emit(task.to_dict() | {"file": task.file})
        return
    for key, value in task.to_dict().items():
        if value not in ("", [], {}):
            click.echo(f"{key:<9}  {_flat(value)}")
    for example in task.examples:
        click.echo(f"example    {example.text}  ->  {_labels_of_example(task, example.text, example.labels)}")


@command.command("check")
@click.argument("file")
@json_option
def check(file: str, as_json: bool) -> None:
    """Check a task FILE: keys, values, filter, and the labels that its examples promise."""
    from probekit.data.task import load_task

    task = load_task(file)
    units = task.check_examples()
    if as_json:
        emit({"name": task.name, "file": task.file, "examples": len(task.examples), "units": units})
        return
    if not task.examples:
        say(f"{file}: no [[example]]; two sentences with their labels would make the file test itself")
    click.echo(f"{task.name}: fine ({len(task.examples)} examples, {units} labels)")


@command.command("preview")
@click.argument("name")
@click.option("--data", multiple=True, help="File, folder or glob; default: the generated English.")
@format_option
@json_option
def preview(name: str, data: tuple[str, ...], data_format: str | None, as_json: bool) -> None:
    """Show what the task NAME labels in a corpus.

    The distribution of its labels by split, what is left out, some sentences.
    """
    from probekit.data.task import load_task

    task = load_task(name)
    corpus = _corpus(data, data_format)
    units = task.units(corpus)
    if as_json:
        emit(_document(task, corpus, units))
        return
    click.echo(f"{task.name}: {task.question}")
    click.echo(f"{corpus.name}: {len(corpus):,} sentences, {corpus.n_words:,} words; {_sizes(units)}")
    for line in _distribution(units):
        click.echo(line)
    for reason, n in units.left_out.items():
        click.echo(f"left out: {n:,} ({reason})")
    if units.overlap.any():
        click.echo(
            f"{int(units.overlap.sum()):,} dev and test units stand in sentences whose text is also in train"
        )
    for text in _labelled_sentences(corpus, units):
        click.echo(text)


def _corpus(data: tuple[str, ...], data_format: str | None) -> Corpus:
    if data:
        from probekit.data.read_corpus import read_corpus

        return read_corpus(list(data), data_format)
    from probekit.data.grammar import generate_corpus

    return generate_corpus()


def _document(task: Task, corpus: Corpus, units: Units) -> dict[str, Any]:
    document: dict[str, Any] = {
        "task": task.name,
        "corpus": {
            "name": corpus.name,
            "hash": corpus.hash,
            "sentences": corpus.sizes,
            "words": corpus.n_words,
        },
        "units": {split: int((units.split == split).sum()) for split in ("train", "dev", "test")},
        "left_out": dict(units.left_out),
        "overlap": int(units.overlap.sum()),
        "sentences": _labelled_sentences(corpus, units),
    }
    if units.numeric:
        document["range"] = [float(units.labels.min()), float(units.labels.max())]
    else:
        document["labels"] = units.label_counts()
    return document


def _sizes(units: Units) -> str:
    counts = ", ".join(f"{split} {int((units.split == split).sum()):,}" for split in ("train", "dev", "test"))
    return f"labelled {units.unit}s: {counts}"


def _distribution(units: Units) -> list[str]:
    """The labels by frequency in train; a label that train lacks says so."""
    if units.numeric:
        values = units.labels
        return [f"numbers from {values.min():g} to {values.max():g}, mean {values.mean():.3f}"]
    counts = units.label_counts()
    width = max([5, *(len(label) for label in counts)])
    lines = [f"{'label':<{width}}  {'train':>8} {'dev':>8} {'test':>8}"]
    for label, by in list(counts.items())[:SHOWN_LABELS]:
        unseen = "" if by["train"] else "  not in train"
        lines.append(f"{label:<{width}}  {by['train']:>8,} {by['dev']:>8,} {by['test']:>8,}{unseen}")
    if len(counts) > SHOWN_LABELS:
        lines.append(f"... and {len(counts) - SHOWN_LABELS} rarer labels")
    return lines


def _labelled_sentences(corpus: Corpus, units: Units) -> list[str]:
    """The first few sentences with units, as word/label or text -> label."""
    found: dict[int, dict[int, str]] = {}
    for sentence, word, label in zip(units.sentence.tolist(), units.word.tolist(), units.labels, strict=True):
        if sentence not in found and len(found) == SHOWN_SENTENCES:
            break
        found.setdefault(sentence, {})[word] = f"{label:g}" if units.numeric else str(label)
    lines = []
    for number, labels in found.items():
        sentence = corpus[number]
        if -1 in labels:
            lines.append(f"  {sentence.text}  ->  {labels[-1]}")
        else:
            words = (f"{w}/{labels[i]}" if i in labels else w for i, w in enumerate(sentence.words))
            lines.append("  " + " ".join(words))
    return lines


def _labels_of_example(task: Task, text: str, labels: tuple[str | float | None, ...]) -> str:
    if task.unit == "sentence":
        return str(labels[0])
    return " ".join(
        f"{w}/{label}" for w, label in zip(text.split(), labels, strict=True) if label is not None
    )


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {part}" for key, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
