"""Pages over a farm in which much goes on: what they say, that nothing from outside is markup, that they need no script."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from litestar.testing import TestClient

from penstock.model.job import Attempt, Job
from penstock.model.ledger import Meter
from penstock.model.machine import Machine
from penstock.web.app import make_app
from penstock.web.bell import Bell
from penstock.web.guards import COOKIE
from penstock.web.site import Site
from tests.busyfarm import RULES, Busy, freeze, make, submit
from tests.web.edges import OPERATOR, OneSource

HOSTILE = "<img src=x onerror=alert(1)>\"'&\x1b[31m\u202e"


class Reader(HTMLParser):
    """Collects what a page has, and what it must not have."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.bad: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if tag == "a" else []
        self.bad += [name for name in given if name.startswith("on") or name == "style"]
        self.bad += [tag] if tag in ("style", "iframe", "object") else []
        self.bad += [tag] if tag == "script" and not (given.get("src") or "").startswith("/static/") else []

    def handle_data(self, data: str) -> None:
        self.text += data


class Seen:
    """A farm behind its edge, and a browser that is logged in."""

    def __init__(self, made: Busy, client: TestClient) -> None:  # type: ignore[type-arg]
        self.made, self.client = made, client
        client.get(f"/login?token={OPERATOR}")

    def page(self, path: str) -> Reader:
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.text[-2000:])
        reader = Reader(answer.text)
        assert reader.bad == []
        assert len(reader.ids) == len(set(reader.ids)), path
        return reader

    def job(self, **wanted: str) -> Job:
        """The first job like that."""
        jobs = self.made.farm.all(Job)
        return next(j for j in jobs if all(str(getattr(j, name)) == value for name, value in wanted.items()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Busy:
    return make(tmp_path_factory.mktemp("busy"))


@pytest.fixture
def seen(made: Busy) -> Iterator[Seen]:
    with served(made) as one:
        yield one


class served:  # noqa: N801 - reads as a statement: `with served(farm):`
    """A farm's edge while inside."""

    def __init__(self, made: Busy) -> None:
        self.made = made
        site = Site(made.farm.hub, made.logs, OneSource(), Bell(), OPERATOR)
        self.client = TestClient(make_app(site), base_url="http://127.0.0.1")

    def __enter__(self) -> Seen:
        self.client.__enter__()
        return Seen(self.made, self.client)

    def __exit__(self, *_: object) -> None:
        self.client.__exit__()


def test_every_link_of_every_page_leads_somewhere(seen: Seen) -> None:
    failed = seen.job(state="FAILED")
    todo = ["/", "/builds", "/machines", f"/builds/{failed.build}", f"/jobs/{failed.id}"]
    known = set(todo)
    for path in todo:
        for link in seen.page(path).links:
            target = re.sub(r"#.*", "", link)
            kind = re.sub(r"\d+", "N", target)
            if target and kind not in known:
                known.add(kind)
                assert seen.client.get(target).status_code == 200, (path, link)


def test_the_overview_says_what_runs_waits_and_is_wrong(seen: Seen) -> None:
    text = " ".join(seen.page("/").text.split())
    for said in (
        "rack-05: fan 2 stands still",
        "no word from its agent",
        "machines that take it are full",
        "slots in use",
    ):
        assert said in text, said
    assert re.search(r"\d+ ▸ ?running|▸ ?running ?\d+", text)


def test_an_empty_farm_says_how_to_begin(tmp_path: Path) -> None:
    with served(make(tmp_path, busy=False)) as one:
        assert "penstock submit SOURCE" in one.page("/").text
        assert "Nothing waits" in one.page("/").text
        assert "penstock submit SOURCE" in one.page("/builds").text
        assert "No machine has registered" in one.page("/machines").text


def test_a_frozen_farm_says_so_first(tmp_path: Path) -> None:
    frozen = make(tmp_path, busy=False)
    freeze(frozen, "restored from a backup")
    with served(frozen) as one:
        assert "restored from a backup" in one.page("/").text


def test_builds_are_found_by_verdict_source_and_person(seen: Seen) -> None:
    def found(query: str) -> int:
        return seen.client.get(f"/builds?{query}").text.count('<tr id="b-')

    assert found("") == 11
    assert found("verdict=CANCELLED") == 1
    assert found("who=yuki") == 2
    assert found("source=KDE") == 2
    assert found("source=kde&who=marge") == 0
    assert "No build is like that" in seen.page("/builds?who=nobody").text
    assert seen.client.get("/builds?page=0").status_code == 200
    assert seen.client.get("/builds?page=x").status_code == 400


def test_a_failed_build_shows_the_line_that_failed(seen: Seen) -> None:
    failed = seen.job(state="FAILED")
    page = seen.page(f"/builds/{failed.build}")
    assert "no member named 'rhi' in 'QVideoFramePrivate'" in page.text
    assert f"/jobs/{failed.id}?line=244#L244" in page.links
    job = seen.page(f"/jobs/{failed.id}?line=244")
    assert "L244" in job.ids
    assert "first error, line 244" in job.text


def test_the_grid_names_every_job_in_words(seen: Seen) -> None:
    failed = seen.job(state="FAILED")
    text = seen.client.get(f"/builds/{failed.build}").text
    assert text.count('class="chip ') == 96
    assert "build of qtmultimedia on debian-12-clang-asan: failed" in text


def test_a_job_shows_its_attempts_and_what_happened(seen: Seen) -> None:
    passed = seen.job(state="PASSED")
    page = seen.page(f"/jobs/{passed.id}")
    (attempt,) = seen.made.farm.store.read(lambda tx: tx.find(Attempt, "job", passed.id))
    assert f"/machines/{attempt.machine}" in page.links
    assert "6 min 50 s" in page.text  # of processor time
    for state in ("queued", "offered", "running", "passed"):
        assert state in page.text
    assert seen.client.get(f"/jobs/{passed.id}?attempt=7").status_code == 404


def test_what_grows_is_given_line_by_line(seen: Seen) -> None:
    running = seen.job(state="running")
    page = seen.page(f"/jobs/{running.id}")
    last = max(int(name[1:]) for name in page.ids if re.fullmatch(r"L\d+", name))
    (attempt,) = seen.made.farm.store.read(lambda tx: tx.find(Attempt, "job", running.id))
    size = seen.made.logs.size(attempt.id)
    seen.made.logs.append(attempt.id, size, b"\x1b[32mmore\x1b[0m\nand")
    more = seen.client.get(f"/jobs/{running.id}/lines?after={last}").text
    assert f'<li id="L{last + 1}">' in more
    assert '<span class="f2">more</span>' in more
    assert "data-follow" in more


def test_a_long_log_is_read_in_parts(seen: Seen) -> None:
    job = seen.job(state="running")
    (attempt,) = seen.made.farm.store.read(lambda tx: tx.find(Attempt, "job", job.id))
    size = seen.made.logs.size(attempt.id)
    text = b"".join(b"line %d\n" % n for n in range(200_000))
    seen.made.logs.append(attempt.id, size, text)
    whole = (seen.made.logs.read(attempt.id, 0, 1 << 30)).count(b"\n")
    end = seen.page(f"/jobs/{job.id}")
    assert f"L{whole}" in end.ids
    assert "L1" not in end.ids
    middle = seen.page(f"/jobs/{job.id}?line=100000")
    assert "L100000" in middle.ids
    assert all(word in middle.text for word in ("top", "earlier", "later", "end"))
    assert len([name for name in middle.ids if re.fullmatch(r"L\d+", name)]) == 500
    assert seen.client.get(f"/jobs/{job.id}?line=999999999").status_code == 200


@pytest.mark.parametrize(
    "log", [HOSTILE.encode(), b"\xff\xfe\x00" * 9, b"x" * 3_000_000, b"<script>\r" * 50, b"\n" * 5000, b""]
)
def test_hostile_logs_are_text(tmp_path: Path, log: bytes) -> None:
    hostile = make(tmp_path, busy=False)
    hostile.join("rack", "rack-1")
    build = submit(hostile, 1, "qt", HOSTILE[:30], ("qtbase",))
    hostile.go(1)
    attempts = [one for one in hostile.farm.all(Attempt) if one.live]
    for attempt in attempts:
        hostile.logs.append(attempt.id, hostile.logs.size(attempt.id), log)
    with served(hostile) as one:
        for path in ("/", "/builds", f"/builds/{build.id}", f"/jobs/{attempts[0].job}"):
            page = one.page(path)
            answer = one.client.get(path)
            assert "<img" not in answer.text
            assert "\u202e" not in answer.text.partition('id="lines"')[2]
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert page.text
        raw = one.client.get(f"/jobs/{attempts[0].job}/log")
        assert raw.content.endswith(log)


def test_names_from_outside_are_text_everywhere(tmp_path: Path) -> None:
    hostile = make(tmp_path, busy=False)
    hostile.join("rack", "rack-1")
    machine = hostile.agents[0].machine
    hurt = msgspec.structs.replace(machine, health="quarantined", health_reason=HOSTILE, name=HOSTILE)
    hostile.farm.store.write(lambda tx: tx.replace(hurt))
    with served(hostile) as one:
        for path in ("/", "/machines", f"/machines/{machine.id}", "/machines?pool=%3Cb%3E"):
            assert "<img" not in one.client.get(path).text
            one.page(path)


def test_machines_say_what_they_cost_and_what_comes_next(tmp_path: Path) -> None:
    made = make(tmp_path, busy=False)
    made.join("rack", "rack-0")
    first = made.agents[0].machine
    meter = Meter(
        machine=first.id, pool="rack", power=first.power, since_ms=0, price_micros=0, paid_micros=5_250_000
    )
    made.farm.store.write(lambda tx: tx.insert(meter))
    with served(made) as one:
        text = " ".join(one.page("/machines").text.split())
        assert "owned, 8 cores, 32,768 MB, 2 slots" in text
        assert "5.25 USD waits for jobs" in text
        assert "waits for jobs" in one.page(f"/machines/{first.id}").text


def test_many_machines_come_in_pages_those_in_trouble_first(tmp_path: Path) -> None:
    many = make(tmp_path, busy=False)
    many.join("rack", "rack-0")
    first = many.agents[0].machine

    def write(tx) -> None:  # type: ignore[no-untyped-def]
        for n in range(1, 250):
            health = "suspect" if n == 240 else "good"
            tx.insert(msgspec.structs.replace(first, id=f"m{n}", name=f"rack-{n}", health=health, version=0))

    many.farm.store.write(write)
    assert len(many.farm.all(Machine)) == 250
    with served(many) as one:
        page = one.page("/machines")
        assert page.text.index("rack-240") < page.text.index("rack-1")
        assert "/machines?page=2" in page.links
        assert "rack-249" in one.page("/machines?pool=rack&page=3").text
        assert one.page("/machines?pool=boards")


def test_failed_downloads_are_counted_by_host(seen: Seen) -> None:
    text = " ".join(seen.page("/machines").text.split())
    assert "ftp.example.org318 min ago" in text
    assert "421 too many connections" in text


def test_the_way_in_is_a_form(made: Busy) -> None:
    app = make_app(Site(made.farm.hub, made.logs, OneSource(), Bell(), OPERATOR))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        refused = client.get("/")
        assert refused.status_code == 401
        assert 'action="/login"' in refused.text
        assert client.get("/login").status_code == 200
        wrong = client.post("/login", data={"token": HOSTILE}, follow_redirects=False)
        assert wrong.status_code == 401
        assert "<img" not in wrong.text
        foreign = {"sec-fetch-site": "cross-site"}
        assert client.post("/login", data={"token": OPERATOR}, headers=foreign).status_code == 401
        linked = client.get(f"/login?token={OPERATOR}", headers=foreign, follow_redirects=False)
        assert (linked.status_code, linked.headers.get("set-cookie")) == (401, None)
        right = client.post("/login", data={"token": f" {OPERATOR}\n"}, follow_redirects=False)
        assert (right.status_code, right.headers["location"]) == (303, "/")
        assert "HttpOnly" in right.headers["set-cookie"]
        assert client.get("/").status_code == 200
        assert client.post("/logout", follow_redirects=False).headers["location"] == "/login"
        assert not client.cookies.get(COOKIE)


def test_what_is_not_there_is_a_page_that_says_so(seen: Seen) -> None:
    for path in ("/jobs/nonsense", "/builds/nonsense", "/machines/nonsense", "/jobs/nonsense/log"):
        answer = seen.client.get(path)
        assert answer.status_code == 404
        assert "does not exist" in answer.text


def test_styles_and_scripts_are_our_own() -> None:
    static = Path(make_app.__code__.co_filename).parent / "static"
    for file in static.iterdir():
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", file.read_text()), file.name
        assert file.stat().st_size < 40_000
    assert RULES.name
