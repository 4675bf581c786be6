"""Who is whose partner in two lists: chips of two files, nodes of two reports."""

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T")
Key = Callable[[T], Hashable]


def paired(a: Sequence[T], b: Sequence[T], keys: Sequence[Key[T]]) -> tuple[tuple[T | None, T | None], ...]:
    """Every item once: with its partner, or with None; a's in their order, then those of b alone in theirs.

    Args:
        a: the one list.
        b: the other.
        keys: the first pairs what it can, the next one what is left; items of one key in their order. An item whose
            key is None is left for the next.
    """
    partner: dict[int, int] = {}
    for key in keys:
        waiting: dict[Hashable, deque[int]] = defaultdict(deque)
        taken = set(partner.values())
        for j, item in enumerate(b):
            if j not in taken:
                waiting[key(item)].append(j)
        for i, item in enumerate(a):
            name = key(item)
            if i not in partner and name is not None and waiting[name]:
                partner[i] = waiting[name].popleft()
    taken = set(partner.values())
    both = [(item, b[partner[i]] if i in partner else None) for i, item in enumerate(a)]
    return (*both, *((None, item) for j, item in enumerate(b) if j not in taken))
