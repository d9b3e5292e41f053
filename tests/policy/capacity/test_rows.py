"""Rows that a hub's jobs and machines have in the columns: given, found again, kept through a change of leader."""

import msgspec
from fullfarms import BURST, rules
from seenfarm import ASK, RULES, Told, own, rented, wanted

from penstock.model.decision import Decision
from penstock.model.rules import Platform, Pool, Rules, Waiting
from penstock.model.units import Size
from penstock.policy.capacity import columns as c
from penstock.policy.capacity import estimates
from penstock.policy.capacity.rows import NOWHERE, Rows, grown, unpacked
from penstock.policy.capacity.setting import Choice
from penstock.policy.capacity.view import Ended


class TestRows:
    def test_rows_grow_and_nothing_is_forgotten(self) -> None:
        told = Told(rules(BURST))
        jobs = tuple(
            wanted(
                f"j{n}",
                1000 + n,
                msgspec.structs.replace(ASK, size=Size(1 + n % 20, 1024)),
                name=f"n{n % 40}",
            )
            for n in range(150)
        )
        told(machines=tuple(rented(f"b{n}") for n in range(50)), waiting=jobs)
        farm = told.rows.farm
        assert len(told.rows.jobs) == 150
        assert farm.head[c.HEAD_FREE_ROWS] >= 150
        assert len(set(told.rows.machines.values())) == 50
        for number in range(3):
            told.rows.name(f"fresh {number}", 0)
        estimates.learn(told.rows.farm, 1, 5000)
        for number in range(200):
            told.rows.name(f"more {number}", 0)
        assert estimates.quantile_ms(told.rows.farm, 1, 600_000) == 5000

    def test_columns_of_the_same_shape_grow_into_the_same(self) -> None:
        told = Told()
        told(machines=(own(),), waiting=(wanted("j1"),))
        shape = c.Shape(
            jobs=64, asks=8, pools=2, islands=1, machines=len(told.rows.farm.free_rows), width=1, names=16
        )
        again = grown(told.rows.farm, shape, shape)
        fields = [field for field in again._fields if field not in ("acts", "scratch", "free_rows")]
        assert [getattr(again, field) for field in fields] == [
            getattr(told.rows.farm, field) for field in fields
        ]

    def test_what_is_packed_goes_on_as_it_was(self) -> None:
        told = Told()
        told(
            machines=(own(), rented("b1"), rented("b2", "suspended")),
            waiting=tuple(wanted(f"j{n}") for n in range(9)),
        )
        told(ended=(Ended("j0", 77_000),), waiting=tuple(wanted(f"j{n}") for n in range(4, 9)))
        again = Told()
        again.rows, again.now_ms = unpacked(told.rows.pack(), RULES, Choice()), told.now_ms
        assert again.rows.digest() == told.rows.digest()
        told.rows.machine_versions = again.rows.machine_versions = {"o1": 1, "b1": 1, "b2": 1}
        seen = {"waiting": tuple(wanted(f"j{n}") for n in range(4, 9))}
        assert [told(600_000, **seen), told.rows.digest()] == [again(600_000, **seen), again.rows.digest()]

    def test_under_other_rules_durations_are_left(self) -> None:
        told = Told()
        told(machines=(own(),), waiting=(wanted("j0"),))
        for number in range(40):
            told(ended=(Ended(f"j{number}", 1000 * (number + 1)),), waiting=(wanted(f"j{number + 1}"),))
        told(ended=(Ended("j40", 1000),), waiting=(wanted("other", name="png"),))
        told(ended=(Ended("other", 9000),))
        before = estimates.quantile_ms(told.rows.farm, 0, 600_000)
        other = msgspec.structs.replace(RULES, waiting=Waiting(price_per_hour_micros=5))
        fresh = unpacked(told.rows.pack(), other, Choice())
        assert fresh.jobs == {}
        assert estimates.quantile_ms(fresh.farm, 0, 600_000) == before
        assert estimates.quantile_ms(fresh.farm, 1, 600_000) == 9000
        elsewhere = Rules(
            platforms={"mac": Platform(name="mac")},
            pools=(Pool(name="m", provider="owned", platforms=("mac",)),),
        )
        assert unpacked(told.rows.pack(), elsewhere, Choice()).farm.names[c.NAME_COUNT][0] == 0

    def test_a_row_that_is_used_again_is_as_blank_as_at_first(self) -> None:
        rows = Rows(RULES, Choice())
        blank = [column[0] for column in rows.farm.jobs]
        row = rows.new_job("j1", rows.ask(ASK), "n")
        for column in rows.farm.jobs:
            column[row] = 77
        rows.forget_job("j1")
        again = rows.new_job("j2", rows.ask(ASK), "n")
        assert again == row
        assert [column[again] for column in rows.farm.jobs] == blank

    def test_nothing_kept_is_nothing_known(self) -> None:
        assert unpacked(b"", RULES, Choice()).jobs == {}

    def test_asks_that_only_placement_tells_apart_are_one(self) -> None:
        told = Told()
        assert told.rows.ask(ASK) == told.rows.ask(
            msgspec.structs.replace(ASK, steady=True, lost_on=("m",), level=4, identity="x")
        )
        assert told.rows.island_of(msgspec.structs.replace(ASK, platform="mac")) == NOWHERE

    def test_a_farm_without_pools_decides_nothing(self) -> None:
        assert Told(Rules())(waiting=(wanted("j1"),)) == Decision()
