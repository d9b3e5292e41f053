"""Why something was done, and why a job still waits: codes in the columns, sentences for people."""

from collections.abc import Mapping

from penstock.policy.capacity.preset_numbers import WHYS

ON_OWNED = 1
ON_RENTED = 2
NOTHING_ELSE_IN_TIME = 3
IDLE_LONG_ENOUGH = 4
SUSPENDED_LONG_ENOUGH = 5
USED_UP = 6
RESERVE = 7
LEAST = 8
WAITS_FOR_OWNED = 20
WAITS_FOR_BUSY = 21
WAITS_FOR_COMING = 22
WAITS_FOR_LAST_MOMENT = 23
LATE_ON_PURPOSE = 24
NOT_LOOKED_AT = 25
NOTHING_TO_RENT = 26
RENT_STOPPED = 27
BUDGET_SPENT = 28
RATE_OF_ORDERS = 29
"""Codes from WAITS_FOR_OWNED on are of jobs that wait (JOB_WHY), the others of acts (ACT_WHY)."""

ACTS: Mapping[int, str] = {
    ON_OWNED: "an owned machine is free, and this is what it should do first",
    ON_RENTED: "no owned machine takes it in time, and this rented one stands idle",
    NOTHING_ELSE_IN_TIME: "no machine that is there takes a waiting job in time",
    IDLE_LONG_ENOUGH: "it was idle for longer than waking it again is worth",
    SUSPENDED_LONG_ENOUGH: "it was suspended for longer than keeping its disk is worth",
    USED_UP: "it takes no more jobs",
    RESERVE: "jobs that come before a machine could be woken would wait for longer than a machine standing by costs",
    LEAST: "the pool has at least this many machines",
}
WAITING: Mapping[int, str] = {
    WAITS_FOR_OWNED: "waits for an owned machine that frees up{free}{rent}",
    WAITS_FOR_BUSY: "waits for a rented machine that frees up{free}{rent}",
    WAITS_FOR_COMING: "waits for a machine that is coming{free}",
    WAITS_FOR_LAST_MOMENT: "no machine that is there takes it in time{rent}",
    LATE_ON_PURPOSE: "may be late: a machine for it alone would be dear{cap}",
    NOT_LOOKED_AT: "others that wait for longer come first",
    NOTHING_TO_RENT: "waits for a machine that frees up; nothing can be rented for it",
    RENT_STOPPED: "a machine would be rented for it, but the provider refuses new ones for now, or there are as many as may be",
    BUDGET_SPENT: "a machine would be rented for it, but the budget forbids it",
    RATE_OF_ORDERS: "a machine is rented for it as soon as the provider takes the next order",
}


def act_text(code: int) -> str:
    """Why something was done."""
    return ACTS.get(code) or WHYS.get(code, "")


def waiting_text(code: int, free: str, rent: str, cap: str) -> str:
    """Why a job waits. `free`: in how long the machine is reckoned to be free ("4 min"), `rent`: until when a machine is
    rented for it at the latest ("14:05"), `cap`: until when it may be late; each "" where that is not known."""
    told = WAITING.get(code, "")
    return told.format(
        free=f" in about {free}" if free else "",
        rent=f"; is rented for at {rent} at the latest" if rent else "",
        cap=f"; is rented for at {cap} at the latest" if cap else "",
    )
