"""What a look colours: words with their labels, of the split that is looked at; nothing is fitted on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np

from probekit.data.corpus import Corpus
from probekit.data.splits import stable_hash
from probekit.data.task import Task
from probekit.results.formats import slug

if TYPE_CHECKING:
    from probekit.data.units import Units


class LookedTask(Task):
    """A task whose labels are looked at: a corpus without a train part will do."""

    @classmethod
    def of(cls, task: Task) -> LookedTask:
        """The same task.

        >>> from probekit.experiment.look_units import LookedTask
        >>> task = LookedTask.of(pk.load_task("upos"))
        >>> len(task.units(pk.generate_corpus(0, 0, 1))) > 0
        True
        """
        return cls(**{field.name: getattr(task, field.name) for field in fields(task)})

    def units(self, corpus: Corpus) -> Units:
        """The labelled units of a corpus, each in the split of its sentence. Raises DataError as `Task.units` does."""
        if self.split != "given" or "train" in corpus.splits:
            return super().units(corpus)
        whole = Corpus(
            [replace(one, split="train") for one in corpus], corpus.name, corpus.files, corpus.licence,
            corpus.text_form,
        )  # fmt: skip
        units = super().units(whole)
        split = np.array([one.split for one in corpus], dtype="U5")[units.sentence]
        return replace(units, split=split, overlap=np.zeros(len(units), np.bool_), corpus_hash=corpus.hash)


def split_looked_at(corpus: Corpus, split: str | None) -> str | None:
    """The split that is looked at: the one asked for, else test; None where that is the whole corpus."""
    return split or ("test" if "test" in corpus.sizes else None)


def read_of(corpus: Corpus, split: str | None) -> str:
    """A sentence on what is read of which split; nothing where the corpus is of one part.

    >>> from probekit.experiment.look_units import read_of
    >>> read_of(pk.generate_corpus(0, 0, 2), None)
    ''
    """
    chosen = split_looked_at(corpus, split)
    if chosen is None or len(corpus.sizes) == 1:
        return ""
    return (
        f" Pictures, labels that lie apart, the activity of neurons and shaded texts are of the split {chosen!r}; "
        f"statistics, similarity and neighbours are over all splits ({', '.join(map(str, corpus.splits))}); neurons "
        "that tell labels apart are chosen on dev and reported on test."
    )


def told_apart(asked: Mapping[str, str]) -> dict[str, str]:
    """A part of a file name for everything asked, from what it is called: those called alike get a mark of their own.

    >>> from probekit.experiment.look_units import told_apart
    >>> told_apart({"The": "The", "keys": "keys"})
    {'The': 'the', 'keys': 'keys'}
    >>> sorted(told_apart({"?": "?", "!": "!"}).values())
    ['x-3f9a0978', 'x-cd1a92ef']
    """
    names = [slug(called) for called in asked.values()]
    return {
        one: name if names.count(name) == 1 else f"{name}-{stable_hash(one):016x}"[: len(name) + 9]
        for one, name in zip(asked, names, strict=True)
    }
