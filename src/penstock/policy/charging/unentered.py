"""What has run up on machines since something of it was entered last: held by attempts or by nobody, that is not known yet."""

from collections import Counter
from collections.abc import Iterable, Mapping

from penstock.model.ledger import Meter
from penstock.policy.charging.meters import Moment, Terms, counted_ms, rounded


def unentered(meters: Iterable[Meter], terms: Mapping[str, Terms], at: Moment) -> Counter[str]:
    """Micro-units by pool: what spans would hold if all were closed now, less what is entered of them.

    `terms`: of pools that there are rules for; machines of others count all the time.
    """
    found: Counter[str] = Counter()
    for meter in meters:
        found[meter.pool] += running_up(meter, terms.get(meter.pool, Terms()), at) - meter.direct_micros
    return found


def running_up(meter: Meter, terms: Terms, at: Moment) -> int:
    """Micro-units of the span that is open, were it closed now."""
    amount, _ = rounded(meter.carry, meter.price_micros * meter.count, counted_ms(meter, terms, at))
    return amount
