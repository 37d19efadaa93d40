"""Where in a model the parameters lie, and which of them a strategy trains."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.layout import Layout, find_layout
from probekit.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd


def parameter_table(adapted: Any) -> pd.DataFrame:
    """How many parameters each part of a fitted `FineTune` (or of a live model) has, and how many are trained.

    Parts are ``front`` (what a strategy puts in front of the text), ``below`` the blocks (embeddings), ``block 1``
    ..., ``above`` them (a final norm), ``head`` and ``all``; what is inserted into a block counts there. Blocks that
    share their weights cannot be told apart: ``block 1`` is then the whole model. Columns: part, parameters, trained,
    share (trained of the part's). Raises NotFittedError.

    >>> clf = pk.FineTune("demo:minilm", strategy="pfeiffer", epochs=1).fit(["keys rust", "a dog barks"], [0, 1])
    >>> table = pk.parameter_table(clf).set_index("part")
    >>> int(table.trained["below"]), int(table.trained["block 1"]) == int(table.trained["block 2"]) > 0
    (0, True)
    """
    import pandas as pd

    if not isinstance(adapted, Live):
        check_is_fitted(adapted, "live_")
    live: Live = getattr(adapted, "live_", adapted)
    try:
        layout = find_layout(live)
    except ModelError:
        layout = Layout((live.model.module,), (), ())
    part = dict.fromkeys((id(p) for p in live.body.parameters()), "front")
    part |= dict.fromkeys((id(p) for p in live.model.module.parameters()), "below")
    for number, block in enumerate(layout.blocks, 1):
        part |= dict.fromkeys((id(p) for p in block.parameters()), f"block {number}")
    part |= dict.fromkeys(map(id, layout.above), "above")
    part |= dict.fromkeys(map(id, live.head.parameters()), "head")
    size: Counter[str] = Counter()
    trained: Counter[str] = Counter()
    for path, parameter in live.named_parameters():
        for name in (part[id(parameter)], "all"):
            size[name] += parameter.numel()
            trained[name] += parameter.numel() * (parameter.requires_grad or path in live.trained)
    names = [
        "front",
        "below",
        *(f"block {n}" for n in range(1, len(layout.blocks) + 1)),
        "above",
        "head",
        "all",
    ]
    rows = [(name, size[name], trained[name], trained[name] / size[name]) for name in names if size[name]]
    return pd.DataFrame(rows, columns=["part", "parameters", "trained", "share"])
