"""What a repository asks for: `.penstock.yml`, read and frozen. It can only ask for less than its change was given."""

from typing import Literal

import msgspec

from penstock.model.job import Trust
from penstock.model.units import Size


class SourceAsk(msgspec.Struct, frozen=True, kw_only=True):
    """Where a module's source is: a folder of the repository itself (`git` empty) or of another one."""

    git: str = ""
    ref: str = ""
    path: str = "."


class Need(msgspec.Struct, frozen=True):
    """A module that must be built first; `platform` empty = the same platform."""

    module: str
    platform: str = ""


class AskedTest(msgspec.Struct, frozen=True, kw_only=True):
    """The test of a module: a job of its own after the build. `size` and `timeout_ms` None = the module's; `secrets` are its
    own."""

    run: tuple[str, ...]
    start: Literal["source", "build"] = "source"
    size: Size | None = None
    timeout_ms: int | None = None
    reuse: Literal["passed", "never", "all"] = "passed"
    secrets: tuple[str, ...] = ()


class ModuleAsk(msgspec.Struct, frozen=True, kw_only=True):
    """One module as its repository asks for it. `line` is where it stands, for messages; `secrets` those of its build."""

    name: str
    line: int = 0
    source: SourceAsk = SourceAsk()
    needs: tuple[Need, ...] = ()
    platforms: tuple[str, ...] = ()
    size: Size = Size()
    fetch: tuple[str, ...] = ()
    build: tuple[str, ...] = ()
    test: AskedTest | None = None
    artifacts: tuple[str, ...] = ()
    network: Literal["none", "full"] = "none"
    reuse_for_ms: int | None = None
    retry: Literal["farm", "never"] = "farm"
    timeout_ms: int = 1_800_000
    trust: Trust | None = None
    klass: str | None = None
    secrets: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True):
    """All modules of one `.penstock.yml`, in the order of the file."""

    file: str
    modules: tuple[ModuleAsk, ...]
