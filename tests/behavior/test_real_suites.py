"""The published suites beside the checkout: what is asked about them, and a real pretrained model judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from probekit.behavior.judge import judge
from probekit.behavior.questions import IDENTICAL, ask_suite
from probekit.data.read_suite import load_suite
from probekit.data.suite import Suite
from probekit.models import load_model
from probekit.models.scoring import score_pieces

pytestmark = pytest.mark.real


def test_identical_pairs_of_the_blimp_sample_are_not_asked(shared_data: Path) -> None:
    asked = ask_suite(load_suite("blimp", data=str(shared_data / "blimp_sample")))
    assert len(asked.cases) == 13_400
    assert sum(case.left_out == IDENTICAL for case in asked.cases) == 1
    assert asked.n_asks == 2 * 13_399
    assert asked.shared_prefix_cancels


def test_every_case_of_syntaxgym_has_its_regions(shared_data: Path) -> None:
    suite = load_suite("syntaxgym", data=str(shared_data / "syntaxgym"))
    asked = ask_suite(suite)
    assert len({case.item for case in asked.cases}) == len(suite) == 842
    assert len(asked.cases) == 867  # two suites have two predictions
    assert not asked.shared_prefix_cancels


def test_a_pretrained_model_is_judged_as_plain_sums_of_its_pieces(shared_data: Path) -> None:
    folder = shared_data.parent / "models" / "stories260k"
    if not folder.is_dir():
        pytest.skip("the small pretrained model is not beside this checkout")
    model = load_model(str(folder), device="cpu")
    whole = load_suite("gulordava", data=str(shared_data / "gulordava"))
    suite = Suite("part", whole.items[:40], whole.predictions, whole.kind, whole.region_names)
    judged = judge(model, suite, baselines=(), layers=["final"], resamples=100)
    right = []
    for item in suite.items:
        bits = {}
        for condition in item.conditions:
            start, end = condition.regions[1]
            [scores] = score_pieces(model, [condition.text])
            first = scores.spans[:, 0] + [
                len(condition.text[a:b]) - len(condition.text[a:b].lstrip()) for a, b in scores.spans
            ]
            bits[condition.name] = -scores.logprob[(first >= start) & (first < end)].sum() / np.log(2)
        right.append(float(bits["bad"] > bits["good"]))
    assert judged.model.right.tolist() == right
    assert judged.layers[0].right.tolist() == right
