"""What an agent has of its machine before it knows whose it is: its folders, what runs attempts there, what the machine is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import penstock
from penstock.agent import cgroups, fingerprint, sandbox
from penstock.agent.attempt import Means
from penstock.agent.cleaning import Cleaning
from penstock.agent.loop import say
from penstock.agent.mirrors import Mirrors
from penstock.agent.prefix import Trees
from penstock.agent.process import Keeper, own_digest, own_places, package
from penstock.agent.session import Session
from penstock.agent.sources import Sources
from penstock.agent.trouble import Trouble
from penstock.agent.workspace import Workshop, fixed_place, lock_file


class Place:
    """One agent's. Raises workspace.Busy where another agent has the folder, OSError."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._made_for = _needs(options)
        folder = Path(options.work_dir)
        self.cleaning = _cleaned(folder.resolve(), options.clean_command)
        self.shop = Workshop(folder, plain=options.no_sandbox)
        shop, cache = self.shop, options.cache_mb << 20
        prefix = str(fixed_place() / "prefix") if shop.plain else sandbox.PREFIX
        self._groups = cgroups.Groups(shop.group_prefix)
        self._shared = (
            Trees(shop.folder / "trees", prefix, cache // 2),
            Sources(shop.folder / "sources", cache // 4),
            Mirrors(shop.folder / "mirrors", cache // 4),
            Trouble(),
        )
        self._code = package(shop.folder)
        # Plain attempts that cannot each see the fixed place for themselves run one at a time.
        apart = not shop.plain or own_places(self._code, shop.folder)
        if not apart:
            say("without a mount namespace plain attempts run one at a time")
        self._spaces = [shop.slot(number, apart) for number in range(options.slots if apart else 1)]
        self._facts = {
            "cores": fingerprint.cores(),
            "memory_mb": fingerprint.memory_mb(),
            "identity": fingerprint.measure(),
            "sandbox": "plain" if options.no_sandbox else "bubblewrap",
            "version": penstock.__version__,
            "knows": ["forward"],
            "file": own_digest(),
        }

    def fits(self, options: argparse.Namespace) -> bool:
        """Whether it is what an agent of these options has, but for the size of its caches."""
        return self._made_for == _needs(options)

    def about(self, name: str) -> dict[str, Any]:
        """What the hub is told of this machine."""
        return {"name": name, "slots": len(self._spaces), **self._facts}

    def means(self, session: Session) -> list[Means]:
        """What each slot has."""
        return [
            Means(
                session,
                self.shop,
                space,
                Keeper(self._code, self.shop.plain, space.place),
                self._groups.slot(str(number)),
                *self._shared,
            )
            for number, space in enumerate(self._spaces)
        ]


def _needs(options: argparse.Namespace) -> tuple[object, ...]:
    return options.work_dir, options.slots, options.no_sandbox, options.clean_command


def _cleaned(folder: Path, program: str) -> Cleaning:
    """What is left of jobs is removed where that is due. Raises Busy where another agent has the folder."""
    cleaning = Cleaning(folder, program)
    if cleaning.due:
        say("this machine is cleaned before it takes anything more")
        with lock_file(folder / "lock"):
            cleaning.clean()
        say(f"not clean: {cleaning.failed}" if cleaning.failed else "this machine is clean")
    return cleaning
