"""The events to come, soonest first: a binary heap over three columns. O(log n) a step."""

from penstock.sim.engine.world import (
    CLASS_STEP,
    EVENTS,
    HEAP_MS,
    HEAP_ORDER,
    HEAP_WHAT,
    ORDER,
    ROW_STEP,
    World,
)


def push(world: World, at_ms: int, kind: int, row: int) -> int:
    """Something of this kind happens to this row then. Returns the event's order, by which it is known."""
    head, heap = world.head, world.heap
    moments, orders, whats = heap[HEAP_MS], heap[HEAP_ORDER], heap[HEAP_WHAT]
    order = kind * CLASS_STEP + head[ORDER]
    head[ORDER] += 1
    place = head[EVENTS]
    head[EVENTS] = place + 1
    while place > 0:
        above = (place - 1) >> 1
        if moments[above] < at_ms or (moments[above] == at_ms and orders[above] < order):
            break
        moments[place], orders[place], whats[place] = moments[above], orders[above], whats[above]
        place = above
    moments[place], orders[place], whats[place] = at_ms, order, kind * ROW_STEP + row
    return order


def drop(world: World) -> None:
    """Take the first event off."""
    head, heap = world.head, world.heap
    moments, orders, whats = heap[HEAP_MS], heap[HEAP_ORDER], heap[HEAP_WHAT]
    size = head[EVENTS] - 1
    head[EVENTS] = size
    at_ms, order, what = moments[size], orders[size], whats[size]
    place, below = 0, 1
    while below < size:
        right = below + 1
        if right < size and (
            moments[right] < moments[below]
            or (moments[right] == moments[below] and orders[right] < orders[below])
        ):
            below = right
        if at_ms < moments[below] or (at_ms == moments[below] and order < orders[below]):
            break
        moments[place], orders[place], whats[place] = moments[below], orders[below], whats[below]
        place, below = below, 2 * below + 1
    moments[place], orders[place], whats[place] = at_ms, order, what
