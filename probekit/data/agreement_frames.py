"""Sentences of the agreement grammar: drawn for a construction and a pattern of numbers, with target and pair."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

from probekit.data.catalogue import probes_folder
from probekit.data.grammar import Grammar, Leaf, Node
from probekit.data.splits import stable_hash
from probekit.errors import DataError

MOST_ATTRACTORS = 4
TENTHS = {"train": 7, "dev": 1, "test": 2}
"""Of ten pairs of subject and predicate, how many belong to each split."""

Pair = tuple[str, str]
Numbers = tuple[str, ...]
"""Sing or Plur, of a subject and of its attractors in order."""


@dataclass(frozen=True)
class Construction:
    """A frame: its first rule, how its attractors may be linked, its fewest attractors, its share of a corpus."""

    start: str
    links: str
    attractors: int
    share: float


@dataclass(frozen=True)
class Drawn:
    """A drawn sentence, with the places (from 0) of the subject's noun, of the agreeing word, and of the predicate.

    `numbers` are those of the subject and of its attractors, in order.
    """

    construction: str
    nodes: tuple[Node, ...]
    subject: int
    target: int
    predicate: int
    numbers: Numbers

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(node.leaf.form for node in self.nodes)

    @property
    def pair(self) -> Pair:
        """Lemmas of the subject and of the predicate."""
        return self.nodes[self.subject].leaf.lemma, self.nodes[self.predicate].leaf.lemma


class Frames:
    """The grammar and lexicon of `agreement.toml`, and what follows from them."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.constructions = {name: Construction(**given) for name, given in table["constructions"].items()}
        rules = {
            name: [one for text in texts for one in _written_out(text, table["alias"])]
            for name, texts in table["rules"].items()
        }
        self.grammar = Grammar({"start": "STATEMENT"} | dict(table) | {"rules": rules})
        self._subjects: dict[
            str, str
        ] = {}  # lemma -> kind of a noun, or of the subject that a predicate selects
        self._objects: dict[str, str] = {}  # lemma of a transitive verb -> kind of its object
        self._pools: dict[tuple[str, str], list[Leaf]] = {}  # (exchangeable class, xpos) -> forms
        self._class: dict[str, str] = {}
        for name, given in table["open"].items():
            exchangeable = "transitive" if name in table["selection"] else name
            kinds = given["words"] if isinstance(given["words"], Mapping) else {"": given["words"]}
            for word in self.grammar.words[name] if name != "kin" else []:
                lemma = word[0].leaf.lemma
                if lemma in self._class:
                    raise DataError(f"agreement grammar: {lemma!r} stands in two classes")
                self._class[lemma] = exchangeable
                for kind in kinds:
                    if any(entry.conditions and ("kind", kind) in entry.conditions for entry in word):
                        self._subjects[lemma] = kind
                if name in table["selection"]:
                    self._objects[lemma] = table["selection"][name]
                for entry in word:
                    self._pools.setdefault((exchangeable, entry.leaf.xpos), []).append(entry.leaf)
        self._other: dict[Leaf, Leaf] = {}
        for name in ("iv", "tv", "pv", "av"):
            for third, plural, *_ in self.grammar.words[name]:
                self._swap(third.leaf, plural.leaf)
        for name in ("be", "do"):
            (third,), (plural,) = self.grammar.words[name]
            self._swap(third.leaf, plural.leaf)
        (himself,), (herself,), (self._themselves,) = self.grammar.words["reflexive"]
        self._reflexives = {"Masc": himself.leaf, "Fem": herself.leaf}
        self._gender = {
            word[0].leaf.lemma: gender
            for gender in self._reflexives
            for word in self.grammar.words["kin"]
            if ("kind", gender) in word[0].conditions
        }

    def _swap(self, one: Leaf, other: Leaf) -> None:
        self._other[one], self._other[other] = other, one

    @property
    def vocabulary(self) -> list[str]:
        """Every form that a sentence may have, sorted."""
        return sorted({e.leaf.form for words in self.grammar.words.values() for word in words for e in word})

    def draw(
        self, name: str, numbers: Sequence[str], generator: random.Random, *, licensed: bool = False
    ) -> Drawn:
        """A sentence of a construction; `numbers` are those of the subject and of every attractor in order.

        With `licensed`, a polarity sentence has a polarity item. Nouns of the chain have different lemmas.
        """
        construction = self.constructions[name]
        attractors = len(numbers) - 1
        choices = links(construction.links, attractors)
        features = {"att": str(attractors), "num": numbers[0]}
        for place in range(MOST_ATTRACTORS):
            features[f"a{place + 1}"] = numbers[place + 1] if place < attractors else "Sing"
        start = "LICENSED" if licensed and name == "polarity" else construction.start
        while True:
            chosen = choices[int(generator.random() * len(choices))]
            for place in range(MOST_ATTRACTORS):
                key = f"l{place + 1}" if place else "link"
                features[key] = chosen[place] if place < attractors else "PP"
            nodes = tuple(self.grammar.phrase(start, features, generator))
            lemmas = [node.leaf.lemma for node in nodes if node.leaf.upos == "NOUN"]
            if len(set(lemmas)) == len(lemmas):
                return self._found(name, nodes, tuple(numbers))

    def _found(self, name: str, nodes: tuple[Node, ...], numbers: Numbers) -> Drawn:
        """The places of subject, target and predicate in a drawn tree."""
        root = next(i for i, node in enumerate(nodes) if node.head < 0)
        subject = next(i for i, node in enumerate(nodes) if (node.head, node.deprel) == (root, "nsubj"))
        helpers = (i for i, node in enumerate(nodes) if node.head == root and node.deprel in ("cop", "aux"))
        target, predicate = next(helpers, root), root
        if name == "coordination":
            target = next(i for i, node in enumerate(nodes) if (node.head, node.deprel) == (root, "conj"))
            predicate = target
        elif name == "reflexive":
            target = next(i for i, node in enumerate(nodes) if "Reflex=Yes" in node.feats)
        elif name == "polarity":
            items = [i for i, node in enumerate(nodes) if node.leaf.form in ("ever", "any")]
            target = items[0] if items else target
        return Drawn(name, nodes, subject, target, predicate, numbers)

    def ungrammatical(self, drawn: Drawn) -> tuple[str, ...]:
        """The words with the one mistake: the other form of the target, or the negative determiner out of reach.

        A polarity item loses its licenser: the subject's determiner becomes "the", and where an attractor stands
        between, the last one's becomes "no", as in *the boys near no king ever laugh*.
        """
        words = list(drawn.words)
        leaf = drawn.nodes[drawn.target].leaf
        if leaf.form in ("ever", "any"):
            words[self._determiner(drawn.nodes, drawn.subject)] = "the"
            between = [
                i for i in range(drawn.subject + 1, drawn.target) if drawn.nodes[i].leaf.upos == "NOUN"
            ]
            if between:
                words[self._determiner(drawn.nodes, between[-1])] = "no"
        elif "Reflex=Yes" in leaf.feats:
            gender = self._gender[drawn.nodes[drawn.subject].leaf.lemma]
            other = self._reflexives[gender] if "Number=Plur" in leaf.feats else self._themselves.leaf
            words[drawn.target] = other.form
        else:
            words[drawn.target] = self._other[leaf].form
        return tuple(words)

    def _determiner(self, nodes: tuple[Node, ...], noun: int) -> int:
        return next(i for i, node in enumerate(nodes) if node.head == noun and node.leaf.form in _DETERMINERS)

    def nonce(self, drawn: Drawn, generator: random.Random) -> Drawn:
        """The same tree and forms with other content words, such that no predicate selects its subject or object.

        A noun takes the place of a noun, an intransitive verb of an intransitive one, a transitive of a transitive
        one, an adjective of an adjective (Gulordava et al. 2018, Colorless green recurrent networks dream
        hierarchically, there without regard to transitivity). Since the grammar keeps selection, no corpus it
        draws has any of the combinations.
        """
        while True:
            nodes = tuple(self._exchanged(node, generator) for node in drawn.nodes)
            lemmas = [node.leaf.lemma for node in nodes if node.leaf.upos == "NOUN"]
            if len(set(lemmas)) < len(lemmas):
                continue
            if any(self._subjects[noun] == self._subjects[predicate] for noun, predicate in subjects(nodes)):
                continue
            if any(self._subjects[noun] == self._objects[verb] for noun, verb in objects(nodes)):
                continue
            return replace(drawn, nodes=nodes)

    def _exchanged(self, node: Node, generator: random.Random) -> Node:
        exchangeable = self._class.get(node.leaf.lemma)
        if exchangeable is None:
            return node
        pool = self._pools[exchangeable, node.leaf.xpos]
        leaf = node.leaf
        while leaf == node.leaf:
            leaf = pool[int(generator.random() * len(pool))]
        return replace(node, leaf=leaf)

    def selects(self, noun: str, predicate: str) -> bool:
        """Whether the predicate takes subjects of the noun's kind."""
        return self._subjects[noun] == self._subjects[predicate]


_DETERMINERS = ("the", "some", "every", "no", "few", "any")


@cache
def frames() -> Frames:
    """The frames of `agreement.toml`."""
    import tomllib

    return Frames(tomllib.loads((probes_folder() / "lexicons" / "agreement.toml").read_text("utf-8")))


@cache
def split_of(subject: str, predicate: str) -> str:
    """The split in which a subject lemma may be that of a predicate lemma: a hash of the two, the same for every seed.

    >>> split_of("boy", "laugh") == split_of("boy", "laugh")
    True
    """
    tenth = stable_hash("agreement", subject, predicate) % 10
    return "train" if tenth < TENTHS["train"] else "dev" if tenth < 10 - TENTHS["test"] else "test"


@cache
def links(kind: str, attractors: int) -> tuple[tuple[str, ...], ...]:
    """The ways in which so many attractors may be joined, one link each: PP, SRC (subject relative clause) or ORC.

    "SRC" and "ORC" begin with that clause and go on with prepositional phrases; "ANY" begins with any of the three;
    "MIXED" has two kinds of link, not in that order, or two relative clauses, one of them at most over an object.

    >>> links("SRC", 3), links("MIXED", 2)
    ((('SRC', 'PP', 'PP'),), (('PP', 'SRC'), ('PP', 'ORC'), ('SRC', 'SRC'), ('SRC', 'ORC'), ('ORC', 'SRC')))
    """
    if not attractors:
        return ((),)
    phrases = ("PP",) * (attractors - 1)
    if kind == "ANY":
        return tuple((first, *phrases) for first in ("PP", "PP", "SRC", "ORC"))
    if kind != "MIXED":
        return ((kind, *phrases),)
    every = product(("PP", "SRC", "ORC"), repeat=attractors)
    return tuple(
        one for one in every if set(one[1:]) != {"PP"} and set(one) != {"PP"} and one.count("ORC") < 2
    )


def subjects(nodes: Sequence[Node]) -> Iterator[Pair]:
    """(subject lemma, predicate lemma) of every predicate, through relative pronouns and coordination."""
    for place, node in enumerate(nodes):
        if node.deprel == "nsubj":
            yield _noun(nodes, place), nodes[node.head].leaf.lemma
        elif node.deprel == "conj":
            first = next(i for i, n in enumerate(nodes) if (n.head, n.deprel) == (node.head, "nsubj"))
            yield _noun(nodes, first), node.leaf.lemma


def objects(nodes: Sequence[Node]) -> Iterator[Pair]:
    """(object lemma, verb lemma) of every transitive verb, through relative pronouns; reflexives are left out."""
    for place, node in enumerate(nodes):
        if node.deprel == "obj" and "Reflex=Yes" not in node.feats:
            yield _noun(nodes, place), nodes[node.head].leaf.lemma


def _noun(nodes: Sequence[Node], place: int) -> str:
    """The lemma of a noun, or of the noun that a relative pronoun stands for."""
    relative = nodes[place].leaf.upos == "PRON"
    return nodes[nodes[nodes[place].head].head if relative else place].leaf.lemma


def _written_out(text: str, alias: Mapping[str, str]) -> Iterator[str]:
    """A rule with its aliases replaced; one with {k} once for each number of attractors."""
    for name, meaning in alias.items():
        text = text.replace(f"{{{name}}}", meaning)
    if "{k}" not in text:
        yield text
        return
    for k in range(1, MOST_ATTRACTORS + 1):
        yield text.replace("{k}", str(k)).replace("{j}", str(k - 1))
