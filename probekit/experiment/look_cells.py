"""What a worker does for a look at states in space: open what is stored, or read the model, and write files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from probekit.errors import ConfigError, DataError, ProbekitError
from probekit.experiment.cells import Ended
from probekit.experiment.corpora import looked_at, read_once
from probekit.experiment.kept import Kept
from probekit.experiment.look_units import LookedTask, split_looked_at
from probekit.experiment.opened import opened
from probekit.experiment.plan import CorpusPlan, ModelPlan
from probekit.experiment.plan_inside import LookPlan
from probekit.results.measurement import About

if TYPE_CHECKING:
    from probekit.activations.activations import Activations
    from probekit.data.corpus import Corpus
    from probekit.models.model import Model

Part = Literal[
    "project", "similarity", "isotropy", "dimension", "outliers", "senses", "neighbours", "activity", "selective",
    "text",
]  # fmt: skip


@dataclass(frozen=True)
class LookCell:
    """One thing looked at in one model (its `part`).

    `entry` is where the states lie in the store, `other` where those of the model that it is compared with do;
    `asked` is a task, a word, a neuron or a measure, `method` how it is projected. `other_layers` are those of the
    other model; none: all of them.
    """

    name: str
    stem: str
    part: Part
    model: ModelPlan
    folder: str
    label: str
    corpus: CorpusPlan
    analysis: LookPlan
    about: About
    entry: str = ""
    other: str = ""
    other_label: str = ""
    other_layers: tuple[str, ...] = ()
    asked: str = ""
    method: str = ""

    @property
    def done(self) -> bool:
        """Whether its result lies there; the JSON file is written last."""
        return Path(f"{self.stem}.json").is_file()

    def kept(self) -> Kept:
        """What was found, read back."""
        return Kept.load(self.stem)

    def states(self) -> Activations:
        """The stored states of the model."""
        from probekit.activations.activations import Activations

        return Activations.open(self.entry, read_once(self.corpus))

    def sentences(self) -> Corpus:
        """The sentences of the split that is looked at."""
        return looked_at(read_once(self.corpus), self.analysis.split)

    def task(self) -> LookedTask:
        """The task that is asked, for words that are looked at."""
        from probekit.data.task import load_task

        return LookedTask.of(load_task(self.asked))

    def of_all_splits(self, found: Kept) -> Kept:
        """What was found over all splits, which captions say where the rest of the page is of one."""
        corpus = read_once(self.corpus)
        if len(corpus.sizes) == 1 or split_looked_at(corpus, self.analysis.split) is None:
            return found
        panels = tuple(
            panel
            if panel.kind == "sentence"
            else replace(panel, caption=f"{panel.caption} All splits.".strip())
            for panel in found.panels
        )
        return replace(found, panels=panels)

    def live(self) -> Model:
        """The model itself, called by its label."""
        return replace(opened(self.model, self.folder).model, name=self.label)


def do_look_cell(cell: LookCell) -> Ended:
    """Do one cell and write its files; a user's error becomes the reason of the failure."""
    try:
        PARTS[cell.part](cell).save(cell.stem)
    except ProbekitError as problem:
        return Ended(cell, str(problem), problem)
    except (ArithmeticError, MemoryError, RuntimeError, ValueError) as unforeseen:  # other cells go on
        return Ended(cell, f"{type(unforeseen).__name__}: {unforeseen}")
    return Ended(cell)


def _project(cell: LookCell) -> Kept:
    from probekit.geometry.projection import project

    given = cell.analysis
    found = project(
        cell.states(),
        cell.task(),
        cell.method,
        layers=given.layers,
        split=split_looked_at(read_once(cell.corpus), given.split),
        points=given.sample,
        seed=given.seeds.projection,
        resamples=given.bootstrap,
        about=cell.about,
    )
    return Kept.of(found)


def _similarity(cell: LookCell) -> Kept:
    from probekit.activations.activations import Activations
    from probekit.geometry.layer_similarity import similarity

    acts = cell.states()
    other = None if cell.other == cell.entry else Activations.open(cell.other, acts.corpus)
    given = cell.analysis
    measure: Any = cell.asked
    found = similarity(
        acts,
        other,
        measure,
        layers=given.layers,
        other_layers=None if other is None else cell.other_layers or "all",
        max_rows=given.rows,
        permutations=given.permutations,
        seed=given.seeds.sample,
        about=cell.about,
    )
    return cell.of_all_splits(Kept.of(replace(found, model=cell.label, other=cell.other_label)))


def _isotropy(cell: LookCell) -> Kept:
    from probekit.geometry.isotropy import isotropy

    given = cell.analysis
    found = isotropy(cell.states(), layers=given.layers, seed=given.seeds.sample, about=cell.about)
    return cell.of_all_splits(Kept.of(found))


def _dimension(cell: LookCell) -> Kept:
    from probekit.geometry.intrinsic_dimension import intrinsic_dimension

    given = cell.analysis
    found = intrinsic_dimension(cell.states(), layers=given.layers, seed=given.seeds.sample, about=cell.about)
    return cell.of_all_splits(Kept.of(found))


def _outliers(cell: LookCell) -> Kept:
    from probekit.geometry.outlier_dimensions import outlier_dimensions

    given = cell.analysis
    found = outlier_dimensions(cell.states(), layers=given.layers, seed=given.seeds.sample, about=cell.about)
    return cell.of_all_splits(Kept.of(found))


def _senses(cell: LookCell) -> Kept:
    from probekit.activations.activations import Activations
    from probekit.geometry.senses import sense_separation

    acts, given = cell.states(), cell.analysis
    found = sense_separation(
        acts,
        cell.task(),
        twins=[Activations.open(cell.other, acts.corpus)] if cell.other else (),
        layers=given.layers,
        split=split_looked_at(read_once(cell.corpus), given.split),
        resamples=given.bootstrap,
        seed=given.seeds.sample,
        about=cell.about,
    )
    return Kept.of(found)


def _neighbours(cell: LookCell) -> Kept:
    from probekit.geometry.neighbours import neighbours

    occurrence = find_occurrence(cell.sentences(), cell.asked)
    found = Kept.of(neighbours(cell.states(), occurrence, layers=cell.analysis.layers, about=cell.about))
    rows = tuple(
        replace(row, group=", ".join([f"occurrence={occurrence}", *filter(None, [row.group])]))
        for row in found.rows
    )
    return cell.of_all_splits(replace(found, rows=rows))


def find_occurrence(corpus: Corpus, asked: str) -> str:
    """An occurrence as it is asked for ("sentence id:word"), or the first one of a word. Raises DataError.

    >>> from probekit.experiment.look_cells import find_occurrence
    >>> find_occurrence(pk.Corpus([pk.Sentence.from_text("s1", "Keys rust.")]), "rust.")
    's1:2'
    """
    sentence, _, number = asked.rpartition(":")
    if number.isdigit() and any(one.id == sentence for one in corpus):
        return asked
    for one in corpus:
        for place, word in enumerate(one.words, start=1):
            if word.lower() == asked.lower():
                return f"{one.id}:{place}"
    raise DataError(
        f"{asked!r} is no word of the {len(corpus):,} sentences of {corpus.name!r} that are looked at; name another, "
        "or an occurrence as SENTENCE:WORD"
    )


def _selective(cell: LookCell) -> Kept:
    from probekit.data.task import load_task
    from probekit.geometry.neuron_selectivity import neuron_selectivity

    given = cell.analysis
    named = list(dict.fromkeys(neuron.rpartition(":")[0] for neuron in given.neurons))
    found = neuron_selectivity(
        cell.live(),
        read_once(cell.corpus),
        load_task(cell.asked),
        named or _blocks(cell),
        given.neuron_site,
        twins=1 if cell.model.twins else 0,
        pool=given.pool,
        resamples=given.bootstrap,
        seed=given.seeds.sample,
    )
    return Kept.of(found)


def _activity(cell: LookCell) -> Kept:
    from probekit.geometry.neuron_activity import neuron_activity

    given = cell.analysis
    found = neuron_activity(
        cell.live(),
        cell.sentences(),
        _blocks(cell),
        given.neuron_site,
        twins=1 if cell.model.twins else 0,
        pool=given.pool,
        text_form=cell.corpus.text_form,
    )
    return Kept.of(found, left_out=found.left_out)


def _text(cell: LookCell) -> Kept:
    """Sentences shaded by neurons of one layer."""
    from probekit.geometry.activation_text import activation_text

    layer, _, numbers = cell.asked.rpartition(":")
    given, corpus = cell.analysis, cell.sentences()
    shown = replace(corpus, sentences=corpus.sentences[: given.texts])
    neurons = [int(number) for number in numbers.split(",")]
    found = activation_text(
        cell.live(),
        shown,
        layer,
        neurons,
        given.neuron_site,
        pool=given.pool,
        text_form=cell.corpus.text_form,
    )
    return Kept.of(found, left_out=found.left_out)


def _blocks(cell: LookCell) -> str | list[str]:
    return layers_with_neurons(opened(cell.model, cell.folder).model, cell.analysis)


def layers_with_neurons(model: Model, given: LookPlan) -> str | list[str]:
    """The layers asked for that have neurons; embeddings and final norm have none of the mlp. Raises ConfigError."""
    if given.layers == "all":
        return "all"
    known = model.resolve_layers("all", given.neuron_site)
    asked = model.resolve_layers(given.layers)
    found = [layer for layer in asked if layer in known]
    if not found:
        raise ConfigError(
            f"{model.name}: none of the layers asked for ({', '.join(asked)}) has the site {given.neuron_site!r} of "
            f"neurons; those with it: {', '.join(known)}"
        )
    return found


def check_neurons(model: Model, given: LookPlan) -> None:
    """See that the model has the neurons asked for, before a text is read. Raises ConfigError."""
    for neuron in given.neurons:
        layer, _, number = neuron.rpartition(":")
        name = model.resolve_layers([layer], given.neuron_site)[0]
        width = model.site_dim(given.neuron_site)
        if int(number) >= width:
            raise ConfigError(
                f"{model.name}: layer {name} has no neuron {number} at {given.neuron_site!r}: they are numbered 0 to "
                f"{width - 1}; name one of these"
            )
    if given.activity or (given.selective and not given.neurons):
        layers_with_neurons(model, given)


PARTS: dict[str, Callable[[LookCell], Kept]] = {
    "project": _project,
    "similarity": _similarity,
    "isotropy": _isotropy,
    "dimension": _dimension,
    "outliers": _outliers,
    "senses": _senses,
    "neighbours": _neighbours,
    "activity": _activity,
    "selective": _selective,
    "text": _text,
}
