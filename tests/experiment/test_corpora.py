"""A plan's corpus is read by the reader of its source; generated ones come from the keys of their table."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.agreement import generate_agreement
from probekit.errors import ConfigError
from probekit.experiment.corpora import read_planned
from probekit.experiment.plan import AgreementPlan, CorpusPlan, load_plan
from probekit.experiment.run import run_experiment
from tests.tiny_models import tiny_folder

FILE = """
[corpus]
agreement = {{ train = 40, dev = 20, test = 20, {keys} }}
[[model]]
name = "{model}"
twins = 0
[[analysis]]
kind = "probe"
tasks = ["number"]
layers = [1]
strengths = [0.1]
seeds = {{ control = 1 }}
bootstrap = 100
"""


def write(folder: Path, keys: str) -> Path:
    file = folder / "experiment.toml"
    file.write_text(FILE.format(keys=keys, model=tiny_folder("bert")), encoding="utf-8")
    return file


def test_the_agreement_table_says_what_is_generated(tmp_path: Path) -> None:
    plan, _, _ = load_plan(
        write(tmp_path, 'seed = 3, cue = "spurious", attractors = [1], constructions = { pp = 2 }')
    )
    assert plan.corpus is not None
    assert plan.corpus.source == "agreement"
    expected = generate_agreement(40, 20, 20, seed=3, cue="spurious", attractors=[1], constructions=["pp"])
    assert read_planned(plan.corpus).hash == expected.hash


def test_defaults_are_those_of_the_function() -> None:
    import inspect

    plan = AgreementPlan()
    for name, parameter in inspect.signature(generate_agreement).parameters.items():
        given = getattr(plan, name)
        assert (tuple(given) if isinstance(given, list) else given) == parameter.default, name
    assert read_planned(CorpusPlan(agreement=AgreementPlan(train=2, dev=1, test=1))).sizes["train"] == 2


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('constructions = ["ppp"]', "corpus.agreement: unknown construction 'ppp'; did you mean 'pp'"),
        ("attractors = [7]", "attractors are numbers from 0 to 4"),
        ('cue = "spurios"', "did you mean 'spurious'"),
        ("tset = 5", "did you mean 'test'"),
    ],
)
def test_what_is_wrong_is_named_before_anything_runs(tmp_path: Path, keys: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"experiment\.toml") as caught:
        load_plan(write(tmp_path, keys))
    assert message in str(caught.value)


def test_probes_run_on_it(tmp_path: Path) -> None:
    run = run_experiment(write(tmp_path, "seed = 1"), runs=tmp_path / "runs")
    assert run.info["failed"] == []
    assert run.info["corpora"][0]["sizes"] == {"train": 40, "dev": 20, "test": 20}
    scored = [row.value for row in run.measurements() if row.layer == "1" and row.control == ""]
    assert scored
    assert None not in scored
