"""Memory asked for ahead of time: what the next commands of a batch will touch.

Orders of many books lie all over the memory, and a command would wait for one line after the
other. So each command is looked at four times while those before it are carried out: for its place
in the directory, for its order, for its price level, for its neighbours. Nothing is decided here.
"""

from typing import Any

from ringmain.core.jit import kernel, leaf, prefetch
from ringmain.exchange.kernels.levels import LAST, key_of, ladder_of, recent_leaf
from ringmain.exchange.kernels.orders import home_of
from ringmain.exchange.messages import BUY, SELL, CancelOrder, PlaceOrder, ReplaceOrder
from ringmain.exchange.state import PRODUCTS

PLACE_ORDER, CANCEL_ORDER, REPLACE_ORDER = PlaceOrder.kind, CancelOrder.kind, ReplaceOrder.kind
FAR, NEAR, NEARER, NEXT = 20, 15, 10, 5  # commands ahead
WORTHWHILE_ORDERS = 16_384  # fewer lie in the cache anyway


@kernel
def look_ahead(matching: Any, requests: Any, i: int) -> None:
    """Ask for memory of the commands that follow the i-th."""
    if matching.order_pool.count < WORTHWHILE_ORDERS or i + FAR >= requests.size:
        return
    _seek_name(matching, requests[i + FAR])
    _seek_node_or_order(matching, requests[i + NEAR])
    _seek_level(matching, requests[i + NEARER])
    _seek_neighbour(matching, requests[i + NEXT])


@leaf
def _seek_name(matching: Any, request: Any) -> None:
    prefetch(matching.directory, _home(request))
    if request.head.kind == PLACE_ORDER:
        prefetch(matching.ladders, _ladder(request))


@leaf
def _seek_node_or_order(matching: Any, request: Any) -> None:
    if request.head.kind == PLACE_ORDER:
        ladder = _ladder(request)
        key = key_of(ladder, request.place_order.price_ticks)
        prefetch(matching.nodes[recent_leaf(matching, ladder, key)].child, key & LAST)
    else:
        prefetch(matching.orders, matching.directory[_home(request)].order)


@leaf
def _seek_level(matching: Any, request: Any) -> None:
    prefetch(matching.levels, _level(matching, request))


@leaf
def _seek_neighbour(matching: Any, request: Any) -> None:
    """Ask for the orders that a resting one is hung between, or taken from between."""
    if request.head.kind == PLACE_ORDER:
        prefetch(matching.orders, matching.levels[_level(matching, request)].last)
    else:
        order = matching.orders[matching.directory[_home(request)].order]
        prefetch(matching.orders, order.previous)
        prefetch(matching.orders, order.next)


@leaf
def _level(matching: Any, request: Any) -> int:
    """Return the level that the command is likely to touch, or 0."""
    if request.head.kind != PLACE_ORDER:
        return matching.orders[matching.directory[_home(request)].order].level
    ladder = _ladder(request)
    key = key_of(ladder, request.place_order.price_ticks)
    return matching.nodes[recent_leaf(matching, ladder, key)].child[key & LAST]


@leaf
def _home(request: Any) -> int:
    """Return where the name of the command's order belongs in the directory."""
    number = request.head.session_number
    if request.head.kind == CANCEL_ORDER:
        number = request.cancel_order.order_number
    elif request.head.kind == REPLACE_ORDER:
        number = request.replace_order.order_number
    return home_of(request.head.session_id, number)


@leaf
def _ladder(request: Any) -> int:
    order = request.place_order
    return ladder_of(int(order.product_id) % PRODUCTS, BUY if order.side == BUY else SELL)
