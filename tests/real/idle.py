"""Idle agents, any number of them in one process: `idle.py HOST PORT TOKENS REPORT`.

TOKENS is a file with the session token of one agent in each line. Each polls over one connection, as an agent does
that has nothing. REPORT gets a line when all are connected, when an offer has come, and for each poll that was refused.
"""

import asyncio
import json
import resource
import sys
import time
from pathlib import Path
from typing import TextIO

AT_ONCE = 400
"""So many connect and ask for the first time together."""


class Report:
    """Counts, and writes a line for what a test waits for."""

    def __init__(self, file: TextIO, agents: int) -> None:
        self._file = file
        self._agents = agents
        self.waiting = 0
        self.polls = 0
        self.said = False

    def tell(self, **what: object) -> None:
        print(json.dumps({"at_s": time.monotonic(), **what}), file=self._file, flush=True)

    def waits(self, more: int) -> None:
        self.waiting += more
        if self.waiting == self._agents and not self.said:
            self.said = True
            self.tell(connected=self.waiting)


async def idle(address: tuple[str, int], token: str, gate: asyncio.Semaphore, report: Report) -> None:
    """One agent. Its first poll does not wait: it is how the hub learns of it."""
    async with gate:  # who connects and says nothing is thrown out
        reader, writer = await asyncio.open_connection(*address)
        await poll(reader, writer, token, 1, 0.0)
    report.waits(1)
    call = 1
    while True:
        call += 1
        answer = await poll(reader, writer, token, call, 30.0)
        report.polls += 1
        if answer.get("offers"):
            report.tell(offer=answer["offers"][0]["attempt"])
            return


async def poll(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str, call: int, wait_s: float
) -> dict[str, list[dict[str, str]]]:
    body = json.dumps({"call": call, "free_slots": [0], "wait_s": wait_s}).encode()
    head = f"POST /api/v1/agent/poll HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    said = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(said.partition("content-length: ")[2].partition("\r\n")[0])
    text = await reader.readexactly(length)
    if not said.startswith("http/1.1 200"):
        raise ValueError(f"{said.splitlines()[0]}: {text!r}")
    found: dict[str, list[dict[str, str]]] = json.loads(text)
    return found


async def main(host: str, port: int, tokens: list[str], report: Report) -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        for token in tokens:
            group.create_task(idle((host, port), token, gate, report))


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    names = Path(sys.argv[3]).read_text().split()
    with open(sys.argv[4], "w") as opened:
        asyncio.run(main(sys.argv[1], int(sys.argv[2]), names, Report(opened, len(names))))
