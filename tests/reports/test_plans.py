"""A plan as a document."""

from penstock.model.plan import Plan, PlannedJob, Unknown
from penstock.model.units import Size
from penstock.reports.plans import plan_document


def test_the_document_of_a_plan_counts_what_has_a_job() -> None:
    jobs = (
        PlannedJob(
            id="a:build@x",
            kind="build",
            module="a",
            platform="x",
            size=Size(8, None),
            key="sha256:1",
            reuse=True,
        ),
        PlannedJob(id="a:test@x", kind="test", module="a", platform="x", needs=("a:build@x",), reason="why"),
    )
    document = plan_document(Plan(jobs, (Unknown("f.yaml", 3, "a template"),)))
    assert document["totals"] == {"jobs": 2, "build": 1, "test": 1, "modules": 1, "platforms": 1, "reused": 1}
    assert document["jobs"][0]["size"] == {"cores": 8, "memory_mb": None}
    assert document["jobs"][1] == {
        "id": "a:test@x", "module": "a", "platform": "x", "kind": "test", "key": None, "needs": ["a:build@x"],
        "size": {"cores": 1, "memory_mb": 1024}, "reuse": False, "reason": "why",
    }  # fmt: skip
    assert document["unknown"] == [{"file": "f.yaml", "line": 3, "what": "a template"}]
