"""What owned machines cost, as a call."""

from penstock.hub.costs.tco import tco
from penstock.web.costs.asks import Ask
from penstock.web.documents import Document


class Against(Document):
    """A rented pool that serves some of the same platforms: what does there in an hour of a slot what an hour of the owned one does
    costs `slot_hour` by its price, and `paid_slot_hour` with idle time and starts, as it was paid. Held a share of `break_even` of the
    year, the owned slot costs as much; above 1: never. Null: nothing was held there, or it costs nothing."""

    pool: str
    slot_hour: str
    break_even: float | None
    paid_slot_hour: str | None
    break_even_paid: float | None


class OwnedPool(Document):
    """What one machine of a pool costs `a_year` and `an_hour`, by its `parts` (none where only a price is known), and all of
    them `all_a_year`. `use`: the share of its slots' time that was held; a slot-hour that was held then came to `slot_hour`.
    `by_use`: what it comes to at so many per cent."""

    pool: str
    machines: int
    slots: int
    parts: dict[str, str]
    a_year: str
    an_hour: str
    all_a_year: str
    use: float | None
    slot_hour: str | None
    by_use: dict[str, str]
    against: list[Against]


class OwnedPools(Document):
    """What the owned pools cost; `use` is of the days `since` to `until`, null where no whole day was measured."""

    schema: int
    currency: str
    since: str | None
    until: str | None
    pools: list[OwnedPool]


ASKS = {
    "tco": Ask(
        text="What owned machines cost, all included, and from which use on they are cheaper than rented ones.",
        run=tco,
        answer=OwnedPools,
    )
}
