"""The lateness that the promise leaves: spent on the machines that cost most per job, and guarded when it runs out."""

from penstock.policy.capacity import lists
from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.columns import (
    ASK_STRICT,
    ASKED,
    ISLAND_ASKED,
    ISLAND_LATE,
    ISLAND_LATE_PENDING,
    ISLAND_OWNED,
    ISLAND_PRICE_AT,
    ISLAND_PRICES,
    ISLAND_SEEN,
    JOB_DUE_MS,
    JOB_FLAGS,
    JOB_READY_MS,
    LATE_OK,
    MACHINE_STARTS,
    NEVER_MS,
    POOL_BOOT_MS,
    POOL_COLD_MS,
    POOL_RESUME_MS,
    POOL_STOP_MS,
    PRICES_KEPT,
    RULE_LATE_CAP,
    RULE_PROMISE_MS,
    RULE_PROMISE_PPM,
    RULE_SPEND,
    RULE_WAIT_PRICE,
    Farm,
)

ALL_PPM = 1_000_000
RESERVE_PPM = 5_000
"""Never spent."""
GUARD_PPM = 10_000
"""How far from breaking the promise the guard is on."""
TOKENS_TO_DOUBLE = 10
"""Unspent late jobs that make spending twice as easy."""


def guarded(farm: Farm, island: int) -> bool:
    """Whether so many jobs were late, or may still be, that nothing may be risked any more."""
    used = farm.islands[ISLAND_LATE][island] + farm.islands[ISLAND_LATE_PENDING][island]
    limit_ppm = ALL_PPM - farm.rules[RULE_PROMISE_PPM] - GUARD_PPM
    return used * ALL_PPM >= limit_ppm * farm.islands[ISLAND_SEEN][island]


def spend(farm: Farm, island: int, group: int, jobs: int) -> bool:
    """Whether the jobs planned on this machine are made late on purpose instead of ordering it. Each is asked about once."""
    if farm.rules[RULE_SPEND] == 0 or farm.rules[RULE_WAIT_PRICE] > 0:
        return False
    budget_ppm = ALL_PPM - farm.rules[RULE_PROMISE_PPM] - RESERVE_PPM
    if budget_ppm <= 0 or _asked(farm, group):
        return False
    price = _price_ms(farm, island, group) // jobs
    islands = farm.islands
    islands[ISLAND_ASKED][island] += jobs
    count = _insert(farm, island, price)
    allowed = budget_ppm * islands[ISLAND_SEEN][island] / ALL_PPM
    used = islands[ISLAND_LATE][island] + islands[ISLAND_LATE_PENDING][island]
    if used + jobs > allowed:
        return False
    share = allowed / islands[ISLAND_ASKED][island] * (1.0 + (allowed - used) / TOKENS_TO_DOUBLE)
    at = min(count - 1, int((1.0 - min(1.0, share)) * count))
    if price < farm.prices[island][at]:
        return False
    _let(farm, island, group)
    return True


def _asked(farm: Farm, group: int) -> bool:
    """Whether one of the jobs was asked about before, or must never be late; marks all as asked about."""
    sheet, found = farm.scratch, False
    begin = sheet[on.GROUP_FROM][group]
    for seat in range(begin, begin + sheet[on.BLOCK][begin]):
        place = sheet[on.FIRST][seat]
        while place >= 0:
            job = sheet[on.JOB][place]
            if farm.jobs[JOB_FLAGS][job] & ASKED or farm.asks[ASK_STRICT][sheet[on.ASK][place]]:
                found = True
            farm.jobs[JOB_FLAGS][job] |= ASKED
            place = sheet[on.NEXT][place]
    return found


def _price_ms(farm: Farm, island: int, group: int) -> int:
    """Rent that is saved without the machine, as running time: its start, its idling, and the work if owned lanes will do it."""
    sheet = farm.scratch
    machine, pool = sheet[on.GROUP_MACHINE][group], sheet[on.GROUP_POOL][group]
    price = farm.pools[POOL_BOOT_MS][pool] if machine < 0 else farm.pools[POOL_RESUME_MS][pool]
    if machine < 0 or farm.machines[MACHINE_STARTS][machine] == 0:
        price += farm.pools[POOL_COLD_MS][pool]
    stop_ms = farm.pools[POOL_STOP_MS][pool]
    price += 0 if stop_ms >= NEVER_MS else stop_ms // 10
    if farm.islands[ISLAND_OWNED][island] == 0:
        return price
    begin = sheet[on.GROUP_FROM][group]
    for seat in range(begin, begin + sheet[on.BLOCK][begin]):
        place = sheet[on.FIRST][seat]
        while place >= 0:
            price += sheet[on.WORK_MS][place]
            place = sheet[on.NEXT][place]
    return price


def _insert(farm: Farm, island: int, price: int) -> int:
    """Keep the price among the last ones, sorted. Returns how many are kept."""
    prices, ring, islands = farm.prices[island], farm.price_ring[island], farm.islands
    count, at = islands[ISLAND_PRICES][island], islands[ISLAND_PRICE_AT][island]
    if count == PRICES_KEPT:
        gap = 0
        while prices[gap] != ring[at]:
            gap += 1
        while gap < count - 1:
            prices[gap] = prices[gap + 1]
            gap += 1
        count -= 1
    gap = count
    while gap > 0 and prices[gap - 1] > price:
        prices[gap] = prices[gap - 1]
        gap -= 1
    prices[gap], ring[at] = price, price
    islands[ISLAND_PRICES][island] = count + 1
    islands[ISLAND_PRICE_AT][island] = (at + 1) % PRICES_KEPT
    return count + 1


def _let(farm: Farm, island: int, group: int) -> None:
    """The jobs may be late: until the cap they wait for a machine that costs nothing more."""
    sheet, jobs = farm.scratch, farm.jobs
    begin = sheet[on.GROUP_FROM][group]
    for seat in range(begin, begin + sheet[on.BLOCK][begin]):
        place = sheet[on.FIRST][seat]
        while place >= 0:
            job = sheet[on.JOB][place]
            lists.leave(farm, island, job)
            jobs[JOB_FLAGS][job] |= LATE_OK
            jobs[JOB_DUE_MS][job] = (
                jobs[JOB_READY_MS][job] + farm.rules[RULE_LATE_CAP] * farm.rules[RULE_PROMISE_MS]
            )
            lists.wait(farm, island, job)
            sheet[on.MARK][place] = on.LATE
            place = sheet[on.NEXT][place]
