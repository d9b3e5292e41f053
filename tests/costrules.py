"""The rules of a farm whose costs are looked at: owned and rented pools, charges, credits, budgets, guards."""

from datetime import UTC, datetime
from decimal import Decimal

from penstock.model.rules import Billed, Budget, Charge, Grant, Guard, Platform, Pool, Rules, Tco
from penstock.model.units import DAY_MS, MS_PER_HOUR, Size

NOW_MS = int(datetime(2026, 11, 20, 15, 12, tzinfo=UTC).timestamp()) * 1000
TODAY = NOW_MS // DAY_MS
DAYS = 84
LINUX = ("linux-gcc", "linux-asan", "linux-msan", "linux-tsan", "linux-fuzz", "centos-stream")
PLATFORMS = (*LINUX, "linux-arm", "macos-14", "windows-2022")
SERVER = Tco(
    purchase_micros=12_000_000_000, residual_ppm=50_000, watts=450, pue_ppm=1_500_000, kwh_price_micros=150_000,
    colo_per_month_micros=108_000_000, staff_minutes_per_month=120, staff_per_hour_micros=75_000_000,
    spares_ppm=30_000, network_per_month_micros=30_000_000,
)  # fmt: skip
MINI = Tco(
    purchase_micros=1_600_000_000, residual_ppm=200_000, life_years=4, watts=25, kwh_price_micros=150_000,
    colo_per_month_micros=35_000_000, staff_minutes_per_month=30, staff_per_hour_micros=75_000_000,
)  # fmt: skip
POOLS = (
    Pool(
        name="rack", provider="owned", platforms=LINUX, slots=4, size=Size(64, 262_144), machines=2,
        price_per_hour_micros=797_100, tco=SERVER,
    ),
    Pool(
        name="boards", provider="owned", platforms=("linux-arm",), slots=2, size=Size(8, 32_768), machines=1,
        price_per_hour_micros=92_000,
    ),
    Pool(
        name="minis", provider="owned", platforms=("macos-14",), slots=1, size=Size(8, 16_384), machines=2,
        price_per_hour_micros=138_400, tco=MINI,
    ),
    Pool(
        name="burst", provider="ec2", platforms=LINUX, slots=2, size=Size(8, 16_384), max=40,
        price_per_hour_micros=403_200, reclaim_per_hour=0.02, egress_per_gb_micros=90_000,
    ),
    Pool(
        name="windows", provider="ec2", platforms=("windows-2022",), slots=1, size=Size(8, 32_768), max=12,
        price_per_hour_micros=742_000, egress_per_gb_micros=90_000,
    ),
)  # fmt: skip
RULES = Rules(
    name="lighthouse",
    platforms={name: Platform(name=name, image=name) for name in PLATFORMS},
    pools=POOLS,
    charges=(Charge(name="control plane", per_month_micros=258_000_000, pool="burst"), Charge(name="monitoring", per_month_micros=60_000_000)),
    grants=(
        Grant(name="aws-2026", amount=Decimal(7000), currency="USD", start="2026-01-01", until="2026-12-31", pools=("burst", "windows")),
        Grant(name="azure-2027", amount=Decimal(12000), currency="USD", start="2027-01-01", until="2027-12-31", pools=("burst", "windows")),
    ),
    budgets=(
        Budget(name="hosting", amount=Decimal(1900), per="month", pools=("rack", "boards", "minis")),
        Budget(name="windows minutes", amount=Decimal(90_000), unit="minutes", per="month", pools=("windows",)),
    ),
    guards=(
        Guard(name="tell", when="forecast > 90%", hold_ms=0, then=("notify:infra",)),
        Guard(name="cap", when="forecast > 100%", hold_ms=48 * MS_PER_HOUR, then=("cap:burst=3",), exempt=("release", "security"), budget="aws-2026"),
        Guard(name="stop", when="actual > 95%", hold_ms=0, then=("drain:burst",), approval="manual", exempt=("release",)),
    ),
    billed=(Billed(pool="burst", match={"sku": "*m5*"}), Billed(pool="windows", match={"sku": "*windows*"})),
    storage_per_gb_month_micros=23_000,
)  # fmt: skip
BY_NAME = {pool.name: pool for pool in POOLS}
