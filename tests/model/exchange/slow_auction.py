"""The auction's rules once more, of lists and loops alone: verifying, clearing curves alone, awarding."""

import itertools
from dataclasses import dataclass, field

ONE = 1_000_000_000


@dataclass
class SlowBlock:
    id: int
    zone: int
    first: int
    lots: list
    price: int
    minimum: int = 1_000
    parent: int = 0  # an id
    group: object = None


@dataclass
class SlowBook:
    """Curves are {(zone, period): [[segment, ...], ...]}, a segment (begin, end, lots); lots < 0: offers."""

    zones: int
    periods: int
    low: int
    high: int
    curves: dict = field(default_factory=dict)
    blocks: dict = field(default_factory=dict)
    lines: list = field(default_factory=list)  # (from, to, [forward], [backward])


def stair(segment):
    """Return a segment as single steps (price, lots)."""
    begin, end, lots = segment
    sign = 1 if lots > 0 else -1
    way = (begin - end) * sign
    if way == 0:
        return [(begin, lots)]
    steps, before = [], 0
    for gone in range(1, way + 1):
        reached = abs(lots) * gone // way
        steps.append((begin - sign * gone, sign * (reached - before)))
        before = reached
    return steps


def at_price(curve, price):
    """Return bids better than the price, at it, offers better, at it."""
    sums = [0, 0, 0, 0]
    for segment in curve:
        for limit, lots in stair(segment):
            if lots > 0 and limit >= price:
                sums[limit == price] += lots
            if lots < 0 and limit <= price:
                sums[2 + (limit == price)] -= lots
    return sums


def part(lots, ratio):
    size = (abs(lots) * ratio * 2 + ONE) // (2 * ONE)
    return size if lots > 0 else -size


def balance(book, prices, ratios, flows, zone, period):
    """Return what is bought at the price and sold at it, or the name of the fault with the excess."""
    sums = [0, 0, 0, 0]
    for curve in book.curves.get((zone, period), []):
        sums = [a + b for a, b in zip(sums, at_price(curve, prices[zone][period]), strict=True)]
    need = -sums[0] + sums[2]
    for block in book.blocks.values():
        if block.zone == zone and 0 <= period - block.first < len(block.lots):
            need -= part(block.lots[period - block.first], ratios.get(block.id, 0))
    for number, (begin, end, _, _) in enumerate(book.lines):
        need += (flows[number][period] if end == zone else 0) - (
            flows[number][period] if begin == zone else 0
        )
    for sold in range(sums[3], -1, -1):  # as much as possible trades
        if 0 <= need + sold <= sums[1]:
            return need + sold, sold
    return ("NOT_BALANCED", sums[1] - need) if need > sums[1] else ("NOT_BALANCED", -sums[3] - need)


def fault_of(book, prices, ratios, flows):
    """Return the name of the first rule that a proposal breaks, or None."""
    sums = {}
    for block in book.blocks.values():
        ratio = ratios.get(block.id, 0)
        if not ratio:
            continue
        if ratio * 1_000 < block.minimum * ONE:
            return "BLOCK_BELOW_MINIMUM"
        if block.parent and ratio > ratios.get(block.parent, 0):
            return "CHILD_ABOVE_PARENT"
        if block.group is not None:
            sums[block.group] = sums.get(block.group, 0) + ratio
            if sums[block.group] > ONE:
                return "EXCLUSIVE_GROUP_ABOVE_ONE"
    if any(ratios.get(id) and family_surplus(book, id, prices, ratios) < 0 for id in book.blocks):
        return "BLOCK_OUT_OF_MONEY"
    for number, (begin, end, forward, backward) in enumerate(book.lines):
        for period in range(book.periods):
            flow = flows[number][period]
            if not -backward[period] <= flow <= forward[period]:
                return "FLOW_ABOVE_CAPACITY"
            more = prices[end][period] - prices[begin][period]
            if (more > 0 and flow != forward[period]) or (more < 0 and flow != -backward[period]):
                return "FLOW_AGAINST_PRICES"
    for zone, period in itertools.product(range(book.zones), range(book.periods)):
        if balance(book, prices, ratios, flows, zone, period)[0] == "NOT_BALANCED":
            return "NOT_BALANCED"
    return None


def family_surplus(book, id, prices, ratios):
    block = book.blocks[id]
    own = 0
    for n, lots in enumerate(block.lots):
        own += part(lots, ratios.get(id, 0)) * (block.price - prices[block.zone][block.first + n])
    return own + sum(
        family_surplus(book, child.id, prices, ratios) for child in book.blocks.values() if child.parent == id
    )


def welfare_of(book, prices, ratios, flows):
    """Return the value of what is bought less the cost of what is sold, by limits."""
    total = 0
    for (zone, period), curves in book.curves.items():
        price = prices[zone][period]
        bought, sold = balance(book, prices, ratios, flows, zone, period)
        total += price * (bought - sold)
        for limit, lots in (step for curve in curves for segment in curve for step in stair(segment)):
            if (lots > 0 and limit > price) or (lots < 0 and limit < price):
                total += limit * lots
    for block in book.blocks.values():
        total += block.price * sum(part(lots, ratios.get(block.id, 0)) for lots in block.lots)
    return total


def best_of(book):
    """Try every choice of blocks, flows and prices; return the largest welfare that keeps the rules."""
    best, ids = None, sorted(book.blocks)
    for chosen in itertools.product((0, ONE), repeat=len(ids)):
        ratios = dict(zip(ids, chosen, strict=True))
        columns = [list(_columns(book, ratios, period)) for period in range(book.periods)]
        for choice in itertools.product(*columns):
            prices = [[column[0][zone] for column in choice] for zone in range(book.zones)]
            flows = [[column[1][line] for column in choice] for line in range(len(book.lines))]
            if fault_of(book, prices, ratios, flows) is None:
                welfare = welfare_of(book, prices, ratios, flows)
                best = welfare if best is None else max(best, welfare)
                break  # with these blocks, every other one has the same
    return best


def _columns(book, ratios, period):
    """Yield prices of all zones and flows of all lines that balance one period."""
    ranges = [range(-backward[period], forward[period] + 1) for _, _, forward, backward in book.lines]
    for flow in itertools.product(*ranges):
        flows = [[lots] * book.periods for lots in flow]
        fitting = [
            [
                price
                for price in range(book.low, book.high + 1)
                if balance(book, [[price] * book.periods] * book.zones, ratios, flows, zone, period)[0]
                != "NOT_BALANCED"
            ]
            for zone in range(book.zones)
        ]
        for prices in itertools.product(*fitting):
            ok = all(
                (prices[end] <= prices[begin] or lots == forward[period])
                and (prices[end] >= prices[begin] or lots == -backward[period])
                for (begin, end, forward, backward), lots in zip(book.lines, flow, strict=True)
            )
            if ok:
                yield prices, flow


def price_alone(book, zone, period):
    """Return the price of a market's curves alone, by trying them all."""
    alone = SlowBook(book.zones, book.periods, book.low, book.high, book.curves)
    good = [
        price for price in range(book.low, book.high + 1)
        if balance(alone, [[price] * book.periods] * book.zones, {}, [], zone, period)[0] != "NOT_BALANCED"
    ]  # fmt: skip
    lowest, highest = good[0], good[-1]
    if (lowest, highest) == (book.low, book.high):
        return min(max(0, book.low), book.high)
    if lowest == book.low:
        return highest
    return lowest if highest == book.high else (lowest + highest) // 2


def shares(own, taken):
    """Deal lots to orders at the price: each what all up to it are due, less what those before have had."""
    whole, passed, given = sum(own), 0, []
    for lots in own:
        until = (passed + lots) * taken // whole if whole else 0
        given.append(until - (passed * taken // whole if whole else 0))
        passed += lots
    return given
