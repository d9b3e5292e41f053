"""A GitLab that answers as https://docs.gitlab.com/api/jobs/ and https://docs.gitlab.com/api/runners/ say (read 2026-11): lists
of jobs by scope with pages, one job, runners with their last contact, pausing. Nothing runs in it: tests say what happens.

Shapes are those of the documents' examples, with what the adapter does not read left in where it is short.
"""

import json
import re
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "glpat-of-the-hub"
Document = dict[str, Any]


def moment(ago_s: float = 0) -> str:
    """As GitLab writes one."""
    return (
        (datetime.now(UTC) - timedelta(seconds=ago_s))
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


class GitlabDouble:
    """One project "group/project" with jobs and runners. `status`: answers everything with this where it is not 200."""

    def __init__(self) -> None:
        self.jobs: dict[int, Document] = {}
        self.agents: dict[int, Document] = {}
        self.status = 200
        self.calls: list[str] = []
        self.tokens: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add_agent(self, description: str) -> int:
        number = len(self.agents) + 1
        self.agents[number] = {
            "id": number,
            "description": description,
            "active": True,
            "paused": False,
            "is_shared": False,
            "runner_type": "project_type",
            "name": "gitlab-runner",
            "online": False,
            "status": "never_contacted",
            "ip_address": "",
            "contacted_at": None,
            "maintenance_note": None,
            "tag_list": ["linux-big"],
        }
        return number

    def contact(self, agent: int, ago_s: float = 0) -> None:
        self.agents[agent] |= {"contacted_at": moment(ago_s), "status": "online", "online": True}

    def add_job(self, name: str, tags: tuple[str, ...] = ("linux-big",), pipeline: int = 6) -> int:
        number = len(self.jobs) + 7
        self.jobs[number] = {
            "id": number,
            "name": name,
            "ref": "main",
            "stage": "test",
            "status": "pending",
            "tag_list": list(tags),
            "created_at": moment(5),
            "queued_duration": 0.01,
            "started_at": None,
            "finished_at": None,
            "failure_reason": None,
            "pipeline": {"id": pipeline, "project_id": 1, "ref": "main", "status": "pending"},
            "runner": None,
            "runner_manager": None,
        }
        return number

    def take(self, job: int, agent: int, ago_s: float = 0) -> None:
        """A runner takes a job."""
        known = self.agents[agent]
        shown = {
            key: known[key] for key in ("id", "description", "paused", "is_shared", "runner_type", "status")
        }
        self.jobs[job] |= {"status": "running", "started_at": moment(ago_s), "runner": shown}

    def finish(self, job: int, status: str = "success", failure: str | None = None) -> None:
        self.jobs[job] |= {"status": status, "finished_at": moment(), "failure_reason": failure}

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        """Status and document."""
        if self.status != 200:
            return self.status, {"message": "as the test says"}
        if found := re.fullmatch(r"/api/v4/runners/(\d+)", path):
            return self._one_agent(method, int(found[1]), body)
        if path == "/api/v4/runners":
            return 200, _paged(
                [one for one in self.agents.values() if one["runner_type"] in query["type"]], query
            )
        if found := re.fullmatch(r"/api/v4/projects/([^/]+)/jobs(?:/(\d+))?", path):
            if unquote(found[1]) != "group/project":
                return 404, {"message": "404 Project Not Found"}
            if found[2]:
                one = self.jobs.get(int(found[2]))
                return (200, one) if one else (404, {"message": "404 Not found"})
            wanted = [one for one in self.jobs.values() if one["status"] in query["scope[]"]]
            return 200, _paged(sorted(wanted, key=lambda one: -one["id"]), query)
        return 404, {"error": "404 Not Found"}

    def _one_agent(self, method: str, number: int, body: Any) -> tuple[int, Any]:
        if number not in self.agents:
            return 404, {"message": "404 Not found"}
        if method == "PUT":
            self.agents[number] |= {**body, "active": not body["paused"]}
        return 200, self.agents[number]


def _paged(found: list[Document], query: dict[str, list[str]]) -> list[Document]:
    size, page = int(query.get("per_page", ["20"])[0]), int(query.get("page", ["1"])[0])
    return found[(page - 1) * size : page * size]


def _handler(double: GitlabDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply()

        def do_PUT(self) -> None:
            self._reply()

        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            split = urlsplit(self.path)
            double.calls.append(f"{self.command} {self.path}")
            double.tokens.add(self.headers.get("PRIVATE-TOKEN") or "")
            if self.headers.get("PRIVATE-TOKEN") != TOKEN:
                status, answer = 401, {"message": "401 Unauthorized"}
            else:
                status, answer = double.answer(
                    self.command, split.path, parse_qs(split.query), json.loads(body) if body else None
                )
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *words: object) -> None:
            """Silent."""

    return Handler
