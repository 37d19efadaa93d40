"""Erasures whose models, tasks and suites have names that are nearly alike or very long; layers of other sites."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from probekit.data.catalogue import probes_folder
from probekit.errors import ConfigError
from tests.experiment.test_erase import experiment, no_page, start
from tests.tiny_models import tiny_folder, tiny_lm_folder

__all__ = ["no_page"]

TWO = ("determiner_noun_agreement_with_adjective", "determiner_noun_agreement_with_adverb")


def test_all_layers_are_those_that_have_the_site(no_page: None, tmp_path: Path) -> None:
    home = experiment(
        tmp_path, model=tiny_folder("bert"), suites="suites = []", layers='layers = "all"', more='site = "mlp"',
        methods='methods = ["leace"]',
    )  # fmt: skip
    run = start(home)
    assert not run.info["failed"]
    assert {row.layer for row in run.measurements() if row.metric == "encoded_after"} == {"1", "2"}


def test_every_suite_has_its_own_pictures_however_long_the_names_are(no_page: None, tmp_path: Path) -> None:
    model = tmp_path / "a-model-whose-name-takes-up-all-of-forty-characters"
    shutil.copytree(tiny_lm_folder("gpt2"), model)
    home = experiment(
        tmp_path, model=model, suites=f'suites = ["{TWO[0]}.toml", "{TWO[1]}.toml"]', layers="layers = [1]",
        concepts=f'concepts = ["{"number_" * 7}.toml"]', methods='methods = ["leace"]', neutral="neutral = 0",
        control_concepts="control_concepts = []",
    )  # fmt: skip
    for name in TWO:
        text = (home / "small.toml").read_text()
        (home / f"{name}.toml").write_text(text.replace('name = "small"', f'name = "{name}"'))
    _task(home / f"{'number_' * 7}.toml", "number_" * 7)
    run = start(home)
    assert not run.info["failed"]
    titles = [panel.title for panel in run.panels()]
    for name in TWO:
        assert any("encoded, and used for" in title and title.endswith(name) for title in titles)


def test_tasks_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    home = experiment(tmp_path, model=Path("no-such-model"), concepts='concepts = ["one.toml", "two.toml"]')
    _task(home / "one.toml", "syntax/number")
    _task(home / "two.toml", "lexicon/number")
    with pytest.raises(ConfigError, match="'syntax/number' and 'lexicon/number' would share a file name"):
        start(home)


def _task(file: Path, name: str) -> None:
    text = (probes_folder() / "tasks" / "verb_number.toml").read_text()
    file.write_text(text.replace('name = "verb_number"', f'name = "{name}"'))
