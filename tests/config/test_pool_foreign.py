"""[pool.serves]: what is read, and what is refused with a word about what to write instead."""

from pathlib import Path

import pytest

from penstock.config.farm import read_farm
from penstock.config.mistakes import Mistakes
from penstock.model.pool_foreign import Serves
from penstock.model.rules import Rules
from penstock.wiring import queues

FARM = """[platform.p]
[[pool]]
name = "burst"
provider = "simulated"
platforms = ["p"]
max = 3
agent = "buildbot-worker"
[pool.serves]
url = "https://ci.example.org/"
platforms = { "linux-*" = "p", "tag:big" = "p" }
names = "burst-%d"
secrets_file = "secrets"
master = "ci.example.org:9989"
"""
GITLAB = FARM.replace("buildbot-worker", "gitlab-runner").replace(
    'master = "ci.example.org:9989"', 'token_file = "token"\nrepositories = ["group/project"]'
)


def read(folder: Path, text: str) -> Rules:
    file = folder / "farm.toml"
    file.write_text(text)
    return read_farm(file)


def test_what_is_served_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, FARM).pools[0].serves == Serves(
        url="https://ci.example.org",
        platforms=(("linux-*", "p"), ("tag:big", "p")),
        names="burst-%d",
        secrets_file="secrets",
        master="ci.example.org:9989",
    )
    found = read(tmp_path, GITLAB).pools[0].serves
    assert found is not None
    assert (found.token_file, found.repositories) == ("token", ("group/project",))


def test_agents_of_owned_machines_come_by_themselves(tmp_path: Path) -> None:
    text = FARM.replace('"simulated"', '"owned"').replace('secrets_file = "secrets"\n', "")
    text = text.replace('master = "ci.example.org:9989"\n', "").replace("max = 3\n", "")
    assert read(tmp_path, text).pools[0].serves is not None


def test_queues_are_opened_once_for_each_system_and_secrets_lie_beside_the_farm(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("burst-1 abc\n\nburst-2 def\nnonsense\n")
    for text in (FARM, GITLAB):
        ((url, queue),) = queues(read(tmp_path, text)).items()
        assert url == "https://ci.example.org"
        assert queue.secret("burst-2") == "def"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("https://ci.example.org/", "https://me:secret@ci.example.org", "without a password"),
        ('"burst-%d"', '"burst"', "with one %d"),
        ('"ci.example.org:9989"', '"ci.example.org"', "write HOST:PORT"),
        ('{ "linux-*" = "p", "tag:big" = "p" }', "{}", "write a table such as"),
        ('"tag:big" = "p"', '"tag:big" = "q"', "the pool has no platform 'q'"),
        ('master = "ci.example.org:9989"', "", "`serves` lacks `master`"),
        ('secrets_file = "secrets"', "", "`serves` lacks `secrets_file`"),
        ("max = 3", "", "write max = N"),
        ('agent = "buildbot-worker"', "", "`serves` beside Penstock's own agent"),
        ("max = 3", 'max = 3\ntrust = "trusted"', "counts as untrusted here"),
        ("simulated", "kubernetes", "machines of provider 'kubernetes' cannot run buildbot-worker"),
        ("buildbot-worker", "gitlab-runner", "`serves` lacks `token_file`"),
        ("buildbot-worker", "gitlab-runner", "`serves` lacks `repositories`"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_write(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(Mistakes) as told:
        read(tmp_path, FARM.replace(old, new))
    assert said in str(told.value)
    assert "secret@" not in str(told.value).replace("me:secret@", "")


def test_an_agent_of_others_needs_to_be_told_whose(tmp_path: Path) -> None:
    with pytest.raises(Mistakes, match=r"`serves` does not say which"):
        read(tmp_path, FARM[: FARM.index("[pool.serves]")])


def test_two_pools_have_agents_of_different_names(tmp_path: Path) -> None:
    other = FARM[FARM.index("[[pool]]") :].replace('name = "burst"', 'name = "other"')
    with pytest.raises(Mistakes, match="its agents have the names of those of the pool on line 8"):
        read(tmp_path, FARM + other)


def test_libvirts_machines_cannot_run_what_their_image_cannot_have(tmp_path: Path) -> None:
    with pytest.raises(Mistakes, match="machines of provider 'libvirt' cannot run gitlab-runner"):
        read(tmp_path, GITLAB.replace('"ec2"', '"libvirt"').replace('"simulated"', '"libvirt"'))
