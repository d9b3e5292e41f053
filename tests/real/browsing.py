"""A real browser, spoken to through two pipes: messages in JSON, each ended by a zero byte."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

LIMIT_S = 40.0


class Browser:
    """Chromium with one page. `said` is what its console said."""

    def __init__(self, profile: Path) -> None:
        to_child, self._write = os.pipe()
        self._read, from_child = os.pipe()
        options = f"--headless --no-sandbox --disable-gpu --remote-debugging-pipe --user-data-dir={profile}"
        script = f"exec chromium {options} about:blank 3<&{to_child} 4>&{from_child}"
        self._process = subprocess.Popen(
            ["bash", "-c", script],
            pass_fds=(to_child, from_child),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_child)
        os.close(from_child)
        self._number, self._kept, self._session = 0, b"", ""
        self.said: list[str] = []
        page = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._number:
                assert "error" not in found, found
                result: dict[str, Any] = found["result"]
                return result
            self._hear(found)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true in the page; its value."""
        end_s = time.monotonic() + LIMIT_S
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < end_s, (
                expression,
                self.said,
                self.evaluate("document.body.innerText")[:900],
            )
            time.sleep(0.05)
        return value

    def open(self, address: str) -> None:
        """Go to a page and wait until it has loaded."""
        self.call("Page.navigate", url=address)
        self.wait(f"location.href.startsWith({json.dumps(address)}) && document.readyState === 'complete'")

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._kept:
            piece = os.read(self._read, 65536)
            assert piece, "the browser has ended"
            self._kept += piece
        one, _, self._kept = self._kept.partition(b"\0")
        message: dict[str, Any] = json.loads(one)
        return message

    def _hear(self, event: dict[str, Any]) -> None:
        """Keep what the page's console complains of; advice is none."""
        about = event.get("params", {})
        level = about.get("entry", {}).get("level", about.get("type", "error"))
        kinds = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        if event.get("method") in kinds and level in ("error", "warning"):
            self.said.append(json.dumps(about))
