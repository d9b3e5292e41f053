"""What pool.reaches names and what it does not."""

import pytest

from penstock.policy.reaching import Target, entry_of, leads, names, opens, public, target_of

ENTRIES = [
    entry_of(text)
    for text in (
        "deb.example.net:80",
        "*.Example.org:443",
        "10.1.0.0/16:443",
        "[fd00::1]:443",
        "127.0.0.1:80",
    )
]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deb.example.net:80", "deb.example.net:80"),
        ("DEB.Example.NET.:80", "deb.example.net:80"),
        ("10.0.0.1:443", "10.0.0.1:443"),
        ("[FD00:0::1]:443", "[fd00::1]:443"),
        ("[::ffff:10.0.0.1]:443", "10.0.0.1:443"),
        ("a_b.example:1", "a_b.example:1"),
    ],
)
def test_what_is_asked_for(text: str, said: str) -> None:
    assert str(target_of(text)) == said
    assert target_of(text).is_address is (text[0] in "1[")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "deb.example.net",
            "deb.example.net:",
            ":80",
            "deb.example.net:0",
            "deb.example.net:65536",
            "a:8o",
        ),
        *("a b:80", "a\r\nHost: x:80", "a/b:80", "user@host:80", "a..b:80", "-a:80", "a-:80", "*:80", ".:80"),
        *("fd00::1:80", "[fe80::1%eth0]:80", "[]:80", "[deb.example.net:80", "bücher.example:80", "a\0:80"),
        *("127.1:80", "2130706433:80", "0x7f000001:80", "127.0.0.0x1:80", "0177.0.0.1:80", "1.2.3.4.5:80"),
        *("a" * 64 + ":80", "a." * 127 + "a:80", "a:٨٠", "a:80:80", "a:080000"),
    ],
)
def test_what_is_no_host_with_a_port(text: str) -> None:
    with pytest.raises(ValueError, match="no host with a port behind it"):
        target_of(text)


@pytest.mark.parametrize("text", ["*", "a.*.b:80", "**:80", "*.:80", "10.1.2.3/16:80", "127.1:80", "a"])
def test_what_is_no_entry(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no host|no host with a port"):
        entry_of(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("deb.example.net:80", True),
        ("deb.example.net:443", False),
        ("x.deb.example.net:80", False),
        ("a.b.example.org:443", True),
        ("example.org:443", False),
        ("badexample.org:443", False),
        ("10.1.2.3:443", True),
        ("10.2.2.3:443", False),
        ("[fd00::1]:443", True),
        ("[fd00::2]:443", False),
    ],
)
def test_hosts_are_named_with_their_port(text: str, named: bool) -> None:
    assert names(ENTRIES, target_of(text)) is named


def test_a_star_names_every_host_and_opens_no_private_address() -> None:
    everything = [entry_of("*:443")]
    assert names(everything, Target("a.example", 443))
    assert names(everything, Target("127.0.0.1", 443))
    assert not names(everything, Target("a.example", 80))
    assert leads(everything, 443, "151.101.2.132")
    assert not leads(everything, 443, "127.0.0.1")


PRIVATE = [
    *("127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.100.100.200", "0.0.0.0"),
    *(
        "168.63.129.16",
        "224.0.1.1",
        "255.255.255.255",
        "192.0.0.192",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
    ),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "ff0e::1"),
    *("::127.0.0.1", "fec0::1", "64:ff9b:1::7f00:1", "fe80::1%eth0", "example.org", ""),
]


@pytest.mark.parametrize("number", PRIVATE)
def test_addresses_that_no_name_leads_to(number: str) -> None:
    assert not leads([entry_of("*:80"), *ENTRIES], 443, number)
    assert not public(number)


@pytest.mark.parametrize("number", ["151.101.2.132", "2a04:4e42::644", "::ffff:151.101.2.132"])
def test_addresses_of_the_internet(number: str) -> None:
    assert leads([], 443, number)
    assert not opens(ENTRIES, 443, number)


def test_an_entry_opens_its_own_addresses_at_its_own_port() -> None:
    assert leads(ENTRIES, 443, "10.1.2.3")
    assert opens(ENTRIES, 443, "::ffff:10.1.2.3")
    assert leads(ENTRIES, 80, "127.0.0.1")
    assert not leads(ENTRIES, 443, "127.0.0.1")
    assert leads(ENTRIES, 443, "fd00::1")
    assert not leads(ENTRIES, 80, "fd00::1")
    assert not opens(ENTRIES, 443, "a.example.org")
