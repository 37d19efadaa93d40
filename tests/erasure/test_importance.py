"""Rows, words and pictures of importance, from numbers by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from probekit.data.sentence import Sentence
from probekit.erasure.importance import GRADIENTS, SHOWN, Importance, TextImportance
from probekit.report.plot import plot

NAN = float("nan")


def one(
    text: str, before: float, after: list[float], groups: tuple[str, ...] = (), left_out: str = ""
) -> TextImportance:
    why = ["" if value == value else (left_out or "what is predicted") for value in after]
    return TextImportance.erased(
        Sentence.from_text(text[:3], text), before, np.array(after), why, groups, left_out
    )


def found(**other: Any) -> Importance:
    texts = (
        one("the keys ___", 2.0, [1.5, -1.0, NAN], ("DET", "NOUN", "X")),
        one("a dog ___ <script>", -1.0, [-1.0, -3.0, NAN, 0.0], ("DET", "NOUN", "X", "X")),
        one("lost", NAN, [NAN], ("NOUN",), "too long"),
    )
    about: dict[str, Any] = {
        "how": "the text read without it", "prediction": "log-odds of 'are' against 'is'", "unit": "nats",
        "model": "m", "group_key": "upos", "resamples": 200,
    }  # fmt: skip
    return Importance(texts=texts, **(about | other))


def test_importance_is_the_fall_and_li_divides_it_by_the_prediction() -> None:
    first, second, _ = found().texts
    assert first.importance[:2].tolist() == [0.5, 3.0]
    assert first.relative[:2].tolist() == [0.25, 1.5]
    assert second.importance[[0, 1, 3]].tolist() == [0.0, 2.0, -1.0]
    assert second.relative[[0, 1, 3]].tolist() == [0.0, -2.0, 1.0]  # a log-probability falls from -1 to -3
    assert np.isnan(one("a b", 0.0, [1.0, 2.0]).relative).all()


def test_rows_are_means_over_words_by_group() -> None:
    rows = {(row.metric, row.group): row for row in found().rows}
    assert rows["prediction", ""].value == pytest.approx(0.5)
    assert rows["prediction", ""].n == 2
    assert rows["prediction", ""].n_left_out == 1
    assert rows["importance", ""].value == pytest.approx((0.5 + 3 + 0 + 2 - 1) / 5)
    assert rows["importance_size", ""].value == pytest.approx((0.5 + 3 + 0 + 2 + 1) / 5)
    assert rows["relative_change", ""].value == pytest.approx((0.25 + 1.5 + 0 - 2 + 1) / 5)
    noun = rows["importance", "upos=NOUN"]
    assert (noun.value, noun.n, noun.n_left_out, noun.low, noun.high) == (2.5, 2, 1, 2.0, 3.0)
    assert "over sentences" in noun.interval
    assert rows["left_out", "reason=what is predicted"].value == 2
    assert rows["left_out", "reason=too long"].value == 1
    assert all("log-odds" in row.method and "nats" in row.method for row in rows.values())


def test_what_no_word_has_is_none_with_a_reason() -> None:
    nothing = replace(found(), texts=found().texts[2:])
    rows = {(row.metric, row.group): row for row in nothing.rows}
    assert rows["importance", ""].value is None
    assert rows["importance", ""].reason == "no word was left out"
    assert nothing.summary.startswith("No word could be left out")
    assert [panel.kind for panel in nothing.panels] == ["sentence", "heatmap", "table"]
    assert nothing._repr_html_()


def test_words_have_a_row_each() -> None:
    table = found().words()
    assert len(table) == 8
    row = table.iloc[1]
    assert (row["word"], row["group"], row["before"], row["after"], row["importance"]) == (
        "keys",
        "NOUN",
        2.0,
        -1.0,
        3.0,
    )
    assert table.iloc[2]["not_erased"] == "what is predicted"
    shares = found(measure=GRADIENTS, delta=0.01)
    assert shares.words()["relative_change"].isna().all()
    metrics = {row.metric for row in shares.rows}
    assert "relative_change" not in metrics
    assert "completeness_delta" in metrics


def test_the_summary_names_the_word_and_the_direction() -> None:
    assert (
        "the word 'keys' of text the matters most: leaving it out lowers it by 3.000 nats, from 2.000 to -1.000"
        in found().summary
    )
    raised = replace(found(), texts=(one("a b", 1.0, [1.0, 4.0]),))
    assert "'b' matters most: leaving it out raises it by 3.000 nats" in raised.summary
    assert "1 text;" in raised.summary
    assert "the largest share in the log-odds" in found(measure=GRADIENTS).summary
    assert "+3.000 nats" in found(measure=GRADIENTS).summary
    assert found().summary.endswith(
        "By upos, NOUN matters most: 2.500 [2.000, 3.000] nats either way, 2 words."
    )
    still = replace(found(group_key=""), texts=(one("a b", 1.0, [1.0, 1.0]),))
    assert still.summary.startswith("No word matters")


def test_panels_are_a_row_per_text_padded() -> None:
    sentence, heat, table = found().panels
    assert sentence.labels["text"] == found().summary
    assert heat.arrays["value"].shape == (3, 4)
    assert heat.arrays["value"][0, :2].tolist() == [0.5, 3.0]
    assert np.isnan(heat.arrays["value"][0, 2:]).all()
    assert heat.labels["columns"] == ["1", "2", "3", "4"]
    assert [cells[0] for cells in table.labels["rows"]] == ["DET", "NOUN", "X"]
    assert "above 0: the word raises it" in heat.caption
    alone = replace(found(group_key=""), texts=found().texts[:1])
    assert alone.panels[1].labels["columns"] == ["1 the", "2 keys", "3 ___"]
    ranked = alone.panels[2].labels["rows"]
    assert [cells[2] for cells in ranked] == ["keys", "the"]
    assert len(plot(found())) == 1  # the heat map is the picture


def test_long_texts_are_cut_in_the_picture_and_said_to_be() -> None:
    many = replace(found(), texts=(one("w " * 60, 1.0, [0.5] * 60),) * (SHOWN + 5))
    heat = many.panels[1]
    assert heat.arrays["value"].shape == (SHOWN, SHOWN)
    assert "are shown" in heat.caption
    assert len(many.words()) == 60 * (SHOWN + 5)


def test_the_table_is_tidy() -> None:
    table = found().table()
    assert list(table["metric"])[:2] == ["prediction", "importance"]
    assert repr(found()) == "<Importance of 8 words of 3 texts: log-odds of 'are' against 'is'>"
