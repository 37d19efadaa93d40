"""Trained parameters, counted by hand: BERT, width 32, 3 blocks, feed-forward 64."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adaptation.strategies.steps import prepared
from tests.tiny_models import write_tiny

D, L, FF = 32, 3, 64
HEAD = 2 * D + 2
NORM = 2 * D
BLOCK = 4 * (D * D + D) + (D * FF + FF) + (FF * D + D) + 2 * NORM
LENGTH = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny("bert", tmp_path_factory.mktemp("counted") / "bert", layers=L)


def trained(folder: Path, strategy: str, **options: object) -> int:
    live, _ = prepared(folder, strategy, **options)
    return sum(p.numel() for p in live.parameters() if p.requires_grad) - HEAD


@pytest.mark.parametrize(
    ("strategy", "options", "count"),
    [
        # rank 8, query and value: A is [8, 32], B is [32, 8]
        ("lora", {}, L * 2 * (8 * D + D * 8)),
        ("lora", {"rank": 2, "targets": ["query"]}, L * 1 * (2 * D + D * 2)),
        # key, value, and what the down projection reads
        ("ia3", {}, L * (D + D + FF)),
        # reduction 16: down [2, 32] and 2, up [32, 2] and 32
        ("pfeiffer", {}, L * (2 * D + 2 + D * 2 + D)),
        ("houlsby", {}, L * 2 * (2 * D + 2 + D * 2 + D)),
        ("pfeiffer", {"reduction": 1000}, L * (D + 1 + D + D)),
        # a key and a value of width 32 per block and piece
        ("prefix", {"pieces": 5}, 5 * L * 2 * D),
        ("prompt", {"pieces": 5}, 5 * D),
        # query, key, value, output; up, down; two norms; and the norm of the embeddings
        ("bitfit", {}, L * (4 * D + FF + D + 2 * D) + D),
        ("top-k", {}, BLOCK),
        ("top-k", {"k": 2}, 2 * BLOCK),
        ("head-only", {}, 0),
    ],
)
def test_counts_are_those_of_hand(
    folder: Path, strategy: str, options: dict[str, object], count: int
) -> None:
    assert trained(folder, strategy, **options) == count


def test_the_published_counts_of_other_packages(folder: Path) -> None:
    """adapters 1.3.0 counts 486 (seq_bn, reduction 16), 972 (double_seq_bn), 3,072 (LoRA 8) and 384 (IA3) here."""
    found = [trained(folder, one) for one in ("pfeiffer", "houlsby", "lora", "ia3")]
    assert found == [486, 972, 3072, 384]


def test_everything_is_everything(folder: Path) -> None:
    live, _ = prepared(folder, "full")
    embeddings = (live.model.vocabulary + LENGTH + 2) * D + NORM
    for strategy in ("full", "reinit"):
        assert trained(folder, strategy) == embeddings + L * BLOCK
