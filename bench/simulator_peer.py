"""The farm of bench/simulator.py written for SimPy 4, with nothing but the standard library beside it.

Reads a JSON document from standard input, writes one to standard output: seconds, mean wait, what was paid.
"""

import json
import sys
import time
from collections import deque

import simpy

HOUR_MS = 3_600_000


class Farm:
    """Jobs start in order, on owned machines first; one machine is woken for each that waits; idle ones are suspended."""

    def __init__(self, given):
        self.env, self.given = simpy.Environment(), given
        self.pending, self.idle, self.stopped = deque(), deque(), deque()
        self.free, self.coming = given["owned"], 0
        self.waited_ms = self.paid = self.boots = self.resumes = 0

    def arrivals(self):
        """Every job at its moment."""
        for submitted_ms, duration_ms in self.given["jobs"]:
            yield self.env.timeout(submitted_ms - self.env.now)
            self.submit((submitted_ms, duration_ms))

    def submit(self, job):
        if self.free:
            self.free -= 1
            self.env.process(self.owned(job))
            return
        self.pending.append(job)
        if self.idle:
            self.idle.popleft().succeed()
        elif self.coming < len(self.pending):
            self.coming += 1
            if self.stopped:
                self.stopped.pop().succeed()
            else:
                self.env.process(self.rented())

    def owned(self, job):
        while True:
            self.waited_ms += self.env.now - job[0]
            yield self.env.timeout(job[1])
            if not self.pending:
                self.free += 1
                return
            job = self.pending.popleft()

    def rented(self):
        given, env = self.given, self.env
        begun_ms = env.now
        self.boots += 1
        yield env.timeout(given["boot_ms"])
        while True:
            self.coming -= 1
            yield from self.work()
            self.pay("price", env.now - begun_ms, given["minimum_ms"])
            begun_ms, again = env.now, env.event()
            self.stopped.append(again)
            yield again | env.timeout(given["gone_ms"])
            self.pay("stopped_price", env.now - begun_ms, 0)
            if not again.triggered:
                self.stopped.remove(again)
                return
            begun_ms = env.now
            self.resumes += 1
            yield env.timeout(given["resume_ms"])

    def work(self):
        """Run what waits until it has been idle for too long."""
        while True:
            while self.pending:
                job = self.pending.popleft()
                self.waited_ms += self.env.now - job[0]
                yield self.env.timeout(job[1])
            call = self.env.event()
            self.idle.append(call)
            yield call | self.env.timeout(self.given["stop_ms"])
            if not call.triggered:
                self.idle.remove(call)
                return

    def pay(self, price, lasted_ms, minimum_ms):
        counted_ms = max(minimum_ms, -(-lasted_ms // 1000) * 1000)
        self.paid += (2 * self.given[price] * counted_ms + HOUR_MS) // (2 * HOUR_MS)


def main():
    farm = Farm(json.load(sys.stdin))
    begun = time.perf_counter()
    farm.env.process(farm.arrivals())
    farm.env.run()
    taken_s = time.perf_counter() - begun
    jobs = len(farm.given["jobs"])
    json.dump(
        {"seconds": taken_s, "mean_wait_ms": farm.waited_ms / jobs, "paid": farm.paid, "boots": farm.boots},
        sys.stdout,
    )


if __name__ == "__main__":
    main()
