"""What stands behind the API of the double: a scheduler, machines that run pods, and who collects what nobody owns.

Pods either count as running at once, or their containers really run, as processes of this machine with the pod's command,
environment and volumes. A container's end is the end of all that it started.
"""

import base64
import contextlib
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from real.kubedouble import KubeDouble
from real.kubedouble_calls import set_condition
from real.kubedouble_rules import amount
from real.kubedouble_store import Document, Key, key_of, now
from real.processes import Process

TICK_S = 0.05


@dataclass
class Machine:
    """One machine of the cluster: what pods may ask for, its labels, its taints as (key, value, effect)."""

    name: str
    cpu: str = "8"
    memory: str = "32Gi"
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[tuple[str, str, str], ...] = ()

    def refuses(self, pod: Document, others: list[Document]) -> str:
        """Why the pod cannot be here; "" where it can."""
        spec = pod["spec"]
        if any(self.labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
            return "node(s) didn't match Pod's node affinity/selector"
        for taint in self.taints:
            if not any(_tolerates(one, *taint) for one in spec.get("tolerations") or []):
                return f"node(s) had untolerated taint {{{taint[0]}: {taint[1]}}}"
        for what, most in (("cpu", self.cpu), ("memory", self.memory)):
            if _asked(pod, what) + sum(_asked(one, what) for one in others) > amount(most):
                return f"Insufficient {what}"
        return ""


def _tolerates(toleration: Document, key: str, value: str, effect: str) -> bool:
    if toleration.get("effect") not in (None, "", effect) or toleration.get("key") not in (None, "", key):
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == value


def _asked(pod: Document, what: str) -> Decimal:
    asked = [((one.get("resources") or {}).get("requests") or {}) for one in pod["spec"]["containers"]]
    return sum((amount(one.get(what, "0")) for one in asked), Decimal(0))


class Cluster:
    """Machines behind a double. `folder`: where containers run as processes; None = they count as running.

    `full`, `broken`: chance that the scheduler finds no room for a pod, and that its image cannot be fetched.
    """

    def __init__(self, double: KubeDouble, machines: list[Machine], folder: Path | None = None) -> None:
        self.double, self.machines, self._folder = double, machines, folder
        self.full = self.broken = 0.0
        self.halted = False
        self._fates: dict[str, tuple[bool, bool]] = {}
        self.running: dict[Key, Process] = {}
        self._began_s: dict[Key, float] = {}
        self._until_s: dict[Key, float] = {}
        self._ended = threading.Event()
        self.fault: BaseException | None = None
        double.log_of = self._log_of
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        for process in self.running.values():
            process.end()
        assert self.fault is None, self.fault

    def settled(self) -> bool:
        """Whether nothing is left to be done, as of now."""
        with self.double.store.lock:
            before = self.double.store.version
            self._step()
            return before == self.double.store.version

    # What happens to pods by others' hands --------------------------------------------------------------------------

    def starve(self, name: str, space: str = "penstock") -> None:
        """A machine runs out of memory: the pod is evicted by its kubelet, without grace."""

        def evict(pod: Document) -> None:
            _finish(pod, "Failed", 137)
            pod["status"] |= {"reason": "Evicted", "message": "The node was low on resource: memory."}
            set_condition(
                pod,
                "DisruptionTarget",
                "True",
                "TerminationByKubelet",
                "The node was low on resource: memory.",
            )

        self._kill((space, name))
        self.double.store.change("pods", (space, name), evict)

    def displace(self, name: str, space: str = "penstock") -> None:
        """A pod of higher priority needs its place."""

        def preempt(pod: Document) -> None:
            set_condition(
                pod, "DisruptionTarget", "True", "PreemptionByScheduler", "default-scheduler: preempting"
            )

        self.double.store.change("pods", (space, name), preempt)
        self.double.delete("pods", (space, name), {})

    # The loop -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        store = self.double.store
        try:
            while not self._ended.is_set():
                with store.lock:
                    before = store.version
                    self._step()
                    if before == store.version:
                        store.changed.wait(TICK_S)
        except BaseException as fault:
            self.fault = fault
            raise

    def _step(self) -> None:
        if self.halted:
            return
        pods = self.double.store.all("pods")
        for pod in pods:
            if self.double.store.has("pods", key_of(pod)):
                self._tend(pod)
        self._collect()

    def _tend(self, pod: Document) -> None:
        key, phase = key_of(pod), pod["status"]["phase"]
        if pod["metadata"].get("deletionTimestamp"):
            self._end(pod, key)
        elif phase == "Pending" and not pod["spec"].get("nodeName"):
            self._schedule(pod, key)
        elif phase == "Pending":
            self._begin(pod, key)
        elif phase == "Running":
            self._look_after(pod, key)

    def _fate(self, pod: Document) -> tuple[bool, bool]:
        """(no room, no image), drawn once for each pod."""
        uid = pod["metadata"]["uid"]
        if uid not in self._fates:
            faults = self.double.faults
            self._fates[uid] = faults.strikes(self.full), faults.strikes(self.broken)
        return self._fates[uid]

    def _schedule(self, pod: Document, key: Key) -> None:
        there = [
            one for one in self.double.store.all("pods") if one["status"]["phase"] in ("Pending", "Running")
        ]
        why: list[str] = []
        for machine in self.machines:
            others = [one for one in there if one["spec"].get("nodeName") == machine.name]
            refusal = "Insufficient cpu" if self._fate(pod)[0] else machine.refuses(pod, others)
            if not refusal:
                self.double.store.change("pods", key, lambda one, name=machine.name: _place(one, name))
                return
            why.append(refusal)
        said = ", ".join(f"{why.count(one)} {one}" for one in sorted(set(why)))
        message = f"0/{len(self.machines)} nodes are available: {said}. preemption: 0/{len(self.machines)} nodes are available"

        def no_room(one: Document) -> None:
            if not _has(one, "PodScheduled", "Unschedulable"):
                set_condition(one, "PodScheduled", "False", "Unschedulable", message)

        self.double.store.change("pods", key, no_room)

    def _begin(self, pod: Document, key: Key) -> None:
        secrets = [one["secret"]["secretName"] for one in pod["spec"].get("volumes") or [] if "secret" in one]
        change = self.double.store.change
        if self._fate(pod)[1]:
            change(
                "pods", key, lambda one: _wait(one, "ImagePullBackOff", "Back-off pulling image: not found")
            )
        elif not all(self.double.store.has("secrets", (key[0], name)) for name in secrets):
            change("pods", key, lambda one: _wait(one, "ContainerCreating", ""))
        else:
            if self._folder is not None:
                self.running[key] = self._start(self._folder / key[1], pod)
            self._began_s[key] = time.monotonic()
            change("pods", key, _up)

    def _look_after(self, pod: Document, key: Key) -> None:
        limit_s = pod["spec"].get("activeDeadlineSeconds")
        process = self.running.get(key)
        if limit_s and time.monotonic() - self._began_s[key] > limit_s:
            self._kill(key)

            def too_late(one: Document) -> None:
                _finish(one, "Failed", 137)
                text = "Pod was active on the node longer than the specified deadline"
                one["status"] |= {"reason": "DeadlineExceeded", "message": text}

            self.double.store.change("pods", key, too_late)
        elif process is not None and not process.lives:
            code = self._kill(key)
            self.double.store.change(
                "pods", key, lambda one: _finish(one, "Failed" if code else "Succeeded", code)
            )

    def _end(self, pod: Document, key: Key) -> None:
        """SIGTERM, then its grace, then SIGKILL; then it is gone."""
        process, about = self.running.get(key), pod["metadata"]
        if process is not None and process.lives:
            if key not in self._until_s:
                process.send(signal.SIGTERM)
                self._until_s[key] = time.monotonic() + about["deletionGracePeriodSeconds"]
            if time.monotonic() < self._until_s[key]:
                return
        self._kill(key)
        self.double.store.remove("pods", key)

    def _kill(self, key: Key) -> int:
        """All of a container. Returns its exit status."""
        process = self.running.pop(key, None)
        if process is None:
            return 137
        process.end()
        status = process.said.get("status")
        return 137 if status is None else status if status >= 0 else 128 - status

    def _collect(self) -> None:
        """Remove what belongs to objects that are not there any more."""
        store = self.double.store
        uids = {one["metadata"]["uid"] for one in store.all("pods")}
        for secret in store.all("secrets"):
            owners = secret["metadata"].get("ownerReferences") or []
            if owners and not any(one["uid"] in uids for one in owners):
                store.remove("secrets", key_of(secret))

    def _start(self, folder: Path, pod: Document) -> Process:
        """The pod's first container as a process; its folders are below `folder`."""
        container, places = pod["spec"]["containers"][0], {}
        volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
        for mount in container["volumeMounts"]:
            place = folder / mount["name"]
            place.mkdir(parents=True)
            places[mount["mountPath"]] = str(place)
            self._fill(place, volumes[mount["name"]], pod["metadata"]["namespace"])
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
        environment |= {one["name"]: one["value"] for one in container.get("env") or []}
        # The Python that runs this may lie below a path that the pod has for itself, such as /tmp.
        words = [*container["command"], *(container.get("args") or [])]
        told = [sys.executable if one == "python3" else _moved(one, places) for one in words]
        before = ["env", "-i", *(f"{name}={_moved(value, places)}" for name, value in environment.items())]
        return Process(folder, "container", [*before, *told])

    def _fill(self, place: Path, volume: Document, space: str) -> None:
        if "secret" not in volume:
            return
        secret = self.double.store.get("secrets", (space, volume["secret"]["secretName"]))
        for name, text in secret["data"].items():
            (place / name).write_bytes(base64.b64decode(text))
            (place / name).chmod(volume["secret"].get("defaultMode", 0o644))

    def _log_of(self, name: str) -> bytes:
        folder = (self._folder or Path("/nonexistent")) / name
        with contextlib.suppress(OSError):
            return (folder / "container.log").read_bytes()
        return b""


def _moved(word: str, places: dict[str, str]) -> str:
    """A word of the command with the container's paths as they are here."""
    for path in sorted(places, key=len, reverse=True):
        if word == path or word.startswith(path + "/"):
            return places[path] + word[len(path) :]
    return word


def _has(pod: Document, kind: str, reason: str) -> bool:
    return any(
        one["type"] == kind and one.get("reason") == reason for one in pod["status"].get("conditions", [])
    )


def _place(pod: Document, machine: str) -> None:
    pod["spec"]["nodeName"] = machine
    set_condition(pod, "PodScheduled", "True")


def _wait(pod: Document, reason: str, message: str) -> None:
    waiting = {"reason": reason, "message": message} if message else {"reason": reason}
    pod["status"]["containerStatuses"] = [_container(pod, {"waiting": waiting}, ready=False)]


def _up(pod: Document) -> None:
    pod["status"] |= {"phase": "Running", "startTime": now(), "podIP": "127.0.0.1"}
    pod["status"]["containerStatuses"] = [_container(pod, {"running": {"startedAt": now()}}, ready=True)]
    set_condition(pod, "Ready", "True")


def _finish(pod: Document, phase: str, code: int) -> None:
    reason = "Completed" if code == 0 else "Error"
    ended = {"exitCode": code, "reason": reason, "finishedAt": now()}
    pod["status"] |= {"phase": phase}
    pod["status"]["containerStatuses"] = [_container(pod, {"terminated": ended}, ready=False)]


def _container(pod: Document, state: Document, ready: bool) -> Document:
    one = pod["spec"]["containers"][0]
    return {
        "name": one["name"],
        "image": one["image"],
        "imageID": "",
        "restartCount": 0,
        "ready": ready,
        "state": state,
    }
