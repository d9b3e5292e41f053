"""The suite of providers over libvirt's own driver for tests: real definitions, states and saved machines, no guests."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from conformance.provider_suite import ProviderSuite, listed, order

from penstock.model.pool_libvirt import Libvirt as Settings
from penstock.model.rules import Pool, Quantiles
from penstock.ports import NoAnswer, NoCapacity, UnknownMachine

libvirt = pytest.importorskip("libvirt")
from penstock.providers.libvirt.link import Link  # noqa: E402
from penstock.providers.libvirt.listing import KEPT_MS  # noqa: E402
from penstock.providers.libvirt.provider import Libvirt  # noqa: E402

URI = "test:///default"
BUSY = (libvirt.VIR_ERR_OPERATION_TIMEOUT, 0, "the machine's lock is held", 0, "", None, None, 0, 0)
LIMIT_S = 20.0


def pool(folder: Path) -> Pool:
    settings = Settings(
        uri=URI,
        image=str(folder / "image"),
        folder=str(folder / "m"),
        kind="test",
        machine="",
        host_memory_mb=1 << 20,
    )
    return Pool(
        name="burst",
        provider="libvirt",
        platforms=("linux",),
        max=6,
        boot=Quantiles(4_000, 9_000),
        resume=Quantiles(1_000, 2_000),
        libvirt=settings,
    )


def image(folder: Path) -> None:
    (folder / "image").mkdir(exist_ok=True)
    (folder / "image" / "image.json").write_text('{"digest": "sha256:0", "cmdline": "quiet"}')
    for name in ("vmlinux", "initramfs.cpio", "root.erofs"):
        (folder / "image" / name).touch()


class Mute:
    """A domain that does not say whose it is."""

    def __init__(self, domain: Any) -> None:
        self._domain = domain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._domain, name)

    def metadata(self, *_: Any) -> str:
        raise libvirt.libvirtError("an error of its own")


class Faulty(Link):
    """A link on which things go wrong, whoever calls."""

    def __init__(self) -> None:
        super().__init__(URI)
        self.chances: dict[str, float] = {}
        self._chance, self._guard = Random("libvirt"), threading.Lock()

    def happens(self, fault: str) -> bool:
        with self._guard:
            return self._chance.random() < self.chances.get(fault, 0.0)

    def call(self, what: str, act: Callable[[Any], Any]) -> Any:
        if not self.happens("no_answer"):
            return super().call(what, self._spoiled(what, act))
        if self.happens("half") or self._chance.random() < 0.5:
            super().call(what, act)
        raise NoAnswer(f"{what}: lost")

    def _spoiled(self, what: str, act: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def spoiled(there: Any) -> Any:
            if what == "start" and self.happens("no_capacity"):
                raise libvirt.libvirtError("cannot allocate memory")
            if what in ("find", "define", "save") and self.happens("throttled"):
                busy = libvirt.libvirtError("busy")
                busy.err = BUSY
                raise busy
            return act(Gappy(there, self) if what == "list" else there)

        return spoiled


class Gappy:
    """A connection that lists domains of which some do not say whose they are."""

    def __init__(self, there: Any, faults: Faulty) -> None:
        self._there, self._faults = there, faults

    def listAllDomains(self, flags: int) -> list[Any]:  # noqa: N802
        found = self._there.listAllDomains(flags)
        return [Mute(one) if self._faults.happens("part_missing") else one for one in found]


class Slow(Link):
    """A host that takes three seconds of its own clock for a definition, and starts nothing until it may."""

    def __init__(self) -> None:
        super().__init__(URI, call_s=2.0)
        self.now_s, self.may_start = 0.0, threading.Event()

    def monotonic(self) -> float:
        return self.now_s

    def call(self, what: str, act: Callable[[Any], Any]) -> Any:
        if what == "define":
            self.now_s += 3.0
        if what == "start":
            self.may_start.wait(LIMIT_S)
        return super().call(what, act)


class LibvirtDriver:
    """Time passes until nothing is under way. `deaf`: guests that never answer."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.most, self.now_ms = folder, 6, 1_000_000
        image(folder)
        self.link = Faulty()
        self.deaf: set[Path] = set()
        self.told: list[dict[str, Any]] = []
        self.provider = self.another()

    def another(self) -> Libvirt:
        """As a hub that was started again has it."""
        made = Libvirt(pool(self.folder), lambda: self.now_ms, self.link, self.tell)
        made._machines.again_s = 0.001
        return made

    def tell(self, path: Path, message: Callable[[], dict[str, Any]], wanted: Callable[[], bool]) -> bool:
        if not self.link.happens("boot_failed"):
            self.told.append(message())
            return True
        self.deaf.add(path)
        while wanted():
            time.sleep(0.002)
        self.deaf.discard(path)
        return False

    def wait(self) -> None:
        until_s = time.monotonic() + LIMIT_S
        while self._under_way():
            assert time.monotonic() < until_s, "something does not end"
            time.sleep(0.001)

    def _under_way(self) -> bool:
        """Whether anything goes on that will end by itself."""
        known, channel = [*self.provider._machines.known.values()], self.provider._files.channel
        return any(
            one.thread is not None and not (one.wish == "up" and channel(one.id) in self.deaf)
            for one in known
        )

    def fault(self, name: str, chance: float) -> None:
        self.link.chances[name] = chance


class TestLibvirt(ProviderSuite):
    @pytest.fixture
    def driver(self) -> Iterator[LibvirtDriver]:
        with tempfile.TemporaryDirectory(prefix="libvirt") as short:
            yield from self.driven(LibvirtDriver(Path(short)))

    def driven(self, driver: LibvirtDriver) -> Iterator[LibvirtDriver]:
        """However a test ends, nothing of it is left: the library has one such host in each process."""
        yield driver
        driver.link.chances.clear()
        for one in listed(driver):
            driver.provider.delete(one)
        driver.wait()
        left = [one.name() for one in libvirt.open(URI).listAllDomains(0)]
        assert left == ["test"]

    def domain(self, id_: str) -> Any:
        return libvirt.open(URI).lookupByUUIDString(id_)

    def test_a_guest_is_told_who_it_is_and_that_it_slept(self, driver: LibvirtDriver) -> None:
        made = self.up(driver)
        driver.provider.suspend(made)
        driver.wait()
        driver.provider.resume(made)
        driver.wait()
        first, second = driver.told
        assert first["kind"] == "identity"
        assert first["token"] == "secret t1"
        assert "--token-file" in first["words"]
        assert second["kind"] == "resumed"
        assert second["time_ms"] == driver.now_ms
        assert len(second["seed"]) == 64
        assert second["seed"] != first["seed"]

    def test_a_hub_that_comes_back_tells_what_was_left_to_tell(self, driver: LibvirtDriver) -> None:
        """The hub is killed while a machine boots: the next one has the secret, and there is one machine."""
        driver.fault("boot_failed", 1.0)
        made = driver.provider.create(order(driver, "t1"))
        driver.wait()
        driver.fault("boot_failed", 0.0)
        killed, driver.provider = driver.provider, driver.another()
        driver.deaf.clear()
        assert listed(driver)[made].state in ("coming", "up")
        driver.wait()
        assert listed(driver)[made].state == "up"
        assert [said["token"] for said in driver.told] == ["secret t1"]
        assert driver.provider.create(order(driver, "t1")) == made
        killed.delete(made)

    def test_what_was_defined_by_a_hub_that_died_and_never_ran_is_gone(self, driver: LibvirtDriver) -> None:
        driver.fault("no_capacity", 1.0)
        driver.provider._forget = lambda machine: None  # type: ignore[method-assign]
        with pytest.raises(NoCapacity):
            driver.provider.create(order(driver, "t1"))
        driver.provider = driver.another()
        (found,) = driver.provider.list().instances
        assert found.state == "gone"
        driver.wait()
        assert [one.state for one in driver.provider.list().instances] == ["gone"]
        assert [*(driver.folder / "m").iterdir()] == []

    def test_a_machine_that_crashed_is_gone_and_its_last_words_are_kept(self, driver: LibvirtDriver) -> None:
        made = self.up(driver)
        console = driver.provider._files.console(made)
        console.write_text("Kernel panic")
        self.domain(made).destroy()
        (found,) = driver.provider.list().instances
        assert (found.state, found.why) == ("gone", "it ended by itself on its host")
        driver.wait()
        assert [one.state for one in driver.provider.list().instances] == ["gone"]
        assert [path.read_text() for path in console.parent.iterdir()] == ["Kernel panic"]
        driver.provider.resume(made)
        assert listed(driver) == {}
        driver.now_ms += KEPT_MS + 1
        assert driver.provider.list().instances == ()

    def test_only_its_own_pool_is_listed(self, driver: LibvirtDriver) -> None:
        made = self.up(driver)
        other = Libvirt(msgspec.structs.replace(pool(driver.folder), name="other"), lambda: 0, driver.link)
        assert other.list().instances == ()
        with pytest.raises(UnknownMachine):
            other.delete(made)

    def test_a_host_that_defines_slowly_is_not_waited_for_as_long_again(
        self, driver: LibvirtDriver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its first machine after it was started: what the definition took is missing from the wait for the start."""
        link = Slow()
        driver.provider = Libvirt(pool(driver.folder), lambda: driver.now_ms, link, driver.tell)
        monkeypatch.setattr("penstock.providers.libvirt.provider.time", link)
        made = driver.provider.create(order(driver, "t1"))
        assert listed(driver)[made].state == "coming"
        link.may_start.set()
        driver.wait()
        assert listed(driver)[made].state == "up"

    def test_an_image_that_is_not_whole_is_said(self, driver: LibvirtDriver) -> None:
        (driver.folder / "image" / "vmlinux").unlink()
        with pytest.raises(NoAnswer, match="lacks vmlinux"):
            driver.provider.create(order(driver, "t1"))
        (driver.folder / "image" / "image.json").unlink()
        with pytest.raises(NoAnswer, match="holds no image"):
            driver.provider.create(order(driver, "t1"))
        image(driver.folder)
        assert self.up(driver) in listed(driver)


class TestLink:
    def test_a_host_that_hangs_is_left_after_a_while(self) -> None:
        link, hangs = Link(URI, call_s=0.05), threading.Event()
        with pytest.raises(NoAnswer, match=r"list: no answer in 0\.05 s"):
            link.within("list", lambda: hangs.wait(LIMIT_S))
        hangs.set()
        assert link.call("list", lambda there: there.isAlive()) == 1

    def test_a_host_that_came_back_is_let_alone_for_a_second(self) -> None:
        link = Link(URI)
        link.call("look", lambda there: there.isAlive())
        link._open = Dead()
        began_s = time.monotonic()
        assert link.call("look", lambda there: there.isAlive()) == 1
        assert link.change("destroy", lambda there: "done") == "done"
        assert time.monotonic() - began_s >= 0.9

    def test_there_is_no_such_host(self) -> None:
        with pytest.raises(NoAnswer, match=r"test:///nowhere\.xml"):
            Link("test:///nowhere.xml").call("list", lambda there: there)


class Dead:
    """A connection whose daemon went."""

    def isAlive(self) -> int:  # noqa: N802
        return 0
