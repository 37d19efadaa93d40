"""The card and the curve of a trained model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from huggingface_hub import ModelCard

from probekit.models.training.train import train
from probekit.report.plot import plot
from tests.models.training.tiny import masked, tiny


def test_the_curve_is_drawn(tmp_path: Path) -> None:
    trained = train(tiny(steps=3, evaluate=1), out=tmp_path / "m")
    (panel,) = trained.panels
    assert panel.kind == "curve"
    np.testing.assert_array_equal(panel.arrays["x"], [1, 2, 3])
    np.testing.assert_allclose(panel.arrays["value"][0], [row["loss"] for row in trained.curve])
    assert panel.labels["reference"]["value"] == trained.record["score"]["unigram_loss"]
    assert plot(panel) is not None


def test_the_card_is_one_that_the_hub_reads(tmp_path: Path) -> None:
    for base, task in ((tiny, "text-generation"), (masked, "fill-mask")):
        trained = train(base(steps=2), out=tmp_path / base.__name__)
        card = ModelCard.load(trained.path / "README.md")
        assert card.data.pipeline_tag == task
        assert card.data.license == "apache-2.0"
        assert f"{trained.perplexity:,.2f} a piece" in card.text
        assert (" a word." in card.text) == (base is tiny)
