"""Why something was done, and why a job still waits: codes in the columns, sentences for people."""

ON_OWNED = 1
ON_RENTED = 2
NOTHING_ELSE_IN_TIME = 3
IDLE_LONG_ENOUGH = 4
SUSPENDED_LONG_ENOUGH = 5
USED_UP = 6
RESERVE = 7
LEAST = 8
