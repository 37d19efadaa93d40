"""Tasks: functions from annotated sentences to labelled units, defined by a TOML file each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probekit.data.catalogue import probes_folder
from probekit.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.data.units import Units

CONTROLS = ("word-type", "shuffled", "majority", "word-identity", "random-twin")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A sentence (words between spaces), its annotation, and a label per word, or one for the sentence.

    ``None`` stands where the task must make no unit.
    """

    text: str
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str | float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked of a corpus: which units, which label, compared how and with what.

    ``label`` is a column (``upos``), a feature (``feats.Number``), a sentence attribute (``attribute.label``) or a
    property (``dependency_depth``); ``where`` keeps the units it is about; ``split`` is ``given``, ``sentence``,
    ``document`` or ``word-type``. ``names`` renames label values; ``bins`` cuts a number into classes.

    >>> load_task("upos").label
    'upos'
    """

    name: str
    question: str
    unit: str = "word"
    label: str
    kind: str = "classes"
    where: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    bins: tuple[float, ...] = ()
    options: Mapping[str, int] = field(default_factory=dict)
    split: str = "given"
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0
    metric: str = "accuracy"
    controls: tuple[str, ...] = CONTROLS
    cite: str = ""
    licence: str = ""
    examples: tuple[Example, ...] = ()
    example_options: Mapping[str, int] = field(default_factory=dict)
    file: str = field(default="", compare=False)

    def units(self, corpus: Corpus) -> Units:
        """The labelled units of a corpus.

        Units that pass the filter and have no label are left out and counted by reason; what the filter drops was
        not asked for and is not counted. With `split` "given" and no dev split, a tenth of train's texts (by hash of
        the task's seed) becomes dev. Raises DataError where the corpus has not what the task needs.
        """
        from probekit.data.label import label_units

        return label_units(self, corpus)

    def check_examples(self) -> int:
        """Label the task's own examples; ConfigError with the first difference, else the number of units."""
        from probekit.data.examples import check_examples

        return check_examples(self)

    def to_dict(self) -> dict[str, Any]:
        """All that defines the task, for a run's record (not its examples)."""
        record: dict[str, Any] = {}
        for key in self.__dataclass_fields__:
            if key not in ("examples", "example_options", "file"):
                value = getattr(self, key)
                record[key] = list(value) if isinstance(value, tuple) else value
        return record


def list_tasks() -> list[str]:
    """Names of the built-in tasks, sorted.

    >>> list_tasks()[:3]
    ['cola', 'dependency_depth', 'deprel']
    """
    return sorted(path.stem for path in (probes_folder() / "tasks").glob("*.toml"))


def load_task(name: str | Path) -> Task:
    """A built-in task by name, or any task file by path (something that ends in ``.toml``).

    Raises ConfigError for an unknown name (with the nearest one) and for every wrong key or value in the file.

    >>> load_task("number").where
    'upos = NOUN'
    """
    from probekit.data.schema import read_task

    if str(name).endswith(".toml"):
        if not Path(name).exists():
            raise ConfigError(f"no task file {str(name)!r}; {did_you_mean(Path(name).stem, list_tasks())}")
        return read_task(Path(name))
    known = list_tasks()
    if name not in known:
        hint = did_you_mean(str(name), known)
        raise ConfigError(
            f"no task {str(name)!r}; {hint} (a task file of your own: give its path, ending in .toml)"
        )
    return read_task(probes_folder() / "tasks" / f"{name}.toml")
