"""`penstock demo`: real C libraries, two platforms, two local agents, a page."""

import errno
import shutil
import socket
import time
from pathlib import Path

from penstock.cli.build import Wish, ask_for, begin, check_sandbox, print_result, submit, terminating, watch
from penstock.cli.demo_sources import make_repositories
from penstock.cli.opened import Opened
from penstock.cli.output import Leave, refuse, say
from penstock.cli.place import find_place
from penstock.model.change import Build
from penstock.web.bell import Bell
from penstock.wiring import assemble

EXAMPLE = Path(__file__).parent.parent / "examples" / "image-libs"
COMPILERS = {"gcc": "gcc libc6-dev", "clang-19": "clang-19 libclang-rt-19-dev", "make": "make", "git": "git"}


def run_demo(once: bool, as_json: bool, state: Path, listen: str) -> None:
    """Make the repositories where they are missing, build them, print; with `once` stop there, else serve."""
    check_sandbox(no_sandbox=False)
    _check_compilers()
    address = _address(listen)
    state.mkdir(parents=True, exist_ok=True)
    source = make_repositories(state / "repositories", say)
    place = find_place(EXAMPLE / "farm.toml", state)
    asked = ask_for(place, Wish(source=source, dirty=True))
    parts = assemble(place.rules, place.folder, bell := Bell())
    try:
        with terminating():
            begin(parts)
            build = submit(parts, asked)
            if once and not build.open:
                raise Leave(print_result(parts, build.id, as_json))
            _build_and_serve(Opened(place, parts, bell, asked), build, as_json, None if once else address)
    finally:
        parts.close()


def _build_and_serve(opened: Opened, build: Build, as_json: bool, address: tuple[str, int] | None) -> None:
    """Run the build; then leave with its status, or serve on `address` until interrupted."""
    # Here, not at the top: with nothing to do no server is needed, and loading it takes half of that time.
    from penstock.cli.embedded import EmbeddedFarm
    from penstock.cli.progress import watcher

    farm = EmbeddedFarm(opened)
    try:
        farm.start(_listen(address or ("127.0.0.1", 0)))
        say(f"the page: {farm.page()}")
        if build.open:
            with watcher(as_json) as shown:
                watch(farm.check, opened.parts, build.id, shown)
        status = print_result(opened.parts, build.id, as_json)
        if address is None:
            raise Leave(status)
        say(f"serving on {farm.address}; stop with Ctrl-C")
        while True:
            farm.check()
            time.sleep(1)
    finally:
        farm.stop()


def _check_compilers() -> None:
    missing = [packages for program, packages in COMPILERS.items() if shutil.which(program) is None]
    if missing:
        refuse(f"the demo's compilers are missing: run `apt-get install {' '.join(missing)}`")


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        refuse(f"--listen {listen}: write HOST:PORT, such as 127.0.0.1:8010")
    if host not in ("127.0.0.1", "localhost", "::1", "[::1]"):
        refuse(f"--listen {listen}: the demo serves this machine only; write 127.0.0.1:{port}")
    return host.strip("[]"), int(port)


def _listen(address: tuple[str, int]) -> socket.socket:
    """A socket on the address, or on a free port when that one is taken."""
    try:
        return socket.create_server(address)
    except OSError as taken:
        if taken.errno != errno.EADDRINUSE:
            raise
        say(f"port {address[1]} is taken; another one is used")
        return socket.create_server((address[0], 0))
