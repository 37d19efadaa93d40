"""Concept scrubbing: an eraser at every layer, each fitted to what the layer is once the lower ones are erased."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from sklearn.base import clone

from probekit.activations.extract import extract
from probekit.activations.store import Store
from probekit.erasure.eraser import Eraser
from probekit.erasure.leace import Leace
from probekit.errors import ConfigError, DataError, ModelError, StoreError
from probekit.glossary import Layer, Progress, Site, silent
from probekit.models.hooks.edit import Edit, edit_all
from probekit.results.files import read_json, write_json

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.data.task import Task
    from probekit.models.model import Model

Array = NDArray[Any]
Read = Callable[[Layer], Any]
"""Reads a layer as the model is at that moment: (X, y), (X, y, X_dev, y_dev), or units with rows."""

FORMAT = 1
ABOUT = "scrubber"


@dataclass(frozen=True, eq=False, repr=False)
class Scrubber:
    """One eraser per layer, to be in force together: ``with pk.edit_all(model, scrubber.edits): ...``

    ``erasers`` by layer, from low to high, each bound to the model, its layer and the site.

    >>> model, eraser = pk.load_model("demo:minilm"), pk.Leace().fit(np.eye(384), np.arange(384) % 2).eraser_
    >>> bound = {layer: eraser.bind(model.name, model.fingerprint, layer) for layer in ("2", "3")}
    >>> pk.Scrubber(bound, "hidden", model.name, model.fingerprint)
    <Scrubber of ... at hidden; rank by layer: 2: 1, 3: 1>
    """

    erasers: Mapping[Layer, Eraser]
    site: Site
    model: str
    fingerprint: str

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What `edit_all` takes; another model is refused by it."""
        return tuple(Edit(layer, eraser, self.site) for layer, eraser in self.erasers.items())

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, from low to high."""
        return tuple(self.erasers)

    def check(self, model: Model) -> None:
        """Raises ModelError where this was not made for `model`, naming both."""
        if model.fingerprint != self.fingerprint:
            raise ModelError(
                f"this scrubber is for {self.model} (fingerprint {self.fingerprint[:12]}), not for {model.name} "
                f"(fingerprint {model.fingerprint[:12]}); scrub that model anew"
            )
        for layer, eraser in self.erasers.items():
            eraser.check(model, layer, self.site)

    def save(self, folder: str | Path) -> None:
        """Write every eraser and `scrubber.json` into a folder. Raises DiskError.

        >>> pk.Scrubber({}, "hidden", "bert", "a1b2").save("scrubbed")
        >>> pk.Scrubber.load("scrubbed").model
        'bert'
        """
        folder = Path(folder)
        for layer, eraser in self.erasers.items():
            eraser.save(folder / _stem(layer))
        keys = {layer: eraser.key for layer, eraser in self.erasers.items()}
        write_json(
            folder / f"{ABOUT}.json",
            {
                "format": FORMAT,
                "kind": ABOUT,
                "model": self.model,
                "fingerprint": self.fingerprint,
                "site": self.site,
                "layers": list(self.erasers),
                "keys": keys,
            },
        )

    @classmethod
    def load(cls, folder: str | Path) -> Scrubber:
        """What `save` wrote. Raises DataError where absent, StoreError where it is no such folder or damaged."""
        folder = Path(folder)
        text = folder / f"{ABOUT}.json"
        words = read_json(text)
        if not isinstance(words, dict) or words.get("kind") != ABOUT:
            raise StoreError(f"{text}: not the description of a scrubber; expected a file written by save")
        if words.get("format") != FORMAT:
            raise StoreError(
                f"{text}: format {words.get('format')!r}, this version reads {FORMAT}; scrub anew"
            )
        try:
            erasers = {layer: Eraser.load(folder / _stem(layer)) for layer in words["layers"]}
            same = all(eraser.key == words["keys"][layer] for layer, eraser in erasers.items())
            found = cls(erasers, words["site"], words["model"], words["fingerprint"])
        except (KeyError, TypeError) as problem:
            raise StoreError(f"{text}: damaged ({problem!r}); scrub anew") from None
        if not same:
            raise StoreError(f"{folder}: its erasers are not those it was saved with; scrub anew")
        return found

    def __repr__(self) -> str:
        ranks = ", ".join(f"{layer}: {eraser.rank}" for layer, eraser in self.erasers.items())
        return f"<Scrubber of {self.model or 'no model'} at {self.site}; rank by layer: {ranks or 'none'}>"


def scrub(
    model: Model,
    read: Read,
    fitter: Any = None,
    *,
    layers: str | int | Iterable[str | int] = "all",
    site: Site = "hidden",
    progress: Progress = silent,
) -> Scrubber:
    """Erase a concept at every layer: from low to high, each eraser is fitted with those below it in force.

    An eraser fitted to the states of an untouched model no longer fits once lower layers are erased: what a block
    makes of erased states has other means. So `read(layer)` is called inside the edits of all lower layers, and
    reads the model as it is then (Belrose et al. 2023, section 6). `read` gives (X, y), or (X, y, X_dev, y_dev), or
    units with rows (`Activations.units`), of which train is fitted to and dev given to a fitter that asks for it;
    `word_states` makes one of a corpus and a task.

    `fitter` is an unfitted eraser fitter, copied for each layer; None is `Leace`. `layers` and `site` as in `extract`;
    an encoder-decoder's encoder comes before its decoder.

    Raises ConfigError (no such layer or site, no fitter, no layers), DataError (from the fitter), ModelError.

    >>> model, corpus = pk.load_model("demo:minilm"), pk.generate_corpus(30, 5, 5)
    >>> read = pk.word_states(model, corpus, pk.load_task("upos"))
    >>> scrubber = pk.scrub(model, read, pk.Leace(concept="upos"), layers=[1, 2])
    >>> scrubber.layers, scrubber.erasers["2"].concept
    (('1', '2'), 'upos')
    >>> with pk.edit_all(model, scrubber.edits):
    ...     states = pk.extract(model, corpus)
    """
    fitter = Leace() if fitter is None else fitter
    if isinstance(fitter, type) or not hasattr(fitter, "fit"):
        raise ConfigError(f"scrubbing needs an unfitted fitter such as pk.Leace(); got {fitter!r}")
    names = sorted_layers(model, layers, site)
    erasers: dict[Layer, Eraser] = {}
    for done, layer in enumerate(names):
        progress("scrub (layers)", done, len(names))
        with _in_force(model, erasers, site):
            eraser = _fit(clone(fitter), read(layer), layer)
        bound = eraser.bind(model.name, model.fingerprint, layer, site)
        bound.check(model, layer, site)
        erasers[layer] = bound
    progress("scrub (layers)", len(names), len(names))
    return Scrubber(erasers, site, model.name, model.fingerprint)


def word_states(
    model: Model,
    corpus: Corpus,
    task: Task,
    *,
    site: Site = "hidden",
    store: Store | str | Path | None = None,
    **options: Any,
) -> Read:
    """A reader for `scrub`: the units that a task labels, as the model represents them at that moment.

    Without a `store` nothing of the many passes is kept. Further options are those of `extract`, such as `pool`;
    states are read in float32.

    >>> model, corpus = pk.load_model("demo:minilm"), pk.generate_corpus(20, 5, 5)
    >>> X, y, X_dev, y_dev = pk.word_states(model, corpus, pk.load_task("upos"))("3")
    >>> X.shape == (len(y), 384), len(X_dev) == len(y_dev)
    (True, True)
    """
    options = {"dtype": "float32", "unit": task.unit, **options}

    def read(layer: Layer) -> tuple[Array, Any, Array | None, Any]:
        with _store(store) as kept:
            acts = extract(model, corpus, layers=[layer], site=site, store=kept, **options)
            return _parts(acts.units(task), layer)

    return read


def sorted_layers(model: Model, layers: str | int | Iterable[str | int], site: Site) -> tuple[Layer, ...]:
    """The layers asked for, each once, in the order in which a text passes them."""
    asked = set(model.resolve_layers(layers, site))
    names = tuple(layer for layer in model.resolve_layers("all", site) if layer in asked)
    if not names:
        raise ConfigError(f"no layer of {model.name} was named; scrubbing needs one at least")
    return names


@contextmanager
def _in_force(model: Model, erasers: Mapping[Layer, Eraser], site: Site) -> Iterator[None]:
    """The erasers fitted so far."""
    with edit_all(model, [Edit(layer, eraser, site) for layer, eraser in erasers.items()]):
        yield


@contextmanager
def _store(store: Store | str | Path | None) -> Iterator[Store | str | Path]:
    """The store given, or one that is gone afterwards."""
    if store is not None:
        yield store
        return
    with tempfile.TemporaryDirectory(prefix="probekit-scrub-") as folder:
        yield folder


def _parts(data: Any, layer: Layer) -> tuple[Array, Any, Array | None, Any]:
    """Train and dev of what a reader gave."""
    if isinstance(data, tuple):
        if len(data) not in (2, 4):
            raise ConfigError(
                f"layer {layer}: a reader gives (X, y) or (X, y, X_dev, y_dev); got {len(data)} things"
            )
        X, y, X_dev, y_dev = (*data, None, None)[:4]
        return X, y, X_dev, y_dev
    train, dev = data.select("train"), data.select("dev")
    if not len(train.y):
        raise DataError(f"layer {layer}: no unit in train; erasers are fitted on train alone")
    return train.X(layer), train.y, *((dev.X(layer), dev.y) if len(dev.y) else (None, None))


def _fit(fitter: Any, data: Any, layer: Layer) -> Eraser:
    """The eraser that a fitter makes of a layer; dev rows go to those that stop by them."""
    import inspect

    X, y, X_dev, y_dev = _parts(data, layer)
    stops = "X_dev" in inspect.signature(fitter.fit).parameters
    given = {"X_dev": X_dev, "y_dev": y_dev} if stops and X_dev is not None else {}
    eraser = getattr(fitter.fit(X, y, **given), "eraser_", None)
    if not isinstance(eraser, Eraser):
        raise ConfigError(
            f"{type(fitter).__name__} gives no eraser that a model can be edited with (one that needs to know the "
            "label of every state cannot); scrub with Leace, Inlp, Rlace or MeanDifference"
        )
    return eraser


def _stem(layer: Layer) -> str:
    return f"layer-{layer}"
