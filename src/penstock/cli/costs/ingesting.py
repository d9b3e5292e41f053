"""Reads a bill here and sends it to the farm in parts; it counts once all of it is there."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from penstock.bills import statement
from penstock.bills.charges import Gathered, Lines, Period, summed, total
from penstock.bills.problems import BadBill
from penstock.bills.reading import Found, read
from penstock.cli.output import print_json, print_table, refuse, say
from penstock.cli.queries import AnyFarm, opened
from penstock.config.statement import read_statement
from penstock.model.ledger import Bill, BillLine
from penstock.reports.bills import amount_text, begun, chained
from penstock.reports.costs import day_text

Document = dict[str, Any]
PART_LINES = 2000
PART_BYTES = 700_000
"""Of one call, well below what a hub takes."""
LINE_BYTES = 260
"""What a line has beside its texts when it is sent, at most."""
TRIES = 50
"""Times in a row that a hub may know of other lines than we do, before we give up: somebody else sends the same bill."""


class Where(NamedTuple):
    """The farm that was named, if one was."""

    farm: Path | None
    state: Path | None
    hub: str | None

    @property
    def somewhere(self) -> bool:
        """Whether there is a farm to keep bills: one was named, or its rules lie here."""
        return any(each is not None for each in self) or Path("farm.toml").is_file()


def run(files: Sequence[Path], amortised: Sequence[Path], again: bool, where: Where, as_json: bool) -> None:
    """`penstock costs ingest`: read first, then keep. Nothing is kept of a file with a bad row (exit 2)."""
    try:
        found = _found(files, amortised)
    except BadBill as wrong:
        if as_json:
            print_json(_document(Gathered()) | {"rejected": msgspec.to_builtins(wrong.rejected)})
        refuse(str(wrong))
    document = _document(found.gathered)
    said = "no farm was named and there is no farm.toml here: nothing was stored"
    if where.somewhere:
        with opened(*where) as farm:
            said = keep(farm, found, again)
    if as_json:
        print_json(document)
    else:
        _print(document)
    say(f"penstock: {found.form}: {said}")


def _found(files: Sequence[Path], amortised: Sequence[Path]) -> Found:
    """What the files say. Raises BadBill, and Mistakes for a statement."""
    written = [path for path in files if path.suffix == ".toml"]
    if not written:
        return read(files, amortised)
    if len(files) > 1 or amortised:
        refuse(f"{written[0]}: a statement is ingested alone")
    path = written[0]
    gathered = statement.gathered(read_statement(path), path.stem, str(path))
    return Found("statement", path.name, statement.digest(path), gathered)


def _document(gathered: Gathered) -> Document:
    """What --json prints; all amounts are exact decimals."""
    periods = [_period(period, lines) for period, lines in sorted(gathered.bills.items())]
    sums = [total(lines) for lines in gathered.bills.values()]
    return {
        "rows": gathered.rows,
        "billed_total": amount_text(summed(each.billed for each in sums)),
        "effective_total": amount_text(summed(each.effective for each in sums)),
        "currency": gathered.currency,
        "periods": periods,
        "rejected": [],
    }


def _period(period: Period, lines: Lines) -> Document:
    sums = total(lines)
    return {
        "provider": period.provider,
        "account": period.account,
        "first": day_text(period.first),
        "end": day_text(period.end),
        "rows": sum(line.rows for line in lines.values()),
        "lines": len(lines),
        "billed": amount_text(sums.billed),
        "effective": amount_text(sums.effective),
    }


def _print(document: Document) -> None:
    columns = ("provider", "account", "first", "end", "rows", "lines", "billed", "effective")
    rows = [[period[name] for name in columns] for period in document["periods"]]
    sums = ["all", "", "", "", document["rows"], sum(row[5] for row in rows)]
    print_table(columns, [*rows, [*sums, document["billed_total"], document["effective_total"]]])


def keep(farm: AnyFarm, found: Found, again: bool) -> str:
    """Send all bills of a file, then make them count at once. Says what came of it."""
    ids = [_send(farm, found, period, lines) for period, lines in sorted(found.gathered.bills.items())]
    answer = farm.tell("bills_close", {"bills": ids, "again": again})
    told = {
        "stored": len(answer["taken"]),
        "of them in place of older ones": len(answer["replaced"]),
        "known already": len(answer["known"]),
        "left as they are, because others replaced them since (--again makes them count)": len(
            answer["restated"]
        ),
    }
    return "bills: " + ", ".join(f"{count} {what}" for what, count in told.items() if count)


def _send(farm: AnyFarm, found: Found, period: Period, gathered: Lines) -> str:
    """Send one bill, from where the farm has it. Its id."""
    lines = sorted(gathered.items())
    bill = _head(found, period)
    chain = begun(bill)
    for line in map(_line, lines):
        chain = chained(chain, line)
    head = {name: getattr(bill, name) for name in HEAD} | {"id": chain}
    at, tries = 0, 0
    while True:
        part = list(_part(lines, at))
        there = farm.tell("bill_part", {"bill": head, "at": at, "lines": part})
        if there["done"]:
            return chain
        tries = 0 if there["lines"] == at + len(part) else tries + 1
        at = there["lines"]
        if tries > TRIES or at >= len(lines):
            refuse(f"{found.file}: the farm has other lines of this bill; run the same command again")


HEAD = ("provider", "account", "first", "end", "form", "currency", "file", "digest")


def _head(found: Found, period: Period) -> Bill:
    return Bill(
        id="",
        **period._asdict(),
        form=found.form,
        currency=found.gathered.currency,
        billed="0",
        effective="0",
        rows=0,
        file=found.file,
        digest=found.digest,
        taken_ms=0,
    )


def _line(item: tuple[Any, Any]) -> BillLine:
    key, line = item
    return BillLine(bill="", **_said(key, line))


def _said(key: Any, line: Any) -> Document:
    amounts = {
        name: amount_text(getattr(line, name)) for name in ("billed", "effective", "listed", "quantity")
    }
    return {**key._asdict(), **amounts, "rows": line.rows, "line": line.first}


def _part(lines: Sequence[tuple[Any, Any]], at: int) -> Iterator[Document]:
    """Lines from `at` on, as many as go into one call."""
    size_bytes = 0
    for key, line in lines[at : at + PART_LINES]:
        said = _said(key, line)
        size_bytes += LINE_BYTES + len(msgspec.json.encode(list(said.values())))
        if size_bytes > PART_BYTES:
            return
        yield said
