"""farm.toml about money: what owned machines cost, charges, credits, budgets, guards, bills."""

from decimal import Decimal
from pathlib import Path

import pytest

from penstock.config.farm import read_farm
from penstock.config.mistakes import Mistakes
from penstock.model.rules import Billed, Budget, Charge, Guard, Rules, Tco

POOL = '[platform.p]\n[[pool]]\nname = "own"\nprovider = "owned"\nplatforms = ["p"]\n'
"""Five lines: what follows begins on line 6."""


def read(folder: Path, text: str) -> Rules:
    file = folder / "farm.toml"
    file.write_text(text, encoding="utf-8")
    return read_farm(file)


def mistakes(folder: Path, text: str) -> list[str]:
    """The lines told of a text, without the file's name."""
    with pytest.raises(Mistakes) as told:
        read(folder, text)
    return [line.removeprefix(f"{folder}/farm.toml:") for line in str(told.value).splitlines()]


def test_the_price_of_an_owned_machine_follows_from_what_it_costs(tmp_path: Path) -> None:
    tco = (
        "tco = { purchase = 12000, residual = 0.05, life_years = 5, kw = 0.45, pue = 1.5, kwh_price = 0.15, "
        "colo_per_month = 108, staff_hours_per_month = 2, staff_per_hour = 75, spares = 0.03, network_per_month = 30 }\n"
    )
    (pool,) = read(tmp_path, POOL + tco).pools
    assert pool.tco == Tco(
        purchase_micros=12_000_000_000,
        residual_ppm=50_000,
        life_years=5,
        watts=450,
        pue_ppm=1_500_000,
        kwh_price_micros=150_000,
        colo_per_month_micros=108_000_000,
        staff_minutes_per_month=120,
        staff_per_hour_micros=75_000_000,
        spares_ppm=30_000,
        network_per_month_micros=30_000_000,
    )
    assert pool.price_per_hour_micros == 797_140  # 6982.95 a year / 8760 h = 0.7971404...


def test_defaults_are_those_of_the_records(tmp_path: Path) -> None:
    rules = read(
        tmp_path,
        POOL + "tco = { purchase = 1 }\n"
        '[[budget]]\nname = "b"\namount = 5\n[[guard]]\nwhen = "actual>1%"\nfor = "1h"\nthen = ["frozen"]\n',
    )
    assert rules.pools[0].tco == Tco(purchase_micros=1_000_000)
    assert rules.budgets == (Budget(name="b", amount=Decimal(5)),)
    assert rules.guards == (Guard(name="guard-1", when="actual>1%", hold_ms=3_600_000, then=("frozen",)),)


def test_everything_that_is_about_money(tmp_path: Path) -> None:
    rules = read(
        tmp_path,
        POOL + "egress_per_gb = 0.087\n[storage]\nprice_per_gb_month = 0.02\n"
        '[[charge]]\nname = "aks"\nper_month = 258\npool = "own"\n'
        '[[grant]]\nname = "g"\namount = 10\ncurrency = "USD"\nfrom = 2026-01-01\nuntil = 2026-12-31\npools = ["own"]\n'
        '[[budget]]\nname = "b"\namount = 0.5\nunit = "minutes"\nper = "year"\npools = ["own"]\nfactor = 2.5\n'
        '[[billed]]\npool = "own"\nmatch = { service = "VM*", resource = "r", sku = "s", region = "eu" }\n'
        '[[guard]]\nwhen = "forecast > 95%"\nfor = "2d"\nthen = ["notify:x"]\n'
        '[[guard]]\nname = "stop"\nwhen = "actual > 90.5%"\nbudget = "b"\nfor = "1h"\ncooldown = "2h"\napproval = "manual"\n'
        'then = ["drain:own", "class_off:nightly", "cap:own=0"]\nexempt = ["release"]\n',
    )
    assert rules.pools[0].egress_per_gb_micros == 87_000
    assert rules.storage_per_gb_month_micros == 20_000
    assert rules.charges == (Charge(name="aks", per_month_micros=258_000_000, pool="own"),)
    assert rules.grants[0].pools == ("own",)
    assert rules.budgets == (
        Budget(name="b", amount=Decimal("0.5"), unit="minutes", per="year", pools=("own",), factor_ppm=2_500_000),
    )  # fmt: skip
    match = {"service": "VM*", "resource": "r", "sku": "s", "region": "eu"}
    assert rules.billed == (Billed(pool="own", match=match),)
    assert [guard.name for guard in rules.guards] == ["guard-1", "stop"]
    assert rules.guards[1] == Guard(
        name="stop",
        when="actual > 90.5%",
        budget="b",
        hold_ms=3_600_000,
        cooldown_ms=7_200_000,
        approval="manual",
        then=("drain:own", "class_off:nightly", "cap:own=0"),
        exempt=("release",),
    )


GRANT = '[[grant]]\nname = "g"\namount = 1\ncurrency = "USD"\nfrom = 2026-01-01\nuntil = 2026-12-31\n'
GUARD = '[[guard]]\nwhen = "actual > 1%"\nfor = "1h"\nthen = ["frozen"]\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (POOL + "tco = 5\n", "6: `tco` of pool 'own' is 5; write a table of `purchase`, `residual`"),
        (POOL + "tco = { kw = 1 }\n", "6: `tco` of pool 'own' lacks `purchase`; write purchase: what one machine"),
        (POOL + "[pool.tco]\npurchase = 1\nresidual = 5\n", "8: `residual` of `tco` of pool 'own' is 5; write a share from 0 to 1"),
        (POOL + "[pool.tco]\npurchase = 1\npue = 0.5\n", "8: `pue` of `tco` of pool 'own' is 0.5; write 1 or more"),
        (POOL + "[pool.tco]\npurchase = 1\nlife_years = 0\n", "8: `life_years` of `tco` of pool 'own' is 0; write a whole number, 1 or"),
        (POOL + "[pool.tco]\npurchase = 1\nwatt = 1\n", "8: `tco` of pool 'own' has no `watt`"),
        (POOL + "tco = { purchase = 1, kw = 1e9, kwh_price = 1e12 }\n", "6: `tco` of pool 'own' comes to 1000000000000000000000 an hour; look"),
        (POOL + "price_per_hour = 1\ntco = { purchase = 1 }\n", "6: `price_per_hour` beside `tco`, from which it follows; leave one of them out"),
        (POOL.replace("owned", "ec2") + "tco = { purchase = 1 }\n", "6: `tco` is of machines that are owned, provider is 'ec2'; write price_per_hour"),
        ("[storage]\nprice = 1\n", "2: `storage` of farm.toml has no `price`; write one of `price_per_gb_month`"),
        (POOL + '[[charge]]\npool = "onw"\n', "7: there is no pool 'onw'; did you mean `own`?"),
        ('[[charge]]\npool = "x"\n', "2: there is no pool 'x'; add [[pool]] with name = \"x\""),
        ("[[charge]]\npool = 3\n", "2: `pool` of [[charge]] is 3; write text in quotes"),
        ('[[charge]]\nname = "a"\n[[charge]]\nname = "a"\n', "4: a second charge is called 'a', as on line 2"),
        (POOL + '[[grant]]\npools = ["x"]\n', "7: there is no pool 'x'"),
        (POOL + '[[budget]]\npools = ["x"]\n', "7: there is no pool 'x'"),
        ("[[budget]]\namount = 0\n", "2: `amount` of [[budget]] is 0; write an amount above 0"),
        ('[[budget]]\nunit = "hours"\n', "2: `unit` of [[budget]] is 'hours'; write one of `minutes`, `money`"),
        ('[[budget]]\nper = "week"\n', "2: `per` of [[budget]] is 'week'; write one of `month`, `year`"),
        ("[[budget]]\nfactor = 2\n", "2: `factor` counts minutes, the budget is of money; write unit = \"minutes\" beside it"),
        (GRANT + '[[budget]]\nname = "g"\n', "8: a second budget is called 'g', as on line 2; give it another name"),
        (GRANT.replace("USD", "EUR"), "4: the grant is in EUR, the farm in USD, and no rate of exchange is known; write what it is in USD"),
        ('[farm]\ncurrency = "EUR"\n' + GRANT, "6: the grant is in USD, the farm in EUR"),
        ('[[billed]]\npool = "x"\nmatch = { service = "s" }\n', "2: there is no pool 'x'; add [[pool]]"),
        (POOL + '[[billed]]\npool = "own"\nmatch = {}\n', "8: `match` of [[billed]] is empty, which is every line of every bill; name at least"),
        (POOL + '[[billed]]\npool = "own"\nmatch = { sevice = "s" }\n', "8: `match` of [[billed]] has no `sevice`; did you mean `service`?"),
        ('[[guard]]\nwhen = "actual"\n', '2: `when` of [[guard]] is \'actual\'; write it as in "forecast > 95%" or "actual > 90%"'),
        ('[[guard]]\napproval = "no"\n', "2: `approval` of [[guard]] is 'no'"),
        ('[[guard]]\nexempt = ["realease"]\n', "2: element 1 of `exempt` of [[guard]] is 'realease'; did you mean `release`?"),
        ('[[guard]]\nbudget = "x"\n', '2: there is no grant or budget \'x\'; add [[budget]] with name = "x"'),
        (GRANT + '[[guard]]\nbudget = "gg"\n', "8: there is no grant or budget 'gg'; did you mean `g`?"),
        (POOL + '[[guard]]\nthen = ["drain:onw"]\n', "7: there is no pool 'onw' to drain; did you mean `own`?"),
        ('[[guard]]\nthen = ["class_off:x"]\n', "2: there is no class 'x' to switch off; write one of"),
        ("[[guard]]\nthen = [3]\n", "2: element 1 of `then` of [[guard]] is 3"),
        (GUARD.replace("when", 'name = "a"\nwhen') * 2, "7: a second guard is called 'a', as on line 2"),
        ('[[guard]]\nname = "guard-2"\n' + GUARD, "2: guard 1 is called as one in place 2; give it another name"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    assert [line for line in mistakes(tmp_path, text) if line.startswith(told)], mistakes(tmp_path, text)


def test_a_guard_may_be_called_by_its_own_place(tmp_path: Path) -> None:
    named = GUARD.replace("when", 'name = "guard-1"\nwhen')
    assert [guard.name for guard in read(tmp_path, named + GUARD).guards] == ["guard-1", "guard-2"]
