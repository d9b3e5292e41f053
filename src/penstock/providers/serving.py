"""How another system's agent is started on a machine that was ordered: the commands, and the script of a first boot.

Commands: https://docs.buildbot.net/latest/manual/installation/worker.html and https://docs.gitlab.com/runner/commands/.
"""

import shlex

from penstock.model.pool_foreign import OURS
from penstock.model.rented import TAG_MACHINE, Order
from penstock.model.rules import Pool

HOST = "penstock "
"""What the file info/host of a Buildbot worker begins with; its machine's id follows."""
CREATE = ("buildbot-worker", "create-worker", "--quiet", "--maxdelay=15", "--keepalive=60")
"""An agent that lost its master comes back within the time that its machine is kept for it (hub/watcher)."""
UNIT = """[Unit]
Description=agent of another system, for Penstock
After=network-online.target
Wants=network-online.target
[Service]
ExecStart={start}
Restart=always
RestartSec=5
[Install]
WantedBy=multi-user.target
"""
FIRST_BOOT = """#!/bin/sh
# Penstock: this machine is {name}. It runs again whatever became of the first time.
set -eu
umask 077
mkdir -p {home}
{guard}{prepare}
cat > /etc/systemd/system/penstock-agent.service <<'UNIT'
{unit}UNIT
systemctl daemon-reload
systemctl enable --now penstock-agent.service
"""


def prepare(pool: Pool, order: Order, folder: str) -> list[list[str]]:
    """Commands that are run once on a new machine, in `folder`, which they make."""
    if pool.agent == "buildbot-worker":
        host = f"{folder}/info/host"
        said = HOST + order.tags.get(TAG_MACHINE, "")
        return [
            [*CREATE, folder, order.hub, order.name, order.secret],
            ["sh", "-c", 'mkdir -p "$(dirname "$1")" && printf "%s\\n" "$2" > "$1"', "sh", host, said],
        ]
    words = ["gitlab-runner", "register", "--non-interactive", "--config", f"{folder}/config.toml"]
    words += ["--url", order.hub, "--token", order.secret, "--name", order.name, "--executor", "shell"]
    return [["mkdir", "-p", folder], words]


def start(pool: Pool, folder: str) -> list[str]:
    """The command that is the agent, and stays."""
    if pool.agent == "buildbot-worker":
        return ["buildbot-worker", "start", "--nodaemon", folder]
    return ["gitlab-runner", "run", "--config", f"{folder}/config.toml", "--working-directory", folder]


def told(pool: Pool, order: Order) -> dict[str, object]:
    """What a machine of our own image is told over its channel beside who it is: which agent it is to be, and when nobody
    knows it any more. {} of our own agent, whose words say that."""
    if pool.agent == OURS:
        return {}
    return {
        "agent": pool.agent,
        "machine": order.tags.get(TAG_MACHINE, ""),
        "power_off_after_s": pool.power_off_after_ms / 1000,
        "words": [],
    }


def first_boot(pool: Pool, order: Order, home: str, guard: str = "") -> str:
    """The script that does both on a machine with systemd whose image has that agent installed, after what `guard` says."""
    folder = f"{home}/agent"
    once = [shlex.join(words) for words in prepare(pool, order, folder)]
    words = shlex.join(["/usr/bin/env", *start(pool, folder)])
    return FIRST_BOOT.format(
        name=order.name,
        home=shlex.quote(home),
        guard=guard,
        prepare="\n".join(once),
        unit=UNIT.format(start=words),
    )
