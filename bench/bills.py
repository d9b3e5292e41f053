"""A million rows of a bill: read, added up and kept, as `penstock costs ingest` does it, in a process of its own for its memory.

The rows are those of the real FOCUS sample, a thousand times over: each time for another hour, day and group of resources, so that 24 rows
(the hours of a day) are one line, as hourly exports have it. The same rows with no two alike are the worst case. The peers only
add up two columns in floating point: csv.reader in Python, and Arrow's reader on all cores.
"""

import csv
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from penstock.bills.reading import read
from penstock.cli.app import run as penstock
from penstock.model.farm import Farm
from penstock.store.sql import SqliteStore

DATA = Path(os.environ.get("PENSTOCK_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
SAMPLE = DATA / "billing" / "focus_1.0_sample.csv.gz"
TIMES, HOURS, DAYS = 1000, 24, 30
ROUNDS = 3
BILLED, EFFECTIVE = "BilledCost", "EffectiveCost"
Work = Callable[[Path, Path], object]


def rows(times: int, hours: int) -> Iterator[list[str]]:
    """The sample `times` times; `hours` rows each are one line."""
    with gzip.open(SAMPLE, "rt", newline="") as text:
        header, *sample = csv.reader(text)
    at = {name: number for number, name in enumerate(header)}
    yield header
    for number in range(times):
        group, hour = divmod(number, hours)
        day = f"2024-09-{group % DAYS + 1:02}"
        for row in sample:
            changed = list(row)
            changed[at["ChargePeriodStart"]] = changed[at["ChargePeriodEnd"]] = f"{day} {hour:02}:00:00"
            changed[at["ResourceId"]] = f"{row[at['ResourceId']]}-{group}"
            yield changed


def write(file: Path, times: int, hours: int) -> None:
    """A bill of `times` thousand rows."""
    with file.open("w", newline="") as text:
        csv.writer(text, lineterminator="\n").writerows(rows(times, hours))


def added_up(file: Path, folder: Path) -> None:
    """Read and added up, nothing kept."""
    print(read([file]).gathered.lines)


def ingested(file: Path, folder: Path) -> None:
    """The command, into a new farm that nobody serves."""
    (folder / "farm.toml").write_text(
        '[farm]\nname = "f"\n[platform.linux]\n[[pool]]\nname = "p"\nprovider = "owned"\nplatforms = ["linux"]\n'
    )
    store = SqliteStore(folder / "penstock.db")
    store.write(lambda tx: tx.insert(Farm(id="farm", incarnation="i")))
    store.close()
    os.chdir(folder)
    if penstock(["costs", "ingest", str(file), "--json"]):
        raise SystemExit("not ingested")


def floats(file: Path, folder: Path) -> None:
    """The peer: the csv module, two columns as floats."""
    with file.open(newline="") as text:
        reader = csv.reader(text)
        header = next(reader)
        billed, effective = header.index(BILLED), header.index(EFFECTIVE)
        sums = [0.0, 0.0]
        for row in reader:
            sums[0] += float(row[billed])
            sums[1] += float(row[effective])


def arrow(file: Path, folder: Path) -> None:
    """The peer: Arrow, two columns as floats, all cores."""
    from pyarrow import compute
    from pyarrow import csv as arrow_csv

    wanted = arrow_csv.ConvertOptions(include_columns=[BILLED, EFFECTIVE])
    sums = [0.0, 0.0]
    for batch in arrow_csv.open_csv(file, convert_options=wanted):
        sums = [have + compute.sum(column).as_py() for have, column in zip(sums, batch.columns, strict=True)]


WORK: dict[str, Work] = {"read": added_up, "ingest": ingested, "floats": floats, "arrow": arrow}


def measured(what: str, file: Path) -> dict[str, float]:
    """Seconds by the clock, of the processor, and the peak in MB, of a process that does this alone."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.bills", what, str(file), folder]
        ended = subprocess.run(command, check=True, capture_output=True, text=True)
        size = sum(each.stat().st_size for each in Path(folder).glob("penstock.db*")) / 1e6
    return {**json.loads(ended.stdout.splitlines()[-1]), "database_mb": size}


def alone(what: str, file: Path, folder: Path) -> None:
    """Do one thing and say what it took."""
    began, began_cpu = time.perf_counter(), time.process_time()
    WORK[what](file, folder)
    peak_kb = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    took = {"s": time.perf_counter() - began, "cpu_s": time.process_time() - began_cpu, "mb": peak_kb / 1000}
    print(json.dumps(took))


def run() -> dict[str, float]:
    """Medians of three rounds in turn; the worst case once."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        whole, quarter, unlike = (Path(name) / f"{each}.csv" for each in ("whole", "quarter", "unlike"))
        write(whole, TIMES, HOURS)
        rounds = [{what: measured(what, whole) for what in WORK} for _ in range(ROUNDS)]
        for what in WORK:
            for unit, in_words in (("s", "s"), ("cpu_s", "s of the processor"), ("mb", "peak MB")):
                figure = statistics.median(each[what][unit] for each in rounds)
                found[f"a million rows, {what}, {in_words}"] = round(figure, 1)
        found["the database then, MB"] = round(rounds[0]["ingest"]["database_mb"])
        whole.unlink()
        write(quarter, TIMES // 4, HOURS // 4)
        found["a quarter of the rows, as many lines, ingest, peak MB"] = round(
            measured("ingest", quarter)["mb"]
        )
        write(unlike, TIMES, 1)
        worst = measured("ingest", unlike)
        found |= {f"a million rows, no two alike, ingest, {unit}": round(worst[unit]) for unit in worst}
    return found


if __name__ == "__main__":
    alone(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
