"""How another system's agent is started: the real commands are run in tests/real/test_serves_buildbot.py."""

import shlex

from penstock.model.pool_foreign import Serves
from penstock.model.rented import TAG_MACHINE, Order
from penstock.model.rules import Pool
from penstock.providers.serving import first_boot, prepare, start, told

SERVES = Serves(url="https://ci.example.org", names="burst-%d")
POOL = Pool(name="burst", provider="ec2", platforms=("p",), agent="buildbot-worker", serves=SERVES)
ORDER = Order(
    offer="burst",
    token="t",
    tags={TAG_MACHINE: "m1"},
    secret="it's",
    name="burst-1",
    hub="ci.example.org:9989",
)


def test_a_first_boot_makes_the_agents_folder_and_keeps_it_running() -> None:
    script = first_boot(POOL, ORDER, "/var/lib/penstock")
    assert shlex.quote("it's") in script
    assert "penstock m1" in script
    unit = "ExecStart=/usr/bin/env buildbot-worker start --nodaemon /var/lib/penstock/agent\n"
    assert unit in script
    assert script.startswith("#!/bin/sh\n")


def test_an_agent_of_gitlab_registers_with_its_token() -> None:
    pool = Pool(name="burst", provider="ec2", platforms=("p",), agent="gitlab-runner", serves=SERVES)
    _, words = prepare(pool, ORDER, "/home")
    assert words[:3] == ["gitlab-runner", "register", "--non-interactive"]
    assert words[words.index("--token") + 1] == "it's"
    assert start(pool, "/home")[:2] == ["gitlab-runner", "run"]


def test_a_machine_of_our_image_is_told_which_agent_it_is_and_for_how_long_it_stays_without_a_word() -> None:
    said = {"agent": "buildbot-worker", "machine": "m1", "power_off_after_s": 3600.0, "words": []}
    assert told(POOL, ORDER) == said
    assert told(Pool(name="own", provider="libvirt", platforms=("p",)), ORDER) == {}
