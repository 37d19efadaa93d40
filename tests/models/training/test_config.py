"""Training files: read to the last key, mistakes in one line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from probekit.errors import ConfigError
from probekit.models.training.config import load_config
from tests.models.training.tiny import masked, tiny


def test_defaults_stand_in_the_configuration() -> None:
    config = load_config(tiny())
    assert (config.optimizer.clip, config.optimizer.betas, config.objective.kind) == (
        1.0,
        (0.9, 0.999),
        "causal",
    )
    assert config.corpus.source == "generated"


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "novels.toml"
    file.write_text(
        "steps = 1\n[corpus]\ntext = ['../x.txt', 'y.txt']\n[objective]\nkind = 'causal'\n[model]\nfamily = 'gpt2'\n"
        "[tokenizer]\nfrom = './tok'\n"
    )
    config = load_config(file)
    assert config.corpus.text == [str(tmp_path / "a" / "../x.txt"), str(tmp_path / "a" / "y.txt")]
    assert config.tokenizer.existing == str(tmp_path / "a" / "tok")
    assert config.name == "novels"


def test_overrides_change_values_and_sources() -> None:
    config = load_config(tiny(), ["model.layers=3", "corpus.text=here.txt", "epochs=0.5"])
    assert (config.model.layers, config.corpus.text, config.corpus.generated) == (3, "here.txt", None)
    assert (config.steps, config.epochs) == (None, 0.5)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (tiny(model={"widht": 8}), ["unknown key 'model.widht'", "did you mean 'width'?"]),
        (tiny(model={"family": "gpt3"}), ["model.family", "'gpt3'"]),
        (tiny(model={"family": "bert"}), ["model.family 'bert'", "causal objective", "gpt2, llama"]),
        (masked(model={"family": "gpt2"}), ["masked objective", "bert, roberta"]),
        (tiny(objective={"share": 0.4}), ["objective", "masked objective"]),
        (tiny(model={"width": 10, "heads": 3}), ["width 10", "heads 3"]),
        (tiny(model={"family": "llama", "width": 6, "heads": 2}), ["even width"]),
        (tiny(model={"positions": 8}), ["positions 8", "length 16"]),
        (tiny(batches={"pieces": 8}), ["pieces 8", "length 16"]),
        (tiny(epochs=1.0), ["either steps or epochs"]),
        (tiny(corpus={}), ["one source", "got none"]),
        (tiny(corpus={"text": "a", "generated": {}}), ["text and generated"]),
        (
            masked(corpus={"text": "a"}, objective={"also_mask": {"column": "target"}}),
            ["also_mask", "annotated"],
        ),
        (tiny(steps="many"), ["steps", "integer"]),
        (tiny(evaluate=0), ["evaluate"]),
        (tiny(name="a/b"), ["name"]),
        (tiny(optimizer={"rate": 0.0}), ["optimizer.rate"]),
    ],
)
def test_a_mistake_is_one_line(document: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(document)
    assert "\n" not in str(caught.value), caught.value
    for word in words:
        assert word in str(caught.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"no training configuration 'nowhere\.toml'"):
        load_config("nowhere.toml")


def test_a_variant_takes_the_place_of_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(
        'steps = 3\n[corpus]\ngenerated = {}\n[objective]\nkind = "causal"\n[model]\nfamily = "gpt2"\nlayers = 2\n'
        "[variant.gpu]\nsteps = 30\nmodel = { layers = 12 }\n"
    )
    plain, gpu = load_config(file), load_config(f"{file}#gpu")
    assert (plain.steps, plain.model.layers) == (3, 2)
    assert (gpu.steps, gpu.model.layers, gpu.model.family) == (30, 12, "gpt2")
    with pytest.raises(ConfigError, match=r"no \[variant.gqu\]; did you mean 'gpu'"):
        load_config(f"{file}#gqu")
