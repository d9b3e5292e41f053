"""The dead man's switch of instances that run another system's agent: the program of the first boot, against metadata as EC2 has them."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from real.ec2cloud import Cloud
from real.killing import wait_for
from real.test_ec2_calls import made

from penstock.model.pool_foreign import Serves
from penstock.model.rented import TAG_MACHINE, TAG_POOL, Order
from penstock.model.rules import Pool
from penstock.ports import ProviderError
from penstock.providers.ec2.instances import Ec2
from penstock.providers.ec2.known import METADATA, TAG_KNOWN
from penstock.providers.ec2.launch import first_boot

pytestmark = pytest.mark.real
LIMIT_S = 4.0
POOL = Pool(
    name="burst",
    provider="ec2",
    platforms=("p",),
    agent="buildbot-worker",
    serves=Serves(url="https://ci.example.org", names="burst-%d"),
)
ORDER = Order(
    offer="o", token="t", tags={TAG_MACHINE: "m1"}, secret="s3cret", name="burst-1", hub="ci.example.org:9989"
)


class Metadata(BaseHTTPRequestHandler):
    """Version 2: a token first. `tag` is as somebody wrote it last; with `renewed` it is another one at each look."""

    tag, renewed, looks = "", False, 0

    def do_PUT(self) -> None:
        self._answer(200 if self.path == "/latest/api/token" else 404, "a token")

    def do_GET(self) -> None:
        one = type(self)
        one.looks += 1
        if one.renewed:
            one.tag = str(one.looks)
        good = self.headers["X-aws-ec2-metadata-token"] == "a token" and one.tag
        there = self.path == f"/latest/meta-data/tags/instance/{TAG_KNOWN}"
        self._answer(200 if good and there else 404, one.tag)

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def metadata() -> Iterator[tuple[str, type[Metadata]]]:
    said = type("Said", (Metadata,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), said)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", said
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_first_boot_starts_it_before_all_else_and_for_as_long_as_the_pool_says() -> None:
    script = first_boot(POOL, ORDER)
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    assert f"/var/lib/penstock/known.py 3600 {METADATA} systemctl poweroff" in script
    assert script.index("penstock-known.service") < script.index("create-worker")
    assert len(script) < 16_384  # as much as EC2 takes
    hasty = msgspec.structs.replace(POOL, power_off_after_ms=1000)
    assert f"known.py 300 {METADATA}" in first_boot(hasty, ORDER), "listings are a minute apart"
    assert "known.py" not in first_boot(Pool(name="a", provider="ec2", platforms=("p",)), ORDER)


def test_an_instance_is_powered_off_when_its_tag_changes_no_more_and_not_before_it_had_one(
    tmp_path: Path, metadata: tuple[str, type[Metadata]]
) -> None:
    address, said = metadata
    found = re.search(r"known\.py <<'KNOWN'\n(.*?)^KNOWN$", first_boot(POOL, ORDER), re.S | re.M)
    assert found
    (tmp_path / "known.py").write_text(found[1])
    off = tmp_path / "off"
    words = [sys.executable, str(tmp_path / "known.py"), str(LIMIT_S), address, "touch", str(off)]
    with subprocess.Popen(words) as program:
        try:
            wait_for(lambda: said.looks > 3, "looks before there is a tag")
            said.renewed, before = True, said.looks
            wait_for(lambda: said.looks > before + 5, "looks at a tag that is written again and again")
            assert not off.exists()
            said.renewed, since = False, said.looks
            wait_for(off.exists, "its end")
            assert said.looks - since > 5, "it looked on for as long as it may"
        finally:
            program.kill()


class TestWhoIsKnown:
    """Instances with another system's agent hear by a tag that a hub still lists them."""

    FOREIGN = {"agent": POOL.agent, "serves": POOL.serves, "max": 4}

    def written(self, cloud: Cloud, provider: Ec2) -> list[dict[str, str]]:
        provider.list()
        if provider._renewals._writing is not None:
            provider._renewals._writing.join()
        return [said for name, said in cloud.proxy.calls if name == "CreateTags"]

    def test_those_that_are_up_are_told_again_and_again(self, cloud: Cloud) -> None:
        provider, id_, said = made(cloud, **self.FOREIGN)
        assert said["MetadataOptions.InstanceMetadataTags"] == "enabled"
        cloud.now_ms += 120_000
        (first,) = self.written(cloud, provider)
        assert (first["ResourceId.1"], first["Tag.1.Key"]) == (id_, TAG_KNOWN)
        cloud.now_ms += 170_000
        assert len(self.written(cloud, provider)) == 1
        cloud.now_ms += 10_000
        _, second = self.written(cloud, provider)
        assert first["Tag.1.Value"] != second["Tag.1.Value"]
        (group,) = cloud.account.describe_instances(InstanceIds=[id_])["Reservations"]
        tags = {one["Key"]: one["Value"] for one in group["Instances"][0]["Tags"]}
        assert (tags[TAG_KNOWN], tags[TAG_POOL]) == (second["Tag.1.Value"], "burst")

    def test_who_may_not_write_tags_lists_all_the_same(self, cloud: Cloud) -> None:
        provider, id_, _ = made(cloud, **self.FOREIGN)
        cloud.now_ms += 120_000

        def refused(*asked: object, **more: object) -> None:
            raise ProviderError("UnauthorizedOperation: you are not authorized")

        provider._renewals._write = refused
        assert self.written(cloud, provider) == []
        assert [one.id for one in provider.list().instances] == [id_]

    @pytest.mark.parametrize("changes", [{}, {**FOREIGN, "power_off_after_ms": 0}])
    def test_our_own_agent_needs_none_and_neither_does_who_wants_none(
        self, cloud: Cloud, changes: dict[str, Any]
    ) -> None:
        provider, _, said = made(cloud, **changes)
        cloud.now_ms += 120_000
        assert self.written(cloud, provider) == []
        assert "MetadataOptions.InstanceMetadataTags" not in said
