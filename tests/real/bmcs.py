"""Management controllers for tests: OpenIPMI's simulator of one, and OpenStack's emulator of another."""

import http.server
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

DOUBLES = Path(__file__).resolve().parents[2] / "build" / "doubles" / "bin"
PATIENCE_S = 30
PASSWORD = "open-sesame"
SYSTEM = "/redfish/v1/Systems/27946b59-9e44-4fa7-8e91-f3527a1ef094"
"""Where sushy-emulator's own fake machine is."""
_AUTHS = "".join(
    f"  allowed_auths_{who} none md2 md5 straight\n" for who in ("callback", "user", "operator", "admin")
)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that nobody has now."""
    with closing(socket.socket(socket.AF_INET, kind)) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def password_file(folder: Path, text: str = PASSWORD) -> str:
    """A file that only its owner reads."""
    file = folder / "bmc.password"
    file.touch(0o600)
    file.write_text(text + "\n")
    return str(file)


@contextmanager
def ipmi_sim(folder: Path, port: int = 0) -> Iterator[tuple[int, Path]]:
    """OpenIPMI's simulator, its port, and the file with the chassis' power: 1 or 0. A soft shutdown is one at once.

    `port`: the one that it had before, in the same folder, where it comes back: its chassis is as it was left.

    Source: ipmi_lan(5) and ipmi_sim_cmd(5); `chassis_control` is run as `PROGRAM get power` and `PROGRAM set NAME VALUE ...`.
    """
    power, program = folder / "power", folder / "chassis"
    if not port:
        port = free_port(socket.SOCK_DGRAM)
        power.write_text("0\n")
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = get ] && echo power:$(cat {power}) && exit\n'
        f'echo "$*" >> {folder}/asked\n'
        f'[ "$2" = power ] && echo $3 > {power} || echo 0 > {power}\n'
    )
    program.chmod(0o755)
    (folder / "state").mkdir(exist_ok=True)
    (folder / "lan.conf").write_text(
        f'name "sim"\nset_working_mc 0x20\nstartlan 1\n  addr 127.0.0.1 {port}\n  priv_limit admin\n{_AUTHS}'
        f'  guid a123456789abcdefa123456789abcdef\nendlan\nchassis_control "{program}"\n'
        f'user 2 true "farm" "{PASSWORD}" admin 10 none md2 md5 straight\n'
    )
    (folder / "sim.emu").write_text(
        "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable 0x20\n"
    )
    words = ["ipmi_sim", "-n", "-c", str(folder / "lan.conf"), "-f", str(folder / "sim.emu")]
    with running([*words, "-s", str(folder / "state")], folder / "sim.log"):
        _until(lambda: _bound(port))
        yield port, power


@contextmanager
def sushy(folder: Path) -> Iterator[int]:
    """sushy-emulator with its own fake machine, which takes seconds to go on or off. Returns its port on loopback."""
    port = free_port()
    (folder / "sushy").mkdir()
    (folder / "sushy.conf").write_text(f"SUSHY_EMULATOR_STATE_DIR = {str(folder / 'sushy')!r}\n")
    words = [str(DOUBLES / "sushy-emulator"), "--fake", "-i", "127.0.0.1", "-p", str(port)]
    with running([*words, "--config", str(folder / "sushy.conf")], folder / "sushy.log"):
        _until(lambda: _listens(port))
        yield port


@contextmanager
def running(words: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program as long as this lasts."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={**os.environ}
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Answers(http.server.BaseHTTPRequestHandler):
    """A controller that answers what the test says; `asked` has (method, path, Authorization, body)."""

    answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}
    asked: list[tuple[str, str, str, bytes]] = []

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.command, self.path, self.headers.get("Authorization", ""), body))
        status, text, headers = self.answers.get(self.path, (404, b"{}", {}))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)


@contextmanager
def answering() -> Iterator[tuple[int, type[Answers]]]:
    """A server of such answers on loopback."""
    handler = type("Bound", (Answers,), {"answers": {}, "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1], handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _until(so) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + PATIENCE_S
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)


def _bound(port: int) -> bool:
    """Whether somebody has this UDP port."""
    return f":{port:04X} " in Path("/proc/net/udp").read_text()


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
