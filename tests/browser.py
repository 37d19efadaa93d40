"""A headless Chromium without a network, driven over its debugging pipe: no package is needed for that.

`with browser() as chromium` starts one; `chromium.open(path)` gives a `Tab` with what the page said and wrote.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE = 60.0


class Chromium:
    """The browser: one command after another, events kept by tab."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._number = 0
        self._left = b""
        self.events: list[dict[str, Any]] = []

    def send(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """A command and its answer; what happens meanwhile is kept in `events`."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        number = self._number
        while True:
            answer = self._next(PATIENCE)
            assert answer is not None, f"Chromium did not answer {method}"
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer.get('error')}"
                found: dict[str, Any] = answer["result"]
                return found
            self.events.append(answer)

    def listen(self, seconds: float) -> None:
        """Keep what happens within some seconds."""
        while (event := self._next(seconds)) is not None:
            self.events.append(event)

    def _next(self, seconds: float) -> dict[str, Any] | None:
        end = time.monotonic() + seconds
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return None
            block = os.read(self._read, 1 << 20)
            assert block, "Chromium ended"
            self._left += block
        line, self._left = self._left.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def open(self, path: Path, *, dark: bool = False, width: int = 1200, height: int = 900) -> Tab:
        """Open a page from the disk and wait until it is loaded."""
        target = self.send(
            "Target.createTarget", url="about:blank", newWindow=True, width=width, height=height
        )["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, target, session)
        if dark:
            features = [{"name": "prefers-color-scheme", "value": "dark"}]
            self.send("Emulation.setEmulatedMedia", session, features=features)
        self.send("Page.navigate", session, url=path.resolve().as_uri())
        tab.wait("document.readyState === 'complete'")
        return tab


class Tab:
    """One page, or a frame of it that runs by itself."""

    def __init__(self, chromium: Chromium, target: str, session: str) -> None:
        self.chromium, self.target, self.session = chromium, target, session
        # frames that are sandboxed are targets of their own
        chromium.send(
            "Target.setAutoAttach", session, autoAttach=True, waitForDebuggerOnStart=False, flatten=True
        )
        for domain in ("Runtime", "Log", "Page", "Network"):
            chromium.send(f"{domain}.enable", session)

    def run(self, script: str) -> Any:
        """What a script gives in the page, as JSON."""
        answer = self.chromium.send("Runtime.evaluate", self.session, expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str) -> None:
        """Wait until a script gives true."""
        end = time.monotonic() + PATIENCE
        while not self.run(script):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.02)

    def frames(self, count: int) -> list[Tab]:
        """The sandboxed frames of the page, once there are `count`."""
        end = time.monotonic() + PATIENCE
        while True:
            found = [
                event["params"]
                for event in self.chromium.events
                if event.get("method") == "Target.attachedToTarget" and event.get("sessionId") == self.session
            ]
            if len(found) >= count:
                return [Tab(self.chromium, one["targetInfo"]["targetId"], one["sessionId"]) for one in found]
            assert time.monotonic() < end, f"{len(found)} of {count} frames appeared"
            self.chromium.listen(0.1)

    def trouble(self) -> list[str]:
        """Errors and warnings of the console, exceptions, and every address that was asked for."""
        self.chromium.listen(0.15)
        found = []
        for event in self.chromium.events:
            if event.get("sessionId") != self.session:
                continue
            method, said = event["method"], event["params"]
            if method == "Runtime.exceptionThrown":
                found.append(str(said["exceptionDetails"]))
            elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
                found.append(str(said["args"]))
            elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
                found.append(str(said["entry"]))
            elif method == "Network.requestWillBeSent":
                address = said["request"]["url"]
                if not address.startswith(("file:", "data:", "about:")):
                    found.append(f"asked for {address}")
            elif method == "Page.javascriptDialogOpening":
                found.append(f"dialog: {said['message']}")
        return found

    def picture(self, path: Path) -> Path:
        """Write what is seen as a PNG."""
        import base64

        path.write_bytes(base64.b64decode(self.chromium.send("Page.captureScreenshot", self.session)["data"]))
        return path


@contextlib.contextmanager
def browser() -> Iterator[Chromium]:
    """A Chromium for the block; the test is skipped where none is installed or it does not start."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    folder = tempfile.mkdtemp(prefix="probekit-chromium-")
    # the browser reads commands from descriptor 3 and writes to 4
    line = f'exec "$0" "$@" 3<&{to_read} 4>&{from_write}'
    process = subprocess.Popen(
        ["bash", "-c", line, CHROMIUM, *OPTIONS, f"--user-data-dir={folder}", "about:blank"],
        pass_fds=(to_read, from_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(to_read)
    os.close(from_write)
    try:
        chromium = Chromium(to_write, from_read)
        chromium.send("Browser.getVersion")
        yield chromium
        with contextlib.suppress(AssertionError, OSError):
            chromium.send("Browser.close")
    finally:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(to_write)
        os.close(from_read)
        shutil.rmtree(folder, ignore_errors=True)
