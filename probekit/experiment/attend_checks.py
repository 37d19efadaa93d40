"""What the corpus alone tells of an analysis of attention, found before a model is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probekit.errors import ConfigError, DataError
from probekit.experiment.links_of import links_of

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.experiment.plan_inside import AttendPlan

NO_RELATION = "; or ask for no relation (relations = [], --relation none)"


def check_attending(analysis: AttendPlan, corpus: Corpus) -> None:
    """Look for every link, relation, split and tree that an analysis needs.

    Raises DataError for what the corpus lacks, with the nearest name, ConfigError for what was asked wrongly.
    """
    from probekit.attention.gold_trees import gold_trees

    for name, places in analysis.links.items():
        links_of(corpus, name, places)
    _check_relations(analysis, corpus)
    _check_splits(analysis, corpus)
    splits = ("train",) * analysis.parser + ("dev", "test") * (analysis.trees or analysis.parser)
    for split in splits:
        gold_trees(corpus, split)


def _check_relations(analysis: AttendPlan, corpus: Corpus) -> None:
    from probekit.attention.links import check_splits, frequent_relations, relations_links

    if not analysis.relations:
        return
    if not {"relations", "min_arcs"} & analysis.model_fields_set:
        return  # nobody asked: where none is frequent that part fails by itself, and the rest of a run goes on
    if analysis.relations != "frequent":
        relations_links(corpus, analysis.relations, analysis.directions)
        return
    try:
        check_splits(corpus, "dev", "test")
        frequent_relations(corpus, "dev", analysis.min_arcs)
    except (ConfigError, DataError) as problem:
        raise type(problem)(f"{problem}{NO_RELATION}") from problem


def _check_splits(analysis: AttendPlan, corpus: Corpus) -> None:
    from probekit.attention.links import check_splits

    if analysis.relations or analysis.links:
        check_splits(corpus, "dev", "test")
