"""`penstock advise`: how many machines to own, whether a fixed timeout is worth having, what the promise costs.

What is advised is chosen on the first half of the history by time, and reported on the second: never on the same data.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from penstock.cli.output import print_json, print_sentences, print_table, refuse
from penstock.cli.simulation import advice
from penstock.cli.simulation.advice import Halves, Judged
from penstock.cli.simulation.inputs import farms_of, faults_of, load
from penstock.cli.simulation.policies import policy_of
from penstock.cli.simulation.runs import Case
from penstock.cli.simulation.sentences import kept, money_text, percent_text, time_text
from penstock.cli.simulation.showing import Steps, showing
from penstock.model.parts import halves
from penstock.model.rules import Pool, Rules
from penstock.model.units import MICROS_PER_UNIT, MS_PER_HOUR
from penstock.model.workload import Workload
from penstock.reports.compare import Document, figure, span_ms

SCHEMA = 1


class Asked(NamedTuple):
    """The command line."""

    history: Sequence[Path]
    farm: Path
    policy: str
    seed: int
    faults: Path | None


class Advice(NamedTuple):
    """All that was tried. `machines`: by pool; `rules`: the farm as advised."""

    parts: Halves
    rules: Rules
    machines: dict[str, list[Judged]]
    timeouts: list[Judged]
    promises: list[Judged]


def run_advise(asked: Asked, as_json: bool) -> None:
    """Read, try, say."""
    with showing() as steps:
        steps.begin("reading the history")
        (farm,) = farms_of([asked.farm])
        faults = faults_of(asked.faults, [farm]) if asked.faults else None
        workload, _ = load(asked.history)
        parts = Halves(*halves(workload))
        if not (parts.train.jobs and parts.rest.jobs):
            refuse(
                f"{asked.history[0]}: all jobs were submitted at one moment; advice needs two halves in time"
            )
        case = Case(farm.rules, policy_of(asked.policy), asked.seed, faults)
        found = advice_on(parts, case, steps)
    told = sentences(found, farm.rules)
    if as_json:
        print_json(document(found, told, asked.seed))
        return
    _print(found, told)


def advice_on(parts: Halves, case: Case, steps: Steps) -> Advice:
    """Pool by pool the number of machines, each beside what was chosen before; then timeouts and promises."""
    machines = {}
    for pool in advice.owned_pools(case.rules):
        trials = advice.machine_trials(parts.train, case, pool)
        wider = advice.more_machines(case, pool)
        machines[pool.name] = advice.judged(parts, trials, steps, f"machines of {pool.name}", wider)
        case = advice.chosen_of(machines[pool.name]).trial.case
    timeouts = advice.judged(parts, advice.timeout_trials(case), steps, "timeouts")
    promises = advice.promise_trials(case)
    reported = advice.documents(parts.rest, promises, steps, "promises")
    judged = [Judged(trial, trial.now, None, one) for trial, one in zip(promises, reported, strict=True)]
    return Advice(parts, case.rules, machines, timeouts, judged)


# Sentences -----------------------------------------------------------------------------------------------------------


def sentences(found: Advice, rules: Rules) -> list[str]:
    """What to do, and the figure of the second half that says so."""
    pools = {pool.name: pool for pool in rules.pools}
    told = [
        sentence
        for name, trials in found.machines.items()
        for sentence in _machines(pools[name], trials, found.parts.rest, rules.currency)
    ]
    if not told:
        told.append(
            'The farm has no pool of provider "owned": add one with its price_per_hour to be told how many to own.'
        )
    return [*told, _timeouts(found, rules), _promises(found, rules)]


def _machines(pool: Pool, trials: list[Judged], rest: Workload, currency: str) -> list[str]:
    best, now = advice.chosen_of(trials), advice.now_of(trials)
    if best.trial.now:
        first = f"Keep the {best.trial.value} machines of pool {pool.name}: no number that was tried did better on the first half."
    else:
        less = now.reported["score"] - best.reported["score"]
        was = "less" if less >= 0 else "more, not less,"
        first = (
            f"Own {best.trial.value} machines in pool {pool.name} instead of {now.trial.value}: on the second half that is"
            f" {money_text(best.reported['score'], currency)} with waiting, {money_text(abs(less))} {was} than now."
        )
    return [first, *_worth(pool, trials, rest, currency)]


def _worth(pool: Pool, trials: list[Judged], rest: Workload, currency: str) -> list[str]:
    """What the next machine would be worth, beside what it costs."""
    price = pool.price_per_hour_micros / MICROS_PER_UNIT
    if not price:
        return [
            f"Pool {pool.name} has no price_per_hour, so owning looks free: write what a machine costs an hour, used or not."
        ]
    worth = advice.next_worth(trials, span_ms(rest) / MS_PER_HOUR, lambda one: one.reported)
    if worth is None:
        return []
    return [
        f"A machine more in pool {pool.name} would save {money_text(max(0.0, worth), currency)} an hour of rent and waiting; it costs {money_text(price)}."
    ]


def _timeouts(found: Advice, rules: Rules) -> str:
    learnt, *fixed = found.timeouts
    best = min(fixed, key=lambda one: (one.trained or one.reported)["score"])
    more = best.reported["score"] - learnt.reported["score"]
    share = f" ({100 * more / learnt.reported['score']:+.0f} %)" if learnt.reported["score"] else ""
    return (
        f"Leave timeouts to {learnt.trial.value}: {money_text(learnt.reported['score'], rules.currency)} with waiting on the second half."
        if more >= 0
        else f"A fixed timeout does better here than {learnt.trial.value}."
    ) + (
        f" The best fixed idle timeout of the first half, {time_text(float(best.trial.value))} with a machine for every job at once,"
        f" comes to {money_text(best.reported['score'])}{share}."
    )


def _promises(found: Advice, rules: Rules) -> str:
    now = advice.now_of(found.promises)
    parts = []
    for one in found.promises:
        if not one.trial.now:
            late = "" if kept(one.reported, one.trial.case.rules.waiting) else " and is not kept"
            parts.append(f"{time_text(float(one.trial.value))} costs {_beside(one, now)}{late}")
    return (
        f"The promise of {time_text(float(now.trial.value))} costs {money_text(now.reported['cost']['total'], rules.currency)} on the second half;"
        f" beside it, {', '.join(parts)}."
    )


def _beside(one: Judged, now: Judged) -> str:
    more = one.reported["cost"]["total"] - now.reported["cost"]["total"]
    if abs(more) < 0.005:
        return "the same"
    return f"{money_text(abs(more))} {'more' if more >= 0 else 'less'}"


# Tables and document ---------------------------------------------------------------------------------------------------


def _print(found: Advice, told: Sequence[str]) -> None:
    print_sentences(told)
    tables = [*((f"machines of {name}", trials) for name, trials in found.machines.items())]
    for title, trials in (*tables, ("idle timeout", found.timeouts), ("promise", found.promises)):
        print()
        columns = (title, "score, 1st half", "score, 2nd half", "cost", "rented", "mean wait", "in time", "")
        print_table(columns, [_row(one, title) for one in trials])


def _row(one: Judged, title: str) -> tuple[object, ...]:
    found, value = one.reported, one.trial.value
    named = value if isinstance(value, str) or title.startswith("machines") else time_text(float(value))
    marks = [
        word for word, marked in (("chosen", one.chosen and one.trained), ("now", one.trial.now)) if marked
    ]
    return (
        named,
        money_text(one.trained["score"]) if one.trained else "–",
        money_text(found["score"]),
        money_text(found["cost"]["total"]),
        money_text(found["cost"]["rented"]),
        time_text(found["wait_s"]["mean"]),
        percent_text(found["within_target"]),
        ", ".join(marks),
    )


def document(found: Advice, told: Sequence[str], seed: int) -> Document:
    """`penstock advise --json`."""
    return {
        "schema": SCHEMA,
        "seed": seed,
        "open_loop": True,
        "trained_on": _part(found.parts.train),
        "reported_on": _part(found.parts.rest),
        "advice": list(told),
        "machines": {name: [_line(one) for one in trials] for name, trials in found.machines.items()},
        "timeouts": [_line(one) for one in found.timeouts],
        "promises": [_line(one) for one in found.promises],
    }


def _part(workload: Workload) -> Document:
    return {
        "jobs": workload.jobs,
        "begun_s": figure(workload.submitted_ms[0] / 1000),
        "ended_s": figure(workload.submitted_ms[-1] / 1000),
    }


def _line(one: Judged) -> dict[str, Any]:
    return {
        "value": one.trial.value,
        "now": one.trial.now,
        "chosen": one.chosen and one.trained is not None,
        "trained": one.trained,
        "reported": one.reported,
    }
