"""Commands that ask a farm: through the hub that serves it, or, when nobody does, from its state folder."""

import codecs
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from penstock.cli.output import Leave, print_json, print_table, refuse, say
from penstock.cli.place import find_place
from penstock.model.farm import Farm
from penstock.reports.builds import EXIT_FAILED, EXIT_FARM
from penstock.web.outputs import output_stream, reader
from penstock.web.people import ACTS, READS, log_chunk
from penstock.wire.client import Address, Client, HubError, Unreachable
from penstock.wiring import Parts, Quiet, assemble

LOOK_S = 0.5
NO_FARM = "{}: there is no farm here yet; `penstock build` makes one"
ASKED_WRONGLY = (400, 404, 409)
"""What the hub answers where an open farm raises NotFound or Refused: bad input."""
Document = dict[str, Any]
Consume = Callable[[Callable[[int], bytes]], None]


class ServedFarm:
    """A farm behind a hub: every question is a call."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def read(self, what: str, name: str) -> Document:
        """A document by its name in web.people.READS."""
        return self._call("GET", f"/api/v1/{what}" + (f"/{quote(name, safe='')}" if name else ""))

    def act(self, what: str, name: str, reason: str) -> Document:
        """Do something by its name in web.people.ACTS."""
        return self._call("POST", f"/api/v1/{what}/{quote(name, safe='')}", {"reason": reason})

    def log(self, job: str, offset: int) -> Document:
        """A piece of a job's log, as web.people.log_chunk gives it."""
        return self._call("GET", f"/api/v1/log/{quote(job, safe='')}?offset={offset}")

    def output(self, job: str, name: str, consume: Consume) -> None:
        """Give one output of a job, a tar stream, to `consume(read)`; again from its start when it was cut."""
        self._client.download(f"/api/v1/outputs/{quote(job, safe='')}/{quote(name, safe='')}", consume)

    def _call(self, method: str, path: str, body: Document | None = None) -> Document:
        try:
            return self._client.call(method, path, body, tries=1)
        except HubError as problem:
            if problem.status in ASKED_WRONGLY:
                refuse(problem.reason)
            raise


class OwnFarm:
    """A farm that nobody serves, opened here."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def read(self, what: str, name: str) -> Document:
        """A document by its name in web.people.READS."""
        return READS[what](self._parts.hub, name)

    def act(self, what: str, name: str, reason: str) -> Document:
        """Do something by its name in web.people.ACTS; but a retry needs somebody who runs it."""
        if what == "retry":
            self.read("job", name)
            refuse(
                "nobody serves this farm: `penstock build` of the same source runs again what did not pass"
            )
        return ACTS[what](self._parts.hub, name, reason)

    def log(self, job: str, offset: int) -> Document:
        """A piece of a job's log; nobody writes more to it now."""
        return {**log_chunk(self._parts.hub, self._parts.logs, job, offset), "ended": True}

    def output(self, job: str, name: str, consume: Consume) -> None:
        """Give one output of a job, a tar stream, to `consume(read)`."""
        consume(reader(output_stream(self._parts.hub, job, name)))


AnyFarm = ServedFarm | OwnFarm


@contextmanager
def opened(farm: Path | None, state: Path | None, hub: str | None) -> Iterator[AnyFarm]:
    """The farm that was named, through the hub that serves it where there is one."""
    place = find_place(farm, state)
    served = place.hub_address()
    if hub is not None and (served is None or served["address"] != hub.rstrip("/")):
        refuse(f"--hub {hub}: no token for it in {place.folder}; give the --state of the farm that it serves")
    if served is not None and _answers(served):
        yield ServedFarm(Client(Address(served["address"]), served["token"]))
        return
    if not (place.folder / "penstock.db").exists():
        refuse(NO_FARM.format(place.folder))
    parts = assemble(place.rules, place.folder, Quiet())
    try:
        if not parts.hub.store.read(lambda tx: tx.find(Farm, "key", limit=1)):
            refuse(NO_FARM.format(place.folder))  # killed before it was made
        yield OwnFarm(parts)
    finally:
        parts.close()


def _answers(served: Document) -> bool:
    """False when the hub that left its address has died without taking it back."""
    try:
        Client(Address(served["address"]), served["token"]).call("GET", "/api/v1/machines", tries=1)
    except (Unreachable, HubError, ValueError):
        return False
    return True


def show_builds(farm: Path | None, state: Path | None, hub: str | None, as_json: bool) -> None:
    """`penstock builds`."""
    with opened(farm, state, hub) as found:
        document = found.read("builds", "")
    columns = ("build", "state", "jobs", "open", "source", "why")
    keys = ("id", "state", "jobs", "open", "source", "reason")
    _print(document, as_json, columns, [[line[key] for key in keys] for line in document["builds"]])


def show_jobs(
    build: str | None, farm: Path | None, state: Path | None, hub: str | None, as_json: bool
) -> None:
    """`penstock jobs`."""
    with opened(farm, state, hub) as found:
        document = found.read("jobs", build or "")
    keys = ("id", "module", "kind", "platform", "state")
    rows = [
        [*(line[key] for key in keys), len(line["attempts"]), line["reason"]] for line in document["jobs"]
    ]
    _print(document, as_json, ("job", "module", "kind", "platform", "state", "attempts", "why"), rows)


def show_machines(farm: Path | None, state: Path | None, hub: str | None, as_json: bool) -> None:
    """`penstock machines`."""
    with opened(farm, state, hub) as found:
        document = found.read("machines", "")
    keys = ("id", "name", "pool", "power", "session", "health", "reason", "sandbox")
    rows = [[*(line[key] for key in keys), " ".join(line["running"])] for line in document["machines"]]
    columns = ("machine", "name", "pool", "power", "agent", "health", "why", "sandbox", "runs")
    _print(document, as_json, columns, rows)


def show_explanation(job: str, farm: Path | None, state: Path | None, hub: str | None, as_json: bool) -> None:
    """`penstock explain`."""
    with opened(farm, state, hub) as found:
        document = found.read("explain", job)
    if as_json:
        print_json(document)
        return
    for sentence in document["sentences"]:
        print(sentence)


def show_fsck(deep: bool, farm: Path | None, state: Path | None, hub: str | None, as_json: bool) -> None:
    """`penstock fsck`: exit 3 when something is broken."""
    with opened(farm, state, hub) as found:
        document = found.read("fsck", "deep" if deep else "")
    violations = document["violations"]
    if as_json:
        print_json(document)
    else:
        for violation in violations:
            print(f"{violation['invariant']} {violation['subject']}: {violation['text']}")
        print(f"{len(violations)} violations" if violations else "clean")
    raise Leave(EXIT_FARM if violations else 0)


def act(
    what: str, name: str, reason: str, farm: Path | None, state: Path | None, hub: str | None, as_json: bool
) -> None:
    """`penstock cancel`, `retry`, `quarantine`: do it and say what was done; exit 1 when there was nothing to do."""
    with opened(farm, state, hub) as found:
        document = found.act(what, name, reason)
    if as_json:
        print_json(document)
    else:
        print(document["said"])
    raise Leave(0 if document["done"] else EXIT_FAILED)


def show_log(job: str, follow: bool, farm: Path | None, state: Path | None, hub: str | None) -> None:
    """`penstock logs`: the bytes as they were printed, to a file as they are, to a terminal without its controls."""
    write = _terminal_writer() if sys.stdout.isatty() else sys.stdout.buffer.write
    with opened(farm, state, hub) as found:
        offset = 0
        while True:
            piece = found.log(job, offset)
            data = bytes.fromhex(piece["hex"])
            write(data)
            sys.stdout.buffer.flush()
            offset += len(data)
            if not data and (piece["ended"] or not follow):
                break
            if not data:
                time.sleep(LOOK_S)
        if not offset:
            line = found.read("job", job)
            say(f"penstock: {job} has printed nothing: it is {line['state']}: {line['reason']}")


def _terminal_writer() -> Callable[[bytes], int]:
    """Writes text; control characters except line ends and tabs are shown, not obeyed: a log is hostile."""

    decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def write(data: bytes) -> int:
        text = decode(data)
        return sys.stdout.write(
            "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
        )

    return write


def _print(document: Document, as_json: bool, columns: tuple[str, ...], rows: list[list[object]]) -> None:
    if as_json:
        print_json(document)
    else:
        print_table(columns, rows)
