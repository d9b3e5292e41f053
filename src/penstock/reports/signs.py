"""A sign for each state, so that pages and terminals mark nothing by colour alone.

None of them is a character that phones draw as a picture.
"""

SIGNS = {
    "passed": "✓",
    "good": "✓",
    "up": "✓",
    "reused": "↻",
    "failed": "✗",
    "timed_out": "✗",
    "bad": "✗",
    "error": "!",
    "expired": "!",
    "lost": "!",
    "refused": "!",
    "lapsed": "!",
    "preempted": "!",
    "suspect": "?",
    "unknown": "◦",
    "quarantined": "⊘",
    "maintenance": "⊘",
    "retired": "⊘",
    "blocked_dead": "⊘",
    "running": "▸",
    "busy": "▸",
    "finishing": "▸",
    "open": "▸",
    "offered": "▹",
    "queued": "◦",
    "blocked": "⋯",
    "held": "‖",
    "cancelled": "–",
    "superseded": "»",
    "idle": "◦",
    "connecting": "◦",
    "draining": "↓",
    "away": "×",
    "gone": "×",
}
"""By the state's name in lower case."""


def sign(state: str) -> str:
    """The sign of a state, whether it is written in capitals or not; a dot for what has none."""
    return SIGNS.get(state.lower(), "·")
