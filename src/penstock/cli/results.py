"""How the result of a build is printed, whether it ran in this process or on a hub."""

from typing import Any

from penstock.cli.output import print_json, print_table, say
from penstock.reports.builds import EXIT_FAILED, EXIT_FARM, EXIT_PASSED, totals_line

Document = dict[str, Any]
FARMS = ("error", "expired")
FINE = ("passed", "reused")


def print_build(document: Document, as_json: bool) -> None:
    """Every job and the line of totals; with --json the document, and that line on standard error."""
    if as_json:
        print_json(document)
        say(totals_line(document["totals"]))
        return
    print_table(("job", "result", "waited", "ran", "cost", "why"), [_row(line) for line in document["jobs"]])
    print(totals_line(document["totals"]))


def _row(line: Document) -> tuple[str, ...]:
    name = f"{line['module']} {line['kind']} on {line['platform']}"
    cost = f"{line['cost']} {line['currency']}"
    return name, line["result"], f"{line['waited_s']:.1f} s", f"{line['ran_s']:.1f} s", cost, line["reason"]


def status_of(document: Document) -> int:
    """As reports.builds.exit_status, of a document: 0 all passed or reused, 3 the farm failed, 1 the rest."""
    results = {line["result"] for line in document["jobs"]}
    if results & set(FARMS):
        return EXIT_FARM
    return EXIT_PASSED if results <= set(FINE) else EXIT_FAILED
