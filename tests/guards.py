"""Guards and figures for tests: budgets of a hundred, of which so much is used."""

from decimal import Decimal

from penstock.model.curb import Figure
from penstock.model.rules import Budget, Grant, Guard, Pool, Rules

HOUR_MS = 3_600_000
OWN = Pool(name="own", provider="owned", platforms=("linux",))
SHARED = Pool(name="shared", provider="owned", platforms=("linux",), price_per_hour_micros=100)
BURST = Pool(name="burst", provider="simulated", platforms=("linux",))
OTHER = Pool(name="other", provider="ec2", platforms=("linux",))
GRANT = Grant(name="credit", amount=Decimal(100), currency="USD", start="2023-01-01", until="2023-12-31")
MONTH = Budget(name="month", amount=Decimal(100))
MINUTES = Budget(name="minutes", amount=Decimal(100), unit="minutes")


def guard(*then: str, name: str = "g", when: str = "forecast > 95%", **changes: object) -> Guard:
    values = {"hold_ms": 48 * HOUR_MS, "then": then, "name": name, "when": when}
    return Guard(**(values | changes))  # type: ignore[arg-type]


def rules(*guards: Guard, **changes: object) -> Rules:
    values = {
        "pools": (OWN, SHARED, BURST, OTHER),
        "guards": guards,
        "grants": (GRANT,),
        "budgets": (MONTH, MINUTES),
    }
    return Rules(**(values | changes))  # type: ignore[arg-type]


def figure(
    forecast: float | None,
    used: float = 0,
    name: str = "credit",
    period: str = "2023-01-01",
    amount: int = 100,
) -> Figure:
    return Figure(
        budget=name,
        period=period,
        amount=Decimal(amount),
        used=Decimal(str(used)),
        forecast=None if forecast is None else Decimal(str(forecast)),
        unit="USD",
    )
