"""What the figures of runs mean, in sentences: what was promised and kept, what it cost, how near that is to the limit."""

from collections.abc import Mapping, Sequence

from penstock.model.rules import Waiting
from penstock.reports.compare import Document


def time_text(value_s: float | None) -> str:
    """A length of time as people say it: 0.4 s, 95 s, 15 min, 2.5 h, 3.1 days; a dash for none."""
    if value_s is None:
        return "–"
    for least, unit, name in ((172_800, 86_400, "days"), (5400, 3600, "h"), (180, 60, "min")):
        if value_s >= least:
            return f"{_short(value_s / unit)} {name}"
    return f"{_short(value_s)} s"


def _short(value: float) -> str:
    digits = 0 if value >= 100 or value == round(value) else 1
    return f"{value:,.{digits}f}"


def money_text(amount: float | None, currency: str = "") -> str:
    """An amount to the cent; below ten cents with more figures."""
    if amount is None:
        return "–"
    digits = 2 if amount == 0 or abs(amount) >= 0.1 else 4
    return f"{amount:,.{digits}f} {currency}".rstrip()


def percent_text(share: float | None, digits: int = 1) -> str:
    """A share as a percentage."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def kept(document: Document, waiting: Waiting) -> bool:
    """Whether the promise was kept."""
    return (
        document["within_target"] is not None
        and document["within_target"] * 100 >= waiting.target_percentile - 1e-9
    )


def meaning(key: str, document: Document, waiting: Waiting) -> str:
    """One run in two sentences."""
    promise = f"{waiting.target_percentile:g} %"
    told = "kept the promise" if kept(document, waiting) else "did not keep the promise"
    first = (
        f"{key} {told}: {percent_text(document['within_target'], 2)} of {document['jobs_finished'] + document['jobs_lost']:,} jobs"
        f" started within {time_text(waiting.target_ms / 1000)} ({promise} promised)."
    )
    return f"{first} {_cost(document)}{_near(document, waiting)}{_lost(document)}"


def _cost(document: Document) -> str:
    cost = document["cost"]
    if not cost["rented"]:
        return f"It cost {money_text(cost['total'], cost['currency'])}, none of it rented"
    parts = (
        f"{money_text(cost['owned'])} for owned machines and {money_text(cost['rented'])} rented"
        if cost["owned"]
        else "all of it rented"
    )
    return (
        f"It cost {money_text(cost['total'], cost['currency'])}, {parts}"
        f" (idle {money_text(cost['idle'])}, starting and stopping {money_text(cost['lifecycle'])})"
    )


def _near(document: Document, waiting: Waiting) -> str:
    limit = document["limit"]
    what = "rent and waiting are" if waiting.price_per_hour_micros else "the rent is"
    if limit["ratio_at_target"] is not None:
        return f"; {what} {limit['ratio_at_target']:.2f} times the least that any schedule within the promise costs ({money_text(limit['at_target'])})."
    if limit["ratio_zero_wait"] is not None:
        return f"; {what} {limit['ratio_zero_wait']:.2f} times what it costs at least when nobody waits ({money_text(limit['zero_wait'])})."
    return "."


def _lost(document: Document) -> str:
    lost = document["jobs_lost"]
    return f" {lost:,} jobs never ended." if lost else ""


def comparison(documents: Mapping[str, Document], promises: Mapping[str, Waiting]) -> list[str]:
    """Which run is best among those that keep their promise, and what the others cost beside it."""
    if len(documents) < 2:
        return []
    able = [key for key in documents if kept(documents[key], promises[key])]
    if not able:
        return ["None of them kept the promise."]
    best = min(able, key=lambda key: documents[key]["score"])
    valued = any(waiting.price_per_hour_micros for waiting in promises.values())
    what = "cost and waiting together" if valued else "cost"
    others = [_beside(documents[key], documents[best], key) for key in documents if key != best]
    return [f"Best by {what} among those that kept the promise: {best}.", *others]


def _beside(other: Document, best: Document, key: str) -> str:
    waits, best_waits = other["wait_s"]["mean"], best["wait_s"]["mean"]
    extra = other["cost"]["total"] - best["cost"]["total"]
    share = f" ({_signed_percent(extra / best['cost']['total'])})" if best["cost"]["total"] else ""
    more = "more" if extra >= 0 else "less"
    told = f"{key} costs {money_text(abs(extra), best['cost']['currency'])} {more}{share}"
    if waits is None or best_waits is None:
        return f"{told}."
    longer = "longer" if waits >= best_waits else "less"
    return f"{told}; a job waits {time_text(abs(waits - best_waits))} {longer} on average."


def _signed_percent(share: float) -> str:
    return f"{100 * share:+.0f} %"


def best_of(documents: Sequence[Document], waiting: Waiting) -> int | None:
    """Which of several runs is best by score among those that keep the promise; None when none does."""
    able = [n for n, document in enumerate(documents) if kept(document, waiting)]
    return min(able, key=lambda n: (documents[n]["score"], n)) if able else None
