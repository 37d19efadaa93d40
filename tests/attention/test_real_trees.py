"""A pretrained encoder on a real treebank: attention holds trees that a random twin's does not."""

from __future__ import annotations

from pathlib import Path

import pytest

import probekit as pk


@pytest.mark.real
def test_a_chosen_head_beats_the_chain_and_a_twin_does_not(shared_data: Path) -> None:
    whole = pk.read_conllu(str(shared_data / "ud_ewt" / "*-ud-[dt]e*.conllu"))
    corpus = pk.Corpus(
        [s for split in ("dev", "test") for s in whole.split(split).sentences[:50]], name="EWT, a part"
    )
    found = pk.tree_heads(pk.load_model("demo:minilm", device="cpu"), corpus, twins=1, resamples=200)
    by = {row.control: row for row in found.rows if row.metric == "uuas" and row.split == "test"}
    chain, twin = by["fixed-offset"], by["random-twin"]
    assert by[""].low is not None
    assert chain.high is not None
    assert by[""].low > chain.high
    assert twin.high is not None
    assert chain.low is not None
    assert twin.high < chain.low
    assert found.test.left_out["punctuation"] > 0
