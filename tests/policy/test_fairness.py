"""The example of docs/explanation/fairness.md, recomputed."""

from pathlib import Path

from virtual import queued

from penstock.model.snapshot import Snapshot, groups_of
from penstock.policy.line import Line

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "fairness.md"
MINUTE_MS = 60_000


def rows() -> list[list[str]]:
    """The table of the example: job, project, class, priority, submitted, may wait, path, needed, served."""
    lines = PAGE.read_text(encoding="utf-8").partition("### An example")[2].splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return table[2:]


def test_the_example_is_true() -> None:
    jobs = [
        queued(
            name,
            now_ms=int(submitted) * MINUTE_MS,
            project=project,
            klass=klass,
            priority=int(priority),
            queue_limit_ms=int(wait.removesuffix(" h")) * 60 * MINUTE_MS,
            credit_s=60 * int(path) + int(needed),
        )
        for name, project, klass, priority, submitted, wait, path, needed, _ in rows()
    ]
    groups, _ = groups_of(jobs, 0)
    line = Line(Snapshot(now_ms=100 * MINUTE_MS, groups=groups, shares={"qemu": 2}))
    order = []
    while first := line.first():
        order.append(first[1].job)
        line.served(first[0])
    told = sorted(rows(), key=lambda row: int(row[-1]))
    assert [row[0] for row in told] == order
    assert len(order) == 9
