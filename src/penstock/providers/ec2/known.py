"""The dead man's switch of an instance that runs another system's agent, which knows nothing of a hub.

Whoever lists the instances writes a tag anew on all that are up; a program on each reads its own tags from the metadata, and powers
the instance off when the tag has not changed for too long. It begins to count with the first tag that it sees, so that a hub
that may not write tags loses no machine. Powering off terminates (launch.py). Source: "View tags for your EC2 instances using
instance metadata": they change while the instance runs; keys may hold no space and no slash.
"""

import shlex
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from penstock.model.pool_foreign import OURS
from penstock.model.rented import TAG_POOL, Instance
from penstock.model.rules import Pool
from penstock.ports import ProviderError

TAG_KNOWN = "penstock-known"
SHARE = 20
"""The tag is written, and read, so often in the time that an instance waits for it."""
LEAST_S = 300.0
"""Instances are listed once a minute where nothing is on its way."""
TOGETHER = 500
"""Instances in one call; CreateTags takes twice as many."""
METADATA = "http://169.254.169.254"
_PROGRAM = '''"""Powers this instance off when nobody has known it for so many seconds: LIMIT METADATA COMMAND..."""
import subprocess
import sys
import time
import urllib.request


def known(metadata):
    """The tag as it is now; "" where there is none, or nobody says."""
    for_ten = {{"X-aws-ec2-metadata-token-ttl-seconds": "10"}}
    try:
        asked = urllib.request.Request(metadata + "/latest/api/token", headers=for_ten, method="PUT")
        token = urllib.request.urlopen(asked, timeout=5).read().decode()
        place = metadata + "/latest/meta-data/tags/instance/{tag}"
        asked = urllib.request.Request(place, headers={{"X-aws-ec2-metadata-token": token}})
        return urllib.request.urlopen(asked, timeout=5).read().decode()
    except (OSError, ValueError):
        return ""


def main(limit_s, metadata, command):
    said, heard_s = "", None
    while heard_s is None or time.monotonic() - heard_s < limit_s:
        now = known(metadata)
        if now not in ("", said):
            said, heard_s = now, time.monotonic()
        time.sleep(min(30.0, limit_s / {share}))
    while True:
        subprocess.call(command)
        time.sleep(60)


main(float(sys.argv[1]), sys.argv[2], sys.argv[3:])
'''
PROGRAM = _PROGRAM.format(tag=TAG_KNOWN, share=SHARE)
"""What runs on the instance, with the Python that cloud-init brings along. Its clock stands still while the instance sleeps."""
GUARD = """cat > {home}/known.py <<'KNOWN'
{program}KNOWN
cat > /etc/systemd/system/penstock-known.service <<'UNIT'
[Unit]
Description=powers off what no Penstock hub knows any more
After=network-online.target
Wants=network-online.target
[Service]
ExecStart=/usr/bin/env python3 {home}/known.py {limit_s} {metadata} systemctl poweroff
Restart=always
RestartSec=5
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now penstock-known.service
"""


def limit_s(pool: Pool) -> float:
    """After how many seconds instances of this pool power off; 0: never, or their agent sees to it."""
    if pool.agent == OURS or not pool.power_off_after_ms:
        return 0.0
    return max(LEAST_S, pool.power_off_after_ms / 1000)


def guard(pool: Pool, home: str) -> str:
    """The part of a first boot's script that starts it; "" where there is none."""
    limit = limit_s(pool)
    if not limit:
        return ""
    return GUARD.format(home=shlex.quote(home), program=PROGRAM, limit_s=f"{limit:g}", metadata=METADATA)


class Renewals:
    """One pool's. `write`: CreateTags, which may raise ProviderError; `now`: wall time in milliseconds."""

    def __init__(self, pool: Pool, now: Callable[[], int], write: Callable[..., Any]) -> None:
        self._pool, self._now, self._write = pool, now, write
        self._every_ms = int(limit_s(pool) * 1000 / SHARE)
        self._begun_ms: int | None = None
        self._writing: threading.Thread | None = None

    def due(self, listed: Iterable[Instance]) -> None:
        """These are there, by a listing of now. Returns at once: a listing must not last longer for this."""
        now_ms = self._now()
        early = self._begun_ms is not None and 0 <= now_ms - self._begun_ms < self._every_ms
        if not self._every_ms or early or (self._writing is not None and self._writing.is_alive()):
            return
        up = [one.id for one in listed if one.state == "up" and one.tags.get(TAG_POOL) == self._pool.name]
        if up:
            self._begun_ms = now_ms
            self._writing = threading.Thread(
                target=self.renew, args=(up, now_ms), name="ec2 tags", daemon=True
            )
            self._writing.start()

    def renew(self, ids: list[str], now_ms: int) -> None:
        """Write their tags now; what fails is written the next time."""
        for first in range(0, len(ids), TOGETHER):
            with suppress(ProviderError):
                tags = [{"Key": TAG_KNOWN, "Value": str(now_ms)}]
                self._write("create_tags", Resources=ids[first : first + TOGETHER], Tags=tags)
