"""All that knows transformers: loading, random twins, fingerprints, and the match of words and pieces."""

from __future__ import annotations

from probekit.models.align import REASONS, SENTENCE_REASONS, Encoding, encode
from probekit.models.load import load_model
from probekit.models.model import Model
from probekit.models.twins import random_twin, random_twins

__all__ = [
    "REASONS",
    "SENTENCE_REASONS",
    "Encoding",
    "Model",
    "encode",
    "load_model",
    "random_twin",
    "random_twins",
]
