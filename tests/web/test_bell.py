"""Who waits is woken: by topic, once, from any thread; and when the hub stops, all."""

import asyncio
import threading

from penstock.web.bell import Bell


def test_a_wake_reaches_those_who_listen_to_its_topic_and_nobody_else() -> None:
    bell = Bell()

    async def scene() -> tuple[bool, bool]:
        mine, other = bell.listen("machine:a"), bell.listen("machine:b")
        threading.Thread(target=bell.wake, args=("machine:a",)).start()
        await mine.wait()
        return mine.is_set(), other.is_set()

    assert asyncio.run(scene()) == (True, False)


def test_who_has_left_is_not_woken() -> None:
    bell = Bell()

    async def scene() -> bool:
        gone, there = bell.listen("machine:a"), bell.listen("machine:a")
        bell.leave("machine:a", gone)
        bell.wake("machine:a")
        await there.wait()
        return gone.is_set()

    assert asyncio.run(scene()) is False


def test_when_it_is_closed_nobody_waits_any_more() -> None:
    bell = Bell()

    async def scene() -> bool:
        before = bell.listen("machine:a")
        bell.close()
        await before.wait()
        return bell.listen("machine:a").is_set()

    assert asyncio.run(scene()) is True


def test_the_loop_of_the_services_hears_what_came_before_it_waited() -> None:
    bell = Bell()
    bell.wake("farm")
    waited = threading.Thread(target=bell.wait_farm, args=(3600,))
    waited.start()
    waited.join(30)
    assert not waited.is_alive()


def test_everybody_is_woken_where_something_may_have_been_missed() -> None:
    bell = Bell()

    async def scene() -> bool:
        events = [bell.listen("machine:a"), bell.listen("machine:b")]
        bell.wake("*")
        await asyncio.gather(*(event.wait() for event in events))
        return bell.listen("machine:a").is_set()

    assert asyncio.run(scene()) is False
    waited = threading.Thread(target=bell.wait_farm, args=(3600,))
    waited.start()
    waited.join(30)
    assert not waited.is_alive()


def test_a_loop_that_closes_meanwhile_keeps_nobody_else_asleep() -> None:
    """Who wakes may be the store's writer, or the thread that hears other hubs: neither may end by this."""
    bell = Bell()

    class Closing:
        def is_closed(self) -> bool:
            return False

        def call_soon_threadsafe(self, act: object) -> None:
            raise RuntimeError("Event loop is closed")

    async def scene() -> bool:
        event = bell.listen("machine:a")
        bell._waiting["machine:a"].insert(0, (Closing(), asyncio.Event()))  # type: ignore[arg-type]
        bell.wake("machine:a")
        await asyncio.wait_for(event.wait(), 10)
        return event.is_set()

    assert asyncio.run(scene())
