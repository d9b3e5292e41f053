"""The world through the hub: who gets there, where, how much, and until when."""

import contextlib
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from penstock.store.memory import MemoryStore
from penstock.web import forward, forwarded, tunnel
from penstock.web.server import Tls
from tests.farms import KEY
from tests.web.forwarding import CUT, DATA, END, LIMIT_S, Forwarding, Host, answered, echo, forwarding

BIG = bytes(range(256)) * (1 << 14)
PUBLIC = "93.184.215.14"


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host(echo)
    yield made
    made.close()


@pytest.fixture
def farm(tmp_path: Path, host: Host) -> Iterator[Forwarding]:
    with forwarding(tmp_path, "localhost:*".replace("*", str(host.port)), f"127.0.0.1:{host.port}") as made:
        yield made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarded, "CHECK_S", 0.05)


def test_bytes_go_through_both_ways_and_each_end_is_told(farm: Forwarding, host: Host) -> None:
    through = farm.opened(f"LOCALHOST.:{host.port}")
    sender = threading.Thread(target=lambda: [through.send(DATA, BIG[:65536]) for _ in range(64)])
    sender.start()
    got = 0
    while got < len(BIG):
        kind, piece = through.next()
        assert kind == DATA
        got += len(piece)
    sender.join()
    through.send(END)
    assert through.rest() == (b"", END, b"")
    assert through.next() == (b"", b"")
    line = farm.line(f"to 'LOCALHOST.:{host.port}' at 127.0.0.1: {len(BIG)} bytes out, {len(BIG)} in, ")
    assert f"attempt {farm.work['attempt']} on " in line
    assert "cut" not in line


def test_it_goes_through_tls_as_well(tmp_path: Path, host: Host) -> None:
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    words += ["-keyout", "k.pem", "-out", "c.pem", "-days", "2", "-subj", "/CN=hub"]
    subprocess.run(
        [*words, "-addext", "subjectAltName=IP:127.0.0.1"], cwd=tmp_path, check=True, capture_output=True
    )
    tls = Tls(str(tmp_path / "c.pem"), str(tmp_path / "k.pem"))
    with forwarding(tmp_path, f"127.0.0.1:{host.port}", tls=tls) as farm:
        through = farm.opened(f"127.0.0.1:{host.port}")
        assert through.echoed(BIG[:300_000]) == BIG[:300_000]
        through.send(END)
        assert through.rest() == (b"", END, b"")
        assert farm.refused("127.0.0.1:1")[0] == 403


def test_what_is_not_named_is_not_called(farm: Forwarding, host: Host) -> None:
    assert farm.refused(f"other.example:{host.port}") == (
        403,
        f"other.example:{host.port} is not among what the pool reaches",
    )
    assert farm.refused("localhost:1")[0] == 403
    assert farm.refused("169.254.169.254:80")[0] == 403
    assert farm.refused(f"[::1]:{host.port}")[0] == 403
    for odd in (
        "localhost",
        "a b:80",
        "local\0host:80",
        "x\r\nHost: y:80",
        "bücher:80",
        "2130706433:80",
        "[x]:1",
    ):
        assert farm.refused(odd) == (400, "no host with a port behind it")
    assert host.calls == 0
    farm.line("refused: other.example:")
    assert "\n" not in farm.line(r"to 'x\r\nHost: y:80': refused: no host with a port")


@pytest.mark.parametrize(
    "number", ["127.0.0.1", "169.254.169.254", "10.0.0.5", "::1", "::ffff:127.0.0.1", "fd00:ec2::254"]
)
def test_a_name_does_not_lead_into_the_farms_own_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    monkeypatch.setattr(forward, "_look_up", lambda target: [number])
    with forwarding(tmp_path, "*:5432", "mirror.example:80", "127.0.0.1:81") as farm:
        status, reason = farm.refused("mirror.example:5432")
        assert (status, "in a network of the farm itself" in reason) == (403, True)
        assert farm.refused("mirror.example:80")[0] == 403


def test_a_name_is_looked_up_once(farm: Forwarding, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [["10.9.9.9", "127.0.0.1"], ["169.254.169.254"]]
    monkeypatch.setattr(forward, "_look_up", lambda target: answers.pop(0))
    assert farm.opened(f"localhost:{host.port}").echoed(b"hello") == b"hello"
    assert answers == [["169.254.169.254"]]


def test_the_hub_itself_is_no_public_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "_look_up", lambda target: [PUBLIC])
    monkeypatch.setattr(forward, "_own", lambda number, port: number == PUBLIC)
    with forwarding(tmp_path, "*:5432") as farm:
        assert farm.refused("hub.example:5432")[0] == 403
    assert forward._look_up is not None


def test_an_address_of_this_machine_is_known(host: Host) -> None:
    assert forward._own("127.0.0.1", host.port)


def test_a_host_that_is_not_to_be_had(farm: Forwarding, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.close()
    status, reason = farm.refused(f"127.0.0.1:{host.port}")
    assert status == 424
    assert reason == f"127.0.0.1:{host.port} cannot be reached: Connection refused"

    def unknown(_: object) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(forward, "_look_up", unknown)
    assert farm.refused(f"localhost:{host.port}") == (424, "localhost cannot be resolved")
    ended = threading.Event()

    def slow(_: object) -> list[str]:
        ended.wait(LIMIT_S)
        return []

    monkeypatch.setattr(forward, "LOOK_UP_S", 0.1)
    monkeypatch.setattr(forward, "_look_up", slow)
    assert farm.refused(f"localhost:{host.port}") == (424, "localhost cannot be resolved within 0 s")
    ended.set()


def test_a_host_that_breaks_off_is_told_from_one_that_ends(tmp_path: Path) -> None:
    def breaking(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    host = Host(breaking)
    with contextlib.closing(host), forwarding(tmp_path, f"127.0.0.1:{host.port}") as farm:
        through = farm.opened(f"127.0.0.1:{host.port}")
        through.send(DATA, b"x")
        data, kind, why = through.rest()
        assert (data, kind) == (b"", CUT)
        assert b"broke the connection off" in why


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer operator-token"}, 401),
        ({"X_Penstock_Fence": ""}, 400),
        ({"X_Penstock_Fence": "1:99"}, 409),
        ({"Upgrade": "websocket"}, 426),
        ({"Host": "elsewhere.example"}, 421),
    ],
)
def test_who_may_not_ask(farm: Forwarding, host: Host, headers: dict[str, str], status: int) -> None:
    assert farm.refused(f"127.0.0.1:{host.port}", **headers)[0] == status
    assert host.calls == 0


def test_another_machine_gets_nowhere_with_what_it_knows(farm: Forwarding, host: Host) -> None:
    from penstock.hub import sessions

    farm.agent.enrolment = sessions.create_token(farm.farm.hub, "own")
    farm.agent.register("cd" * 32)
    assert farm.refused(f"127.0.0.1:{host.port}") == (
        409,
        "stale fence: this right is another's or has ended",
    )


@pytest.mark.parametrize(("network", "reaches"), [("none", True), ("full", False)])
def test_job_and_pool_must_both_say_so(tmp_path: Path, host: Host, network: str, reaches: bool) -> None:
    named = (f"127.0.0.1:{host.port}",) if reaches else ()
    with forwarding(tmp_path, *named, network=network) as farm:
        status, reason = farm.refused(f"127.0.0.1:{host.port}")
        assert status == 403
        assert "its job or its pool does not say so" in reason


def test_an_attempt_that_has_ended_is_cut_off(farm: Forwarding, host: Host, quick: None) -> None:
    through = farm.opened(f"127.0.0.1:{host.port}")
    assert through.echoed(b"before") == b"before"
    done = {"attempt": farm.work["attempt"], "fence": farm.work["fence"], "result": "failed"}
    farm.agent.agent("POST", f"attempts/{farm.work['attempt']}/finish", json=done)
    assert through.rest() == (b"", CUT, b"the right to this attempt has ended")
    assert farm.refused(f"127.0.0.1:{host.port}")[0] == 409
    farm.line("cut: the right to this attempt has ended")


def test_a_new_session_of_the_machine_cuts_what_it_does_not_name(
    farm: Forwarding, host: Host, quick: None
) -> None:
    through = farm.opened(f"127.0.0.1:{host.port}")
    farm.agent.register(KEY)
    assert through.rest()[1:] == (CUT, b"the right to this attempt has ended")


def test_where_rights_cannot_be_read_any_more_it_is_dropped(
    farm: Forwarding, host: Host, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = farm.opened(f"127.0.0.1:{host.port}")

    def broken(*_: object) -> None:
        raise OSError("the database is away")

    monkeypatch.setattr(forwarded, "UNCHECKED_S", 0.2)
    monkeypatch.setattr(MemoryStore, "read", broken)
    assert through.rest() == (b"", b"", b""), "without a word: that is the farm's fault"


def test_so_many_connections_and_bytes_and_no_more(
    farm: Forwarding, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarded, "MOST_OF_ATTEMPT", 2)
    monkeypatch.setattr(forwarded, "MOST_BYTES", 1000)
    to = f"127.0.0.1:{host.port}"
    first, second = farm.opened(to), farm.opened(to)
    assert farm.refused(to) == (429, "this attempt has 2 connections open already")
    first.connection.close()
    farm.line(": 0 bytes out, 0 in")
    assert second.echoed(b"x" * 400) == b"x" * 400
    second.send(DATA, b"x" * 400)
    assert second.rest()[1:] == (CUT, b"this attempt has carried as many bytes as it may")
    third = farm.opened(to)
    third.send(DATA, b"x")
    assert third.rest()[1] == CUT, "the bound is the attempt's"
    monkeypatch.setattr(forwarded, "MOST_OPEN", 0)
    assert farm.refused(to) == (503, "too many connections go through this hub now")


def test_what_does_nothing_is_cut(farm: Forwarding, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "IDLE_S", 0.2)
    assert farm.opened(f"127.0.0.1:{host.port}").rest()[1:] == (CUT, b"nothing went through for 0 s")


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"D\xff\xff\xff\xff", b"\0" * 10])
def test_what_is_no_frame_ends_it(farm: Forwarding, host: Host, garbage: bytes) -> None:
    through = farm.opened(f"127.0.0.1:{host.port}")
    through.connection.sendall(garbage)
    assert through.rest()[1:] == (CUT, b"what came is no frame")


def test_a_hub_that_stops_drops_without_a_word(farm: Forwarding, host: Host) -> None:
    through = farm.opened(f"127.0.0.1:{host.port}")
    farm.server.stop()
    assert through.rest() == (b"", b"", b"")


def test_a_host_that_floods_waits_for_the_reader(tmp_path: Path) -> None:
    sent = [0]

    def flood(connection: socket.socket) -> None:
        while True:
            sent[0] += connection.send(BIG)

    host = Host(flood)
    with contextlib.closing(host), forwarding(tmp_path, f"127.0.0.1:{host.port}") as farm:
        through = farm.opened(f"127.0.0.1:{host.port}")
        before = -1
        while sent[0] != before or not before:
            before = sent[0]
            time.sleep(0.2)
        assert before < 64 << 20, "it is in buffers"
        assert through.next()[0] == DATA


def test_polls_are_answered_beside_a_hundred_slow_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty that read nothing of what floods in, fifty that wait for a name server that does not answer."""

    def flood(connection: socket.socket) -> None:
        while True:
            connection.send(BIG)

    ended = threading.Event()

    def slow(_: object) -> list[str]:
        ended.wait(LIMIT_S)
        return []

    monkeypatch.setattr(forward, "_look_up", slow)
    monkeypatch.setattr(forwarded, "MOST_OF_ATTEMPT", 200)
    host = Host(flood)
    with contextlib.closing(host), forwarding(tmp_path, f"127.0.0.1:{host.port}", "*:80") as farm:
        asked = [farm.ask("slow.example:80") for _ in range(50)]
        opened = [farm.opened(f"127.0.0.1:{host.port}") for _ in range(3)]
        asked += [farm.ask(f"127.0.0.1:{host.port}") for _ in range(47)]
        took = [_poll_s(farm) for _ in range(20)]
        ended.set()
        assert statistics.median(took) < 1.0, took
        for one in (*asked, *(each.connection for each in opened)):
            one.close()


def _poll_s(farm: Forwarding) -> float:
    farm.agent.calls += 1
    body = msgspec.json.encode(
        {"call": farm.agent.calls, "wait_s": 0, "holds": [{k: farm.work[k] for k in ("attempt", "fence")}]}
    )
    head = (
        "POST /api/v1/agent/poll HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {farm.agent.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    began = time.monotonic()
    with socket.create_connection(farm.address, timeout=LIMIT_S) as connection:
        connection.sendall(head.encode() + body)
        assert answered(connection)[0] == 200
    return time.monotonic() - began
