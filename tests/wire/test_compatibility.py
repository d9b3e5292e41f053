"""Hub and agents may be one release apart: what the release before says is understood, and what it reads is still there.

`recorded/RELEASE.json` holds messages as that release wrote them, `RELEASE-fields.json` the fields that it knew and
those that it insisted on. They are never changed; a release adds files of its own.
"""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.agent.loop import Loop
from penstock.wire import messages

RECORDED = Path(__file__).with_name("recorded")
RELEASES = sorted(path.stem for path in RECORDED.glob("*.json") if not path.stem.endswith("-fields"))
SAID = {release: json.loads((RECORDED / f"{release}.json").read_text()) for release in RELEASES}
KNOWN = {release: json.loads((RECORDED / f"{release}-fields.json").read_text()) for release in RELEASES}
SAMPLES = [
    (release, kind, n)
    for release in RELEASES
    for kind, all_ in SAID[release].items()
    for n in range(len(all_))
]

NEW = {
    "Register": {"name": "m", "key": "ab" * 32, "slots": 2, "version": "9"},
    "Poll": {
        "call": 3,
        "free_slots": [1],
        "holds": [{"attempt": "a", "fence": "f", "state": "finishing"}],
        "finish": [
            {
                "attempt": "a",
                "fence": "f",
                "result": "passed",
                "log": base64.b64encode(b"+ true\n").decode(),
                "log_offset": 0,
                "log_bytes": 7,
            }
        ],
        "trouble": [{"host": "mirror.example.org", "what": "unreachable", "count": 3}],
    },
    "Registered": {
        "protocol": 1,
        "machine": "m",
        "session": "s",
        "token": "t",
        "contact_s": 90.0,
        "right_s": 1200.0,
        "poll_s": 30.0,
        "finish_log_bytes": 16384,
        "release": "9",
        "agent_file": "/agent.pyz",
        "address": "https://b",
    },
    "Polled": {
        "address": "https://b",
        "offers": [
            {
                "attempt": "a",
                "fence": "f",
                "job": "j",
                "build": "b",
                "n": 1,
                "slot": 0,
                "kind": "test",
                "module": "m",
                "platform": "p",
                "commands": ["true"],
                "source_key": "sha256:" + "1" * 64,
                "git": {"url": "https://example.org/x", "commit": "a" * 40, "tree": "b" * 40},
            }
        ],
    },
}
"""What this release says, with all that is new in it."""


@pytest.mark.parametrize(("release", "kind", "number"), SAMPLES)
def test_what_an_older_release_says_is_understood(release: str, kind: str, number: int) -> None:
    said = SAID[release][kind][number]
    heard = msgspec.convert(said, getattr(messages, kind))
    again = json.loads(msgspec.json.encode(heard))
    # All that it said is heard as it was meant; what it did not know has a default.
    assert _within(said, again)


def _within(less: Any, more: Any) -> bool:
    if isinstance(less, dict):
        return all(key in more and _within(value, more[key]) for key, value in less.items())
    if isinstance(less, list):
        return len(less) == len(more) and all(map(_within, less, more))
    return bool(less == more)


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_that_an_older_release_reads_is_gone_or_needed_anew(release: str) -> None:
    for kind, names in KNOWN[release]["fields"].items():
        now = {field.name: field.required for field in msgspec.structs.fields(getattr(messages, kind))}
        assert set(names) <= set(now), kind
        assert {name for name, required in now.items() if required} <= set(
            KNOWN[release]["required"][kind]
        ), kind


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", NEW)
def test_an_older_release_understands_what_is_said_now(release: str, kind: str) -> None:
    """It ignores what it does not know and insists on what it did then."""
    known = KNOWN[release]["fields"][kind]
    heard = {name: value for name, value in NEW[kind].items() if name in known}
    assert set(KNOWN[release]["required"][kind]) <= set(heard)
    msgspec.convert(NEW[kind], getattr(messages, kind))


@pytest.mark.parametrize("kind", NEW)
def test_what_comes_after_this_release_is_ignored(kind: str) -> None:
    said = {**NEW[kind], "not_yet_invented": {"a": [1]}}
    assert msgspec.convert(said, getattr(messages, kind)) == msgspec.convert(
        NEW[kind], getattr(messages, kind)
    )


@pytest.mark.parametrize("release", RELEASES)
def test_the_agent_learns_from_an_older_hub(release: str) -> None:
    """Its own code reads plain JSON: nothing that is new may be taken for granted."""
    loop = Loop.__new__(Loop)
    obeyed: list[Any] = []
    loop._draining = False
    loop._finishes = type("None_", (), {"forget": lambda self, name: obeyed.append(name)})()  # type: ignore[assignment]
    loop._confirmed = obeyed.append  # type: ignore[method-assign, assignment]
    loop._obey = obeyed.append  # type: ignore[method-assign, assignment]
    loop._take = obeyed.append  # type: ignore[method-assign, assignment]
    for answer in SAID[release]["Polled"]:
        loop._learn(answer)
        loop._follow(answer)
    assert loop._draining
    assert obeyed[-1]["attempt"] == "a"
