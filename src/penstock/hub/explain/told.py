"""What an explanation is made of: the view that is looked at, sentences for people, reasons for programs."""

from dataclasses import dataclass

import msgspec

from penstock.hub.context import Hub
from penstock.hub.outlook import Outlook
from penstock.model.farm import Farm
from penstock.model.job import Attempt, Job
from penstock.model.machine import Machine
from penstock.model.units import MS_PER_HOUR, MS_PER_S
from penstock.ports import Tx

MINUTE_MS = 60_000


class About(msgspec.Struct, frozen=True, kw_only=True):
    """One reason. `subject` is the machine, pool, project, job or attempt that it is about."""

    subject: str
    code: str
    text: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of a job: sentences in order, the reasons behind them, and what is expected of it."""

    job: str
    state: str
    sentences: tuple[str, ...]
    reasons: tuple[About, ...] = ()
    expected: Outlook | None = None


class Said(msgspec.Struct, kw_only=True):
    """What one part has to say."""

    sentences: list[str] = []
    reasons: list[About] = []
    expected: Outlook | None = None


@dataclass(frozen=True)
class View:
    """Everything that is looked at, from one consistent view."""

    hub: Hub
    tx: Tx
    farm: Farm
    job: Job
    attempts: list[Attempt]


def machine_name(tx: Tx, machine_id: str) -> str:
    """What a machine is called; its id where its record is gone."""
    machine = tx.get(Machine, machine_id)
    return machine.name if machine else machine_id


def span(span_ms: int) -> str:
    """A length of time as people say it: "40 s", "12 min", "3 h 20 min"."""
    if span_ms < 2 * MINUTE_MS:
        return f"{round(span_ms / MS_PER_S)} s"
    if span_ms < 2 * MS_PER_HOUR:
        return f"{round(span_ms / MINUTE_MS)} min"
    hours, minutes = divmod(round(span_ms / MINUTE_MS), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def expectation(outlook: Outlook) -> str:
    """When something starts or ends, as the end of a sentence: "in 12 min, nine times of ten within 20 min"."""
    if not outlook.p90_ms:
        return "at once"
    most = span(outlook.p90_ms)
    when = "at once" if not outlook.p50_ms else f"in {span(outlook.p50_ms)}"
    return when if most == span(outlook.p50_ms) else f"{when}, nine times of ten within {most}"


def basis(outlook: Outlook) -> str:
    """What a start is counted from: earlier runs, or what had to be assumed."""
    counted = outlook.learnt + outlook.assumed
    if not outlook.assumed:
        whose = (
            "the job that runs or goes before it"
            if counted == 1
            else f"the {counted} jobs that run or go before it"
        )
        return f"counted from earlier runs of {whose}"
    if not outlook.learnt:
        return "none of those that run or go before it has been run here: it is a guess from their platform or time limits"
    rest = "the other one counts" if outlook.assumed == 1 else f"the other {outlook.assumed} count"
    return (
        f"counted from earlier runs of {outlook.learnt} of the {counted} jobs that run or go before it; "
        f"{rest} like others of the platform, or with the time limit"
    )
