"""The forecast of a farm's ledger: which days count, what is retired, and bills in place of what was metered."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from farms import POOL, RULES, FakeClock, TestFarm

from penstock.hub.context import NotFound, Refused
from penstock.hub.costs.forecast import forecast
from penstock.model.ledger import Account, Bill, BillLine, Ledger, Tally
from penstock.model.rules import Billed, Pool, Season
from penstock.model.units import DAY_MS
from penstock.web.costs.forecast import ASKS, Forecast, WhichForecast

TODAY = FakeClock().wall_ms() // DAY_MS
"""14 November 2023."""
BURST = Pool(name="burst", provider="ec2", platforms=("linux",), price_per_hour_micros=400_000)
SPRING = Pool(name="spring", provider="ec2", platforms=("linux",), price_per_hour_micros=400_000)
M = 1_000_000
STEADY = msgspec.structs.replace(RULES, pools=(POOL, BURST, SPRING))


def tally(day: int, amount: int, pool: str = "burst", account: Account = Account.DIRECT) -> Tally:
    return Tally(
        day=day,
        project="",
        platform="linux",
        pool=pool,
        klass="change",
        account=account,
        outcome="passed",
        amount_micros=amount,
    )


def farm_of(rows: list[Any], rules: Any = STEADY, days: int = 60, day: int = TODAY) -> TestFarm:
    farm = TestFarm(rules=rules)
    books = Ledger(day=day, from_ms=(TODAY - days) * DAY_MS - 1, until_ms=day * DAY_MS)

    def write(tx: Any) -> None:
        for row in [books, *rows]:
            tx.insert(row)

    farm.hub.store.write(write)
    return farm


def bill(id_: str, current: bool = True, currency: str = "USD") -> Bill:
    return Bill(
        id=id_,
        provider="cloud",
        account="1",
        first=TODAY - 40,
        end=TODAY - 10,
        form="focus",
        currency=currency,
        billed="0",
        effective="0",
        rows=1,
        file="f",
        digest="d",
        taken_ms=(TODAY - 9) * DAY_MS,
        current=current,
        days_from=TODAY - 40,
        days_until=TODAY - 10,
    )


def line(of: str, day: int, effective: str, **others: str) -> BillLine:
    return BillLine(bill=of, day=day, effective=effective, **others)


def steady(first: int = 61) -> list[Tally]:
    return [tally(TODAY - back, 10 * M) for back in range(1, first)]


def test_whole_days_make_the_rate_and_part_of_one_does_not() -> None:
    # The day that the books began in, and today, are not whole.
    rows = [*steady(), tally(TODAY - 61, 3 * M), tally(TODAY, 99 * M)]
    found = forecast(farm_of(rows).hub, 28)
    assert (found["rate_per_day"], found["data_through"]) == ("10.000000", "2023-11-13")
    assert found["books_from"] == "2023-09-14"
    assert found["so_far"] == "603.000000"
    # 48 days are left.
    assert found["this_year"]["expected"] == "1083.000000"
    assert found["next_year"]["expected"] == "3650.000000"
    assert not [what for what in found["unknown"] if "not entered yet" in what]


def test_what_is_of_no_pool_counts_by_its_account() -> None:
    rows = [tally(TODAY - back, M, "", Account.OVERHEAD) for back in range(1, 61)]
    assert forecast(farm_of([*steady(), *rows]).hub, 28)["rate_per_day"] == "11.000000"


def test_pools_that_are_not_used_any_more_are_left_out() -> None:
    rows = [tally(TODAY - back, 5 * M, "old") for back in range(20, 61)]
    rows += [tally(TODAY - back, 5 * M, "spring") for back in range(30, 61)]
    found = forecast(farm_of([*steady(), *rows]).hub, 28)
    assert found["rate_per_day"] == "10.000000"
    assert found["retired"] == [
        {"source": "old", "why": "not in farm.toml any more", "in_window": "45.000000"},
        {"source": "spring", "why": "no use since 2023-10-15", "in_window": "0.000000"},
    ]
    assert found["so_far"] == f"{600 + 41 * 5 + 31 * 5}.000000"


def test_books_that_are_behind_say_so() -> None:
    one, some = (forecast(farm_of(steady(), day=TODAY - back).hub, 28)["unknown"][-1] for back in (1, 3))
    assert one == "what was used on a day that has passed since: not entered yet"
    assert some == "what was used on 3 days that have passed since: not entered yet"


def test_without_books_nothing_is_known() -> None:
    found = forecast(TestFarm().hub, 28)
    assert found["rate_per_day"] is None
    assert msgspec.convert(found, Forecast)


def test_bills_count_in_place_of_what_was_metered() -> None:
    rules = msgspec.structs.replace(STEADY, billed=(Billed(pool="burst", match={"service": "VM*"}),))
    rows: list[Any] = [bill("b"), bill("old", current=False), bill("e", currency="EUR")]
    rows += [line(name, TODAY - 30, "12.5", service="VMs") for name in ("b", "old", "e")]
    rows += [
        line("b", TODAY - 30, "1.5", service="VMs"),
        line("b", TODAY - 30, "-14", service="VMs", category="Credit"),
        line("b", TODAY - 29, "7", service="Bandwidth"),
        # Three days before the bill was taken: it may still grow.
        line("b", TODAY - 12, "1", service="VMs"),
    ]
    found = forecast(farm_of([*steady(), *rows], rules).hub, 60)
    assert found["billed_days"] == {"burst": 1}
    assert found["so_far"] == f"{600 + 4}.000000"
    assert "7 USD that was billed and is of no pool" in found["unknown"][-2]
    assert found["unknown"][-1].startswith("why burst was billed 14.000000 where 10.000000 was metered")


def test_the_calendar_of_farm_toml_counts() -> None:
    rules = msgspec.structs.replace(
        STEADY, calendar=(Season(name="freeze", start="2023-11-14", until="2023-11-14", factor_ppm=3 * M),)
    )
    assert forecast(farm_of(steady(), rules).hub, 28)["this_year"]["expected"] == "1100.000000"


def test_the_call_answers_what_it_says() -> None:
    ask = ASKS["forecast"]
    found = ask.run(farm_of(steady()).hub, WhichForecast(window_days=7))
    assert found["window_days"] == 7
    assert msgspec.convert(found, Forecast).this_year.p10 == "1080.000000"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"window_days": 0}, WhichForecast)
    assert Decimal(found["rate_per_day"]) == 10


def test_what_if_of_nothing_is_refused() -> None:
    hub = farm_of([*steady(), tally(TODAY - 50, M, "old")]).hub
    ask = ASKS["forecast"]
    assert ask.run(hub, WhichForecast(what_if="burst=x3"))["rate_per_day"] == "30.000000"
    with pytest.raises(NotFound):
        ask.run(hub, WhichForecast(what_if="gpu=x3"))
    for what_if in ("old=x2", "burst=x2,burst=x3"):
        with pytest.raises(Refused):
            ask.run(hub, WhichForecast(what_if=what_if))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"what_if": "burst"}, WhichForecast)
