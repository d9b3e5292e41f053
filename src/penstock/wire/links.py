"""Does a symbolic link lead out of its tree? Decided by walking it through all links of the tree, not by its text.

`a/up -> ../..` and `b -> a/up/x` are each harmless to look at; only together they may leave.
"""

from __future__ import annotations

from collections.abc import Mapping

_HOPS_MAX = 40
"""As many as Linux follows; a longer chain leads nowhere."""


def escaping(links: Mapping[bytes, bytes], absolute: Mapping[bytes, bytes]) -> bytes | None:
    """The first link that leads out of the tree, or None.

    `links`: path in the tree -> target. `absolute`: places that the tree will have, such as b"/opt/penstock" ->
    b"" for an installed tree; an absolute target is accepted only below one of them.
    """
    for path in sorted(links):
        if _leaves(path, links, absolute):
            return path
    return None


def _leaves(path: bytes, links: Mapping[bytes, bytes], absolute: Mapping[bytes, bytes]) -> bool:
    here = path.split(b"/")
    rest = [here.pop()]
    hops = 0
    while rest:
        part = rest.pop()
        if part in (b"", b"."):
            continue
        if part == b"..":
            if not here:
                return True
            here.pop()
            continue
        target = links.get(b"/".join([*here, part]))
        if target is None:
            here.append(part)
            continue
        hops += 1
        if hops > _HOPS_MAX:
            return False
        if target.startswith(b"/"):
            inside = _inside(target, absolute)
            if inside is None:
                return True
            here, target = [], inside
        rest.extend(reversed(target.split(b"/")))
    return False


def _inside(target: bytes, absolute: Mapping[bytes, bytes]) -> bytes | None:
    """Where in the tree an absolute target lies; the longest place wins."""
    for place in sorted(absolute, key=len, reverse=True):
        if target == place or target.startswith(place + b"/"):
            return absolute[place] + target[len(place) :]
    return None
