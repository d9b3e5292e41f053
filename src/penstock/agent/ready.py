"""An agent that is ready before it knows whose it is. A virtual machine in which one waits is copied, and each copy has only to register.

All is done that an agent does before it calls, and the calls themselves were rehearsed. Nothing secret is there yet, no key was made, and
nothing is connected.
"""

from __future__ import annotations

import gc
import os
import random
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

from penstock.agent.__main__ import main as begin
from penstock.agent.__main__ import parse, run, usage_problem
from penstock.agent.deadman import power_off_command, stand_by
from penstock.agent.place import Place
from penstock.agent.rehearsal import rehearse

_UNKNOWN = ["--hub", "http://localhost", "--token-file", os.devnull, "--power-off-after", "60"]


def main(words: list[str], folder: str, told: Callable[[], list[str]]) -> int:
    """Get ready, wait and be the agent; its exit status. `words`: the options that are known by now; `folder`: for the rehearsal;
    `told`: waits for all options."""
    options = parse([*_UNKNOWN, *words])
    if problem := usage_problem(options):
        print(f"penstock agent: {problem}", file=sys.stderr)
        return 2
    rehearse(Path(folder))
    place = Place(options)
    command = power_off_command(options.power_off_command)
    if command is not None:
        stand_by(place.shop.folder, command)
    # What is there now stays: to look for rubbish in it would only take its pages from those that copies share.
    gc.collect()
    gc.freeze()
    given = told()
    options = parse(given)
    _begin_chance_anew(any(url.startswith("https:") for url in options.hub))
    if place.fits(options):
        return run(options, place)
    place.shop.close()
    return begin(given)


def _begin_chance_anew(secure: bool) -> None:
    """Others were copied from the same memory: what generators of a process would give next is the same in all of them, unless they
    are told what only the kernel of this machine knows. OpenSSL's takes long to begin, and is not needed without TLS."""
    random.seed()
    if secure:
        ssl.RAND_add(os.urandom(32), 32.0)
