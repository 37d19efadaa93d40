"""The figure of attention: the panel's weights in its pixels, every label inside, small files, windows told."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from probekit.report.figures.attention import MARK
from probekit.report.figures.style import COLUMN, MISSING, PAGE, style
from probekit.report.plot import plot, render
from probekit.results.panel import Panel
from tests.results.views.shown import ATTACK, attention


def draw(panel: Panel, width: float = PAGE) -> Any:
    (figure,) = plot(panel, width=width)
    with style():
        figure.draw_without_rendering()
    return figure


def large(figure: Any) -> Any:
    (found,) = [axes for axes in figure.axes if axes.get_title()]
    return found


PANELS = {
    "small": attention(7),
    "middle": attention(40, sentence_b=20),
    "long": attention(96, note="Taken: 96 of 302 pieces: the first 94 of the text and 2 special ones."),
    "one-head": attention(13, 1, 1),
    "deep": attention(12, 24, 16),
    "words": attention(
        5, 2, 3, tokens=["internationalization", ATTACK, "$x^2$", "名詞", "MMMMMMMMMMMMMMMMM"]
    ),
}


@pytest.mark.parametrize(
    ("name", "width"),
    [("small", PAGE), ("middle", COLUMN), ("long", PAGE), ("long", COLUMN), ("one-head", PAGE), ("deep", PAGE),
     ("words", PAGE), ("words", COLUMN)],
)  # fmt: skip
def test_nothing_is_cut_off(name: str, width: float) -> None:
    figure = draw(PANELS[name], width)
    canvas = figure.bbox
    for axes in figure.axes:
        labels = [
            axes.title,
            axes.xaxis.label,
            axes.yaxis.label,
            *axes.get_xticklabels(),
            *axes.get_yticklabels(),
        ]
        for text in [*labels, *figure.texts]:
            if text.get_text():
                box = text.get_window_extent()
                assert canvas.x0 - 1 <= box.x0 <= box.x1 <= canvas.x1 + 1, text
                assert canvas.y0 - 1 <= box.y0 <= box.y1 <= canvas.y1 + 1, text
    assert figure.get_figheight() < 12
    assert large(figure).bbox.width > 0.33 * canvas.width


def test_the_files_are_small_and_the_same_every_time() -> None:
    for name in ("middle", "words"):
        svg = render(PANELS[name], "svg")
        assert len(svg) < 300_000
        assert render(PANELS[name], "svg") == svg
        assert b"<img" not in svg
    assert len(render(PANELS["middle"], "pdf")) < 100_000
    assert len(render(PANELS["deep"], "svg")) < 400_000


def test_the_large_head_is_the_panel_s_weights() -> None:
    panel = attention(7, chosen=[4, 9])
    axes = large(draw(panel))
    assert axes.get_title() == "layer 5, head 9"
    (image,) = axes.images
    np.testing.assert_allclose(image.get_array(), panel.arrays["weights"][4, 9])
    assert image.get_clim() == (0, 1)
    assert image.get_cmap().name == "viridis"
    assert [label.get_text() for label in axes.get_yticklabels()] == panel.labels["tokens"]
    colours = [label.get_color() for label in axes.get_xticklabels()]
    assert [colour == MARK for colour in colours] == [True, *[False] * 5, True]


def test_the_small_heads_stand_where_their_layer_and_number_say() -> None:
    panel = attention(7, 3, 4, chosen=[2, 1])
    grid = next(axes for axes in draw(panel).axes if axes.get_xlabel() == "head")
    canvas = grid.images[0].get_array()
    step = 8  # seven pieces and a gap
    for layer in range(3):
        for head in range(4):
            pixels = canvas[layer * step : layer * step + 7, head * step : head * step + 7]
            weights = np.rint(panel.arrays["weights"][layer, head].astype(float) * 31) / 31
            np.testing.assert_array_equal(pixels, mpl.colormaps["viridis"](weights, bytes=True))
    assert not canvas[7, :, 3].any()  # the gaps are see-through
    (box,) = grid.patches
    assert (box.get_x() + 1, box.get_y() + 1) == pytest.approx((8, 16), abs=0.01)


def test_without_a_choice_the_head_that_looks_far_is_large() -> None:
    weights = np.zeros((2, 3, 6, 6), np.float32)
    weights[..., 0] = 1
    weights[1, 2] = np.roll(np.eye(6), 3, axis=1)
    panel = attention(6, 2, 3)
    assert (
        large(draw(Panel("attention", "a", "A", "", {"weights": weights}, panel.labels))).get_title()
        == "layer 2, head 2"
    )


def test_two_texts_are_parted_and_long_ones_cut_and_said_so() -> None:
    axes = large(draw(attention(12, 2, 2, sentence_b=7)))
    white = [line for line in axes.get_lines() if line.get_color() == "white"]
    assert [float(line.get_ydata()[0]) for line in white[:1]] == [6.5]
    figure = draw(attention(60, sentence_b=30))
    told = [text.get_text() for text in figure.texts]
    assert "Drawn: 40 of 60 pieces" in told[0].replace("\n", " ")
    column = draw(attention(60), COLUMN)
    assert len(large(column).get_xticks()) == 22


def test_what_is_not_defined_is_grey_and_said() -> None:
    panel = attention(5, 2, 2, chosen=[0, 1])
    weights = panel.arrays["weights"].copy()
    weights[0, 1, 2] = np.nan
    figure = draw(Panel("attention", "a", "A", "", {"weights": weights}, panel.labels))
    assert large(figure).images[0].get_array().mask[2].all()
    grid = next(axes for axes in figure.axes if axes.get_xlabel() == "head")
    grey = round(255 * mpl.colors.to_rgb(MISSING)[0])
    assert (grid.images[0].get_array()[2, 6:11, :3] == grey).all()
    assert figure.texts[0].get_text().endswith("Grey: not defined.")


def test_other_values_than_weights_are_named() -> None:
    panel = attention(5, 2, 1, chosen=[0, 0])
    labels = {**panel.labels, "heads": ["all"], "value_label": "share of the last layer", "note": "Rows take"}
    figure = draw(Panel("attention", "a", "A", "", panel.arrays, labels))
    assert large(figure).get_title() == "layer 1"
    assert "share of the last layer" in [axes.get_ylabel() for axes in figure.axes]
    assert figure.texts[0].get_text() == "Rows take."
