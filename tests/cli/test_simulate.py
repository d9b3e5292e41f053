"""`penstock simulate` as it is typed: the document, events, several policies and farms, mistakes, the page."""

import hashlib
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from histories import FARM, write_history

from penstock.cli import simulate
from penstock.cli.app import run
from penstock.reports.compare import Limit

POLICY_KEYS = (
    "jobs_finished jobs_lost wait_s within_target cost score machines owned_share owned_share_jobs limit event_digest"
).split()
Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def real_limits() -> None:
    """Asked for by tests that look at limits, which take most of a small run's time."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    if "real_limits" not in request.fixturenames:
        monkeypatch.setattr(simulate, "limit_of", lambda *given: Limit())
    monkeypatch.setenv("PENSTOCK_COMPILED", "0")
    monkeypatch.chdir(tmp_path)
    write_history(tmp_path / "month.csv")
    (tmp_path / "farm.toml").write_text(FARM, encoding="utf-8")
    return tmp_path


@pytest.fixture
def typed(place: Path, capsys: pytest.CaptureFixture[str]) -> Typed:
    def type_it(*words: str, history: str = "month.csv", farm: str = "farm.toml") -> tuple[int, str, str]:
        status = run(["simulate", "--history", history, "--farm", farm, *words])
        out, err = capsys.readouterr()
        return status, out, err

    return type_it


@pytest.mark.usefixtures("real_limits")
def test_the_document_is_the_contract(typed: Typed) -> None:
    status, out, err = typed("--json")
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert list(found) == ["schema", "seed", "open_loop", "history", "policies"]
    assert (found["schema"], found["seed"], found["open_loop"]) == (1, 1, True)
    assert found["history"]["jobs"] == 40
    (policy,) = found["policies"].values()
    assert list(found["policies"]) == ["penstock"]
    assert list(policy) == POLICY_KEYS
    assert list(policy["wait_s"]) == ["mean", "p50", "p95", "p99", "max"]
    assert list(policy["cost"]) == ["total", "owned", "rented", "idle", "lifecycle", "currency"]
    assert (policy["jobs_finished"], policy["jobs_lost"]) == (40, 0)
    assert policy["cost"]["total"] == pytest.approx(policy["cost"]["owned"] + policy["cost"]["rented"])
    waited_h = policy["wait_s"]["mean"] * 40 / 3600
    assert policy["score"] == pytest.approx(policy["cost"]["total"] + 5 * waited_h, abs=1e-4)
    assert policy["limit"]["zero_wait"] > 0
    assert policy["limit"]["ratio_zero_wait"] >= policy["limit"]["ratio_at_target"] * 0.5 > 0


def test_the_same_input_gives_the_same_bytes_and_the_digest_is_of_the_file(typed: Typed, place: Path) -> None:
    first = typed("--json", "--events", "events.jsonl")
    digest = hashlib.sha256((place / "events.jsonl").read_bytes()).hexdigest()
    assert typed("--json") == first
    policy = json.loads(first[1])["policies"]["penstock"]
    assert policy["event_digest"] == f"sha256:{digest}"
    lines = (place / "events.jsonl").read_text(encoding="utf-8").splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds.count("submit") == kinds.count("end") == 40
    assert not list(place.glob(".*"))


def test_policies_lie_side_by_side_each_with_its_events(typed: Typed, place: Path) -> None:
    (place / "ours.toml").write_text('preset = "gitlab"\nidle_count = 1\n', encoding="utf-8")
    words = [word for name in ("penstock", "gitlab", "ours.toml") for word in ("--policy", name)]
    status, out, _ = typed(*words, "--json", "--events", "events.jsonl")
    found = json.loads(out)["policies"]
    assert (status, list(found)) == (0, ["penstock", "gitlab", "ours"])
    assert found["ours"]["cost"]["idle"] < found["gitlab"]["cost"]["idle"]
    for name, policy in found.items():
        data = (place / f"events.{name}.jsonl").read_bytes()
        assert policy["event_digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_farms_lie_side_by_side_too(typed: Typed, place: Path) -> None:
    (place / "other.toml").write_text(FARM.replace("machines = 2", "machines = 0"), encoding="utf-8")
    status, out, _ = typed("--farm", "other.toml", "--json")
    found = json.loads(out)["policies"]
    assert (status, list(found)) == (0, ["penstock@farm", "penstock@other"])
    assert found["penstock@other"]["cost"]["owned"] == 0 < found["penstock@farm"]["cost"]["owned"]


@pytest.mark.usefixtures("real_limits")
def test_people_get_a_table_and_what_it_means(typed: Typed) -> None:
    status, out, err = typed("--policy", "penstock", "--policy", "gitlab")
    assert (status, err) == (0, "")
    assert out.startswith("policy\tin time\t")
    assert "penstock kept the promise: " in out
    assert "times the least that any schedule within the promise costs" in out
    assert "Best by cost and waiting together among those that kept the promise: " in out
    assert out.rstrip().endswith("however long they wait now.")


def test_jobs_that_no_pool_takes_are_said_and_counted(typed: Typed, place: Path) -> None:
    write_history(place / "mac.csv", platforms=("linux", "macos"))
    status, out, err = typed("--json", history="mac.csv")
    found = json.loads(out)
    missing = found["history"]["dropped"]["no pool has its platform"]
    assert status == 0
    assert found["policies"]["penstock"]["jobs_finished"] == 40 - missing
    assert found["policies"]["penstock"]["jobs_lost"] == 0
    assert err == f"penstock: farm small: {missing} of 40 jobs never run: no pool has its platform\n"


def test_faults_change_the_run(typed: Typed, place: Path) -> None:
    (place / "faults.toml").write_text(
        '[[fault]]\nkind = "no_capacity"\npool = "burst"\nuntil_s = 7200\n', encoding="utf-8"
    )
    well, ill = (
        json.loads(typed("--json", *words)[1])["policies"]["penstock"]
        for words in ([], ["--faults", "faults.toml"])
    )
    assert ill["wait_s"]["max"] > well["wait_s"]["max"]
    assert ill["jobs_finished"] == 40


def test_a_bill_that_cannot_be_ends_with_3(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    real = simulate.run
    monkeypatch.setattr(simulate, "run", lambda *given: real(*given)._replace(wrong="it is too low"))
    status, out, err = typed("--json")
    assert status == 3
    assert json.loads(out)["policies"]
    assert err == "penstock: penstock: it is too low; this is a fault of the simulator\n"


@pytest.mark.parametrize(
    ("words", "changed", "told"),
    [
        (["--policy", "gitlob"], {}, "did you mean `gitlab`"),
        (["--policy", "gone.toml"], {}, "gone.toml: there is no such file"),
        (["--limits", "some"], {}, "write quick or full"),
        (["--events", "no/such/events.jsonl"], {}, "cannot be written"),
        (["--events", "folder"], {}, "cannot be written"),
        (["--html", "no/such/page.html"], {}, "cannot be written"),
        ([], {"history": "gone.csv"}, "there is no such file"),
        ([], {"history": "empty.csv"}, "no job that ran"),
        ([], {"history": "month.txt"}, "does not say its form"),
        ([], {"history": "mac.csv"}, "no pool takes a job of this history"),
        ([], {"farm": "gone.toml"}, "there is no such file"),
        ([], {"farm": "bare.toml"}, "no [[pool]]"),
        ([], {"farm": "wrong.toml"}, "wrong.toml:1:"),
        (["--faults", "faults.toml"], {}, "farm small has no pool 'bursts'; did you mean `burst`?"),
        (["--faults", "gone.toml"], {}, "there is no such file"),
        (["--farm", "below/farm.toml"], {}, "two farms have one name and one file name"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    typed: Typed, place: Path, words: list[str], changed: dict[str, str], told: str
) -> None:
    write_history(place / "mac.csv", platforms=("macos",))
    write_history(place / "empty.csv", jobs=0)
    write_history(place / "month.txt")
    (place / "folder").mkdir()
    (place / "below").mkdir()
    (place / "below" / "farm.toml").write_text(FARM, encoding="utf-8")
    (place / "bare.toml").write_text('[farm]\nname = "bare"\n', encoding="utf-8")
    (place / "faults.toml").write_text('[[fault]]\nkind = "lost"\npool = "bursts"\n', encoding="utf-8")
    (place / "wrong.toml").write_text("[form]\n", encoding="utf-8")
    before = sorted(place.iterdir())
    status, out, err = typed(*words, **changed)
    lines = [line for line in err.splitlines() if "never run" not in line]
    assert (status, out, len(lines)) == (2, "", 1)
    assert told in lines[0]
    assert sorted(place.iterdir()) == before


# The page --------------------------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>\"'&"


class Reader(HTMLParser):
    """What a page loads and which elements it has."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.elements: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action", "data"):
                self.addresses.append(str(value))
            if name.startswith("on") or name == "style":
                self.handlers.append(name)


def read_page(path: Path) -> tuple[str, Reader]:
    text = path.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    return text, reader


@pytest.mark.usefixtures("real_limits")
def test_the_page_needs_nothing_from_elsewhere_and_shows_all(typed: Typed, place: Path) -> None:
    status, _, _ = typed("--policy", "penstock", "--policy", "gitlab", "--html", "page.html")
    text, page = read_page(place / "page.html")
    assert status == 0
    assert (page.addresses, page.handlers, page.elements.count("script")) == ([], [], 1)
    for heading in (
        "Side by side", "Queue and capacity", "Who waited", "What less waiting costs", "How many machines to own",
        "The worst hour", "Owned machines on the wrong platform", "How far to trust this",
    ):  # fmt: skip
        assert f"<h2>{heading}</h2>" in text
    pictures = re.findall(r"<svg.*?</svg>", text, re.S)
    assert len(pictures) >= 12
    for picture in pictures:
        ElementTree.fromstring(picture)
    assert "default-src 'none'" in text


def test_names_from_outside_are_shown_and_never_run(typed: Typed, place: Path) -> None:
    quoted = json.dumps(HOSTILE)
    farm = (
        FARM.replace('"small"', quoted)
        .replace("[platform.windows]", f"[platform.{quoted}]")
        .replace('"windows"', quoted)
    )
    (place / "farm.toml").write_text(farm, encoding="utf-8")
    write_history(place / "month.csv", platforms=("linux", HOSTILE))
    status, _, err = typed("--html", "page.html")
    text, page = read_page(place / "page.html")
    assert (status, err) == (0, "")
    assert page.elements.count("script") == 1
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_curves_of_a_huge_history_are_left_out_and_said(
    typed: Typed, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penstock.cli.simulation_page import curves

    monkeypatch.setattr(curves, "JOBS_MOST", 39)
    assert typed("--html", "page.html")[0] == 0
    assert "not drawn for more than 39 jobs: `penstock sweep` runs them" in read_page(place / "page.html")[0]


def test_no_byte_hangs_on_the_order_of_hashes(place: Path) -> None:
    """The document, the events and the page, in processes that hash texts differently."""
    words = (
        "simulate --history month.csv --farm farm.toml --json --events events.jsonl --html page.html".split()
    )
    made = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-m", "penstock", *words],
            cwd=place,
            env=environment,
            capture_output=True,
            check=True,
        )
        made.append((done.stdout, *((place / name).read_bytes() for name in ("events.jsonl", "page.html"))))
    assert made[0] == made[1]
