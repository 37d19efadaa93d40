"""What every strategy changes: exactly what it says, on every family it works for."""

from __future__ import annotations

import re

import pytest

from probekit.adaptation.strategy import STRATEGIES, make_tuning
from probekit.errors import ConfigError, ModelError
from tests.adaptation.strategies.steps import FINE_TUNING, changed, prepared, snapshot, step
from tests.tiny_models import ALL_KINDS

ALL = r"body\..*"
UPPER = {
    "bert": r"body\.encoder\.layer\.1\..*",
    "gpt2": r"body\.(h\.1\.|ln_f\.).*",
    "llama": r"body\.(layers\.1\.|norm\.).*",
}
LORA = {
    "bert": r".*attention\.self\.(query|value)\.lora_[AB]\.default\.weight",
    "gpt2": r".*attn\.c_attn\.lora_[AB]\.default\.weight",
    "llama": r".*self_attn\.(q|v)_proj\.lora_[AB]\.default\.weight",
}
IA3 = {
    "bert": r".*layer\.\d\.(attention\.self\.(key|value)|output\.dense)\.ia3_l\.default",
    "gpt2": r".*h\.\d\.(attn\.c_attn|mlp\.c_proj)\.ia3_l\.default",
    "llama": r".*layers\.\d\.(self_attn\.(k|v)_proj|mlp\.down_proj)\.ia3_l\.default",
}
PFEIFFER = {
    "bert": r"body\.encoder\.layer\.\d\.output\.dense",
    "gpt2": r"body\.h\.\d\.mlp\.c_proj",
    "llama": r"body\.layers\.\d\.mlp\.down_proj",
}
HOULSBY = {
    "bert": r"body\.encoder\.layer\.\d\.(attention\.)?output\.dense",
    "gpt2": r"body\.h\.\d\.(attn|mlp)\.c_proj",
    "llama": r"body\.layers\.\d\.(mlp\.down_proj|self_attn\.o_proj)",
}
ADAPTER = r"\.bottleneck\.(down|up)\.(weight|bias)"
EXPECTED = {
    "full": dict.fromkeys(UPPER, ALL),
    "reinit": dict.fromkeys(UPPER, ALL),
    "gradual": dict.fromkeys(UPPER, ALL),
    "head-only": dict.fromkeys(UPPER, r"(?!)"),
    "top-k": UPPER,
    "bitfit": dict.fromkeys(("bert", "gpt2"), r"body\..*\.bias"),
    "lora": LORA,
    "ia3": IA3,
    "prefix": dict.fromkeys(UPPER, r".*prompt_encoder\.default\.embedding\.weight"),
    "prompt": dict.fromkeys(UPPER, r".*prompt_encoder\.default\.embedding\.weight"),
    "pfeiffer": {kind: path + ADAPTER for kind, path in PFEIFFER.items()},
    "houlsby": {kind: path + ADAPTER for kind, path in HOULSBY.items()},
}
KEY_BIAS = re.compile(r".*\.(key|k_proj|k_lin)\.bias")
"""Adding one number to all scores of a query changes no weight: this bias has no gradient but rounding."""

IMPOSSIBLE = {
    ("bitfit", "llama"),
    ("bitfit", "modernbert"),
    ("bitfit", "t5"),
    ("prefix", "distilbert"),
    ("prefix", "modernbert"),
    ("prefix", "t5"),
}
PLACED = ("top-k", "gradual", "bitfit", "lora", "ia3", "prefix", "prompt", "houlsby")
"""Strategies for which a family must be known."""
POSSIBLE = [(s, k) for s in PLACED for k in ALL_KINDS if k not in UPPER and (s, k) not in IMPOSSIBLE]


def options_of(strategy: str) -> dict[str, object]:
    if strategy in ("houlsby", "pfeiffer"):
        return {"reduction": 2, "activation": "silu"}
    if strategy == "gradual":
        return {"unfreezing": False, "decay": 1.0}
    return {"pieces": 3} if strategy in ("prefix", "prompt") else {}


def test_every_strategy_has_an_expectation() -> None:
    assert set(EXPECTED) == set(FINE_TUNING)


@pytest.mark.parametrize(
    ("strategy", "kind"), [(one, kind) for one, kinds in EXPECTED.items() for kind in kinds]
)
def test_exactly_these_parameters_change(strategy: str, kind: str) -> None:
    live, tuning = prepared(kind, strategy, **options_of(strategy))
    pattern = re.compile(EXPECTED[strategy][kind])
    named = dict(live.named_parameters())
    wanted = {name for name in named if pattern.fullmatch(name)} | {"head.weight", "head.bias"}
    assert (len(wanted) > 2) == (strategy != "head-only")
    assert {name for name, parameter in named.items() if parameter.requires_grad} == wanted
    before = snapshot(live)
    losses = step(live, tuning)
    assert losses[1] < losses[0]
    free = {name for name in wanted if KEY_BIAS.fullmatch(name)}
    assert changed(before, live) - free == wanted - free
    assert all((parameter.grad is not None) == (name in wanted) for name, parameter in named.items())


@pytest.mark.parametrize(("strategy", "kind"), POSSIBLE)
def test_what_is_trained_is_what_changes_on_every_family(strategy: str, kind: str) -> None:
    live, tuning = prepared(kind, strategy, **options_of(strategy))
    before = snapshot(live)
    trained = {
        name for name, p in live.named_parameters() if p.requires_grad and not KEY_BIAS.fullmatch(name)
    }
    grouped = [name for group in tuning.groups(live) for name, _ in group.parameters]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {name for name, p in live.named_parameters() if p.requires_grad}
    step(live, tuning)
    assert {name for name in changed(before, live) if not KEY_BIAS.fullmatch(name)} == trained


@pytest.mark.parametrize(("strategy", "kind"), sorted(IMPOSSIBLE))
def test_a_strategy_that_is_impossible_says_so(strategy: str, kind: str) -> None:
    with pytest.raises(ModelError, match=rf"{strategy}' is\s+impossible for this model"):
        prepared(kind, strategy)


@pytest.mark.parametrize("strategy", FINE_TUNING)
def test_an_unknown_option_is_refused(strategy: str) -> None:
    with pytest.raises(ConfigError, match=rf"strategy '{strategy}' has no option 'colour'"):
        make_tuning(STRATEGIES[strategy], {"colour": 1})
