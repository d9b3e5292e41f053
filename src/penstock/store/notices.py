"""Wakes between the hub processes of one farm: LISTEN and NOTIFY of PostgreSQL.

A hint, never the truth: what is told while a connection is down is lost, so after each reconnection everybody is
asked to look again.
"""

import os
import select
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress

import msgspec
import psycopg

from penstock.store.postgressession import connect

CHANNEL = "penstock"
EVERYBODY = "*"
"""The topic that is rung after a gap: whoever waits for anything reads again."""
AGAIN_S = 0.5
"""The pause before another try to connect."""
TOGETHER = 64
"""Topics of one NOTIFY at most: it takes 7999 bytes."""
TOPIC_BYTES = 100
"""A longer topic is told as EVERYBODY."""
WAITING = 2000
"""Topics that wait for a connection at most; more are told as EVERYBODY."""


class PostgresNotices:
    """Calls `ring(topic)`, from a thread of its own, for what other processes wake; `wake(topic)` tells them.

    After its connection was lost and is there again, "farm" and EVERYBODY are rung.
    """

    def __init__(self, url: str, ring: Callable[[str], None]) -> None:
        self._url = url
        self._ring = ring
        self._own = uuid.uuid4().hex
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._topics: dict[str, None] = {}
        self._ends, self._end = os.pipe2(os.O_CLOEXEC)
        self._threads = [
            threading.Thread(target=self._keep, args=(work,), name="penstock notices", daemon=True)
            for work in (self._listen, self._tell)
        ]
        for thread in self._threads:
            thread.start()

    def wake(self, topic: str) -> None:
        """Tell the other processes. Returns at once; one topic many times in a moment is told once."""
        with self._changed:
            short = len(topic.encode(errors="replace")) <= TOPIC_BYTES and len(self._topics) < WAITING
            self._topics[topic if short else EVERYBODY] = None
            self._changed.notify()

    def close(self) -> None:
        """Tell what is still to be told where there is a connection, then end; may be repeated."""
        if self._closing.is_set():
            return
        self._closing.set()
        os.write(self._end, b".")
        with self._changed:
            self._changed.notify()
        for thread in self._threads:
            thread.join()
        os.close(self._ends)
        os.close(self._end)

    def _keep(self, work: Callable[[psycopg.Connection, bool], None]) -> None:
        """Do `work` on a connection until the end; when it is lost, on another."""
        again = False
        while not self._closing.is_set():
            with suppress(psycopg.Error), connect(self._url) as connection:
                work(connection, again)
            again = True
            self._closing.wait(AGAIN_S)

    def _listen(self, connection: psycopg.Connection, again: bool) -> None:
        """Hear until the end. Raises psycopg.Error when the connection is lost."""
        connection.execute(f"LISTEN {CHANNEL}")
        for topic in ("farm", EVERYBODY) if again else ():
            # Not before LISTEN: what is told between the two would be lost.
            self._ring(topic)
        ready = select.poll()
        for handle in (connection.fileno(), self._ends):
            ready.register(handle, select.POLLIN)
        while not self._closing.is_set():
            for notice in connection.notifies(timeout=0):
                self._hear(notice.payload)
            ready.poll()

    def _hear(self, payload: str) -> None:
        """Ring what another process told; what is not ours is left alone."""
        with suppress(msgspec.DecodeError):
            sender, topics = msgspec.json.decode(payload, type=tuple[str, tuple[str, ...]])
            if sender != self._own:
                for topic in topics:
                    self._ring(topic)

    def _tell(self, connection: psycopg.Connection, _again: bool) -> None:
        """Send what is woken until the end. Raises psycopg.Error when the connection is lost."""
        while topics := self._next():
            try:
                message = msgspec.json.encode((self._own, topics)).decode()
                connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, message))
            except psycopg.Error:
                with self._changed:
                    self._topics = {**dict.fromkeys(topics), **self._topics}
                raise

    def _next(self) -> list[str]:
        """The topics to send next, waited for; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._topics or self._closing.is_set())
            topics = list(self._topics)[:TOGETHER]
            for topic in topics:
                del self._topics[topic]
            return topics
