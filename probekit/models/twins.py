"""Random twins: the same architecture with fresh weights, a control for what the shape alone can do."""

from __future__ import annotations

import copy
from typing import Any

import torch
from transformers import AutoModel

from probekit.errors import ConfigError
from probekit.models.families import building_options
from probekit.models.load import assemble, to_device
from probekit.models.model import Model
from probekit.models.quiet import quiet


def random_twin(model: Model, seed: int) -> Model:
    """A model like the given one whose weights were drawn by its family's own initialisation.

    Nothing is copied but configuration and tokenizer. The same seed gives the same bits on every device and
    under every dtype, since the draw is made on the CPU in float32; torch's global random state is left as it
    was.

    >>> twin = random_twin(pk.load_model("demo:minilm"), seed=0)
    >>> twin.name, twin.kind
    ('demo:minilm#twin-0', 'random')
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"the seed of a twin must be a whole number from 0 on, not {seed!r}")
    config = copy.deepcopy(model.module.config)
    with quiet(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        auto: Any = AutoModel
        module = auto.from_config(
            config,
            dtype=torch.float32,
            attn_implementation=model.attention,
            trust_remote_code=not type(model.module).__module__.startswith("transformers."),
            **building_options(config),
        )
    return assemble(
        to_device(module, model.module.device, model.module.dtype),
        model.tokenizer,
        name=f"{model.name}#twin-{seed}",
        revision=model.revision,
        kind="random",
        start=model.start_piece,
        seed=seed,
    )


def random_twins(model: Model, n: int, first_seed: int = 0) -> list[Model]:
    """``n`` twins with the seeds ``first_seed``, ``first_seed + 1``, ...

    >>> [twin.name for twin in random_twins(pk.load_model("demo:minilm"), 2, first_seed=5)]
    ['demo:minilm#twin-5', 'demo:minilm#twin-6']
    """
    if n < 1:
        raise ConfigError(f"the number of twins must be at least 1, not {n}")
    return [random_twin(model, seed) for seed in range(first_seed, first_seed + n)]
