"""Directed graphs of named things that need each other: order, cycles, reach. Deterministic."""

from collections.abc import Iterable, Mapping, Sequence

Needs = Mapping[str, Sequence[str]]
"""For each name the names it needs. A name that appears only as a need counts as one that needs nothing."""


def order(needs: Needs) -> list[str]:
    """All names, each after everything it needs; names that could come in any order keep that of `needs`.

    Kahn's algorithm, O(names + needs). Raises ValueError naming one cycle whole when there is one.
    """
    children = dependents(needs)
    unmet = {name: len(set(needs.get(name, ()))) for name in children}
    ready = [name for name, count in unmet.items() if count == 0]
    done: list[str] = []
    for name in ready:
        done.append(name)
        for child in children[name]:
            unmet[child] -= 1
            if unmet[child] == 0:
                ready.append(child)
    if len(done) < len(unmet):
        raise ValueError("cycle: " + " -> ".join(cycles(needs)[0]))
    return done


def dependents(needs: Needs) -> dict[str, list[str]]:
    """For each name those that need it directly, in the order of `needs`."""
    children: dict[str, list[str]] = {name: [] for name in needs}
    for name, parents in needs.items():
        for parent in dict.fromkeys(parents):
            children.setdefault(parent, []).append(name)
    return children


def reach(start: Iterable[str], edges: Needs) -> set[str]:
    """Everything that can be reached from `start` along `edges`, the start included."""
    seen = set(start)
    waiting = list(seen)
    while waiting:
        for following in edges.get(waiting.pop(), ()):
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return seen


def closure(needs: Needs, start: Iterable[str]) -> list[str]:
    """Everything that the names `start` need, directly or not, each once, nearest first; no start unless needed."""
    found = dict.fromkeys(need for name in start for need in needs.get(name, ()))
    waiting = list(found)
    for name in waiting:
        for need in needs.get(name, ()):
            if need not in found:
                found[need] = None
                waiting.append(need)
    return waiting


def cycles(needs: Needs) -> list[list[str]]:
    """Every knot of names that need each other, each closed ("a", "b", "a"), none twice; [] when there is none.

    Tarjan's strongly connected components without recursion; all members of a knot are named.
    """
    knots: list[list[str]] = []
    for members in _components(needs):
        first = members[0]
        if len(members) > 1 or first in needs.get(first, ()):
            inside = set(members)
            ordered = [name for name in needs if name in inside]
            knots.append([*ordered, ordered[0]])
    return knots


def _components(needs: Needs) -> list[list[str]]:
    """Strongly connected components (Tarjan 1972), an explicit stack in place of recursion."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    for root in needs:
        work = [(root, iter(needs.get(root, ())))] if root not in index else []
        while work:
            name, rest = work[-1]
            if name not in index:
                index[name] = low[name] = len(index)
                stack.append(name)
                on_stack.add(name)
            following = next(rest, None)
            if following is not None:
                if following not in index:
                    work.append((following, iter(needs.get(following, ()))))
                elif following in on_stack:
                    low[name] = min(low[name], index[following])
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[name])
            if low[name] == index[name]:
                found.append(_pop_component(name, stack, on_stack))
    return found


def _pop_component(name: str, stack: list[str], on_stack: set[str]) -> list[str]:
    """Take from the stack everything down to `name`: one component."""
    members: list[str] = []
    while not members or members[-1] != name:
        members.append(stack.pop())
        on_stack.discard(members[-1])
    return members
