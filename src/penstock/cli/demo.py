"""`penstock demo`: real C libraries, two platforms, two local agents, a page."""

import errno
import shutil
import socket
import time
from pathlib import Path

from penstock.cli.build import Wish, begin, check_sandbox, print_result, submit, terminating, watch
from penstock.cli.demo_sources import make_repositories
from penstock.cli.embedded import EmbeddedFarm
from penstock.cli.output import Leave, refuse, say
from penstock.cli.place import Place, find_place
from penstock.cli.progress import watcher
from penstock.web.bell import Bell
from penstock.wiring import Parts, assemble

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
    bell = Bell()
    parts = assemble(place.rules, place.folder, bell)
    try:
        with terminating():
            _build_and_serve(
                place,
                parts,
                bell,
                Wish(source=source, dirty=True, as_json=as_json),
                None if once else address,
            )
    finally:
        parts.close()


def _build_and_serve(
    place: Place, parts: Parts, bell: Bell, wish: Wish, address: tuple[str, int] | None
) -> None:
    """One build; then leave with its status, or serve on `address` until interrupted."""
    farm = EmbeddedFarm(place, parts, bell, begin(parts), wish.no_sandbox)
    build = submit(parts, wish)
    try:
        if build.open or address is not None:
            farm.start(_listen(address or ("127.0.0.1", 0)))
            say(f"the page: {farm.page()}")
        if build.open:
            with watcher(wish.as_json) as shown:
                watch(farm.check, parts, build.id, shown)
        status = print_result(parts, build.id, wish.as_json)
        if address is None:
            raise Leave(status)
        _serve(farm)
    finally:
        farm.stop()


def _serve(farm: EmbeddedFarm) -> None:
    """Serve until interrupted."""
    say(f"serving on {farm.address}; stop with Ctrl-C")
    while True:
        farm.check()
        time.sleep(1)


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
