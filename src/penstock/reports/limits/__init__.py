"""What no schedule can undercut, whoever makes it and whatever it knows: docs/explanation/limits.md.

Only these modules of the room import numpy; nothing else of `reports` imports them. They share no code with the
policy whose results are compared with them.
"""

from penstock.reports.limits.islands import Aim, Jobs, Limit, LimitPool, limits

__all__ = ["Aim", "Jobs", "Limit", "LimitPool", "limits"]
