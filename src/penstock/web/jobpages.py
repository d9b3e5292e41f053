"""The pages of one build and of one job, with the log by line."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any

from litestar import MediaType, Response, get
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from penstock.hub import details
from penstock.hub.context import Hub, NotFound
from penstock.hub.explain import explain
from penstock.model.job import Attempt, Job
from penstock.model.units import decimal_text, seconds
from penstock.ports import LogStore
from penstock.reports import builds as report
from penstock.reports.failures import first_error
from penstock.reports.signs import sign
from penstock.web.ansi import Screen, plain
from penstock.web.loglines import LogLines, Window
from penstock.web.rendering import Pages
from penstock.web.shown import duration, word

LINES_SHOWN = 500
LINES_AT_ONCE = 2000
LINES_BEFORE = 40
"""Lines above one that a link points to."""
EXCERPT_BEFORE, EXCERPT_AFTER, EXCERPT_END = 3, 8, 6
PIECE_BYTES = 1 << 20
REMEMBERED = 512
Document = dict[str, Any]


def job_pages(pages: Pages, lines: LogLines, logs: LogStore) -> list[Any]:
    """Handlers of /builds/ID, /jobs/ID, /jobs/ID/log (as it is) and /jobs/ID/lines (a piece of the page)."""
    hub, errors = pages.hub, FirstErrors(lines)

    @get("/builds/{build_id:str}", sync_to_thread=True)
    def build_page(build_id: FromPath[str]) -> Response[str]:
        return pages.render("build.html", "/builds", **_build(hub, errors, build_id))

    @get("/jobs/{job_id:str}", sync_to_thread=True)
    def job_page(
        job_id: FromPath[str], attempt: FromQuery[int] = 0, line: FromQuery[int] = 0
    ) -> Response[str]:
        return pages.render("job.html", "/builds", **_job(hub, errors, job_id, attempt, line))

    @get("/jobs/{job_id:str}/lines", sync_to_thread=True)
    def more_lines(
        job_id: FromPath[str], attempt: FromQuery[int] = 0, after: FromQuery[int] = 1
    ) -> Response[str]:
        found = details.job_details(hub, job_id)
        shown = _attempt(found, attempt)
        window = lines.window(shown.id, max(1, after), LINES_AT_ONCE)
        values = {"job": job_id, "lines": _shown_lines(window, _link(attempt), None), "live": shown.live}
        return Response(pages.text("lines.html", **values), media_type=MediaType.HTML)

    @get("/jobs/{job_id:str}/log", sync_to_thread=True)
    def whole_log(job_id: FromPath[str], attempt: FromQuery[int] = 0) -> Stream:
        found = details.job_details(hub, job_id)
        pieces = _pieces(logs, _attempt(found, attempt).id) if found.attempts else iter(())
        return Stream(pieces, media_type="text/plain; charset=utf-8")

    return [build_page, job_page, more_lines, whole_log]


def _pieces(logs: LogStore, attempt: str) -> Iterator[bytes]:
    """A log from its beginning to where it ends now, a megabyte at a time."""
    offset = 0
    while piece := logs.read(attempt, offset, PIECE_BYTES):
        yield piece
        offset += len(piece)


class FirstErrors:
    """Where the logs of attempts went wrong: looked for once in what has ended, in the last part of a log."""

    def __init__(self, lines: LogLines) -> None:
        self.lines = lines
        self._known: OrderedDict[str, int | None] = OrderedDict()
        self._lock = Lock()

    def of(self, attempt: Attempt) -> int | None:
        """The number of the line; None where no line says so, or while it runs."""
        if attempt.live or str(attempt.state) in ("PASSED", "finishing"):
            return None
        with self._lock:
            if attempt.id in self._known:
                return self._known[attempt.id]
        found = self._look(attempt)
        with self._lock:
            self._known[attempt.id] = found
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return found

    def _look(self, attempt: Attempt) -> int | None:
        window = self.lines.tail(attempt.id, 1 << 20)
        index = first_error([plain(_text(line)) for line in window.lines])
        return None if index is None else window.first + index


def _build(hub: Hub, errors: FirstErrors, build_id: str) -> Document:
    """What the page of one build shows: its sentence, what failed first, its jobs as a grid of modules by platforms."""
    found = details.build_details(hub, build_id)
    grid: dict[tuple[str, str], list[Document]] = {}
    for job in found.jobs:
        cell = grid.setdefault((job.spec.module, job.spec.platform), [])
        cell.append(_chip(job, found.attempts.get(job.id, ())))
    tried = [attempt for tries in found.attempts.values() for attempt in tries]
    failed = found.first_failure()
    return {
        "build": details.build_head(found),
        "summary": details.summary(found),
        "open_jobs": sum(job.open for job in found.jobs),
        "ran_s": seconds(report.ran_ms(tried)),
        "cost": decimal_text(sum(attempt.cost_micros for attempt in tried)),
        "currency": hub.rules.currency,
        "failure": _failure(found, errors, failed) if failed else None,
        "modules": list(dict.fromkeys(job.spec.module for job in found.jobs)),
        "platforms": sorted({job.spec.platform for job in found.jobs}),
        "grid": grid,
    }


def _chip(job: Job, attempts: Sequence[Attempt]) -> Document:
    result, ran_ms = report.result_of(job), report.ran_ms(attempts)
    ran = duration(seconds(ran_ms)) if ran_ms else ""
    told = [word(str(job.state)), ran, job.reason]
    return {
        "id": job.id,
        "kind": job.spec.kind,
        "class": str(job.state).lower(),
        "sign": sign(str(job.state)),
        "word": result,
        "ran": ran,
        "title": ", ".join(part for part in told if part),
    }


def _failure(found: details.BuildDetails, errors: FirstErrors, job: Job) -> Document:
    attempts = found.attempts.get(job.id, [])
    return {
        "job": job.id,
        "kind": job.spec.kind,
        "module": job.spec.module,
        "platform": job.spec.platform,
        "result": str(job.state),
        "reason": job.reason,
        "others": found.failures() - 1,
        **(_excerpt(errors, attempts[-1]) if attempts else {"lines": [], "error_line": None}),
    }


def _excerpt(errors: FirstErrors, attempt: Attempt) -> Document:
    """The lines around the one that went wrong and the last few; without such a line only the last ones."""
    error = errors.of(attempt)
    end = errors.lines.tail(attempt.id, EXCERPT_END if error else EXCERPT_BEFORE + EXCERPT_AFTER)
    shown = _shown_lines(end, "", error)
    if error is not None:
        begin = max(1, error - EXCERPT_BEFORE)
        around = errors.lines.window(attempt.id, begin, EXCERPT_BEFORE + EXCERPT_AFTER)
        first = _shown_lines(around, "", error)
        shown = first + [line for line in shown if line["number"] > first[-1]["number"]] if first else shown
    return {"lines": shown, "error_line": error}


def _job(hub: Hub, errors: FirstErrors, job_id: str, attempt: int, line: int) -> Document:
    """What the page of one job shows: why it is where it is, its attempts, what happened, and part of its log."""
    found = details.job_details(hub, job_id)
    shown = _attempt(found, attempt) if found.attempts else None
    return {
        "job": details.job_document(found),
        "sentences": explain(hub, job_id).sentences,
        "attempts": details.attempt_documents(found),
        "events": details.event_documents(found.events),
        "currency": hub.rules.currency,
        "shown": shown,
        "log": _log(errors, shown, attempt, line) if shown else None,
    }


def _attempt(found: details.JobDetails, number: int) -> Attempt:
    """The attempt with this number, 0 = the newest. Raises NotFound."""
    for tried in reversed(found.attempts):
        if number in (0, tried.n):
            return tried
    raise NotFound(f"attempt of job {found.job.id}", str(number))


def _link(attempt: int) -> str:
    return f"attempt={attempt}&" if attempt else ""


def _log(errors: FirstErrors, attempt: Attempt, asked: int, line: int) -> Document:
    """Lines around the one that was asked for, else the end."""
    lines, error = errors.lines, errors.of(attempt)
    count = lines.count(attempt.id)
    if line > 0:
        begin = max(1, min(line - LINES_BEFORE, count - LINES_SHOWN + 1))
        window = lines.window(attempt.id, begin, LINES_SHOWN)
    else:
        window = lines.tail(attempt.id, LINES_SHOWN)
    last = window.first + len(window.lines) - 1
    return {
        "lines": _shown_lines(window, _link(asked), error),
        "count": count,
        "bytes": lines.size(attempt.id),
        "first": window.first,
        "whole": window.first == 1 and not window.more,
        "more": window.more,
        "before": max(1, window.first - LINES_SHOWN + 2 * LINES_BEFORE),
        "after": last + LINES_BEFORE,
        "error": error,
        "link": _link(asked),
        "live": attempt.live and not window.more,
    }


def _shown_lines(window: Window, link: str, error: int | None) -> list[Document]:
    screen = Screen()
    return [
        {
            "number": number,
            "link": link,
            "error": number == error,
            "pieces": screen.line(_text(line)),
        }
        for number, line in enumerate(window.lines, window.first)
    ]


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
