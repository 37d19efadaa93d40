"""One cell of a sweep (one layer, one kind of probe), done from files to files so that any process can do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from probekit.errors import ConfigError, ProbekitError


@dataclass(frozen=True)
class Cell:
    """Paths and numbers only: what travels to a worker. `stem` is where the result is written."""

    name: str
    stem: str
    problem: str
    entry: str
    twins: tuple[str, ...]
    layer: str
    probe: str
    strengths: tuple[float, ...]
    probe_seeds: int

    @property
    def done(self) -> bool:
        """Whether its result lies there; the JSON file is written last."""
        return Path(self.stem + ".json").is_file()


class AnyCell(Protocol):
    """What a worker is given: it has a name, and knows whether its result lies there."""

    @property
    def name(self) -> str: ...

    @property
    def done(self) -> bool: ...


@dataclass(frozen=True)
class Ended:
    """A cell that came to an end, with the reason where it failed."""

    cell: AnyCell
    failed: str = ""
    problem: ProbekitError | None = None


Some = TypeVar("Some", bound=AnyCell)


def make_probe(kind: str, numeric: bool) -> Any:
    """The estimator that an experiment file's word stands for."""
    from probekit.estimators.linear import LinearProbe, LinearProbeRegressor
    from probekit.estimators.mlp import MLPProbe, MLPProbeRegressor

    if kind == "linear":
        return LinearProbeRegressor() if numeric else LinearProbe()
    return MLPProbeRegressor() if numeric else MLPProbe()


def do_cell(cell: Cell) -> Ended:
    """Fit and ask the probes of a cell and write what they predicted; a user's error becomes its reason."""
    from probekit.activations.activations import Activations
    from probekit.probing.fitting import is_random
    from probekit.probing.layer import probe_layer
    from probekit.probing.problem import ProbeProblem

    try:
        problem = ProbeProblem.load(Path(cell.problem))
        probe = make_probe(cell.probe, problem.is_numeric)
        result = probe_layer(
            probe,
            problem,
            Activations.open(cell.entry),
            cell.layer,
            twins=[Activations.open(twin) for twin in cell.twins],
            strengths=cell.strengths,
            probe_seeds=range(cell.probe_seeds) if is_random(probe) else (0,),
        )
        result.save(Path(cell.stem))
    except ProbekitError as problem_met:
        return Ended(cell, str(problem_met))
    except (ArithmeticError, MemoryError, RuntimeError, ValueError) as unforeseen:  # other cells go on
        return Ended(cell, f"{type(unforeseen).__name__}: {unforeseen}")
    return Ended(cell)


def _in_worker(do: Callable[[Some], Ended], cell: Some, threads: int) -> Ended:
    import torch

    torch.set_num_threads(threads)
    return do(cell)


def do_cells(
    cells: Sequence[Some], do: Callable[[Some], Ended], *, jobs: int = 1, engine: str = "loky"
) -> Iterator[Ended]:
    """Do cells one after the other, or side by side through joblib; each is yielded when it ends."""
    if (jobs == 1 or len(cells) < 2) and engine in ("local", "loky"):
        for cell in cells:
            yield do(cell)
        return
    from joblib import Parallel, cpu_count, delayed, parallel_config

    _register(engine)
    threads = max(1, cpu_count() // max(jobs, 1)) if jobs > 0 else 1
    with parallel_config(backend="loky" if engine == "local" else engine, n_jobs=jobs):
        yield from Parallel(return_as="generator_unordered")(
            delayed(_in_worker)(do, cell, threads) for cell in cells
        )


def _register(engine: str) -> None:
    """Make a distributed engine known to joblib; its package is the user's to install."""
    if engine in ("local", "loky"):
        return
    try:
        if engine == "ray":
            from ray.util.joblib import register_ray

            register_ray()
        elif engine == "dask":
            from distributed import Client

            Client(processes=True) if not _has_dask_client() else None
        else:
            raise ConfigError(f"no engine {engine!r}; known: local, loky, dask, ray")
    except ImportError:
        from probekit.errors import MissingExtra

        raise MissingExtra(f"engine {engine!r} needs a package that is not installed: pip install "
                           f"{'distributed' if engine == 'dask' else 'ray'}") from None  # fmt: skip


def _has_dask_client() -> bool:
    from distributed import get_client

    try:
        get_client()
    except ValueError:
        return False
    return True
