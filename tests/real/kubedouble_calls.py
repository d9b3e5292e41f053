"""What calls of the double's API do to objects: made, deleted with grace, evicted, each checked as the real server does."""

import base64
import time

from real import kubedouble_rules as rules
from real.kubedouble_store import KINDS, Document, Status, Store, now


class Calls:
    """The API without its wire."""

    def __init__(self) -> None:
        self.store = Store()

    def create(self, resource: str, space: str, thing: Document) -> Document:
        """Checked in the order of the real server: decoding, admission, validation, quota, storage."""
        rules.shaped(thing, KINDS[resource])
        if space and not self.store.has("namespaces", ("", space)):
            raise Status(404, "NotFound", f'namespaces "{space}" not found')
        about = thing.setdefault("metadata", {})
        if space and about.setdefault("namespace", space) != space:
            raise Status(
                400,
                "BadRequest",
                "the namespace of the provided object does not match the namespace sent on the request",
            )
        rules.meant(thing)
        if resource == "secrets":
            return self.store.add(resource, _secret(thing))
        if resource != "pods":
            return self.store.add(resource, thing)
        level = self.store.get("namespaces", ("", space))["metadata"].get("labels", {})
        rules.known(self.store, thing)
        if level.get("pod-security.kubernetes.io/enforce") == "restricted":
            rules.restricted(thing)
        rules.pod_meant(thing)
        with self.store.lock:
            if not self.store.has("pods", (space, about["name"])):
                rules.within_quota(self.store, thing)
            return self.store.add("pods", _pod(thing))

    def delete(self, resource: str, key: tuple[str, str], options: Document) -> Document:
        """At once, but for pods that run somewhere: those have their grace, which can only become shorter."""
        with self.store.lock:
            found = self.store.get(resource, key)
            wanted = (options.get("preconditions") or {}).get("uid")
            if wanted and wanted != found["metadata"]["uid"]:
                raise Status(
                    409,
                    "Conflict",
                    f'Operation cannot be fulfilled on {resource} "{key[1]}": Precondition failed: UID in precondition: {wanted},'
                    f" UID in object meta: {found['metadata']['uid']}",
                )
            grace_s = options.get("gracePeriodSeconds")
            if resource != "pods":
                self.store.remove(resource, key)
                return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
            if grace_s is None:
                grace_s = found["spec"]["terminationGracePeriodSeconds"]
            ended = found["status"]["phase"] in ("Succeeded", "Failed")
            if grace_s == 0 or ended or not found["spec"].get("nodeName"):
                return self.store.remove("pods", key)
            return self.store.change("pods", key, lambda pod: _doom(pod, grace_s))

    def evict(self, key: tuple[str, str], body: Document) -> Document:
        """What `kubectl drain` asks for."""
        rules.shaped(body, "Eviction")

        def displace(pod: Document) -> None:
            set_condition(pod, "DisruptionTarget", "True", "EvictionByEvictionAPI", "Eviction API: evicting")

        self.store.change("pods", key, displace)
        self.delete("pods", key, body.get("deleteOptions") or {})
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _secret(thing: Document) -> Document:
    kept = {key: value for key, value in thing.items() if key != "stringData"}
    data = {
        key: base64.b64encode(text.encode()).decode() for key, text in thing.get("stringData", {}).items()
    }
    return kept | {"data": {**thing.get("data", {}), **data}}


def _pod(thing: Document) -> Document:
    """With what the server adds by itself."""
    spec = {"terminationGracePeriodSeconds": 30, "serviceAccountName": "default", **thing["spec"]}
    return {**thing, "spec": spec, "status": {"phase": "Pending", "qosClass": "Burstable"}}


def _doom(pod: Document, grace_s: int) -> None:
    about = pod["metadata"]
    left_s = about.get("deletionGracePeriodSeconds")
    if left_s is not None and left_s <= grace_s:
        return
    about["deletionGracePeriodSeconds"] = grace_s
    at = time.gmtime(time.time() + grace_s)
    about["deletionTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", at)


def set_condition(pod: Document, kind: str, status: str, reason: str = "", message: str = "") -> None:
    """Set one condition."""
    old = [one for one in pod["status"].get("conditions", []) if one["type"] != kind]
    fresh = {"type": kind, "status": status, "lastTransitionTime": now()}
    fresh |= {key: value for key, value in (("reason", reason), ("message", message)) if value}
    pod["status"]["conditions"] = [*old, fresh]
