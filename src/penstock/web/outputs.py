"""What jobs made, for people: listed without being unpacked, and given as the tar stream that it is."""

from collections.abc import Callable, Iterator
from typing import Any

from litestar.response import Stream

from penstock.hub import views
from penstock.hub.context import Hub, NotFound
from penstock.model.job import Output
from penstock.model.people import Role
from penstock.web import documents as d
from penstock.web.calls import Call, Given
from penstock.wire.tarheads import FOLDER, TreeError
from penstock.wire.untar import heads

MOST_FILES = 10_000
TAR = "application/x-tar"
Document = dict[str, Any]


def outputs_view(hub: Hub, job_id: str) -> Document:
    """Every output of a job with the files in it: {"outputs": [{"name", "digest", "size_bytes", "files", "cut"}]}.

    At most MOST_FILES files of each are named, `cut` says whether there are more. Raises NotFound.
    """
    return {"outputs": [_listed(hub, output) for output in views.outputs_of(hub, job_id)]}


def output_stream(hub: Hub, job_id: str, name: str) -> Iterator[bytes]:
    """One output of a job as it was uploaded. Raises NotFound."""
    for output in views.outputs_of(hub, job_id):
        if output.name == name:
            return hub.blobs.read(output.digest)
    raise NotFound(f"output of job {job_id}", name)


def output_calls(hub: Hub) -> list[Call]:
    """GET /outputs/JOB, the list, and /outputs/JOB/NAME, the stream."""

    def stream(said: Given) -> Stream:
        return Stream(output_stream(hub, said.names["id"], said.names["name"]), media_type=TAR)

    return [
        Call(
            method="GET",
            path="/api/v1/outputs/{id}",
            name="read_outputs",
            text="What a job made, with the files in it.",
            run=lambda said: outputs_view(hub, said.names["id"]),
            slow=True,
            role=Role.VIEWER,
            names={"id": d.Id},
            answer=d.Outputs,
            errors={404: d.Problem},
        ),
        Call(
            method="GET",
            path="/api/v1/outputs/{id}/{name}",
            name="read_output",
            text="One output of a job, as the tar stream that was uploaded.",
            run=stream,
            slow=True,
            role=Role.VIEWER,
            names={"id": d.Id, "name": d.Id},
            media=TAR,
            errors={404: d.Problem},
        ),
    ]


def _listed(hub: Hub, output: Output) -> Document:
    files: list[Document] = []
    cut = False
    try:
        for head in heads(reader(hub.blobs.read(output.digest))):
            cut = len(files) == MOST_FILES
            if cut:
                break
            if head.kind != FOLDER:
                files.append({"name": head.name.decode("utf-8", "replace"), "size_bytes": head.size})
    except TreeError:
        cut = True  # what an agent sent need not be a tree; then it is only kept
    told = {"name": output.name, "digest": output.digest, "size_bytes": output.size_bytes}
    return {**told, "files": files, "cut": cut}


def reader(chunks: Iterator[bytes]) -> Callable[[int], bytes]:
    """Chunks as a function that gives the next of them, b"" at the end; the size that is asked for is a hint."""

    def read(_: int) -> bytes:
        return next(chunks, b"")

    return read
