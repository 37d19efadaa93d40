"""A generated corpus for number agreement: attractors counted, combinations held out, n-gram cues under control."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import product

from probekit.data.agreement_frames import MOST_ATTRACTORS, Drawn, Frames, Numbers, frames, split_of, subjects
from probekit.data.corpus import Corpus
from probekit.data.grammar import LICENCE
from probekit.data.read_conllu import COLUMNS
from probekit.data.sentence import MISSING, Sentence
from probekit.data.splits import stable_hash
from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.glossary import SPLITS

NUMBERS = ("Sing", "Plur")
CUES = ("none", "spurious")
MOST_TRIES = 20_000

Cell = tuple[str, int]
"""A construction and a number of attractors."""


def generate_agreement(
    train: int = 20_000,
    dev: int = 1_000,
    test: int = 1_000,
    *,
    seed: int = 0,
    attractors: Sequence[int] = (0, 1, 2),
    constructions: Sequence[str] | Mapping[str, float] | None = None,
    cue: str = "none",
) -> Corpus:
    """Distinct sentences in which a word agrees with a subject past attractors, with upos, xpos, feats, lemma, head
    and deprel (UD v2), and attributes construction, attractors, number, subject and target (word numbers from 1),
    numbers (of subject and attractors), combination (lemmas of subject and predicate) and pair (the text with the
    one mistake).

    An attractor is a noun between subject and target (in a question: one that follows the subject in its phrase).
    `constructions` are names, drawn by their shares in the lexicon, or names with shares of your own. A pair of
    subject and predicate lemma belongs to one split by its hash, whatever the seed: no pair of a test sentence's
    `combination` is ever subject and predicate in train. In test all attractors differ in number from the subject. In
    train and dev, with cue "none", every pattern of numbers is equally frequent for each construction and number of
    attractors, so that the noun beside the verb says nothing; with "spurious" all attractors agree with the subject,
    so that it says everything, and wrongly so in test.

    The text is lower-case words between single spaces, the last mark too: words and pieces of any tokenizer that
    splits at spaces are the same. The same arguments give the same corpus on every machine; a split does not depend
    on the sizes of the others. Raises ConfigError for unknown names and impossible sizes, DataError where so many
    distinct sentences are not found. The design of the items: Linzen et al. 2016, Assessing the ability of LSTMs to
    learn syntax-sensitive dependencies; Marvin and Linzen 2018, Targeted syntactic evaluation.

    >>> corpus = generate_agreement(6, 2, 2, attractors=(2,), constructions=["pp"])
    >>> corpus.sizes, corpus[0].attributes["attractors"]
    ({'train': 6, 'dev': 2, 'test': 2}, '2')
    """
    sizes = dict(zip(SPLITS, (train, dev, test), strict=True))
    if min(sizes.values()) < 0 or not sum(sizes.values()):
        raise ConfigError(f"an agreement corpus of {train}/{dev}/{test} sentences cannot be generated")
    if cue not in CUES:
        raise ConfigError(f"unknown cue {cue!r}; {did_you_mean(str(cue), CUES)}")
    grammar = frames()
    cells = planned_cells(grammar, constructions, attractors)
    seen: set[tuple[str, ...]] = set()
    sentences: list[Sentence] = []
    for split, size in sizes.items():
        generator = random.Random(stable_hash("agreement", str(seed), split))
        decks = {cell: _Deck(number_patterns(cell[1], split, cue), generator) for cell in cells}
        for number in range(size):
            cell = _weighted(cells, generator)
            drawn = draw_new(grammar, cell[0], decks[cell].next(), split, generator, seen)
            sentences.append(as_sentence(grammar, drawn, f"{split}-{number + 1:05}", split))
    return Corpus(sentences, f"agreement-{cue}-{seed}", licence=LICENCE)


def planned_cells(
    grammar: Frames, constructions: Sequence[str] | Mapping[str, float] | None, attractors: Sequence[int]
) -> dict[Cell, float]:
    """(construction, attractors) -> share; ConfigError where a name is unknown or takes none of the numbers."""
    known = grammar.constructions
    if constructions is None:
        shares: dict[str, float] = {
            name: one.share for name, one in known.items() if _taken(grammar, name, attractors)
        }
    elif isinstance(constructions, Mapping):
        shares = dict(constructions)
    else:
        names = [constructions] if isinstance(constructions, str) else list(constructions)
        shares = {name: known[name].share if name in known else 1.0 for name in names}
    for name, share in shares.items():
        if name not in known:
            raise ConfigError(f"unknown construction {name!r}; {did_you_mean(str(name), known)}")
        if not 0 < share < float("inf"):
            raise ConfigError(f"the share of construction {name!r} must be above 0; got {share}")
    shares = {name: shares[name] for name in known if name in shares}  # in one order, whatever was given
    wanted = sorted(set(attractors))
    if not wanted or not all(isinstance(n, int) and 0 <= n <= MOST_ATTRACTORS for n in wanted):
        raise ConfigError(f"attractors are numbers from 0 to {MOST_ATTRACTORS}; got {list(attractors)}")
    cells: dict[Cell, float] = {}
    for name, share in shares.items():
        taken = _taken(grammar, name, wanted)
        if not taken:
            fewest = known[name].attractors
            hint = "has no attractors" if not known[name].links else f"has at least {fewest}"
            raise ConfigError(f"construction {name!r} {hint}; got attractors {wanted}")
        cells |= {(name, n): share / len(taken) for n in taken}
    if not cells:
        raise ConfigError(f"no construction has attractors {wanted}")
    return cells


def _taken(grammar: Frames, name: str, attractors: Sequence[int]) -> list[int]:
    """Which of the numbers of attractors a construction can have."""
    given = grammar.constructions[name]
    return [n for n in sorted(set(attractors)) if n >= given.attractors and (given.links or n == 0)]


def number_patterns(attractors: int, split: str, cue: str) -> list[Numbers]:
    """The numbers of subject and attractors that a split has, each to be equally frequent.

    >>> number_patterns(1, "train", "none")
    [('Sing', 'Sing'), ('Sing', 'Plur'), ('Plur', 'Sing'), ('Plur', 'Plur')]
    >>> number_patterns(2, "train", "spurious"), number_patterns(2, "test", "spurious")
    ([('Sing', 'Sing', 'Sing'), ('Plur', 'Plur', 'Plur')], [('Sing', 'Plur', 'Plur'), ('Plur', 'Sing', 'Sing')])
    """
    if split == "test":
        return [(one, *(other,) * attractors) for one, other in (NUMBERS, NUMBERS[::-1])]
    if cue == "spurious":
        return [(one,) * (attractors + 1) for one in NUMBERS]
    return list(product(NUMBERS, repeat=attractors + 1))


class _Deck:
    """Patterns in random order, all of them before any comes again."""

    def __init__(self, patterns: Sequence[Numbers], generator: random.Random) -> None:
        self._patterns, self._generator = patterns, generator
        self._left: list[Numbers] = []

    def next(self) -> Numbers:
        self._left = self._left or list(self._patterns)
        return self._left.pop(int(self._generator.random() * len(self._left)))


def _weighted(cells: dict[Cell, float], generator: random.Random) -> Cell:
    point = generator.random() * sum(cells.values())
    for cell, share in cells.items():
        point -= share
        if point < 0:
            return cell
    return next(reversed(cells))


def draw_new(
    grammar: Frames,
    name: str,
    numbers: Numbers,
    split: str,
    generator: random.Random,
    seen: set[tuple[str, ...]],
) -> Drawn:
    """A sentence whose words are not in `seen` (they are added) and whose combinations belong to the split."""
    for _ in range(MOST_TRIES):
        drawn = grammar.draw(name, numbers, generator, licensed=split == "test")
        if fits_split(drawn, split) and drawn.words not in seen:
            seen.add(drawn.words)
            return drawn
    raise DataError(
        f"no new {split} sentence of construction {name!r} with {len(numbers) - 1} attractors in {MOST_TRIES:,} tries,"
        f" after {len(seen):,} sentences; ask for fewer, or for more constructions or attractors"
    )


def fits_split(drawn: Drawn, split: str) -> bool:
    """Whether subject and predicate belong to the split; a train sentence has no pair of another split anywhere, a dev
    sentence none of test."""
    if split_of(*drawn.pair) != split:
        return False
    shunned = {"train": ("dev", "test"), "dev": ("test",)}.get(split, ())
    return not shunned or all(split_of(*pair) not in shunned for pair in subjects(drawn.nodes))


def as_sentence(grammar: Frames, drawn: Drawn, id: str, split: str) -> Sentence:
    """The drawn words with their annotation and attributes."""
    nodes, words = drawn.nodes, drawn.words
    blank = [MISSING] * len(nodes)
    columns = dict.fromkeys(COLUMNS, blank) | {
        "lemma": [node.leaf.lemma for node in nodes],
        "upos": [node.leaf.upos for node in nodes],
        "xpos": [node.leaf.xpos for node in nodes],
        "feats": [node.feats for node in nodes],
        "head": [str(node.head + 1) for node in nodes],
        "deprel": [node.deprel for node in nodes],
    }
    attributes = {
        "construction": drawn.construction,
        "attractors": str(len(drawn.numbers) - 1),
        "number": drawn.numbers[0],
        "numbers": " ".join(drawn.numbers),
        "subject": str(drawn.subject + 1),
        "target": str(drawn.target + 1),
        "combination": " ".join(drawn.pair),
        "pair": " ".join(grammar.ungrammatical(drawn)),
    }
    return Sentence.from_words(id, words, columns=columns, attributes=attributes, split=split)
