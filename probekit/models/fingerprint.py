"""Who a model is: a hash of the weights in memory and of how they are used, never of a name or a path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
import xxhash
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from probekit.results.files import tagged_hash

_NO_INFLUENCE = frozenset(
    [
        "_name_or_path",
        "architectures",
        "auto_map",
        "bos_token_id",
        "decoder_start_token_id",
        "dtype",
        "eos_token_id",
        "finetuning_task",
        "id2label",
        "label2id",
        "output_attentions",
        "output_hidden_states",
        "problem_type",
        "return_dict",
        "task_specific_params",
        "tie_last_hidden_states",
        "tie_word_embeddings",
        "tokenizer_class",
        "torch_dtype",
        "transformers_version",
        "transformers_weights",
        "use_cache",
    ]
)
"""Entries of a configuration that leave every hidden state as it is."""


def weights_fingerprint(module: PreTrainedModel, weights: Mapping[str, torch.Tensor] | None = None) -> str:
    """A hash of the names, shapes, types and bytes of all weights, and of the configuration entries that
    count.

    The configuration is part of it because equal weights give other states under another number of heads,
    another activation or another rotary base. Equal for every copy of a model, wherever it was loaded from;
    different as soon as one element, one type or one name differs. With ``weights``, the fingerprint that the
    module would have with these.
    """
    tensors = [
        [name, str(tensor.dtype), list(tensor.shape), _digest(tensor)]
        for name, tensor in sorted((module.state_dict() if weights is None else weights).items())
    ]
    config = {key: value for key, value in module.config.to_diff_dict().items() if key not in _NO_INFLUENCE}
    facts = {"class": type(module).__name__, "config": _plain(config), "weights": tensors}
    return tagged_hash("probekit.model.1", facts)


def _digest(tensor: torch.Tensor) -> str:
    """xxh3-128 of a tensor's bytes in row order."""
    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return xxhash.xxh3_128_hexdigest(raw.numpy().data)


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """A hash of all that decides which pieces a text becomes: the serialized backend and the special pieces.

    Truncation and padding are left out: they are settings of the last call, and the length policy is ours.
    """
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    backend.pop("truncation", None)
    backend.pop("padding", None)
    special = {name: str(piece) for name, piece in sorted(tokenizer.special_tokens_map.items())}
    return tagged_hash("probekit.tokenizer.1", {"backend": backend, "special": special})


def _plain(value: Any) -> Any:
    """Configuration values as plain JSON; what has no JSON form is taken by its printed form."""
    return json.loads(json.dumps(value, sort_keys=True, default=str))
