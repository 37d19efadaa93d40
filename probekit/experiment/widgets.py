"""A box to type into, and what a classifier says of it: a widget for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probekit.errors import MissingExtra, ProbekitError
from probekit.experiment.explain import Explanation, explain
from probekit.experiment.fitted import Fitted
from probekit.results.html import escape

if TYPE_CHECKING:
    from types import ModuleType


class TryIt:
    """The widget that `pk.try_it` makes.

    ``box`` (and ``second`` for pairs) are where a text is typed, ``word`` (for labelled words) which word is explained,
    ``look`` whether attention is shown, ``shown`` the answer as HTML; ``widget`` has all of them. ``explanation`` is
    the last answer, None where there was none.
    """

    def __init__(self, fitted: Fitted, text: Any, attention: bool) -> None:
        kit = _widgets()
        self.fitted = fitted
        self.explanation: Explanation | None = None
        wide = kit.Layout(width="min(95%, 50em)")
        first, second = text if fitted.unit == "pair" and not isinstance(text, str) else (text, "")
        if not isinstance(first, str):
            first = " ".join(first)
        once = {"continuous_update": False, "layout": wide}
        self.box = kit.Text(value=first, description="text", placeholder="type a sentence", **once)
        self.second = kit.Text(value=second, description="second", placeholder="type another", **once)
        self.word = kit.BoundedIntText(value=1, min=1, max=10_000, description="word")
        self.look = kit.Checkbox(value=attention, description="show attention")
        self.shown = kit.HTML()
        rows = [self.box, *([self.second] if fitted.unit == "pair" else [])]
        rows += [*([self.word] if fitted.unit == "word" else []), self.look, self.shown]
        self.widget = kit.VBox(rows)
        for part in (self.box, self.second, self.word, self.look):
            part.observe(self._changed, names="value")
        self.refresh()

    def refresh(self) -> None:
        """Answer what stands in the boxes now; what a user can mend is told in a line."""
        self.explanation = None
        first = self.box.value
        if not first.strip() or (self.fitted.unit == "pair" and not self.second.value.strip()):
            self.shown.value = "<p><small>Type a text and press Enter.</small></p>"
            return
        text = (first, self.second.value) if self.fitted.unit == "pair" else first
        try:
            found = explain(self.fitted, text, word=self.word.value, attention=self.look.value)
            self.explanation, self.shown.value = found, found._repr_html_()
        except ProbekitError as problem:
            self.shown.value = f'<p style="color: #b2182b">{escape(problem)}</p>'

    def _changed(self, change: Any) -> None:
        self.refresh()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The widget, and for a page that runs none the answer that stands there now."""
        bundle = self.widget._repr_mimebundle_(**options) or {}
        return {**bundle, "text/html": self.shown.value}

    def __repr__(self) -> str:
        return f"<TryIt: {self.fitted.strategy} on {self.fitted.model_name or 'no model'}>"


def try_it(classifier: Any, text: Any = "", *, attention: bool = False) -> TryIt:
    """A text box over a fitted classifier: type a sentence, see the label, probabilities, words that matter, attention.

    `classifier` and `text` are as for `pk.explain`, which gives the same answer without a widget. What is typed is read
    when Enter is pressed. Raises MissingExtra where ipywidgets is absent, and what `explain` raises for a classifier.

    >>> clf = pk.FeatureExtract("demo:minilm").fit(["keys rust", "a dog barks"], ["pl", "sg"])
    >>> shown = pk.try_it(clf, "a dog barks")
    >>> shown.box.value = "keys rust"
    >>> shown.explanation.label
    'pl'
    """
    _widgets()
    return TryIt(Fitted.of(classifier), text, attention)


def _widgets() -> ModuleType:
    try:
        import ipywidgets
    except ImportError:
        raise MissingExtra(
            "try_it needs ipywidgets: pip install 'probekit-nlp[notebook]'; pk.explain does without it"
        ) from None
    module: ModuleType = ipywidgets
    return module
