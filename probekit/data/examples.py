"""A task's own examples, labelled and compared: every task file carries its test."""

from __future__ import annotations

from dataclasses import replace

from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.data.task import Task
from probekit.errors import ConfigError


def check_examples(task: Task) -> int:
    """Label the examples as one small train set; ConfigError with the first difference, else the number of units."""
    if not task.examples:
        return 0
    sentences = [
        Sentence.from_words(
            f"example {number}", e.text.split(), columns=e.columns, attributes=e.attributes, split="train"
        )
        for number, e in enumerate(task.examples, 1)
    ]
    options = task.example_options or task.options
    units = replace(task, split="given", options=options).units(Corpus(sentences, name="examples"))
    got = dict(zip(units.ids, units.labels.tolist(), strict=True))
    for sentence, example in zip(sentences, task.examples, strict=True):
        for position, expected in enumerate(example.labels):
            unit = sentence.id if task.unit == "sentence" else f"{sentence.id}:{position + 1}"
            if got.get(unit) != expected:
                what = example.text if task.unit == "sentence" else sentence.words[position]
                raise ConfigError(
                    f"{task.file or task.name}: {sentence.id}, {what!r}: the file says {expected!r},"
                    f" and the task gives {got.get(unit)!r}"
                )
    return len(units)
