"""The tuned lens: an affine map per layer, fitted so that the output head reads the layer as it reads the last one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.activations.places import Read, read_places
from probekit.behavior.finder import spoken_name
from probekit.behavior.lens import head_of, is_normed
from probekit.errors import ConfigError, DataError
from probekit.glossary import Progress, silent
from probekit.maths.resampling import mean_interval
from probekit.models.scoring import make_scorer
from probekit.results.bundle import load_bundle, save_bundle
from probekit.results.formats import slug
from probekit.results.measurement import Measurement
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.activations.store import Store
    from probekit.models.head import OutputHead
    from probekit.models.model import Model

Array = NDArray[Any]

NATS_PER_BIT = float(np.log(2))
HELD_OUT = 0.2
"""The share of texts that the divergence is measured on."""
LETTERS = 40
"""Characters of text tokenized for each place wanted: enough to draw from, and bounded however much text there is."""


@dataclass(frozen=True, eq=False, repr=False)
class TunedLens:
    """An affine map for every layer, ``h + h @ weight.T + bias``, to be read by final norm and output head.

    Attributes
    ----------
    layers : the layers it was made for; the last block's map is the identity, since nothing is to be learned there
    weight : float32 (layers, dim, dim); bias : float32 (layers, dim); both 0 at the start, which is the logit lens
    before, after : float64 (layers, places): KL(model's output || lens) in bits at every held-out place, of the logit
        lens and of the fitted one
    text : int64 (places,): the held-out text of each place
    """

    model: str
    fingerprint: str
    layers: tuple[str, ...]
    weight: Array
    bias: Array
    before: Array
    after: Array
    text: Array
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def rule(self) -> str:
        """What is done, in words."""
        return (
            f"tuned lens: an affine map per layer, fitted for {self.options.get('steps')} steps to "
            f"{self.options.get('train_places', 0):,} places of text, then the final norm and the output head"
        )

    def __call__(self, states: torch.Tensor, layer: str) -> torch.Tensor:
        """States ``[rows, dim]`` of a layer, mapped."""
        at = self.layers.index(layer)
        weight, bias = (torch.from_numpy(np.array(x[at])).to(states) for x in (self.weight, self.bias))
        mapped: torch.Tensor = states + states @ weight.T + bias
        return mapped

    def check(self, model: Model, layers: Sequence[str]) -> None:
        """Raise ConfigError unless this lens was fitted to this model, at these layers."""
        if self.fingerprint != model.fingerprint:
            raise ConfigError(
                f"this lens was fitted to {self.model}, not to {model.name} as it is now; fit another"
            )
        for layer in layers:
            if layer not in self.layers and not is_normed(layer):
                raise ConfigError(
                    f"this lens has no layer {layer!r}: {', '.join(self.layers)}; fit it with that layer"
                )

    @property
    def rows(self) -> tuple[Measurement, ...]:
        """The mean divergence from the model's own output at each layer, before and after fitting, on held-out text."""
        found = []
        for at, layer in enumerate(self.layers):
            for name, values in (("logit lens", self.before[at]), ("tuned lens", self.after[at])):
                bounds = mean_interval(values, self.text)
                found.append(
                    Measurement(
                        metric="kl_to_output",
                        model=self.model,
                        layer=layer,
                        method=name,
                        value=bounds.value,
                        low=bounds.low,
                        high=bounds.high,
                        interval="cluster bootstrap over texts, 1000 resamples, 95% percentile",
                        n=len(self.text),
                        unit="piece",
                        split="held-out",
                    )
                )
        return tuple(found)

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        from probekit.results.measurement import tidy

        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """What came of the fit."""
        before, after = self.before.mean(), self.after.mean()
        return (
            f"On {len(self.text):,} places of held-out text, the output of {spoken_name(self.model)} read from its "
            f"layers diverges from its own by {before:.3f} bits through the logit lens and by {after:.3f} bits through "
            f"the tuned lens (mean over {len(self.layers)} layers)."
        )

    @property
    def panels(self) -> list[Panel]:
        """The divergence over layers."""
        numbers = {
            key: np.array([[getattr(row, key) or 0.0 for row in self.rows[first::2]] for first in (0, 1)])
            for key in ("value", "low", "high")
        }
        return [
            Panel(
                "sentence", f"{slug(self.model)}-tuned-lens", "In a sentence", labels={"text": self.summary}
            ),
            Panel(
                "layer-curve",
                f"{slug(self.model)}-tuned-lens-layers",
                f"Lenses on {spoken_name(self.model)}",
                "KL(model's output || lens), mean over places of held-out text; bands: 95 % bootstrap over texts.",
                numbers,
                {
                    "layers": list(self.layers),
                    "x_label": "layer (0 = embeddings)" if "0" in self.layers else "layer",
                    "y_label": "divergence from the output (bits)",
                    "series": [
                        {"name": "logit lens", "style": "control"},
                        {"name": "tuned lens", "style": "task"},
                    ],
                },
            ),
        ]

    def _repr_html_(self) -> str:
        from probekit.results.html import escape

        return f"<p>{escape(self.summary)}</p>"

    def save(self, stem: str | Path) -> None:
        """Write `<stem>.safetensors` and `<stem>.json`. Raises DiskError."""
        words = {name: getattr(self, name) for name in ("model", "fingerprint", "options")}
        arrays = {name: getattr(self, name) for name in ("weight", "bias", "before", "after", "text")}
        save_bundle(stem, arrays, {**words, "layers": list(self.layers)})

    @classmethod
    def load(cls, stem: str | Path) -> TunedLens:
        """Read a lens back. Raises DataError where a file is absent, StoreError where one is damaged."""
        arrays, words = load_bundle(stem)
        given: dict[str, Any] = {**words, **arrays, "layers": tuple(words["layers"])}
        return cls(**given)


def fit_tuned_lens(
    model: Model,
    texts: Sequence[str],
    *,
    layers: str | int | Iterable[int | str] = "all",
    steps: int = 200,
    batch: int = 128,
    rate: float = 1e-3,
    places: int = 8192,
    seed: int = 0,
    store: Store | str | Path | None = None,
    progress: Progress = silent,
) -> TunedLens:
    """Fit an affine map per layer by minimising KL(model's output || head of the mapped layer) on text.

    At most `places` places of four fifths of the texts are fitted to and a quarter as many, of the other texts, are
    measured on; both are drawn by `seed`. Places are those the model's scorer looks at: every piece given those before
    it, or every piece masked by itself. Maps start at the identity; Adam, its rate falling to 0. The same seed gives
    the same lens on the same machine with the same number of threads. Belrose et al. 2023, "Eliciting latent
    predictions from transformers with the tuned lens".

    Raises ModelError (no head, or an encoder-decoder), DataError (too little text), ConfigError (an option).

    >>> lens = pk.fit_tuned_lens(pk.load_model("gpt2"), texts)              # doctest: +SKIP
    >>> pk.judge(model, suite, lens=lens)                                   # doctest: +SKIP
    """
    for name, value in (("steps", steps), ("batch", batch), ("places", places)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"{name} must be a whole number above 0; got {value!r}")
    if not rate > 0:
        raise ConfigError(f"rate must be above 0; got {rate!r}")
    head = head_of(model)
    wanted = [layer for layer in model.resolve_layers(layers) if not is_normed(layer)]
    if not wanted:
        raise ConfigError("layer 'final' is read by the output head itself; name a layer below it")
    train, held_out, text = _places(model, texts, places, seed)
    top = model.layers[-1]
    last_block = [layer for layer in model.layers if not is_normed(layer)][-1]
    read = [
        read_places(model, inputs, number, position, [*wanted, top], store, progress)
        for inputs, number, position in (train, held_out)
    ]
    weights, biases, before, after = [], [], [], []
    for done, layer in enumerate(wanted):
        progress("fitting the tuned lens (layers)", done, len(wanted))
        fit = _Fit(head, model, read, layer, top)
        before.append(fit.divergence())
        if layer != last_block:
            fit.run(steps, batch, rate, seed)
        weights.append(fit.weight.detach().cpu().numpy())
        biases.append(fit.bias.detach().cpu().numpy())
        after.append(fit.divergence())
    progress("fitting the tuned lens (layers)", len(wanted), len(wanted))
    options = {"steps": steps, "batch": batch, "rate": rate, "seed": seed, "train_places": len(train[1])}
    return TunedLens(
        model=model.name,
        fingerprint=model.fingerprint,
        layers=tuple(wanted),
        weight=np.stack(weights),
        bias=np.stack(biases),
        before=np.stack(before),
        after=np.stack(after),
        text=text,
        options=options,
    )


class _Fit:
    """One layer's map while it is fitted."""

    def __init__(
        self, head: OutputHead, model: Model, read: Sequence[Read | None], layer: str, top: str
    ) -> None:
        self.head, self.dtype, self.norm = head, model.module.dtype, head.norm
        self.device = model.module.device
        parts = [part for part in read if part is not None]
        self.X, self.X_out = (part.states(layer, self.device) for part in parts)
        self.top, self.top_out = (part.states(top, self.device) for part in parts)
        self.top_is_normed = is_normed(top)
        dim = self.X.shape[1]
        self.weight = torch.zeros(dim, dim, device=self.device, requires_grad=True)
        self.bias = torch.zeros(dim, device=self.device, requires_grad=True)

    def run(self, steps: int, batch: int, rate: float, seed: int) -> None:
        """Adam with a falling rate; each step takes the next batch of a shuffled order."""
        draw = torch.Generator().manual_seed(seed)
        optimiser = torch.optim.Adam([self.weight, self.bias], lr=rate)
        falling = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.0 - step / steps)
        order = torch.randperm(len(self.X), generator=draw)
        begin = 0
        for _ in range(steps):
            if begin >= len(order):
                order, begin = torch.randperm(len(self.X), generator=draw), 0
            chosen = order[begin : begin + batch].to(self.device)
            begin += batch
            optimiser.zero_grad()
            self._kl(self.X[chosen], self.top[chosen]).mean().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            falling.step()

    def divergence(self, at_once: int = 256) -> Array:
        """KL in bits at every held-out place, float64 ``[places]``."""
        with torch.no_grad():
            parts = [
                self._kl(self.X_out[i : i + at_once], self.top_out[i : i + at_once])
                for i in range(0, len(self.X_out), at_once)
            ]
        bits: Array = torch.cat(parts).double().cpu().numpy() / NATS_PER_BIT
        return bits

    def _kl(self, states: torch.Tensor, top: torch.Tensor) -> torch.Tensor:
        """KL(model's output || head of the mapped states) in nats, ``[rows]``."""
        with torch.no_grad():
            final = top.to(self.dtype)
            wanted = self.head(final if self.top_is_normed else self.norm(final)).float().log_softmax(-1)
        mapped = states + states @ self.weight.T + self.bias
        found = self.head(self.norm(mapped.to(self.dtype))).float().log_softmax(-1)
        return (wanted.exp() * (wanted - found)).sum(-1)


Places = tuple[list[Array], Array, Array]


def _places(model: Model, texts: Sequence[str], places: int, seed: int) -> tuple[Places, Places, Array]:
    """Inputs, input numbers and positions to fit to and to measure on, and the text of each of the latter."""
    if isinstance(texts, str) or len(texts) < 2:
        raise DataError(
            "a tuned lens needs a list of at least 2 texts: some are fitted to, others measured on"
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(texts))
    n_out = max(1, round(len(texts) * HELD_OUT))
    scorer = make_scorer(model)
    parts: list[Places] = []
    for numbers, most in ((order[n_out:], places), (order[:n_out], max(1, places // 4))):
        length = np.cumsum([len(texts[i]) for i in numbers])
        numbers = np.sort(numbers[: 1 + int(np.searchsorted(length, most * LETTERS))])
        queries = scorer.ask_pieces([texts[i] for i in numbers], [""] * len(numbers))
        if not len(queries):
            raise DataError("a tuned lens found no piece to look at in some of the texts; give it more text")
        chosen = np.sort(rng.permutation(len(queries))[:most])
        used, number = np.unique(queries.input[chosen], return_inverse=True)
        parts.append(([queries.inputs[i] for i in used], number, queries.position[chosen]))
        text = numbers[queries.ask[chosen]]
    return parts[0], parts[1], text
