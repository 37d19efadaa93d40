"""An adapted body as a plain transformers folder, so that everything that reads a model reads it."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from probekit.adaptation.live import Live
from probekit.adaptation.strategy import Tuning
from probekit.errors import ConfigError, ModelError
from probekit.models.head import has_language_model, language_model
from probekit.models.quiet import quiet
from probekit.models.source import ADAPTATION
from probekit.results.files import disk_errors, write_json


def export_body(folder: str | Path, live: Live, tuning: Tuning, words: Mapping[str, Any]) -> None:
    """Merge what was inserted, and write body, tokenizer and ``adaptation.json``; the folder appears whole.

    Where the source checkpoint has a language-model head it is written with the body, as it was. `live` is used up.
    Raises ModelError where what was inserted cannot be merged, ConfigError where the folder holds something else.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or _holds_another(folder)):
        raise ConfigError(f"{folder} holds something else already; give a new folder")
    model = live.model
    tuning.merge(live)
    plain = model.module if model.start_piece is None else model.module.get_encoder()
    if live.body is not plain:
        raise ModelError(f"{model.name}: what was inserted could not be folded into the weights")
    with quiet():
        module: Any = model.module
        if has_language_model(model):
            whole = language_model(model)
            whole.base_model.load_state_dict(module.state_dict(), strict=False)
            module = whole
        aside = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}.unfinished")
        with disk_errors(folder):
            try:
                module.save_pretrained(aside)
                model.tokenizer.save_pretrained(aside)
                write_json(aside / ADAPTATION, dict(words))
                if folder.exists():
                    shutil.rmtree(folder)
                aside.rename(folder)
            finally:
                with suppress(OSError):
                    shutil.rmtree(aside)


def _holds_another(folder: Path) -> bool:
    return any(folder.iterdir()) and not (folder / ADAPTATION).is_file()
