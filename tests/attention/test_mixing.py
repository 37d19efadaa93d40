"""What every map of mixing says of itself: shares, words left out, pictures, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import probekit as pk
from probekit.attention.mixing import Mixing, TextMixing
from probekit.errors import ConfigError, DataError
from tests.tiny_models import tiny_model


def made(maps: list[list[float]], special: list[float]) -> Mixing:
    own = np.array(maps, np.float32)[None, None]
    n = len(maps)
    text = TextMixing(
        "1", 0, tuple("abcdef"[:n]), own, np.array(special, np.float32)[None, None], np.zeros(n, bool)
    )
    return Mixing((text,), "rollout", "attention rollout", "share", ("1",), ("all",), model="m")


def test_shares_are_of_everything_a_row_takes() -> None:
    found = made([[1.0, 2.0], [0.0, 3.0]], [1.0, 1.0])
    rows = {row.metric: row for row in found.rows}
    assert rows["to_self"].value == pytest.approx((1 / 4 + 3 / 4) / 2)
    assert rows["to_previous"].value == 0.0  # of the second word alone
    assert (rows["to_previous"].n, rows["to_self"].n) == (1, 2)
    assert rows["to_next"].value == pytest.approx(2 / 4)
    assert rows["to_special"].value == pytest.approx((1 / 4 + 1 / 4) / 2)
    assert rows["to_self"].low is None  # one text has no interval
    assert "50 % from itself" in found.summary
    # norms and flows know no bound, and are drawn between 0 and 1
    assert found.panels[1].arrays["weights"][0, 0].tolist() == [[0.25, 0.5], [0.0, 0.75]]


def test_a_name_is_text_and_no_markup() -> None:
    assert "<b>" not in replace(made([[1.0]], [0.0]), model="<b>x")._repr_html_()


def test_a_row_that_takes_nothing_is_not_scored() -> None:
    found = made([[0.0, 0.0], [1.0, 1.0]], [0.0, 0.0])
    rows = {row.metric: row for row in found.rows}
    assert (rows["to_self"].value, rows["to_self"].n) == (0.5, 1)
    assert (rows["to_next"].value, rows["to_next"].reason) == (None, "no word has such a neighbour")


def test_words_left_out_are_counted_and_not_zero() -> None:
    text = " ".join(["cat"] * 100)  # more than 64 pieces
    found = pk.rollout(tiny_model("bert"), [text, "the cat sat"])
    assert found.left_out["truncated"] > 0
    one = found.texts[0]
    gone = ~one.present
    assert gone.sum() == found.left_out["truncated"]
    assert np.isnan(one.maps[..., gone, :]).all()
    assert np.isnan(one.maps[..., gone]).all()
    assert found.rows[0].n_left_out == gone.sum()
    assert all(row.value is not None for row in found.rows)


def test_pieces_are_tokens_special_ones_included() -> None:
    found = pk.rollout(tiny_model("bert"), "the cat", level="piece")
    one = found.texts[0]
    assert one.tokens[0] == "[CLS]"
    assert one.is_special.tolist() == [True, False, False, True]
    assert "to_special" not in {row.metric for row in found.rows}


def test_everything_a_result_has() -> None:
    found = pk.norm_maps(tiny_model("gpt2"), ["the cat sat", "the dogs run on mats"])
    assert [panel.kind for panel in found.panels] == ["sentence", "attention", "attention", "heatmap"]
    assert len(found.table()) == len(found.rows) == 2 * 2 * 4
    assert "norm-based attention" in found.summary
    assert "<table" in found._repr_html_()
    assert found.panels[1].arrays["weights"].shape == (2, 2, 3, 3)
    assert all(row.low is not None and row.interval for row in found.rows if row.metric == "to_self")


def test_bad_input() -> None:
    model = tiny_model("bert")
    with pytest.raises(DataError, match="there is no text"):
        pk.rollout(model, [])
    with pytest.raises(DataError, match="no word of the texts could be read"):
        pk.rollout(model, " ")
    found = pk.rollout(model, "the cat")
    with pytest.raises(ConfigError, match="no map of layer '7'"):
        found.map(7)
    with pytest.raises(ConfigError, match="there is no text 3: they are numbered 0 to 0"):
        found.map(1, text=3)


def test_a_notebook_sees_a_small_table_with_empty_cells() -> None:
    found = pk.norm_maps(tiny_model("bert"), "cat")
    assert repr(found).startswith("<Mixing by norms: 1 text, layers")
    shown = found._repr_html_()
    assert shown.count("<tr>") == 1 + len(found.layers)
    assert "from the one before" in shown
    assert "<td></td>" in shown  # one word has no neighbour
    assert not {"NaN", "None"} & set(shown.replace("<", ">").split(">"))
