"""The frozen map: by hand, in every dtype, in autograd and inference mode, composed, saved, refused elsewhere."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import probekit as pk
from probekit.erasure import eraser as module
from probekit.erasure.eraser import Eraser
from probekit.errors import DataError, ModelError, StoreError
from tests.erasure.probes import class_means
from tests.tiny_models import tiny_model

HAND = Eraser(left=np.array([[1.0], [2.0]]), right=np.array([[1.0, 0.0]]), center=np.array([10.0, 0.0]))


def drawn(seed: int, dim: int = 6, rank: int = 2) -> Eraser:
    rng = np.random.default_rng(seed)
    left, right, center = (rng.normal(size=shape) for shape in ((dim, rank), (rank, dim), (dim,)))
    return Eraser(left=left, right=np.linalg.inv(right @ left) @ right, center=center, method="drawn")


def plain(eraser: Eraser, X: np.ndarray) -> np.ndarray:
    return X - (X.astype(np.float64) - eraser.center) @ eraser.right.T @ eraser.left.T


def test_by_hand() -> None:
    # the first coordinate becomes 10; the second is moved twice as far, which an orthogonal projection would not do
    np.testing.assert_array_equal(HAND(np.array([[13.0, 1.0]])), [[10.0, -5.0]])
    np.testing.assert_array_equal(HAND.matrix, [[0.0, 0.0], [-2.0, 1.0]])
    assert (HAND.dim, HAND.rank, HAND.rowwise) == (2, 1, True)
    assert repr(HAND) == "Eraser(affine, dim=2, rank=1)"


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1000),
    shape=st.sampled_from([(6,), (5, 6), (2, 3, 6), (0, 6), (2, 0, 6)]),
    chunk=st.sampled_from([1, 2, 2048]),
)
def test_arrays_and_tensors_of_any_shape(seed: int, shape: tuple[int, ...], chunk: int) -> None:
    eraser, X = drawn(seed), np.random.default_rng(seed).normal(size=shape)
    kept = X.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        found = eraser(X)
    size = np.abs(eraser.left).max() * np.abs(eraser.right).max() + 1
    np.testing.assert_allclose(found, plain(eraser, X), atol=1e-12 * size)
    np.testing.assert_array_equal(X, kept)
    tensor = torch.from_numpy(X)
    again = eraser(tensor)
    assert (again.shape, again.dtype) == (tensor.shape, torch.float64)
    np.testing.assert_allclose(again.numpy(), found, atol=1e-12 * size)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_small_floats_lose_only_their_last_rounding(dtype: torch.dtype) -> None:
    eraser = drawn(1)
    X = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)).to(dtype)
    found = eraser(X)
    assert found.dtype == dtype
    exact = torch.from_numpy(plain(eraser, X.double().numpy()))
    one_rounding = exact.to(dtype).double()
    apart = (found.double() - exact).abs().max()
    assert apart <= 1.01 * (one_rounding - exact).abs().max() + 1e-5
    if dtype != torch.bfloat16:
        array = eraser(X.numpy())
        assert array.dtype == X.numpy().dtype
        np.testing.assert_allclose(array.astype(float), found.double().numpy(), rtol=2e-3, atol=1e-5)


def test_strides_and_read_only_arrays() -> None:
    eraser, X = drawn(2), np.random.default_rng(0).normal(size=(12, 8))
    X.flags.writeable = False
    np.testing.assert_allclose(eraser(X[::3, 1:7]), plain(eraser, X[::3, 1:7]), atol=1e-12)
    tensor = torch.from_numpy(X.copy()).T.contiguous().T[::3, 1:7]
    np.testing.assert_allclose(eraser(tensor).numpy(), plain(eraser, X[::3, 1:7]), atol=1e-12)


def test_tensors_are_placed_once_and_serve_inside_and_outside_inference_mode() -> None:
    eraser = drawn(3)
    with torch.inference_mode():
        eraser(torch.ones(2, 6))
    placed = eraser._tensors(torch.device("cpu"), torch.float32)
    X = torch.ones(2, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(eraser(X).sum(), X)
    np.testing.assert_allclose(gradient[0].numpy(), eraser.matrix.sum(axis=0), atol=1e-4)
    assert all(
        a is b for a, b in zip(placed, eraser._tensors(torch.device("cpu"), torch.float32), strict=True)
    )
    assert eraser.to("cpu") is eraser


def test_it_is_frozen_and_owns_its_arrays() -> None:
    left = np.array([[1.0], [2.0]])
    eraser = Eraser(left=left, right=np.array([[1.0, 0.0]]), center=np.zeros(2))
    left[:] = 0.0
    assert eraser.left[1, 0] == 2.0
    with pytest.raises(ValueError, match="read-only"):
        eraser.left[:] = 0.0
    with pytest.raises(FrozenInstanceError):
        eraser.method = "other"
    again = pickle.loads(pickle.dumps(eraser))  # sent to a worker
    assert again.key == eraser.key
    np.testing.assert_array_equal(again(torch.ones(1, 2)), eraser(torch.ones(1, 2)))


def test_of_rank_zero_it_is_the_identity_to_the_bit() -> None:
    nothing = Eraser(left=np.zeros((3, 0)), right=np.zeros((0, 3)), center=np.ones(3))
    X = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_array_equal(nothing(X), X)
    assert torch.equal(nothing(torch.from_numpy(X)), torch.from_numpy(X))
    assert nothing.rank == 0
    assert nothing.then(nothing).rank == 0


def test_states_by_head_are_one_row() -> None:
    eraser, X = drawn(4), np.random.default_rng(0).normal(size=(2, 5, 3, 2))
    for states in (X, torch.from_numpy(X)):
        found = eraser(states)
        assert tuple(found.shape) == X.shape
        np.testing.assert_allclose(np.asarray(found).reshape(2, 5, 6), eraser(X.reshape(2, 5, 6)), atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.booleans())
def test_composition_is_one_after_the_other(seed: int, same_reading: bool) -> None:
    one, two = drawn(seed), drawn(seed + 1)
    if same_reading:  # both read the same: the result need not leave any point where it is
        two = Eraser(left=two.left @ np.linalg.inv(one.right @ two.left), right=one.right, center=two.center)
    X = np.random.default_rng(seed).normal(size=(9, 6))
    both = one.then(two)
    expected = two(one(X))
    np.testing.assert_allclose(both(X), expected, atol=1e-9 * np.abs(expected).max())
    np.testing.assert_allclose(both.matrix, two.matrix @ one.matrix, atol=1e-9 * np.abs(expected).max())
    assert both.rank == (2 if same_reading else 4)
    if not same_reading:
        np.testing.assert_allclose(both(both.center), both.center, atol=1e-6 * np.abs(expected).max())


def test_composition_names_its_steps() -> None:
    one = Eraser(left=HAND.left, right=HAND.right, center=HAND.center, method="leace", concept="number")
    both = one.then(one).then(HAND)
    assert (both.method, both.concept) == ("leace", "number")
    assert one.bind("bert", "f", 3).then(drawn(0, dim=2, rank=1)).method == "leace then drawn"
    assert one.bind("bert", "f", 3).then(HAND).layer == "3"
    with pytest.raises(DataError, match="width 2 cannot be followed by one of width 6"):
        HAND.then(drawn(0))


def test_saved_and_loaded_it_maps_to_the_same_bits(tmp_path) -> None:
    X, y = np.random.default_rng(0).normal(size=(40, 6)), np.arange(40) % 3
    eraser = pk.Leace(concept="case").fit(X, y).eraser_.bind("bert-base", "abc123", 4, "mlp")
    eraser.save(tmp_path / "layer.4")
    again = Eraser.load(tmp_path / "layer.4")
    assert again(X).tobytes() == eraser(X).tobytes()
    assert again.key == eraser.key
    for name in ("method", "concept", "model", "fingerprint", "layer", "site", "about"):
        assert getattr(again, name) == getattr(eraser, name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layer.4.json", "layer.4.safetensors"]


def test_what_is_no_eraser_is_not_loaded(tmp_path) -> None:
    from probekit.results.bundle import save_bundle

    with pytest.raises(DataError, match=r"absent\.json"):
        Eraser.load(tmp_path / "absent")
    save_bundle(tmp_path / "other", {"a": np.zeros(2)}, {"kind": "probe"})
    with pytest.raises(StoreError, match="not an eraser"):
        Eraser.load(tmp_path / "other")
    HAND.save(tmp_path / "hand")
    arrays = tmp_path / "hand.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"\x01")
    with pytest.raises(StoreError, match="damaged"):
        Eraser.load(tmp_path / "hand")
    words = {"kind": "eraser", "format": 1, "key": "0" * 64, "about": {}}
    words |= dict.fromkeys(("method", "concept", "model", "fingerprint", "layer", "site"), "")
    save_bundle(
        tmp_path / "mixed", {n: getattr(HAND, n) for n in ("left", "right", "center", "offset")}, words
    )
    with pytest.raises(StoreError, match="not those it was saved with"):
        Eraser.load(tmp_path / "mixed")
    save_bundle(tmp_path / "short", {"left": HAND.left}, words)
    with pytest.raises(StoreError, match="damaged"):
        Eraser.load(tmp_path / "short")
    save_bundle(tmp_path / "later", {}, words | {"format": 99})
    with pytest.raises(StoreError, match="format 99"):
        Eraser.load(tmp_path / "later")


def test_keys_tell_maps_apart_and_nothing_else() -> None:
    assert HAND.key != drawn(0).key
    assert HAND.bind("bert", "f", 1).key == HAND.key
    moved = Eraser(left=HAND.left, right=HAND.right, center=HAND.center + 1.0)
    assert moved.key != HAND.key


BERT = SimpleNamespace(name="bert", fingerprint="b" * 64, dim=2, site_dim=lambda site="hidden": 2)


@pytest.mark.parametrize(
    ("eraser", "model", "layer", "site", "named"),
    [
        (drawn(0), BERT, 3, "hidden", ["width 6", "bert has width 2"]),
        (
            HAND.bind("gpt", "g" * 64, 3),
            BERT,
            3,
            "hidden",
            ["is for gpt", "g" * 12, "not for bert", "b" * 12],
        ),
        (HAND.bind("bert", "b" * 64, 3), BERT, 4, "hidden", ["layer 3 of bert", "not for layer 4"]),
        (HAND.bind("bert", "b" * 64, 3), BERT, 3, "mlp", ["site 'hidden'", "not for site 'mlp'"]),
    ],
)
def test_another_place_is_refused_with_both_named(eraser, model, layer, site, named) -> None:
    with pytest.raises(ModelError) as problem:
        eraser.check(model, layer, site)
    assert all(part in str(problem.value) for part in named), str(problem.value)


def test_its_own_place_and_an_unbound_one_are_fine() -> None:
    HAND.check(BERT, 7, "mlp")
    HAND.bind("bert", "b" * 64, 3).check(BERT, "3", "hidden")


@pytest.mark.parametrize("site", ["hidden", "heads", "mlp"])
def test_in_a_live_model_the_concept_is_gone_where_it_was_taken_out(site: str) -> None:
    model = tiny_model("gpt2")
    ids = torch.randint(5, 200, (8, 12), generator=torch.Generator().manual_seed(0))
    y = (ids.reshape(-1) % 3).numpy()
    rows = model.states(ids, None, ["1"], site=site)["1"].reshape(len(y), -1)
    eraser = pk.Leace().fit(rows, y).eraser_.bind(model.name, model.fingerprint, 1, site)
    with pk.edit(model, 1, eraser, site=site):
        edited = model.states(ids, None, ["1"], site=site)["1"].reshape(len(y), -1)
    torch.testing.assert_close(edited, eraser(rows))
    before, after = (np.ptp(class_means(states.numpy(), y), axis=0).max() for states in (rows, edited))
    assert after < 1e-4 * before
    with pytest.raises(ModelError, match="layer 1 of"), pk.edit(model, 2, eraser, site=site):
        pass


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_another_width_or_kind_is_refused(kind) -> None:
    named = HAND.bind("bert", "b", 3)
    with pytest.raises(DataError, match="of bert, layer 3, hidden is for states of width 2; got width 3"):
        named(kind(np.zeros((4, 3))))
    with pytest.raises(DataError, match="floating point"):
        HAND(kind(np.zeros((4, 2), dtype=np.int64)))
    with pytest.raises(DataError, match="width none"):
        HAND(kind(1.0))


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="of width 2 and rank 1"):
        Eraser(left=np.zeros((3, 1)), right=np.zeros((1, 2)), center=np.zeros(2))
    with pytest.raises(DataError, match="'left' holds a value"):
        Eraser(left=np.full((2, 1), np.nan), right=np.zeros((1, 2)), center=np.zeros(2))
