"""Pages for people, rendered here: builds, one build as a grid, one job with its log and explanation, machines."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from litestar import MediaType, Request, Response, Router, get
from litestar.exceptions import NotAuthorizedException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Stream
from litestar.static_files import create_static_files_router

from penstock.hub import views
from penstock.hub.context import Hub
from penstock.hub.explain import explain
from penstock.ports import LogStore
from penstock.web.guards import COOKIE, digest_of, people_only

HERE = Path(__file__).parent
LOG_TAIL_BYTES = 65536
LOG_PIECE_BYTES = 1 << 20
Document = dict[str, Any]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def make_environment() -> jinja2.Environment:
    """Templates with everything escaped; an unknown name is an error, not an empty string."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["moment"] = _moment
    environment.filters["duration"] = _duration
    return environment


def pages_router(hub: Hub, logs: LogStore) -> Router:
    """All pages, for the operator's cookie; style and script are for anybody."""
    environment = make_environment()

    def render(name: str, **values: object) -> Response[str]:
        page = environment.get_template(name).render(farm=hub.rules.name, **values)
        return Response(page, media_type=MediaType.HTML)

    handlers = [*_build_pages(hub, render), *_job_pages(hub, logs, render)]
    guarded = Router("/", guards=[people_only], route_handlers=handlers, include_in_schema=False)
    static = create_static_files_router("/static", [HERE / "static"], include_in_schema=False)
    return Router("/", route_handlers=[guarded, static, login], include_in_schema=False)


@get("/login", sync_to_thread=False)
def login(request: Request[Any, Any, Any], token: FromQuery[str]) -> Redirect:
    """Turn the operator's token into a cookie that scripts cannot read and other sites cannot send."""
    if digest_of(token) != request.app.state.operator_digest:
        raise NotAuthorizedException("this token is not the operator's")
    answer = Redirect("/")
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/")
    return answer


def _build_pages(hub: Hub, render: Callable[..., Response[str]]) -> list[Any]:
    @get("/", sync_to_thread=True)
    def builds_page() -> Response[str]:
        return render("builds.html", live=True, **views.builds_view(hub))

    @get("/builds/{build_id:str}", sync_to_thread=True)
    def build_page(build_id: FromPath[str]) -> Response[str]:
        return render("build.html", live=True, **build_values(hub, build_id))

    @get("/machines", sync_to_thread=True)
    def machines_page() -> Response[str]:
        return render("machines.html", live=True, **views.machines_view(hub))

    return [builds_page, build_page, machines_page]


def build_values(hub: Hub, build_id: str) -> Document:
    """What the page of one build shows: its jobs as a grid of modules by platforms."""
    build, jobs, attempts = hub.store.read(lambda tx: views.load_build(tx, build_id))
    result = views.report.build_document(build, jobs, attempts, hub.rules.currency)
    grid: dict[tuple[str, str], list[Document]] = {}
    for line in result["jobs"]:
        grid.setdefault((line["module"], line["platform"]), []).append(line)
    shown = {"id": build.id, "state": str(build.state), "source": build.source, "reason": build.reason}
    return {
        "build": {**shown, "open_jobs": sum(job.open for job in jobs)},
        "result": result,
        "modules": list(dict.fromkeys(line["module"] for line in result["jobs"])),
        "platforms": sorted({line["platform"] for line in result["jobs"]}),
        "grid": grid,
    }


def _job_pages(hub: Hub, logs: LogStore, render: Callable[..., Response[str]]) -> list[Any]:
    @get("/jobs/{job_id:str}", sync_to_thread=True)
    def job_page(job_id: FromPath[str]) -> Response[str]:
        return render("job.html", live=True, **job_values(hub, logs, job_id))

    @get("/jobs/{job_id:str}/log", sync_to_thread=True)
    def log_page(job_id: FromPath[str]) -> Stream:
        attempt = views.newest_attempt(hub, job_id)
        pieces = _pieces(logs, attempt.id) if attempt else iter(())
        return Stream(pieces, media_type="text/plain; charset=utf-8")

    return [job_page, log_page]


def _pieces(logs: LogStore, attempt: str) -> Iterator[bytes]:
    """A log from its beginning to where it ends now, a megabyte at a time."""
    offset = 0
    while piece := logs.read(attempt, offset, LOG_PIECE_BYTES):
        yield piece
        offset += len(piece)


def job_values(hub: Hub, logs: LogStore, job_id: str) -> Document:
    """What the page of one job shows: its explanation, its attempts, the end of its log."""
    attempt = views.newest_attempt(hub, job_id)
    size = logs.size(attempt.id) if attempt else 0
    start = max(0, size - LOG_TAIL_BYTES)
    tail = logs.read(attempt.id, start, LOG_TAIL_BYTES) if attempt else b""
    return {
        "job": views.job_view(hub, job_id),
        "sentences": explain(hub, job_id).sentences,
        "log": tail.decode("utf-8", "replace"),
        "log_bytes": size,
        "log_cut": start > 0,
    }
