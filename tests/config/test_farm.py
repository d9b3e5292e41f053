"""farm.toml: what is read, and every mistake by line with what to write instead."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from penstock.config.farm import SETTINGS, read_farm
from penstock.config.mistakes import Mistakes
from penstock.model.rules import Billing, Grant, Lease, Project, Quantiles, Rules
from penstock.model.units import Size

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "farm-toml.md"


def read(folder: Path, text: str | bytes) -> Rules:
    file = folder / "farm.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_farm(file)


def mistakes(folder: Path, text: str | bytes) -> list[str]:
    """The lines told of a text, without the file's name."""
    with pytest.raises(Mistakes) as told:
        read(folder, text)
    lines = str(told.value).splitlines()
    assert len(lines) == len(told.value.mistakes)
    return [line.removeprefix(f"{folder}/farm.toml:").strip() for line in lines]


def test_the_example_of_the_reference_is_read(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.S)
    assert found
    rules = read(tmp_path, found[1])
    pool, burst = rules.pools
    assert (pool.machines, pool.trust, pool.price_per_hour_micros) == (10, ("trusted",), 0)
    assert (burst.price_per_hour_micros, burst.stopped_price_per_hour_micros) == (403_200, 10_960)
    assert (burst.boot, burst.resume) == (Quantiles(90_000, 150_000), Quantiles(45_000, 45_000))
    assert (burst.billing, burst.max) == (Billing(granularity_ms=1000, minimum_ms=60_000), 1000)
    assert rules.rules[0].match == {"branch": "main", "group": "committer"}
    assert rules.groups == {"committer": ("ada", "bob")}
    own = ("https://git.example.org/qemu", "ssh://git@git.internal.example/srv/qemu")
    assert rules.projects == {"qemu": Project(name="qemu", share=3, repositories=own)}
    assert rules.git_hosts == ("git.internal.example",)
    assert (rules.rules[0].trust, rules.rules[0].klass, rules.rules[0].pools) == (
        "trusted",
        "change",
        ("own", "burst"),
    )
    assert rules.charges[0].per_month_micros == 258_000_000
    assert rules.grants == (
        Grant(
            name="azure-2023", amount=Decimal(10000), currency="USD", start="2023-01-01", until="2023-12-31"
        ),
    )
    assert rules.guards[0].hold_ms == 48 * 3_600_000
    assert rules.platforms["debian-12-gcc"].environment == {"CC": "gcc"}
    assert rules.folder == str(tmp_path)


def test_a_group_in_a_rule_is_never_a_person_of_that_name(tmp_path: Path) -> None:
    rules = read(
        tmp_path,
        '[group]\nteam = ["ada"]\n[[rule]]\nmatch = { who = "team", branch = "*" }\ngive = {}\n'
        '[[rule]]\nmatch = { who = "bob" }\ngive = {}\n[[rule]]\nmatch = { branch = "x" }\ngive = {}\n',
    )
    matches = [rule.match for rule in rules.rules]
    assert matches == [{"group": "team", "branch": "*"}, {"who": "bob"}, {"branch": "x"}]


def test_repositories_and_hosts_are_kept_in_one_way_to_write_them(tmp_path: Path) -> None:
    rules = read(
        tmp_path,
        '[git]\nhosts = ["GIT.internal", "10.0.0.1:8443", "[FD00::1]"]\n[project.q]\n'
        'repositories = ["https://ada@H.org:443/q.git/", "git@h.org:q"]\n[project.r]\nrepositories = []\n',
    )
    assert rules.git_hosts == ("git.internal", "10.0.0.1:8443", "[fd00::1]")
    assert rules.projects["q"].repositories == ("https://h.org/q", "ssh://git@h.org/~/q")
    assert rules.projects["r"].repositories == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[project.q]\nrepositories = 7", "2: `repositories` of project 'q' is 7; write a list of addresses"),
        (
            '[project.q]\nrepositories = "x"',
            "2: `repositories` of project 'q' is 'x'; write a list of addresses",
        ),
        (
            '[project.q]\nrepositories = [\n"/srv/q"]',
            "3: element 1 of .* is the folder '/srv/q'; write an address",
        ),
        (
            '[project.q]\nrepositories = ["http://h/q"]',
            "2: element 1 .* protocol 'http' .*; write https://HOST/PATH",
        ),
        (
            '[project.q]\nrepositories = ["https://h"]',
            "2: element 1 .* is not a complete address; write https://",
        ),
        ('[project.q]\nrepositories = ["https://u:p@h/q"]', "2: element 1 .* holds a password; keep it out"),
        ('[project.q]\nrepositories = ["https://h/q", 7]', "2: element 2 of .* is 7; write text in quotes"),
        (
            '[project.q]\nrepositories = ["https://h/q.git"]\n[project.r]\nrepositories = [\n"https://H:443/q"]',
            "5: 'https://H:443/q' is a repository of project 'q' on line 2, too; name it in one of them",
        ),
        ("[git]\nhosts = 7", "2: `hosts` of `git` of farm.toml is 7; write a list of hosts"),
        (
            '[git]\nhosts = ["*.example"]',
            "2: element 1 of .* is '\\*.example'; write the whole name of a host",
        ),
        ('[git]\nhosts = ["https://h"]', "2: element 1 .* write the whole name of a host"),
        ('[git]\nhosts = ["10.0.0.0/8"]', "2: element 1 .* write the whole name of a host"),
        ('[git]\nhosts = ["h:0"]', "2: element 1 .* write the whole name of a host"),
        ('[git]\nhosts = ["h:65536"]', "2: element 1 .* write the whole name of a host"),
        ('[git]\nhost = ["h"]', "2: `git` of farm.toml has no `host`; did you mean `hosts`?"),
        ("git = 7", "1: `git` of farm.toml is 7; write a table of `hosts`"),
    ],
)
def test_mistakes_in_repositories_and_hosts(tmp_path: Path, text: str, told: str) -> None:
    (line,) = mistakes(tmp_path, text)
    assert re.match(told, line), line


def test_a_project_may_name_a_repository_twice(tmp_path: Path) -> None:
    text = '[project.q]\nrepositories = ["https://h/q", "https://h/q.git"]\n'
    assert read(tmp_path, text).projects["q"].repositories == ("https://h/q", "https://h/q")


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Rules(folder=str(tmp_path))


def test_defaults_of_a_pool(tmp_path: Path) -> None:
    pool = read(tmp_path, '[platform.p]\n[[pool]]\nname="a"\nprovider="local"\nplatforms=["p"]\n').pools[0]
    assert (pool.slots, pool.size, pool.machines, pool.min, pool.max) == (1, None, 0, 0, None)
    assert (pool.speed, pool.uses, pool.classes, pool.projects) == (1.0, 0, (), ())
    assert (pool.resume, pool.stopped_price_per_hour_micros) == (None, None)
    assert pool.trust == ("untrusted", "trusted")


def test_what_is_reached_through_the_hub(tmp_path: Path) -> None:
    (pool,) = read(
        tmp_path, POOL + 'network = "hub-only"\nreaches = ["Deb.Example.net:80", "10.1.0.0/16:443"]\n'
    ).pools
    assert pool.reaches == ("deb.example.net:80", "10.1.0.0/16:443")
    assert not pool.closed


def test_parts_of_sections(tmp_path: Path) -> None:
    rules = read(
        tmp_path,
        '[lease]\nright_s = 2.5\n[waiting]\nprice_per_hour = 0.1\nlateness = "spend"\n[waiting.target]\nseconds = 60\n'
        '[platform.p]\n[[pool]]\nname="a"\nprovider="owned"\nplatforms=["p"]\ncores=8\nmemory_mb=1000\n'
        'trust=["trusted", "trusted", "untrusted"]\n[[rule]]\ngive={}\n',
    )
    assert rules.lease == Lease(right_ms=2500)
    assert (rules.waiting.price_per_hour_micros, rules.waiting.target_ms) == (100_000, 60_000)
    assert rules.pools[0].size == Size(8, 1000)
    assert rules.pools[0].trust == ("trusted", "untrusted")
    assert rules.rules[0].match == {}


POOL = '[platform.p]\n[[pool]]\nname = "a"\nprovider = "ec2"\nplatforms = ["p"]\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[frm]\n", "1: farm.toml has no `frm`; did you mean `farm`?"),
        ("farm = 3\n", "1: `farm` of farm.toml is 3; write a table of `name`, `state`, `blobs`, `currency`"),
        ("[farm]\nname = 3\n", "2: `name` of `farm` of farm.toml is 3; write text in quotes"),
        ('[farm]\nname = " "\n', "2: `name` of `farm` of farm.toml is empty; write text, or leave it out"),
        ('[farm]\nname = " a"\n', "2: `name` of `farm` of farm.toml is ' a'; write at most 200 printable"),
        ('[farm]\nname = "a\\u0007"\n', "2: `name` of `farm` of farm.toml holds a control character"),
        ('[farm]\nstate = "mysql://x"\n', "begin it with sqlite:/// or postgresql://"),
        ('[farm]\ncurrency = "usd"\n', "2: `currency` of `farm` of farm.toml is 'usd'; write three capitals"),
        ('[lease]\ncontact_s = "90"\n', "write a number of seconds, without quotes"),
        ("[lease]\ncontact_s = 0\n", "2: `contact_s` of `lease` of farm.toml is 0; write at least 0.001"),
        ("[lease]\ncontact_s = true\n", "2: `contact_s` of `lease` of farm.toml is true; write a number"),
        ("[waiting]\nprice_per_hour = -1.5\n", "is -1.5; write 0 or more"),
        ("[waiting]\nprice_per_hour = inf\n", "is Infinity; write a number of at most 1e12"),
        ("[waiting]\nprice_per_hour = 1e999999\n", "write a number of at most 1e12"),
        ("[waiting]\ntarget = { percentile = 100 }\n", "write a number above 0 and below 100, such as 95"),
        ('[waiting]\nlateness = "spent"\n', "did you mean `spend`?"),
        ("platform = 3\n", '1: `platform` is 3; write [platform."NAME"]'),
        ("[platform]\np = 3\n", "2: platform 'p' is 3; write a table of `arch`, `image`, `environment`"),
        ('[platform." p"]\n', "1: a platform's name is ' p'"),
        ("[platform.p]\nenvironment = { CC = 3 }\n", "2: CC in `environment` of platform 'p' is 3"),
        ('[platform.p]\nenvironment = { "C C" = "x" }\n', "write a name of letters, digits and _"),
        ('[platform.p]\nenvironment = { PATH = "x" }\n', "sets PATH, which is the same for every job"),
        ("[platform.p]\nenvironment = 3\n", 'write a table such as { CC = "gcc" }'),
        ("[pool]\n", "1: `pool` is a table; write [[pool]] with two brackets"),
        ("pool = [3]\n", "1: `pool` holds 3; write a table under [[pool]]"),
        ("[[pool]]\n", "1: [[pool]] lacks `name`"),
        (POOL + "[[pool]]\nname = 'a'\n", "7: a second pool is called 'a', as on line 3; give it another name"),
        (POOL.replace('"p"]', '"pq"]'), "5: there is no platform 'pq'; did you mean `p`?"),
        ('[[pool]]\nplatforms = ["x"]\n', "2: there is no platform 'x'; add [platform.\"x\"]"),
        (POOL.replace("ec2", "ec3"), "4: `provider` of pool 'a' is 'ec3'; did you mean `ec2`?"),
        (POOL.replace('["p"]', "[]"), "5: `platforms` of pool 'a' is empty; write a list of platforms"),
        (POOL.replace('["p"]', '"p"'), "5: `platforms` of pool 'a' is 'p'; write a list of platforms"),
        (POOL.replace('"a"', '"a b"'), "3: `name` of pool 'a b' is 'a b'; write at most 100 letters"),
        (POOL + "slots = 0\n", "6: `slots` of pool 'a' is 0; write a whole number, 1 or more"),
        (POOL + "slots = 1.5\n", "6: `slots` of pool 'a' is 1.5; write a whole number, 1 or more"),
        (POOL + "speed = 0\n", "6: `speed` of pool 'a' is 0; write a number above 0"),
        (POOL + "min = 2\nmax = 1\n", "6: `min` is 2, above `max` 1; write min at most max"),
        (POOL + "memory_mb = 1\n", "6: `memory_mb` without `cores`; write cores = N beside it"),
        (POOL + 'network = "hub-only"\nreaches = ["a"]\n', "7: element 1 of `reaches` of pool 'a' is 'a'; write HOST:PORT"),
        (POOL + 'reaches = ["a:1"]\n', "6: `reaches` in a pool that reaches everything; write network ="),
        (POOL + "boot_s = { p50 = 2, p95 = 1 }\n", "6: `boot_s` of pool 'a' has a p95 below its p50"),
        (POOL + "boot_s = { p50 = 2 }\n", "6: `boot_s` of pool 'a' lacks `p95`"),
        (POOL + "boot_s = { p5 = 2, p50 = 1, p95 = 1 }\n", "6: `boot_s` of pool 'a' has no `p5`; did you mean `p"),
        (POOL + 'trust = "none"\n', "6: `trust` of pool 'a' is 'none'"),
        (POOL + "billing.granularity_s = 0\n", "6: `granularity_s` of `billing` of pool 'a' is 0"),
        ("[[rule]]\n", "1: [[rule]] lacks `give`"),
        ("group = 1\n", "1: `group` is 1; write [group]"),
        ('[group]\na = "ada"\n', "2: group 'a' is 'ada'; write a list of people"),
        ("[group]\na = []\n", "2: group 'a' is empty"),
        ('[group]\na = ["ada", 1]\n', "2: element 2 of group 'a' is 1; write text"),
        ('[group]\n"a*" = ["ada"]\n', "2: group 'a*' has a * in its name"),
        ('[group]\n" a" = ["ada"]\n', "2: a group's name is ' a'"),
        ('[project]\nq = 1\n', "2: project 'q' is 1; write a table of `share`"),
        ('[project.q]\nshare = 0\n', "2: `share` of project 'q' is 0; write a whole number, 1 or more"),
        ('[project.q]\nshares = 2\n', "2: project 'q' has no `shares`; did you mean `share`?"),
        ('[[rule]]\ngive = { pools = ["x"] }\n', "2: there is no pool 'x'; add [[pool]]"),
        ('[[rule]]\nmatch = { brnch = "x" }\ngive = {}\n', "2: `match` of [[rule]] has no `brnch`; did you mean `branch`?"),
        ("[[grant]]\nfrom = 2023-01-02\nuntil = 2023-01-01\n", "3: the grant ends on 2023-01-01, before it begins"),
        ('[[grant]]\nfrom = "soon"\n', "2: `from` of [[grant]] is 'soon'; write a date such as 2023-12-31"),
        ('[[guard]]\nwhen = "forecast"\n', '2: `when` of [[guard]] is \'forecast\'; write it as in "forecast > 95%"'),
        ('[[guard]]\nfor = "48"\n', "2: `for` of [[guard]] is '48'; write a duration such as"),
        ('[[guard]]\nfor = 48\n', "2: `for` of [[guard]] is 48; write a duration such as"),
        ('[[guard]]\nfor = "0s"\n', "2: `for` of [[guard]] is '0s'; write a duration such as"),
        ('[[guard]]\nthen = ["stop"]\n', "2: element 1 of `then` of [[guard]] is 'stop'; write \"notify:WHOM\""),
        ('[[guard]]\nthen = [\n "notify:me",\n "cap:x=1"]\n', "4: there is no pool 'x' to cap"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    assert [line for line in mistakes(tmp_path, text) if told in line]


def test_all_mistakes_are_told_in_order(tmp_path: Path) -> None:
    text = '[farm]\nnam = "x"\nstate = 1\n[lease]\noffer_s = "x"\n[[pool]]\nname = "a"\n'
    assert [line.split(":")[0] for line in mistakes(tmp_path, text)] == ["2", "3", "5", "6", "6"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"[farm\n", "1: not TOML: Expected ']' at the end of a table declaration"),
        (b"\n\na = \n", "3: not TOML: Invalid value"),
        (b"a = 1\na = 2\n", "2: not TOML: Cannot overwrite a value"),
        (b'a = "', "1: not TOML: Unterminated string"),
        (b"a = 1\nb = '\xff'\n", "2: is not UTF-8; save the file as UTF-8"),
        (b"a = " + b"9" * 5000 + b"\n", "a number too long or tables too deep to read"),
        (b"a = " + b"[" * 50_000, "a number too long or tables too deep to read"),
        (b"# " + b"x" * (1 << 20), "is larger than 1 MiB; write less"),
    ],
)
def test_what_is_no_toml_is_one_line(tmp_path: Path, text: bytes, told: str) -> None:
    (line,) = mistakes(tmp_path, text)
    assert told in line


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, b'\xef\xbb\xbf[farm]\r\nname = "x"\r\n').name == "x"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("missing.toml", "there is no such file"),
        (".", "is a folder"),
        ("file/inside", "cannot be read: Not a directory"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Mistakes, match=told):
        read_farm(tmp_path / name)


def test_a_device_is_no_file() -> None:
    with pytest.raises(Mistakes, match="not a plain file"):
        read_farm("/dev/null")


def test_settings_are_named_by_their_place() -> None:
    assert {"farm.name", "pool.boot_s.p95", "rule.give.class", "waiting.target.seconds"} <= set(SETTINGS)
