"""A real hub over a farm in memory: real HTTP, real services, nothing on disk but logs."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from penstock.hub import sessions
from penstock.model.job import Source
from penstock.store.logs import FolderLogs
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.server import Edge
from penstock.web.site import Site
from tests.farms import TestFarm
from tests.web.edges import OPERATOR, OneSource

TICK_S = 0.05


class Tars(OneSource):
    """A forge whose every source is this tar stream; by default an empty folder's."""

    def __init__(self, stream: bytes = bytes(1024)) -> None:
        self.stream = stream

    def archive(self, source: Source) -> Iterator[bytes]:
        return iter([self.stream])


class ServedFarm(TestFarm):
    """Its services run in a thread, its calls are served on loopback."""

    __test__ = False

    def __init__(self, folder: Path, forge: Tars | None = None) -> None:
        super().__init__()
        self.ring = Bell()
        self.hub = replace(self.hub, wake=self.ring)
        self.restart()
        self.logs = FolderLogs(folder / "logs")
        self.listen = socket.create_server(("127.0.0.1", 0))
        app = make_app(Site(self.hub, self.logs, forge or Tars(), self.ring, OPERATOR))
        self.edge = Edge(app, self.listen).start()
        self.url = self.edge.address
        self.ended = False
        self.fault: BaseException | None = None
        self.driver = threading.Thread(target=self.drive)
        self.driver.start()

    def drive(self) -> None:
        while not self.ended:
            try:
                self.tick(int(TICK_S * 1000))
            except BaseException as fault:
                self.fault = fault
                raise
            self.ring.wait_farm(TICK_S)

    def token(self) -> str:
        return sessions.create_token(self.hub, "own")

    def stop(self) -> None:
        self.ended = True
        self.ring.wake("farm")
        self.driver.join()
        self.ring.close()
        self.edge.stop()
        assert self.fault is None
