"""Failed downloads: counted until the hub has heard of them, and read from what known programs say."""

import pytest

from penstock.agent.trouble import TAIL_BYTES, Trouble, failed_hosts


@pytest.mark.parametrize(
    ("line", "host", "what"),
    [
        ("curl: (6) Could not resolve host: mirror.example.org", "mirror.example.org", "cannot be resolved"),
        (
            "curl: (7) Failed to connect to mirror.example.org port 443 after 3 ms: Couldn't connect to server",
            "mirror.example.org",
            "cannot be reached",
        ),
        (
            "fatal: unable to access 'https://git.example.org/x/': Could not resolve host: git.example.org",
            "git.example.org",
            "cannot be resolved",
        ),
        ("wget: unable to resolve host address ‘ftp.example.org’", "ftp.example.org", "cannot be resolved"),
        (
            "Connecting to ftp.example.org (ftp.example.org)|192.0.2.1|:443... failed: Connection refused.",
            "ftp.example.org",
            "cannot be reached",
        ),
        (
            "W: Failed to fetch http://deb.example.org/x  Could not resolve 'deb.example.org'",
            "deb.example.org",
            "cannot be resolved",
        ),
        (
            "E: Could not connect to deb.example.org:80 (192.0.2.1). - connect (111: Connection refused)",
            "deb.example.org",
            "cannot be reached",
        ),
        ("E: Unable to connect to deb.example.org:http:", "deb.example.org", "cannot be reached"),
        (
            "ssh: Could not resolve hostname git.example.org: Name or service not known",
            "git.example.org",
            "cannot be resolved",
        ),
        (
            "ssh: connect to host git.example.org port 22: Connection refused",
            "git.example.org",
            "cannot be reached",
        ),
    ],
)
def test_what_programs_say(line: str, host: str, what: str) -> None:
    assert failed_hosts(f"before\n{line}\nafter\n".encode()) == [(host, what)]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe\x00",
        b"all is well",
        b"Could not resolve host: ",
        b"Failed to connect to \n",
        b"Could not resolve host: ../../etc",
    ],
)
def test_what_says_nothing(text: bytes) -> None:
    assert failed_hosts(text) == []


def test_only_the_last_words_count_and_each_host_once() -> None:
    line = b"curl: (6) Could not resolve host: %s.example.org\n"
    text = line % b"old" + b"x" * TAIL_BYTES + line % b"new" * 3
    assert failed_hosts(text) == [("new.example.org", "cannot be resolved")]
    assert len(failed_hosts(b"".join(line % b"h%d" % number for number in range(1000)))) == 64


def test_counts_stay_until_they_were_heard() -> None:
    trouble = Trouble()
    for host in ("b", "a", "b"):
        trouble.note(host, "unreachable")
    told = trouble.told()
    assert told == [
        {"host": "a", "what": "unreachable", "count": 1},
        {"host": "b", "what": "unreachable", "count": 2},
    ]
    trouble.note("b", "unreachable")
    trouble.forget(told)
    assert trouble.told() == [{"host": "b", "what": "unreachable", "count": 1}]
    for number in range(1000):
        trouble.note(f"h{number}", "unreachable")
    assert len(trouble.told()) == 64
