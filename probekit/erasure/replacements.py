"""What stands in place of a part that is taken out: nothing, its mean, or what it was for other input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import index
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.erasure.reference import Reference, reference_means, reference_states
from probekit.errors import ConfigError, ModelError, did_you_mean
from probekit.glossary import Progress, Site, silent
from probekit.models.hooks import Edit
from probekit.results.files import tagged_hash

if TYPE_CHECKING:
    from probekit.models.model import Model

Array = NDArray[Any]
How: TypeAlias = Literal["zero", "mean", "resample"]
Part: TypeAlias = Literal["neuron", "dimension", "head"]


@dataclass(frozen=True, eq=False, repr=False)
class Replacement:
    """An edit's function: some members of a site (neurons, dimensions or heads) hold something else.

    Attributes
    ----------
    part : what the members are; heads are the last axis but one, all else the last
    chosen : numbers of the members that were named, ascending
    keep_only : whether those named are kept and all others replaced
    how : "zero"; "mean": the same state for every piece; "resample": for piece t of every text the state that was
        drawn for t from the states of other input
    states : float32 [1, dim] for a mean, [rows, dim] to draw from, [0, dim] for zero
    """

    part: Part
    chosen: tuple[int, ...]
    keep_only: bool
    how: How
    site: Site
    states: Array
    seed: int = 0
    model: str = ""
    fingerprint: str = ""
    _placed: dict[Any, Any] = field(default_factory=dict)

    @property
    def rowwise(self) -> bool:
        """Whether a piece's state is replaced alike wherever it stands."""
        return self.how != "resample"

    @cached_property
    def key(self) -> str:
        """A hash of what is done."""
        seed = self.seed if self.how == "resample" else 0
        said = (self.part, self.chosen, self.keep_only, self.how, self.site, self.states.shape, seed)
        return tagged_hash("probekit.ablation", repr(said).encode() + self.states.astype("<f4").tobytes())

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """States [batch, pieces, dim] (or [batch, pieces, heads, dim of a head]) with the members replaced."""
        axis = -2 if self.part == "head" else -1
        n = states.shape[axis]
        gone = self._gone(n, states.device)
        if axis == -2:
            gone = gone[:, None]
        return torch.where(gone, self._instead(states), states)

    def _gone(self, n: int, device: torch.device) -> torch.Tensor:
        """bool [n]: which members are replaced."""
        found: torch.Tensor | None = self._placed.get((n, device))
        if found is None:
            gone = np.zeros(n, dtype=bool)
            gone[list(self.chosen)] = True
            found = self._placed[n, device] = torch.from_numpy(gone ^ self.keep_only).to(device)
        return found

    def _instead(self, states: torch.Tensor) -> torch.Tensor:
        """What to put in, of a shape that spreads over the states."""
        if self.how == "zero":
            return torch.zeros((), dtype=states.dtype, device=states.device)
        where = (states.dtype, states.device)
        bank: torch.Tensor | None = self._placed.get(where)
        if bank is None:
            bank = self._placed[where] = torch.from_numpy(self.states.astype(np.float32)).to(
                device=states.device, dtype=states.dtype
            )
        rows = bank if self.how == "mean" else bank[self._drawn(states.shape[1]).to(states.device)]
        return rows.reshape(len(rows), *states.shape[2:])

    def _drawn(self, pieces: int) -> torch.Tensor:
        """The row that was drawn for each piece; a longer text has the same beginning."""
        rng = np.random.default_rng([self.seed, 7])
        return torch.from_numpy(rng.random(pieces) * len(self.states)).long()

    def check(self, model: Model, layer: str, site: Site) -> None:
        """Raise ConfigError where the members are not there, ModelError where the states are another model's."""
        if site != self.site:
            raise ConfigError(
                f"this ablation of {self.part}s is for site {self.site!r}, not for {site!r} (layer {layer})"
            )
        if self.fingerprint == model.fingerprint:
            return
        if self.how != "zero":
            raise ModelError(
                f"this {self.how} ablation holds states of {self.model}, and {model.name} is another model; "
                "make it anew"
            )
        check_members(self.part, self.chosen, count_members(model, self.part, site), model.name, layer)

    def __repr__(self) -> str:
        what = f"all but {len(self.chosen)}" if self.keep_only else str(len(self.chosen))
        return f"Replacement({what} {self.part}s at {self.site!r} by {self.how})"


def replace_members(
    model: Model,
    chosen: Mapping[Any, Iterable[int]],
    *,
    part: Part,
    site: Site,
    how: How = "zero",
    reference: Reference | None = None,
    keep_only: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Edit, ...]:
    """An edit for every layer named, from low to high, that replaces its members. Raises ConfigError, DataError."""
    if how not in get_args(How):
        raise ConfigError(f"no way {how!r} to replace a {part}; {did_you_mean(str(how), get_args(How))}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"seed must be a whole number from 0 on; got {seed!r}")
    if how == "zero" and reference is not None:
        raise ConfigError(
            "how='zero' puts in nothing that could come from a reference; use 'mean' or 'resample'"
        )
    if not isinstance(chosen, Mapping) or not chosen:
        raise ConfigError(f"name {part}s by layer, like {{3: [0, 1]}}; got {chosen!r}")
    n = count_members(model, part, site)
    members: dict[str, tuple[int, ...]] = {}
    for layer, numbers in chosen.items():
        [name] = model.resolve_layers([layer], site)
        if name in members:
            raise ConfigError(f"layer {name!r} is named twice; give its {part}s in one list")
        members[name] = check_members(part, numbers, n, model.name, name)
        if not members[name] and not keep_only:
            raise ConfigError(
                f"layer {name}: no {part} was chosen, so nothing would be ablated; leave the layer out"
            )
        if keep_only and len(members[name]) == n:
            raise ConfigError(f"layer {name}: all {n} {part}s are kept, so nothing would be ablated")
    layers = [layer for layer in model.layers if layer in members]
    banks = _banks(model, how, reference, layers, site, seed, progress)
    return tuple(
        Edit(
            layer,
            Replacement(
                part, members[layer], keep_only, how, site, banks[layer], seed, model.name, model.fingerprint
            ),
            site,
        )
        for layer in layers
    )


def count_members(model: Model, part: Part, site: Site) -> int:
    """How many neurons, dimensions or heads a site has."""
    return model.n_heads if part == "head" else model.site_dim(site)


def check_members(part: Part, numbers: Iterable[int], n: int, name: str, layer: str) -> tuple[int, ...]:
    """The numbers as a set, ascending. Raises ConfigError for what is no number or beyond the last."""
    if isinstance(numbers, str | int) or not isinstance(numbers, Iterable):
        raise ConfigError(f"layer {layer}: give a list of {part}s, like [0, 1]; got {numbers!r}")
    found: set[int] = set()
    for given in numbers:
        if isinstance(given, bool | str | float) or not hasattr(given, "__index__"):
            raise ConfigError(f"layer {layer}: a {part} is named by its number; got {given!r}")
        number = index(given)
        if not 0 <= number < n:
            raise ConfigError(
                f"{name}, layer {layer}: there is no {part} {number} of {n}; they are numbered 0 to {n - 1}"
            )
        found.add(number)
    return tuple(sorted(found))


def _banks(
    model: Model,
    how: How,
    reference: Reference | None,
    layers: Sequence[str],
    site: Site,
    seed: int,
    progress: Progress,
) -> dict[str, Array]:
    if how == "zero":
        return dict.fromkeys(layers, np.zeros((0, 0), np.float32))
    if how == "mean":
        means = reference_means(model, reference, layers, site, progress)
        return {layer: mean[None].astype(np.float32) for layer, mean in means.items()}
    found = reference_states(model, reference, layers, site, seed, progress)
    return {layer: states.astype(np.float32) for layer, states in found.items()}
