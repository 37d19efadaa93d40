"""Attention heads against dependency relations and other links: chosen on dev, reported on test, beside baselines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.attention.alignment import HeadAlignment, LinkResult
from probekit.attention.head_null import maximum_null
from probekit.attention.links import ALL, DIRECTIONS, Links, check_splits, frequent_relations, relations_links
from probekit.attention.maps import PIECES_PER_BATCH
from probekit.attention.most_attended import MostAttended, most_attended
from probekit.attention.offsets import best_offset, check_offsets, offset_hits
from probekit.attention.twins import twins_of
from probekit.data.corpus import Corpus
from probekit.errors import ConfigError, DataError
from probekit.glossary import Progress, silent
from probekit.models.twins import random_twin
from probekit.results.measurement import About

if TYPE_CHECKING:
    from probekit.models.model import Model

Array = NDArray[Any]

FREQUENT = "frequent"
STAGE = "heads (links)"


def align_heads(
    model: Model,
    corpus: Corpus,
    relation: str | Sequence[str] = FREQUENT,
    *,
    directions: Sequence[str] = DIRECTIONS,
    min_arcs: int = 50,
    **options: Any,
) -> HeadAlignment:
    """Which head follows which dependency relation, and whether that is more than an offset, a twin or chance does.

    Direction ``"dependent"``: the other word a dependent attends to most is its head; ``"head"``: the other word a
    head attends to most is a dependent of it by the relation. `relation` is a name, several, or ``"frequent"``: all
    with at least `min_arcs` words in the sentences that heads are chosen on, and ``"all"`` relations together.
    Roots are no links. The further `options` and all rules are those of `align_links`.

    Sources: Clark et al. 2019, What does BERT look at?; Htut et al. 2019, Do attention heads in BERT track syntactic
    dependencies?. Raises ConfigError, DataError (no heads in the corpus, a relation that dev or test lack), ModelError.

    >>> corpus = pk.generate_corpus(0, 40, 40)
    >>> found = pk.align_heads(pk.load_model("demo:minilm"), corpus, "det", twins=1, layers=[2, 3], permutations=99)
    >>> [result.direction for result in found.results], len(found.heads("det", n=2))
    (['dependent', 'head'], 2)
    """
    directions = (directions,) if isinstance(directions, str) else tuple(dict.fromkeys(directions))
    if not directions:
        raise ConfigError(f"no direction to follow relations in; choose from {', '.join(DIRECTIONS)}")
    choose, _ = check_splits(corpus, options.get("choose", "dev"), options.get("report", "test"))
    if relation != FREQUENT:
        names = [relation] if isinstance(relation, str) else list(dict.fromkeys(relation))
        if not names:
            raise ConfigError(f"no relation was asked for; give names, {ALL!r} or {FREQUENT!r}")
        return align_links(model, corpus, relations_links(corpus, names, directions), **options)
    names = frequent_relations(corpus, choose, min_arcs)
    links = relations_links(corpus, [ALL, *names], directions)
    return align_links(model, corpus, links, **{"skip_scarce": True, **options})


def align_links(
    model: Model,
    corpus: Corpus,
    links: Links | Sequence[Links],
    *,
    layers: str | int | Iterable[int | str] = "all",
    twins: int | Sequence[Model] = 3,
    offsets: Sequence[int] = range(-10, 11),
    choose: str = "dev",
    report: str = "test",
    permutations: int = 999,
    resamples: int = 1000,
    seed: int = 0,
    skip_scarce: bool = False,
    text_form: str | None = None,
    pieces_per_batch: int = PIECES_PER_BATCH,
    about: About | None = None,
    progress: Progress = silent,
) -> HeadAlignment:
    """Which head follows links of any kind: the other word it attends to most is one of the link's targets.

    For each set of links (`pk.attribute_links`, `relation_links`): every head's accuracy in the split `choose`; the
    best one there, reported in `report` with an interval over sentences; the offset that is best there, reported
    likewise (a place outside the sentence is wrong); the paired difference, p by sign flips of sentences, corrected by
    Holm's method over all sets; `twins` random models (how many, or they themselves), each with a head of its own; and
    `maximum_null`, since the best of many heads is high by chance. ``significant`` means: above the offset with
    corrected p < 0.05, and permutation p < 0.05.

    The word itself and special pieces are never candidates; of words attended to alike the first counts. Links of words
    that the model does not read are left out and counted. Edits in force are in force for the model and not its twins.
    Raises ConfigError (options), DataError (links in one split alone or in one sentence, which `skip_scarce` names in
    ``not_scored`` instead), ModelError (no attention).

    >>> corpus = pk.generate_agreement(0, 30, 30)
    >>> links = pk.attribute_links(corpus, "target", "subject", name="agreement")
    >>> found = pk.align_links(pk.load_model("demo:minilm"), corpus, links, layers=[3], twins=0, permutations=99)
    >>> len(found.heads("agreement"))
    1
    """
    given = [links] if isinstance(links, Links) else list(links)
    if not given:
        raise ConfigError("no links were given; see `pk.attribute_links`")
    drawn = isinstance(twins, int)
    given_twins = [] if isinstance(twins, int) else twins_of(model, twins)
    n_twins = twins if isinstance(twins, int) else len(twins)
    for name, value, least in (
        ("twins", n_twins, 0),
        ("permutations", permutations, 1),
        ("resamples", resamples, 1),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"{name} must be a whole number from {least} on; got {value!r}")
    wanted = check_offsets(offsets)
    splits = check_splits(corpus, choose, report)
    parts, read = _by_split(corpus, given, splits)
    most = most_attended(
        model, read, layers, text_form=text_form, pieces_per_batch=pieces_per_batch, progress=progress
    )
    there = [[_present(one, most) for one in pair] for pair in parts]
    problems = [_problem(full, pair, splits) for full, pair in zip(parts, there, strict=True)]
    if any(problems) and (not skip_scarce or all(problems)):
        raise DataError(f"corpus {corpus.name!r}: {next(filter(None, problems))}")
    scored = [
        pair for pair, problem in zip(zip(parts, there, strict=True), problems, strict=True) if not problem
    ]
    room = np.array([_last_word(most, number) for number in range(len(read))], np.int64)
    results = []
    for number, (full, (dev, test)) in enumerate(scored):
        progress(STAGE, number, len(scored))
        attended = most.of(dev.sentence, dev.source)
        right = dev.hits(attended).sum(axis=1)
        chosen = int(right.argmax())
        offset = best_offset(dev, wanted)
        results.append(
            LinkResult(
                name=dev.name, direction=dev.direction, dev_accuracy=right / len(dev),
                dev_offset_accuracy=float(offset_hits(dev, offset).mean()), n_dev=len(dev),
                chosen=chosen, offset=offset, cluster=test.cluster, head_hits=_hits(most, test)[chosen],
                offset_hits=offset_hits(test, offset), twin_hits=np.zeros((0, len(test)), bool), twin_chosen=(),
                null=maximum_null(dev, attended, room[dev.sentence], permutations=permutations, seed=seed),
                n_left_out=(len(full[0]) - len(dev), len(full[1]) - len(test)),
            )
        )  # fmt: skip
    progress(STAGE, len(scored), len(scored))
    for number in range(n_twins):  # drawn one after the other: only one is in memory
        twin = random_twin(model, number) if drawn else given_twins[number]
        other = most_attended(
            twin, read, layers, text_form=text_form, pieces_per_batch=pieces_per_batch, progress=progress
        )
        results = [
            _with_twin(result, other, *pair) for result, (_, pair) in zip(results, scored, strict=True)
        ]
    return HeadAlignment(
        results=tuple(results), place=most.place, splits=splits, offsets=wanted, permutations=permutations,
        resamples=resamples, seed=seed, ties=int(most.ties.sum()), silent=int(most.silent.sum()),
        twin_seed=(given_twins[0].seed or 0) if given_twins else 0,
        looks=int(most.present.sum()) * len(most.place), words_left_out=dict(most.left_out),
        not_scored=tuple(
            (one.name, one.direction, problem) for one, problem in zip(given, problems, strict=True) if problem
        ),
        about=about or About(corpus=corpus.name, model=model.name, model_kind=model.kind, site="heads"),
    )  # fmt: skip


def _by_split(
    corpus: Corpus, links: Sequence[Links], splits: tuple[str, str]
) -> tuple[list[tuple[Links, Links]], Corpus]:
    """The links of either split, renumbered for a corpus of those sentences alone that have any."""
    split = np.array([sentence.split for sentence in corpus])
    used = np.zeros(len(corpus), bool)
    for one in links:
        used[one.sentence] = True
    used &= np.isin(split, splits)
    number = np.cumsum(used) - 1
    parts = []
    for one in links:
        both = (one.keep(split[one.sentence] == name) for name in splits)
        first, second = (replace(part, sentence=number[part.sentence]) for part in both)
        parts.append((first, second))
    chosen = [sentence for sentence, wanted in zip(corpus, used, strict=True) if wanted]
    return parts, Corpus(chosen, corpus.name, corpus.files, corpus.licence, corpus.text_form)


def _present(links: Links, most: MostAttended) -> Links:
    """The links between words that the model read."""
    return links.keep(
        most.is_present(links.sentence, links.source),
        most.is_present(links.sentence[links.owner], links.target),
    )


def _last_word(most: MostAttended, sentence: int) -> int:
    """How many words a sentence has up to the last one that was read."""
    here = np.flatnonzero(most.present[most.word_start[sentence] : most.word_start[sentence + 1]])
    return int(here[-1]) + 1 if len(here) else 0


def _problem(full: tuple[Links, Links], read: Sequence[Links], splits: tuple[str, str]) -> str:
    """Why nothing can be chosen or reported on, or ""."""
    for every, split, other in zip(full, splits, splits[::-1], strict=True):
        if not len(every):
            return (
                f"{every.label} occurs in {other} and never in {split}; a head is chosen on {splits[0]} and reported "
                f"on {splits[1]}"
            )
    for every, links, split in zip(full, read, splits, strict=True):
        if not len(links):
            return f"{links.label}: the model reads the words of none of its {len(every)} links in {split}"
        if links.n_clusters < 2:
            return (
                f"{links.label} occurs in one sentence of {split} alone ({len(links)} of its links); nothing can be "
                "said of it; give more sentences"
            )
    return ""


def _hits(most: MostAttended, links: Links) -> Array:
    return links.hits(most.of(links.sentence, links.source))


def _with_twin(result: LinkResult, most: MostAttended, dev: Links, test: Links) -> LinkResult:
    """The result with what one more twin got right, by the head that is best in dev."""
    chosen = int(_hits(most, dev).sum(axis=1).argmax())
    hits = np.concatenate([result.twin_hits, _hits(most, test)[chosen][None]])
    return replace(result, twin_hits=hits, twin_chosen=(*result.twin_chosen, chosen))
