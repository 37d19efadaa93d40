"""Change the states of a live model inside a ``with`` block, in this thread alone, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import torch

from probekit.errors import ConfigError, ModelError
from probekit.glossary import Site
from probekit.models.hooks.force import added, in_force
from probekit.models.hooks.live import Live
from probekit.models.hooks.positions import Positions, checked
from probekit.models.hooks.sites import check_site, find_place

if TYPE_CHECKING:
    from probekit.models.model import Model

EditFn: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""States ``[batch, pieces, dim]`` to states of the same shape; at heads ``[batch, pieces, heads, dim of a head]``."""


@dataclass(frozen=True)
class Edit:
    """What becomes of the states of one layer and site, and at which positions (None is all).

    ``fn`` may say more about itself in attributes: ``rowwise`` (each piece's row is mapped by itself, so that texts
    which begin alike may be read together), ``key`` (a hash of what it does, so that the edited states can be kept in
    a store), ``flat`` (heads are handed to it unsplit), ``check(model, layer, site)`` (raises where it does not fit;
    called before any hook is set).

    >>> pk.Edit(3, lambda states: 0 * states, site="mlp", positions=-1).site
    'mlp'
    """

    layer: str | int
    fn: EditFn
    site: Site = "hidden"
    positions: Positions | None = None


@contextmanager
def edit(
    model: Model,
    layer: str | int,
    fn: EditFn,
    site: Site = "hidden",
    positions: Positions | None = None,
) -> Iterator[None]:
    """Inside the block the states of a layer are what `fn` makes of them, and later layers read those.

    `fn` is given ``[batch, pieces, dim]`` and gives the same shape back; at ``site="heads"`` ``[batch, pieces, heads,
    dim of a head]``. With `positions` it still sees all pieces, and what it gives is taken at those alone (a scorer
    reads nothing behind the last piece it needs, so the end of a row is there). Other threads and processes are not
    touched; an edit of a place that is edited already comes after the earlier ones.

    Raises ConfigError (unknown layer, site or position) and ModelError: the family's blocks or sites are not known,
    another shape comes back, or the block is left and nothing ever passed by.

    >>> model, ids = pk.load_model("demo:minilm"), torch.tensor([[101, 1996, 3899, 102]])
    >>> with pk.edit(model, 3, lambda states: 0 * states):
    ...     before, after = (float(s.abs().max()) for s in model.states(ids, None, [2, 3]).values())
    >>> before > 0, after
    (True, 0.0)
    """
    with edit_all(model, [Edit(layer, fn, site, positions)]):
        yield


@contextmanager
def edit_all(model: Model, edits: Sequence[Edit]) -> Iterator[None]:
    """Several edits at once; those of one place act in the order given. Otherwise as `edit`.

    >>> model, ids = pk.load_model("demo:minilm"), torch.tensor([[101, 1996, 3899, 102]])
    >>> zero = lambda states: 0 * states
    >>> with pk.edit_all(model, [pk.Edit(1, zero, "mlp"), pk.Edit(2, zero, "mlp")]):
    ...     float(model.states(ids, None, 2, site="mlp")["2"].abs().max())
    0.0
    """
    lives = tuple(_live(model, given) for given in edits)
    with ExitStack() as cleanup:
        for live in lives:
            cleanup.callback(live.reading.attach(live.place.stack, live.is_in_force).remove)
            cleanup.callback(live.place.attach(live.hook, first=True).remove)
        cleanup.enter_context(added(lives))
        yield
    missed = [live for live in lives if not live.reached]
    if missed:
        raise ModelError(
            f"{missed[0]} was never reached: no state passed by there{_and_more(missed)}; run the model inside the "
            "block, on the stack that has this layer and on rows that have these positions"
        )


def active_edits(model: Model) -> tuple[Edit, ...]:
    """The edits of a model that are in force in this thread, in order; their layers by canonical name, numbers of
    positions as a tuple."""
    return tuple(live.edit for live in in_force() if live.model.module is model.module)


def _live(model: Model, given: Edit) -> Live:
    site = check_site(given.site)
    if not callable(given.fn):
        raise ConfigError(f"an edit needs a function of states, not {type(given.fn).__name__}")
    [layer] = model.resolve_layers([given.layer], site)
    check = getattr(given.fn, "check", None)
    if check is not None:
        check(model, layer, site)
    place = find_place(model, layer, site)
    return Live(model, replace(given, layer=layer, positions=checked(given.positions)), place)


def _and_more(missed: list[Live]) -> str:
    return f" (and {len(missed) - 1} more)" if len(missed) > 1 else ""
