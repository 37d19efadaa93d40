"""Why a classifier says what it says of one text: probabilities, the words it hangs on, and attention."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.errors import ConfigError, ProbekitError
from probekit.experiment.fitted import Example, Fitted
from probekit.experiment.words_left_out import leave_words_out
from probekit.results.formats import format_score
from probekit.results.html import escape
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel, distinct
from probekit.results.shaded_words import shade_words

if TYPE_CHECKING:
    import pandas

    from probekit.attention.view import AttentionView
    from probekit.erasure.importance import Importance

BARS = 10
"""How many classes have a bar; the rest is counted."""
PALE = 0.1
"""Where no word moves the probability so far, none is shaded to the full."""


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What a classifier says of one text, made by `pk.explain`: a notebook shows it.

    ``outputs`` float64 [classes] are probabilities (or one number), ``code`` is the class explained; where words are
    labelled ``outputs`` belong to word number ``place`` (from 0) and ``by_word`` [words, classes] to all of them.
    ``importance`` says how the explained probability moves without each word; ``attention`` has a view of
    what was read (of a frozen model's pair two, it reads each text by itself), or none, and ``note`` says why.
    """

    fitted: Fitted
    example: Example
    outputs: NDArray[np.float64]
    code: int
    place: int
    importance: Importance
    attention: tuple[AttentionView, ...] = ()
    note: str = ""
    by_word: NDArray[np.float64] | None = None

    @property
    def label(self) -> Any:
        """The label predicted, or the number."""
        return next(iter(self.probabilities), float(self.outputs[0]))

    @property
    def probabilities(self) -> dict[Any, float]:
        """Class -> probability, the largest first; empty where a number is predicted."""
        if self.fitted.classes is None:
            return {}
        names = self.fitted.classes.tolist()
        order = np.argsort(-self.outputs, kind="stable")
        return {names[code]: float(self.outputs[code]) for code in order}

    @cached_property
    def rows(self) -> list[Measurement]:
        """The probability of every class (or the number), and the importance of every word that was left out."""
        about: dict[str, Any] = {
            "model": self.fitted.model_name, "method": self.fitted.strategy, "split": "", "n": 1,
            "unit": self.fitted.unit,
        }  # fmt: skip
        rows = [
            Measurement(metric="probability", group=f"label={label}", value=value, **about)
            for label, value in self.probabilities.items()
        ] or [Measurement(metric="number", value=float(self.outputs[0]), **about)]
        if self.by_word is not None and self.fitted.classes is not None:
            best = self.by_word.argmax(1)
            rows += [
                Measurement(metric="probability", value=float(own[code]),
                            group=f"word={number}, label={self.fitted.classes[code]}", **about)
                for number, (own, code) in enumerate(zip(self.by_word, best, strict=True), 1)
            ]  # fmt: skip
        for one in self.importance.texts:
            side = f"text={one.id}, " if len(self.importance.texts) > 1 else ""
            rows += [
                Measurement(
                    metric="importance", group=f"{side}word={number}", value=float(value), reason=reason,
                    **about | {"unit": "word", "method": f"{self.fitted.strategy}; {self.importance.how}"},
                )
                for number, (value, reason) in enumerate(zip(one.importance, one.why, strict=True), 1)
            ]  # fmt: skip
        return rows

    def table(self) -> pandas.DataFrame:
        """The rows as a pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """The prediction and the word that matters most, in sentences."""
        what = (
            f"Word {self.place + 1} ({self.example[self.place]!r})"
            if self.by_word is not None
            else "The text"
        )
        if self.fitted.classes is None:
            told = f"{what} is given the number {format_score(float(self.outputs[0]))}."
        else:
            (first, one), *others = self.probabilities.items()
            then = f"; next comes {others[0][0]} with {format_score(others[0][1])}" if others else ""
            told = f"{what} is classified as {first} with probability {format_score(one)}{then}."
        return f"{told} {self._told_words()} One text is an illustration, no evidence."

    def _told_words(self) -> str:
        value = np.concatenate([one.importance for one in self.importance.texts])
        words = [word for one in self.importance.texts for word in one.words]
        if not np.isfinite(value).any():
            return "No word could be left out."
        number = int(np.nanargmax(np.abs(value)))
        if not value[number]:
            return f"Without any one of its words the {self.importance.prediction} stays as it is."
        verb = "falls" if value[number] > 0 else "rises"
        return (
            f"The word {words[number]!r} matters most: without it the {self.importance.prediction} {verb} by "
            f"{format_score(abs(float(value[number])))}."
        )

    @property
    def panels(self) -> list[Panel]:
        """The summary, a table of probabilities, the words shaded by importance, attention where there is some."""
        panels = [Panel("sentence", "explained-summary", "In a sentence", labels={"text": self.summary})]
        if self.fitted.classes is not None:
            panels.append(self._probabilities())
        if self.by_word is not None and self.fitted.classes is not None:
            panels.append(self._labels())
        panels.append(self._shaded())
        return distinct([*panels, *(panel for view in self.attention for panel in view.panels)])

    def _probabilities(self) -> Panel:
        cells = [[str(label), value] for label, value in self.probabilities.items()]
        labels = {"columns": ["class", "probability"], "formats": ["text", "score"], "rows": cells}
        caption = f"What {self.fitted.strategy} on {self.fitted.model_name or 'no model'} gives each class."
        return Panel("table", "explained-classes", "Probabilities", caption, labels=labels)

    def _labels(self) -> Panel:
        assert self.by_word is not None
        assert self.fitted.classes is not None
        cells = [
            [number, word, str(self.fitted.classes[own.argmax()]), float(own.max())]
            for number, (word, own) in enumerate(zip(self.example, self.by_word, strict=True), 1)
        ]
        columns = ["number", "word", "label", "probability"]
        labels = {"columns": columns, "formats": ["int", "text", "text", "score"], "rows": cells}
        return Panel(
            "table", "explained-labels", "Labels of all words", "The most probable label.", labels=labels
        )

    def _shaded(self) -> Panel:
        lines = [{"words": list(one.words), "name": one.id} for one in self.importance.texts]
        value = np.concatenate([one.importance for one in self.importance.texts])
        name = f"fall of the {self.importance.prediction} without the word"
        caption = f"{self.importance.legend}{self._stayed()}"
        labels: dict[str, Any] = {"lines": lines, "value_label": name}
        if self.fitted.classes is not None:
            reach = max(PALE, float(np.abs(value[np.isfinite(value)]).max(initial=0.0)))
            labels["range"] = [-reach, reach]
        return Panel("shaded-text", "explained-words", "Words that matter", caption, {"value": value}, labels)

    def _stayed(self) -> str:
        """Which words were not left out, and why; "" where all were."""
        counts = self.importance.left_out
        told = "; ".join(f"{n:,} {'word' if n == 1 else 'words'}: {reason}" for reason, n in counts.items())
        return f" Not left out: {told}." if told else ""

    def __repr__(self) -> str:
        return f"<Explanation: {self.label!r} by {self.fitted.strategy}>"

    def _repr_html_(self) -> str:
        parts = [f"<p>{escape(self.summary)}</p>", self._bars()]
        if self.by_word is not None and self.fitted.classes is not None:
            parts.append(_table(self._labels()))
        shaded = self._shaded()
        parts += [shade_words(shaded).html, f"<p><small>{escape(shaded.caption)}</small></p>"]
        if self.note:
            parts.append(f"<p><small>{escape(self.note)}</small></p>")
        parts += [view._repr_html_() for view in self.attention]
        return f'<div class="explained">{"".join(parts)}</div>'

    def _bars(self) -> str:
        """A bar per class, the largest first."""
        shown = list(self.probabilities.items())
        lines = [
            '<div style="display: flex; align-items: center; margin: .15em 0">'
            f'<span dir="auto" style="width: 12em; overflow-wrap: anywhere">{escape(label)}</span>'
            '<span style="width: 12em; border: 1px solid rgba(128, 128, 128, .5)"><span style="display: block; '
            f'height: .8em; width: {100 * value:.1f}%; background: rgba(33, 102, 172, .7)"></span></span>'
            f'<span style="padding-left: .6em">{format_score(value)}</span></div>'
            for label, value in shown[:BARS]
        ]
        rest = shown[BARS:]
        if rest:
            lines.append(f"<p><small>... and {len(rest):,} classes more, {format_score(sum(v for _, v in rest))} "
                         "together</small></p>")  # fmt: skip
        return "".join(lines)


def _table(panel: Panel) -> str:
    from probekit.results.html import table

    labels = panel.labels
    return table(labels["columns"], labels["rows"], labels["formats"]).html


def explain(
    classifier: Any,
    text: Any,
    *,
    label: Any = None,
    word: int = 1,
    attention: bool | str = True,
    most_words: int = 64,
) -> Explanation:
    """What a fitted classifier says of one text: probabilities, the words that matter, attention.

    The importance of a word is the probability of the label minus that for the text without the word; all versions are
    read in one call. Attention is that of the model as it was tuned (of a frozen one, as it came).

    Parameters
    ----------
    classifier : a fitted `FineTune` or `FeatureExtract`, a pipeline or search around one, the folder of a saved one, or
        any fitted classifier of texts with `predict_proba`
    text : a text; (text, text) where pairs were learned; words, or a text of words set apart by white space, where
        words were
    label : whose probability is explained; the predicted one where not given
    word : where words are labelled, the number (from 1) of the word whose label is explained
    attention : whether to look at attention, or the view: "head", "model", "neuron"
    most_words : so many words of a text are left out, one at a time; the rest stays

    Raises
    ------
    ConfigError
        for what is no classifier, an unknown label, a word that is not there
    DataError
        for a text that it does not read
    sklearn.exceptions.NotFittedError
        where it was not fitted

    Examples
    --------
    >>> texts, labels = ["keys rust", "a dog barks", "doors creak", "a cat sleeps"], ["pl", "sg", "pl", "sg"]
    >>> clf = pk.FeatureExtract("demo:minilm").fit(texts, labels)
    >>> found = pk.explain(clf, "doors creak", attention=False)
    >>> found.label, round(sum(found.probabilities.values()), 6)
    ('pl', 1.0)
    """
    fitted = classifier if isinstance(classifier, Fitted) else Fitted.of(classifier)
    example = fitted.example(text)
    place, by_word = 0, None
    if fitted.unit == "word":
        if not isinstance(word, int | np.integer) or not 1 <= word <= len(example):
            raise ConfigError(f"no word {word}; the text has words 1 to {len(example)}")
        place, by_word = word - 1, fitted.of_words(example)
    outputs = fitted.ask([example])[0] if by_word is None else by_word[place]
    code = 0 if fitted.classes is None else int(outputs.argmax())
    if label is not None:
        code = fitted.code(label)
    importance = leave_words_out(fitted, example, code, place, most_words)
    views, note = _look(fitted, example, attention)
    return Explanation(fitted, example, outputs, code, place, importance, views, note, by_word)


def _look(fitted: Fitted, example: Example, view: bool | str) -> tuple[tuple[AttentionView, ...], str]:
    """The attention of the model behind a classifier, and a word on it or on why there is none."""
    from probekit.attention.view import attention_view

    if view is False:
        return (), ""
    none = "No attention is shown"
    if fitted.hidden_inputs:
        return (), f"{none}: {fitted.strategy} reads trained vectors that are no pieces of the text."
    model = fitted.model()
    if model is None:
        return (), f"{none}: there is no Transformer behind this classifier."
    note = ""
    given: list[tuple[str, str | None]]
    if isinstance(example, str):
        given = [(example, None)]
    elif fitted.unit == "word":
        given, note = [(" ".join(example), None)], "Attention is that of the words joined by spaces."
    elif fitted.reads_apart:
        given, note = [(text, None) for text in example], "Each text was read by itself: a view for each."
    else:
        given = [(example[0], example[1])]
    try:
        with torch.no_grad():
            how = "head" if view is True else view
            return tuple(attention_view(model, first, second, how) for first, second in given), note
    except ConfigError:
        raise
    except ProbekitError as problem:
        return (), f"{none}: {problem}"
