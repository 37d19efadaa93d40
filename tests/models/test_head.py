"""The head taken off its backbone gives the logits of transformers' own language model."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import (
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForMaskedLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    RobertaPreLayerNormConfig,
    RobertaPreLayerNormForMaskedLM,
)

from probekit.errors import ModelError
from probekit.models import Model, load_model, random_twin
from probekit.models.head import load_head
from tests.tiny_models import (
    ENCODER_DECODERS,
    KINDS,
    WITH_FINAL_NORM,
    tiny_lm,
    tiny_lm_folder,
    tiny_model,
    write_tiny,
)  # fmt: skip

OTHERS: dict[str, Any] = {
    "distilbert": (
        "bert",
        DistilBertForMaskedLM,
        lambda n: DistilBertConfig(vocab_size=n, dim=32, n_layers=2, n_heads=2, hidden_dim=64),
    ),
    "gpt_neox": (
        "gpt2",
        GPTNeoXForCausalLM,
        lambda n: GPTNeoXConfig(
            vocab_size=n, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
        ),
    ),
    "roberta-prelayernorm": (
        "roberta",
        RobertaPreLayerNormForMaskedLM,
        lambda n: RobertaPreLayerNormConfig(
            vocab_size=n, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
        ),
    ),
}


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a language model of the family asked for."""
    kind = request.param
    if kind in KINDS:
        return tiny_lm_folder(kind)
    tokenizer_of, cls, config = OTHERS[kind]
    path = tmp_path_factory.mktemp(kind)
    tokenizer = AutoTokenizer.from_pretrained(tiny_lm_folder(tokenizer_of))
    torch.manual_seed(1)
    module = cls(config(len(tokenizer)))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    module.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def whole_logits(path: Path, ids: torch.Tensor) -> torch.Tensor:
    """What transformers' own class says, loaded by itself and in its own way."""
    name = json.loads((path / "config.json").read_text())["architectures"][0]
    module = getattr(transformers, name).from_pretrained(path, trust_remote_code=False).eval()
    with torch.no_grad():
        if module.config.is_encoder_decoder:
            return module(input_ids=ids, decoder_input_ids=ids).logits[0]
        return module(input_ids=ids).logits[0]


def final_states(model: Model, ids: torch.Tensor) -> torch.Tensor:
    """What the head reads: `final`, or the last block where there is no final norm."""
    if model.start_piece is None:
        return model.states(ids, None, model.layers[-1])[model.layers[-1]][0]
    return model.decode(ids, None, ids, model.layers[-1])[model.layers[-1]][0]


@pytest.mark.parametrize("folder", [*KINDS, *OTHERS], indirect=True)
def test_logits_equal_those_of_the_whole_language_model(folder: Path) -> None:
    # raw last states were asked for (tie_last_hidden_states=False) in ours and not in theirs
    model = load_model(str(folder), device="cpu")
    ids = torch.tensor([[7, 31, 90, 5, 66, 12, 80]])
    head = load_head(model)
    states = final_states(model, ids)
    expected = whole_logits(folder, ids)
    assert float((head(states) - expected).abs().max()) <= 1e-6
    assert float((head(states[2:4]) - expected[2:4]).abs().max()) <= 1e-6
    assert load_head(model) is head


@pytest.mark.parametrize("kind", KINDS)
def test_norm_leads_from_the_last_block_to_what_the_head_reads(kind: str) -> None:
    model = tiny_lm(kind)
    ids = torch.tensor([[7, 31, 90, 5]])
    names = [name for name in model.layers if not name.startswith("encoder.")]
    last = next(name for name in reversed(names) if not name.endswith("final"))
    plain = model.start_piece is None
    states = model.states(ids, None, names) if plain else model.decode(ids, None, ids, names)
    normed = load_head(model).norm(states[last][0])
    assert torch.equal(normed, states[names[-1]][0])
    assert (kind in WITH_FINAL_NORM) == (not torch.equal(normed, states[last][0]))


@pytest.mark.parametrize("kind", KINDS)
def test_tied_weights_are_those_of_the_model_itself(kind: str) -> None:
    model = tiny_lm(kind)
    shell = load_head(model)._shell
    own = {parameter.data_ptr() for parameter in model.module.parameters()}
    large = [p for p in shell.parameters() if p.shape == model.module.get_input_embeddings().weight.shape]
    tied = bool(getattr(model.module.config, "tie_word_embeddings", True)) and kind != "llama"
    assert large
    assert all((p.data_ptr() in own) == tied for p in large)
    assert sum(p.numel() for p in shell.parameters() if p.data_ptr() not in own) < model.parameters


@pytest.mark.parametrize("kind", KINDS)
def test_a_random_twin_gets_a_head_by_its_seed(kind: str) -> None:
    model = tiny_lm(kind)
    assert load_head(model).kind == {"gpt2": "causal", "llama": "causal", "bert": "masked", "roberta": "masked"}.get(
        kind, "encoder-decoder"
    )  # fmt: skip
    states = torch.randn(3, model.dim, generator=torch.Generator().manual_seed(0))
    before = torch.random.get_rng_state()
    one, again, other = (load_head(random_twin(model, seed))(states) for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one, load_head(model)(states))


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
def test_a_base_model_has_no_head(kind: str) -> None:
    with pytest.raises(ModelError, match=r"has no language-model head .*Model\); give"):
        load_head(tiny_model(kind))
    with pytest.raises(ModelError, match="no language-model head"):
        load_head(random_twin(tiny_model(kind), 0))


def test_the_demo_model_has_no_head() -> None:
    with pytest.raises(ModelError, match="demo:minilm has no language-model head") as caught:
        load_head(load_model("demo:minilm", device="cpu"))
    assert "\n" not in str(caught.value)


def test_a_missing_head_weight_is_an_error(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_tiny("llama", tmp_path / "m", head=True)
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model = load_model(str(folder), device="cpu")
    with pytest.raises(ModelError, match=r"1 weights are missing .*lm_head"):
        load_head(model)


def test_files_that_changed_since_are_refused(tmp_path: Path) -> None:
    folder = write_tiny("gpt2", tmp_path / "m", head=True)
    model = load_model(str(folder), device="cpu")
    write_tiny("gpt2", folder, head=True, seed=1)
    with pytest.raises(ModelError, match="no longer those that were loaded"):
        load_head(model)


def test_base_weights_under_the_name_of_a_language_model_are_refused(tmp_path: Path) -> None:
    folder = write_tiny("bert", tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["BertForMaskedLM"]}))
    with pytest.raises(ModelError, match="weights are missing"):
        load_head(load_model(str(folder), device="cpu"))


def test_a_head_does_not_keep_its_model_alive() -> None:
    model = random_twin(tiny_lm("gpt2"), 9)
    load_head(model)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_a_pretraining_checkpoint_is_a_masked_model(tmp_path: Path) -> None:
    folder = write_tiny("bert", tmp_path / "m", head=True)
    config = transformers.BertConfig.from_pretrained(folder)
    module = transformers.BertForPreTraining(config)
    module.save_pretrained(folder)
    model = load_model(str(folder), device="cpu")
    ids = torch.tensor([[7, 31, 90, 5]])
    with torch.no_grad():
        expected = module.eval()(input_ids=ids).prediction_logits[0]
    assert load_head(model).kind == "masked"
    assert float((load_head(model)(final_states(model, ids)) - expected).abs().max()) <= 1e-6


def test_encoder_decoders_are_listed() -> None:
    assert {kind for kind in KINDS if load_head(tiny_lm(kind)).kind == "encoder-decoder"} == set(
        ENCODER_DECODERS
    )


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [("gpt2", []), ("llama", [(420, 32)]), ("bert", [(32,), (32,), (32,), (260,), (32, 32)])],
)
def test_parameters_of_the_head_alone_are_those_not_tied_to_the_model(
    kind: str, shapes: list[tuple[int, ...]]
) -> None:
    """GPT-2 is tied whole; Llama has a map of its own; of BERT all but the map are the head's, its bias too."""
    found = load_head(tiny_lm(kind)).parameters_of_its_own()
    assert sorted(tuple(p.shape) for p in found) == sorted(shapes)
    assert not any(p.requires_grad for p in found)
