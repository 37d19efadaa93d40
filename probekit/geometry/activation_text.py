"""Running text coloured by what one neuron does at every word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.data.corpus import Corpus
from probekit.errors import ConfigError
from probekit.geometry.word_stream import Texts, check_unit, stream_words
from probekit.glossary import Layer, Progress, silent
from probekit.results.formats import slug
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.models.model import Model

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class ActivationText:
    """What some neurons of a layer do at every word of some sentences.

    ``values`` float64 [words, neurons], words of all sentences one after another; NaN where a word was not read
    (``left_out`` counts those by reason). ``start`` int64 [sentences + 1]: where each sentence begins.
    """

    corpus: Corpus
    layer: Layer
    neurons: tuple[int, ...]
    values: Array
    start: Array
    model: str
    model_kind: str
    site: str
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> tuple[Measurement, ...]:
        """One row per neuron: its mean over the words of these sentences."""
        known = np.isfinite(self.values[:, 0])
        return tuple(
            Measurement(
                metric="mean_activation", value=self.values[known, i].mean() if known.any() else None,
                reason="" if known.any() else "no word was read", n=int(known.sum()),
                n_left_out=int((~known).sum()), corpus=self.corpus.name, model=self.model, site=self.site,
                model_kind=self.model_kind, layer=self.layer, split="", group=f"neuron={neuron}",
                method="activation at these words",
            )
            for i, neuron in enumerate(self.neurons)
        )  # fmt: skip

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table; `words` has every single value."""
        return tidy(self.rows)

    def words(self) -> pandas.DataFrame:
        """One line per word: sentence, number of the word from 1, the word, and a column for each neuron."""
        import pandas

        sentences = [one for one in self.corpus for _ in one.words]
        columns = {
            "sentence": [one.id for one in sentences],
            "number": [i for one in self.corpus for i in range(1, len(one) + 1)],
            "word": [word for one in self.corpus for word in one.words],
        }
        values = {f"{self.layer}.{neuron}": self.values[:, i] for i, neuron in enumerate(self.neurons)}
        return pandas.DataFrame(columns | values)

    @cached_property
    def panels(self) -> list[Panel]:
        """A text shaded by each neuron; the scale of a neuron is its own."""
        lines = [{"words": list(one.words), "name": one.id} for one in self.corpus]
        name = self.model.rstrip("/").rpartition("/")[2]
        more = (
            f" Not read: {', '.join(f'{n} {why}' for why, n in self.left_out.items())}."
            if self.left_out
            else ""
        )
        return [
            Panel(
                "shaded-text",
                slug("text", self.model, self.layer, str(neuron)),
                f"Neuron {neuron} of layer {self.layer} over running text",
                f"{name}, {self.site}: every word is shaded by the neuron's activation there.{more}",
                {"value": self.values[:, i]},
                {"lines": lines, "value_label": "activation"},
            )
            for i, neuron in enumerate(self.neurons)
        ]  # fmt: skip

    @property
    def summary(self) -> str:
        """Where the first neuron is highest and lowest."""
        value, words = self.values[:, 0], [word for one in self.corpus for word in one.words]
        n = int(np.isfinite(value).sum())
        if not n:
            return f"No word of {len(self.corpus)} sentences could be read."
        high, low = int(np.nanargmax(value)), int(np.nanargmin(value))
        return (
            f"Over {n:,} words in {len(self.corpus):,} sentences neuron {self.neurons[0]} of "
            f"layer {self.layer} is highest at {words[high]!r} ({value[high]:.3g}) and lowest at {words[low]!r} "
            f"({value[low]:.3g})."
        )

    def __repr__(self) -> str:
        named = ", ".join(map(str, self.neurons))
        return (
            f"<ActivationText {self.model} {self.site} {self.layer}.({named}): {len(self.corpus)} sentences>"
        )

    def _repr_html_(self) -> str:
        from probekit.results.html import escape
        from probekit.results.shaded_words import shade_words

        parts = [f"<p><b>{escape(panel.title)}</b></p>{shade_words(panel)}" for panel in self.panels]
        return f"<div><p>{escape(self.summary)}</p>{''.join(parts)}</div>"


def activation_text(
    model: Model,
    texts: Texts,
    layer: int | str,
    neurons: int | Iterable[int],
    site: str = "mlp",
    *,
    pool: str = "mean",
    text_form: str | None = None,
    progress: Progress = silent,
) -> ActivationText:
    """Words of texts coloured by a neuron, a line for each sentence: `pk.plot` draws it, a notebook shows it.

    The classic figure of a cell that counts depth (Karpathy, Johnson & Fei-Fei 2015, "Visualizing and understanding
    recurrent networks", fig. 2). `texts` is a text, a list of texts (words between white space) or a corpus;
    `neurons` are numbers of units of `site` (``mlp``: units of the feed-forward part after their activation; see the
    glossary for others). The activation of a word is the mean over its pieces (`pool`: mean, first, last, max), in the
    unit of the model. Raises ConfigError (no such layer, unit or site), DataError (nothing to read).

    >>> found = pk.activation_text(pk.load_model("demo:minilm"), "The keys to the cabinet are here.", 2, 7)
    >>> found.values.shape, found.panels[0].kind
    ((7, 1), 'shaded-text')
    """
    stream = stream_words(model, texts, [layer], site, pool=pool, text_form=text_form)
    asked: Sequence[Any] = list(neurons) if isinstance(neurons, Iterable) else [neurons]
    chosen = tuple(check_unit(unit, stream.dim, stream.layers[0], site) for unit in asked)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ConfigError(f"name at least one neuron, each once; got {list(chosen)}")
    start = np.concatenate([[0], np.cumsum([len(one) for one in stream.corpus])]).astype(np.int64)
    values = np.full((int(start[-1]), len(chosen)), np.nan)
    for words in stream.read(progress):
        values[start[words.sentence] + words.word] = words.values[:, list(chosen)]
    return ActivationText(
        stream.corpus, stream.layers[0], chosen, values, start, model.name, model.kind, site, dict(stream.left_out)
    )  # fmt: skip
