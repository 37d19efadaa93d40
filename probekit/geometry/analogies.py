"""Analogies (a is to b as c is to d) by arithmetic on word vectors, beside what nearness alone answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.data.read_analogies import Analogy
from probekit.errors import DataError
from probekit.geometry.occurrences import EXACT
from probekit.geometry.stored import check_whole, counted
from probekit.geometry.word_vectors import WordVectors
from probekit.glossary import Progress, silent
from probekit.maths.analogy import RULES, answer
from probekit.maths.exact import all_or_none_interval
from probekit.maths.pairs import mean_draws
from probekit.maths.resampling import describe_interval, holm, percentile_interval
from probekit.maths.sign_flips import sign_flip_p
from probekit.results.formats import begin_large, format_count, format_interval, format_p, format_score, slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]

STAGE = "analogies (questions)"
CONTROLS = {"nearest to c": "only-c", "b + c": "no-offset", "opposite offset": "opposite-offset"}
AMONG = ("excluded", "included")
FEWEST = 10
"""Questions that a section needs to be scored by itself."""
ADD, ONLY = 0, 2


@dataclass(frozen=True, eq=False, repr=False)
class Analogies:
    """What each rule answered.

    Attributes
    ----------
    questions : int64 [n, 4], rows of a, b, c, d among the words
    section : int64 [n], which of `sections`; pair : int64 [n, 2], which word pair a:b and c:d are, what is resampled
    right : bool [rules, 2, n], with the words of the question excluded, and included
    instead : share of answers that are a, b, c when 3CosAdd may give them
    left_out : section -> reason -> questions that cannot be asked
    """

    vectors: WordVectors
    sections: tuple[str, ...]
    questions: Array
    section: Array
    pair: Array
    right: Array
    instead: Mapping[str, float]
    left_out: Mapping[str, Mapping[str, int]]
    resamples: int
    seed: int

    @property
    def about(self) -> About:
        """What every row says alike."""
        return self.vectors.about

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """Accuracy of every rule over all questions and in every section, excluded and included; 3CosAdd less the
        nearest word to c, with p by sign flips of answer pairs, Holm over sections; what is answered instead."""
        found = list(self._scores("all", np.arange(len(self.questions))))
        for word, share in self.instead.items():
            group = f"question words=included, answer={word}"
            found.append(
                self._row("answer_share", share, "all", group, len(self.questions), method="3CosAdd")
            )
        sections = [np.flatnonzero(self.section == i) for i in range(len(self.sections))]
        scored: list[int] = []
        gain = self.right[ADD, 0] * 1.0 - self.right[ONLY, 0]
        for i, own in enumerate(sections):
            if len(own) < FEWEST:
                reason = f"fewer than {FEWEST} questions can be asked"
                found.append(
                    self._row(
                        "accuracy", None, self.sections[i], "", len(own), method="3CosAdd", reason=reason
                    )
                )
                continue
            found += self._scores(self.sections[i], own)
            scored.append(i)
        families = [
            ("all", np.arange(len(self.questions))),
            *((self.sections[i], sections[i]) for i in scored),
        ]
        p = np.array([
            sign_flip_p(gain[None, own], self.pair[own, 1], seed=self.seed)[0] for _, own in families
        ])  # fmt: skip
        adjusted = np.concatenate([[p[0]], holm(p[1:])])
        for (name, own), raw, holmed in zip(families, p, adjusted, strict=True):
            difference = gain[own]
            low, high = self._bounds(difference[None], own)
            found.append(self._row(
                "accuracy_difference", float(difference.mean()), name, "question words=excluded", len(own),
                method="3CosAdd", reference="nearest to c", low=low[0], high=high[0], p=raw, p_adjusted=holmed,
                family_size=1 if name == "all" else len(scored),
            ))  # fmt: skip
        return tuple(found)

    def _scores(self, name: str, own: Array) -> Iterable[Measurement]:
        values = self.right[:, :, own].reshape(-1, len(own)).astype(float)
        low, high = self._bounds(values, own)
        n_pairs = len(np.unique(self.pair[own]))
        alike = [value in (0.0, 1.0) and n_pairs > 2 for value in values.mean(axis=1)]
        for at in np.flatnonzero(alike).tolist():
            _, low[at], high[at] = all_or_none_interval(float(values[at].mean()), n_pairs)
        for i, rule in enumerate(RULES):
            for j, among in enumerate(AMONG):
                if j and rule in ("nearest to c", "b + c"):
                    continue  # without an offset c (or b) itself is nearest
                at = 2 * i + j
                yield self._row(
                    "accuracy", float(values[at].mean()), name, f"question words={among}", len(own),
                    method=rule, control=CONTROLS.get(rule, ""), low=low[at], high=high[at],
                    **({"interval": EXACT.format(what="word pairs")} if alike[at] else {}),
                )  # fmt: skip
        yield self._row(
            "accuracy", 1 / (len(self.vectors) - 3), name, "question words=excluded", len(own),
            method="any word", control="chance",
        )  # fmt: skip

    def _bounds(self, values: Array, own: Array) -> tuple[Array, Array]:
        """Intervals over word pairs: each question is made of two, and each pair is in many questions."""
        codes = np.unique(self.pair[own], return_inverse=True)[1].reshape(-1, 2)
        if codes.max() < 2:
            return np.full(len(values), np.nan), np.full(len(values), np.nan)
        draws = mean_draws(
            values, codes[:, 0], codes[:, 1], int(codes.max()) + 1, resamples=self.resamples, seed=self.seed
        )
        return percentile_interval(draws)

    def _row(
        self, metric: str, value: float | None, section: str, group: str, n: int, **more: Any
    ) -> Measurement:
        gone = list(self.left_out.values()) if section == "all" else [self.left_out.get(section, {})]
        bounded = more.get("low") is not None and np.isfinite(more["low"])
        method = f"{more.pop('method')}, {self.vectors.how}"
        group = f"section={section}" + (f", {group}" if group else "")
        rest = vars(self.about) | {"interval": self._interval if bounded else ""} | more
        return Measurement(
            metric=metric, value=value, group=group, n=n, unit="question",
            n_left_out=sum(sum(one.values()) for one in gone), layer=self.vectors.layer, split="", method=method,
            **rest,
        )  # fmt: skip

    @property
    def _interval(self) -> str:
        return describe_interval(self.resamples).replace("sentences", "word pairs")

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    def accuracy(self, rule: str = "3CosAdd", among: str = "excluded", section: str = "all") -> float:
        """The share of questions that a rule answers rightly.

        >>> from probekit.data.read_analogies import Analogy
        >>> vectors = np.array([[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1.0]])
        >>> words = WordVectors(("he", "she", "king", "queen"), vectors, "made", "")
        >>> pk.analogies(words, [Analogy("sex", "he", "she", "king", "queen")]).accuracy()
        1.0
        """
        own = self.section == self.sections.index(section) if section != "all" else slice(None)
        return float(self.right[list(RULES).index(rule), AMONG.index(among)][own].mean())

    @property
    def summary(self) -> str:
        """3CosAdd with and without the words of the question, the nearest word to c, and what could not be asked."""
        row = next(r for r in self.rows if r.metric == "accuracy_difference")
        best = next(r for r in self.rows if r.metric == "accuracy")
        total = len(self.questions) + sum(sum(reasons.values()) for reasons in self.left_out.values())
        asked, words = format_count(len(self.questions)), format_count(len(self.vectors))
        shares = {word: format_score(share) for word, share in self.instead.items()}
        return (
            f"{asked} of {counted(total, 'question')} can be asked of {self.vectors.how} ({words} words). "
            f"3CosAdd is right in {_shown(best)} with the words of the question excluded and in "
            f"{format_score(self.accuracy(among='included'))} with them included, where it answers c itself in "
            f"{shares['c']} and b in {shares['b']}; the word nearest to c alone is right in "
            f"{format_score(self.accuracy('nearest to c'))} (difference {_shown(row)}, p {format_p(row.p)})."
        )

    @property
    def panels(self) -> list[Panel]:
        """The summary, accuracy by section, and what was left out."""
        name = slug("analogies", self.about.model or "vectors", self.vectors.layer or "static")
        shown = [
            ("3CosAdd", "excluded", "task"), ("3CosMul", "excluded", "task"), ("nearest to c", "excluded", "baseline"),
            ("3CosAdd", "included", "control"),
        ]  # fmt: skip
        known = {
            (row.method.split(",")[0], row.group): (row.value, row.low, row.high)
            for row in self.rows
            if row.metric == "accuracy" and row.value is not None
        }
        wanted = [
            s
            for s in ("all", *self.sections)
            if ("3CosAdd", f"section={s}, question words=excluded") in known
        ]
        values = np.array(
            [
                [known[rule, f"section={s}, question words={among}"] for s in wanted]
                for rule, among, _ in shown
            ],
            dtype=np.float64,
        ).transpose(2, 0, 1)
        asked = Counter(self.section.tolist())
        labels = [
            f"{s} ({asked[self.sections.index(s)] if s != 'all' else len(self.questions)})" for s in wanted
        ]
        series = [
            {"name": f"{rule}, a b c {among}" if rule != "nearest to c" else rule, "style": style}
            for rule, among, style in shown
        ]
        table = [
            [s, asked[i], *(sum(self.left_out.get(s, {}).values()),)] for i, s in enumerate(self.sections)
        ]
        return [
            Panel("sentence", f"{name}-sentence", "In a sentence", labels={"text": self.summary}),
            Panel(
                "forest", name, "Analogies by section",
                f"{begin_large(self.vectors.how)}; bars: 95 % bootstrap over word pairs.",
                dict(zip(("value", "low", "high"), values, strict=True)),
                {"rows": labels, "value_label": "accuracy", "series": series, "range": [0.0, 1.0]},
            ),
            Panel(
                "table", f"{name}-left-out", "Questions asked and left out", f"Left out: {self.vectors.why_not}.",
                labels={"columns": ["section", "asked", "left out"], "rows": table, "formats": ["text", "int", "int"]},
            ),
        ]  # fmt: skip

    def _repr_html_(self) -> str:
        from probekit.results.html import escape

        return f"<p>{escape(self.summary)}</p>"

    def __repr__(self) -> str:
        return f"<Analogies: {len(self.questions):,} questions, {self.vectors!r}>"


def analogies(
    vectors: WordVectors,
    questions: Sequence[Analogy],
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> Analogies:
    """Answer analogy questions with word vectors by 3CosAdd and 3CosMul, beside controls that do no arithmetic.

    Candidates are all words of `vectors` (`static_vectors`, `average_vectors`). Every rule is scored with the three
    words of the question excluded, as is usual, and included: where the offset is small, the nearest word to the sum is
    b or c, and only the exclusion lets another word win. Controls (Linzen 2016, arXiv 1606.07736): the word nearest to
    c, b + c without an offset, the opposite offset. Questions with a word that has no vector, or the same word twice
    among a, b and c, are left out and counted. Intervals resample word pairs, of which each question has two.

    Raises DataError (no question can be asked, all vectors identical, a vector that is 0).

    >>> from probekit.data.read_analogies import Analogy
    >>> vectors = pk.static_vectors(pk.load_model("demo:minilm"))
    >>> found = pk.analogies(vectors, [Analogy("family", "man", "woman", "king", "queen")])
    >>> found.right.shape
    (5, 2, 1)
    """
    check_whole(0, seed=seed)
    check_whole(1, resamples=resamples)
    if not len(vectors.vectors) or not np.linalg.norm(vectors.vectors, axis=1).all():
        raise DataError("a word's vector is 0 and has no direction; leave such words out")
    if len(vectors) < 4 or float(np.ptp(vectors.vectors, axis=0).max()) == 0:
        what = (
            f"all {len(vectors)} vectors are identical"
            if len(vectors) >= 4
            else counted(len(vectors), "word")
        )
        raise DataError(f"{what}: analogies need four or more words with vectors that differ")
    sections = tuple(dict.fromkeys(q.section for q in questions))
    kept: list[tuple[int, list[int]]] = []
    left_out: dict[str, Counter[str]] = {section: Counter() for section in sections}
    for question in questions:
        places = [vectors.place(word) for word in question[1:]]
        known = [place for place in places if place is not None]
        if len(known) < 4:
            left_out[question.section][vectors.why_not] += 1
        elif len(set(known[:3])) < 3 or known[3] in known[:3]:
            left_out[question.section]["a word stands twice"] += 1
        else:
            kept.append((sections.index(question.section), known))
    if not kept:
        raise DataError(
            f"none of {counted(len(questions), 'question')} can be asked of {len(vectors):,} words ({vectors.why_not})"
        )
    section = np.array([s for s, _ in kept], dtype=np.int64)
    asked = np.array([known for _, known in kept], dtype=np.int64)
    found = answer(vectors.vectors, asked, progress=lambda done: progress(STAGE, done, len(asked)))
    both = np.concatenate([asked[:, :2], asked[:, 2:]])
    keys = np.concatenate([np.tile(section, 2)[:, None], both], axis=1)
    pair = np.unique(keys, axis=0, return_inverse=True)[1].reshape(2, -1).T
    free = found[ADD, 1]
    return Analogies(
        vectors=vectors, sections=sections, questions=asked, section=section, pair=pair,
        right=found == asked[:, 3], instead={w: float((free == asked[:, i]).mean()) for i, w in enumerate("abc")},
        left_out={s: dict(reasons) for s, reasons in left_out.items() if reasons}, resamples=resamples, seed=seed,
    )  # fmt: skip


def _shown(row: Measurement) -> str:
    """A value with its interval, where it has one."""
    return " ".join(filter(None, [format_score(row.value), format_interval(row.low, row.high)]))
