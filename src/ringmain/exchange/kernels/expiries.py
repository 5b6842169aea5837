"""Orders that end at a time: a binary heap, in which each order knows its place."""

from typing import Any

from ringmain.core.jit import kernel

NEVER = 0


@kernel
def next_expiry_ns(matching: Any) -> int:
    """Return when the first order ends, or NEVER."""
    if matching.expiries.count == 0:
        return NEVER
    return matching.specials[matching.expiries.orders[0]].expires_ns


@kernel
def enter_expiry(matching: Any, slot: int) -> None:
    """Have an order end at its `expires_ns`."""
    place = matching.expiries.count
    matching.expiries.count += 1
    _settle_up(matching, place, slot)


@kernel
def strike_expiry(matching: Any, slot: int) -> None:
    """Forget when an order ends; it is in the heap."""
    heap, place = matching.expiries, matching.specials[slot].expiry_place
    assert heap.orders[place] == slot
    heap.count -= 1
    last = heap.orders[heap.count]
    heap.orders[heap.count] = 0
    if last != slot:
        _settle_down(matching, place, last)
        if heap.orders[place] == last:
            _settle_up(matching, place, last)


@kernel
def _settle_up(matching: Any, place: int, slot: int) -> None:
    """Put an order at a place, or as far above it as it ends earlier."""
    heap, expires_ns = matching.expiries, matching.specials[slot].expires_ns
    while place > 0:
        parent = (place - 1) // 2
        above = heap.orders[parent]
        if not _is_earlier(matching, expires_ns, slot, above):
            break
        _put(matching, place, above)
        place = parent
    _put(matching, place, slot)


@kernel
def _settle_down(matching: Any, place: int, slot: int) -> None:
    """Put an order at a place, or as far beneath it as others end earlier."""
    heap, expires_ns = matching.expiries, matching.specials[slot].expires_ns
    child = 2 * place + 1
    while child < heap.count:
        other = child + 1
        if other < heap.count:
            right = heap.orders[other]
            if _is_earlier(matching, matching.specials[right].expires_ns, right, heap.orders[child]):
                child = other
        if _is_earlier(matching, expires_ns, slot, heap.orders[child]):
            break
        _put(matching, place, heap.orders[child])
        place = child
        child = 2 * place + 1
    _put(matching, place, slot)


@kernel
def _is_earlier(matching: Any, expires_ns: int, slot: int, than: int) -> bool:
    """Tell whether an order ends before another; of two at once, the one in the lower slot does."""
    other_ns = matching.specials[than].expires_ns
    return expires_ns < other_ns or (expires_ns == other_ns and slot < than)


@kernel
def _put(matching: Any, place: int, slot: int) -> None:
    matching.expiries.orders[place] = slot
    matching.specials[slot].expiry_place = place
