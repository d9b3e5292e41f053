"""Commands that ask a farm: through the hub that serves it, or, when nobody does, from its state folder."""

import codecs
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from penstock.cli.following import Message, follow
from penstock.cli.hubs import REACH, Target, authority, refuse_answer, target
from penstock.cli.output import Leave, print_json, print_sentences, print_table, refuse, say
from penstock.cli.place import Place, find_place, named_place
from penstock.model.farm import Farm
from penstock.reports.builds import EXIT_FAILED, EXIT_FARM
from penstock.web.costs import ASKS, TELLS
from penstock.web.costs.asks import answer, do
from penstock.web.decisions import decisions_page
from penstock.web.feed import kept, page
from penstock.web.freezing import NOBODY
from penstock.web.outputs import output_stream, reader
from penstock.web.people import ACTS, READS, log_chunk
from penstock.web.watching import event_line
from penstock.wire.client import Client, HubError, Unreachable
from penstock.wiring import Parts, Quiet, assemble

NO_FARM = "{}: there is no farm here yet; `penstock build` makes one"
NOBODY_HERE = (
    "{}: no hub serves this farm from here, and only a hub opens a shared database: start one with `penstock serve`, "
    "or name one that runs elsewhere by --hub"
)
NOBODY_SERVES = "nobody serves this farm: "
A_PAGE = 1000
BUILDS_SHOWN = 200
Document = dict[str, Any]
Consume = Callable[[Callable[[int], bytes]], None]


class ServedFarm:
    """A farm behind a hub: every question is a call. `where` says where the hub is, asked anew when it was away."""

    def __init__(self, where: Callable[[], Target]) -> None:
        self.where = where
        self.target = where()
        self._client: Client = self.target.client()

    def read(self, what: str, name: str) -> Document:
        """A document by its name in web.people.READS, whole: long lists are read in pages."""
        path = f"/api/v1/{what}" + (f"/{quote(name, safe='')}" if name else "")
        if what not in ("builds", "jobs"):
            return self.call("GET", path)
        return {what: list(self._pages(what, path))}

    def builds(self) -> Iterator[Document]:
        """All builds, the newest first, a page at a time."""
        return self._pages("builds", "/api/v1/builds")

    def act(self, what: str, name: str, reason: str) -> Document:
        """Do something by its name in web.people.ACTS."""
        return self.call("POST", f"/api/v1/{what}/{quote(name, safe='')}", {"reason": reason})

    def ask(self, what: str, query: Mapping[str, str] | None = None) -> Document:
        """A document about costs by its name in web.costs.ASKS."""
        return self.call("GET", f"/api/v1/costs/{what}" + (f"?{urlencode(query)}" if query else ""))

    def tell(self, what: str, body: Document) -> Document:
        """Change something about costs by its name in web.costs.TELLS."""
        return self.call("POST", f"/api/v1/costs/{what}", body)

    def decisions(self, after: int) -> Document:
        """A page of decisions, as web.decisions.JournalPage."""
        return self.call("GET", f"/api/v1/decisions?after={after}")

    def log(self, job: str, offset: int) -> Document:
        """A piece of a job's log, as web.people.log_chunk gives it."""
        return self.call("GET", f"/api/v1/log/{quote(job, safe='')}?offset={offset}")

    def output(self, job: str, name: str, consume: Consume) -> None:
        """Give one output of a job, a tar stream, to `consume(read)`; again from its start when it was cut."""
        self._asked(
            lambda: self._client.download(
                f"/api/v1/outputs/{quote(job, safe='')}/{quote(name, safe='')}", consume
            )
        )

    def call(self, method: str, path: str, body: Document | None = None, tries: int = 1) -> Document:
        """One call. Refuses (exit 2) what the hub refuses."""
        answer: Document = self._asked(lambda: self._client.call(method, path, body, tries=tries))
        return answer

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except (HubError, Unreachable) as problem:
            refuse_answer(self.target.url, problem)

    def _pages(self, what: str, path: str) -> Iterator[Document]:
        after: dict[str, str] = {}
        while True:
            page = self.call("GET", f"{path}?{urlencode({'limit': A_PAGE, **after})}")
            yield from page[what]
            if not page.get("next"):
                return
            after = {"after": page["next"]}


class OwnFarm:
    """A farm that nobody serves, opened here."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def read(self, what: str, name: str) -> Document:
        """A document by its name in web.people.READS."""
        return READS[what](self._parts.hub, name)

    def builds(self) -> Iterator[Document]:
        """The newest builds first."""
        return iter(self.read("builds", "")["builds"])

    def act(self, what: str, name: str, reason: str) -> Document:
        """Do something by its name in web.people.ACTS; but a retry needs somebody who runs it."""
        if what == "retry":
            self.read("job", name)
            refuse(NOBODY_SERVES + "`penstock build` of the same source runs again what did not pass")
        return ACTS[what](self._parts.hub, name, reason)

    def ask(self, what: str, query: Mapping[str, str] | None = None) -> Document:
        """A document about costs by its name in web.costs.ASKS."""
        with _well_put():
            return answer(ASKS[what], self._parts.hub, query or {})

    def tell(self, what: str, body: Document) -> Document:
        """Change something about costs by its name in web.costs.TELLS."""
        with _well_put():
            return do(TELLS[what], self._parts.hub, body, NOBODY)

    def decisions(self, after: int) -> Document:
        """A page of decisions, as web.decisions.JournalPage."""
        return decisions_page(self._parts.hub, after)

    def log(self, job: str, offset: int) -> Document:
        """A piece of a job's log; nobody writes more to it now."""
        return {**log_chunk(self._parts.hub, self._parts.logs, job, offset), "ended": True}

    def output(self, job: str, name: str, consume: Consume) -> None:
        """Give one output of a job, a tar stream, to `consume(read)`."""
        consume(reader(output_stream(self._parts.hub, job, name)))

    def events(self, after: int, limit: int) -> Document:
        """A page of events, as GET /api/v1/events/page answers it."""
        found, there = page(self._parts.hub, after, limit), kept(self._parts.hub)
        last = found[-1].position if found else max(after, there.oldest - 1)
        lines = [msgspec.to_builtins(event_line(one)) for one in found]
        return {"events": lines, "next": last, "oldest": there.oldest, "newest": there.newest}


AnyFarm = ServedFarm | OwnFarm


@contextmanager
def _well_put() -> Iterator[None]:
    """What a hub would refuse as badly put is refused here, too (exit 2)."""
    try:
        yield
    except msgspec.ValidationError as wrong:
        refuse(str(wrong))


@contextmanager
def opened(farm: Path | None, state: Path | None, hub: str | None) -> Iterator[AnyFarm]:
    """The farm that was named, through the hub that serves it where there is one.

    With `hub` nothing of the farm need be on this machine.
    """
    if hub is not None:
        place = named_place(farm, state)
        yield ServedFarm(lambda: target(hub, place.hub_address() if place else None))
        return
    place = find_place(farm, state)
    if _answers(place):
        yield ServedFarm(lambda: _here(place))
        return
    database = place.database()
    if database is None:
        refuse(NOBODY_HERE.format(place.folder))
    if not database.exists():
        refuse(NO_FARM.format(place.folder))
    parts = assemble(place.rules, place.folder, Quiet())
    try:
        if not parts.hub.store.read(lambda tx: tx.find(Farm, "key", limit=1)):
            refuse(NO_FARM.format(place.folder))  # killed before it was made
        yield OwnFarm(parts)
    finally:
        parts.close()


@contextmanager
def served(farm: Path | None, state: Path | None, hub: str | None, instead: str) -> Iterator[ServedFarm]:
    """As `opened`, for what only a hub can do; `instead` says what to do where nobody serves."""
    with opened(farm, state, hub) as found:
        if isinstance(found, OwnFarm):
            refuse(NOBODY_SERVES + instead)
        yield found


def _here(place: Place) -> Target:
    """The hub that serves this state now. Raises Unreachable when none says so, as while it is started again."""
    found = place.hub_address()
    if found is None:
        raise Unreachable("no hub serves this state at the moment")
    return Target(found["address"], found["token"], authority(REACH.get()))


def _answers(place: Place) -> bool:
    """False when nobody serves it, or the hub that left its address has died without taking it back."""
    try:
        _here(place).client().call("GET", "/api/v1/builds?limit=1", tries=1)
    except (Unreachable, HubError, ValueError):
        return False
    return True


def show_builds(
    limit: int | None, farm: Path | None, state: Path | None, hub: str | None, as_json: bool
) -> None:
    """`penstock builds`."""
    with opened(farm, state, hub) as found:
        document = {"builds": list(islice(found.builds(), limit or BUILDS_SHOWN))}
    columns = ("build", "state", "jobs", "open", "source", "why")
    keys = ("id", "state", "jobs", "open", "source", "reason")
    _print(document, as_json, columns, [[line[key] for key in keys] for line in document["builds"]])


def show_jobs(which: "Jobs", farm: Path | None, state: Path | None, hub: str | None, as_json: bool) -> None:
    """`penstock jobs`."""
    with opened(farm, state, hub) as found:
        document = {"jobs": which.of(found)}
    keys = ("id", "module", "kind", "platform", "state")
    rows = [
        [*(line[key] for key in keys), len(line["attempts"]), line["reason"]] for line in document["jobs"]
    ]
    _print(document, as_json, ("job", "module", "kind", "platform", "state", "attempts", "why"), rows)


class Jobs:
    """Which jobs are asked for: of a build, in some states (as people write them), so many of the newest builds."""

    def __init__(
        self, build: str | None = None, states: Sequence[str] = (), limit: int | None = None
    ) -> None:
        from penstock.model.states import JobState

        known = {str(state).lower(): str(state) for state in JobState}
        for wrong in [state for state in states if state.lower() not in known]:
            refuse(f"--only {wrong}: write one of {', '.join(sorted(known))}")
        self._build, self._limit = build, limit
        self._states = {known[state.lower()] for state in states}

    def of(self, farm: AnyFarm) -> list[Document]:
        """Their documents; without a limit in the order of builds and plans, with one those of the newest builds."""
        if self._limit is None or self._build:
            return list(islice(self._kept(farm.read("jobs", self._build or "")["jobs"]), self._limit))
        found: list[Document] = []
        for build in farm.builds():
            found += self._kept(farm.read("jobs", build["id"])["jobs"])
            if len(found) >= self._limit:
                break
        return found[: self._limit]

    def _kept(self, jobs: Sequence[Document]) -> Iterator[Document]:
        return (job for job in jobs if not self._states or job["state"] in self._states)


def show_explanation(job: str, farm: Path | None, state: Path | None, hub: str | None, as_json: bool) -> None:
    """`penstock explain`."""
    with opened(farm, state, hub) as found:
        document = found.read("explain", job)
    if as_json:
        print_json(document)
    else:
        print_sentences(document["sentences"])


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


def show_log(job: str, going_on: bool, farm: Path | None, state: Path | None, hub: str | None) -> None:
    """`penstock logs`: the bytes as they were printed, to a file as they are, to a terminal without its controls."""
    write = _terminal_writer() if sys.stdout.isatty() else sys.stdout.buffer.write
    with opened(farm, state, hub) as found:
        if going_on and isinstance(found, ServedFarm):
            _follow_log(found, job, write)
            return
        offset = 0
        while data := bytes.fromhex(found.log(job, offset)["hex"]):
            write(data)
            offset += len(data)
        sys.stdout.flush()
        if not offset:
            line = found.read("job", job)
            say(f"penstock: {job} has printed nothing: it is {line['state']}: {line['reason']}")


def _follow_log(farm: ServedFarm, job: str, write: Callable[[bytes], int]) -> None:
    """Print what the newest attempt has printed, and go on until the job has ended, in later attempts, too."""
    attempt = None
    for message in follow(farm.where, f"/api/v1/log/{quote(job, safe='')}/stream?offset=0"):
        if message.kind == "end":
            say(f"penstock: {job} has ended as {message.data['state']}: {message.data['reason']}")
            return
        if message.kind == "log":
            if attempt not in (None, message.data["attempt"]):
                say(f"penstock: attempt {message.data['attempt']}")
            attempt = message.data["attempt"]
            write(_bytes(message))
            sys.stdout.flush()


def _bytes(message: Message) -> bytes:
    return b64decode(message.data["base64"])


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
