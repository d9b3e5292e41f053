"""Seats and what is planned on them: sequences of jobs in the order of their deadlines, every planned start in time."""

from penstock.policy.capacity import sheet as on
from penstock.policy.capacity.columns import Table


def clear(sheet: Table) -> None:
    """No seats."""
    frame = sheet[on.FRAME]
    frame[on.SEATS] = frame[on.GROUPS] = 0
    frame[on.FASTEST_PPM] = on.FULL_SPEED_PPM


def add(sheet: Table, machine: int, pool: int, free_ms: int) -> int:
    """One more seat, nothing planned on it. The caller knows about cold disks and speed."""
    frame = sheet[on.FRAME]
    seat = frame[on.SEATS]
    frame[on.SEATS] = seat + 1
    bench = seat // on.BENCH
    if seat % on.BENCH == 0 or free_ms < sheet[on.BENCH_LOAD_MS][bench]:
        sheet[on.BENCH_LOAD_MS][bench] = sheet[on.BENCH_FIRM_MS][bench] = free_ms
    sheet[on.BENCH_SLACK_MS][bench] = -1
    sheet[on.MACHINE][seat], sheet[on.SEAT_POOL][seat] = machine, pool
    sheet[on.FREE_MS][seat] = sheet[on.LOAD_MS][seat] = sheet[on.FIRM_MS][seat] = free_ms
    sheet[on.SURE_MS][seat] = free_ms
    sheet[on.FIRST][seat] = sheet[on.GROUP][seat] = -1
    sheet[on.COUNT][seat] = sheet[on.EXTRA_MS][seat] = sheet[on.BUSY][seat] = 0
    sheet[on.SLACK_MS][seat] = -1
    sheet[on.BLOCK][seat], sheet[on.LANE][seat] = 1, -1
    sheet[on.SEAT_CORES][seat] = sheet[on.SEAT_MEMORY_MB][seat] = on.PLENTY
    sheet[on.MOST][seat] = frame[on.SEQUENCE_MOST]
    sheet[on.SPEED_PPM][seat] = on.FULL_SPEED_PPM
    return seat


def pace(sheet: Table, seat: int, speed_ppm: int) -> None:
    """The seat's speed."""
    frame = sheet[on.FRAME]
    sheet[on.SPEED_PPM][seat] = speed_ppm
    frame[on.FASTEST_PPM] = max(frame[on.FASTEST_PPM], speed_ppm)


def span_ms(work_ms: int, speed_ppm: int) -> int:
    """How long so much work takes at a speed."""
    if speed_ppm == on.FULL_SPEED_PPM:
        return work_ms
    return work_ms * on.FULL_SPEED_PPM // speed_ppm


def hopeless(sheet: Table, seat: int, due_ms: int, span: int) -> bool:
    """Whether a job surely does not fit: neither behind the last one that has a deadline nor before it."""
    if sheet[on.COUNT][seat] >= sheet[on.MOST][seat] or sheet[on.FREE_MS][seat] > due_ms:
        return True
    return sheet[on.FIRM_MS][seat] > due_ms and sheet[on.SLACK_MS][seat] < span


def cramped(sheet: Table, seat: int) -> bool:
    """Whether the job that is looked at is too big for what the seat's machine has room for now."""
    frame = sheet[on.FRAME]
    if sheet[on.SEAT_CORES][seat] < frame[on.NEED_CORES]:
        return True
    return sheet[on.SEAT_MEMORY_MB][seat] < frame[on.NEED_MEMORY_MB]


def put(sheet: Table, seat: int, place: int) -> bool:
    """Plan the job on the seat, before those that may start later, if every planned start stays in time."""
    due, work, following = sheet[on.DUE_MS], sheet[on.WORK_MS], sheet[on.NEXT]
    due_ms, work_ms, speed = due[place], work[place], sheet[on.SPEED_PPM][seat]
    start_ms, extra_ms = sheet[on.FREE_MS][seat], sheet[on.EXTRA_MS][seat]
    before, after = -1, sheet[on.FIRST][seat]
    while after >= 0 and (due[after] < due_ms or (due[after] == due_ms and work[after] <= work_ms)):
        start_ms += span_ms(work[after], speed) + extra_ms
        extra_ms = 0
        before, after = after, following[after]
    if start_ms > due_ms:
        return False
    shift_ms = span_ms(work_ms, speed)
    if after >= 0 and not _bear(sheet, seat, after, start_ms + shift_ms + extra_ms):
        return False
    if before < 0:
        sheet[on.FIRST][seat] = place
    else:
        following[before] = place
    following[place] = after
    if due_ms < on.ENDLESS_MS:
        _note_firm(sheet, seat, place, start_ms)
    _keep(sheet, seat, place, shift_ms)
    return True


def _note_firm(sheet: Table, seat: int, place: int, start_ms: int) -> None:
    """The job has a deadline: note when the last one of those ends, and how much later it could start."""
    due, after = sheet[on.DUE_MS], sheet[on.NEXT][place]
    span = span_ms(sheet[on.WORK_MS][place], sheet[on.SPEED_PPM][seat])
    first = sheet[on.FIRST][seat] == place
    firm_ms, extra_ms = sheet[on.FIRM_MS][seat], sheet[on.EXTRA_MS][seat]
    if after < 0 or due[after] >= on.ENDLESS_MS:
        sheet[on.SLACK_MS][seat] = due[place] - start_ms
        sheet[on.FIRM_MS][seat] = start_ms + span + (extra_ms if first else 0)
        return
    last = sheet[on.NEXT][after] < 0 or due[sheet[on.NEXT][after]] >= on.ENDLESS_MS
    sheet[on.SLACK_MS][seat] -= span + (extra_ms if first and last else 0)
    sheet[on.FIRM_MS][seat] = firm_ms + span


def _bear(sheet: Table, seat: int, place: int, start_ms: int) -> bool:
    """Whether this job and those after it are in time when it starts at `start_ms`."""
    due, work, following = sheet[on.DUE_MS], sheet[on.WORK_MS], sheet[on.NEXT]
    speed = sheet[on.SPEED_PPM][seat]
    while place >= 0:
        if start_ms > due[place]:
            return False
        start_ms += span_ms(work[place], speed)
        place = following[place]
    return True


def _keep(sheet: Table, seat: int, place: int, shift_ms: int) -> None:
    sheet[on.SEAT][place] = seat
    if sheet[on.COUNT][seat] == 0:
        shift_ms += sheet[on.EXTRA_MS][seat]
    sheet[on.COUNT][seat] += 1
    sheet[on.LOAD_MS][seat] += shift_ms
    _settle(sheet, seat // on.BENCH)


def _settle(sheet: Table, bench: int) -> None:
    """Note the least load and the most slack of the bench's seats that take more."""
    load, slack, firm = sheet[on.LOAD_MS], sheet[on.SLACK_MS], sheet[on.FIRM_MS]
    count, most = sheet[on.COUNT], sheet[on.MOST]
    least, soonest, best = on.PLENTY, on.PLENTY, -1
    end = min(sheet[on.FRAME][on.SEATS], (bench + 1) * on.BENCH)
    for seat in range(bench * on.BENCH, end):
        if count[seat] >= most[seat]:
            continue
        # written out: calls of min and max are most of what a hub, which is not compiled, would do here
        least = load[seat] if load[seat] < least else least
        soonest = firm[seat] if firm[seat] < soonest else soonest
        best = slack[seat] if slack[seat] > best else best
    sheet[on.BENCH_LOAD_MS][bench], sheet[on.BENCH_FIRM_MS][bench] = least, soonest
    sheet[on.BENCH_SLACK_MS][bench] = best


def _empty_handed(sheet: Table, bench: int, due_ms: int, span: int) -> bool:
    """Whether no seat of the bench can take a job."""
    return sheet[on.BENCH_FIRM_MS][bench] > due_ms and sheet[on.BENCH_SLACK_MS][bench] < span


def least_loaded(sheet: Table, place: int) -> int:
    """Plan the job on the seat that is done first of those where it fits. Returns the seat, -1 = none."""
    floor_ms, floor_seat = -1, -1
    while True:
        best = _next_loaded(sheet, place, floor_ms, floor_seat)
        if best < 0 or put(sheet, best, place):
            return best
        floor_ms, floor_seat = sheet[on.LOAD_MS][best], best


def _next_loaded(sheet: Table, place: int, floor_ms: int, floor_seat: int) -> int:
    """The seat with the least load, after one of load `floor_ms`, where the job may fit."""
    load, speed, pool = sheet[on.LOAD_MS], sheet[on.SPEED_PPM], sheet[on.SEAT_POOL]
    due_ms, work_ms = sheet[on.DUE_MS][place], sheet[on.WORK_MS][place]
    allowed, seats = sheet[on.ALLOWED], sheet[on.FRAME][on.SEATS]
    span, best, least = span_ms(work_ms, sheet[on.FRAME][on.FASTEST_PPM]), -1, on.PLENTY
    for bench in range((seats + on.BENCH - 1) // on.BENCH):
        if sheet[on.BENCH_LOAD_MS][bench] >= least or _empty_handed(sheet, bench, due_ms, span):
            continue
        for seat in range(bench * on.BENCH, min(seats, (bench + 1) * on.BENCH)):
            if load[seat] >= least or load[seat] < floor_ms or allowed[pool[seat]] == 0:
                continue
            if load[seat] == floor_ms and seat <= floor_seat:
                continue
            if not cramped(sheet, seat) and not hopeless(sheet, seat, due_ms, span_ms(work_ms, speed[seat])):
                best, least = seat, load[seat]
    return best


def first_fit(sheet: Table, place: int, begin: int) -> int:
    """Plan the job on the first seat from `begin` on where it fits. Returns the seat, -1 = none."""
    due_ms, work_ms = sheet[on.DUE_MS][place], sheet[on.WORK_MS][place]
    speed, pool, allowed = sheet[on.SPEED_PPM], sheet[on.SEAT_POOL], sheet[on.ALLOWED]
    count, most = sheet[on.COUNT], sheet[on.MOST]
    seats, span = sheet[on.FRAME][on.SEATS], span_ms(work_ms, sheet[on.FRAME][on.FASTEST_PPM])
    for bench in range(begin // on.BENCH, (seats + on.BENCH - 1) // on.BENCH):
        if _empty_handed(sheet, bench, due_ms, span):
            continue
        for seat in range(max(begin, bench * on.BENCH), min(seats, (bench + 1) * on.BENCH)):
            if count[seat] >= most[seat] or allowed[pool[seat]] == 0 or cramped(sheet, seat):
                continue
            if hopeless(sheet, seat, due_ms, span_ms(work_ms, speed[seat])):
                continue
            found = seat if sheet[on.BLOCK][seat] == 1 else _of_block(sheet, seat)
            if put(sheet, found, place):
                return found
    return -1


def empty_fit(sheet: Table, place: int) -> int:
    """Plan the job on a seat where nothing is planned yet. Returns the seat, -1 = none."""
    count, pool, allowed = sheet[on.COUNT], sheet[on.SEAT_POOL], sheet[on.ALLOWED]
    for seat in range(sheet[on.FRAME][on.SEATS]):
        if count[seat] == 0 and allowed[pool[seat]] and put(sheet, seat, place):
            return seat
    return -1


def _of_block(sheet: Table, seat: int) -> int:
    """The lane of the same machine that is done first."""
    load, best = sheet[on.LOAD_MS], seat
    for other in range(seat + 1, seat + sheet[on.BLOCK][seat]):
        if load[other] < load[best]:
            best = other
    return best


def slack_ms(sheet: Table, seat: int) -> int:
    """How much later everything planned on the seat could start; something is."""
    latest, work, following = sheet[on.LATEST_MS], sheet[on.WORK_MS], sheet[on.NEXT]
    speed = sheet[on.SPEED_PPM][seat]
    start_ms, extra_ms = sheet[on.FREE_MS][seat], sheet[on.EXTRA_MS][seat]
    place = sheet[on.FIRST][seat]
    least = latest[place] - start_ms
    while place >= 0:
        least = min(least, latest[place] - start_ms)
        start_ms += span_ms(work[place], speed) + extra_ms
        extra_ms = 0
        place = following[place]
    return least
