"""Which repositories and refs may be named: an allow-list, checked before any program sees the text.

https and ssh for everybody; folders of this machine for its local user alone. Everything else that git would
take (transports such as `ext::`, which run commands; git:// and http://, which nobody vouches for) is refused.
"""

import re
from collections.abc import Collection
from typing import Literal

import msgspec

USER = r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.+-]*)@)?"
HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]+\])"
URL = re.compile(rf"(?P<kind>https|ssh)://{USER}{HOST}(?::(?P<port>[0-9]{{1,5}}))?/(?P<path>[^/\s-]\S*)")
SCP = re.compile(rf"(?P<user>[A-Za-z0-9_][A-Za-z0-9_.+-]*)@{HOST}:(?P<path>[^:\s-]\S*)")
TRANSPORT = re.compile(r"(?P<transport>[A-Za-z0-9+.-]+)::")
SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
PORTS = {"https": 443, "ssh": 22}
ALLOWED = "write https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH"
HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class NotAllowed(ValueError):
    """An address or a ref that is not taken: `what` is wrong, `instead` what to write."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(f"{what}; {instead}")
        self.what, self.instead = what, instead


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A repository's address, taken apart. `url` is what git is given; a folder has no host.

    `path`: behind the host, without the slash between; "~/..." counts from the home folder of `user`.
    """

    kind: Literal["https", "ssh", "folder"]
    url: str
    host: str = ""
    port: int = 0
    user: str = ""
    path: str = ""

    @property
    def place(self) -> str:
        """The host as farm.toml names it: lower case, and the port where it is not the protocol's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS.get(self.kind) else f":{self.port}"
        return f"{host.lower()}{port}"

    def among(self, hosts: Collection[str]) -> bool:
        """Whether hosts, written as `place`, name its own. Without a port an entry means the protocol's own one, and no
        other service of that host."""
        bare = self.place.removesuffix(f":{self.port}")
        return self.place in hosts or f"{bare}:{self.port}" in hosts

    @property
    def canonical(self) -> str:
        """The one way to write the address of a repository, to compare it by; "" for a folder.

        Host and port as in `place`, no `.git` and no slash at the end. Over https everybody reads the same, so the
        user is left out; over ssh the user decides whose account it is, and stays.
        """
        if self.kind == "folder":
            return ""
        user = f"{self.user}@" if self.kind == "ssh" and self.user else ""
        return f"{self.kind}://{user}{self.place}/{self.path.rstrip('/').removesuffix('.git')}"


def address_of(text: str) -> Address:
    """Take an address apart. Raises NotAllowed for what is on no list."""
    if not text or text.startswith("-"):
        raise NotAllowed(
            f"the repository {text!r} begins like an option" if text else "a repository without a name",
            ALLOWED,
        )
    if found := TRANSPORT.match(text):
        raise NotAllowed(f"the protocol {found['transport']!r} of {text!r} is not allowed", ALLOWED)
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
        raise NotAllowed(f"the repository {text!r} holds a control character", ALLOWED)
    if text.startswith("file://"):
        return _folder(text, text.removeprefix("file://"))
    if found := SCHEME.match(text):
        return _remote(text, found["scheme"])
    if found := SCP.fullmatch(text):
        path = found["path"].removeprefix("/") if found["path"].startswith("/") else f"~/{found['path']}"
        return Address(
            kind="ssh", url=text, host=found["host"].strip("[]"), port=22, user=found["user"], path=path
        )
    if ":" in text.split("/", 1)[0]:
        raise NotAllowed(f"the repository {text!r} is neither a URL nor a folder", ALLOWED)
    return Address(kind="folder", url=text)


def _folder(text: str, path: str) -> Address:
    if not path.startswith("/"):
        raise NotAllowed(f"the repository {text!r} names another machine's folder", "write file:///FOLDER")
    return Address(kind="folder", url=path)


def _remote(text: str, scheme: str) -> Address:
    if scheme not in PORTS:
        raise NotAllowed(f"the protocol {scheme!r} of {text!r} is not allowed", ALLOWED)
    if "@" in text and ":" in text.split("://", 1)[1].split("@", 1)[0]:
        raise NotAllowed(
            f"the address of {text.rsplit('@', 1)[1]!r} holds a password", "keep it out of the address"
        )
    found = URL.fullmatch(text)
    if not found:
        raise NotAllowed(f"the repository {text!r} is not a complete address", ALLOWED)
    kind: Literal["https", "ssh"] = "https" if scheme == "https" else "ssh"
    return Address(
        kind=kind,
        url=text,
        host=found["host"].strip("[]"),
        port=int(found["port"] or PORTS[kind]),
        user=found["user"] or "",
        path=found["path"],
    )


def check_ref(ref: str) -> str:
    """A ref as it is, or NotAllowed: never anything that a program could take for an option or a path."""
    if ref.startswith("-"):
        raise NotAllowed(f"the ref {ref!r} begins with '-'", "write a branch, a tag or a commit")
    if (
        not ref
        or len(ref) > 250
        or any(sign.isspace() or not sign.isprintable() or sign == ":" for sign in ref)
    ):
        raise NotAllowed(f"the ref {ref!r} is not one", "write a branch, a tag or a commit")
    return ref


def check_path(path: str) -> str:
    """A folder inside a repository, without its trailing slash, "." for the whole; else NotAllowed."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts:
        raise NotAllowed(
            f"the path {path!r} leads out of the repository", "write a folder inside it, such as lib/png"
        )
    if not path or any(not sign.isprintable() for sign in path) or ".git" in (part.lower() for part in parts):
        raise NotAllowed(f"the path {path!r} is no folder of a repository", "write a folder inside it, or .")
    return "/".join(parts) or "."
