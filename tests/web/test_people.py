"""Pages and the people's API: only for the operator, nothing from outside is ever markup."""

import pytest

from penstock.web.guards import COOKIE
from tests.farms import Agent, planned
from tests.web.edges import OPERATOR, Edge, fence

HOSTILE = "<script>alert(1)</script>"


def test_everything_needs_a_token(edge: Edge) -> None:
    for path in ("/", "/machines", "/builds/x", "/jobs/x", "/jobs/x/log"):
        assert edge.client.get(path).status_code == 401, path
        wrong = edge.client.get(path, headers={"Authorization": "Bearer nonsense"})
        assert wrong.status_code == 401, path


def test_the_cookie_reads_and_never_acts(edge: Edge) -> None:
    build = edge.farm.submit("c1", planned("zlib"))
    answer = edge.client.get(f"/login?token={OPERATOR}", follow_redirects=False)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert edge.client.get("/").status_code == 200
    assert edge.client.post(f"/api/v1/cancel/{build.id}", json={}).status_code == 401
    assert edge.client.get("/login?token=nonsense").status_code == 401


def test_a_host_header_that_is_not_ours_is_refused(edge: Edge) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "[::2]", ""):
        assert edge.client.get("/", headers={"Host": host}).status_code == 421, host
    assert edge.client.get("/static/live.js", headers={"Host": "localhost:8010"}).status_code == 200


def test_pages_show_what_jobs_say_as_text(edge: Edge) -> None:
    edge.farm.submit("c1", planned("zlib", commands=(HOSTILE,)))
    one = edge.started()
    log = f"{HOSTILE}\x1b[31m"
    edge.agent("POST", f"attempts/{one['attempt']}/log?offset=0", content=log.encode(), headers=fence(one))
    edge.people("POST", f"cancel/{one['build']}", json={"reason": HOSTILE})
    edge.client.get(f"/login?token={OPERATOR}")
    for path in ("/", f"/builds/{one['build']}", f"/jobs/{one['job']}", "/machines"):
        page = edge.client.get(path)
        assert page.status_code == 200, path
        assert HOSTILE not in page.text, path
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in edge.client.get(f"/jobs/{one['job']}").text
    whole = edge.client.get(f"/jobs/{one['job']}/log")
    assert whole.text == log
    assert whole.headers["content-type"].startswith("text/plain")


def test_documents_say_what_the_pages_say(edge: Edge) -> None:
    build = edge.farm.submit("c1", planned("zlib"), planned("zlib", "test", needs=["zlib"]))
    (line,) = edge.people("GET", "builds").json()["builds"]
    assert (line["id"], line["state"], line["jobs"], line["open"]) == (build.id, "open", 2, 2)
    jobs = edge.people("GET", f"jobs/{build.id}").json()["jobs"]
    assert [(job["module"], job["kind"]) for job in jobs] == [("zlib", "build"), ("zlib", "test")]
    assert edge.people("GET", "jobs").json() == {"jobs": jobs, "next": None}
    assert edge.people("GET", f"build/{build.id}").json()["totals"]["built"] == 0
    explained = edge.people("GET", f"explain/{jobs[1]['id']}").json()
    assert explained["sentences"]
    assert explained["job"]["id"] == jobs[1]["id"]
    (machine,) = edge.people("GET", "machines").json()["machines"]
    assert (machine["name"], machine["power"], machine["session"]) == ("m1", "up", "connecting")
    assert edge.people("GET", "fsck").json() == {"violations": []}
    assert edge.people("GET", "jobs/nonsense").status_code == 404


def test_what_people_do_is_done_once_and_said(edge: Edge) -> None:
    build = edge.farm.submit("c1", planned("zlib"))
    (job,) = edge.people("GET", "jobs").json()["jobs"]
    (machine,) = edge.people("GET", "machines").json()["machines"]

    def do(what: str, name: str) -> bool:
        answer = edge.people("POST", f"{what}/{name}", json={"reason": "testing"}).json()
        assert answer["said"]
        return bool(answer["done"])

    assert [do("hold", job["id"]), do("hold", job["id"]), do("release", job["id"])] == [True, False, True]
    assert [do("quarantine", machine["id"]), do("unquarantine", machine["id"])] == [True, True]
    assert [do("drain", machine["id"]), do("undrain", machine["id"])] == [True, True]
    assert [do("cancel", build.id), do("cancel", build.id)] == [True, False]
    assert do("retry", job["id"])
    assert edge.people("POST", "cancel/nonsense", json={}).status_code == 404


@pytest.mark.parametrize("path", ["/builds/nonsense", "/jobs/nonsense", "/jobs/nonsense/log", "/nonsense"])
def test_what_is_not_there_is_404(edge: Edge, path: str) -> None:
    edge.client.get(f"/login?token={OPERATOR}")
    assert edge.client.get(path).status_code == 404


def test_a_finished_build_is_drawn_as_a_grid(edge: Edge) -> None:
    (idle,) = edge.people("GET", "machines").json()["machines"]
    edge.people("POST", f"drain/{idle['id']}", json={})
    agent = Agent(edge.farm, "m2", key="ef" * 32)
    build = edge.farm.submit("c1", planned("zlib", "test"), planned("png", "test"))
    edge.farm.run_all(agent)
    edge.client.get(f"/login?token={OPERATOR}")
    page = edge.client.get(f"/builds/{build.id}").text
    assert page.count("test of ") == 2
    assert "Of 2 jobs: built 2," in page
