"""A small history and farm for tests of simulations, as files."""

import csv
import random
from pathlib import Path

COLUMNS = "job_id name project class branch platform submitted_s started_s finished_s outcome".split()
FARM = """
[farm]
name = "small"
[waiting]
price_per_hour = 5.0
target = { percentile = 95, seconds = 900 }
[platform.linux]
[platform.windows]
[[pool]]
name = "own"
provider = "owned"
platforms = ["linux"]
machines = 2
price_per_hour = 0.02
[[pool]]
name = "burst"
provider = "ec2"
platforms = ["linux", "windows"]
price_per_hour = 0.4032
stopped_price_per_hour = 0.01096
boot_s = 90
resume_s = 45
billing = { granularity_s = 1, minimum_s = 60 }
"""


def write_history(path: Path, jobs: int = 40, platforms: tuple[str, ...] = ("linux", "windows")) -> Path:
    """Bursts of jobs over some hours, always the same ones."""
    chance = random.Random(7)
    at = 1_700_000_000
    with path.open("w", encoding="utf-8", newline="") as stream:
        write = csv.writer(stream)
        write.writerow(COLUMNS)
        for number in range(jobs):
            at += chance.choice((0, 0, 5, 60, 900))
            started = at + chance.randrange(120)
            ended = started + chance.randrange(60, 1500)
            platform = platforms[number % 5 % len(platforms)]
            klass = ("change", "nightly")[number % 7 == 0]
            write.writerow(
                (
                    f"j{number}",
                    f"build-{number % 4}",
                    "p",
                    klass,
                    "main",
                    platform,
                    at,
                    started,
                    ended,
                    "passed",
                )
            )
    return path
