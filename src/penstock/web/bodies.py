"""What callers send, decoded strictly: JSON only, of the documented type, of bounded size and depth."""

from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException

T = TypeVar("T")
JSON = "application/json"
MOST_BODY_BYTES = 1 << 20
"""Of one JSON body of people."""
MOST_WHOLE_BYTES = 4 << 20
"""Of one body of an agent that is taken whole: a piece of log, or a poll; ten thousand finished attempts fit in."""


def decoded(body: bytes, kind: type[T]) -> T:
    """A JSON body as `kind`. Raises 400 with what is wrong and where."""
    try:
        return _decoded(body, kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        said = "it is nested too deeply" if isinstance(wrong, RecursionError) else str(wrong)
        raise HTTPException(f"the body is not as documented: {said}", status_code=400) from None


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        # 2.0 is a whole number to JSON, and to programs that know no others.
        return msgspec.convert(_whole(msgspec.json.decode(body)), kind)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return {name: _whole(one) for name, one in value.items()} if isinstance(value, dict) else value


def asked(parameters: dict[str, list[str]], kind: type[T]) -> T:
    """The query of an address as `kind`. Raises 400 with what is wrong and where."""
    for name, values in parameters.items():
        if len(values) > 1:
            raise HTTPException(f"parameters: {name} is given {len(values)} times", status_code=400)
    return converted("parameters", {name: values[0] for name, values in parameters.items()}, kind)


def converted(what: str, given: Any, kind: type[T]) -> T:
    """Texts of an address as `kind`. Raises 400 with what is wrong and where."""
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as wrong:
        raise HTTPException(f"{what}: {wrong}", status_code=400) from None


def only_json(content_type: str) -> None:
    """Raises 415 for a body that does not say that it is JSON in UTF-8: browsers send others without asking."""
    media, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media.strip().lower() != JSON or charset not in ("", "utf-8"):
        raise HTTPException(
            f"send the body as {JSON} in UTF-8, not as {content_type or 'nothing'!r}", status_code=415
        )


async def body_of(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """The JSON body of a call. Raises 400, 413 or 415."""
    only_json(request.headers.get("content-type", ""))
    return decoded(await request.body(), kind)


class StrictRequest(Request[Any, Any, Any]):
    """A call whose parameter `data` is decoded here, strictly and once, and not by the framework.

    Bodies that are taken whole are bounded; what is streamed is not.
    """

    _whole: bytes | None = None

    async def body(self) -> bytes:
        """The whole body. Raises 413 as soon as there is more than MOST_WHOLE_BYTES."""
        if self._whole is None:
            pieces, size_bytes = [], 0
            async for piece in self.stream():
                pieces.append(piece)
                size_bytes += len(piece)
                if size_bytes > MOST_WHOLE_BYTES:
                    raise HTTPException(f"a body has at most {MOST_WHOLE_BYTES} bytes", status_code=413)
            self._whole = b"".join(pieces)
        return self._whole

    async def json(self) -> Any:
        """The body as the type that the handler's `data` is annotated with."""
        kind: type[Any] = self.route_handler.parsed_fn_signature.parameters["data"].annotation  # type: ignore[attr-defined]
        return await body_of(self, kind)
