"""The nearest neighbours of a word in context among all words of a corpus, layer by layer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError, DataError
from probekit.geometry.occurrences import about_of, in_context, layers_of, rows_of
from probekit.geometry.stored import counted
from probekit.glossary import Layer, Progress, silent
from probekit.results.formats import format_count, format_score, slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.activations.activations import Activations
    from probekit.data.corpus import Corpus

Array = NDArray[Any]

STAGE = "neighbours (layers)"
AMONG = ("all", "same form", "other forms")
AROUND = 6


@dataclass(frozen=True)
class Neighbour:
    """One neighbour: its sentence and word number (from 0), its cosine, and the word as written."""

    sentence: int
    word: int
    cosine: float
    form: str


@dataclass(frozen=True, eq=False, repr=False)
class LayerNeighbours:
    """The nearest words of one layer, nearest first; ``mean`` is the cosine of an average candidate, and ``reason``
    says why there are none."""

    layer: Layer
    nearest: tuple[Neighbour, ...]
    mean: float
    reason: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Neighbours:
    """The neighbours of one occurrence at every layer.

    ``candidates``: words that were compared; ``same_share``: the share of them that are written like the occurrence.
    """

    corpus: Corpus
    sentence: int
    word: int
    layers: tuple[LayerNeighbours, ...]
    candidates: int
    same_share: float
    among: str
    about: About = field(default_factory=About)

    @property
    def form(self) -> str:
        """The word as written."""
        return self.corpus[self.sentence].words[self.word]

    def text(self, neighbour: Neighbour | None = None, *, around: int = 0) -> str:
        """The sentence of a neighbour, or of the occurrence itself, with the word in brackets."""
        sentence, word = (
            (self.sentence, self.word) if neighbour is None else (neighbour.sentence, neighbour.word)
        )
        return in_context(self.corpus[sentence].words, word, around=around)

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """The cosine of every neighbour, of an average candidate, and the share of neighbours of the same form beside
        that of all candidates."""
        found = []

        def row(layer: Layer, metric: str, value: float | None, n: int, **more: Any) -> None:
            found.append(Measurement(
                metric=metric, value=value, layer=layer, split="", n=n, method=f"cosine, among {self.among}",
                **(vars(self.about) | more),
            ))  # fmt: skip

        for one in self.layers:
            if one.reason:
                row(one.layer, "cosine", None, 0, reason=one.reason)
                continue
            for rank, near in enumerate(one.nearest, 1):
                place = f"{self.corpus[near.sentence].id}:{near.word + 1}"
                row(one.layer, "cosine", near.cosine, 1, group=f"rank={rank}, word={place}")
            row(one.layer, "cosine", one.mean, self.candidates, control="any-candidate")
            if self.among == "all":
                same = [near.form.lower() == self.form.lower() for near in one.nearest]
                row(one.layer, "same_form_neighbours", float(np.mean(same)), len(same))
                row(
                    one.layer,
                    "same_form_neighbours",
                    self.same_share,
                    self.candidates,
                    control="any-candidate",
                )
        return tuple(found)

    def listing(self) -> pandas.DataFrame:
        """One line per neighbour: layer, rank, cosine, and the sentence with the word marked."""
        import pandas

        return pandas.DataFrame(
            [
                {
                    "layer": one.layer, "rank": rank, "cosine": near.cosine, "word": near.form,
                    "sentence": self.text(near), "id": self.corpus[near.sentence].id,
                }
                for one in self.layers
                for rank, near in enumerate(one.nearest, 1)
            ],
            columns=["layer", "rank", "cosine", "word", "sentence", "id"],
        )  # fmt: skip

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """What was compared, and how many neighbours at the first and last layer are the same word form."""
        said = (
            f"{self.text(around=AROUND)}: compared with {counted(self.candidates, 'word')} of other sentences"
        )
        known = [one for one in self.layers if one.nearest]
        if not known:
            return f"{said}; no layer has neighbours ({self.layers[0].reason})."
        parts = []
        for one in dict.fromkeys((known[0], known[-1])):
            same = sum(near.form.lower() == self.form.lower() for near in one.nearest)
            parts.append(
                f"layer {one.layer}: cosine {format_score(one.nearest[0].cosine)} (an average word "
                f"{format_score(one.mean)}), {same} of {len(one.nearest)} nearest are written alike"
            )
        return f"{said}; {'; '.join(parts)}."

    @property
    def panels(self) -> list[Panel]:
        """The summary, and a table of the neighbours with their sentences."""
        name = slug("neighbours", self.about.model or "model", self.form)
        rows = [
            [one.layer, rank, near.cosine, self.text(near, around=AROUND)]
            for one in self.layers
            for rank, near in enumerate(one.nearest, 1)
        ]
        rows += [[one.layer, None, None, one.reason] for one in self.layers if one.reason]
        return [
            Panel("sentence", f"{name}-sentence", "In a sentence", labels={"text": self.summary}),
            Panel(
                "table", name, f"Nearest neighbours of {self.form!r}",
                f"{self.text()} Nearest by cosine among {format_count(self.candidates)} words ({self.among}) whose "
                "sentences have another text.",
                labels={"columns": ["layer", "rank", "cosine", "neighbour"], "rows": rows,
                        "formats": ["text", "int", "score", "text"]},
            ),
        ]  # fmt: skip

    def _repr_html_(self) -> str:
        from probekit.results.html import escape

        cells = "".join(
            f"<tr><td>{escape(one.layer)}</td><td>{rank}</td><td>{near.cosine:.3f}</td>"
            f"<td>{_marked(self, near)}</td></tr>"
            for one in self.layers
            for rank, near in enumerate(one.nearest, 1)
        )
        head = "<tr><th>layer</th><th>rank</th><th>cosine</th><th>neighbour</th></tr>"
        return f"<p>{escape(self.summary)}</p><table>{head}{cells}</table>"

    def __repr__(self) -> str:
        return f"<Neighbours of {self.text(around=3)!r}: {len(self.layers)} layers, {self.candidates:,} candidates>"


def neighbours(
    acts: Activations,
    occurrence: str,
    *,
    k: int = 5,
    layers: str | int | Iterable[int | str] = "all",
    among: str = "all",
    about: About | None = None,
    progress: Progress = silent,
) -> Neighbours:
    """The `k` words of the corpus whose vectors have the highest cosine with that of one occurrence, per layer.

    `occurrence` is ``"sentence id:word"`` (word from 1, as in `Units.ids`). Candidates are the words of all sentences
    whose text is another one: ``all``, the ``same form`` (written alike but for capitals) or ``other forms``. The mean
    cosine of all candidates stands beside, since in many models any two words are near. Of equal cosines the first in
    the corpus counts as nearer. Memory does not grow with the corpus. The table of Peters et al. 2018 (ELMo), arXiv
    1802.05365.

    Raises ConfigError (no such sentence or word, k, among), DataError (the word has no vector; nothing to compare).

    >>> corpus = pk.generate_corpus(20, 5, 5)
    >>> acts = pk.extract(pk.load_model("demo:minilm"), corpus)
    >>> found = pk.neighbours(acts, f"{corpus[0].id}:2", k=3, layers=[0, 6])
    >>> found.listing().shape
    (6, 6)
    """
    if among not in AMONG or isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ConfigError(
            f"k must be a whole number from 1 on and among one of {AMONG}; got {k!r} and {among!r}"
        )
    corpus = acts.corpus
    if corpus is None or acts.recipe["unit"] != "word":
        raise ConfigError("neighbours need one row per word and their corpus; extract with unit='word'")
    chosen = layers_of(acts, layers)
    sentence, word = _find(corpus, occurrence)
    own = int(rows_of(acts, np.array([sentence]), np.array([word]))[0])
    if own < 0:
        raise DataError(f"{occurrence!r} ({corpus[sentence].words[word]!r}) has no vector: it was left out")
    form = corpus[sentence].words[word].lower()
    other_text = np.array([s.text != corpus[sentence].text for s in corpus], dtype=bool)
    allowed = other_text[acts.index.sentence]
    alike = np.zeros(acts.n_rows, dtype=bool)
    rows = np.flatnonzero(allowed)
    places = zip(acts.index.sentence[rows].tolist(), acts.index.number[rows].tolist(), strict=True)
    alike[rows] = [corpus.sentences[s].words[w].lower() == form for s, w in places]
    same_share = float(alike.sum() / max(1, len(rows)))
    if among != "all":
        allowed &= alike if among == "same form" else ~alike
    if not allowed.any():
        raise DataError(
            f"{occurrence!r} ({corpus[sentence].words[word]!r}): no word to compare it with ({among}) stands in a "
            "sentence of another text; one occurrence has no neighbours"
        )
    order = np.lexsort((acts.index.number, acts.index.sentence))  # places in the corpus, to settle ties
    place = np.empty(acts.n_rows, dtype=np.int64)
    place[order] = np.arange(acts.n_rows)
    found = []
    for i, layer in enumerate(chosen):
        progress(STAGE, i, len(chosen))
        found.append(_of_layer(acts, corpus, layer, own, allowed, place, k))
    progress(STAGE, len(chosen), len(chosen))
    return Neighbours(
        corpus=corpus, sentence=sentence, word=word, layers=tuple(found), candidates=int(allowed.sum()),
        same_share=same_share, among=among, about=about or about_of(acts, f"what is near {occurrence}"),
    )  # fmt: skip


def _of_layer(
    acts: Activations, corpus: Corpus, layer: Layer, own: int, allowed: Array, place: Array, k: int
) -> LayerNeighbours:
    vector = acts.gather(layer, [own])[0].astype(np.float64)
    length = float(np.linalg.norm(vector))
    if length == 0:
        return LayerNeighbours(layer, (), np.nan, "the vector of the occurrence is 0")
    best = np.zeros(0)
    rows = np.zeros(0, dtype=np.int64)
    total, count, start = 0.0, 0, 0
    low, high = np.inf, -np.inf
    for block in acts.iter_rows(layer):
        here = start + np.flatnonzero(allowed[start : start + len(block)])
        start += len(block)
        lengths = np.linalg.norm(block, axis=1).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            cosine = np.clip(np.round((block @ vector.astype(np.float32)) / (lengths * length), 6), -1.0, 1.0)
        cosine = cosine[here - (start - len(block))]
        known = np.isfinite(cosine)
        here, cosine = here[known], cosine[known]
        if not len(here):
            continue
        total, count = total + float(cosine.sum()), count + len(cosine)
        low, high = min(low, float(cosine.min())), max(high, float(cosine.max()))
        rows, best = np.concatenate([rows, here]), np.concatenate([best, cosine])
        keep = np.lexsort((place[rows], -best))[:k]
        rows, best = rows[keep], best[keep]
    if not count:
        return LayerNeighbours(layer, (), np.nan, "the vectors of all candidates are 0")
    if high == low and count > 1:
        return LayerNeighbours(
            layer, (), high, f"all {format_count(count)} candidates are equally near ({high:.3f})"
        )
    nearest = []
    for row, cosine in zip(rows.tolist(), best.tolist(), strict=True):
        s, w = int(acts.index.sentence[row]), int(acts.index.number[row])
        nearest.append(Neighbour(s, w, float(cosine), corpus.sentences[s].words[w]))
    return LayerNeighbours(layer, tuple(nearest), total / count)


def _find(corpus: Corpus, occurrence: str) -> tuple[int, int]:
    """Number of the sentence and of the word (from 0)."""
    match = re.fullmatch(r"(.+):([1-9]\d*)", str(occurrence), re.DOTALL)
    if match is None:
        raise ConfigError(f"an occurrence is named 'sentence id:word', word from 1; got {occurrence!r}")
    sentence = corpus[match[1]]  # refuses an id that is not there
    word = int(match[2]) - 1
    if word >= len(sentence):
        raise ConfigError(f"{occurrence!r}: the sentence has {len(sentence)} words")
    return next(i for i, one in enumerate(corpus) if one.id == match[1]), word


def _marked(found: Neighbours, near: Neighbour) -> str:
    """The sentence of a neighbour as HTML, the word in bold."""
    from probekit.results.html import escape

    words = [str(escape(w)) for w in found.corpus[near.sentence].words]
    words[near.word] = f"<b>{words[near.word]}</b>"
    return " ".join(words)
