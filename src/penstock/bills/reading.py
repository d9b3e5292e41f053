"""Reads bills: finds the form of each file by its header, adds up its rows, and loads all of it or nothing."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from penstock.bills.azure import AZURE, only_billed, only_effective
from penstock.bills.charges import Charge, Gathered, MixedCurrencies
from penstock.bills.columns import Source, opened, rows
from penstock.bills.cur import CUR, CUR_2
from penstock.bills.focus import FOCUS
from penstock.bills.problems import MOST_REJECTED, BadBill, BadRow, Rejected
from penstock.bills.table import Form, Header

FORMS = (FOCUS, CUR, CUR_2, AZURE)
Change = Callable[[Charge], Charge]


class Found(msgspec.Struct, frozen=True):
    """What files say: their form, their names, the digest of what came, and all their charges added up."""

    form: str
    file: str
    digest: str
    gathered: Gathered


def read(paths: Sequence[Path], amortised: Sequence[Path] = ()) -> Found:
    """Read files that together are bills, such as the parts of one export. Raises BadBill: then nothing is loaded.

    `amortised`: exports of Azure's amortised cost that belong to actual ones in `paths`.
    """
    gathered = Gathered()
    forms, digests = [], []
    for path in (*paths, *amortised):
        form, digest = _one(path, gathered, _changing(path in amortised, bool(amortised)))
        if amortised and form is not AZURE:
            raise BadBill(str(path), "is no Azure export; --amortised belongs to Azure's actual costs")
        forms.append(form.name)
        digests.append(digest)
    if not gathered.rows:
        raise BadBill(str(paths[0]), "has a header and no rows; nothing is loaded")
    digest = digests[0] if len(digests) == 1 else _together(digests)
    names = ", ".join(path.name for path in (*paths, *amortised))
    return Found(forms[0], names if len(names) < 500 else names[:497] + "...", digest, gathered)


def form_of(header: Header) -> Form | None:
    """The form whose columns are all there."""
    return next((form for form in FORMS if header.has(*form.needs)), None)


def _changing(is_amortised: bool, beside: bool) -> Change | None:
    if not beside:
        return None
    return only_effective if is_amortised else only_billed


def _one(path: Path, gathered: Gathered, change: Change | None) -> tuple[Form, str]:
    with opened(path) as (source, stream):
        table = rows(source, stream)
        names = next(table, None)
        if names is None:
            raise source.bad("is empty; a bill begins with the names of its columns")
        header = Header(names)
        form = form_of(header)
        if form is None:
            raise source.bad(_unknown(header), 1)
        if twice := header.twice(*form.needs):
            raise source.bad(f"has the column {twice} twice", 1)
        rejected: list[Rejected] = []
        make = form.read(header)
        for row in table:
            row.append("")  # what columns are read from that the file does not have
            try:
                charge = make(row)
                gathered.add(change(charge) if change else charge, source.line)
                continue
            except BadRow as wrong:
                rejected.append(Rejected(source.name, source.line, wrong.column, wrong.why))
            except MixedCurrencies as wrong:
                rejected.append(Rejected(source.name, source.line, form.currency, str(wrong)))
            except ValueError as wrong:
                raise source.bad(str(wrong), source.line) from None
            if len(rejected) >= MOST_REJECTED:
                break
        if rejected:
            raise _refusal(source, rejected)
    return form, source.digest


def _refusal(source: Source, rejected: list[Rejected]) -> BadBill:
    more = f"; {len(rejected) - 1} more rows are bad" if len(rejected) > 1 else ""
    return BadBill(source.name, f"{rejected[0]}; nothing is loaded{more}", tuple(rejected))


def _unknown(header: Header) -> str:
    """What is missing of the form that is nearest."""
    missing = {form.name: [name for name in form.needs if not header.has(name)] for form in FORMS}
    nearest = min(missing, key=lambda name: len(missing[name]) / len(_needs(name)))
    known = ", ".join(form.name for form in FORMS)
    if len(missing[nearest]) < len(_needs(nearest)):
        return f"is not quite {nearest}: it has no column {', '.join(missing[nearest])}"
    return f"is no bill that is known by its columns; expected {known}, or a statement as .toml"


def _needs(name: str) -> tuple[str, ...]:
    return next(form.needs for form in FORMS if form.name == name)


def _together(digests: Sequence[str]) -> str:
    return f"sha256:{hashlib.sha256(' '.join(sorted(digests)).encode()).hexdigest()}"
