"""Put states of one sentence into the pass over its minimal pair, place by place, and see what the model then says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.erasure.patch_pairs import LinedUp, PatchPair, Reading, line_up
from probekit.erasure.patched import ALL, Patching
from probekit.errors import ConfigError, DataError, ModelError
from probekit.glossary import Progress, Site, silent
from probekit.models.hooks import Edit, Positions, capture, edit_all
from probekit.models.scoring import make_scorer
from probekit.models.scoring.masked import Pll
from probekit.models.scoring.pieces import BosRule
from probekit.models.scoring.rows import batches, head_logprobs, state_layer
from probekit.results.measurement import About

if TYPE_CHECKING:
    from probekit.models.model import Model
    from probekit.models.scoring.base import ModelScorer

Array = NDArray[Any]

STAGE = "patching (passes)"
LEAST = 0.1
TOO_LITTLE = "log-odds after base and source differ too little"


@dataclass(frozen=True, eq=False)
class PutStates:
    """An edit's function that gives fixed states [batch, pieces, dim], whatever passes by."""

    states: torch.Tensor
    rowwise = False
    flat = True
    """Heads are handed over side by side."""

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """The fixed states, in the type that is asked for."""
        if states.shape != self.states.shape:
            raise ModelError(
                f"states of shape {list(self.states.shape)} cannot be put where {list(states.shape)} pass by; "
                "both sentences must have as many pieces"
            )
        return self.states.to(states)


def interchange(
    model: Model,
    source: torch.Tensor,
    layers: str | int | Iterable[int | str] = "all",
    site: Site = "hidden",
    positions: Positions | None = None,
) -> tuple[Edit, ...]:
    """Edits that put the states of `source` (piece ids [batch, pieces]) into passes of the same shape.

    An encoder-decoder reads `source` in both stacks. Geiger et al. 2021 (interchange interventions). Raises ConfigError
    for an unknown layer.

    >>> model = pk.load_model("demo:minilm")
    >>> read = lambda text: model.tokenizer(text, return_tensors="pt").input_ids
    >>> with pk.edit_all(model, interchange(model, read("The key"))):
    ...     patched = model.states(read("The keys"), None, [6])["6"]
    >>> bool((patched == model.states(read("The key"), None, [6])["6"]).all())
    True
    """
    wanted = model.resolve_layers(layers, site)
    with capture(model, wanted, site) as seen:
        model.states(source, None, wanted, site=site)
    return tuple(Edit(layer, PutStates(seen[layer].flatten(2)), site, positions) for layer in wanted)


def patch_effects(
    model: Model,
    pairs: Sequence[PatchPair],
    layers: str | int | Iterable[int | str] = "all",
    site: Site = "hidden",
    *,
    whole: bool = False,
    least: float = LEAST,
    bos: BosRule = "auto",
    pll: Pll = "within_word_l2r",
    pieces_per_batch: int | None = None,
    resamples: int = 1000,
    about: About | None = None,
    progress: Progress = silent,
) -> Patching:
    """How far the source's state at one layer and place moves the prediction after base towards that after source.

    Of every pair the log-odds of target against foil, in nats by the rules of `make_scorer`, are read after `base`,
    after `source`, and after `base` with the source's state put in at one layer and place: the effect is (patched -
    base) / (source - base), 1 where the place carries all of it. Places are the pair's roles, and pieces without a
    role by their distance from the prediction (``last``, ``last-1``, ... or ``mask``, ``mask-1``, ``mask+1``);
    `whole` adds all of them together. Pairs whose pieces do not line up, or whose source and base differ by less than
    `least` nats, are left out and counted. Vig et al. 2020; Meng et al. 2022.

    For causal models, and masked ones where target and foil are single pieces. Raises ModelError for others,
    DataError where no pair is left, ConfigError (an option).

    >>> pair = pk.PatchPair("The key", "The keys", "is", "are", {"subject": [1]})
    >>> found = pk.patch_effects(pk.load_model("gpt2"), [pair])             # doctest: +SKIP
    >>> found.effect.shape                                                  # doctest: +SKIP
    (1, 14, 2)
    """
    if isinstance(pairs, PatchPair) or not len(pairs):
        raise DataError(
            "patching needs a list of PatchPair; got " + ("one" if isinstance(pairs, PatchPair) else "none")
        )
    if not least > 0:
        raise ConfigError(f"least must be above 0 nats: it divides the effect; got {least!r}")
    scorer = make_scorer(model, bos=bos, pll=pll, pieces_per_batch=pieces_per_batch)
    if scorer.kind == "encoder-decoder":
        raise ModelError(
            f"{model.name}: states are patched in causal and masked models, not in encoder-decoders"
        )
    wanted = model.resolve_layers(layers, site)
    lined = line_up(scorer, pairs)
    names = _names(lined) + ([ALL] if whole else [])
    patched = np.full((len(pairs), len(wanted), len(names)), np.nan)
    ends = np.full((2, len(pairs)), np.nan)
    column = {name: j for j, name in enumerate(names)}
    _Passes(model, scorer, lined, wanted, site, column, patched, ends).run(progress)
    reasons = [one.left_out for one in lined]
    for i in range(len(pairs)):
        if not reasons[i] and abs(ends[1, i] - ends[0, i]) < least:
            reasons[i] = TOO_LITTLE
    kept = np.array([not reason for reason in reasons])
    left_out = dict(sorted(Counter(reason for reason in reasons if reason).items()))
    if not kept.any():
        said = "; ".join(f"{reason} ({n})" for reason, n in left_out.items())
        raise DataError(f"no pair of {len(pairs)} can be patched: {said}")
    used = [name for j, name in enumerate(names) if not np.isnan(patched[kept][:, 0, j]).all()]
    columns = [names.index(name) for name in used]
    clusters = [pair.cluster or f"pair {i}" for i, pair in enumerate(pairs)]
    return Patching(
        layers=wanted, places=tuple(used), base=ends[0, kept], source=ends[1, kept],
        patched=patched[kept][:, :, columns], pair=np.flatnonzero(kept),
        cluster=np.unique(np.array(clusters)[kept], return_inverse=True)[1].reshape(-1), left_out=left_out,
        site=site, rule=scorer.rule, resamples=resamples, about=about or About(model=model.name, site=site),
    )  # fmt: skip


def _names(lined: Sequence[LinedUp]) -> list[str]:
    """All names of places, from left to right: by their mean distance from where the prediction is made."""
    outer = {"begin": -np.inf, "end": np.inf}
    offsets: dict[str, list[float]] = {}
    for one in lined:
        for name, positions in one.places.items():
            offsets.setdefault(name, []).append(outer.get(name, float(np.mean(positions)) - one.anchor))
    return sorted(offsets, key=lambda name: float(np.mean(offsets[name])))


@dataclass(frozen=True, eq=False)
class _Passes:
    """Fills in ``patched`` [pairs, layers, places] and ``ends`` [base and source, pairs], in nats."""

    model: Model
    scorer: ModelScorer
    lined: Sequence[LinedUp]
    layers: Sequence[str]
    site: Site
    column: dict[str, int]
    patched: Array
    ends: Array

    def run(self, progress: Progress) -> None:
        for i, one in enumerate(self.lined):
            if not one.left_out:
                self.ends[:, i] = 0.0
                self.patched[i][:, [self.column[name] for name in self._places(one)]] = 0.0
        readings = [reading for one in self.lined for reading in one.readings]
        chosen = list(batches([[len(reading.base)] for reading in readings], self.scorer.budget))
        progress(STAGE, 0, len(chosen))
        for done, numbers in enumerate(chosen):
            self._read([readings[i] for i in numbers])
            progress(STAGE, done + 1, len(chosen))

    def _places(self, one: LinedUp) -> dict[str, tuple[int, ...]]:
        every = {ALL: tuple(range(one.context))} if ALL in self.column else {}
        return {**one.places, **every}

    def _read(self, group: Sequence[Reading]) -> None:
        """Readings of one length: base, source, then every layer, each place of each reading a row of a batch."""
        device = self.model.module.device
        base, source = (
            torch.from_numpy(np.stack([getattr(one, side) for one in group])).to(device)
            for side in ("base", "source")
        )
        plain, other = (self._log_odds(self._top(ids), group) for ids in (base, source))
        cells = []  # which reading, which column, which pieces
        for i, reading in enumerate(group):
            self.ends[:, reading.pair] += plain[i], other[i]
            one = self.lined[reading.pair]
            for name, positions in self._places(one).items():
                if self.scorer.kind == "causal" and max(positions) < one.shared:
                    # the same pieces were read up to there: the same states
                    self.patched[reading.pair, :, self.column[name]] += plain[i]
                else:
                    cells.append((i, self.column[name], positions))
        states = self.model.states(source, None, self.layers, site=self.site)
        step = max(1, self.scorer.budget // base.shape[1])
        for begin in range(0, len(cells), step):
            part = cells[begin : begin + step]
            own = [group[i] for i, _, _ in part]
            which = torch.tensor([i for i, _, _ in part], device=device)
            where = torch.zeros(len(part), base.shape[1], dtype=torch.bool)
            for row, (_, _, positions) in enumerate(part):
                where[row, list(positions)] = True
            for k, layer in enumerate(self.layers):
                put = Edit(layer, PutStates(states[layer][which]), self.site, _At(where.to(device)))
                with edit_all(self.model, [put]):
                    found = self._log_odds(self._top(base[which]), own)
                for (_, j, _), reading, value in zip(part, own, found, strict=True):
                    self.patched[reading.pair, k, j] += value

    def _top(self, ids: torch.Tensor) -> torch.Tensor:
        """The states that the output head reads."""
        top = state_layer(self.model)
        return self.model.states(ids, None, [top])[top]

    def _log_odds(self, states: torch.Tensor, group: Sequence[Reading]) -> Array:
        """The weighted sum of log-probabilities of every reading, from its row of [readings, pieces, dim]."""
        n = states.shape[1]
        cell = np.concatenate([i * n + one.position for i, one in enumerate(group)])
        cells, row = np.unique(cell, return_inverse=True)
        row = row.reshape(-1)
        order = np.argsort(row, kind="stable")
        target = np.concatenate([one.target for one in group])
        read = states.flatten(0, 1)[torch.from_numpy(cells).to(states.device)]
        found = np.empty(len(row))
        found[order] = head_logprobs(self.scorer.head, read, row[order], target[order], self.model.vocabulary)
        weight = np.concatenate([one.weight for one in group])
        total: Array = np.bincount(cell // n, weights=weight * found, minlength=len(group))
        return total


@dataclass(frozen=True, eq=False)
class _At:
    """Positions that are known beforehand, bool [batch, pieces]."""

    where: torch.Tensor

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        return self.where
