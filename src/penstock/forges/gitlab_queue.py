"""GitLab's queue by its REST interface, version 4 (https://docs.gitlab.com/api/jobs/, /api/runners/): jobs of the projects
that are looked at wait and run on runners, as GitLab calls its agents.

A runner is known by its description. GitLab knows that one is there by its last contact, and tells nobody which machine
it is on. A job that is retried there is a new job. Jobs of pools by tag: a pattern "tag:PATTERN" is held against each.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from penstock.model.foreign import Agent, Fate, Request, Result, Run, Watched
from penstock.model.pool_foreign import Serves
from penstock.queueport import QueueError

Ask = Callable[..., Any]
PAGE = 100
PAGES = 5
"""So many pages of waiting or running jobs are read of one project in one look."""
RESULTS: dict[str, Result] = {
    "success": "passed",
    "failed": "failed",
    "canceled": "cancelled",
    "skipped": "cancelled",
}
BROKEN = (
    "runner_system_failure",
    "stuck_or_timeout_failure",
    "scheduler_failure",
    "stale_schedule",
    "runner_unsupported",
    "data_integrity_failure",
    "no_matching_runner",
    "job_router_failure",
)
"""Reasons of failures that are not the code's."""
WAITING = ("pending", "waiting_for_resource", "preparing")
OPEN = (*WAITING, "created", "running", "canceling", "manual", "scheduled", "waiting_for_callback")
OURS = "penstock: "
"""How the note begins with which a runner is paused in our name."""
FRESH_MS = 180_000
"""A runner that was in contact so recently is there."""
WRONG = (KeyError, TypeError, ValueError, AttributeError)


class GitlabQueue:
    """`within`: gives what asks, for one look (wire/rest). `projects`: paths of those whose jobs count. `now`: wall clock."""

    def __init__(
        self,
        within: Callable[[], Ask],
        secrets: Callable[[], Mapping[str, str]],
        projects: Sequence[str],
        is_ours: Callable[[str], bool],
    ) -> None:
        self._within, self._secrets, self._projects, self._is_ours = within, secrets, tuple(projects), is_ours
        self._numbers: dict[str, int] = {}
        self._homes: dict[str, str] = {}

    def watch(self, mark: str) -> Watched:
        """As ports.Queue. The mark is when the last job ended that was seen."""
        try:
            return self._watched(self._within(), mark)
        except WRONG as wrong:
            raise QueueError(
                f"this is not GitLab's interface: {type(wrong).__name__} {wrong}"[:200]
            ) from None

    def fate(self, request: str) -> Fate:
        """As ports.Queue."""
        ask = self._within()
        try:
            for project in [self._homes[request]] if request in self._homes else self._projects:
                one = ask(f"api/v4/projects/{quote(project, safe='')}/jobs/{int(request)}")
                if one is not None:
                    return _fate(one, project)
            return Fate(state="gone")
        except WRONG as wrong:
            raise QueueError(
                f"this is not GitLab's interface: {type(wrong).__name__} {wrong}"[:200]
            ) from None

    def pause(self, agent: str, paused: bool) -> None:
        """As ports.Queue."""
        if agent not in self._numbers:
            raise QueueError(f"GitLab shows no runner {agent}")
        note = f"{OURS}its machine is to stop" if paused else ""
        self._within()(
            f"api/v4/runners/{self._numbers[agent]}", "PUT", {"paused": paused, "maintenance_note": note}
        )

    def secret(self, agent: str) -> str:
        """As ports.Queue: the runner's authentication token."""
        known = self._secrets()
        if agent not in known:
            raise QueueError(f"no secret is known for {agent}")
        return known[agent]

    def _watched(self, ask: Ask, mark: str) -> Watched:
        agents = self._agents(ask)
        waiting: list[Request] = []
        running: list[Run] = []
        ended: list[Run] = []
        for project in self._projects:
            home = f"api/v4/projects/{quote(project, safe='')}/jobs"
            waits = [one for state in WAITING for one in _pages(ask, home, f"scope[]={state}")]
            runs = _pages(ask, home, "scope[]=running")
            ends = _page(ask, home, "scope[]=success&scope[]=failed&scope[]=canceled", 1)
            self._homes |= {str(one["id"]): project for one in (*waits, *runs)}
            waiting += [_request(one, project) for one in waits]
            running += [_run(one, project) for one in runs if one.get("runner")]
            ended += [_run(one, project) for one in ends if one.get("runner") and one.get("finished_at")]
        # What ended before the first look is nobody's.
        new = [run for run in ended if mark and run.ended_ms >= int(mark)]
        return Watched(
            waiting=tuple(waiting),
            running=tuple(running),
            ended=tuple(new),
            agents=agents,
            mark=str(max([int(mark or 1), *(run.ended_ms + (not mark) for run in ended)])),
        )

    def _agents(self, ask: Ask) -> tuple[Agent, ...]:
        """Runners of ours. What tells of one whether it is paused by us is asked for each that is paused."""
        listed = _pages(ask, "api/v4/runners", "type=project_type") + _pages(
            ask, "api/v4/runners", "type=group_type"
        )
        mine = {one["description"]: one for one in listed if self._is_ours(str(one.get("description")))}
        self._numbers = {name: one["id"] for name, one in mine.items()}
        return tuple(self._agent(ask, name, one) for name, one in sorted(mine.items()))

    def _agent(self, ask: Ask, name: str, listed: Any) -> Agent:
        one = ask(f"api/v4/runners/{listed['id']}") or listed
        paused = bool(one["paused"])
        note = str(one.get("maintenance_note") or "")
        return Agent(
            name=name, connected=_is_fresh(one), paused=paused, paused_by_us=paused and note.startswith(OURS)
        )


def open_queue(
    serves: Sequence[Serves],
    rest: Callable[[Callable[[str], dict[str, str]]], Callable[[], Ask]],
    secrets: Callable[[], Mapping[str, str]],
) -> GitlabQueue:
    """The queue of a GitLab. `rest`: given what makes headers of a token, gives what asks."""
    projects = list(dict.fromkeys(project for one in serves for project in one.repositories))
    return GitlabQueue(rest(login), secrets, projects, lambda name: any(one.is_name(name) for one in serves))


def login(token: str) -> dict[str, str]:
    """The header of a personal, group or project access token."""
    return {"PRIVATE-TOKEN": token} if token else {}


def _pages(ask: Ask, path: str, query: str) -> list[Any]:
    found: list[Any] = []
    for number in range(1, PAGES + 1):
        page = _page(ask, path, query, number)
        found += page
        if len(page) < PAGE:
            break
    return found


def _page(ask: Ask, path: str, query: str, number: int) -> list[Any]:
    found = ask(f"{path}?{query}&per_page={PAGE}&page={number}")
    if found is None:
        raise QueueError(f"it has no {path}: does the token see that project?")
    listed: list[Any] = [*found]
    return listed


def _request(one: Any, project: str) -> Request:
    pipeline = one.get("pipeline") or {}
    return Request(
        id=str(one["id"]),
        builder=str(one["name"]),
        labels=tuple(str(tag) for tag in one.get("tag_list") or ()),
        group=str(pipeline.get("id") or ""),
        title=f"{project} {one.get('ref') or ''}".strip(),
        since_ms=_ms(one.get("queued_at") or one.get("created_at")),
    )


def _run(one: Any, project: str) -> Run:
    ended_ms = _ms(one.get("finished_at")) if one["status"] not in OPEN else 0
    return Run(
        id=str(one["id"]),
        request=_request(one, project),
        agent=str((one.get("runner") or {}).get("description") or ""),
        started_ms=_ms(one.get("started_at")) or ended_ms,
        ended_ms=ended_ms,
        result=_result(one) if ended_ms else "",
        cause=str(one.get("failure_reason") or one["status"]),
    )


def _result(one: Any) -> Result:
    if one["status"] == "failed" and one.get("failure_reason") in BROKEN:
        return "error"
    return RESULTS.get(one["status"], "error")


def _fate(one: Any, project: str) -> Fate:
    runs = (_run(one, project),) if one.get("runner") and one.get("started_at") else ()
    if one["status"] in OPEN:
        return Fate(state="open", runs=runs)
    return Fate(state="ended", result=_result(one), runs=runs)


def _is_fresh(one: Any) -> bool:
    """Whether it is in contact, by GitLab's own clock as far as it says it: its status is of the last two hours."""
    contacted = one.get("contacted_at")
    if one.get("status") != "online" or not contacted:
        return False
    now_ms = int(datetime.now().astimezone().timestamp() * 1000)
    return now_ms - _ms(contacted) < FRESH_MS


def _ms(text: Any) -> int:
    return int(datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp() * 1000) if text else 0
