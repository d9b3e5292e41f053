"""The OpenAPI document, made from the calls themselves and from the types of what they take and answer."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import MediaType, Response, get

from penstock import __version__
from penstock.web.agentcalls import AGENT_CALLS, FIELDS
from penstock.web.answers import EVENT_STREAM
from penstock.web.calls import PROBLEMS, Call, problems_of

PATH = "/api/v1/schema/openapi.json"
Document = dict[Any, Any]
MARK = re.compile(r"(?:^|(?<=[.;,] ))`(\w+)`")
"""How a description names the field that it goes on to speak of."""
SECURITY: dict[str, list[Document]] = {
    "person": [{"person": []}],
    "agent": [{"session": []}],
    "enrolment": [{"enrolment": []}],
    "nobody": [],
}
SCHEMES = {
    "person": "A token of `penstock tokens create --user NAME --role ROLE`, or the local operator's.",
    "session": "The token that `register` answered. It is good for an hour and ends with the session.",
    "enrolment": "A one-time token of `penstock tokens create --pool POOL`, or the machine's own credential.",
}
ABOUT = """Builds, jobs, machines and events of one farm, and what agents say to it.

Refusals have one shape, `{"reason": ".."}`, one line for people. Bodies are JSON in UTF-8; unknown fields and
parameters are refused, except by the agents' calls, which ignore them so that hub and agents can be a release apart.
GET changes nothing; every path that has GET has HEAD. Ids are opaque."""


def schema_handler(calls: Sequence[Call]) -> Any:
    """GET /api/v1/schema/openapi.json, for anybody: it says nothing of this farm."""
    text = msgspec.json.encode(describe(calls))

    @get(PATH, sync_to_thread=False, include_in_schema=False)
    def schema() -> Response[bytes]:
        return Response(text, media_type=MediaType.JSON)

    return schema


RAW: dict[str, Document] = {
    EVENT_STREAM: {
        "type": "object",
        "description": "Each message of the stream.",
        "properties": {"event": {"type": "string"}, "id": {"type": "string"}, "data": {"type": "string"}},
    }
}
"""What answers are that are no documents, where more can be said of it than that they are bytes."""


def describe(calls: Sequence[Call]) -> Document:
    """The OpenAPI 3.1 document of people's `calls` and of the agents'."""
    every = [*calls, *AGENT_CALLS]
    types = _types(every)
    found, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schemas = dict(zip(types, found, strict=True))
    paths: Document = {}
    for call in every:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Penstock", "version": __version__, "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": {name: _explained(name, schema) for name, schema in sorted(components.items())},
            "securitySchemes": {
                name: {"type": "http", "scheme": "bearer", "description": text}
                for name, text in SCHEMES.items()
            },
        },
        "tags": [
            {"name": "people", "description": "For people, programs and the command line."},
            {
                "name": "agent",
                "description": "For agents: what a program says that offers a machine to the farm.",
            },
        ],
    }


def _types(calls: Sequence[Call]) -> list[Any]:
    """Every type that is spoken of, each once."""
    found: list[Any] = []
    for call in calls:
        found += [*call.names.values(), *problems_of(call).values()]
        found += [kind for kind in (call.body, call.answer) if kind is not None]
        found += [field.type for field in msgspec.structs.fields(call.query)]
    return list(dict.fromkeys(found))


def _operation(call: Call, schemas: Document) -> Document:
    summary, _, more = call.text.partition("\n\n")
    operation: Document = {
        "operationId": call.name,
        "tags": [call.tag],
        "summary": summary,
        "description": (more or summary) + (f"\n\nNeeds the role `{call.role}`." if call.role else ""),
        "parameters": _parameters(call, schemas),
        "security": SECURITY[call.security],
        "responses": _answers(call, schemas),
    }
    if call.body is not None:
        operation["requestBody"] = _content("application/json", schemas[call.body])
    elif call.raw:
        operation["requestBody"] = _content(call.raw, {"type": "string", "format": "binary"})
    return operation


def _content(media: str, schema: Document) -> Document:
    return {"required": True, "content": {media: {"schema": schema}}}


def _parameters(call: Call, schemas: Document) -> list[Document]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": schemas[kind]}
        for name, kind in call.names.items()
    ]
    for field in msgspec.structs.fields(call.query):
        schema = dict(schemas[field.type])
        if field.default is not msgspec.NODEFAULT and field.default is not msgspec.UNSET:
            schema["default"] = field.default
        parameters.append({"name": field.name, "in": "query", "required": field.required, "schema": schema})
    parameters += [
        {
            "name": name,
            "in": "header",
            "required": True,
            "description": text,
            "schema": {"type": "string", "minLength": 1},
        }
        for name, text in call.headers.items()
    ]
    if call.upgrade:
        said = {
            "description": "Beside `Connection: Upgrade`.",
            "schema": {"type": "string", "const": call.upgrade},
        }
        parameters.append({"name": "Upgrade", "in": "header", "required": True, **said})
    return parameters


def _answers(call: Call, schemas: Document) -> Document:
    good = (
        RAW.get(call.media, {"type": "string", "format": "binary"})
        if call.answer is None
        else schemas[call.answer]
    )
    answers: Document = {"200": {"description": "Done.", "content": {call.media: {"schema": good}}}}
    if call.upgrade:
        answers = {"101": _switched(call.upgrade)}
    for status, kind in problems_of(call).items():
        answers[str(status)] = {
            "description": call.means.get(status) or PROBLEMS[status],
            "content": {"application/json": {"schema": schemas[kind]}},
        }
    return answers


def _switched(protocol: str) -> Document:
    """The answer after which a connection is no HTTP any more. OpenAPI has no words for what is said then."""
    return {
        "description": "The connection is what was asked for. What is sent on it is no HTTP, and not described here.",
        "headers": {
            "Upgrade": {"schema": {"type": "string", "const": protocol}},
            "Connection": {"schema": {"type": "string", "const": "Upgrade"}},
        },
    }


def _explained(name: str, schema: Document) -> Document:
    """A component with what is said of its fields: by `FIELDS`, else by its own description."""
    schema = dict(schema)
    text = " ".join(schema.get("description", "").split())
    if text:
        schema["description"] = text
    told = _said_of(schema.get("properties", {}), text)
    properties = {}
    for field, about in schema.get("properties", {}).items():
        said = FIELDS.get(f"{name}.{field}") or told.get(field)
        properties[field] = {**about, "description": said} if said and "$ref" not in about else about
    return {**schema, "properties": properties} if properties else schema


def _said_of(fields: Document, text: str) -> dict[str, str]:
    """What a description says of each field that a sentence or a part of one begins with."""
    marks = [found for found in MARK.finditer(text) if found[1] in fields]
    ends = [*(mark.start() for mark in marks[1:]), len(text)][: len(marks)]
    parts = {mark[1]: text[mark.end() : end].lstrip(":") for mark, end in zip(marks, ends, strict=True)}
    said = {field: part.split(". ")[0].strip(" ,;.").removeprefix("is ") for field, part in parts.items()}
    return {field: f"{part[:1].upper()}{part[1:]}." for field, part in said.items()}
