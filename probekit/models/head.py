"""The output head of a language model, taken off its backbone: states in, logits out.

transformers keeps head and backbone in one class. Here that class is loaded once more, its backbone is taken
out and a stub that hands states through is put in its place: every family's own head code runs, on states of
the frozen model (or of one of its layers, or edited ones), and only on the rows that are wanted.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import torch
from torch import nn
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_PRETRAINING_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
)
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions as Handed

from probekit.errors import ModelError
from probekit.models.fingerprint import weights_fingerprint
from probekit.models.hooks.force import suspended
from probekit.models.load import plain_errors, refuse_new_weights, to_device
from probekit.models.model import Model
from probekit.models.quiet import quiet
from probekit.models.source import SAFE, find_source
from probekit.models.stacks import vocabulary

HeadKind: TypeAlias = Literal["causal", "masked", "encoder-decoder"]

_KNOWN: tuple[tuple[HeadKind, Any, Any], ...] = (
    ("causal", MODEL_FOR_CAUSAL_LM_MAPPING, AutoModelForCausalLM),
    ("masked", MODEL_FOR_MASKED_LM_MAPPING, AutoModelForMaskedLM),
    ("encoder-decoder", MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, AutoModelForSeq2SeqLM),
)
_TOLERANCE = 16
"""How many rounding steps of its type the taken-off head may be away from the whole model."""


class OutputHead:
    """From states to logits over the vocabulary, by the model's own code.

    ``kind`` says what the logits mean: of the next piece (``causal``, ``encoder-decoder``) or of the piece at
    the very place (``masked``). Weights that are tied to the embedding are those of the model itself.
    """

    def __init__(
        self, kind: HeadKind, shell: Any, final_norm: nn.Module | None, own: Sequence[nn.Parameter] = ()
    ) -> None:
        self.kind = kind
        self._own = own
        self._shell = shell
        self._norm = final_norm
        self._open: tuple[Any, nn.Linear] | None = None

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Logits ``[rows, vocabulary]`` of states ``[rows, dim]``, which have been through the final norm.

        The head is frozen; where `states` want a gradient it is handed through.
        """
        return self._run(self._shell, states)

    @property
    def is_open(self) -> bool:
        """Whether `features` has something to give."""
        return self._open is not None

    def features(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None] | None:
        """Where the head ends in a linear map and nothing else: what the map reads, its weight and its bias, so that
        logits are ``features @ weight.T + bias`` and can be had for a part of the vocabulary; else None."""
        if self._open is None:
            return None
        shell, linear = self._open
        return self._run(shell, states), linear.weight, linear.bias

    def parameters_of_its_own(self) -> list[nn.Parameter]:
        """The head's parameters but for those tied to the embedding, which are the model's; to train them, let each
        require a gradient."""
        return list(self._own)

    def open(self, linear: Any, states: torch.Tensor) -> None:
        """See, on these states, whether the head ends in this linear map."""
        name = next((name for name, module in self._shell.named_modules() if module is linear), "")
        if type(linear) is not nn.Linear or not name:
            return
        shell = inner = _shallow(self._shell)
        *path, last = name.split(".")
        for part in path:
            inner._modules[part] = _shallow(inner._modules[part])
            inner = inner._modules[part]
        inner._modules[last] = nn.Identity()
        logits = self(states).float()
        try:
            found = nn.functional.linear(self._run(shell, states), linear.weight, linear.bias).float()
        except Exception:  # whatever else a family does with its logits
            return
        if found.shape == logits.shape and float((found - logits).abs().max()) <= _limit(
            logits, linear.weight
        ):
            self._open = shell, linear

    def _run(self, shell: Any, states: torch.Tensor) -> torch.Tensor:
        rows = states[None]
        if self.kind == "encoder-decoder":
            handed = Handed(last_hidden_state=rows[:, :1])
            output = shell(encoder_outputs=handed, decoder_inputs_embeds=rows, use_cache=False)
        else:
            output = shell(inputs_embeds=rows)
        logits: torch.Tensor = output.logits
        return logits[0]

    def norm(self, states: torch.Tensor) -> torch.Tensor:
        """States after the model's final norm; the states themselves where it has none."""
        normed: torch.Tensor = states if self._norm is None else self._norm(states)
        return normed


class _Stub(nn.Module):
    """Stands where a backbone stood and hands on what it is given."""

    def forward(self, *_: Any, inputs_embeds: torch.Tensor, **__: Any) -> Handed:
        return Handed(last_hidden_state=inputs_embeds)


_LOADED: weakref.WeakKeyDictionary[Model, OutputHead] = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


def load_head(model: Model) -> OutputHead:
    """The output head of a language model, once per model.

    The model's source is read again by name and revision; the head of a random twin is drawn by its family's
    own initialisation with the twin's seed. Raises ModelError where the checkpoint has no language-model head
    or lacks one of its weights, or where the files are no longer those the model was loaded from.

    >>> head = load_head(pk.load_model("gpt2"))                             # doctest: +SKIP
    >>> head.kind                                                           # doctest: +SKIP
    'causal'
    """
    with _LOCK:
        head = _LOADED.get(model)
        if head is None:
            with quiet(), suspended(), torch.no_grad():
                head = _LOADED[model] = _take(model)
    return head


def has_language_model(model: Model) -> bool:
    """Whether the model's checkpoint is a language model, by what its config.json says."""
    try:
        _kind(model)
    except ModelError:
        return False
    return True


def language_model(model: Model) -> Any:
    """The whole language model that the model's checkpoint holds, head included, as a module of its own.

    Raises ModelError as `load_head`.
    """
    with _LOCK, quiet(), suspended(), torch.no_grad():
        return _whole(model)[1]


def _whole(model: Model) -> tuple[HeadKind, Any]:
    kind, auto = _kind(model)
    return kind, _drawn(model, auto) if model.kind == "random" else _read(model, auto)


def _take(model: Model) -> OutputHead:
    kind, whole = _whole(model)
    whole.requires_grad_(False).train(False)
    base = whole.base_model
    child = "" if base is whole else str(whole.base_model_prefix)
    if not child and kind != "encoder-decoder":
        raise ModelError(
            f"{model.name}: {type(whole).__name__} has no backbone that can be told from its head"
        )
    base.load_state_dict(
        model.module.state_dict(), strict=False
    )  # a twin's head is drawn beside other blocks
    ids = torch.tensor([[5, 6, 7, 8]], device=whole.device) % vocabulary(whole)
    inputs: dict[str, Any] = {"input_ids": ids}
    if kind == "encoder-decoder":
        inputs |= {"decoder_input_ids": ids, "use_cache": False}
    logits, states, norm_name = _watch(model, whole, base, inputs)
    shell = _shell(model, whole, base, child, pair=kind == "encoder-decoder")
    final_norm = model.module.get_submodule(norm_name) if norm_name else None
    kept = {id(parameter) for parameter in model.module.parameters()}
    head = OutputHead(kind, shell, final_norm, [p for p in shell.parameters() if id(p) not in kept])
    if model.stacks[-1].final and final_norm is None:
        raise ModelError(f"{model.name}: the final norm of {type(whole).__name__} cannot be found")
    if not float((head(states).float() - logits.float()).abs().max()) <= _limit(logits, states):
        raise ModelError(f"{model.name}: the head of {type(whole).__name__} does more than map final states")
    # larger than any state: a squashing of large logits shows
    head.open(whole.get_output_embeddings(), torch.cat([states, 30 * states]))
    return head


def _limit(logits: torch.Tensor, computed: torch.Tensor) -> float:
    return _TOLERANCE * torch.finfo(computed.dtype).eps * max(1.0, float(logits.abs().max()))


def _kind(model: Model) -> tuple[HeadKind, Any]:
    """What config.json says the checkpoint is: not what could be built from it."""
    config: Any = model.module.config
    names = [
        str(name).replace("WithLMHeadModel", "ForConditionalGeneration")
        if config.is_encoder_decoder
        else str(name)
        for name in config.architectures or ()
    ]
    brought = getattr(config, "auto_map", None) if _is_foreign(model) else None
    for kind, mapping, auto in _KNOWN:
        offered = _classes(mapping, config)
        if brought:
            offered = {str(brought.get(auto.__name__, "")).rpartition(".")[2]}
        elif kind == "masked" and offered:
            offered |= _classes(MODEL_FOR_PRETRAINING_MAPPING, config)
        if not offered.isdisjoint(names) and (kind == "encoder-decoder") == (model.start_piece is not None):
            return kind, auto
    raise ModelError(
        f"{model.name} has no language-model head (architectures in its config.json: "
        f"{', '.join(names) or 'none'}); give a checkpoint of a causal, masked or encoder-decoder language model"
    )


def _classes(mapping: Any, config: Any) -> set[str]:
    try:
        known = mapping[type(config)]
    except KeyError:
        return set()
    return {part.__name__ for part in (known if isinstance(known, tuple) else (known,))}


def _is_foreign(model: Model) -> bool:
    return not type(model.module).__module__.startswith("transformers.")


def _read(model: Model, auto: Any) -> Any:
    """The whole language model from the source that the model came from."""
    code = _is_foreign(model)
    source = find_source(model.name, model.revision or None, allow_bin=model.allow_bin, code=code)
    device = model.module.device
    with plain_errors(source, device):
        whole, info = auto.from_pretrained(
            source.folder,
            config=copy.deepcopy(model.module.config),
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused by name in the next line
            dtype=model.module.dtype,
            attn_implementation=model.attention,
            use_safetensors=source.has(SAFE),
            trust_remote_code=code,
        )
        refuse_new_weights(source, info)
        now = whole.base_model.state_dict()
        named = {name: now[name] for name in model.module.state_dict() if name in now}
        if weights_fingerprint(model.module, named) != model.fingerprint:
            raise ModelError(
                f"{model.name}: the weights in {source.folder} are no longer those that were loaded; load the "
                "model again"
            )
        return to_device(whole, device)


def _drawn(model: Model, auto: Any) -> Any:
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(model.seed or 0)
        whole = auto.from_config(
            copy.deepcopy(model.module.config),
            dtype=torch.float32,
            attn_implementation=model.attention,
            trust_remote_code=_is_foreign(model),
        )
    return to_device(whole, model.module.device, model.module.dtype)


def _watch(
    model: Model, whole: Any, base: Any, inputs: dict[str, Any]
) -> tuple[torch.Tensor, torch.Tensor, str]:
    """One pass: its logits, the states they were made of, and the name of the final norm in the backbone.

    That is the module that reads what the last block gave, and whose output is what the head reads.
    """
    blocks = model.stacks[-1].blocks
    part = base.get_decoder() if model.start_piece is not None else base
    lists = [m for m in part.modules() if isinstance(m, nn.ModuleList) and len(m) == blocks]
    seen: dict[nn.Module, tuple[Any, Any]] = {}

    def keep(module: nn.Module, given: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else getattr(output, "last_hidden_state", output)
        seen[module] = (given[0] if given else None, first)

    handles = [module.register_forward_hook(keep) for module in part.modules()]
    try:
        logits = whole(**inputs).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    states = seen[part][1]
    raw = [seen[m[-1]][1] for m in lists if m[-1] in seen]
    for name, module in base.named_modules():
        given, output = seen.get(module, (None, None))
        if _same(output, states) and not _same(given, states) and any(_same(given, state) for state in raw):
            return logits, states[0], name
    return logits, states[0], ""


def _same(a: Any, b: Any) -> bool:
    return (
        isinstance(a, torch.Tensor)
        and isinstance(b, torch.Tensor)
        and a.shape == b.shape
        and torch.equal(a, b)
    )


def _shell(model: Model, whole: Any, base: Any, child: str, *, pair: bool) -> Any:
    """The language model without its backbone; what was tied to it is tied to the model's."""
    kept = dict(model.module.named_parameters(remove_duplicate=False))
    tied = {
        id(parameter): kept[name]
        for name, parameter in base.named_parameters(remove_duplicate=False)
        if name in kept
    }
    shell = _shallow(whole)
    inner = shell
    if child:
        inner = shell._modules[child] = _shallow(base) if pair else _Stub()
    if pair:
        for name, module in model.module.named_children():
            inner._modules[name] = module
        inner._modules |= {"encoder": _Stub(), "decoder": _Stub()}
    backbone = {id(module) for module in model.module.modules()}
    for module in shell.modules():
        if id(module) not in backbone:
            module._parameters = {
                name: tied.get(id(parameter), parameter) for name, parameter in module._parameters.items()
            }
    return shell


def _shallow(module: Any) -> Any:
    shell = copy.copy(module)
    shell._modules = dict(module._modules)
    return shell
