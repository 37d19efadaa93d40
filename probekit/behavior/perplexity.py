"""How surprising a text is to a model: perplexity per piece and per word, bits per character, of every sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.data.corpus import Corpus
from probekit.errors import ConfigError, DataError
from probekit.glossary import ModelKind, Progress, silent
from probekit.maths.resampling import cluster_bootstrap, describe_interval
from probekit.models.model import Model
from probekit.models.scoring import Ask, Scorer, make_scorer
from probekit.models.scoring.masked import Pll
from probekit.models.scoring.pieces import BosRule
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]

METRICS = {
    "bits_per_piece": ("n_pieces", False),
    "perplexity_per_piece": ("n_pieces", True),
    "perplexity_per_word": ("n_words", True),
    "bits_per_character": ("n_characters", False),
}
"""Metrics, what bits are divided by, and whether 2 is raised to the quotient."""
NAMED = 5
"""How many sentences are named for each reason to leave out."""


@dataclass(frozen=True, eq=False, repr=False)
class Perplexity:
    """What every sentence cost a model in bits, and what follows for all of them.

    Attributes
    ----------
    bits : float64 (sentences,): -log2 p of each sentence, NaN where it is left out
    n_pieces, n_words, n_characters : int64 (sentences,): pieces that were scored; words and characters of the text
    reasons : why each sentence was left out, "" for one that was scored
    ids : how sentences are named
    pseudo : whether bits are those of pseudo-log-likelihoods, of a masked model; every metric then says so
    """

    name: str
    rule: str
    pseudo: bool
    ids: tuple[str, ...]
    bits: Array
    n_pieces: Array
    n_words: Array
    n_characters: Array
    reasons: tuple[str, ...]
    corpus: str = ""
    split: str = ""
    model_kind: ModelKind = "pretrained"
    resamples: int = 1000

    @property
    def per_piece(self) -> float | None:
        """2 to the bits per piece; models with other pieces cannot be compared by it. None where none was scored."""
        return self._value("perplexity_per_piece")

    @property
    def per_word(self) -> float | None:
        """2 to the bits per word."""
        return self._value("perplexity_per_word")

    @property
    def bits_per_character(self) -> float | None:
        """Bits by characters of the text, spaces among them: comparable between tokenizers."""
        return self._value("bits_per_character")

    @property
    def left_out(self) -> dict[str, int]:
        """How many sentences were left out, by reason."""
        return dict(sorted(Counter(reason for reason in self.reasons if reason).items()))

    @property
    def left_out_examples(self) -> dict[str, tuple[str, ...]]:
        """The first five of them, by reason."""
        found: dict[str, list[str]] = {reason: [] for reason in self.left_out}
        for name, reason in zip(self.ids, self.reasons, strict=True):
            if reason and len(found[reason]) < NAMED:
                found[reason].append(name)
        return {reason: tuple(names) for reason, names in found.items()}

    @cached_property
    def rows(self) -> list[Measurement]:
        """Each metric over all sentences, with its interval over sentences; then what was left out, by reason."""
        scored = ~np.isnan(self.bits)
        base = Measurement(
            metric="", corpus=self.corpus, split=self.split, model=self.name, model_kind=self.model_kind, site="",
            method=self.rule, unit="sentence", n=int(scored.sum()), n_left_out=int((~scored).sum()),
            reason="no sentence was scored",
        )  # fmt: skip
        rows = []
        for metric, (per, raised) in METRICS.items():
            row = replace(base, metric=f"pseudo_{metric}" if self.pseudo else metric)
            sums = np.stack([self.bits[scored], getattr(self, per)[scored]], axis=1)
            if sums[:, 1].sum() > 0:
                value, low, high = cluster_bootstrap(
                    sums, partial(quotient, raised=raised), resamples=self.resamples
                )
                made = describe_interval(self.resamples) if np.isfinite(low) else ""
                row = replace(
                    row, value=float(value), low=float(low), high=float(high), interval=made, reason=""
                )
            rows.append(row)
        left_out = [
            replace(base, metric="left_out", group=f"reason={reason}", value=n, n_left_out=n, reason="")
            for reason, n in self.left_out.items()
        ]
        return rows + left_out

    @property
    def summary(self) -> str:
        """What a paper would write, with the rule of scoring."""
        n = f"{int((~np.isnan(self.bits)).sum()):,} sentences"
        if self.per_piece is None:
            return (
                f"{self.name}: no sentence of {len(self.ids):,} could be scored ({self._spoken_left_out()})."
            )
        by_name = {row.metric.removeprefix("pseudo_"): row for row in self.rows}
        what = "pseudo-perplexity" if self.pseudo else "perplexity"
        text = (
            f"{self.name} over {n}{f' of {self.corpus}' if self.corpus else ''}: {what} "
            f"{bounded(by_name['perplexity_per_piece'])} per piece, {bounded(by_name['perplexity_per_word'])} per "
            f"word, {bounded(by_name['bits_per_character'])} bits per character. "
        )
        if self.left_out:
            text += f"Left out: {self._spoken_left_out()}. "
        return f"{text}Scoring: {self.rule}."

    @property
    def panels(self) -> list[Panel]:
        """The summary as a sentence, and a table of every metric: what `pk.write_report` shows."""
        name = (
            re.sub(r"[^a-z0-9.]+", "-", f"{self.name[-40:]}-{self.corpus[-40:]}".lower()).strip("-.") or "x"
        )
        cells = [
            [row.metric.replace("_", " "), bounded(row), row.n, row.n_left_out, row.reason]
            for row in self.rows
            if row.metric != "left_out"
        ]
        labels = {
            "columns": ["metric", "value [95 %]", "sentences", "left out", "why none"],
            "formats": ["text", "text", "int", "int", "text"],
            "rows": cells,
        }
        what = "Pseudo-perplexity" if self.pseudo else "Perplexity"
        caption = f"{self.rule}. Intervals: {describe_interval(self.resamples)}."
        return [
            Panel("sentence", f"{name}-perplexity-summary", "In a sentence", labels={"text": self.summary}),
            Panel("table", f"{name}-perplexity", f"{what} of {self.name}", caption, labels=labels),
        ]

    def sentences(self) -> pandas.DataFrame:
        """A row per sentence: id, bits, pieces, words, characters, why it was left out."""
        import pandas

        columns = ("bits", "n_pieces", "n_words", "n_characters")
        return pandas.DataFrame(
            {"id": self.ids, **{name: getattr(self, name) for name in columns}, "left_out": self.reasons}
        )

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        return tidy(self.rows)

    def __repr__(self) -> str:
        what = "Pseudo-perplexity" if self.pseudo else "Perplexity"
        shown = "none scored" if self.per_piece is None else f"{self.per_piece:,.2f} per piece"
        return f"<{what} of {self.name} over {len(self.ids):,} sentences: {shown}>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape

        return f"<p>{escape(self.summary)}</p>"

    def _value(self, metric: str) -> float | None:
        scored = ~np.isnan(self.bits)
        per, raised = METRICS[metric]
        total = np.array([self.bits[scored].sum(), getattr(self, per)[scored].sum()])
        return float(quotient(total, raised)) if total[1] else None

    def _spoken_left_out(self) -> str:
        return ", ".join(f"{n:,} {reason}" for reason, n in self.left_out.items()) or "none"


def perplexity(
    model: Model | Scorer,
    texts: Sequence[str] | Corpus,
    *,
    sources: Sequence[str] | None = None,
    split: str = "",
    bos: BosRule = "auto",
    pll: Pll = "within_word_l2r",
    pieces_per_batch: int | None = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> Perplexity:
    """The perplexity of texts, or of the sentences of a corpus, to a language model or any scorer.

    Perplexity is 2 to the power of bits / pieces (or words), over all sentences together; each sentence is read by
    itself. A masked model has a pseudo-perplexity (Salazar et al. 2020), which is lower by its nature: it sees both
    sides. An encoder-decoder scores with its decoder, given `sources`. Words are those of the corpus, or what white
    space separates. A first piece without context (``bos="without"``) adds no bits, its word and characters count.
    Sentences that are too long or have unknown pieces are left out and counted.

    Parameters
    ----------
    texts : a list of texts, or a corpus; of a corpus `split` names the part, "" all of it
    sources : what the encoder of an encoder-decoder reads, one for each text; nothing where not given
    bos, pll, pieces_per_batch : see `make_scorer`; for a model, not for a scorer
    resamples : how many times sentences are drawn for the intervals

    Raises
    ------
    DataError
        where there is no text, or there are more or fewer sources than texts.
    ConfigError
        where one text is given in place of a list, or a split of something that has none.

    Examples
    --------
    >>> from probekit.models.ngram import NgramScorer, fit_ngram
    >>> model = pk.load_model("demo:minilm")
    >>> pairs = NgramScorer(model, fit_ngram(model, ["the keys are here", "the dogs bark"], order=2))
    >>> perplexity(pairs, ["the keys bark", "the dogs are here"])
    <Perplexity of 2-gram over 2 sentences: 4.58 per piece>
    """
    found, ids, n_words, corpus = named_texts(texts, split)
    if sources is not None and len(sources) != len(found):
        raise DataError(f"{len(sources)} sources for {len(found)} texts; give one for each")
    scorer: Scorer = (
        make_scorer(model, bos=bos, pll=pll, pieces_per_batch=pieces_per_batch)
        if isinstance(model, Model)
        else model
    )
    given = [""] * len(found) if sources is None else sources
    groups = [[Ask(text, ((0, len(text)),), source)] for text, source in zip(found, given, strict=True)]
    answers = [answer for (answer,) in scorer.score(groups, progress=progress)]
    return Perplexity(
        name=scorer.name,
        rule=scorer.rule,
        pseudo=scorer.kind == "masked",
        ids=tuple(ids),
        bits=np.array([answer.bits[0] for answer in answers], dtype=np.float64),
        n_pieces=np.array([answer.n_pieces[0] for answer in answers], dtype=np.int64),
        n_words=np.array(n_words, dtype=np.int64),
        n_characters=np.array([len(text) for text in found], dtype=np.int64),
        reasons=tuple(answer.left_out for answer in answers),
        corpus=corpus,
        split=split,
        model_kind=model.kind if isinstance(model, Model) else "pretrained",
        resamples=resamples,
    )


def named_texts(texts: Sequence[str] | Corpus, split: str) -> tuple[list[str], list[str], list[int], str]:
    """Texts, their names, how many words each has, and the name of the corpus. Raises as `perplexity`."""
    if isinstance(texts, str):
        raise ConfigError("texts must be a list of texts, not one text; write [text]")
    if isinstance(texts, Corpus):
        chosen = [one for one in texts if split in ("", one.split)]
        if not chosen:
            where = f"no sentence in split {split!r}; it has {texts.sizes}" if split else "no sentence"
            raise DataError(f"corpus {texts.name!r} has {where}")
        return [s.text for s in chosen], [s.id for s in chosen], [len(s.words) for s in chosen], texts.name
    if split:
        raise ConfigError(f"split={split!r} is for a corpus; a list of texts has no splits, so leave it out")
    found = list(texts)
    if not found:
        raise DataError("at least one text is needed; the list is empty")
    return found, [str(number) for number in range(1, len(found) + 1)], [len(t.split()) for t in found], ""


def quotient(total: Array, raised: bool) -> Array:
    """Bits by units of float64[..., 2], or 2 to that power; NaN where there is no unit."""
    with np.errstate(divide="ignore", invalid="ignore"):
        each: Array = np.where(total[..., 1] > 0, total[..., 0] / total[..., 1], np.nan)
    return np.exp2(each) if raised else each


def bounded(row: Measurement) -> str:
    """A value with its bounds, to four figures."""
    if row.value is None:
        return "not defined"
    text = f"{row.value:,.4g}"
    return text if row.low is None or row.high is None else f"{text} [{row.low:,.4g}, {row.high:,.4g}]"
