"""How the agent of a machine that was ordered is started there: the words of its command line."""

from penstock.model.rented import Order
from penstock.model.rules import Pool

MINUTE_MS = 60_000


def agent_words(pool: Pool, order: Order, token_file: str, work_dir: str) -> list[str]:
    """Options of `python3 agent.pyz` for this machine. `token_file`: where its secret lies there, `work_dir`: where it works.

    A rented machine that no hub answers any more powers itself off, however it was forgotten.
    """
    words = ["--hub", order.hub, "--token-file", token_file, "--work-dir", work_dir]
    words += ["--pool", pool.name, "--name", order.name, "--slots", str(pool.slots)]
    if pool.power_off_after_ms:
        words += ["--power-off-after", f"{pool.power_off_after_ms / MINUTE_MS:g}"]
    return words
