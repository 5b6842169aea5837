"""What an order or a change of one asks for, as the exchange's fields; or why it goes no further."""

from collections.abc import Mapping
from dataclasses import dataclass

from ringmain.exchange.messages import GOOD_TILL_DATE, LIMIT, STOP
from ringmain.exchange.state import PRICE_TICKS_MAX, PRICE_TICKS_MIN
from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix import mapping as m
from ringmain.gateway.fix.codec import NANOSECONDS, Message, scaled, time_ns_of

I4_MIN, I4_MAX = -(2**31), 2**31 - 1
I2_MIN, I2_MAX = -(2**15), 2**15 - 1
U4_MAX = 2**32 - 1
DAY_S = 86_400
UNCHANGING = {  # an order's field to the name that its client knows it by
    "order_type": "OrdType",
    "time_in_force": "TimeInForce",
    "expires_s": "ExpireTime",
    "display_lots": "MaxFloor or DisplayQty",
    "clip_step_ticks": "ClipPriceStep",
    "self_trade": "SelfMatchPreventionInstruction",
    "post_only": "ExecInst",
    "balancing": "Balancing",
}


@dataclass(frozen=True)
class Refusal(Exception):  # noqa: N818 - it is a decision, not a fault
    """Why an order or a change of one goes no further: a FIX reason, and the words."""

    reason: int
    text: str


def terms_of(message: Message) -> dict[str, int]:
    """Return a PlaceOrder's fields but product and quantity; raise a Refusal for what cannot be."""
    order_type = m.ORDER_TYPES[message.values[40]]
    display_lots, clip_step_ticks = _iceberg(message)
    return {
        "price_ticks": ticks_in(message.values, 44, "Price") if order_type in m.PRICED_TYPES else 0,
        "side": m.SIDES[message.values[54]],
        "order_type": order_type,
        "time_in_force": m.TIMES_IN_FORCE[message.get(59) or b"0"],
        "self_trade": m.SELF_TRADES.get(message.get(2964) or b"", 0),
        "expires_s": _expires_s(message),
        "stop_ticks": _stop_ticks(message, order_type),
        "display_lots": display_lots,
        "clip_step_ticks": clip_step_ticks,
        "post_only": int(message.get(18) == m.POST_ONLY),
        "balancing": int(message.flag(d.BALANCING)),
    }


def lots_of(message: Message) -> int:
    """Return OrderQty."""
    return quantity_in(message.values, 38, "OrderQty")


def change_fault(order: Mapping[str, int], asked: Mapping[str, int], is_triggered: bool) -> str:
    """Return which of an order's terms a replace may not change, in words; empty if it changes none."""
    for field, name in UNCHANGING.items():
        if asked[field] != order[field]:
            return f"{name} of an order does not change"
    if is_triggered and asked["stop_ticks"] != order["stop_ticks"]:
        return "StopPx of an order that was triggered does not change"
    return ""


def moved_limit(limit_ticks: int, stop_ticks: int, new_stop_ticks: int) -> int:
    """Return the worst price of a STOP order whose stop price moves: as far beyond it as before."""
    return min(max(limit_ticks + new_stop_ticks - stop_ticks, PRICE_TICKS_MIN), PRICE_TICKS_MAX)


def is_moved_by_stop(order_type: int) -> bool:
    """Tell whether an order's limit is the market's to set."""
    return order_type == STOP


def _iceberg(message: Message) -> tuple[int, int]:
    """Return the shown quantity and the price step of an iceberg; 0 and 0 if it is none."""
    tags = [tag for tag in (111, 1138) if tag in message.values]
    if len(tags) == 2:
        raise Refusal(m.OTHER, "MaxFloor and DisplayQty are the same: one of them will do")
    if not tags:
        if d.CLIP_PRICE_STEP in message.values:
            raise Refusal(m.OTHER, "ClipPriceStep goes with MaxFloor or DisplayQty")
        return 0, 0
    if m.ORDER_TYPES[message.values[40]] != LIMIT:
        raise Refusal(m.UNSUPPORTED_ORDER, "WRONG_ORDER_TYPE")
    lots = quantity_in(message.values, tags[0], d.FIELDS[tags[0]][0])
    if lots <= 0:  # to FIX, 0 is an order of which nothing is shown
        raise Refusal(m.INCORRECT_QUANTITY, "DISPLAY_OUT_OF_RANGE")
    if d.CLIP_PRICE_STEP not in message.values:
        return lots, 0
    step = ticks_in(message.values, d.CLIP_PRICE_STEP, "ClipPriceStep")
    if not I2_MIN <= step <= I2_MAX:
        raise Refusal(m.OTHER, "CLIP_STEP_OUT_OF_RANGE")
    return lots, step


def _expires_s(message: Message) -> int:
    """Return when an order ends, in seconds since 1970; 0 for one that does not end at a time."""
    tags = [tag for tag in (126, 432) if tag in message.values]
    is_dated = m.TIMES_IN_FORCE[message.get(59) or b"0"] == GOOD_TILL_DATE
    if len(tags) == 2:
        raise Refusal(m.OTHER, "ExpireTime or ExpireDate: not both")
    if is_dated != bool(tags):
        raise Refusal(m.OTHER, "ExpireTime is missing" if is_dated else "ExpireTime goes with TimeInForce 6")
    if not tags:
        return 0
    is_date = tags[0] == 432
    time_ns = time_ns_of(message.values[tags[0]] + (b"-00:00:00" if is_date else b""))
    assert time_ns is not None, "the session layer has seen to it"
    if time_ns % NANOSECONDS:
        raise Refusal(m.OTHER, "ExpireTime is no whole second")
    expires_s = time_ns // NANOSECONDS + DAY_S * is_date
    if not 0 < expires_s <= U4_MAX:
        raise Refusal(m.OTHER, "EXPIRY_OUT_OF_RANGE")
    return expires_s


def _stop_ticks(message: Message, order_type: int) -> int:
    if order_type in m.STOP_TYPES:
        return ticks_in(message.values, 99, "StopPx")
    if 99 in message.values:
        raise Refusal(m.OTHER, "StopPx goes with OrdType 3 or 4")
    return 0


def ticks_in(values: Mapping[int, bytes], tag: int, name: str) -> int:
    """Return a price; raise a Refusal if it is missing, between ticks or beyond what can be written."""
    text = values.get(tag)
    ticks = scaled(text, m.PRICE_DECIMALS) if text is not None else None
    if text is None:
        raise Refusal(m.OTHER, f"{name} is missing")
    if ticks is None:
        raise Refusal(m.OTHER, f"{name} is no multiple of the tick 0.01")
    if not I4_MIN <= ticks <= I4_MAX:
        raise Refusal(m.OTHER, "PRICE_OUT_OF_RANGE")
    return ticks


def quantity_in(values: Mapping[int, bytes], tag: int, name: str) -> int:
    """Return a quantity; raise a Refusal if it is between lots or beyond what can be written."""
    lots = scaled(values[tag], m.QUANTITY_DECIMALS)
    if lots is None:
        raise Refusal(m.INCORRECT_QUANTITY, f"{name} is no multiple of the lot 0.1")
    if not I4_MIN <= lots <= I4_MAX:
        raise Refusal(m.INCORRECT_QUANTITY, "QUANTITY_OUT_OF_RANGE")
    return lots
