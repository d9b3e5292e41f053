"""Columns of a farm where nothing has happened yet."""

from array import array

from penstock.policy.capacity.columns import (
    ABSENT,
    ACT_FIELDS,
    ASK_FIELDS,
    ASK_FIRST,
    ASK_LAST,
    ASK_NEXT,
    HEAD_FIELDS,
    HEAD_FREE_ROWS,
    ISLAND_ALL_NAMES,
    ISLAND_ASKS,
    ISLAND_FIELDS,
    ISLAND_FIRST,
    ISLAND_LAST,
    ISLAND_LATE_FIRST,
    ISLAND_LATE_LAST,
    ISLAND_LOOKED_MS,
    JOB_AFTER,
    JOB_ASK_AFTER,
    JOB_ASK_BEFORE,
    JOB_BEFORE,
    JOB_FIELDS,
    JOB_LANE,
    JOB_PLAN_LANE,
    JOB_THEN,
    KEPT,
    KEPT_OF_ALL,
    KINDS,
    LANE_FIELDS,
    LANE_JOB,
    LANE_NEXT,
    LIST_FIELDS,
    LIST_FIRST,
    LIST_LAST,
    MACHINE_FIELDS,
    MACHINE_STATE,
    NAME_FIELDS,
    NAME_FROM,
    NAME_ISLAND,
    NAME_ROOM,
    PACKED_MOST,
    POOL_FIELDS,
    PRICES_KEPT,
    RISES_KEPT,
    RULE_ISLANDS,
    RULE_POOLS,
    RULE_WIDTH,
    RULES,
    SCRATCHES,
    WEIGHT_MARKED,
    WEIGHT_RESCUED,
    WEIGHTS,
    Column,
    Farm,
    Shape,
    Table,
)


def empty(shape: Shape, room: int) -> Farm:
    """Columns of this shape, all zero, lists empty, every machine row free. `room`: length of acts."""
    farm = Farm(
        rules=_column(RULES),
        head=_column(HEAD_FIELDS),
        jobs=_table(JOB_FIELDS, shape.jobs),
        asks=_table(ASK_FIELDS, shape.asks),
        pools=_table(POOL_FIELDS, shape.pools),
        suits=_table(shape.asks, shape.pools),
        lists=_table(LIST_FIELDS, shape.pools * KINDS),
        machines=_table(MACHINE_FIELDS, shape.machines),
        lanes=_table(LANE_FIELDS, shape.machines * shape.width),
        free_rows=_column(shape.machines),
        names=_table(NAME_FIELDS, shape.names + shape.islands),
        samples=_column(shape.names * KEPT + shape.islands * KEPT_OF_ALL),
        ring=_column(shape.names * KEPT + shape.islands * KEPT_OF_ALL),
        islands=_table(ISLAND_FIELDS, shape.islands),
        weights=tuple(array("d", bytes(8 * WEIGHTS)) for _ in range(shape.islands)),
        levels=_table(shape.islands, shape.machines + 2),
        prices=_table(shape.islands, PRICES_KEPT),
        price_ring=_table(shape.islands, PRICES_KEPT),
        rises=_table(shape.islands, RISES_KEPT),
        acts=_table(ACT_FIELDS, room),
        scratch=_table(SCRATCHES, sheet_rows(shape)),
    )
    _fill(farm, shape)
    return farm


def sheet_rows(shape: Shape) -> int:
    """How long the columns of scratch must be: room for every lane, and for jobs and machines that are planned."""
    return (shape.machines + shape.pools) * shape.width + shape.pools + 3 * PACKED_MOST


def _column(length: int) -> Column:
    return array("q", bytes(8 * length))


def _table(fields: int, rows: int) -> Table:
    return tuple(_column(rows) for _ in range(fields))


def _fill(farm: Farm, shape: Shape) -> None:
    """Where zero would be a row or a moment: -1."""
    farm.rules[RULE_WIDTH] = shape.width
    farm.rules[RULE_ISLANDS] = shape.islands
    farm.rules[RULE_POOLS] = shape.pools
    for field in (LIST_FIRST, LIST_LAST):
        _all(farm.lists[field], -1)
    for field in (
        ISLAND_FIRST,
        ISLAND_LAST,
        ISLAND_LATE_FIRST,
        ISLAND_LATE_LAST,
        ISLAND_LOOKED_MS,
        ISLAND_ASKS,
    ):
        _all(farm.islands[field], -1)
    for island in range(shape.islands):
        _all(farm.levels[island], -1)
        farm.weights[island][WEIGHT_RESCUED] = 1.0
        farm.weights[island][WEIGHT_MARKED] = 4.0
    for field in (ASK_FIRST, ASK_LAST, ASK_NEXT):
        _all(farm.asks[field], -1)
    for field in (JOB_LANE, JOB_BEFORE, JOB_AFTER, JOB_ASK_BEFORE, JOB_ASK_AFTER, JOB_PLAN_LANE, JOB_THEN):
        _all(farm.jobs[field], -1)
    _all(farm.machines[MACHINE_STATE], ABSENT)
    for field in (LANE_JOB, LANE_NEXT):
        _all(farm.lanes[field], -1)
    for row in range(shape.machines):
        farm.free_rows[row] = shape.machines - 1 - row
    farm.head[HEAD_FREE_ROWS] = shape.machines
    _names(farm, shape)


def _names(farm: Farm, shape: Shape) -> None:
    """Each name's own part of the samples; the rows for all names of an island come last."""
    for name in range(shape.names):
        farm.names[NAME_FROM][name] = name * KEPT
        farm.names[NAME_ROOM][name] = KEPT
    for island in range(shape.islands):
        row = shape.names + island
        farm.names[NAME_FROM][row] = shape.names * KEPT + island * KEPT_OF_ALL
        farm.names[NAME_ROOM][row] = KEPT_OF_ALL
        farm.names[NAME_ISLAND][row] = island
        farm.islands[ISLAND_ALL_NAMES][island] = row


def _all(column: Column, value: int) -> None:
    for row in range(len(column)):
        column[row] = value
