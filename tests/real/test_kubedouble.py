"""The double of a cluster's API, driven by clients that are not ours: the official one, and kubectl where it is."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, watch
from kubernetes.client import ApiException
from real.killing import wait_for
from real.kubecluster import CLUSTER, HUB_ROLE
from real.kubedouble import KubeDouble
from real.kubedouble_cluster import Cluster, Machine
from real.kubedouble_store import Selection, Status

Document = dict[str, Any]
SPACE = "penstock"


@pytest.fixture
def double() -> Iterator[KubeDouble]:
    double = KubeDouble()
    double.apply(CLUSTER.replace('pods: "20"', 'pods: "3"'))
    cluster = Cluster(double, [Machine("m0"), Machine("m1", taints=(("ci", "only", "NoSchedule"),))])
    yield double
    cluster.close()
    double.close()


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[client.ApiClient]:
    """A client of a double in which nothing is ever made."""
    double = KubeDouble()
    double.apply(CLUSTER)
    yield official(double, tmp_path_factory.mktemp("strict"), HUB_ROLE).api_client
    double.close()


@pytest.fixture
def core(double: KubeDouble, tmp_path: Path) -> client.CoreV1Api:
    """The official client, as the hub's account."""
    return official(double, tmp_path, HUB_ROLE)


def official(double: KubeDouble, folder: Path, role: str) -> client.CoreV1Api:
    settings = client.Configuration()
    config.load_kube_config(
        str(double.kubeconfig(folder / role, role)), client_configuration=settings, persist_config=False
    )
    return client.CoreV1Api(client.ApiClient(settings))


def pod(name: str, cpu: str = "4", **spec: Any) -> Document:
    """As "restricted" and the quota want it."""
    sizes = {"cpu": cpu, "memory": "1Gi", "ephemeral-storage": "1Gi"}
    container = {
        "name": "main",
        "image": "example.org/a:1",
        "command": ["true"],
        "resources": {"requests": sizes, "limits": dict(sizes)},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    about = {"name": name, "namespace": SPACE, "labels": {"app": "x", "n": name}}
    secure = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    whole = {"containers": [container], "securityContext": secure, "restartPolicy": "Never", **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": whole}


def phase(core: client.CoreV1Api, name: str) -> str:
    return str(core.read_namespaced_pod(name, SPACE).status.phase)


def test_the_official_client_makes_follows_and_deletes_pods(core: client.CoreV1Api) -> None:
    made = core.create_namespaced_pod(SPACE, pod("a"))
    assert (made.metadata.uid, made.status.phase) != ("", None)
    told = watch.Watch().stream(
        core.list_namespaced_pod, SPACE, resource_version=made.metadata.resource_version, timeout_seconds=10
    )
    assert next(e for e in told if e["object"].status.phase == "Running")["type"] == "MODIFIED"
    assert (
        core.list_namespaced_pod(SPACE, label_selector="app=x,n in (a,b),!gone").items[0].metadata.name == "a"
    )
    assert core.list_namespaced_pod(SPACE, field_selector="status.phase!=Running").items == []
    core.delete_namespaced_pod("a", SPACE)
    wait_for(lambda: not core.list_namespaced_pod(SPACE).items, "the pod to be gone")


def test_each_kind_is_selected_by_its_own_fields() -> None:
    """As the real server: a phase is of pods, and no secret has one."""
    pod = {"metadata": {"name": "a"}, "status": {"phase": "Running"}}
    assert Selection("", "status.phase=Running,metadata.name!=b").takes(pod)
    assert not Selection("", "status.phase!=Running").takes(pod)
    assert Selection("", "type==Opaque", "secrets").takes({"metadata": {}, "type": "Opaque"})
    for field, resource in (
        ("status.phase=x", "secrets"),
        ("type=x", "pods"),
        ("spec.nodeName=x", "nodes"),
        ("x", "pods"),
    ):
        with pytest.raises(Status, match="field label not supported: "):
            Selection("", field, resource)


def test_lists_come_in_parts_that_expire(core: client.CoreV1Api, double: KubeDouble) -> None:
    for name in "abc":
        core.create_namespaced_pod(SPACE, pod(name, "1"))
    first = core.list_namespaced_pod(SPACE, limit=2)
    assert ([one.metadata.name for one in first.items], first.metadata.remaining_item_count) == (
        ["a", "b"],
        1,
    )
    rest = core.list_namespaced_pod(SPACE, limit=2, _continue=first.metadata._continue)
    assert ([one.metadata.name for one in rest.items], rest.metadata._continue) == (["c"], None)
    double.store.compact()
    with pytest.raises(ApiException) as refused:
        core.list_namespaced_pod(SPACE, limit=2, _continue=first.metadata._continue)
    assert (refused.value.status, json.loads(refused.value.body)["reason"]) == (410, "Expired")
    version = first.metadata.resource_version
    with pytest.raises(ApiException) as old:
        next(
            watch.Watch().stream(core.list_namespaced_pod, SPACE, resource_version=version, timeout_seconds=5)
        )
    assert old.value.status == 410


def _without(*path: Any) -> Callable[[Document], None]:
    def act(found: Document) -> None:
        for one in path[:-1]:
            found = found[one]
        del found[path[-1]]

    return act


def _set(value: Any, *path: Any) -> Callable[[Document], None]:
    def act(found: Document) -> None:
        for one in path[:-1]:
            found = found[one]
        found[path[-1]] = value

    return act


MAIN = ("spec", "containers", 0)


@pytest.mark.parametrize(
    ("act", "code", "said"),
    [
        (_set({}, *MAIN, "resource"), 400, "strict decoding error"),
        (_set("1", *MAIN, "stdin"), 400, "strict decoding error"),
        (_set("A_b", "metadata", "name"), 422, "RFC 1123"),
        (_set("a b", "metadata", "labels", "app"), 422, "metadata.labels"),
        (_set("elsewhere", "metadata", "namespace"), 400, "does not match the namespace"),
        (_without(*MAIN, "image"), 422, "image: Required value"),
        (_set("9", *MAIN, "resources", "requests", "cpu"), 422, "less than or equal to cpu limit"),
        (_set([{"name": "x", "mountPath": "/x"}], *MAIN, "volumeMounts"), 422, 'Not found: "x"'),
        (_set(0, "spec", "activeDeadlineSeconds"), 422, "activeDeadlineSeconds"),
        (_set([{"operator": "Equal"}], "spec", "tolerations"), 422, "operator must be Exists"),
        (
            _without("spec", "securityContext", "runAsNonRoot"),
            403,
            'violates PodSecurity "restricted:latest"',
        ),
        (_without(*MAIN, "securityContext", "capabilities"), 403, "unrestricted capabilities"),
        (_set([{"name": "h", "hostPath": {"path": "/"}}], "spec", "volumes"), 403, "restricted volume types"),
        (
            _without(*MAIN, "resources", "limits", "cpu"),
            403,
            "failed quota: penstock: must specify limits.cpu",
        ),
        (_set("high", "spec", "priorityClassName"), 403, "no PriorityClass with name high was found"),
        (_set("nobody", "spec", "serviceAccountName"), 403, 'serviceaccount "nobody" not found'),
    ],
)
def test_what_a_real_server_refuses_it_refuses(
    strict: client.ApiClient, act: Callable[[Document], None], code: int, said: str
) -> None:
    """Sent as it is: the official client would not send some of it."""
    wanted = pod("a")
    act(wanted)
    place = f"/api/v1/namespaces/{SPACE}/pods"
    request = strict.param_serialize("POST", place, body=wanted, auth_settings=["BearerToken"])
    answered = strict.call_api(*request)
    answer = json.loads(answered.read())
    assert (answered.status, answer["kind"], answer["code"]) == (code, "Status", code)
    assert said in answer["message"]


def test_names_quota_and_rights_are_kept(core: client.CoreV1Api, double: KubeDouble, tmp_path: Path) -> None:
    for name in "abc":
        core.create_namespaced_pod(SPACE, pod(name, "1"))
    with pytest.raises(ApiException, match="AlreadyExists"):
        core.create_namespaced_pod(SPACE, pod("a", "1"))
    with pytest.raises(ApiException) as full:
        core.create_namespaced_pod(SPACE, pod("d", "1"))
    text = 'pods \\"d\\" is forbidden: exceeded quota: penstock, requested: pods=1, used: pods=3, limited: pods=3'
    assert (full.value.status, text in full.value.body) == (403, True)
    with pytest.raises(ApiException, match="cannot list resource"):
        core.list_namespaced_secret(SPACE)
    with pytest.raises(ApiException, match="Unauthorized"):
        official(double, tmp_path, "stranger").list_namespaced_pod(SPACE)
    with pytest.raises(ApiException, match="Precondition failed"):
        core.delete_namespaced_pod("a", SPACE, body=client.V1DeleteOptions(preconditions={"uid": "other"}))


def test_what_no_object_owns_is_collected_and_what_finds_no_room_waits(
    core: client.CoreV1Api, double: KubeDouble
) -> None:
    owner = core.create_namespaced_pod(SPACE, pod("a", "8"))
    named = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": owner.metadata.uid}
    secret = {"metadata": {"name": "s", "ownerReferences": [named]}, "stringData": {"k": "v"}}
    core.create_namespaced_secret(SPACE, {"apiVersion": "v1", "kind": "Secret", **secret})
    core.create_namespaced_pod(SPACE, pod("b", "1"))
    found = wait_for(lambda: core.read_namespaced_pod("b", SPACE).status.conditions, "a word about the pod")
    assert (found[0].reason, phase(core, "b")) == ("Unschedulable", "Pending")
    assert "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint" in found[0].message
    core.delete_namespaced_pod("a", SPACE, grace_period_seconds=0)
    wait_for(lambda: not double.store.all("secrets"), "the secret to be collected")
    wait_for(lambda: phase(core, "b") == "Running", "the other to have its place")


def test_kubectl_creates_watches_and_deletes(double: KubeDouble, tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed, and no part of the set-up: Debian's kubernetes-client has one")
    words = [
        "kubectl",
        "--kubeconfig",
        str(double.kubeconfig(tmp_path / "config")),
        "--cache-dir",
        str(tmp_path),
    ]

    def run(*more: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*words, *more], input=text, capture_output=True, text=True, timeout=60, check=False
        )

    seen = subprocess.Popen(
        [*words, "get", "pods", "-w", "--output-watch-events", "-o", "name"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        made = run("create", "--validate=false", "-f", "-", text=json.dumps(pod("a")))
        assert (made.returncode, made.stdout) == (0, "pod/a created\n"), made.stderr
        wait_for(lambda: double.store.get("pods", (SPACE, "a"))["status"]["phase"] == "Running", "it to run")
        again = run("create", "--validate=false", "-f", "-", text=json.dumps(pod("a")))
        assert 'pods "a" already exists' in again.stderr
        found = json.loads(run("get", "pods", "-l", "n=a", "-o", "json").stdout)["items"][0]
        assert found["spec"]["nodeName"] == "m0"
        assert run("logs", "a").returncode == 0
        gone = run("delete", "pod", "a", "--wait=true")
        assert (gone.returncode, gone.stdout.split()[:2]) == (0, ["pod", '"a"']), gone.stderr
        assert 'pods "a" not found' in run("get", "pod", "a").stderr
        double.cut()
        seen.terminate()
        told = seen.communicate(timeout=30)[0]
        assert told.count("pod/a") >= 2
    finally:
        seen.kill()
        seen.wait()
