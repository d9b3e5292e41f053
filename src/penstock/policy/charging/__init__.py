"""What use costs: attempts and machines, from what they cost at which price, to the lines of the ledger. Pure.

`attempts`: what one try costs. `meters`: what a machine costs, span by span. `fixed`: charges by the day, storage and
egress. `sums`: what reports read. Money is in integer micro-units; docs/explanation/ledger.md is the same in words.
"""

from penstock.policy.charging.attempts import STEP_MS, cost_micros, held_ms

__all__ = ["STEP_MS", "cost_micros", "held_ms"]
