"""A farm that this process has opened for one build."""

import msgspec

from penstock.cli.place import Place
from penstock.config.asking import Asked
from penstock.web.bell import Bell
from penstock.wiring import Parts


class Opened(msgspec.Struct, frozen=True):
    """Where it is, its parts, who wakes its services, and what was asked of it."""

    place: Place
    parts: Parts
    bell: Bell
    asked: Asked
