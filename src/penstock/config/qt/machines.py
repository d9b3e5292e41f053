"""Sizes of machines: `machine_type` of a module, `VMSizeN` of a configuration. Cores only: Qt names no memory."""

import re
from collections.abc import Mapping

from penstock.config.mistakes import Mistake
from penstock.config.qt.sources import Sources
from penstock.config.qt.tags import Table, Value
from penstock.model.units import Size

VM_SIZE = re.compile(r"VMSize([0-9]{1,3})")
DEFAULT_CORES = 2
"""Where nothing is said. The data has no default; 4 has to be asked for (qttools), so it is less than that."""
STAGES = {"Build": "build", "Test": "test"}


def read_machine_type(sources: Sources, file: str, value: Value, line: int) -> dict[str, int]:
    """`machine_type` as cores for "build" and "test". Raises Mistake; other fields are noted."""
    if value is None:
        return {}
    if not isinstance(value, Table):
        raise Mistake(file, line, "machine_type is not a mapping", "write Build: {cores: 8}")
    found: dict[str, int] = {}
    sources.unknown_keys(file, value, STAGES, "machine_type")
    for stage in [stage for stage in STAGES if stage in value]:
        size, at = value[stage], value.lines[stage]
        if not isinstance(size, Table):
            raise Mistake(file, at, f"machine_type of {stage} is not a mapping", "write {cores: 8}")
        sources.unknown_keys(file, size, ("cores",), f"machine_type of {stage}")
        cores = size.get("cores", DEFAULT_CORES)
        if not isinstance(cores, int) or isinstance(cores, bool) or not 1 <= cores <= 1024:
            raise Mistake(
                file, at, f"cores: {cores!r} is no number of cores", "write a number from 1 to 1024"
            )
        found[STAGES[stage]] = cores
    return found


def vm_size(features: tuple[str, ...]) -> int:
    """The largest N of the features VMSizeN, 0 when there is none."""
    return max((int(match[1]) for feature in features if (match := VM_SIZE.fullmatch(feature))), default=0)


def size_of(stage: str, machine_type: Mapping[str, int], least_cores: int) -> Size:
    """The larger of what the module and the configuration ask for, else the default; memory is not known."""
    asked = max(machine_type.get(stage, 0), least_cores)
    return Size(cores=asked or DEFAULT_CORES, memory_mb=None)
