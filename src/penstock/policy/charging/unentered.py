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
        counts_ms = counted_ms(meter, terms.get(meter.pool, Terms()), at)
        amount, _ = rounded(meter.carry, meter.price_micros * meter.count, counts_ms)
        found[meter.pool] += amount - meter.direct_micros
    return found
