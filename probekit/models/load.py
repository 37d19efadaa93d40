"""Load a pretrained Transformer, frozen, and refuse one that is not wholly what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from probekit.errors import ConfigError, ModelError, ProbekitError, did_you_mean
from probekit.glossary import ModelKind
from probekit.models.demo import refuse_revision
from probekit.models.families import attention_in_force, building_options, max_pieces, start_piece
from probekit.models.fingerprint import tokenizer_fingerprint, weights_fingerprint
from probekit.models.model import Model
from probekit.models.quiet import quiet
from probekit.models.source import SAFE, Source, find_source, first_line, read_json, without_private_keys
from probekit.models.stacks import find_stacks

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
OLDEST = (5, 18)
"""The first transformers that leaves the last block's state alone when asked to."""

ATTENTION = ("sdpa", "eager", "flash_attention_2")


def load_model(
    name: str,
    *,
    revision: str | None = None,
    device: str | None = None,
    dtype: str = "float32",
    attention: str = "sdpa",
    trust_remote_code: bool = False,
    allow_bin: bool = False,
) -> Model:
    """Load a Transformer by hub id, folder, or ``demo:minilm``: evaluation mode, no gradients, nothing new in
    it.

    ``device`` is the first CUDA device where there is one, else the CPU; ``dtype`` is float32 whatever the
    checkpoint holds; ``attention`` falls back to ``eager`` for a family that has no ``sdpa``. All three are
    recorded on the model as they are in force. A missing or mismatched weight is an error, since transformers
    would fill it with random numbers. Code that a repository brings along is run only with
    ``trust_remote_code=True``, pickled weights are read only with ``allow_bin=True``.

    Raises ModelError (nothing there, not whole, not readable, no network, no memory), ConfigError (an option)
    and MissingExtra (the demo model is not installed).

    >>> load_model("demo:minilm").layers                                    # doctest: +SKIP
    ('0', '1', '2', '3', '4', '5', '6')
    """
    _check_transformers()
    torch_dtype = _dtype(dtype)
    torch_device = device_of(device)
    if attention not in ATTENTION:
        raise ConfigError(f"unknown attention {attention!r}; {did_you_mean(attention, ATTENTION)}")
    with quiet():
        source = find_source(str(name), revision, allow_bin=allow_bin, code=trust_remote_code)
        refuse_revision(source.name, revision, source.revision)
        with plain_errors(source, torch_device):
            config = _config(source, trust_remote_code)
            tokenizer = _tokenizer(source, trust_remote_code)
            module = _weights(
                source,
                config,
                dtype=torch_dtype,
                attn_implementation=attention_in_force(config, attention),
                use_safetensors=source.has(SAFE),
                trust_remote_code=trust_remote_code,
            )
            return assemble(
                to_device(module, torch_device),
                tokenizer,
                name=source.name,
                revision=source.revision,
                kind=_kind(source),
                start=start_piece(config, _generation_start(source)),
                allow_bin=allow_bin,
            )


def assemble(
    module: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    name: str,
    revision: str,
    kind: ModelKind,
    start: int | None,
    seed: int | None = None,
    allow_bin: bool = False,
) -> Model:
    """Freeze a module where it stands and gather its facts."""
    module.requires_grad_(False).train(False)
    stacks, dim = find_stacks(module, start)
    return Model(
        name=name,
        revision=revision,
        kind=kind,
        family=str(module.config.model_type),
        module=module,
        tokenizer=tokenizer,
        layers=tuple(layer for stack in stacks for layer in stack.layers),
        dim=dim,
        max_pieces=max_pieces(module, tokenizer),
        device=str(module.device),
        dtype=str(module.dtype).removeprefix("torch."),
        attention=str(module.config._attn_implementation),
        fingerprint=weights_fingerprint(module),
        tokenizer_fingerprint=tokenizer_fingerprint(tokenizer),
        stacks=stacks,
        start_piece=start,
        seed=seed,
        allow_bin=allow_bin,
    )


def to_device(
    module: PreTrainedModel, device: torch.device, dtype: torch.dtype | None = None
) -> PreTrainedModel:
    """The module itself, moved."""
    torch.nn.Module.to(module, device=device, dtype=dtype)
    return module


def _kind(source: Source) -> ModelKind:
    if source.adapted:
        return "adapted"
    return "self-trained" if source.self_trained else "pretrained"


def _check_transformers() -> None:
    """Older versions ignore ``tie_last_hidden_states`` and would give normed states under the last number."""
    major, minor = (int(part) for part in transformers.__version__.split(".")[:2])
    if (major, minor) < OLDEST:
        raise ModelError(
            f"transformers {transformers.__version__} cannot give the last block's state before the final norm; "
            f"pip install 'transformers>={OLDEST[0]}.{OLDEST[1]},<6'"
        )


def _dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise ConfigError(f"unknown dtype {name!r}; {did_you_mean(str(name), DTYPES)}")
    return DTYPES[name]


def device_of(name: str | None) -> torch.device:
    """The device of a name; None is the first CUDA device where there is one, else the CPU."""
    if name is None:
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device("cuda:0" if name == "cuda" else name)
    except RuntimeError as error:
        raise ConfigError(f"unknown device {name!r}; write 'cpu', 'cuda' or 'cuda:1'") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise ModelError(f"device {name!r} was asked for, and torch sees {found} CUDA devices; use 'cpu'")
    return device


def _config(source: Source, trust_remote_code: bool) -> PretrainedConfig:
    """The configuration, cleaned. Raw last states must be asked for before the model is built."""
    raw = without_private_keys(read_json(source, "config.json"))
    auto: Any = AutoConfig
    config: PretrainedConfig
    if trust_remote_code and "auto_map" in raw:
        config = auto.from_pretrained(source.folder, trust_remote_code=True)
    else:
        config = _known_config(source, raw).from_dict(raw)
    config.tie_last_hidden_states = False
    return config


def _known_config(source: Source, raw: dict[str, Any]) -> type[PretrainedConfig]:
    model_type = str(raw.get("model_type", ""))
    try:
        return type(AutoConfig.for_model(model_type))
    except ValueError as error:
        hint = "a newer transformers may"
        if "auto_map" in raw:
            hint = "it brings its own code along: pass trust_remote_code=True if you trust it"
        raise ModelError(
            f"{source.name}: transformers {transformers.__version__} knows no model_type {model_type!r} "
            f"(config.json); {hint}"
        ) from error


def _generation_start(source: Source) -> int | None:
    name = "generation_config.json"
    start = read_json(source, name).get("decoder_start_token_id") if source.has((name,)) else None
    return start if isinstance(start, int) else None


def _tokenizer(source: Source, trust_remote_code: bool) -> PreTrainedTokenizerBase:
    tokenizer = AutoTokenizer.from_pretrained(source.folder, trust_remote_code=trust_remote_code)
    if not tokenizer.is_fast:
        raise ModelError(
            f"{source.name}: its tokenizer ({type(tokenizer).__name__}) gives no character offsets, so "
            "words and pieces cannot be matched; save it with a tokenizer.json (a fast tokenizer)"
        )
    return tokenizer


def _weights(source: Source, config: PretrainedConfig, **options: Any) -> PreTrainedModel:
    """The module with every weight from the checkpoint. A pooler may be new: no hidden state reads it."""
    auto: Any = AutoModel
    module: PreTrainedModel
    module, info = auto.from_pretrained(
        source.folder,
        config=config,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they come back in `info`, and are refused by name below
        **options,
        **building_options(config),
    )
    refuse_new_weights(source, info)
    if module.main_input_name != "input_ids":
        raise ModelError(
            f"{source.name}: {type(module).__name__} reads {module.main_input_name}; give a text model"
        )
    return module


def refuse_new_weights(source: Source, info: dict[str, Any]) -> None:
    """ModelError where transformers filled in weights that the checkpoint lacks or has in another shape."""
    missing = sorted(key for key in info["missing_keys"] if "pooler" not in key.split("."))
    mismatched = sorted(str(entry[0]) for entry in info["mismatched_keys"])
    for what, names in (("are missing", missing), ("have another shape than config.json says", mismatched)):
        if names:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise ModelError(
                f"{source.name}: {len(names)} weights {what} in the checkpoint ({shown}) and would be "
                "random; check that config.json and the weights belong together"
            )


@contextmanager
def plain_errors(source: Source, device: torch.device) -> Iterator[None]:
    """Every failure below transformers' doors as one line that says what to do next."""
    try:
        yield
    except ProbekitError:
        raise
    except SafetensorError as error:
        raise ModelError(
            f"{source.name}: its weights are damaged ({first_line(error)}); fetch or copy them again into "
            f"{source.folder}"
        ) from error
    except Exception as error:
        no_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or (
            isinstance(error, RuntimeError) and "not enough memory" in str(error)
        )
        if no_memory:
            raise ModelError(
                f"{source.name} does not fit into the memory of {device}; use dtype='bfloat16', a "
                "smaller model, or another device"
            ) from error
        raise ModelError(
            f"{source.name} cannot be loaded from {source.folder}: {first_line(error)}; "
            "check that the folder is whole, or save the model again with `save_pretrained`"
        ) from error
