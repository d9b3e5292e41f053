"""What jobs made: listed, streamed, and never unpacked by the hub."""

import io
import tarfile

from tests.farms import planned
from tests.web.edges import OPERATOR, Edge, fence, right


def tar(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            head = tarfile.TarInfo(f"lib/{name}")
            head.size = len(content)
            archive.addfile(head, io.BytesIO(content))
    return stream.getvalue()


def made(edge: Edge, content: bytes) -> str:
    """A job that passed with `content` as its installed tree; returns its id."""
    edge.farm.submit("c1", planned("zlib"))
    one = edge.started()
    path = f"attempts/{one['attempt']}"
    sent = edge.agent("PUT", f"{path}/outputs/tree", content=content, headers=fence(one)).json()
    said = {**right(one), "result": "passed", "exit_code": 0, "outputs": [sent]}
    edge.agent("POST", f"{path}/finish", json=said)
    edge.farm.tick()
    return str(one["job"])


def test_the_files_of_an_output_are_named_with_their_sizes(edge: Edge) -> None:
    job = made(edge, tar(a=b"12345", b=b""))
    (output,) = edge.people("GET", f"outputs/{job}").json()["outputs"]
    files = [{"name": "lib/a", "size_bytes": 5}, {"name": "lib/b", "size_bytes": 0}]
    assert (output["name"], output["files"], output["cut"]) == ("tree", files, False)
    assert edge.people("GET", f"outputs/{job}/tree").content == tar(a=b"12345", b=b"")


def test_a_reused_job_shows_what_it_took(edge: Edge) -> None:
    job = made(edge, tar(a=b"12345"))
    build = edge.farm.submit("c2", planned("zlib"))
    (again,) = edge.people("GET", f"jobs/{build.id}").json()["jobs"]
    assert again["state"] == "REUSED"
    assert edge.people("GET", f"outputs/{again['id']}").json() == edge.people("GET", f"outputs/{job}").json()


def test_an_output_that_is_no_tree_is_kept_and_not_trusted(edge: Edge) -> None:
    job = made(edge, b"not a tar at all" * 100)
    (output,) = edge.people("GET", f"outputs/{job}").json()["outputs"]
    assert (output["files"], output["cut"]) == ([], True)


def test_a_name_that_leaves_the_tree_ends_the_listing(edge: Edge) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../etc/passwd"))
    (output,) = edge.people("GET", f"outputs/{made(edge, stream.getvalue())}").json()["outputs"]
    assert (output["files"], output["cut"]) == ([], True)


def test_what_a_job_did_not_make_is_not_there(edge: Edge) -> None:
    job = made(edge, tar(a=b""))
    assert edge.people("GET", f"outputs/{job}/nonsense").status_code == 404
    assert edge.people("GET", "outputs/nonsense").status_code == 404
    assert edge.client.get(f"/api/v1/outputs/{job}/tree").status_code == 401
    assert (
        edge.client.get(f"/api/v1/outputs/{job}/tree", headers={"Authorization": OPERATOR}).status_code == 401
    )
