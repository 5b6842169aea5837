"""What a quoter's quotes have traded lately, counted trade by trade."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.messages import AUCTION, BUY
from ringmain.exchange.multileg_messages import FILLS, NET, VOLUME
from ringmain.exchange.multileg_state import WINDOW_PARTS


@kernel
def note_quote(exchange: Any, slot: int, fill: Any) -> None:
    """Count a side of a trade, if it is a quote's, and note that a limit is reached."""
    quoting, session_id = exchange.quoting, int(fill.session_id)
    index = int(quoting.quoter_of[session_id])
    if index == 0 or fill.role == AUCTION:
        return
    if abs(int(fill.session_number)) != exchange.quote_numbers[index, slot]:
        return
    protection = quoting.protections[index, int(exchange.safeguards.products[slot].product_group)]
    if protection.part_ns == 0:
        return
    part = _begin_part(protection, int(fill.time_ns))
    lots = int(fill.quantity_lots)
    protection.volume_lots[part] += lots
    protection.net_lots[part] += lots if fill.side == BUY else -lots
    protection.fills[part] += 1
    if protection.tripped != 0:
        return
    limit = limit_reached(protection)
    if limit != 0:
        protection.tripped = limit
        protection.product_id = fill.product_id
        protection.is_told = 0
        protection.next_slot = 0
        protection.is_withdrawing = 1
        quoting.withdrawals += 1


@kernel
def _begin_part(protection: Any, now_ns: int) -> int:
    """Empty the parts of the window that have passed since the last trade; return the present one's place."""
    newest = now_ns // int(protection.part_ns)
    passed = min(newest - int(protection.newest_part), WINDOW_PARTS)
    for back in range(passed):
        place = (newest - back) % WINDOW_PARTS
        protection.volume_lots[place] = 0
        protection.net_lots[place] = 0
        protection.fills[place] = 0
    protection.newest_part = newest
    return newest % WINDOW_PARTS


@kernel
def limit_reached(protection: Any) -> int:
    """Return the first limit that is reached, or 0."""
    volume_lots, net_lots, fills = 0, 0, 0
    for part in range(WINDOW_PARTS):
        volume_lots += protection.volume_lots[part]
        net_lots += protection.net_lots[part]
        fills += protection.fills[part]
    if protection.volume_max_lots > 0 and volume_lots >= protection.volume_max_lots:
        return VOLUME
    if protection.net_max_lots > 0 and abs(net_lots) >= protection.net_max_lots:
        return NET
    return FILLS if protection.fills_max > 0 and fills >= protection.fills_max else 0
