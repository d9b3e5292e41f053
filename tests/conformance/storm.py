"""A program that writes as fast as it can until it is killed: `storm.py URL FOLDER`.

Four threads, two rows in each transaction; a line on standard output for each one that was answered.
"""

import os
import sys
from itertools import count
from pathlib import Path
from threading import Thread

from penstock.model.job import Edge
from penstock.ports import Store, Tx
from penstock.store.open import open_store


def storm(store: Store, number: int) -> None:
    """Write pairs for ever."""
    for at in count():
        name = f"{number}-{at}"

        def pair(tx: Tx, name: str = name) -> None:
            tx.insert(Edge(name, "first"))
            tx.insert(Edge(name, "second"))

        store.write(pair)
        os.write(1, f"{name}\n".encode())


if __name__ == "__main__":
    opened = open_store(sys.argv[1], Path(sys.argv[2]))
    for thread in [Thread(target=storm, args=(opened, number)) for number in range(4)]:
        thread.start()
