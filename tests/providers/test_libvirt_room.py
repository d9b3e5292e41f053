"""What machines of one host may have together: nobody gets memory that another has, and whoever came first gets it first."""

import threading

import pytest

from penstock.model.units import Size
from penstock.ports import NoAnswer, NoCapacity
from penstock.providers.libvirt.machines import Machine

libvirt = pytest.importorskip("libvirt")
from penstock.providers.libvirt.link import Link  # noqa: E402
from penstock.providers.libvirt.room import Host, Room, limits, room_of  # noqa: E402

MOST = Size(4, 8192)
SMALL, LARGE = Size(1, 1024), Size(4, 7168)


class TestRoom:
    def test_memory_is_given_once(self) -> None:
        room = Room()
        assert room.take("a", Size(1, 4096), MOST, {}) == ""
        assert room.take("b", Size(1, 4096), MOST, {}) == ""
        missing = "waits for room on its host: 1 core, 1024 MB beside 2 cores, 8192 MB, of 4 cores, 8192 MB"
        assert room.take("c", SMALL, MOST, {}) == missing
        # One that runs by now is counted once, by what the host says.
        assert room.take("c", SMALL, MOST, {"a": Size(1, 4096), "b": Size(1, 4096)}) == missing
        room.leave("a")
        assert room.take("c", SMALL, MOST, {"b": Size(1, 4096)}) == ""

    def test_small_ones_do_not_pass_a_large_one_for_ever(self) -> None:
        room = Room()
        running = {"old": Size(1, 2048)}
        assert room.take("large", LARGE, MOST, running) != ""
        assert room.take("small", SMALL, MOST, running) != ""
        assert room.take("large", LARGE, MOST, {}) == ""
        assert room.take("small", SMALL, MOST, {"large": LARGE}) != ""
        room.leave("large")
        assert room.take("small", SMALL, MOST, {}) == ""

    def test_one_that_gave_up_is_not_waited_for(self) -> None:
        room = Room()
        assert room.take("large", LARGE, MOST, {"old": Size(1, 2048)}) != ""
        room.leave("large")
        assert room.take("small", SMALL, MOST, {"old": Size(1, 2048)}) == ""

    def test_cores_are_no_limit_where_none_is_named(self) -> None:
        room = Room()
        assert room.take("a", Size(64, 1024), Size(0, 8192), {"b": Size(64, 1024)}) == ""

    def test_what_never_fits_is_refused_at_once(self) -> None:
        room = Room()
        for size in (Size(5, 1024), Size(1, 9000)):
            with pytest.raises(NoCapacity, match="its host has 4 cores, 8192 MB for machines, and this one"):
                room.take("a", size, MOST, {})
        assert room.take("b", Size(4, 8192), MOST, {}) == ""


class TestHost:
    URI = "test:///default"

    def host(self, size: Size, memory_mb: int) -> Host:
        return Host(Link(self.URI), f"a host of {memory_mb} MB", size, limits(None, memory_mb))

    def test_pools_of_one_host_share_its_room(self) -> None:
        assert room_of("a") is room_of("a")
        assert room_of("a") is not room_of("b")

    def test_what_it_has_is_what_farm_toml_says_or_what_the_host_has(self) -> None:
        there = libvirt.open(self.URI)
        has = there.getInfo()
        assert limits(None, 0)(there) == Size(0, has[1] * 9 // 10)
        assert limits(0, 512)(there) == Size(has[2], 512)
        assert limits(3, 512)(there) == Size(3, 512)

    def test_one_waits_says_for_what_and_goes_on_when_there_is_room(self) -> None:
        # That host has a machine of 8192 MB that nobody here made.
        there = libvirt.open(self.URI)
        host, machine, began = self.host(SMALL, 9000), Machine("a", {}), threading.Event()

        def run() -> None:
            with host.held(machine):
                began.set()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        while not machine.waits_for:
            assert thread.is_alive()
        assert (
            machine.waits_for
            == "waits for room on its host: 1 core, 1024 MB beside 2 cores, 8192 MB, of 9000 MB"
        )
        assert not began.is_set()
        theirs = there.lookupByName("test")
        theirs.destroy()
        try:
            assert began.wait(20)
            thread.join(20)
            assert machine.waits_for == ""
        finally:
            theirs.create()

    def test_one_that_is_not_wanted_any_more_does_not_wait(self) -> None:
        machine = Machine("b", {}, wish="gone")
        with pytest.raises(NoAnswer, match="not wanted"), self.host(SMALL, 9001).held(machine):
            pass
