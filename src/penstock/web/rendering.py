"""One way to render a page, and to say in one what went wrong."""

from typing import Any

from litestar import MediaType, Request, Response
from litestar.exceptions import NotAuthorizedException

from penstock.hub.context import Hub, NotFound, Unauthorized
from penstock.model.units import seconds
from penstock.web.shown import make_environment

Asked = Request[Any, Any, Any]


class Pages:
    """Renders the pages of one farm."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._environment = make_environment()

    def text(self, name: str, **values: object) -> str:
        """A template as text. `now_s` is the wall clock."""
        known: dict[str, object] = {"farm": self.hub.rules.name, "now_s": seconds(self.hub.clock.wall_ms())}
        return self._environment.get_template(name).render(**(known | values))

    def render(self, name: str, here: str, status: int = 200, **values: object) -> Response[str]:
        """A page; `here` is the entry of the navigation that it belongs to. A page that is well is kept up to date."""
        live = status == 200 and here != "/login"
        page = self.text(name, here=here, live=live, **values)
        return Response(page, media_type=MediaType.HTML, status_code=status)

    def handlers(self) -> dict[int | type[Exception], Any]:
        """What answers to calls of nobody known, and for things that are not there. Functions: the framework copies them."""
        return {
            NotAuthorizedException: lambda request, problem: self._unknown(request, problem),
            Unauthorized: lambda request, problem: self._unknown(request, problem),
            NotFound: lambda request, problem: self._missing(problem),
        }

    def _unknown(self, request: Asked, problem: Exception) -> Response[str]:
        """Who has no token, or one that is no good, gets the form, and 401."""
        tried = request.url.path == "/login" or "authorization" in request.headers or request.cookies
        said = getattr(problem, "detail", "") or str(problem) if tried else ""
        return self.render("login.html", "/login", 401, said=said)

    def _missing(self, problem: Exception) -> Response[str]:
        """What is not there, as a page."""
        return self.render("problem.html", "", 404, said=f"The {problem}.")
