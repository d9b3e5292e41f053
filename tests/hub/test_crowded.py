"""A quota that others share: tried again soon, ever more seldom, and at once when a machine of the pool goes."""

from farms import planned
from renting import Rented

from penstock.model.machine import Machine
from penstock.model.rented import Order
from penstock.model.states import Power
from penstock.ports import QuotaReached


class Shared(QuotaReached):
    """As a namespace says it."""

    shared = True


class Crowded(Rented):
    """A farm whose provider gives `most` machines; `asked`: when it was asked for one, in seconds."""

    __test__ = False

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.asked = most, list[int]()
        create = self.provider.create

        def within(order: Order) -> str:
            self.asked.append(self.clock.monotonic // 1000)
            if len(self.provider.up()) >= self.most and order.token not in self.provider._tokens:
                raise Shared("exceeded quota: penstock, requested: pods=1, used: pods=1, limited: pods=1")
            return create(order)

        self.provider.create = within  # type: ignore[method-assign]


def test_an_order_that_finds_no_room_is_tried_again_soon_and_ever_more_seldom() -> None:
    farm = Crowded(0)
    farm.submit("c1", planned("zlib"))
    for _ in range(4000):
        if len(farm.asked) > 4:
            break
        farm.tick(1000)
    pauses = [after - before for before, after in zip(farm.asked, farm.asked[1:], strict=False)]
    assert len(pauses) >= 4
    for pause_s, least_s in zip(pauses, (30, 60, 120, 240, 480), strict=False):
        assert least_s <= pause_s <= least_s + 5
    assert {one.power for one in farm.all(Machine)} == {Power.GONE}
    farm.most = 1
    farm.until(Power.REGISTERING)


def test_a_machine_that_goes_ends_the_pause_at_once() -> None:
    farm = Crowded(1)
    first = farm.idle()
    farm.submit("c2", *(planned(f"more{n}") for n in range(6)))
    refused = 0
    for _ in range(4000):
        farm.tick(1000)
        refused = sum(one.power == Power.GONE for one in farm.all(Machine))
        if refused >= 3:
            break
    assert refused >= 3, "by now the pause is two minutes long"
    del farm.provider._machines[first.provider_id]
    while farm.get(Machine, first.id).power != Power.GONE:
        farm.tick(1000)
    gone_s = farm.clock.monotonic // 1000
    farm.until(Power.BOOTING)
    assert farm.asked[-1] - gone_s <= 5
