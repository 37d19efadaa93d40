"""What every head looks at in a text or a pair: as transformers says, in a window that is told, in every form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, MambaConfig, MambaModel

import probekit as pk
from probekit.attention import view as module
from probekit.attention.view import attention_view
from probekit.errors import ConfigError, DataError, ModelError
from probekit.models.attention import attentions
from probekit.models.load import assemble
from probekit.report.plot import plot
from probekit.results.views.scripts import views_missing
from tests.tiny_models import ALL_KINDS, tiny_model

A, B = "The keys to the cabinet are here.", "She doesn't know."


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_weights_of_every_family(kind: str) -> None:
    model = tiny_model(kind)
    panel = attention_view(model, A).panel
    ids = model.tokenizer(A, return_tensors="pt").input_ids
    n = ids.shape[1]
    expected = attentions(model, ids)
    assert panel.labels["layers"] == list(expected)
    found = np.stack([weights[0, :, -n:, -n:] for weights in expected.values()])
    np.testing.assert_array_equal(panel.arrays["weights"], found)
    assert len(panel.labels["tokens"]) == n
    assert len(plot(panel)) == 1


def test_a_pair_layers_and_heads() -> None:
    model = tiny_model("bert")
    shown = attention_view(model, A, B, layers=[2], heads=[1], chosen=(2, 1))
    assert shown.panel.arrays["weights"].shape[:2] == (1, 1)
    assert (shown.panel.labels["layers"], shown.panel.labels["heads"]) == (["2"], ["1"])
    assert shown.panel.labels["chosen"] == [0, 0]
    tokens, border = shown.panel.labels["tokens"], shown.panel.labels["sentence_b"]
    assert tokens[border - 1] == "[SEP]"
    assert tokens.index("[SEP]") == border - 1
    assert shown.panel.labels["special"] == [0, border - 1, len(tokens) - 1]
    ((row,),) = [shown.rows]
    assert (row.layer, row.group, row.site) == ("2", "head=1", "heads")
    assert str(round(100 * (row.value or 0))) in shown.summary
    assert len(shown.table()) == 1


def test_a_long_text_is_windowed_before_anything_is_kept() -> None:
    model = tiny_model("bert")
    text = "the cat sat on the mat " * 9
    whole = attention_view(model, text)
    some = attention_view(model, text, max_pieces=12, start=20)
    places = [0, *range(20, 30), len(whole.panel.labels["tokens"]) - 1]
    weights = whole.panel.arrays["weights"]
    np.testing.assert_array_equal(
        some.panel.arrays["weights"], weights[:, :, np.array(places)[:, None], places]
    )
    assert some.panel.labels["special"] == [0, 11]
    outside = 1 - some.panel.arrays["weights"].sum(-1).mean()
    note = some.panel.labels["note"]
    assert "Taken: 12 of 56 pieces: 10 of the text from piece 20 on and 2 special ones." in note
    assert note.endswith(f"That is {outside:.0%} of all weight.")
    assert whole.panel.labels["note"] == ""
    cut = attention_view(model, "the cat sat on the mat " * 20).panel.labels["note"]
    assert "The text is 122 pieces long;" in cut
    assert "reads 64 of them." in cut


def test_the_head_that_looks_far_is_chosen() -> None:
    model = tiny_model("bert")
    shown = attention_view(model, A)
    values = np.array([row.value for row in shown.rows]).reshape(2, 2)
    assert shown.panel.labels["chosen"] == list(np.unravel_index(values.argmax(), (2, 2)))


def test_edits_in_force_are_seen() -> None:
    model = tiny_model("bert")
    before = attention_view(model, A).panel.arrays["weights"]
    edit = pk.edit(model, "1", lambda state: torch.zeros_like(state))
    with edit:
        during = attention_view(model, A).panel.arrays["weights"]
    np.testing.assert_array_equal(during[0], before[0])
    assert not np.array_equal(during[1], before[1])


def test_queries_and_keys_give_the_weights() -> None:
    panel = attention_view(tiny_model("bert"), A, view="neuron").panel
    scores = panel.arrays["queries"] @ panel.arrays["keys"].swapaxes(-1, -2) / np.sqrt(16)
    np.testing.assert_allclose(torch.tensor(scores).softmax(-1), panel.arrays["weights"], atol=1e-5)


@pytest.mark.skipif(bool(views_missing()), reason=views_missing())
def test_page_and_notebook(tmp_path: Path) -> None:
    shown = attention_view(tiny_model("gpt2"), A, view="model")
    path = shown.save(tmp_path / "new" / "view.html")
    assert path.read_text(encoding="utf-8") == shown.html()
    assert '"view":"model"' in shown.html()
    assert '"view":"head"' in shown.html("head")
    assert shown._repr_html_().startswith('<iframe sandbox="allow-scripts"')
    neuron = attention_view(tiny_model("gpt2"), A, view="neuron")
    assert '"bidirectional":false' in neuron.html()


def test_without_the_packages_a_notebook_has_numbers_and_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        module, "views_missing", lambda: "mpld3 is not installed: pip install 'probekit-nlp[views]'"
    )
    html = attention_view(tiny_model("bert"), A)._repr_html_()
    assert "pip install &#x27;probekit-nlp[views]&#x27;" in html
    assert "<iframe" not in html
    assert "head=1" in html


def test_bad_asks_have_clear_lines() -> None:
    model = tiny_model("bert")
    with pytest.raises(ConfigError, match="no view 'heads'; known: head, model, neuron"):
        attention_view(model, A, view="heads")
    with pytest.raises(ConfigError, match=r"has no head 2: it has 0 \.\.\. 1 in each layer"):
        attention_view(model, A, heads=[2])
    with pytest.raises(ConfigError, match="no head was asked for"):
        attention_view(model, A, heads=[])
    with pytest.raises(ConfigError, match="layer '0' is no block"):
        attention_view(model, A, layers=[0])
    with pytest.raises(ConfigError, match="the chosen head 1 of layer 2 is not among"):
        attention_view(model, A, layers=[1], chosen=(2, 1))
    with pytest.raises(ConfigError, match="max_pieces must be at least 2, not 1"):
        attention_view(model, A, max_pieces=1)
    with pytest.raises(ConfigError, match="cannot start at piece 99"):
        attention_view(model, A, start=99)
    with pytest.raises(DataError, match="nothing to look at"):
        attention_view(model, "")
    config = BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    other = assemble(
        BertModel(config).eval(), model.tokenizer, name="mine", revision="", kind="pretrained", start=None
    )
    with pytest.raises(
        ModelError, match="its embedding has 9 rows; tokenizer and model do not belong together"
    ):
        attention_view(other, A)


def test_a_model_without_attention_is_refused() -> None:
    config = MambaConfig(vocab_size=990, hidden_size=24, num_hidden_layers=3, state_size=4)
    tokenizer = tiny_model("bert").tokenizer
    mamba = assemble(
        MambaModel(config).eval(), tokenizer, name="mine", revision="", kind="pretrained", start=None
    )
    with pytest.raises(
        ModelError, match="mine: the configuration of mamba names no number of attention heads"
    ):
        attention_view(mamba, A)


def test_a_family_whose_queries_are_not_seen_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("bert")
    real = module.attend

    def unseen(model: pk.Model, ids: torch.Tensor, mask: None, visit: object, layers: object) -> None:  # type: ignore[name-defined]
        def plain(layer: str, attended: object) -> None:
            visit(layer, type(attended)(attended.weights))  # type: ignore

        real(model, ids, mask, plain, layers)

    monkeypatch.setattr(module, "attend", unseen)
    assert attention_view(model, A).panel.labels["view"] == "head"
    with pytest.raises(
        ModelError, match=r"bert computes its queries and keys out of sight, .* take view='head'"
    ):
        attention_view(model, A, view="neuron")


def test_repr_is_a_line() -> None:
    shown = attention_view(tiny_model("bert"), A)
    assert repr(shown).startswith("<AttentionView of ")
    assert "2 layers x 2 heads" in repr(shown)
    assert len(repr(shown)) < 200
