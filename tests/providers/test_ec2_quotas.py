"""When quotas of EC2 are asked for, and what counts against which."""

import threading

import msgspec
import pytest

from penstock.model.pool_ec2 import Ec2 as Said
from penstock.model.pool_ec2 import InstanceType
from penstock.providers.ec2.quotas import HOUR_MS, STANDARD, Quotas, code_of


def test_it_is_asked_once_an_hour_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda thread: thread._target())  # type: ignore[attr-defined]
    now, codes = [0], list[str]()
    said = Said(region="eu-west-1", types=(InstanceType(name="g6.large"),), subnets=())

    def limit(code: str) -> float:
        codes.append(code)
        return 64.0

    quotas = Quotas(said, lambda: now[0], limit, lambda types: dict.fromkeys(types, 4))
    for now[0] in (0, 10_000, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1):
        quotas.follow()
    assert codes == ["L-DB2E81BA"] * 2
    one = {"State": {"Name": "running"}, "InstanceType": "g6.large"}
    threads = {"CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 1}}
    spot = {"InstanceLifecycle": "spot"}
    quotas.count([one, one | threads, one | spot, one | {"State": {"Name": "stopped"}}])
    assert quotas.left("g6.large") == (64 - 4 - 2) // 4
    silent = Quotas(msgspec.structs.replace(said, quotas=False), lambda: 0, limit, dict)  # type: ignore[arg-type]
    silent.follow()
    assert len(codes) == 2


@pytest.mark.parametrize(
    ("type_", "codes"),
    [
        ("m7i.large", STANDARD),
        ("im4gn.large", STANDARD),
        ("inf2.xlarge", ("L-1945791B", "L-B5D1601B")),
        ("vt1.3xlarge", ("L-DB2E81BA", "L-3819A6DF")),
        ("u-6tb1.metal", ("", "")),
        ("", ("", "")),
    ],
)
def test_types_count_by_the_letters_they_begin_with(type_: str, codes: tuple[str, str]) -> None:
    assert (code_of(type_, spot=False), code_of(type_, spot=True)) == codes


def test_without_its_table_nothing_is_known() -> None:
    quotas = Quotas(None, lambda: 0, float, dict)  # type: ignore[arg-type]
    quotas.follow()
    assert quotas.left("m7i.large") is None
