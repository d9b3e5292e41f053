"""Which row of the columns is which job, machine, ask and name; columns that grow; all of it as bytes.

A hub does not know beforehand how many of anything there will be. Rows of jobs and machines are used again, those of asks
and names stay. Everything here is a function of what it was told, in the order in which it was told.
"""

import hashlib
import zlib
from array import array
from collections.abc import Sequence
from typing import Any

import msgspec

from penstock.model.curb import Curb
from penstock.model.rules import Rules
from penstock.model.snapshot import Ask
from penstock.policy.budgets.curbs import BARRED, holds, keeps, room, served, standing
from penstock.policy.capacity import blank, estimates, setting
from penstock.policy.capacity import columns as c
from penstock.policy.capacity.setting import Choice
from penstock.policy.suitability import of_pool

FIRST = c.Shape(jobs=64, asks=8, pools=1, islands=1, machines=32, width=1, names=16)
"""How many rows there are to begin with."""
SPARE_MACHINES = 64
"""Rows for new machines, beside one for each job that waits or runs."""
NOWHERE = -1
_NOT_KEPT = ("acts", "scratch")
"""Tables in which nothing outlives a decision."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What stands before the columns: whose rows they are, "" where a row is free; `rules` is a digest."""

    shape: c.Shape
    rules: str
    asks: list[Ask]
    names: list[str]
    jobs: list[str]
    free_jobs: list[int]
    machines: list[str]


class Rows:
    """The columns of one farm, and whose rows they are."""

    def __init__(self, rules: Rules, choice: Choice, shape: c.Shape | None = None) -> None:
        self._rules, self._choice = rules, choice
        self.islands = setting.islands(rules.pools)
        self._shape = shape or FIRST._replace(
            pools=max(1, len(rules.pools)),
            islands=max([1, *(island + 1 for island in self.islands)]),
            width=max([1, *(pool.slots for pool in rules.pools)]),
        )
        self.farm = blank.empty(self._shape, _room(self._shape))
        self.pools = {pool.name: row for row, pool in enumerate(rules.pools)}
        self._asks: dict[Ask, int] = {}
        self._curbs: tuple[Curb, ...] = ()
        self._names: dict[str, int] = {}
        self.jobs: dict[str, int] = {}
        self.job_ids = [""] * self._shape.jobs
        self._blank_job = [column[0] for column in self.farm.jobs]
        self._free_jobs = list(range(self._shape.jobs - 1, -1, -1))
        self.machines: dict[str, int] = {}
        self.machine_ids = [""] * self._shape.machines
        self.machine_versions: dict[str, int] = {}
        self.pool_names = [pool.name for pool in rules.pools]
        self._fill()

    def island_of(self, ask: Ask) -> int:
        """The island where such jobs are decided about, -1 where no pool suits them."""
        row = self.ask(ask)
        return self.farm.asks[c.ASK_ISLAND][row]

    def ask(self, ask: Ask) -> int:
        """The row of this ask, a new one if need be. What only placement looks at is left out; whom a job is for counts
        while guards spare some."""
        level = served(ask) if self._curbs else 0
        return self.know(msgspec.structs.replace(ask, steady=False, lost_on=(), level=level, identity=""))

    def know(self, key: Ask) -> int:
        """The row of what of an ask counts here, a new one if need be."""
        if key not in self._asks:
            if len(self._asks) == self._shape.asks:
                self._grow(asks=2 * self._shape.asks)
            self._asks[key] = len(self._asks)
            self._fill()
        return self._asks[key]

    @property
    def curbs(self) -> tuple[Curb, ...]:
        """What guards forbid, as `curb` was told last."""
        return self._curbs

    @property
    def asks(self) -> list[Ask]:
        """What `know` was given, in the order of the rows."""
        return list(self._asks)

    def name(self, name: str, island: int) -> int:
        """The row of this name of jobs, a new one if need be."""
        if name not in self._names:
            if len(self._names) == self._shape.names:
                self._grow(names=2 * self._shape.names)
            self._names[name] = len(self._names)
            self.farm.names[c.NAME_ISLAND][self._names[name]] = island
        return self._names[name]

    def new_job(self, job: str, ask: int, name: str) -> int:
        """A blank row for this job."""
        if not self._free_jobs:
            self._grow(jobs=2 * self._shape.jobs)
        row = self._free_jobs.pop()
        self.jobs[job], self.job_ids[row] = row, job
        for column, value in zip(self.farm.jobs, self._blank_job, strict=True):
            column[row] = value
        self.farm.jobs[c.JOB_ASK][row] = ask
        self.farm.jobs[c.JOB_NAME][row] = self.name(name, self.farm.asks[c.ASK_ISLAND][ask])
        return row

    def not_running(self) -> list[str]:
        """Jobs that wait or will, in the order of their rows: that one outlives a change of leader."""
        state = self.farm.jobs[c.JOB_STATE]
        return [job for row, job in enumerate(self.job_ids) if job and state[row] != c.RUNNING]

    def place_of(self, job: str) -> str:
        """The machine that the columns have this job running on, "" where they do not."""
        row = self.jobs.get(job)
        if row is None or self.farm.jobs[c.JOB_STATE][row] != c.RUNNING:
            return ""
        return self.machine_ids[self.farm.jobs[c.JOB_LANE][row] // self.farm.rules[c.RULE_WIDTH]]

    def forget_job(self, job: str) -> None:
        """Its row, which is in no list any more, is free."""
        row = self.jobs.pop(job)
        self.job_ids[row] = ""
        self._free_jobs.append(row)

    def called(self, row: int, machine: str) -> None:
        """The machine of this row has got its name."""
        self.machines[machine], self.machine_ids[row] = row, machine

    def forget_machine(self, machine: str) -> None:
        """It is gone; `changes.gone` gave its row back."""
        self.machine_ids[self.machines.pop(machine)] = ""
        self.machine_versions.pop(machine, None)

    def curb(self, curbs: tuple[Curb, ...]) -> bool:
        """Guards forbid this from now on. False where they did already."""
        if curbs == self._curbs:
            return False
        self._curbs = curbs
        self._fill()
        return True

    def make_room(self) -> None:
        """Rows for all machines that the next decision could order, and room for its acts."""
        wanted = len(self.jobs) + SPARE_MACHINES
        machines = self._shape.machines
        while self.farm.head[c.HEAD_FREE_ROWS] + machines - self._shape.machines < wanted:
            machines *= 2
        if machines != self._shape.machines:
            self._grow(machines=machines)

    def _grow(self, **wanted: int) -> None:
        old, self._shape = self._shape, self._shape._replace(**wanted)
        self.farm = grown(self.farm, old, self._shape)
        self._free_jobs[:0] = range(self._shape.jobs - 1, old.jobs - 1, -1)
        self.job_ids += [""] * (self._shape.jobs - old.jobs)
        self.machine_ids += [""] * (self._shape.machines - old.machines)

    def _fill(self) -> None:
        """Write rules, pools and asks into the columns; what was learnt stays."""
        pools = self._rules.pools
        suits = tuple(tuple(not of_pool(ask, pool) for pool in pools) for ask in self._asks)
        drawn = tuple(self.islands[row.index(True)] if True in row else NOWHERE for row in suits)
        asks = tuple(_alike(ask) for ask in self._asks)
        setting.fill(self.farm, setting.Setting(self._rules, self._choice, asks, suits, self.islands, drawn))
        if self._curbs:
            self._fill_curbed()

    def _fill_curbed(self) -> None:
        """Write what guards forbid over what suits: whoever runs somewhere runs on, and islands stay what they are."""
        farm = self.farm
        for column, pool in enumerate(self._rules.pools):
            for ask, row in self._asks.items():
                left = room(self._curbs, ask, pool.name)
                if farm.suits[row][column] and left is not None:
                    farm.suits[row][column] = 0 if left == BARRED else c.CURBED + left
            if holds(self._curbs, pool.name):
                farm.pools[c.POOL_LEAST][column] = c.HOLDS
            elif not setting.is_owned(pool) and not standing(self._curbs, pool.name):
                farm.pools[c.POOL_LEAST][column] = c.KEEPS if keeps(self._curbs, pool.name) else -1

    def pack(self) -> bytes:
        """All of it as bytes: equal bytes, equal decisions from then on."""
        return zlib.compress(b"".join(self._parts()), 1)

    def digest(self) -> str:
        """Of what `pack` packs."""
        told = hashlib.sha256()
        for part in self._parts():
            told.update(part)
        return told.hexdigest()

    def _parts(self) -> list[bytes]:
        head = Head(
            shape=self._shape,
            rules=_digest(self._rules, self._choice),
            asks=list(self._asks),
            names=list(self._names),
            jobs=self.job_ids,
            free_jobs=self._free_jobs,
            machines=self.machine_ids,
        )
        named = msgspec.json.encode(head)
        columns = [column.tobytes() for column in _kept(self.farm)]
        return [len(named).to_bytes(8, "little"), named, *columns]

    def _unpack(self, head: Head, content: bytes) -> None:
        self._asks = {ask: row for row, ask in enumerate(head.asks)}
        self._names = {name: row for row, name in enumerate(head.names)}
        self.job_ids, self._free_jobs, self.machine_ids = head.jobs, head.free_jobs, head.machines
        self.jobs = {job: row for row, job in enumerate(head.jobs) if job}
        self.machines = {machine: row for row, machine in enumerate(head.machines) if machine}
        _read(self.farm, content)
        self._fill()

    def _carry(self, head: Head, before: c.Farm) -> None:
        """Learn once more how long jobs of the names that there were have taken, where their pools still are."""
        for row, name in enumerate(head.names):
            island = self._island_of_platform(platform_of(name))
            if island < 0:
                continue
            mine = self.name(name, island)
            count, at = before.names[c.NAME_COUNT][row], before.names[c.NAME_AT][row]
            begin = before.names[c.NAME_FROM][row]
            for number in range(count):
                turn = (at + number) % count if count == c.KEPT else number
                estimates.learn(self.farm, mine, before.ring[begin + turn])

    def _island_of_platform(self, platform: str) -> int:
        for pool, island in zip(self._rules.pools, self.islands, strict=True):
            if platform in pool.platforms:
                return island
        return NOWHERE


def unpacked(content: bytes, rules: Rules, choice: Choice) -> Rows:
    """What `pack` packed. Under other rules only what was learnt of durations is left."""
    if not content:
        return Rows(rules, choice)
    whole = zlib.decompress(content)
    end = 8 + int.from_bytes(whole[:8], "little")
    head = msgspec.json.decode(whole[8:end], type=Head)
    if head.rules == _digest(rules, choice):
        made = Rows(rules, choice, head.shape)
        made._unpack(head, whole[end:])
        return made
    before, made = blank.empty(head.shape, 1), Rows(rules, choice)
    _read(before, whole[end:])
    made._carry(head, before)
    return made


def grown(before: c.Farm, old: c.Shape, new: c.Shape) -> c.Farm:
    """The same farm in columns of another shape, no smaller in any way, with as many pools, islands and lanes."""
    after = blank.empty(new, _room(new))
    for field in before._fields:
        if field not in (*_NOT_KEPT, "free_rows", "names", "samples", "ring"):
            for column, more in zip(
                _parts(getattr(before, field)), _parts(getattr(after, field)), strict=False
            ):
                more[: len(column)] = column
    for island in range(old.islands):
        after.islands[c.ISLAND_ALL_NAMES][island] = new.names + island
    free = before.head[c.HEAD_FREE_ROWS]
    rows = [*range(new.machines - 1, old.machines - 1, -1), *before.free_rows[:free]]
    after.head[c.HEAD_FREE_ROWS] = len(rows)
    after.free_rows[: len(rows)] = array("q", rows)
    for row in range(old.names + old.islands):
        _name(before, after, row, row if row < old.names else row - old.names + new.names)
    return after


def _name(before: c.Farm, after: c.Farm, row: int, to: int) -> None:
    """One name's samples in their new place."""
    for field in (c.NAME_COUNT, c.NAME_AT, c.NAME_ISLAND):
        after.names[field][to] = before.names[field][row]
    begin, end = before.names[c.NAME_FROM][row], after.names[c.NAME_FROM][to]
    for at in range(before.names[c.NAME_ROOM][row]):
        after.samples[end + at] = before.samples[begin + at]
        after.ring[end + at] = before.ring[begin + at]


def _room(shape: c.Shape) -> int:
    """As many acts as one decision can have: each job starts, each machine is ordered or stopped."""
    return shape.jobs + 2 * shape.machines + 1


def _parts(table: Any) -> Sequence[Any]:
    return [table] if isinstance(table, array) else table


def _kept(farm: c.Farm) -> list[Any]:
    """All columns that outlive a decision, in the order of the farm's fields."""
    tables = [getattr(farm, field) for field in farm._fields if field not in _NOT_KEPT]
    return [column for table in tables for column in _parts(table)]


def _read(farm: c.Farm, content: bytes) -> None:
    at = 0
    for column in _kept(farm):
        size = 8 * len(column)
        column[:] = array(column.typecode, content[at : at + size])
        at += size


def _digest(rules: Rules, choice: Choice) -> str:
    """Of all that columns are filled from."""
    return hashlib.sha256(msgspec.json.encode((rules.pools, rules.waiting, choice))).hexdigest()


def _alike(ask: Ask) -> setting.Ask:
    return setting.Ask(ask.platform, ask.klass, ask.project, ask.size.cores, ask.size.memory_mb or 0)


def platform_of(name: str) -> str:
    """The platform in a name of model.snapshot.name_of."""
    return name.partition("\n")[0]
