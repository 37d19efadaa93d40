"""What a worker does for an analysis of attention: read heads, or judge with heads ablated, and write files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from probekit.errors import DataError, ProbekitError
from probekit.experiment.cells import Ended
from probekit.experiment.corpora import looked_at, read_once
from probekit.experiment.kept import Kept
from probekit.experiment.links_of import links_of
from probekit.experiment.opened import Opened, opened
from probekit.experiment.plan import CorpusPlan, ModelPlan
from probekit.experiment.plan_inside import AttendPlan
from probekit.results.files import read_json, write_json

if TYPE_CHECKING:
    from probekit.attention.alignment import HeadAlignment
    from probekit.behavior.answers import Answers
    from probekit.models.model import Model

Part = Literal["statistics", "relations", "links", "distances", "trees", "parser", "view", "judge"]
REFERENCE = 500
"""Dev sentences whose head outputs stand in for those of an ablated head."""


@dataclass(frozen=True)
class AttendCell:
    """One thing asked of the heads of one model (its `part`), or a suite judged with `heads` ablated (part "judge",
    with no heads the model as it is).

    `label` is what results call the model. `aims` names the relations and links the heads were found by; `draw` is the
    number of a random draw, None for the heads found. `text` is what a view shows.
    """

    name: str
    stem: str
    part: Part
    model: ModelPlan
    folder: str
    label: str
    corpus: CorpusPlan
    analysis: AttendPlan
    text: str = ""
    heads: tuple[tuple[str, tuple[int, ...]], ...] = ()
    draw: int | None = None

    @property
    def done(self) -> bool:
        """Whether its result lies there; the JSON file is written last."""
        return Path(f"{self.stem}.json").is_file()

    @property
    def ablated(self) -> Mapping[int | str, tuple[int, ...]]:
        """Layer -> heads that are ablated."""
        return dict(self.heads)

    def kept(self) -> Kept:
        """What was found, read back."""
        return Kept.load(self.stem)

    def answers(self) -> list[Answers]:
        """What was answered to every suite, read back."""
        from probekit.behavior.answers import Answers

        n = read_json(Path(f"{self.stem}.json"))["n_answers"]
        return [Answers.load(f"{self.stem}.suite-{number}") for number in range(n)]


def do_attend_cell(cell: AttendCell) -> Ended:
    """Do one cell and write its files; a user's error becomes the reason of the failure."""
    try:
        if cell.part == "judge":
            answers = _judge(cell)
            for number, one in enumerate(answers):
                one.save(f"{cell.stem}.suite-{number}")
            write_json(Path(f"{cell.stem}.json"), {"n_answers": len(answers)})
        else:
            held = _held(cell)
            named = replace(held.model, name=cell.label)  # results call it by its label
            _PARTS[cell.part](cell, named).save(cell.stem)
    except ProbekitError as problem:
        return Ended(cell, str(problem), problem)
    except (ArithmeticError, MemoryError, RuntimeError, ValueError) as unforeseen:  # other cells go on
        return Ended(cell, f"{type(unforeseen).__name__}: {unforeseen}")
    return Ended(cell)


def _held(cell: AttendCell) -> Opened:
    return opened(cell.model, cell.folder, cell.analysis.bos, cell.analysis.pll)


def _judge(cell: AttendCell) -> list[Answers]:
    """Judge every suite with the heads ablated. Raises DataError where no item of any suite can be judged."""
    from probekit.erasure.head_ablation import ablate_heads

    held, how = _held(cell), cell.analysis.ablate
    if not cell.heads:
        answers = held.judge(cell.analysis.chosen, ())
        _some_judged(cell, held, answers)
        return answers
    reference = None if how == "zero" else _reference(cell, held)
    edits = ablate_heads(held.model, cell.ablated, how, reference, seed=cell.analysis.seeds.heads)
    return held.judge(cell.analysis.chosen, edits)


def _reference(cell: AttendCell, held: Opened) -> Mapping[str, Any]:
    """What heads usually hand on, over dev sentences of the corpus: a mean, or states to draw from, by layer."""
    from probekit.erasure.reference import site_means, site_states

    how = cell.analysis.ablate
    if how not in held.references:
        sentences = read_once(cell.corpus).split("dev").sentences[:REFERENCE]
        texts = [sentence.text for sentence in sentences]
        layers = held.model.resolve_layers("all", "heads")
        held.references[how] = (
            site_means(held.model, texts, layers, "heads")
            if how == "mean"
            else site_states(held.model, texts, layers, "heads", seed=cell.analysis.seeds.heads)
        )
    found: Mapping[str, Any] = held.references[how]
    return {layer: found[layer] for layer, _ in cell.heads}


def _some_judged(cell: AttendCell, held: Opened, answers: list[Answers]) -> None:
    from probekit.behavior.verdicts import give_verdicts

    reasons = []
    for planned, said in zip(cell.analysis.chosen, answers, strict=True):
        suite, questions = held.asked(planned)
        verdicts = give_verdicts(suite, questions, said)
        if len(verdicts.kept):
            return
        told = ", ".join(f"{reason}: {n:,}" for reason, n in verdicts.left_out.items())
        reasons.append(f"{suite.name!r} ({told})")
    raise DataError(
        f"{cell.label} can be judged on no item of suite {', '.join(reasons)}; name a suite in words that it knows"
    )


def _relations(cell: AttendCell, model: Model) -> Kept:
    from probekit.attention.relations import align_heads

    given = cell.analysis
    found = align_heads(
        model,
        read_once(cell.corpus),
        given.relations if given.relations == "frequent" else list(given.relations),
        directions=given.directions,
        min_arcs=given.min_arcs,
        **_options(cell),
    )
    return _aligned(found, given.heads)


def _links(cell: AttendCell, model: Model) -> Kept:
    from probekit.attention.relations import align_links

    corpus = read_once(cell.corpus)
    links = [links_of(corpus, name, places) for name, places in cell.analysis.links.items()]
    return _aligned(align_links(model, corpus, links, **_options(cell)), cell.analysis.heads)


def _options(cell: AttendCell) -> dict[str, Any]:
    given = cell.analysis
    return {
        "layers": given.layers,
        "twins": cell.model.twins,
        "offsets": range(-given.offsets, given.offsets + 1),
        "permutations": given.permutations,
        "resamples": given.bootstrap,
        "seed": given.seeds.permutation,
        "text_form": cell.corpus.text_form,
    }


def _aligned(found: HeadAlignment, n: int) -> Kept:
    """The alignment with the heads to ablate: of each set of links the best on dev, significant or not."""
    from probekit.attention.alignment_pictures import too_few
    from probekit.results.formats import format_score

    heads = []
    for result, significant in zip(found.results, found.significant.tolist(), strict=True):
        way = f"{result.direction}: " if result.direction else ""
        verdict = "above the offset and chance" if significant else "not above both the offset and chance"
        if found.too_few_permutations:
            verdict = too_few(found.permutations)
        offset = format_score(float(result.offset_hits.mean()))
        told = f"{way}{format_score(result.accuracy)} of test links, fixed offset {offset}, {verdict}"
        heads += [
            {"aim": result.name, "layer": layer, "head": head, "told": told}
            for layer, head in found.heads(result.name, result.direction, n)
        ]
    return Kept.of(found, facts={"found": heads}, left_out=found.words_left_out)


def _statistics(cell: AttendCell, model: Model) -> Kept:
    from probekit.attention.head_statistics import head_statistics

    given = cell.analysis
    found = head_statistics(
        model,
        looked_at(read_once(cell.corpus)),
        given.layers,
        twins=min(1, cell.model.twins),
        text_form=cell.corpus.text_form,
        resamples=given.bootstrap,
    )
    kept = Kept.of(found, left_out=found.left_out)
    if isinstance(given.statistics, bool):
        return kept
    shown = {f"heads-{name.replace('_', '-')}" for name in given.statistics}
    return replace(kept, panels=tuple(panel for panel in kept.panels if panel.name in shown))


def _distances(cell: AttendCell, model: Model) -> Kept:
    from probekit.attention.head_distances import head_distances

    given = cell.analysis
    found = head_distances(
        model,
        looked_at(read_once(cell.corpus)),
        given.layers,
        twins=min(1, cell.model.twins),
        text_form=cell.corpus.text_form,
        resamples=given.bootstrap,
        seed=given.seeds.permutation,
    )
    return Kept.of(found, left_out=found.left_out)


def _trees(cell: AttendCell, model: Model) -> Kept:
    from probekit.attention.tree_heads import tree_heads

    found = tree_heads(
        model,
        read_once(cell.corpus),
        twins=_twins(cell, model),
        text_form=cell.corpus.text_form,
        resamples=cell.analysis.bootstrap,
    )
    return Kept.of(found)


def _parser(cell: AttendCell, model: Model) -> Kept:
    from probekit.attention.parser_probe import parse_with_attention

    found = parse_with_attention(
        model,
        read_once(cell.corpus),
        twins=_twins(cell, model)[:1],
        seed=cell.analysis.seeds.permutation,
        text_form=cell.corpus.text_form,
        resamples=cell.analysis.bootstrap,
    )
    return Kept.of(found)


def _twins(cell: AttendCell, model: Model) -> list[Model]:
    from probekit.models.twins import random_twins

    n = cell.model.twins
    return random_twins(model, n, cell.analysis.seeds.twin) if n else []


def _view(cell: AttendCell, model: Model) -> Kept:
    """One text; it says nothing of others, so it has a picture and no rows."""
    from probekit.attention.view import attention_view

    found = attention_view(model, cell.text, view=cell.analysis.page, layers=cell.analysis.layers)
    return Kept((), found.panels, "")


_PARTS: dict[str, Callable[[AttendCell, Model], Kept]] = {
    "statistics": _statistics,
    "relations": _relations,
    "links": _links,
    "distances": _distances,
    "trees": _trees,
    "parser": _parser,
    "view": _view,
}
