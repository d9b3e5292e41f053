"""The objects that are sent: a pod in which an agent runs, and the secret that it enrols with.

The pod is what the Pod Security level "restricted" allows: no root, no capabilities, no host, a read-only root. Its
account has no token. Requests are limits, so that it is the last to be evicted.
"""

import hashlib
import inspect
import re
from typing import Any

import msgspec

from penstock.model.pool_kubernetes import Kubernetes
from penstock.model.rented import Order
from penstock.model.rules import Pool
from penstock.providers.kubernetes import start
from penstock.providers.starting import agent_words

WORK = "/var/lib/penstock"
"""Where the pod's agent is and works."""
TOKEN = "/run/penstock"
"""Where its secret lies."""
USER = 1000
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
"""What may be the value of a label."""
_START = inspect.getsource(start)


def about(pool: Pool) -> Kubernetes:
    """What the pool says of its pods. `penstock check` demands it, but of farms that are only simulated."""
    return pool.kubernetes or Kubernetes(image="")


def name(pool: Pool, token: str) -> str:
    """The pod's name, the same for the same token."""
    pool_part = re.sub("[^a-z0-9]+", "-", pool.name.lower())[:32].strip("-")
    return f"{pool_part or 'agent'}-{hashlib.sha256(token.encode()).hexdigest()[:20]}"


def label(value: str) -> str:
    """A tag as a label can carry it: itself, or a digest of it."""
    if _VALUE.fullmatch(value):
        return value
    return "sha256-" + hashlib.sha256(value.encode()).hexdigest()[:40]


def pod(pool: Pool, order: Order) -> dict[str, Any]:
    """The pod of an order."""
    own = about(pool)
    metadata = {
        "name": name(pool, order.token),
        "namespace": own.space,
        "labels": {
            "app.kubernetes.io/name": "penstock-agent",
            "app.kubernetes.io/managed-by": "penstock",
            **{key: label(value) for key, value in order.tags.items()},
        },
        # Whoever packs pods onto fewer nodes must not move one in which a job runs.
        "annotations": {
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
            "karpenter.sh/do-not-disrupt": "true",
            **order.tags,
        },
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _spec(pool, order)}


def _spec(pool: Pool, order: Order) -> dict[str, Any]:
    own = about(pool)
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": max(1, own.grace_ms // 1000),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(pool, order)],
        "volumes": [
            *({"name": one, "emptyDir": {"sizeLimit": f"{own.disk_mb}Mi"}} for one, _ in _FOLDERS),
            {"name": "token", "secret": {"secretName": name(pool, order.token), "defaultMode": 0o440}},
        ],
    }
    return spec | _chosen(own)


_FOLDERS = (("work", WORK), ("tmp", "/tmp"), ("var-tmp", "/var/tmp"))
"""All that can be written to; plain attempts work below /var/tmp."""


def _chosen(own: Kubernetes) -> dict[str, Any]:
    """What the pool asks for by itself."""
    tolerations = [
        {key: value for key, value in msgspec.structs.asdict(one).items() if value} for one in own.tolerations
    ]
    found = {
        "nodeSelector": own.selector,
        "tolerations": tolerations,
        "priorityClassName": own.priority_class,
        "serviceAccountName": own.service_account,
        "imagePullSecrets": [{"name": own.pull_secret}] if own.pull_secret else [],
        "activeDeadlineSeconds": own.deadline_ms // 1000,
    }
    return {key: value for key, value in found.items() if value}


def _container(pool: Pool, order: Order) -> dict[str, Any]:
    words = agent_words(pool, order, f"{TOKEN}/token", f"{WORK}/agent")
    # The container is the sandbox: what bubblewrap needs is what "restricted" forbids.
    words.append("--no-sandbox")
    if "--power-off-after" in words:
        words += ["--power-off-command", f"{WORK}/power-off"]
    return {
        "name": "agent",
        "image": about(pool).image,
        "command": ["python3", "-c", _START, WORK, order.hub, *words],
        "env": [{"name": "HOME", "value": WORK}],
        "resources": _resources(pool),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            *({"name": one, "mountPath": place} for one, place in _FOLDERS),
            {"name": "token", "mountPath": TOKEN, "readOnly": True},
        ],
    }


def _resources(pool: Pool) -> dict[str, dict[str, str]]:
    own, size = about(pool), pool.size
    assert size is not None
    limits = {"cpu": str(size.cores), "ephemeral-storage": f"{own.disk_mb}Mi"}
    if size.memory_mb is not None:
        limits["memory"] = f"{size.memory_mb}Mi"
    requests = dict(limits)
    if own.request_cores_milli:
        requests["cpu"] = f"{own.request_cores_milli}m"
    return {"requests": requests, "limits": limits}


def secret(pod_name: str, pod_uid: str, space: str, text: str) -> dict[str, Any]:
    """What the pod's agent enrols with. It belongs to the pod: the cluster removes it when the pod is no more."""
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod_name, "uid": pod_uid}
    metadata = {"name": pod_name, "namespace": space, "ownerReferences": [owner]}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "immutable": True,
        "stringData": {"token": text},
    }
