"""Connections to PostgreSQL: how they are made, and what they may not do to others.

A hub that stalls in the middle of a transaction must not hold the farm up, and one that is gone must be noticed:
the limits below end its transaction, its waits and, where nobody answers any more, its connection.
"""

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from penstock.ports import StoreError

CONNECT = {
    "application_name": "penstock",
    "client_encoding": "utf-8",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""What libpq is told, where the address does not say otherwise: a dead server is noticed within half a minute."""
SETTINGS = {
    "statement_timeout": "30s",
    # Longer than the next: who waits for a hub that stalled outlasts it.
    "lock_timeout": "15s",
    "idle_in_transaction_session_timeout": "10s",
    "client_connection_check_interval": "5s",
    # The server's half of the above, where it is reached by TCP.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    # Every search has an index of its own in the right order: nothing else is ever better, statistics or not.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "plan_cache_mode": "force_generic_plan",
    "timezone": "UTC",
}
"""What each of our sessions sets for itself."""


def connect(url: str) -> psycopg.Connection:
    """One connection that begins no transaction by itself. Raises psycopg.Error, StoreError for a bad address."""
    try:
        told = conninfo_to_dict(url)
    except psycopg.ProgrammingError as wrong:
        raise StoreError(f"the address of the database cannot be read: {str(wrong).strip()}") from None
    connection = psycopg.connect(make_conninfo(**{**CONNECT, **told}), autocommit=True)
    try:
        connection.execute("; ".join(f"SET {name} = '{value}'" for name, value in SETTINGS.items()))
    except BaseException:
        connection.close()
        raise
    return connection
