"""Repositories of other machines: real git over ssh, with `ssh` played by a script that runs the command here."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.forges.git import Git, GitError
from penstock.forges.git.address import NotAllowed, address_of, check_path, check_ref
from penstock.forges.git.errors import NoSuchRef, Refused, Unreachable
from penstock.forges.git.network import Callers, calling, public

SSH = '#!/bin/sh\necho "$@" >> {log}\nfor last; do :; done\nexec sh -c "$last"\n'
PUBLIC = "93.184.216.34"


@pytest.fixture
def ssh_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts the script before the real ssh; returns where it writes its arguments."""
    log, folder = tmp_path / "ssh.log", tmp_path / "programs"
    folder.mkdir()
    (folder / "ssh").write_text(SSH.format(log=log))
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return log


def url(repository: Any) -> str:
    return f"ssh://git@host.example{repository.folder}"


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_only_the_commit_that_is_asked_for_is_fetched(
    make: Any, forge: Git, ssh_log: Path, form: str
) -> None:
    repository = make(form=form)
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "--annotate", "--message", "x", "v1")
    repository.write("README", "second\n")
    second = repository.commit()
    here = forge.resolve(str(repository.folder))
    for ref in ("HEAD", "main", "refs/heads/main", second):
        there = forge.resolve(url(repository), ref)
        assert (there.commit, there.tree, there.digest) == (second, here.tree, here.digest)
    assert b"".join(forge.archive(there)) == b"".join(forge.archive(here))
    assert forge.read_file(there, "README", 100) == b"second\n"
    mirror = forge.mirrors.path(url(repository), form)
    assert (mirror / "shallow").read_text().split() == [second]
    assert forge.resolve(url(repository), "v1").commit == first
    assert forge.resolve(url(repository), first).commit == first
    assert (
        forge.resolve(f"git@host.example:{repository.folder}", path="lib").tree
        == forge.inside(here, "lib").tree
    )


def test_the_repository_itself_says_which_ref_it_was(make: Any, forge: Git, ssh_log: Path) -> None:
    repository = make()
    for ref in (
        "refs/merge-requests/1/head",
        "refs/heads/refs/tags/v1",
        "refs/heads/work",
        "refs/remotes/o/main",
    ):
        repository.git("update-ref", ref, "HEAD")
    repository.git("tag", "v2")
    repository.git("tag", "--annotate", "--message", "x", "v3")

    def full(ref: str) -> str:
        return forge.named(url(repository), ref)[1]

    assert {full(ref) for ref in ("HEAD", "main", "refs/heads/main")} == {"refs/heads/main"}
    assert full("v2") == full("refs/tags/v2") == "refs/tags/v2"
    assert full("v3") == "refs/tags/v3"
    assert full("work") == "refs/heads/work"
    assert full("refs/merge-requests/1/head") == "refs/merge-requests/1/head"
    assert full("refs/tags/v1") == "refs/heads/refs/tags/v1"
    assert full(repository.git("rev-parse", "HEAD")) == ""
    with pytest.raises(NoSuchRef):
        full("o/main")
    repository.git("checkout", "--quiet", "--detach")
    assert full("HEAD") == ""
    assert forge.named(str(repository.folder), "main")[1] == ""


@pytest.mark.parametrize("sign", ["\u2028", "\u0085"])
def test_no_name_of_a_branch_is_taken_for_two_lines(make: Any, forge: Git, ssh_log: Path, sign: str) -> None:
    """Who may make branches would else have one listed as main."""
    repository = make()
    main = repository.git("rev-parse", "HEAD")
    repository.git("checkout", "--quiet", "-b", f"main{sign}/main")
    repository.write("README", "evil\n")
    repository.git("branch", f"main{sign}/refs/heads/main", repository.commit())
    repository.git("checkout", "--quiet", "main")
    for ref in ("main", "refs/heads/main"):
        source, full = forge.named(url(repository), ref)
        assert (source.commit, full) == (main, "refs/heads/main")


def test_a_tag_that_is_called_like_a_branch_is_neither(make: Any, forge: Git, ssh_log: Path) -> None:
    """Who may only make tags would else have a commit of his taken for one of the branch."""
    repository = make()
    main = repository.git("rev-parse", "HEAD")
    repository.git("checkout", "--quiet", "-b", "other")
    repository.write("README", "evil\n")
    other = repository.commit()
    repository.git("tag", "main")
    repository.git("tag", "--annotate", "--message", "x", "other")
    for ref in ("main", "refs/tags/main", "other"):
        source, full = forge.named(url(repository), ref)
        assert (source.commit, full) == (other, "")
    source, full = forge.named(url(repository), "refs/heads/main")
    assert (source.commit, full) == (main, "refs/heads/main")


def test_what_is_here_is_not_fetched_again(make: Any, forge: Git, ssh_log: Path) -> None:
    repository = make()
    forge.resolve(url(repository))
    calls = len(ssh_log.read_text().splitlines())
    forge.resolve(url(repository))
    assert len(ssh_log.read_text().splitlines()) == calls + 1, "asked what the ref is, no more"
    commit = repository.git("rev-parse", "HEAD")
    forge.resolve(url(repository), commit)
    assert len(ssh_log.read_text().splitlines()) == calls + 1


@pytest.mark.parametrize(
    ("ref", "kind", "told"),
    [
        ("nope", NoSuchRef, "there is no ref 'nope'; write a branch, a tag or a commit that is there"),
        ("HEAD~1", NoSuchRef, "'HEAD~1' is not a name of its own there"),
        ("1" * 40, NoSuchRef, "commit 111111111111 cannot be fetched: "),
        ("blob", NoSuchRef, "'blob' is no commit"),
        ("-x", Refused, "begins with '-'"),
    ],
)
def test_refs_that_are_not_there(
    make: Any, forge: Git, ssh_log: Path, ref: str, kind: type[GitError], told: str
) -> None:
    repository = make()
    repository.git("tag", "blob", "HEAD:README")
    with pytest.raises(kind, match=told):
        forge.resolve(url(repository), ref)


def test_a_repository_that_cannot_be_reached(forge: Git, ssh_log: Path, tmp_path: Path) -> None:
    with pytest.raises(
        Unreachable, match="does not appear to be a git repository; look at the address"
    ) as told:
        forge.resolve(f"ssh://host.example{tmp_path}/nope")
    assert "\n" not in str(told.value)


def test_a_repository_that_vanishes_between_list_and_fetch(make: Any, forge: Git, ssh_log: Path) -> None:
    repository = make()
    commit = repository.git("rev-parse", "HEAD")
    (repository.folder / ".git" / "objects" / commit[:2] / commit[2:]).unlink()
    with pytest.raises(GitError, match="; "):
        forge.resolve(url(repository))


def test_many_at_once(make: Any, ssh_log: Path, tmp_path: Path) -> None:
    repository = make()
    commits = {repository.git("rev-parse", "HEAD")}
    for number in range(3):
        repository.write("README", str(number))
        commits.add(repository.commit())
        repository.git("tag", f"v{number}")
    found: list[str] = []

    def resolve(number: int) -> None:
        forge = Git(tmp_path / "shared", local_user=True)
        found.append(forge.resolve(url(repository), f"v{number % 3}").commit)

    threads = [threading.Thread(target=resolve, args=(number,)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 9
    assert len(set(found)) == 3


# Who may be called --------------------------------------------------------------------------------------------


def test_others_are_called_at_the_address_that_was_checked(make: Any, ssh_log: Path, tmp_path: Path) -> None:
    repository = make()
    forge = Git(tmp_path / "farm", local_user=False, lookup=lambda host, port: [PUBLIC])
    assert forge.resolve(url(repository)).commit == repository.git("rev-parse", "HEAD")
    line = ssh_log.read_text().splitlines()[0]
    assert f"-oHostName={PUBLIC} -oHostKeyAlias=host.example" in line
    assert "-F /dev/null -oBatchMode=yes -oStrictHostKeyChecking=yes" in line
    callers = Callers(False, lambda host, port: ["2606:4700::1"])
    env = calling(
        address_of("https://h.example/x"), callers, {"https_proxy": "p", "SSL_CERT_FILE": "/etc/own.pem"}
    )
    told = {
        env[f"GIT_CONFIG_KEY_{n}"]: env[f"GIT_CONFIG_VALUE_{n}"] for n in range(int(env["GIT_CONFIG_COUNT"]))
    }
    assert told["http.curloptResolve"] == "h.example:443:[2606:4700::1]"
    assert told["http.followRedirects"] == "false"
    assert (env["GIT_ALLOW_PROTOCOL"], env["https_proxy"]) == ("https", "p")
    assert env["GIT_SSL_CAINFO"] == "/etc/own.pem"


@pytest.mark.parametrize(
    "number",
    ["127.0.0.1", "10.1.1.1", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "::1", "::", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "ff02::1", "what"],
)  # fmt: skip
def test_networks_of_the_farm_are_not_called(number: str, tmp_path: Path) -> None:
    assert not public(number)
    forge = Git(tmp_path, local_user=False, lookup=lambda host, port: [PUBLIC, number])
    with pytest.raises(Refused, match="in a network of the farm itself; name a public host"):
        forge.resolve("https://host.example/a")


def test_hosts_that_the_operator_names_may_be_private(make: Any, ssh_log: Path, tmp_path: Path) -> None:
    repository = make()
    hosts = ["host.example", "git.example:8443", "[fd00::1]", "10.0.0.1:443"]
    forge = Git(tmp_path / "farm", local_user=False, lookup=lambda host, port: ["10.1.1.1"], hosts=hosts)
    assert forge.resolve(url(repository)).commit == repository.git("rev-parse", "HEAD")
    assert "-oHostName=10.1.1.1 -oHostKeyAlias=host.example" in ssh_log.read_text()
    callers = forge.mirrors.callers
    for named in ("https://HOST.example/x", "https://host.example:443/x", "ssh://git@host.example:22/x",
                  "https://git.example:8443/x", "https://[fd00::1]/x", "https://10.0.0.1/x", "git@host.example:x"):  # fmt: skip
        assert calling(address_of(named), callers, {})["GIT_CONFIG_COUNT"] != "0"
    for other in ("https://host.example:8443/x", "ssh://host.example:443/x", "https://git.example/x", "git@git.example:x",
                  "https://a.host.example/x", "https://host.example.evil/x", "https://host.example./x",
                  "https://10.0.0.2/x", "https://[fd00::2]/x", "https://[fd00:0::1]/x"):  # fmt: skip
        with pytest.raises(Refused, match=r"that \[git\] hosts of farm\.toml allows"):
            calling(address_of(other), callers, {})


@pytest.mark.parametrize("number", [PUBLIC, "2606:4700::1", "::ffff:93.184.216.34"])
def test_the_rest_of_the_world_is(number: str) -> None:
    assert public(number)


def test_hosts_that_nobody_knows(tmp_path: Path) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such host")

    for lookup in (unknown, lambda host, port: []):
        with pytest.raises(Unreachable, match="look at its spelling"):
            Git(tmp_path, local_user=False, lookup=lookup).resolve("https://host.example/a")


def test_folders_are_for_the_local_user_alone(make: Any, forge: Git, tmp_path: Path) -> None:
    repository = make()
    other = Git(tmp_path / "farm", local_user=False)
    source = forge.resolve(str(repository.folder))
    for attempt in (
        lambda: other.resolve(str(repository.folder)),
        lambda: other.resolve(f"file://{repository.folder}"),
        lambda: other.read_file(source, "README", 100),
        lambda: list(other.archive(source)),
    ):
        with pytest.raises(Refused, match="for its local user alone; name an https or ssh address"):
            attempt()


@pytest.mark.parametrize(
    "text",
    ["ext::sh -c x", "EXT::x", "fd::7", "http://h/x", "git://h/x", "ftp://h/x", "-x", "--upload-pack=x", "", "a\nb",
     "ssh://-oProxyCommand=x/y", "ssh://u@-h/y", "https://h", "https:///x", "https://h/-x", "https://h:x/y",
     "git@-h:x", "git@h:-x", "h:x", "https://u:p@h/x", "file://h/x", "ssh://h/a b", "https://h;x/y", "https://$(x)/y"],
)  # fmt: skip
def test_addresses_that_are_on_no_list(text: str, forge: Git) -> None:
    with pytest.raises(NotAllowed):
        address_of(text)
    with pytest.raises(Refused):
        forge.resolve(text)


@pytest.mark.parametrize(
    ("text", "kind", "host", "port"),
    [
        ("https://github.com/a/b.git", "https", "github.com", 443),
        ("https://u@h.org:8443/a", "https", "h.org", 8443),
        ("ssh://git@h.org:29418/a", "ssh", "h.org", 29418),
        ("ssh://[2606:4700::1]/a", "ssh", "2606:4700::1", 22),
        ("git@h.org:a/b", "ssh", "h.org", 22),
        ("/a b/c", "folder", "", 0),
        ("../a", "folder", "", 0),
        ("file:///a", "folder", "", 0),
    ],
)
def test_addresses_that_are(text: str, kind: str, host: str, port: int) -> None:
    found = address_of(text)
    assert (found.kind, found.host, found.port) == (kind, host, port)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://git.example.org/qemu.git", "https://GIT.example.ORG:443/qemu/"),
        ("https://git.example.org/a/b", "https://ada@git.example.org/a/b.git/"),
        ("https://[FD00::1]:8443/q", "https://[fd00::1]:8443/q.git"),
        ("ssh://git@h.org:22/srv/q.git", "git@H.org:/srv/q"),
        ("git@h.org:qemu/q.git", "ssh://git@h.org/~/qemu/q"),
    ],
)
def test_one_repository_written_in_two_ways(one: str, other: str) -> None:
    assert address_of(one).canonical == address_of(other).canonical
    assert address_of(address_of(one).canonical).canonical == address_of(one).canonical


@pytest.mark.parametrize(
    "other",
    ["https://git.example.org:8443/qemu.git", "ssh://git.example.org/qemu.git", "https://git.example.org/Qemu",
     "https://git.example.org/eve/qemu.git", "https://git.example.org/qemu.git.git", "https://git.example.org/qemu/.git",
     "https://git.example.org/x/../qemu", "https://git.example.org/%71emu", "https://git.example.org/qemu?x=/qemu",
     "https://git.example.org./qemu", "https://git.example.org/x#/qemu", "https://git.example.org.evil/qemu",
     "/git.example.org/qemu", "https://x@evil.example/git.example.org/qemu.git"],
)  # fmt: skip
def test_other_repositories_are_others(other: str) -> None:
    assert address_of(other).canonical != address_of("https://git.example.org/qemu.git").canonical


def test_over_ssh_the_account_counts() -> None:
    """`eve@host:qemu` lies in the home folder of eve."""
    told = {
        address_of(text).canonical
        for text in ("git@h.org:q", "eve@h.org:q", "ssh://h.org/~/q", "ssh://git@h.org/q")
    }
    assert len(told) == 4


def passes(check: Callable[[str], object], text: str) -> bool:
    """Whether a check lets a text pass."""
    try:
        check(text)
    except NotAllowed:
        return False
    return True


@given(st.text(max_size=30))
def test_whatever_is_let_pass_is_no_option_and_one_line(text: str) -> None:
    for check in (address_of, check_ref):
        assert not passes(check, "-" + text)
    for check in (address_of, check_ref, check_path):
        assert not passes(check, f"a{text}\n{text}")
