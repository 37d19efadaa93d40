"""Look at the attention of one text or a pair: a page that can be clicked, offline, and a figure for paper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError, ModelError
from probekit.glossary import Layer
from probekit.models.attention import attend
from probekit.models.pair import PieceText, as_pair, read_piece_text
from probekit.results.files import write_bytes
from probekit.results.html import escape
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel
from probekit.results.views.page import view_frame, view_page
from probekit.results.views.scripts import VIEWS, views_missing
from probekit.results.views.window import choose_pieces, reach, room_for, told_window

if TYPE_CHECKING:
    import pandas

    from probekit.models.attention import Attended
    from probekit.models.model import Model

Array = NDArray[Any]

METRIC = "largest weight on a piece farther away"


@dataclass(frozen=True, eq=False, repr=False)
class AttentionView:
    """The attention of one text, made by `pk.attention_view`: a notebook shows it, `.save` writes the page.

    ``panel`` is of kind "attention"; ``rows`` has, for every head, the largest weight that a piece gives to one
    piece of the text that is neither itself nor beside it, on average; ``view`` says which page is made.
    """

    panel: Panel
    view: str
    rows: tuple[Measurement, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The picture, for `pk.plot` and reports: every head small, one large; in a report also the page."""
        return (self.panel,)

    @property
    def summary(self) -> str:
        """The head that is drawn large, in a sentence."""
        layer, head = self.panel.labels["chosen"]
        names = self.panel.labels["layers"][layer], self.panel.labels["heads"][head]
        value = self.rows[layer * len(self.panel.labels["heads"]) + head].value
        return (
            f"Head {names[1]} of layer {names[0]} gives {value:.0%} of a piece's weight, on average, to the one piece "
            "farther away that it looks at most; one text says nothing about others."
        )

    def table(self) -> pandas.DataFrame:
        """The rows as a pandas table."""
        return tidy(self.rows)

    def html(self, view: str = "") -> str:
        """The page as text; another `view` than the one asked for at first may be given.

        Raises ConfigError, MissingExtra where mpld3 and XStatic-jQuery are absent.
        """
        return view_page(self.panel, view or self.view)

    def save(self, path: str | Path, view: str = "") -> Path:
        """Write the page as one file and give its path back. Raises DiskError, and what `html` raises."""
        write_bytes(path, self.html(view).encode("utf-8"))
        return Path(path)

    def __repr__(self) -> str:
        layers, heads, pieces, _ = self.panel.arrays["weights"].shape
        return f"<AttentionView of {self.rows[0].model}: {layers} layers x {heads} heads, {pieces} pieces>"

    def _repr_html_(self) -> str:
        if missing := views_missing():
            table = (
                self.table().loc[:, ["layer", "group", "metric", "value"]].to_html(index=False, escape=True)
            )
            return (
                f"<p>{escape(self.summary)}</p><p>No view that can be clicked: {escape(missing)}</p>{table}"
            )
        return f"{view_frame(self.panel, self.view)}<p>{escape(self.summary)}</p>"


def attention_view(
    model: Model,
    text: str,
    text_b: str | None = None,
    view: str = "head",
    *,
    layers: str | int | Iterable[int | str] = "all",
    heads: Iterable[int] | None = None,
    chosen: tuple[int | str, int] | None = None,
    max_pieces: int | None = None,
    start: int = 0,
) -> AttentionView:
    """What every head of a model looks at in a text, or in two texts read as a pair.

    `view`: "head", "model" or "neuron", as of bertviz (Vig 2019), with transformers 5 and without a network; `chosen`
    (layer, head) opens first and is drawn large, by default the head that looks most sharply at
    pieces farther away. Of a long
    text a window of pieces is taken (`start`: where it begins, `max_pieces`: its most), special pieces always; weights
    are not renormalised, and page and figure say what is left out. Edits in force are in force here.

    Raises ConfigError (an unknown view, layer or head), DataError (no text), ModelError (a model that gives no
    attention; a family whose queries are not seen, for the neuron view).

    >>> shown = pk.attention_view(pk.load_model("demo:minilm"), "The keys are here.", layers=[1, 6])
    >>> shown.panel.arrays["weights"].shape
    (2, 12, 7, 7)
    """
    if view not in VIEWS:
        raise ConfigError(f"no view {view!r}; known: {', '.join(VIEWS)}")
    if max_pieces is not None and max_pieces < 2:
        raise ConfigError(f"max_pieces must be at least 2, not {max_pieces}")
    wanted = model.resolve_layers(layers, "heads")
    numbers = _heads(model, heads)
    read = read_piece_text(model, text, text_b)
    total = len(read.names)
    room = room_for("head", total, len(wanted) * len(numbers))
    special = np.flatnonzero(read.special).tolist()
    window = choose_pieces(total, min(room, max_pieces or room), special, read.second, start)
    arrays, outside = _capture(model, read, wanted, numbers, window, vectors=view == "neuron")
    inside = np.flatnonzero(read.special[window]).tolist()
    given = reach(arrays["weights"], inside)
    labels: dict[str, Any] = {
        "tokens": [read.names[number] for number in window],
        "layers": list(wanted),
        "heads": [str(number) for number in numbers],
        "special": inside,
        "chosen": _chosen(model, chosen, wanted, numbers, given),
        "view": view,
        "note": _note(model, read, window, inside, start, outside),
    }
    if read.second is not None and (window >= read.second).any():
        labels["sentence_b"] = int((window < read.second).sum())
    panel = Panel(
        "attention",
        "attention",
        f"Attention of {model.name}",
        "Rows look, columns are looked at; bright is much. Special pieces are marked. "
        "One text is an illustration, no evidence.",
        arrays,
        labels,
    )
    rows = tuple(
        Measurement(
            metric=METRIC, value=float(given[row, column]), model=model.name, model_kind=model.kind, layer=layer,
            site="heads", method="attention of one text", group=f"head={number}", split="",
            n=len(window) - len(inside), unit="piece",
        )
        for row, layer in enumerate(wanted)
        for column, number in enumerate(numbers)
    )  # fmt: skip
    return AttentionView(panel, view, rows)


def _heads(model: Model, heads: Iterable[int] | None) -> list[int]:
    known = model.n_heads
    found = list(range(known)) if heads is None else sorted(set(heads))
    if not found:
        raise ConfigError(f"no head was asked for; {model.name} has 0 ... {known - 1} in each layer")
    if wrong := [head for head in found if head not in range(known)]:
        raise ConfigError(f"{model.name} has no head {wrong[0]!r}: it has 0 ... {known - 1} in each layer")
    return found


def _capture(
    model: Model,
    read: PieceText,
    layers: tuple[Layer, ...],
    heads: list[int],
    window: Array,
    *,
    vectors: bool,
) -> tuple[dict[str, Array], float]:
    """Weights (and queries and keys) of the pieces in the window, and the mean weight that goes to pieces outside."""
    found: dict[str, dict[Layer, Array]] = {"weights": {}, "queries": {}, "keys": {}}
    total = len(read.names)

    def keep(layer: Layer, attended: Attended) -> None:
        # a decoder of an encoder-decoder has its start piece in front
        weights = attended.weights[0, heads, -total:, -total:].float().cpu().numpy()
        found["weights"][layer] = weights[:, window[:, None], window]
        if vectors:
            if attended.queries is None or attended.keys is None:
                raise ModelError(
                    f"{model.name}: {model.family} computes its queries and keys out of sight, so there is no neuron "
                    "view of it; take view='head' or view='model'"
                )
            for name, tensor in (("queries", attended.queries), ("keys", attended.keys)):
                found[name][layer] = tensor[0, heads, -total:].float().cpu().numpy()[:, window]

    with as_pair(model, read):
        attend(model, read.ids, None, keep, layers)
    arrays = {name: np.stack([by[layer] for layer in layers]) for name, by in found.items() if by}
    return arrays, float(1 - arrays["weights"].sum(-1, dtype=np.float64).mean())


def _chosen(
    model: Model,
    chosen: tuple[int | str, int] | None,
    layers: tuple[Layer, ...],
    heads: list[int],
    given: Array,
) -> list[int]:
    if chosen is None:
        return [int(number) for number in np.unravel_index(int(given.argmax()), given.shape)]
    (layer,) = model.resolve_layers(chosen[0], "heads")
    if layer not in layers or chosen[1] not in heads:
        raise ConfigError(
            f"the chosen head {chosen[1]} of layer {layer} is not among the layers and heads asked for"
        )
    return [layers.index(layer), heads.index(chosen[1])]


def _note(model: Model, read: PieceText, window: Array, inside: list[int], start: int, outside: float) -> str:
    """What is not there, in sentences; "" where all is."""
    told = []
    if read.cut:
        told.append(
            f"The text is {len(read.names) + read.cut:,} pieces long; {model.name} reads {len(read.names):,} of them."
        )
    total = len(read.names)
    if window_told := told_window(total, window, len(inside), start, read.second is not None, verb="Taken"):
        told += [window_told, f"That is {outside:.0%} of all weight."]
    return " ".join(told)
