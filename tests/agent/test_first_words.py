"""What was forgotten is said in one line, with what to do, before anything is tried."""

from pathlib import Path

import pytest

from penstock.agent.__main__ import main
from penstock.wire.client import Address, Client, Unreachable


def said(capsys: pytest.CaptureFixture[str], folder: Path, *more: str) -> str:
    arguments = ["--hub", "https://127.0.0.1:1", "--token-file", str(folder / "token"), "--no-sandbox"]
    assert main([*arguments, "--work-dir", str(folder / "work"), *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_token_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = said(capsys, tmp_path)
    assert line.startswith(f"penstock agent: --token-file {tmp_path / 'token'}: holds no token")
    assert "penstock tokens create --pool POOL" in line
    assert not (tmp_path / "work").exists()


def test_an_authority_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "token").write_text("x")
    assert "--ca-file nowhere.pem: cannot be read" in said(capsys, tmp_path, "--ca-file", "nowhere.pem")


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "nobody listens there"),
        (OSError("[SSL: WRONG_VERSION_NUMBER] wrong version number"), "speaks no TLS; write http://"),
        (OSError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), "--ca-file names the authority"),
        (TimeoutError("timed out"), "TimeoutError: timed out"),
    ],
)
def test_why_a_hub_does_not_answer(monkeypatch: pytest.MonkeyPatch, problem: OSError, told: str) -> None:
    def connect(_: Address, __: float) -> None:
        raise problem

    monkeypatch.setattr(Address, "connect", connect)
    with pytest.raises(Unreachable, match=r"^https://127\.0\.0\.1:1: ") as caught:
        Client(Address("https://127.0.0.1:1")).call("GET", "/", tries=1)
    assert told in str(caught.value)
