"""A hostile job, and a hostile machine with a session of its own, against a real hub: neither reads another's things.

The machine is given all that it could not know: ids and fences of others' attempts, digests, paths. What it asks about its
own attempt is answered: so the refusals are about whose it is.
"""

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from real.gitserver import git
from real.hostile import VALUE, Farm, Stranger
from real.hubs import ending
from real.killing import gated, wait_for

from penstock.cli.place import find_place
from penstock.hub.fsck import fsck
from penstock.model.artifact import Module
from penstock.model.job import Attempt, Job
from penstock.ports import Tx
from penstock.wiring import assemble_reading

pytestmark = pytest.mark.needs("bwrap", "git")
MODULE = "  {}: {{platforms: [p], build: {}{}}}\n"
LIBRARY = MODULE.format("lib", '["mkdir -p $DESTDIR$PREFIX", "echo good > $DESTDIR$PREFIX/lib"]', "")
SHOWS = (
    'test "$(cat $SECRETS/KEY)" = ' + VALUE[:13] + '"-battery-staple"',
    "set -x; cp $SECRETS/KEY /tmp/copy; cat $SECRETS/KEY; base64 $SECRETS/KEY; set +x",
    "ls -l $SECRETS | tail -n 1; stat -f -c %T $SECRETS; touch $SECRETS/more || echo read-only",
    "mkdir -p $DESTDIR$PREFIX; touch $DESTDIR$PREFIX/signed",
)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    made = Farm(tmp_path_factory.mktemp("trust"))
    with ending(made.agents, made.hub), made.client:
        made.agent("own")
        yield made
        place = find_place(made.folder / "farm.toml", made.folder / "state")
        parts = assemble_reading(place.rules, place.folder)
        assert fsck(parts.hub) == []
        parts.close()


@pytest.fixture(scope="module")
def stranger(farm: Farm) -> Stranger:
    return Stranger(farm)


def test_a_machine_that_strangers_may_join_reads_and_writes_only_its_own(
    farm: Farm, stranger: Stranger
) -> None:
    farm.branch("main", LIBRARY)
    good = farm.job(farm.submit("main"))
    assert good.state == "PASSED", good.reason
    guarded = gated("gate", "mkdir -p $DESTDIR$PREFIX", "cat $SECRETS/KEY")
    farm.branch("main", MODULE.format("app", guarded, ", secrets: [KEY]"))
    other = farm.attempt(farm.submit("main"))
    farm.branch("strange", MODULE.format("odd", "[make]", ""))
    build = farm.submit("strange")
    own = stranger.started()

    told = stranger.about(other.id, other.fence, good.output)
    assert {name: status for name, status in told.items() if status not in (404, 409)} == {}
    people = [
        f"log/{good.id}",
        f"outputs/{good.id}",
        f"outputs/{good.id}/tree",
        f"explain/{good.id}",
        "jobs",
        "builds",
        "events/page",
        "tokens",
    ]
    for token in (stranger.token, stranger.credential):
        answers = {path: stranger.call("GET", path, token=token).status_code for path in people}
        assert answers == dict.fromkeys(people, 401)
    assert stranger.call("POST", "agent/poll", token=stranger.credential, json={"call": 1}).status_code == 401

    mine = stranger.about(own["attempt"], own["fence"], good.output)
    assert (mine.pop("input"), mine.pop("secret")) == (404, 404), "neither input nor secret of this one"
    assert (mine.pop("ticket"), mine.pop("received")) == (404, 404), "a folder gives no tickets"
    assert mine == dict.fromkeys(mine, 200)
    assert farm.job(build).state == "FAILED"

    farm.agents[0].let_through()
    ended = farm.job(other.build)
    assert ended.state == "PASSED", ended.reason
    log = farm.log(ended.id)
    assert "forged" not in log
    assert VALUE not in log


def test_what_a_stranger_built_under_a_key_is_never_what_trusted_jobs_read(
    farm: Farm, stranger: Stranger
) -> None:
    """The same commit, so the same key: first built by the stranger, with something else in it."""
    farm.branch("strange", LIBRARY.replace("good", "same"))
    git(farm.repository, "branch", "--force", "kept", "strange")
    poisoned = farm.submit("strange")
    own = stranger.started()
    path, header = f"agent/attempts/{own['attempt']}", {"X-Penstock-Fence": own["fence"]}
    named = {"attempt": own["attempt"], "fence": own["fence"]}
    sent = stranger.call("PUT", f"{path}/outputs/tree", headers=header, content=b"poison").json()
    passed = {**named, "result": "passed", "exit_code": 0, "outputs": [sent]}
    assert stranger.call("POST", f"{path}/finish", json=passed).status_code == 200
    first = farm.job(poisoned)
    assert (first.state, first.output) == ("PASSED", sent["digest"]), (
        "in its own place it may put what it likes"
    )

    git(farm.repository, "branch", "--force", "main", "kept")
    second = farm.job(farm.submit("main"))
    assert first.key == second.key
    assert (second.state, second.attempts) == ("PASSED", 1), "it was built again, on a trusted machine"
    assert second.output != first.output

    def archived(tx: Tx) -> dict[str, str]:
        found = {trust: tx.get(Module, trust, second.key) for trust in ("untrusted", "trusted")}
        return {trust: module.output for trust, module in found.items() if module is not None}

    assert farm.read(archived) == {"untrusted": first.output, "trusted": second.output}


def test_a_stranger_cannot_name_what_it_did_not_upload(farm: Farm, stranger: Stranger) -> None:
    farm.branch("strange", LIBRARY.replace("good", "claimed"))
    farm.submit("strange")
    own = stranger.started()
    farm.branch("main", LIBRARY.replace("good", "wanted"))
    wanted = farm.job(farm.submit("main")).output
    path = f"agent/attempts/{own['attempt']}"
    claim = {"name": "tree", "digest": wanted, "size_bytes": 1}
    said = {"attempt": own["attempt"], "fence": own["fence"], "result": "passed", "outputs": [claim]}
    assert stranger.call("POST", f"{path}/finish", json=said).status_code == 200, "recorded, and not believed"
    wait_for(lambda: farm.read(lambda tx: tx.get(Attempt, own["attempt"])).settled, "the verdict")
    attempt = farm.read(lambda tx: tx.get(Attempt, own["attempt"]))
    assert (attempt.state, attempt.cause) == ("REFUSED", "refused by the machine: tree was not uploaded")
    assert stranger.call("GET", f"{path}/inputs/{wanted}").status_code == 404


def reading(name: str, path: object) -> str:
    """A command that says so when it can read a file."""
    return f"if cat {path} > /tmp/got 2>/dev/null; then echo READ {name}; cat /tmp/got; fi"


def asking(name: str, port: int, path: str, more: str = "") -> str:
    """A command that asks the hub for something without a token, or with a wrong one, and shows the status."""
    request = f"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n{more}Connection: close\\r\\n\\r\\n"
    ask = f'exec 3<>/dev/tcp/127.0.0.1/{port} && printf "{request}" >&3 && head -n 1 <&3'
    return f"echo ASKED {name} $(bash -c '{ask}' 2>&1 | tr -d '\\r')"


def commands_of_an_attacker(farm: Farm, held: Attempt, lib: Job) -> list[str]:
    home, port = farm.agents[0].home, int(farm.hub.address.rsplit(":", 1)[1])
    mine = farm.folder / "agent-boxes"
    paths = {
        "the secret on the hub": farm.secret,
        "the database": farm.folder / "state" / "penstock.db",
        "the token of the operator": farm.folder / "state" / "*token*",
        "the credential of its agent": mine / "work" / "credential.json",
        "the token of its agent": mine / "token",
        "the credential of another agent": home / "work" / "credential.json",
        "the folder of another job": home / "work" / "slots" / "0" / "place" / "src" / ".penstock.yml",
        "the log of another job": home / "work" / "slots" / "0" / "log",
        "a secret through another process": "/proc/*/'root'/run/secrets/KEY",
        "an environment": "/proc/1/environ",
        "passwords": "/etc/shadow",
        "secrets": "/run/secrets/*",
    }
    tries = [reading(name, path) for name, path in paths.items()]
    tries.append(
        "for n in /proc/[0-9]*; do tr '\\0' ' ' < $n/cmdline | grep -q penstock[.]agent && echo READ agents; done; :"
    )
    tries += [
        asking("log", port, f"/api/v1/log/{lib.id}"),
        asking("output", port, f"/api/v1/outputs/{lib.id}/tree"),
        asking(
            "secret",
            port,
            f"/api/v1/agent/attempts/{held.id}/secrets/KEY",
            f"X-Penstock-Fence: {held.fence}\\r\\n",
        ),
        asking("alive", port, "/healthz"),
    ]
    writes = {
        "a tool": "/usr/bin/evil",
        "the prefix": "$PREFIX/evil",
        "a setting": "/etc/evil",
        "root": "/evil",
    }
    tries += [f"if touch {path} 2>/dev/null; then echo WROTE {name}; fi" for name, path in writes.items()]
    return [*tries, "echo mine > mine && cat mine", 'test -z "$SECRETS"', "mkdir -p $DESTDIR$PREFIX"]


@pytest.mark.parametrize("network", ["none", "full"])
def test_a_job_reads_nothing_of_the_machine_of_others_or_of_the_hub(farm: Farm, network: str) -> None:
    """A trusted job that holds a secret stands at its gate on the same host meanwhile."""
    if len(farm.agents) == 1:
        farm.agent("boxes")
    farm.branch("main", LIBRARY.replace("good", "read"))
    lib = farm.job(farm.submit("main"))
    farm.branch(
        "main", MODULE.format(f"held{network}", gated("gate", f": {network}", *SHOWS), ", secrets: [KEY]")
    )
    held = farm.attempt(farm.submit("main"))
    tries = commands_of_an_attacker(farm, held, lib)
    farm.branch("boxed", MODULE.format("evil", json.dumps(tries), f", network: {network}"))
    evil = farm.job(farm.submit("boxed"))
    log = farm.log(evil.id)
    assert evil.state == "PASSED", evil.reason + log
    shown = [line for line in log.splitlines() if not line.startswith("+ ")]
    assert [line for line in shown if line.startswith(("READ", "WROTE"))] == ["READ an environment"]
    assert "mine" in shown
    assert VALUE not in log
    asked = dict(line.removeprefix("ASKED ").split(" ", 1) for line in shown if line.startswith("ASKED "))
    statuses = {name: line.split(" ")[1] if line.startswith("HTTP") else "" for name, line in asked.items()}
    if network == "full":
        assert statuses == {"log": "401", "output": "401", "secret": "401", "alive": "200"}
    else:
        assert statuses == dict.fromkeys(("log", "output", "secret", "alive"), "")

    farm.agents[0].let_through()
    ended = farm.job(held.build)
    log = farm.log(ended.id)
    assert ended.state == "PASSED", ended.reason + log
    assert "[secret KEY]" in log
    assert {"-r--------", "tmpfs", "read-only"} <= set(log.split())
    for form in (VALUE.encode(), base64.b64encode((VALUE + "\n").encode()).rstrip(b"=")[:-2]):
        assert form not in log.encode()
        assert [
            path for path in everything(farm.folder) if path != farm.secret and form in path.read_bytes()
        ] == []


def everything(folder: Path) -> Iterator[Path]:
    """Every file that hub and agents keep."""
    for where, _, files in os.walk(folder):
        yield from (Path(where, name) for name in files if Path(where, name).is_file())
