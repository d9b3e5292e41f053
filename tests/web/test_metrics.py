"""GET /metrics: for who may read, in a format that Prometheus' own parser reads."""

from prometheus_client.parser import text_string_to_metric_families

from penstock.hub import tokens
from penstock.hub.metrics import FAMILIES, Sample
from penstock.model.people import Role
from penstock.web.metrics import text_of
from tests.web.edges import OPERATOR, Edge


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_it_needs_a_token_and_the_least_role_does(edge: Edge) -> None:
    assert edge.client.get("/metrics").status_code == 401
    token = tokens.create(edge.farm.hub, "prometheus", Role.VIEWER, 0)
    answer = edge.client.get("/metrics", headers=bearer(token))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert edge.client.head("/metrics", headers=bearer(token)).status_code == 200


def test_prometheus_reads_it(edge: Edge) -> None:
    for _ in range(200):
        text = edge.client.get("/metrics", headers=bearer(OPERATOR)).text
        if "penstock_machines{" in text:
            break
    families = {family.name: family for family in text_string_to_metric_families(text)}
    (machine,) = families["penstock_machines"].samples
    assert machine.labels == {"pool": "own", "power": "up", "health": "unknown"}
    assert machine.value == 1


def test_text_from_outside_stays_in_its_label() -> None:
    name = 'a"} 9\n\\evil'
    text = text_of([Sample("penstock_cost_micros_total", ("p", "idle", name), 2**53)])
    (family,) = text_string_to_metric_families(text.decode())
    (sample,) = family.samples
    assert (sample.name, sample.labels["project"], sample.value) == (
        "penstock_cost_micros_total",
        name,
        2**53,
    )
    assert f"# TYPE penstock_cost_micros_total {FAMILIES['penstock_cost_micros_total'].kind}" in text.decode()


def test_buckets_are_whole_seconds_as_rules_name_them() -> None:
    """A rule with le="900" finds nothing where the bucket is called le="900.0"."""
    spread = (("900", 1), ("+Inf", 2))
    text = text_of([Sample("penstock_wait_seconds", ("p", "change"), 950.5, spread)]).decode()
    assert 'penstock_wait_seconds_bucket{class="change",le="900",pool="p"} 1.0' in text
    assert 'penstock_wait_seconds_sum{class="change",pool="p"} 950.5' in text
