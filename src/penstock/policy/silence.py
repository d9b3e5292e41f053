"""When so many machines of a pool say nothing at once that it is not they that are gone: then nothing is decided about the pool.

As in Kubernetes' cluster-autoscaler (`--ok-total-unready-count` 3, `--max-total-unready-percentage` 45). A machine whose provider
says that it is gone is not silent, it is gone: what is taken away is replaced as ever.
"""

from collections.abc import Iterable

from penstock.model.curb import Curb
from penstock.model.machine import Machine
from penstock.model.states import Health, Power

FEW, PERCENT = 3, 45
"""So many may be silent, or such a part of those that are up."""
WHY = "so many of its machines say nothing that it is rather the network, or what they all have in common"


def is_silent(one: Machine) -> bool:
    """Whether it is up, as far as anybody knows, and its agent says nothing."""
    return one.power == Power.UP and (not one.session or one.health == Health.SUSPECT)


def counted(machines: Iterable[Machine]) -> tuple[int, int]:
    """How many are silent, of how many that are up."""
    up = [one for one in machines if one.power == Power.UP]
    return sum(is_silent(one) for one in up), len(up)


def too_many(silent: int, up: int) -> bool:
    """True when `silent` of `up` machines are more than max(3, 45 %)."""
    return silent > FEW and silent * 100 > PERCENT * up


def curb(pool: str, since_ms: int) -> Curb:
    """What it forbids: nothing is rented, woken, suspended or given back there. Jobs start on machines that answer."""
    return Curb(guard="", since_ms=since_ms, why=WHY, most=((pool, 0),), keeps=True)


def held(one: Curb) -> str:
    """The pool that this curb holds as it is; "" where it is another's."""
    return one.most[0][0] if one.keeps and one.most else ""
