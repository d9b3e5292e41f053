"""POST /api/v1/submit: what is asked for is looked up beside the event loop, by few threads, for a limited time."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from litestar.exceptions import HTTPException, PermissionDeniedException
from msgspec import Meta

from penstock.hub.submission import Submission
from penstock.model.people import Role, may
from penstock.web import documents as d
from penstock.web.calls import Call, Given
from penstock.web.guards import local_operator
from penstock.web.site import LOOPBACK_ADDRESSES, Site

TOGETHER = 4
"""Repositories that are resolved at the same time."""
MOST_WAITING = 32
LIMIT_S = 120.0
"""How long a caller waits; what was begun goes on, and the same request id finds it."""
AGAIN_S = "10"

Name = Annotated[str, Meta(min_length=1, max_length=1000, pattern=rf"^[^\x00-\x1f\x7f]*{d.END}")]


class Submit(d.Document):
    """What is to be built. `request` is an id of your choice: the same call with the same id is the same build.

    `repository` is an https or ssh address, for the local operator on the hub's machine also a folder; `path` a folder
    in it. `project` is a label where the address is of no project in farm.toml, else it may be left out. `who` may name another person where the token is at least an operator's: a program that speaks for many.
    `priority` above 0 is for operators; `klass` can ask for less than the farm's rules give, not for more.
    """

    request: Annotated[
        str, Meta(pattern=rf"^[A-Za-z0-9][A-Za-z0-9._:-]{{0,127}}{d.END}", examples=["push-4711"])
    ]
    repository: Annotated[Name, Meta(examples=["https://git.example/zlib.git"])]
    ref: Name = "HEAD"
    path: Name = "."
    who: d.UserName | None = None
    project: d.TokenName = ""
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    klass: d.Kind | None = None
    queue_limit_s: Annotated[int, Meta(ge=1, le=31_536_000)] | None = None


def submit_call(site: Site) -> Call:
    """The call, over what the site submits with."""
    desk = _Desk(site)
    return Call(
        method="POST",
        path="/api/v1/submit",
        name="submit",
        text=TEXT,
        run=desk.run,
        waits=True,
        role=Role.DEVELOPER,
        body=Submit,
        answer=d.Submitted,
        errors={409: d.Problem, 503: d.NotNow},
    )


class _Desk:
    """Few threads, and as many callers as may wait for them."""

    def __init__(self, site: Site) -> None:
        self._submit = site.submit
        self._threads = ThreadPoolExecutor(TOGETHER, thread_name_prefix="submit")
        self._room = threading.Semaphore(MOST_WAITING)

    async def run(self, said: Given) -> d.Submitted:
        """Submit. Raises 503 when too many do, when it takes too long, or when this hub takes none."""
        if self._submit is None:
            raise busy("nothing can be submitted to this hub")
        if not self._room.acquire(blocking=False):
            raise busy("too much is being submitted")
        begun = self._threads.submit(self._submit, submission(said))
        begun.add_done_callback(lambda _: self._room.release())
        try:
            done = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(begun)), LIMIT_S)
        except TimeoutError:
            raise busy("the repository is still being read: ask again with the same request id") from None
        return d.Submitted(build=done.build.id, warnings=list(done.warnings))


def submission(said: Given) -> Submission:
    """What a call asks for, with who asked. Raises 403 for what only operators may."""
    body: Submit = said.body
    user = said.caller.user
    if body.who not in (None, user) and not may(said.caller.role, Role.OPERATOR):
        raise PermissionDeniedException(
            f"only an operator submits for others: leave who out, or write {user}"
        )
    client = said.request.client
    near = client is not None and client.host in LOOPBACK_ADDRESSES
    if body.priority > 0 and not may(said.caller.role, Role.OPERATOR):
        raise PermissionDeniedException(
            "only an operator raises a priority: leave it out, or write 0 or less"
        )
    return Submission(
        request=body.request,
        repository=body.repository,
        ref=body.ref,
        path=body.path,
        user=user,
        who=body.who or user,
        local=near and local_operator(said.caller),
        project=body.project,
        priority=body.priority,
        klass=body.klass or "",
        queue_limit_ms=body.queue_limit_s * 1000 if body.queue_limit_s else None,
    )


def busy(reason: str) -> HTTPException:
    """503: not now."""
    return HTTPException(reason, status_code=503, headers={"Retry-After": AGAIN_S})


TEXT = """Builds a repository at a ref.

The hub reads `.penstock.yml` there, plans, and stores the build; what its trust, class and pools are, the rules of
farm.toml say. A repeat with the same request id and body answers the same build, however often; with another body
409. What was not committed cannot be submitted: the hub sees only what it can fetch."""
