"""A farm.toml with settings otherwise: what is changed, what is left, what is refused."""

from pathlib import Path

import pytest
from histories import FARM

from penstock.config.farm import read_farm
from penstock.config.mistakes import Mistakes
from penstock.config.varied import read_varied
from penstock.model.rules import Quantiles


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    path = tmp_path / "farm.toml"
    path.write_text(
        FARM + '[[pool]]\nname = "a.b"\nprovider = "owned"\nplatforms = ["linux"]\n', encoding="utf-8"
    )
    return path


def test_nothing_changed_is_the_file(farm: Path) -> None:
    assert read_varied(farm, {}) == read_farm(farm)


def test_settings_are_changed_where_they_are_and_added_where_they_are_not(farm: Path) -> None:
    settings = {
        "pool.own.machines": "20",
        "pool.a.b.machines": "3",
        "pool.burst.boot_s": "{ p50 = 60, p95 = 120.5 }",
        "pool.burst.billing.minimum_s": "0",
        "waiting.target.seconds": "300",
        "waiting.lateness": "spend",
        "lease.offer_s": "5",
    }
    rules = read_varied(farm, settings)
    own, burst, dotted = rules.pools
    assert (own.machines, dotted.machines) == (20, 3)
    assert burst.boot == Quantiles(60_000, 120_500)
    assert (burst.billing.granularity_ms, burst.billing.minimum_ms) == (1_000, 0)
    assert (rules.waiting.target_ms, rules.waiting.target_percentile) == (300_000, 95)
    assert (rules.waiting.lateness, rules.lease.offer_ms) == ("spend", 5_000)


def test_one_quantile_of_a_number_alone_is_refused(farm: Path) -> None:
    with pytest.raises(Mistakes, match=r"^pool\.burst\.boot_s\.p95=120: .* lacks `p50`"):
        read_varied(farm, {"pool.burst.boot_s.p95": "120"})


@pytest.mark.parametrize(
    ("key", "text", "told"),
    [
        ("pool.own.machines", "-1", "pool.own.machines=-1: `machines` of pool 'own' is -1; write 0 or more"),
        ("pool.own.name", "burst", "a second pool is called 'burst'"),
        ("pool.x.machines", "1", "--vary pool.x.machines: there is no pool of that name"),
        ("grant.x.amount", "1", "there is no grant of that name"),
        ("nothing", "1", "there is no setting 'nothing'"),
    ],
)
def test_what_cannot_be_is_told_by_what_was_typed(farm: Path, key: str, text: str, told: str) -> None:
    with pytest.raises(Mistakes) as wrong:
        read_varied(farm, {key: text})
    assert told in str(wrong.value)


def test_mistakes_of_the_file_itself_keep_their_lines(farm: Path) -> None:
    farm.write_text("[form]\n", encoding="utf-8")
    with pytest.raises(Mistakes, match=r"farm\.toml:1: "):
        read_varied(farm, {"waiting.price_per_hour": "1"})
