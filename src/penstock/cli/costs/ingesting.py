"""Reads a bill here and sends it to the farm in parts; it counts once all of it is there."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from penstock.bills import statement
from penstock.bills.charges import Gathered, Key, Line, Lines, Period, summed, total
from penstock.bills.problems import BadBill
from penstock.bills.reading import Found, read
from penstock.cli.output import print_json, print_table, refuse, say
from penstock.cli.queries import AnyFarm, OwnFarm, opened
from penstock.config.statement import read_statement
from penstock.reports.bills import amount_text, begun, linked, name_of
from penstock.reports.costs import day_text
from penstock.web.costs.bills import MOST_LINES, BillHead, BillPart, GivenLine, bill_of

Document = dict[str, Any]


class Size(NamedTuple):
    """How much goes into one call: lines, and bytes of JSON (0 = any)."""

    lines: int
    bytes: int


AWAY = Size(MOST_LINES, 700_000)
"""To a hub: well below what it takes, whatever the way JSON is written."""
HERE = Size(20_000, 0)
"""To a farm that this process has open: a commit each."""
ESCAPED_TIMES = 3
"""A call writes what is not ASCII as \\u and four digits: at most so many times its UTF-8."""
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
    head = _head(found, period, lines)
    size = HERE if isinstance(farm, OwnFarm) else AWAY
    at, tries = 0, 0
    while True:
        part = BillPart(bill=head, at=at, lines=list(_part(lines, at, size)))
        there = farm.tell("bill_part", cast(Any, part) if size is HERE else msgspec.to_builtins(part))
        if there["done"]:
            return head.id
        tries = 0 if there["lines"] == at + len(part.lines) else tries + 1
        at = there["lines"]
        if tries > TRIES or at >= len(lines):
            refuse(f"{found.file}: the farm has other lines of this bill; run the same command again")


def _head(found: Found, period: Period, lines: Sequence[tuple[Key, Line]]) -> BillHead:
    """What a bill is, named by all its lines."""
    head = BillHead(
        id="0" * 32,
        **period._asdict(),
        form=found.form,
        currency=found.gathered.currency,
        file=found.file,
        digest=found.digest,
    )
    chain = begun(bill_of(head))
    for key, line in lines:
        chain = linked(chain, (*key, *_amounts(line), line.rows))
    return msgspec.structs.replace(head, id=name_of(chain))


def _amounts(line: Line) -> tuple[str, str, str, str]:
    return (
        amount_text(line.billed),
        amount_text(line.effective),
        amount_text(line.listed),
        amount_text(line.quantity),
    )


def _part(lines: Sequence[tuple[Key, Line]], at: int, size: Size) -> Iterator[GivenLine]:
    """Lines from `at` on, as many as go into one call, one at least."""
    size_bytes = 0
    for number, (key, line) in enumerate(lines[at : at + size.lines]):
        billed, effective, listed, quantity = _amounts(line)
        said = GivenLine(
            **key._asdict(), billed=billed, effective=effective, listed=listed, quantity=quantity,
            rows=line.rows, line=line.first,
        )  # fmt: skip
        if size.bytes:
            text = msgspec.json.encode(said)
            size_bytes += len(text) * (1 if text.isascii() else ESCAPED_TIMES) + 1
            if size_bytes > size.bytes and number:
                return
        yield said
