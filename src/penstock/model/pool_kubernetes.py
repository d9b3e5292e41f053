"""What a pool of provider "kubernetes" says of its pods (`[pool.kubernetes]` in farm.toml)."""

from typing import Literal

import msgspec


class Toleration(msgspec.Struct, frozen=True, kw_only=True):
    """A taint that pods put up with, as Kubernetes has it; an empty `key` or `effect` stands for any."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: str = ""


class Kubernetes(msgspec.Struct, frozen=True, kw_only=True):
    """`image`: the container image that agents run in. `space`: the cluster's namespace for them. `selector`: labels that the
    cluster's machines must have.

    `kubeconfig`: a file, "" = as kubectl finds it, inside a cluster the pod's own account; `context`: of that file.
    `request_cores_milli`: what the scheduler is asked for where that is less than the pool's cores, in thousandths.
    `disk_mb`: of each pod. `deadline_ms`: no pod lasts longer, 0 = no limit. `grace_ms`: between the word that a pod ends
    and its end. `when_full`: "wait" for the cluster to add a node, or "refuse": a pod that finds no room is taken back.
    """

    image: str
    space: str = "penstock"
    kubeconfig: str = ""
    context: str = ""
    request_cores_milli: int | None = None
    disk_mb: int = 10_240
    selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()
    priority_class: str = ""
    service_account: str = ""
    pull_secret: str = ""
    deadline_ms: int = 86_400_000
    grace_ms: int = 30_000
    when_full: Literal["wait", "refuse"] = "wait"
