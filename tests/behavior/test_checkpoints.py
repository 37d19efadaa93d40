"""Behaviour over training: every checkpoint kept is judged alike and stands at its step."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from probekit.behavior.answers import answer_suite
from probekit.behavior.checkpoints import find_checkpoints, judge_checkpoints
from probekit.data.suite import Item, Suite, pair_suite, target_pair
from probekit.errors import ConfigError, DataError
from probekit.models import load_model
from probekit.models.scoring import make_scorer
from tests.tiny_models import write_tiny


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as training leaves it: the model and three checkpoints of other weights."""
    folder = tmp_path_factory.mktemp("models") / "tiny-causal"
    for step in (100, 2, 0):
        write_tiny("gpt2", folder / "revisions" / f"step-{step:06d}", seed=step, head=True)
    for path in (folder / "revisions" / "step-000100").iterdir():
        shutil.copy(path, folder / path.name)
    (folder / "training.json").write_text("{}")
    return folder


def suite() -> Suite:
    parts = [("the dogs", "run", "runs", "at night"), ("a dog", "runs", "run", "at night")] * 3
    items = [
        Item(f"i{k}", target_pair(*part), groups={"attractors": str(k % 2)}) for k, part in enumerate(parts)
    ]
    return pair_suite("t", items, "target")


def test_checkpoints_are_found_by_step(trained: Path) -> None:
    assert list(find_checkpoints(trained)) == [0, 2, 100]


def test_each_checkpoint_is_judged_as_it_would_be_alone(trained: Path) -> None:
    curve = judge_checkpoints(trained, suite(), resamples=50)
    assert curve.steps == (0, 2, 100)
    for step, revision in find_checkpoints(trained).items():
        model = load_model(str(trained), revision=revision, device="cpu")
        plain = answer_suite(make_scorer(model), suite())
        np.testing.assert_array_equal(curve.judgements[step].answers.bits, plain.bits)
    groups = {row.group for row in curve.rows if row.metric == "accuracy"}
    assert {"step=0", "step=2 attractors=1", "step=100 attractors=0"} <= groups
    assert {row.model for row in curve.rows} == {"tiny-causal"}
    assert len(curve.table()) == len(curve.rows)


def test_the_curve_stands_on_a_log_scale_with_the_untrained_model_at_its_edge(trained: Path) -> None:
    curve = judge_checkpoints(trained, suite(), steps=[100, 0], resamples=50)
    panel = next(panel for panel in curve.panels if panel.kind == "curve")
    assert panel.labels["x_scale"] == "log"
    assert panel.arrays["x"].tolist() == [0.5, 100.0]
    assert panel.labels["reference"]["value"] == 0.5
    assert [series["name"] for series in panel.labels["series"]] == [
        "all items",
        "0 attractors",
        "1 attractors",
    ]
    assert "Over 2 checkpoints of tiny-causal on t" in curve.summary
    assert curve._repr_html_()


def test_what_was_not_kept_is_said(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no checkpoint of step 7; kept: 0, 2, 100"):
        judge_checkpoints(trained, suite(), steps=[7])
    with pytest.raises(DataError, match="no checkpoints"):
        judge_checkpoints(tmp_path, suite())
