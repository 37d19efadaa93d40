"""CoLA as a suite: is an acceptable sentence less surprising than one that is not?"""

from __future__ import annotations

from probekit.data.lines import Paths, common_name, expand
from probekit.data.read_cola import read_cola
from probekit.data.suite import Condition, Item, Suite


def read_cola_suite(paths: Paths, *, name: str = "") -> Suite:
    """Sentences with the groups label ("1" acceptable, "0" not) and source; kind ``acceptability``.

    There are no pairs, so nothing is predicted of an item: judging asks how well scores tell the labels apart.
    Warstadt, Singh and Bowman 2019, "Neural network acceptability judgments", TACL. Raises DataError with file:line.
    """
    files = expand(paths)
    items = tuple(
        Item(
            sentence.id,
            (Condition.of_text("sentence", sentence.text),),
            "",
            {"label": sentence.attributes["label"], "source": sentence.attributes["source"]},
            sentence.place,
        )
        for sentence in read_cola(files)
    )
    return Suite(name or common_name(files), items, (), "acceptability")
