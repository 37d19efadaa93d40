"""The sample report of the repository, made anew: reports/sample/experiment.toml run, and what its page needs kept.

    python reports/make_sample.py          (make sample)

Left out are the journal of cells and the outcomes, which no page is made from, and the figures beside the page.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

SAMPLE = Path(__file__).resolve().parent / "sample"
KEPT = ("run.json", "measurements.jsonl", "artifacts", "report/index.html")


def main() -> int:
    with tempfile.TemporaryDirectory() as aside:
        os.environ["PROBEKIT_STORE"] = f"{aside}/store"  # nothing of an earlier run is read
        from probekit.experiment.run import run_experiment

        run = run_experiment(SAMPLE, runs=Path(aside) / "runs")
        for name in KEPT:
            source, target = run.path / name, SAMPLE / name
            if source.is_dir():
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(source, target)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
    size = sum(file.stat().st_size for file in SAMPLE.rglob("*") if file.is_file())
    sys.stdout.write(f"{SAMPLE / 'report' / 'index.html'}\n{size:,} bytes in all\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
