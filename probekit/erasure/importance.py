"""How much every word of some texts matters: numbers per word, means per group, pictures, shaded words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.data.sentence import Sentence
from probekit.glossary import ModelKind
from probekit.maths.resampling import describe_interval, mean_interval
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]

ERASURE = "word erasure"
GRADIENTS = "integrated gradients"
SHOWN = 40
"""How many words and how many texts a picture has at most."""


@dataclass(frozen=True, eq=False)
class TextImportance:
    """The words of one text: ``importance``, and the prediction ``after`` each was left out, float64 ``[words]``.

    NaN where a word was not left out, with the reason in ``why``. ``before`` is the prediction of the whole text.
    """

    id: str
    text: str
    spans: tuple[tuple[int, int], ...]
    before: float
    after: Array
    importance: Array
    why: tuple[str, ...]
    groups: tuple[str, ...] = ()
    left_out: str = ""

    @classmethod
    def erased(
        cls,
        sentence: Sentence,
        before: float,
        after: Array,
        why: Sequence[str],
        groups: Sequence[str] = (),
        left_out: str = "",
    ) -> TextImportance:
        """Importance as the fall of the prediction."""
        return cls(
            sentence.id, sentence.text, sentence.offsets, before, after, before - after, tuple(why), tuple(groups),
            left_out,
        )  # fmt: skip

    @property
    def words(self) -> tuple[str, ...]:
        """The words as written."""
        return tuple(self.text[a:b] for a, b in self.spans)

    @property
    def relative(self) -> Array:
        """(S - S without the word) / S, float64 ``[words]``; NaN where S is 0.

        S below 0, as a log-probability is, turns the sign: a word that helps has a negative one.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(
                self.importance / self.before if self.before else np.full_like(self.importance, np.nan)
            )


@dataclass(frozen=True, eq=False, repr=False)
class Importance:
    """How much every word of every text matters for a prediction.

    Attributes
    ----------
    texts : a `TextImportance` for each text, in their order
    how : what is done to a word, in words (or from which baseline gradients are integrated)
    prediction, unit : what the number is, and its unit
    measure : "word erasure" or "integrated gradients"
    delta : of integrated gradients, the sum of attributions minus the difference that they should add up to, largest
        over texts; 0 if the integral were exact
    """

    texts: tuple[TextImportance, ...]
    how: str
    prediction: str
    unit: str
    model: str = ""
    model_kind: ModelKind = "pretrained"
    layer: str = ""
    corpus: str = ""
    group_key: str = ""
    measure: str = ERASURE
    delta: float | None = None
    resamples: int = 1000

    @property
    def legend(self) -> str:
        """What a number means, in a sentence."""
        if self.measure == GRADIENTS:
            return (
                f"Integrated gradients: the share of each word in the difference between the {self.prediction} of the "
                f"text and of a baseline ({self.how}), in {self.unit}; above 0: the word raises it."
            )
        return (
            f"Importance of a word: the {self.prediction} with the word minus that without it ({self.how}), in "
            f"{self.unit}; above 0: the word raises it."
        )

    def words(self) -> pandas.DataFrame:
        """A row per word: text, number (from 1), word, group, prediction before and after, importance, relative change,
        and why it was not left out."""
        import pandas

        records = [
            (
                one.id, number + 1, word, one.groups[number] if one.groups else "", one.before,
                float(one.after[number]), float(one.importance[number]), self._relative(one, number), one.why[number],
            )
            for one in self.texts
            for number, word in enumerate(one.words)
        ]  # fmt: skip
        names = (
            "text",
            "number",
            "word",
            "group",
            "before",
            "after",
            "importance",
            "relative_change",
            "not_erased",
        )
        return pandas.DataFrame.from_records(records, columns=list(names))

    @cached_property
    def rows(self) -> list[Measurement]:
        """The prediction itself; mean importance, its size, and relative change over all words and by group, with
        intervals over texts; what was left out, by reason."""
        text = np.repeat(np.arange(len(self.texts)), [len(one.why) for one in self.texts])
        value = self._flat("importance")
        relative = self._flat("relative")
        label = np.array([g for one in self.texts for g in (one.groups or [""] * len(one.why))], dtype=str)
        before = np.array([one.before for one in self.texts])
        base = self._base()
        rows = [
            self._mean(replace(base, metric="prediction", unit="sentence"), before, np.arange(len(before)))
        ]
        groups = [("", np.ones(len(value), bool))]
        if self.group_key:
            groups += [(f"{self.group_key}={name}", label == name) for name in sorted(set(label.tolist()))]
        metrics = {"importance": value, "importance_size": np.abs(value)}
        if self.measure == ERASURE:
            metrics["relative_change"] = relative
        for name, inside in groups:
            for metric, numbers in metrics.items():
                row = replace(base, metric=metric, group=name)
                rows.append(self._mean(row, numbers[inside], text[inside]))
        if self.delta is not None:
            rows.append(replace(base, metric="completeness_delta", value=self.delta, n=len(self.texts), unit="sentence",
                                reason=""))  # fmt: skip
        rows += [
            replace(base, metric="left_out", group=f"reason={reason}", value=float(n), n_left_out=n,
                    n=int(np.isfinite(value).sum()), reason="")
            for reason, n in sorted(self.left_out.items())
        ]  # fmt: skip
        return rows

    @property
    def left_out(self) -> dict[str, int]:
        """Reason -> how many words were not left out for it."""
        return dict(Counter(reason for one in self.texts for reason in one.why if reason))

    @property
    def summary(self) -> str:
        """What a paper would write."""
        value = self._flat("importance")
        known = np.isfinite(value)
        if not known.any():
            reasons = ", ".join(f"{n:,} {reason}" for reason, n in sorted(self.left_out.items()))
            return f"No word could be left out for the {self.prediction} ({reasons or 'the texts have no words'})."
        words = [(one, i) for one in self.texts for i in range(len(one.why))]
        one, number = words[int(np.nanargmax(np.where(known, np.abs(value), -1.0)))]
        top = one.importance[number]
        verb = "lowers" if top > 0 else "raises"
        what = f"{self.prediction} of {self.model}" if self.model else self.prediction
        word = f"{one.words[number]!r}" + (f" of text {one.id}" if len(self.texts) > 1 else "")
        if not top:
            text = f"No word matters for the {what}: without any of them it stays as it is"
        elif self.measure == GRADIENTS:
            text = f"The word {word} has the largest share in the {what}: {top:+.3f} {self.unit}"
        else:
            text = (
                f"For the {what} the word {word} matters most: leaving it out {verb} it by {abs(top):.3f} {self.unit}, "
                f"from {one.before:.3f} to {one.after[number]:.3f}"
            )
        n = f"{int(known.sum()):,} words of {len(self.texts):,} text{'s' if len(self.texts) > 1 else ''}"
        return f"{text} ({n}; {self.how}).{self._spoken_group()}"

    @property
    def panels(self) -> list[Panel]:
        """The summary, a heat map with a row per text, and a table of groups, or of words where there are none."""
        name = re.sub(r"[^a-z0-9.]+", "-", self.prediction.lower()).strip("-.")[:60] or "x"
        kind = "gradients" if self.measure == GRADIENTS else "words"
        return [
            Panel("sentence", f"{kind}-{name}-summary", "In a sentence", labels={"text": self.summary}),
            self._heatmap(f"{kind}-{name}-map"),
            self._table(f"{kind}-{name}-table"),
        ]

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table; `words` has the single words."""
        return tidy(self.rows)

    def __repr__(self) -> str:
        n = sum(len(one.why) for one in self.texts)
        return f"<Importance of {n:,} words of {len(self.texts):,} texts: {self.prediction}>"

    def _repr_html_(self) -> str:
        from probekit.erasure.shading import shaded

        return shaded(self)

    def _spoken_group(self) -> str:
        """The group whose words matter most, where there are groups."""
        prefix = f"{self.group_key}="
        found = [
            row
            for row in self.rows
            if self.group_key
            and row.metric == "importance_size"
            and row.group.startswith(prefix)
            and row.value
        ]
        if not found:
            return ""
        best = max(found, key=lambda row: row.value or 0.0)
        name = best.group.removeprefix(prefix)
        return f" By {self.group_key}, {name} matters most: {_bounded(best)} {self.unit} either way, {best.n:,} words."

    def _relative(self, one: TextImportance, number: int) -> float:
        """Li's relative change; a share of integrated gradients has none."""
        return float(one.relative[number]) if self.measure == ERASURE else float("nan")

    def _base(self) -> Measurement:
        return Measurement(
            metric="", corpus=self.corpus, model=self.model, model_kind=self.model_kind, layer=self.layer, split="",
            method=f"{self.measure}: {self.how}; {self.prediction}, {self.unit}", reason="no word was left out",
        )  # fmt: skip

    def _mean(self, row: Measurement, value: Array, text: Array) -> Measurement:
        known = np.isfinite(value)
        row = replace(row, n=int(known.sum()), n_left_out=int((~known).sum()))
        if not known.any():
            return row
        bounds = mean_interval(value[known], text[known], resamples=self.resamples)
        made = describe_interval(self.resamples) if np.isfinite(bounds.low) else ""
        return replace(row, value=bounds.value, low=bounds.low, high=bounds.high, interval=made, reason="")

    def _flat(self, name: str) -> Array:
        return np.concatenate([np.zeros(0), *(getattr(one, name) for one in self.texts)])

    def _heatmap(self, name: str) -> Panel:
        texts = self.texts[:SHOWN]
        width = min(SHOWN, max((len(one.why) for one in texts), default=0))
        value = np.full((len(texts), width), np.nan)
        for row, one in enumerate(texts):
            own = one.importance[:width]
            value[row, : len(own)] = own
        columns = [str(number + 1) for number in range(width)]
        if len(texts) == 1:
            columns = [f"{number} {word}" for number, word in zip(columns, texts[0].words, strict=False)]
        labels = {
            "rows": [_short(one.text) for one in texts], "columns": columns, "row_label": "text",
            "column_label": "word", "value_label": f"importance ({self.unit})",
        }  # fmt: skip
        cut = len(self.texts) - len(texts)
        more = f" The first {SHOWN} texts and words are shown." if cut or width == SHOWN else ""
        return Panel("heatmap", name, "Importance of each word", self.legend + more, {"value": value}, labels)

    def _table(self, name: str) -> Panel:
        if self.group_key:
            columns = [self.group_key, "importance [95 %]", "size [95 %]", "words"]
            found = [row for row in self.rows if row.group.startswith(f"{self.group_key}=")]
            by = {(row.group, row.metric): row for row in found}
            cells: list[list[Any]] = [
                [group.partition("=")[2], _bounded(by[group, "importance"]), _bounded(by[group, "importance_size"]),
                 by[group, "importance"].n]
                for group in dict.fromkeys(row.group for row in found)
            ]  # fmt: skip
            labels = {"columns": columns, "formats": ["text", "text", "text", "int"], "rows": cells}
            caption = f"{self.legend} Means over words; intervals: {describe_interval(self.resamples)}."
            return Panel("table", name, f"Importance by {self.group_key}", caption, labels=labels)
        ranked = [
            (
                abs(one.importance[i]),
                [one.id, i + 1, one.words[i], float(one.importance[i]), float(one.before)],
            )
            for one in self.texts
            for i in np.flatnonzero(np.isfinite(one.importance)).tolist()
        ]
        ranked.sort(key=lambda entry: -entry[0])
        labels = {
            "columns": ["text", "number", "word", f"importance ({self.unit})", "prediction"],
            "formats": ["text", "int", "text", "score", "score"],
            "rows": [cells for _, cells in ranked[:SHOWN]],
        }
        return Panel("table", name, "Words that matter most", self.legend, labels=labels)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _bounded(row: Measurement) -> str:
    if row.value is None:
        return "not defined"
    text = f"{row.value:.3f}"
    return text if row.low is None or row.high is None else f"{text} [{row.low:.3f}, {row.high:.3f}]"
