"""Objects of a cluster as its API server keeps them: versions, a history that can be watched, selectors, pages.

Part of the double of a Kubernetes API server (kubedouble.py). Answers and refusals have the words of the real one, as far as
its documentation and its clients fix them.
"""

import base64
import binascii
import copy
import datetime
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

Document = dict[str, Any]
Key = tuple[str, str]
KINDS = {
    "pods": "Pod",
    "secrets": "Secret",
    "namespaces": "Namespace",
    "nodes": "Node",
    "resourcequotas": "ResourceQuota",
    "serviceaccounts": "ServiceAccount",
    "priorityclasses": "PriorityClass",
}
FIELDS = ("metadata.name", "metadata.namespace")
FIELDS_OF = {
    "pods": (*FIELDS, "status.phase", "spec.nodeName"),
    "namespaces": (*FIELDS, "status.phase"),
    "secrets": (*FIELDS, "type"),
}
"""What can be selected by, of everything and of some; of the rest the server says that it is not supported."""


class Status(Exception):
    """A refusal."""

    def __init__(self, code: int, reason: str, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.retry_after_s = code, reason, message, retry_after_s

    def document(self) -> Document:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def key_of(thing: Document) -> Key:
    return thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


class Selection:
    """Label and field selectors of a call for objects of one resource."""

    def __init__(self, labels: str = "", fields: str = "", resource: str = "pods") -> None:
        self._known = FIELDS_OF.get(resource, FIELDS)
        self._labels = [self._label(one) for one in re.split(r",(?![^(]*\))", labels) if one]
        self._fields = [self._field(one) for one in fields.split(",") if one]

    def takes(self, thing: Document) -> bool:
        labels = thing["metadata"].get("labels", {})
        return all(test(labels) for test in self._labels) and all(test(thing) for test in self._fields)

    @staticmethod
    def _label(text: str) -> Callable[[Document], bool]:
        name = r"([-A-Za-z0-9_./]+)"
        if found := re.fullmatch(name, text):
            return lambda labels: found[1] in labels
        if found := re.fullmatch("!" + name, text):
            return lambda labels: found[1] not in labels
        if found := re.fullmatch(name + r"\s*(==|=|!=)\s*([-A-Za-z0-9_.]*)", text):
            return lambda labels: (labels.get(found[1]) == found[3]) is (found[2] != "!=")
        if found := re.fullmatch(name + r"\s+(in|notin)\s+\(([^)]*)\)", text):
            values = [one.strip() for one in found[3].split(",")]
            return lambda labels: (labels.get(found[1]) in values) is (found[2] == "in")
        raise Status(400, "BadRequest", f'unable to parse requirement: found "{text}"')

    def _field(self, text: str) -> Callable[[Document], bool]:
        found = re.fullmatch(r"([A-Za-z.]+)(==|=|!=)(.*)", text)
        if not found or found[1] not in self._known:
            raise Status(400, "BadRequest", f"field label not supported: {text}")

        def test(thing: Document) -> bool:
            value: Any = thing
            for part in found[1].split("."):
                value = value.get(part, "") if isinstance(value, dict) else ""
            return (value != found[3]) if found[2] == "!=" else (value == found[3])

        return test


class Store:
    """All objects. `changed` is notified of each write."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.version = 100
        self.oldest = 100
        self._things: dict[str, dict[Key, Document]] = {kind: {} for kind in KINDS}
        self._history: list[tuple[int, str, str, Document, Document | None]] = []
        self.pages_expired = 0

    # Writing -----------------------------------------------------------------------------------------------------

    def add(self, resource: str, thing: Document) -> Document:
        with self.lock:
            kept = copy.deepcopy(thing)
            about = kept["metadata"]
            if key_of(kept) in self._things[resource]:
                being = ""
                if "deletionTimestamp" in self._things[resource][key_of(kept)]["metadata"]:
                    being = "object is being deleted: "
                raise Status(409, "AlreadyExists", f'{being}{resource} "{about["name"]}" already exists')
            about["uid"] = str(uuid.uuid4())
            about["creationTimestamp"] = now()
            return self._write(resource, "ADDED", kept, None)

    def change(self, resource: str, key: Key, act: Callable[[Document], None]) -> Document:
        """Do this to an object that is there."""
        with self.lock:
            before = self.get(resource, key)
            after = copy.deepcopy(before)
            act(after)
            return before if after == before else self._write(resource, "MODIFIED", after, before)

    def replace(self, resource: str, thing: Document) -> Document:
        """A PUT: the version that it names must be the one that is there."""
        with self.lock:
            before = self.get(resource, key_of(thing))
            named = thing["metadata"].get("resourceVersion")
            if named and named != before["metadata"]["resourceVersion"]:
                raise Status(
                    409,
                    "Conflict",
                    f'Operation cannot be fulfilled on {resource} "{key_of(thing)[1]}": the object has been'
                    " modified; please apply your changes to the latest version and try again",
                )
            return self._write(resource, "MODIFIED", copy.deepcopy(thing), before)

    def remove(self, resource: str, key: Key) -> Document:
        with self.lock:
            last = self._things[resource].pop(key)
            return self._write(resource, "DELETED", copy.deepcopy(last), last)

    def _write(self, resource: str, kind: str, thing: Document, before: Document | None) -> Document:
        self.version += 1
        thing["metadata"]["resourceVersion"] = str(self.version)
        if kind != "DELETED":
            self._things[resource][key_of(thing)] = thing
        self._history.append((self.version, resource, kind, thing, before))
        self.changed.notify_all()
        return copy.deepcopy(thing)

    def compact(self) -> None:
        """Forget the history: watches and pages that began before cannot go on."""
        with self.lock:
            self.version += 1
            self.oldest = self.version
            self._history = []
            self.changed.notify_all()

    # Reading -----------------------------------------------------------------------------------------------------

    def get(self, resource: str, key: Key) -> Document:
        with self.lock:
            found = self._things[resource].get(key)
            if found is None:
                raise Status(404, "NotFound", f'{resource} "{key[1]}" not found')
            return copy.deepcopy(found)

    def has(self, resource: str, key: Key) -> bool:
        with self.lock:
            return key in self._things[resource]

    def all(self, resource: str, space: str = "") -> list[Document]:
        with self.lock:
            found = self._things[resource].items()
            return [copy.deepcopy(one) for key, one in sorted(found) if space in ("", key[0])]

    def page(
        self, resource: str, space: str, select: Selection, limit: int, token: str, no_more: bool = False
    ) -> Document:
        """A list. `no_more`: it ends after an empty part, whose continuation expires, as after a compaction."""
        with self.lock:
            start, version = self._opened(token) if token else (("", ""), self.version)
            if version < self.oldest:
                self.pages_expired += 1
                raise Status(
                    410,
                    "Expired",
                    "The provided continue parameter is too old to display a consistent list result.",
                )
            found = [one for one in self.all(resource, space) if select.takes(one) and key_of(one) > start]
            taken = [] if no_more else found[:limit] if limit else found
            about: Document = {"resourceVersion": str(version)}
            if no_more or len(taken) < len(found):
                end = key_of(taken[-1]) if taken else start
                about["continue"] = self._closed(end, 0 if no_more else version)
                if not no_more:
                    about["remainingItemCount"] = len(found) - len(taken)
            for one in taken:  # entries of a list do not say what they are
                one.pop("kind", None), one.pop("apiVersion", None)
            return {"kind": f"{KINDS[resource]}List", "apiVersion": "v1", "metadata": about, "items": taken}

    @staticmethod
    def _closed(end: Key, version: int) -> str:
        return base64.urlsafe_b64encode(json.dumps([*end, version]).encode()).decode()

    @staticmethod
    def _opened(token: str) -> tuple[Key, int]:
        try:
            space, name, version = json.loads(base64.urlsafe_b64decode(token))
        except (ValueError, binascii.Error):
            raise Status(400, "BadRequest", "continue key is not valid") from None
        return (space, name), version

    def events(
        self, resource: str, space: str, select: Selection, version: str, lasts_s: float, bookmarks: bool
    ) -> Iterator[Document | None]:
        """What a watch tells; None now and then, so that a connection that is gone is noticed."""
        until_s = time.monotonic() + lasts_s
        with self.lock:
            at = int(version or 0)
            if at > self.version:
                raise Status(504, "Timeout", "Too large resource version")
            there = self.all(resource, space) if not at else []
            at = at or self.version
        for one in there:
            if select.takes(one):
                yield {"type": "ADDED", "object": one}
        while time.monotonic() < until_s:
            with self.lock:
                if at < self.oldest:
                    wrong = Status(410, "Expired", f"too old resource version: {at} ({self.oldest})")
                    yield {"type": "ERROR", "object": wrong.document()}
                    return
                fresh = [one for one in self._history if one[0] > at]
                if not fresh:
                    self.changed.wait(min(0.25, max(0.0, until_s - time.monotonic())))
            at = fresh[-1][0] if fresh else at
            for event in (self._told(one, resource, space, select) for one in fresh):
                if event:
                    yield event
            if fresh and bookmarks:
                about = {
                    "kind": KINDS[resource],
                    "apiVersion": "v1",
                    "metadata": {"resourceVersion": str(at)},
                }
                yield {"type": "BOOKMARK", "object": about}
            yield None

    @staticmethod
    def _told(
        event: tuple[int, str, str, Document, Document | None], resource: str, space: str, select: Selection
    ) -> Document | None:
        """One event for who selects: what begins or ceases to match is added or deleted."""
        _, of, kind, thing, before = event
        if of != resource or space not in ("", thing["metadata"].get("namespace", "")):
            return None
        is_now, was = select.takes(thing), before is not None and select.takes(before)
        if kind == "MODIFIED":
            kind = "MODIFIED" if was and is_now else "ADDED" if is_now else "DELETED"
        if not is_now and not was:
            return None
        return {"type": kind, "object": copy.deepcopy(thing)}
