"""What a Kubernetes API server refuses of an object, before it keeps it: shape, meaning, Pod Security, quota.

Part of the double (kubedouble.py). Shapes are those of kubernetes-validate, strict. The words of refusals are those of the
real server.
"""

import re
from decimal import Decimal
from typing import Any

import kubernetes_validate
from real.kubedouble_store import Document, Status, Store

VERSION = "1.32"
DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
LABEL_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
UNITS = {
    "": 1,
    "m": Decimal("0.001"),
    "k": 1000,
    "M": 10**6,
    "G": 10**9,
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
}


def amount(text: Any) -> Decimal:
    """A quantity."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)", str(text))
    if not found or found[2] not in UNITS:
        raise Status(400, "BadRequest", f"quantities must match the regular expression: {text!r}")
    return Decimal(found[1]) * UNITS[found[2]]


def shaped(thing: Document, kind: str) -> None:
    """The object is of this kind and has no field that is unknown, of another type, or missing."""
    if thing.get("kind") != kind:
        raise Status(400, "BadRequest", f"the object provided is unrecognized (must be of type {kind})")
    try:
        kubernetes_validate.validate(thing, VERSION, strict=True)
    except kubernetes_validate.ValidationError as wrong:
        place = ".".join(map(str, wrong.path))
        raise Status(
            400, "BadRequest", f"strict decoding error: {place}: {wrong.message.splitlines()[0][:200]}"
        ) from wrong


def invalid(kind: str, name: str, field: str, what: str) -> Status:
    return Status(422, "Invalid", f'{kind} "{name}" is invalid: {field}: {what}')


def meant(thing: Document) -> None:
    """Names and labels are as they have to be."""
    kind, about = thing["kind"], thing["metadata"]
    name = about.get("name") or ""
    if not name:
        raise invalid(kind, "", "metadata.name", "Required value: name or generateName is required")
    if len(name) > 253 or not DNS_NAME.fullmatch(name):
        raise invalid(
            kind,
            name,
            "metadata.name",
            f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of',
        )
    for field in ("labels", "annotations"):
        for key, value in (about.get(field) or {}).items():
            prefix, _, last = key.rpartition("/")
            good = LABEL_NAME.fullmatch(last) and len(last) <= 63
            if not good or (prefix and (len(prefix) > 253 or not DNS_NAME.fullmatch(prefix))):
                raise invalid(
                    kind, name, f"metadata.{field}", f'Invalid value: "{key}": name part must consist of'
                )
            if field == "labels" and (len(value) > 63 or not LABEL_VALUE.fullmatch(value)):
                raise invalid(
                    kind, name, "metadata.labels", f'Invalid value: "{value}": must be no more than 63'
                )
    for owner in about.get("ownerReferences") or []:
        if not owner.get("uid"):
            raise invalid(kind, name, "metadata.ownerReferences.uid", "Required value: must not be empty")


def pod_meant(pod: Document) -> None:
    """A pod that could run."""
    name, spec = pod["metadata"]["name"], pod["spec"]

    def wrong(field: str, what: str) -> Status:
        return invalid("Pod", name, field, what)

    if not spec.get("containers"):
        raise wrong("spec.containers", "Required value")
    volumes = [one["name"] for one in spec.get("volumes") or []]
    if len(set(volumes)) < len(volumes) or not all(DNS_LABEL.fullmatch(one) for one in volumes):
        raise wrong("spec.volumes", "Duplicate value or no RFC 1123 label")
    for n, container in enumerate(spec["containers"]):
        place = f"spec.containers[{n}]"
        if not container.get("image"):
            raise wrong(f"{place}.image", "Required value")
        if not DNS_LABEL.fullmatch(container["name"]):
            raise wrong(f"{place}.name", f'Invalid value: "{container["name"]}"')
        mounts = container.get("volumeMounts") or []
        if len({one["mountPath"] for one in mounts}) < len(mounts):
            raise wrong(f"{place}.volumeMounts", "Invalid value: must be unique")
        for mount in mounts:
            if mount["name"] not in volumes:
                raise wrong(f"{place}.volumeMounts[0].name", f'Not found: "{mount["name"]}"')
        resources = container.get("resources") or {}
        for what, asked in (resources.get("requests") or {}).items():
            limit = (resources.get("limits") or {}).get(what)
            if limit is not None and amount(asked) > amount(limit):
                raise wrong(
                    f"{place}.resources.requests",
                    f'Invalid value: "{asked}": must be less than or equal to {what} limit of {limit}',
                )
    for n, one in enumerate(spec.get("tolerations") or []):
        if one.get("operator") == "Exists" and one.get("value"):
            raise wrong(
                f"spec.tolerations[{n}].operator",
                'Invalid value: value must be empty when `operator` is "Exists"',
            )
        if not one.get("key") and one.get("operator") != "Exists":
            raise wrong(
                f"spec.tolerations[{n}].operator",
                "Invalid value: operator must be Exists when `key` is empty",
            )
    limit_s = spec.get("activeDeadlineSeconds")
    if limit_s is not None and limit_s < 1:
        raise wrong(
            "spec.activeDeadlineSeconds", f"Invalid value: {limit_s}: must be between 1 and 2147483647"
        )


def restricted(pod: Document) -> None:
    """Pod Security, level restricted."""
    spec, found = pod["spec"], []
    whole = spec.get("securityContext") or {}
    for one in spec["containers"]:
        own, who = one.get("securityContext") or {}, f'container "{one["name"]}"'
        if own.get("allowPrivilegeEscalation") is not False:
            found.append(
                f"allowPrivilegeEscalation != false ({who} must set securityContext.allowPrivilegeEscalation=false)"
            )
        capabilities = own.get("capabilities") or {}
        if "ALL" not in (capabilities.get("drop") or []) or set(capabilities.get("add") or []) - {
            "NET_BIND_SERVICE"
        }:
            found.append(
                f'unrestricted capabilities ({who} must set securityContext.capabilities.drop=["ALL"])'
            )
        if own.get("runAsNonRoot", whole.get("runAsNonRoot")) is not True:
            found.append(f"runAsNonRoot != true (pod or {who} must set securityContext.runAsNonRoot=true)")
        if 0 in (own.get("runAsUser"), whole.get("runAsUser")):
            found.append(f"runAsUser=0 ({who} must not set runAsUser=0)")
        profile = own.get("seccompProfile") or whole.get("seccompProfile") or {}
        if profile.get("type") not in ("RuntimeDefault", "Localhost"):
            found.append(
                f'seccompProfile (pod or {who} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
            )
        if own.get("privileged"):
            found.append(f"privileged ({who} must not set securityContext.privileged=true)")
    for flag in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(flag):
            found.append(f"host namespaces ({flag}=true)")
    for volume in spec.get("volumes") or []:
        kinds = set(volume) - {"name"}
        if kinds - {
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "persistentVolumeClaim",
            "projected",
            "secret",
        }:
            found.append(f'restricted volume types (volume "{volume["name"]}" uses restricted volume type)')
    if found:
        raise Status(
            403,
            "Forbidden",
            f'pods "{pod["metadata"]["name"]}" is forbidden: violates PodSecurity "restricted:latest": {", ".join(found)}',
        )


def counts(pod: Document) -> bool:
    """Whether quota counts it: what has ended does not."""
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def used(pod: Document) -> dict[str, Decimal]:
    """What a pod takes, as quota names it."""
    found = {"pods": Decimal(1)}
    for container in pod["spec"]["containers"]:
        for part in ("requests", "limits"):
            for what, asked in ((container.get("resources") or {}).get(part) or {}).items():
                name = f"{part}.{what}"
                found[name] = found.get(name, Decimal(0)) + amount(asked)
    return found


def within_quota(store: Store, pod: Document) -> None:
    """Every quota of the namespace has room for one more."""
    name, space = pod["metadata"]["name"], pod["metadata"]["namespace"]
    wants = used(pod)
    there = [used(one) for one in store.all("pods", space) if counts(one)]
    for quota in store.all("resourcequotas", space):
        hard = {what: most for what, most in quota["spec"]["hard"].items() if what != "secrets"}
        missing = [what for what in hard if what not in wants]
        begin = f'pods "{name}" is forbidden: '
        if missing:
            raise Status(
                403,
                "Forbidden",
                f"{begin}failed quota: {quota['metadata']['name']}: must specify {','.join(missing)}",
            )
        in_use = {what: sum(one.get(what, Decimal(0)) for one in there) for what in hard}
        over = [what for what, most in hard.items() if in_use[what] + wants[what] > amount(most)]
        if over:
            said = [
                ",".join(f"{what}={values[what]}" for what in over)
                for values in (
                    {what: f"{wants[what]:f}" for what in over},
                    {what: f"{in_use[what]:f}" for what in over},
                    hard,
                )
            ]
            name_of = quota["metadata"]["name"]
            text = f"exceeded quota: {name_of}, requested: {said[0]}, used: {said[1]}, limited: {said[2]}"
            raise Status(403, "Forbidden", begin + text)


def known(store: Store, pod: Document) -> None:
    """What a pod names by name is there."""
    name, space, spec = pod["metadata"]["name"], pod["metadata"]["namespace"], pod["spec"]
    account = spec.get("serviceAccountName") or "default"
    begin = f'pods "{name}" is forbidden: '
    if account != "default" and not store.has("serviceaccounts", (space, account)):
        raise Status(
            403,
            "Forbidden",
            f'{begin}error looking up service account {space}/{account}: serviceaccount "{account}" not found',
        )
    priority = spec.get("priorityClassName")
    if priority and not store.has("priorityclasses", ("", priority)):
        raise Status(403, "Forbidden", f"{begin}no PriorityClass with name {priority} was found")
