"""Numbers that running text gives every word: depth of brackets, position, sentence length; own functions too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from probekit.data.corpus import Corpus
from probekit.data.sentence import MISSING, Sentence
from probekit.data.task import Task, load_task
from probekit.errors import ConfigError, DataError

WordFunction: TypeAlias = Callable[[Sentence], Sequence[Any]]
"""From a sentence to a number, a label or None for each of its words."""

OPENING = {"(": ")", "[": "]", "{": "}", "“": "”", "«": "»"}
QUOTES = '"“”'
CLOSING = {close: opening for opening, close in OPENING.items()}


def bracket_depth(sentence: Sentence) -> list[float]:
    """How many brackets (round, square, curly, curled quotes) are open at each word; a bracket stands inside itself.

    Of a word that opens or closes within itself the deepest place counts. A closing bracket that fits none open is
    passed over.

    >>> bracket_depth(Sentence.from_text("s", "a ( b [ c ] ) (d) e"))
    [0.0, 1.0, 1.0, 2.0, 2.0, 2.0, 1.0, 1.0, 0.0]
    """
    found, open_now = [], list[str]()
    for word in sentence.words:
        deepest = len(open_now)
        for letter in word:
            if letter in OPENING:
                open_now.append(letter)
            elif letter in CLOSING and CLOSING[letter] in open_now:
                while open_now.pop() != CLOSING[letter]:
                    pass
            deepest = max(deepest, len(open_now))
        found.append(float(deepest))
    return found


def inside_quotes(sentence: Sentence) -> list[float]:
    """1 at words inside double quotes (the quotes too), 0 elsewhere; a straight quote opens where none is open.

    >>> inside_quotes(Sentence.from_text("s", 'he said " no " . "Yes" then'))
    [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0]
    """
    found, inside = [], False
    for word in sentence.words:
        touched = inside
        for letter in word:
            if letter in QUOTES:
                inside = {'"': not inside, "“": True, "”": False}[letter]
                touched = True
        found.append(float(touched))
    return found


def position(sentence: Sentence) -> list[float]:
    """The number of each word in its sentence, from 1."""
    return [float(i) for i in range(1, len(sentence) + 1)]


def sentence_length(sentence: Sentence) -> list[float]:
    """How many words the sentence has, at each of them."""
    return [float(len(sentence))] * len(sentence)


NUMBERS: dict[str, WordFunction] = {
    "bracket_depth": bracket_depth,
    "inside_quotes": inside_quotes,
    "position": position,
    "sentence_length": sentence_length,
}


def as_task(label: Task | str | WordFunction, corpus: Corpus) -> tuple[Task, Corpus]:
    """The task that a label means (a task, its name, the name of a number, a function), and a corpus that has it.

    Raises ConfigError for an unknown name, DataError where a function does not give one value a word.
    """
    if isinstance(label, Task):
        return label, corpus
    if isinstance(label, str):
        if label not in NUMBERS:
            return load_task(label), corpus
        label = NUMBERS[label]
    if not callable(label):
        raise ConfigError(
            f"a label is a task, its name, or a function of a sentence; got {type(label).__name__}; numbers by name: "
            f"{', '.join(NUMBERS)}"
        )
    name = getattr(label, "__name__", "number").strip("<>")
    column, sentences, numeric = f"own.{name}", [], True
    for sentence in corpus:
        values = list(label(sentence))
        if len(values) != len(sentence):
            raise DataError(
                f"{sentence.location}: {name} gives {len(values)} values for {len(sentence)} words; give one a word, "
                "None where there is none"
            )
        numeric &= all(value is None or _is_number(value) for value in values)
        texts = tuple(MISSING if value is None else _text(value) for value in values)
        sentences.append(replace(sentence, columns={**sentence.columns, column: texts}))
    task = Task(
        name=name, question=f"{name} of each word", label=column, kind="number" if numeric else "classes"
    )
    return task, Corpus(sentences, corpus.name, corpus.files, corpus.licence, corpus.text_form)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return repr(float(value)) if _is_number(value) else str(value)
