"""moto's server as a process of its own, from the environment of the doubles; it ends with the tests."""

import subprocess
import urllib.request
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[2] / "build" / "doubles" / "bin" / "python"
SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


class MotoServer:
    """`url` is where it is."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [PYTHON, "-c", SERVE], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def reset(self) -> None:
        """Forget everything."""
        urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/moto-api/reset", method="POST"), timeout=20
        ).close()

    def close(self) -> None:
        """It ends when its input does."""
        self._process.communicate(timeout=20)
