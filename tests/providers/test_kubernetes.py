"""Pods as they are sent, as they are told of, and what is known of them."""

import json
from typing import Any

import kubernetes_validate
import msgspec
import pytest
from real.kubecluster import CLUSTER
from real.kubedouble_rules import meant, pod_meant, restricted

from penstock.model.pool_kubernetes import Kubernetes, Toleration
from penstock.model.rented import TAG_FARM, TAG_MACHINE, Notice, Order
from penstock.model.rules import Pool
from penstock.model.units import Size
from penstock.providers.kubernetes import pods
from penstock.providers.kubernetes.known import KEPT_MS, Known, Names
from penstock.providers.kubernetes.states import LONGEST, moment_ms, notice, plain, seen

POOL = Pool(name="Pods_1", provider="kubernetes", platforms=("p",), size=Size(4, 2048))
ORDER = Order(
    offer="o",
    token="f:i:t",
    tags={TAG_FARM: "f", TAG_MACHINE: "a machine " * 9},
    secret="hidden",
    name="pods-1",
    hub="https://hub.example.org",
)
FULL = Kubernetes(
    image="i",
    request_cores_milli=3600,
    selector={"disk": "ssd"},
    tolerations=(Toleration(key="ci", value="only", effect="NoSchedule"), Toleration(operator="Exists")),
    priority_class="builds",
    service_account="agent",
    pull_secret="reg",
)
NOW_MS = moment_ms("2026-01-01T12:00:00Z")
Document = dict[str, Any]


def made(about: Kubernetes = FULL, **pool: Any) -> Document:
    return pods.pod(msgspec.structs.replace(POOL, kubernetes=about, **pool), ORDER)


@pytest.mark.parametrize("version", ["1.28", "1.32", "1.37"])
@pytest.mark.parametrize("about", [FULL, Kubernetes(image="i", deadline_ms=0)], ids=["full", "bare"])
def test_what_is_sent_is_valid_and_restricted(about: Kubernetes, version: str) -> None:
    pod = made(about)
    kubernetes_validate.validate(pod, version, strict=True)
    kubernetes_validate.validate(pods.secret("a", "u", "penstock", "hidden"), version, strict=True)
    meant(pod)
    pod_meant(pod)
    restricted(pod)
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_a_pod_asks_for_what_its_pool_says() -> None:
    spec = made()["spec"]
    (container,) = spec["containers"]
    limits = {"cpu": "4", "memory": "2048Mi", "ephemeral-storage": "10240Mi"}
    assert container["resources"] == {"limits": limits, "requests": limits | {"cpu": "3600m"}}
    assert spec["tolerations"] == [
        {"key": "ci", "operator": "Equal", "value": "only", "effect": "NoSchedule"},
        {"operator": "Exists"},
    ]
    assert (spec["nodeSelector"], spec["priorityClassName"], spec["serviceAccountName"]) == (
        {"disk": "ssd"},
        "builds",
        "agent",
    )
    assert (spec["activeDeadlineSeconds"], spec["terminationGracePeriodSeconds"]) == (86_400, 30)
    assert "activeDeadlineSeconds" not in made(Kubernetes(image="i", deadline_ms=0))["spec"]
    assert "hidden" not in json.dumps(made())


def test_the_agent_is_told_where_it_is_and_what_ends_its_pod() -> None:
    words = made()["spec"]["containers"][0]["command"]
    assert words[:2] == ["python3", "-c"]
    assert words[3:7] == [pods.WORK, ORDER.hub, "--hub", ORDER.hub]
    assert words[-3:] == ["--no-sandbox", "--power-off-command", f"{pods.WORK}/power-off"]
    forever = made(power_off_after_ms=0)["spec"]["containers"][0]["command"]
    assert "--power-off-command" not in forever


def test_one_token_is_one_name_and_what_no_label_can_hold_is_an_annotation() -> None:
    about = made()["metadata"]
    assert about["name"] == pods.name(POOL, ORDER.token) != pods.name(POOL, "other")
    assert about["name"].startswith("pods-1-")
    assert about["labels"][TAG_FARM] == "f"
    assert about["labels"][TAG_MACHINE].startswith("sha256-")
    assert seen(made()).instance.tags == ORDER.tags


def told(
    phase: str = "Pending", meta: Document | None = None, spec: Document | None = None, **status: Any
) -> Document:
    return {
        "metadata": {"name": "a", "uid": "1", **(meta or {})},
        "spec": spec or {},
        "status": {"phase": phase, **status},
    }


def container(**state: Document) -> Document:
    return {"containerStatuses": [{"name": "agent", "state": state}]}


DISRUPTED = {
    "conditions": [
        {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "x"}
    ]
}
FULL_UP = {
    "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    ]
}


@pytest.mark.parametrize(
    ("pod", "state", "why", "stuck"),
    [
        (told(), "coming", "", ""),
        (told(**FULL_UP), "coming", "no room in the cluster: 0/3 nodes", "full"),
        (told(**container(waiting={"reason": "ContainerCreating"})), "coming", "", ""),
        (
            told(**container(waiting={"reason": "ImagePullBackOff", "message": "no\nsuch image"})),
            "coming",
            "ImagePullBackOff: no such image",
            "broken",
        ),
        (told("Running"), "up", "", ""),
        (told("Unknown"), "coming", "", ""),
        (
            told("Running", {"deletionTimestamp": "2026-01-01T12:00:30Z"}, **DISRUPTED),
            "going",
            "PreemptionByScheduler: x",
            "",
        ),
        (told("Failed", reason="Evicted", message="low on memory"), "gone", "Evicted: low on memory", ""),
        (told("Failed", **DISRUPTED), "gone", "PreemptionByScheduler: x", ""),
        (
            told("Failed", **container(terminated={"exitCode": 137, "reason": "OOMKilled"})),
            "gone",
            "its container ended with status 137 (OOMKilled)",
            "",
        ),
        (told("Succeeded"), "gone", "the pod has succeeded", ""),
        (told("Failed", {"deletionTimestamp": "x"}), "gone", "the pod has failed", ""),
        ({"metadata": 3, "status": {"phase": "Running", "conditions": 7}}, "up", "", ""),
    ],
)
def test_what_a_pod_is_as_a_machine(pod: Document, state: str, why: str, stuck: str) -> None:
    found = seen(pod)
    assert (found.instance.state, found.instance.why, found.stuck) == (state, why, stuck)


@pytest.mark.parametrize(
    ("pod", "left_ms"),
    [
        (told("Running"), None),
        (told("Failed", {"deletionTimestamp": "2026-01-01T12:00:30Z"}), None),
        (
            told("Running", {"deletionTimestamp": "2026-01-01T12:00:20Z", "deletionGracePeriodSeconds": 30}),
            20_000,
        ),
        (
            told("Running", {"deletionTimestamp": "2026-01-01T13:00:00Z", "deletionGracePeriodSeconds": 30}),
            30_000,
        ),
        (told("Running", {"deletionTimestamp": "2026-01-01T11:00:00Z"}), 1),
        (told("Running", spec={"terminationGracePeriodSeconds": 60}, **DISRUPTED), 60_000),
        (told("Running", spec={"activeDeadlineSeconds": 7200}, startTime="2026-01-01T11:00:00Z"), None),
        (told("Running", spec={"activeDeadlineSeconds": 4000}, startTime="2026-01-01T11:00:00Z"), 400_000),
        (told("Running", spec={"activeDeadlineSeconds": 60}, startTime="soon"), 1),
    ],
)
def test_how_long_it_is_still_there(pod: Document, left_ms: int | None) -> None:
    assert notice(pod, NOW_MS) == (None if left_ms is None else Notice(id="a", left_ms=left_ms))


def test_text_from_outside_is_one_short_line() -> None:
    assert plain("a\n\x1b[31mb\t c:") == "a [31mb c"
    assert len(plain("x" * 9999)) == LONGEST


class Cluster:
    """What is known, and a clock."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.known = Known(lambda: self.now_ms)

    def states(self) -> dict[str, str]:
        return {one.id: f"{one.state} {one.why}".strip() for one in self.known.instances()}


def test_what_a_listing_has_not_is_gone_unless_it_was_made_meanwhile() -> None:
    cluster = Cluster()
    cluster.known.listed([told("Running")], 0)
    mark = cluster.known.mark()
    cluster.known.made(told(meta={"name": "b", "uid": "2"}))
    cluster.known.listed([], mark)
    assert cluster.states() == {"a": "gone", "b": "coming"}
    assert cluster.known.was("a")
    cluster.known.listed([], cluster.known.mark())
    cluster.now_ms = KEPT_MS
    assert cluster.states() == {}


def test_late_words_about_another_pod_of_that_name_change_nothing() -> None:
    cluster = Cluster()
    cluster.known.changed("ADDED", told("Running"))
    cluster.known.made(told())  # the answer of a call that is older than what is known
    assert cluster.states() == {"a": "up"}
    cluster.known.changed("MODIFIED", told(meta={"uid": "2"}))
    cluster.known.changed("DELETED", told(meta={"uid": "2"}))
    assert cluster.states() == {"a": "up"}
    cluster.known.changed("DELETED", told("Running", {"deletionTimestamp": "x"}))
    assert cluster.states() == {"a": "gone the pod was deleted"}
    cluster.known.changed("DELETED", told())


def test_what_was_taken_back_was_never_there() -> None:
    cluster = Cluster()
    cluster.known.made(told())
    cluster.known.forget("a", "1")
    cluster.known.changed("MODIFIED", told("Running"))
    assert cluster.states() == {}
    cluster.known.made(told(meta={"uid": "2"}))
    assert cluster.states() == {"a": "coming"}


def test_how_long_it_is_stuck_counts_from_when_it_was_first_seen_so() -> None:
    cluster = Cluster()
    cluster.known.changed("ADDED", told(**FULL_UP))
    cluster.now_ms = 900
    cluster.known.changed("MODIFIED", told(meta={"labels": {}}, **FULL_UP))
    assert [len(cluster.known.stuck(patience)) for patience in (900, 901)] == [1, 0]
    cluster.known.changed("MODIFIED", told("Failed"))
    cluster.now_ms += KEPT_MS
    assert (cluster.known.stuck(0), cluster.known.ended()) == ([], ["a"])


def test_only_the_last_names_are_kept() -> None:
    names = Names(most=2)
    for name in "abc":
        names.add(name)
    assert [name in names for name in "abc"] == [False, True, True]


def test_the_hub_of_the_page_may_not_read_secrets() -> None:
    assert "resources: [secrets]\n    verbs: [create]" in CLUSTER
