"""Links between words of a sentence: from one word to another, or to any of several. A relation is a set of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.data.corpus import Corpus
from probekit.data.sentence import MISSING, Sentence
from probekit.errors import ConfigError, DataError, did_you_mean

Array = NDArray[Any]

ALL = "all"
DIRECTIONS = ("dependent", "head")
SPOKEN = {"dependent": "from the dependent to its head", "head": "from the head to a dependent"}


@dataclass(frozen=True, eq=False, repr=False)
class Links:
    """n links of one kind: word ``source`` of sentence ``sentence`` belongs to any of its target words.

    ``sentence``, ``source`` int64 [n] (numbers in the corpus and in the sentence, from 0); the targets of link i are
    the words ``target[start[i]:start[i + 1]]`` of its sentence, at least one, none of them the source. ``cluster``
    int64 [n] is what intervals resample, the sentence unless said. ``direction`` says which way a relation is
    followed, "" where a link has but one. Links of one source stand once.

    Raises DataError where these do not fit together.

    >>> from probekit.attention.links import Links
    >>> links = Links.of("subject", "", [(0, 2, [1]), (0, 4, [1])])
    >>> len(links), links.nearest.tolist()
    (2, [-1, -3])
    """

    name: str
    direction: str
    sentence: Array
    source: Array
    start: Array
    target: Array
    cluster: Array

    def __post_init__(self) -> None:
        n = len(self.sentence)
        if not (len(self.source) == len(self.cluster) == n == len(self.start) - 1):
            raise DataError(
                f"links {self.name!r}: {n} sentences, {len(self.source)} sources; one for each link"
            )
        if n and np.diff(self.start).min() < 1:
            raise DataError(f"links {self.name!r}: a link without a target; leave it out")
        if (self.target == self.source[self.owner]).any():
            raise DataError(f"links {self.name!r}: a word is linked to itself; leave such links out")

    @classmethod
    def of(
        cls,
        name: str,
        direction: str,
        links: Iterable[tuple[int, int, Sequence[int]]],
        cluster: Callable[[int], int] = lambda sentence: sentence,
    ) -> Links:
        """Links from (sentence, source word, target words), numbers from 0, in the order given."""
        found = list(links)
        sentence = np.array([one[0] for one in found], np.int64)
        return cls(
            name, direction, sentence, np.array([one[1] for one in found], np.int64),
            np.cumsum([0, *(len(one[2]) for one in found)]).astype(np.int64),
            np.array([word for one in found for word in one[2]], np.int64),
            np.array([cluster(one) for one in sentence.tolist()], np.int64),
        )  # fmt: skip

    @property
    def owner(self) -> Array:
        """int64 [n_targets]: the link that each target belongs to."""
        return np.repeat(np.arange(len(self.sentence)), np.diff(self.start))

    @property
    def nearest(self) -> Array:
        """int64 [n]: where the nearest target stands from the source, -1 for the word before; of two, the left."""
        offset = self.target - self.source[self.owner]
        order = np.lexsort((offset, np.abs(offset), self.owner))
        found: Array = offset[order[self.start[:-1]]]
        return found

    @property
    def n_clusters(self) -> int:
        """How many sentences (or other clusters) the links stand in."""
        return len(np.unique(self.cluster))

    @property
    def label(self) -> str:
        """Name and direction in one: "nsubj (from the dependent to its head)"."""
        return f"{self.name} ({SPOKEN.get(self.direction, self.direction)})" if self.direction else self.name

    def keep(self, links: Array, targets: Array | None = None) -> Links:
        """The links chosen by bool [n], with the targets chosen by bool [n_targets]; who loses all of them goes too."""
        wanted = np.ones(len(self.target), bool) if targets is None else np.asarray(targets, bool)
        sizes = np.bincount(self.owner[wanted], minlength=len(self))
        chosen = np.asarray(links, bool) & (sizes > 0)
        return Links(
            self.name, self.direction, self.sentence[chosen], self.source[chosen],
            np.concatenate([[0], np.cumsum(sizes[chosen])]).astype(np.int64),
            self.target[wanted & chosen[self.owner]], self.cluster[chosen],
        )  # fmt: skip

    def hits(self, position: Array) -> Array:
        """bool [..., n]: whether the word numbers int [..., n] are among each link's targets."""
        position = np.asarray(position)
        if len(self.target) == len(self.sentence):
            same: Array = position == self.target
            return same
        found = np.zeros(position.shape, bool)
        sizes = np.diff(self.start)
        for number in range(int(sizes.max(initial=0))):  # the k-th target of every link that has so many
            has = np.flatnonzero(sizes > number)
            found[..., has] |= position[..., has] == self.target[self.start[has] + number]
        return found

    def __len__(self) -> int:
        return len(self.sentence)

    def __repr__(self) -> str:
        return f"<Links {self.label}: {len(self):,} in {self.n_clusters:,} clusters>"


def relation_names(corpus: Corpus) -> Counter[str]:
    """How many words each relation of the corpus has; roots, which have no head, are not counted.

    Raises DataError where no sentence has heads and relations.
    """
    return Counter(name for _, _, _, name in _arcs(corpus))


def check_splits(corpus: Corpus, choose: str, report: str) -> tuple[str, str]:
    """The two splits. Raises ConfigError where they are one, DataError where the corpus lacks either."""
    if choose == report:
        raise ConfigError(f"heads chosen and reported in one split ({choose}) are flattered; name two splits")
    for split in (choose, report):
        if split not in corpus.sizes or not split:
            raise DataError(
                f"corpus {corpus.name!r} has no split {split!r}: heads are chosen in one and reported in another; "
                f"{did_you_mean(split, corpus.splits)}, or split it anew (`corpus.split_by`)"
            )
    return choose, report


def frequent_relations(corpus: Corpus, split: str, min_arcs: int) -> list[str]:
    """The relations with at least `min_arcs` words in a split. Raises DataError where there is none."""
    counts = relation_names(corpus.split(split))
    names = sorted(name for name, n in counts.items() if n >= min_arcs)
    if not names:
        most = max(counts.values(), default=0)
        raise DataError(
            f"corpus {corpus.name!r}: no relation has {min_arcs} words in {split} (at most {most}); lower min_arcs or "
            "name relations"
        )
    return names


def relation_links(corpus: Corpus, relation: str = ALL, direction: str = "dependent") -> Links:
    """The dependency arcs of one relation, or of ``"all"``, as links.

    Direction ``"dependent"``: a link for every dependent, to its head. ``"head"``: one for every head that has
    dependents by the relation, to any of them. Roots have no head and are no links. Relations are compared as they are
    written: ``nsubj`` does not stand for ``nsubj:pass``.

    Raises ConfigError for an unknown direction, DataError for a corpus without heads or without the relation.

    >>> corpus = pk.generate_corpus(4, 2, 2)
    >>> from probekit.attention.links import relation_links
    >>> relation_links(corpus, "det", "head").direction
    'head'
    """
    (found,) = relations_links(corpus, [relation], [direction])
    return found


def relations_links(
    corpus: Corpus, relations: Sequence[str], directions: Sequence[str] = DIRECTIONS
) -> list[Links]:
    """The links of several relations in several directions, relation by relation; raises as `relation_links`."""
    for direction in directions:
        if direction not in DIRECTIONS:
            raise ConfigError(f"no direction {direction!r}; {did_you_mean(str(direction), DIRECTIONS)}")
    by_name: dict[str, list[tuple[int, int, int]]] = {}
    for sentence, word, head, name in _arcs(corpus):
        by_name.setdefault(name, []).append((sentence, word, head))
    if ALL in relations:
        by_name[ALL] = sorted(arc for arcs in by_name.values() for arc in arcs)
    for relation in relations:
        if relation not in by_name:
            hint = did_you_mean(relation, by_name)
            raise DataError(f"corpus {corpus.name!r} has no relation {relation!r}; {hint}")
    return [
        _links(relation, direction, by_name[relation]) for relation in relations for direction in directions
    ]


def _links(relation: str, direction: str, arcs: Sequence[tuple[int, int, int]]) -> Links:
    if direction == "dependent":
        return Links.of(relation, direction, ((sentence, word, [head]) for sentence, word, head in arcs))
    by_head: dict[tuple[int, int], list[int]] = {}
    for sentence, word, head in arcs:
        by_head.setdefault((sentence, head), []).append(word)
    return Links.of(relation, direction, ((*key, words) for key, words in sorted(by_head.items())))


def attribute_links(
    corpus: Corpus, source: str, target: str, *, name: str = "", cluster: str = "sentence"
) -> Links:
    """A link in each sentence from the word that an attribute numbers to any of those that another numbers.

    Attributes hold word numbers from 1, several apart by spaces; sentences that lack either have no link. With
    ``cluster="document"`` intervals resample documents. In a corpus of `generate_agreement`, ``source="target",
    target="subject"`` links the agreeing word to its subject; in one of `read_dpr`, ``source="pronoun",
    target="answer"`` a pronoun to what it stands for.

    Raises ConfigError (clusters), DataError (no such attribute, no such word, a word linked to itself).

    >>> corpus = pk.generate_agreement(6, 2, 2)
    >>> links = pk.attribute_links(corpus, "target", "subject", name="agreement")
    >>> len(links), corpus[0].words[links.source[0]] != corpus[0].words[links.target[0]]
    (10, True)
    """
    if cluster not in ("sentence", "document"):
        raise ConfigError(f"clusters of links are 'sentence' or 'document'; got {cluster!r}")
    for attribute in (source, target):
        if attribute not in corpus.attributes:
            hint = did_you_mean(attribute, corpus.attributes)
            raise DataError(f"corpus {corpus.name!r} has no attribute {attribute!r}; {hint}")
    found = []
    for number, sentence in enumerate(corpus):
        if source not in sentence.attributes or target not in sentence.attributes:
            continue
        sources, targets = (_numbered(sentence, attribute) for attribute in (source, target))
        if len(sources) != 1 or not targets or sources[0] in targets:
            raise DataError(
                f"{sentence.location}: a link leads from one word to others; got {source} = "
                f"{sentence.attributes[source]!r}, {target} = {sentence.attributes[target]!r}"
            )
        found.append((number, sources[0], targets))
    documents: dict[str, int] = {}
    groups = [
        documents.setdefault(one.document or one.id, len(documents)) if cluster == "document" else number
        for number, one in enumerate(corpus)
    ]
    return Links.of(name or f"{source}-{target}", "", found, groups.__getitem__)


def _numbered(sentence: Sentence, attribute: str) -> list[int]:
    """The word numbers, from 0, that an attribute holds."""
    text = sentence.attributes[attribute]
    numbers = [int(part) - 1 if part.isascii() and part.isdigit() else -1 for part in text.split()]
    if any(not 0 <= number < len(sentence) for number in numbers):
        raise DataError(
            f"{sentence.location}: attribute {attribute!r} must hold word numbers from 1 to {len(sentence)}; "
            f"got {text!r}"
        )
    return sorted(set(numbers))


def _arcs(corpus: Corpus) -> list[tuple[int, int, int, str]]:
    """(sentence, dependent, head, relation) of every word that has a head among the words, numbers from 0."""
    for column in ("head", "deprel"):
        if column not in corpus.columns:
            raise DataError(
                f"corpus {corpus.name!r} has no column {column!r}; heads are compared with parsed sentences, as in "
                "CoNLL-U (`pk.read_conllu`)"
            )
    found = []
    for number, sentence in enumerate(corpus):
        if "head" not in sentence.columns or "deprel" not in sentence.columns:
            continue
        columns = sentence.columns
        for word, (head, name) in enumerate(zip(columns["head"], columns["deprel"], strict=True)):
            if head in ("0", MISSING) or name == MISSING:
                continue
            at = int(head) - 1 if head.isascii() and head.isdigit() else -1
            if not 0 <= at < len(sentence) or at == word:
                raise DataError(
                    f"{sentence.location}: word {word + 1} has the head {head!r}; a head is the number of another "
                    f"word, from 1 to {len(sentence)}, or 0"
                )
            found.append((number, word, at, name))
    return found
