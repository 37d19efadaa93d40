"""Pictures of a run to look at: every figure as PNG, and the page at 1280 and 400 pixels where Chromium is there.

python reports/shots.py [RUN] [FOLDER]        RUN: a run folder (default: the newest of runs/quickstart)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from probekit.report.plot import DRAWINGS, render
from probekit.results.run import Run

WIDTHS = (1280, 400)
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


def main(argv: list[str]) -> int:
    run = Run(Path(argv[0] if argv else "runs/quickstart/latest").resolve())
    folder = Path(argv[1] if len(argv) > 1 else "shots")
    folder.mkdir(parents=True, exist_ok=True)
    for panel in run.panels():
        if panel.kind in DRAWINGS:
            (folder / f"{panel.name}.png").write_bytes(render(panel, "png"))
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write("no Chromium here (Debian: apt-get install chromium): figures only\n")
    else:
        for width in WIDTHS:
            shoot(chromium, run.page, folder / f"page-{width}.png", width)
    sys.stdout.write(f"{folder}\n")
    return 0


def shoot(chromium: str, page: Path, target: Path, width: int) -> None:
    """The page as a browser shows it, the network cut, tall enough for all of it."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [chromium, *QUIET, f"--user-data-dir={profile}", f"--window-size={width},9000",
             f"--screenshot={target}", page.as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
