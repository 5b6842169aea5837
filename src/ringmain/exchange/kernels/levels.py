"""Price levels: for each side of each book a trie of 64-way nodes, and its best level at hand.

A key ranks prices on their side, so that on both sides the lowest key is the best price, and one
code serves both. A trie keeps any prices at all: only the nodes of all books together are limited.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel, leaf, lowest_bit
from ringmain.exchange.messages import BUY, SELL
from ringmain.exchange.state import (
    BRANCHES,
    DEPTH,
    LEVELS,
    NODES,
    PRICE_TICKS_MAX,
    PRICE_TICKS_MIN,
    PRODUCTS,
    RECENT,
)

BIT = np.array([1 << i for i in range(BRANCHES)], np.uint64).view(np.int64)  # place i alone
ABOVE = ~(BIT | (BIT - 1))  # the places after i
DIGIT_BITS = 6  # of a key, for each depth of the trie
ROOT_SHIFT, LEAF_SHIFT = (DEPTH - 1) * DIGIT_BITS, DIGIT_BITS
LAST = BRANCHES - 1


@leaf
def ladder_of(slot: int, side: int) -> int:
    """Return the index of a product's ladder of bids or offers."""
    return 2 * slot + (side - BUY)


@leaf
def stop_ladder_of(slot: int, side: int) -> int:
    """Return the index of the ladder of a side's stop orders, ranked like the other side's limits.

    The lowest stop price of the buyers comes first, and the highest of the sellers.
    """
    return 2 * PRODUCTS + 2 * slot + (SELL - side)


@leaf
def rank_of(ladder: int) -> int:
    """Return BUY for a ladder that ranks high prices first, SELL for one that ranks them last."""
    return BUY + ladder % 2


@leaf
def side_of(ladder: int) -> int:
    """Return the side of the orders in a ladder."""
    return BUY + (ladder + ladder // (2 * PRODUCTS)) % 2


@leaf
def slot_of(ladder: int) -> int:
    """Return the slot of the product that a ladder belongs to."""
    return ladder // 2 % PRODUCTS


@leaf
def opposite(ladder: int) -> int:
    """Return the other side's ladder."""
    return ladder + 1 - 2 * (ladder % 2)


@leaf
def key_of(ladder: int, price_ticks: int) -> int:
    """Rank a price on its side: the highest bid and the lowest offer come first."""
    if rank_of(ladder) == BUY:
        return PRICE_TICKS_MAX - price_ticks
    return price_ticks - PRICE_TICKS_MIN


@leaf
def price_of(ladder: int, key: int) -> int:
    """Return the price that has this rank."""
    if rank_of(ladder) == BUY:
        return PRICE_TICKS_MAX - key
    return key + PRICE_TICKS_MIN


@leaf
def levels_full(matching: Any) -> bool:
    """Tell whether there may be no room for one more price."""
    return matching.level_pool.count >= LEVELS - 1 or matching.node_pool.count >= NODES - 1 - DEPTH


@leaf
def best_level(matching: Any, ladder: int) -> int:
    """Return the level of the best price on a side, or 0."""
    return matching.ladders[ladder].best


@leaf
def obtain_level(matching: Any, ladder: int, key: int) -> int:
    """Return the level at a price, made if there is none; the caller has asked `levels_full`."""
    node_index = _leaf(matching, ladder, key)
    if node_index == 0:
        node_index = _grow(matching, ladder, key)
    node = matching.nodes[node_index]
    level = node.child[key & LAST]
    if level == 0:
        level = _take_level(matching)
        _describe(matching.levels[level], ladder, key)
        node.child[key & LAST] = level
        node.taken |= BIT[key & LAST]
        _note_best(matching, ladder, level)
    return level


@kernel
def remove_level(matching: Any, level: int) -> None:
    """Take an empty level out of its ladder."""
    assert matching.levels[level].order_count == 0
    ladder, key = matching.levels[level].ladder, matching.levels[level].key
    if matching.ladders[ladder].best == level:
        matching.ladders[ladder].best = level_after(matching, ladder, key)
    node_index = _leaf(matching, ladder, key)
    node = matching.nodes[node_index]
    node.child[key & LAST] = 0
    node.taken &= ~BIT[key & LAST]
    if node.taken == 0:
        _prune(matching, ladder, key)
    _give_level(matching, level)


@kernel
def level_after(matching: Any, ladder: int, key: int) -> int:
    """Return the next worse level after a price that has one, or 0."""
    node = matching.nodes[_leaf(matching, ladder, key)]
    worse = node.taken & ABOVE[key & LAST]
    if worse != 0:
        return node.child[lowest_bit(worse)]
    return _level_beyond_leaf(matching, ladder, key)


@kernel
def _level_beyond_leaf(matching: Any, ladder: int, key: int) -> int:
    """Return the best level of all the leaves that follow the one with this key, or 0."""
    nodes = matching.nodes
    branch, branch_shift = 0, 0
    at, shift = matching.ladders[ladder].root, ROOT_SHIFT
    while shift >= LEAF_SHIFT:  # the deepest node that goes on after this key
        if nodes[at].taken & ABOVE[(key >> shift) & LAST]:
            branch, branch_shift = at, shift
        at = nodes[at].child[(key >> shift) & LAST]
        shift -= DIGIT_BITS
    if branch == 0:
        return 0
    at = nodes[branch].child[lowest_bit(nodes[branch].taken & ABOVE[(key >> branch_shift) & LAST])]
    while branch_shift >= LEAF_SHIFT:
        at = nodes[at].child[lowest_bit(nodes[at].taken)]
        branch_shift -= DIGIT_BITS
    return at


@leaf
def recent_leaf(matching: Any, ladder: int, key: int) -> int:
    """Return the node that holds the levels around a price, if it has been looked at of late; or 0."""
    side, group = matching.ladders[ladder], key >> LEAF_SHIFT
    return side.leaf[group % RECENT] if side.leaf_key[group % RECENT] == group else 0


@leaf
def _leaf(matching: Any, ladder: int, key: int) -> int:
    """Return the node that holds the levels around a price, or 0; node 0 holds nothing."""
    node_index = recent_leaf(matching, ladder, key)
    return node_index if node_index != 0 else _find_leaf(matching, ladder, key)


@kernel
def _find_leaf(matching: Any, ladder: int, key: int) -> int:
    """Walk to the node that holds the levels around a price, and remember it; 0 if there is none."""
    at = matching.ladders[ladder].root
    shift = ROOT_SHIFT
    while shift >= LEAF_SHIFT:
        at = matching.nodes[at].child[(key >> shift) & LAST]
        shift -= DIGIT_BITS
    if at != 0:
        _remember(matching.ladders[ladder], key >> LEAF_SHIFT, at)
    return at


@leaf
def _remember(side: Any, group: int, leaf_node: int) -> None:
    side.leaf[group % RECENT] = leaf_node
    side.leaf_key[group % RECENT] = group


@kernel
def _grow(matching: Any, ladder: int, key: int) -> int:
    """Make the nodes on the way to a price, and return the last of them."""
    side = matching.ladders[ladder]
    if side.root == 0:
        side.root = _take_node(matching)
    at, shift = side.root, ROOT_SHIFT
    while shift >= LEAF_SHIFT:
        place = (key >> shift) & LAST
        if matching.nodes[at].child[place] == 0:
            matching.nodes[at].child[place] = _take_node(matching)
            matching.nodes[at].taken |= BIT[place]
        at = matching.nodes[at].child[place]
        shift -= DIGIT_BITS
    _remember(side, key >> LEAF_SHIFT, at)
    return at


@kernel
def _prune(matching: Any, ladder: int, key: int) -> None:
    """Free the nodes on the way to a price that lead nowhere any more."""
    side = matching.ladders[ladder]
    _remember(side, key >> LEAF_SHIFT, 0)
    shift = 0
    while shift < ROOT_SHIFT + DIGIT_BITS:
        at, above = _node_at(matching, side.root, key, shift)
        if matching.nodes[at].taken != 0:
            return
        _give_node(matching, at)
        shift += DIGIT_BITS
        if above == 0:
            side.root = 0
        else:
            matching.nodes[above].child[(key >> shift) & LAST] = 0
            matching.nodes[above].taken &= ~BIT[(key >> shift) & LAST]


@kernel
def _node_at(matching: Any, root: int, key: int, wanted_shift: int) -> tuple[int, int]:
    """Return the node on the way to a price whose branches stand for `wanted_shift`, and its parent."""
    at, above, shift = root, 0, ROOT_SHIFT
    while shift > wanted_shift:
        above = at
        at = matching.nodes[at].child[(key >> shift) & LAST]
        shift -= DIGIT_BITS
    return at, above


@leaf
def _note_best(matching: Any, ladder: int, level: int) -> None:
    best = matching.ladders[ladder].best
    if best == 0 or matching.levels[level].key < matching.levels[best].key:
        matching.ladders[ladder].best = level


@leaf
def _describe(record: Any, ladder: int, key: int) -> None:
    record.lots = 0
    record.first = 0
    record.last = 0
    record.order_count = 0
    record.key = key
    record.price_ticks = price_of(ladder, key)
    record.ladder = ladder


@leaf
def _take_level(matching: Any) -> int:
    pool = matching.level_pool
    level = pool.free
    if level == 0:
        pool.highest += 1
        level = pool.highest
    else:
        pool.free = matching.levels[level].first
    pool.count += 1
    assert level < LEVELS
    return level


@leaf
def _give_level(matching: Any, level: int) -> None:
    matching.levels[level].first = matching.level_pool.free
    matching.level_pool.free = level
    matching.level_pool.count -= 1


@kernel
def _take_node(matching: Any) -> int:
    pool = matching.node_pool
    node = pool.free
    if node == 0:
        pool.highest += 1
        node = pool.highest
    else:
        pool.free = matching.nodes[node].child[0]
        matching.nodes[node].child[0] = 0
    pool.count += 1
    assert node < NODES
    return node


@kernel
def _give_node(matching: Any, node: int) -> None:
    assert matching.nodes[node].taken == 0
    matching.nodes[node].child[0] = matching.node_pool.free
    matching.node_pool.free = node
    matching.node_pool.count -= 1
