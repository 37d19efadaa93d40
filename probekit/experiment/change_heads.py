"""Heads against dependency relations in several versions of one model: which links every head follows in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.attention.links import Links, check_splits, relations_links
from probekit.attention.most_attended import most_attended
from probekit.attention.offsets import best_offset, offset_hits
from probekit.data.corpus import Corpus
from probekit.errors import DataError
from probekit.glossary import Progress, silent

if TYPE_CHECKING:
    from probekit.models.model import Model

Array = NDArray[Any]
OFFSETS = tuple(range(-10, 11))
FEWEST = 2
"""Sentences that a relation must occur in, in either split."""


@dataclass(frozen=True, eq=False)
class HeadHits:
    """What every head of one version of a model follows.

    ``sets`` [(relation, direction)]; ``place`` [(layer, head)]; for set k ``dev[k]`` float64 [heads], the share of dev
    links that each follows, ``test[k]`` bool [heads, n], the test links, ``cluster[k]`` int64 [n] their sentences;
    ``offset[k]`` bool [n], what the fixed offset that is best in dev gets right.
    """

    sets: tuple[tuple[str, str], ...]
    place: tuple[tuple[str, int], ...]
    dev: tuple[Array, ...]
    test: tuple[Array, ...]
    cluster: tuple[Array, ...]
    offset: tuple[Array, ...]

    def chosen(self, k: int) -> int:
        """The number of the head that follows most dev links of a set; of equals the first."""
        return int(self.dev[k].argmax())

    def arrays(self) -> dict[str, Array]:
        """All arrays, for a file."""
        named: dict[str, Array] = {}
        for name in ("dev", "test", "cluster", "offset"):
            for k, array in enumerate(getattr(self, name)):
                named[f"{name}.{k}"] = array.astype(np.uint8) if array.dtype == bool else array
        return named

    def words(self) -> dict[str, Any]:
        """What arrays cannot hold."""
        return {"sets": self.sets, "place": self.place}

    @classmethod
    def restore(cls, arrays: dict[str, Array], words: dict[str, Any]) -> HeadHits:
        """Back from `arrays` and `words`."""
        n = len(words["sets"])

        def several(name: str, dtype: Any) -> tuple[Array, ...]:
            return tuple(arrays[f"{name}.{k}"].astype(dtype) for k in range(n))

        return cls(
            tuple((str(one[0]), str(one[1])) for one in words["sets"]),
            tuple((str(one[0]), int(one[1])) for one in words["place"]),
            several("dev", np.float64), several("test", bool), several("cluster", np.int64), several("offset", bool),
        )  # fmt: skip


def head_hits(
    model: Model,
    corpus: Corpus,
    relations: Sequence[str],
    directions: Sequence[str],
    *,
    text_form: str | None = None,
    progress: Progress = silent,
) -> HeadHits:
    """Read dev and test once and note which links each head of every layer follows, as `pk.align_heads` has it.

    Raises DataError for a relation that dev or test lack.
    """
    splits = check_splits(corpus, "dev", "test")
    check_relations(corpus, relations)
    kept = [sentence for sentence in corpus if sentence.split in splits]
    part = Corpus(kept, corpus.name, corpus.files, corpus.licence, corpus.text_form)
    links = relations_links(part, relations, directions)
    split = np.array([sentence.split for sentence in part])
    most = most_attended(model, part, "all", text_form=text_form, progress=progress)
    dev, test, cluster, offset = [], [], [], []
    for one in links:
        there = one.keep(
            most.is_present(one.sentence, one.source),
            most.is_present(one.sentence[one.owner], one.target),
        )
        chosen, reported = (there.keep(split[there.sentence] == name) for name in splits)
        _some(one, chosen, reported)
        dev.append(chosen.hits(most.of(chosen.sentence, chosen.source)).mean(axis=1))
        test.append(reported.hits(most.of(reported.sentence, reported.source)))
        cluster.append(reported.cluster)
        offset.append(offset_hits(reported, best_offset(chosen, OFFSETS)))
    return HeadHits(
        tuple((one.name, one.direction) for one in links), most.place, tuple(dev), tuple(test), tuple(cluster),
        tuple(offset),
    )  # fmt: skip


def check_relations(corpus: Corpus, relations: Sequence[str]) -> None:
    """Raise DataError for a relation that dev or test lack, before a model is loaded."""
    for split in check_splits(corpus, "dev", "test") if relations else ():
        relations_links(corpus.split(split), relations, ("dependent",))


def _some(links: Links, chosen: Links, reported: Links) -> None:
    if min(chosen.n_clusters, reported.n_clusters) < FEWEST:
        raise DataError(
            f"{links.label} occurs in {chosen.n_clusters} sentences of dev and {reported.n_clusters} of test that "
            f"the model reads; {FEWEST} of each are needed: give more sentences, or leave it out"
        )
