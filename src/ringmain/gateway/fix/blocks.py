"""NewOrderMultileg: the same in delivery periods on end, all or none: a block."""

from typing import Any

from ringmain.exchange.messages import LIMIT
from ringmain.exchange.multileg_messages import BLOCK_PRODUCTS_MAX
from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix import mapping as m
from ringmain.gateway.fix.codec import Entry, Message, entries_of, scaled
from ringmain.gateway.fix.directory import BLOCK
from ringmain.gateway.fix.entries import entry_of
from ringmain.gateway.fix.order_terms import Refusal, lots_of, ticks_in


def block_of(message: Message) -> tuple[Any, dict[str, int]]:
    """Return the entry and the fields of a PlaceBlock; raise a Refusal for what cannot be."""
    if message.values[55] != m.NO_SYMBOL:
        raise Refusal(m.UNKNOWN_SYMBOL, "Symbol of a block is [N/A]: its legs name the products")
    if m.ORDER_TYPES[message.values[40]] != LIMIT:
        raise Refusal(m.UNSUPPORTED_ORDER, "WRONG_ORDER_TYPE")
    if message.get(59) == b"6":
        raise Refusal(m.UNSUPPORTED_ORDER, "WRONG_TIME_IN_FORCE")
    side, lots = m.SIDES[message.values[54]], lots_of(message)
    products = _products(message, lots)
    values = {
        "first_product_id": products[0], "product_count": len(products), "side": side, "quantity_lots": lots,
        "price_ticks": ticks_in(message.values, 44, "Price"),
        "time_in_force": m.TIMES_IN_FORCE[message.get(59) or b"0"],
    }  # fmt: skip
    entry = entry_of(message.values[11], message, 0, side)
    entry["kind"], entry["order_type"] = BLOCK, LIMIT
    for field in ("quantity_lots", "price_ticks", "time_in_force"):
        entry[field] = values[field]
    return entry, values


def _products(message: Message, lots: int) -> list[int]:
    """Return the products of the legs, which are alike but for them."""
    legs = entries_of(message, 555, d.LEGS)
    if not 1 <= len(legs) <= BLOCK_PRODUCTS_MAX:
        raise Refusal(m.OTHER, "BLOCK_SPAN_OUT_OF_RANGE")
    products = [m.product_of(leg.values[600]) for leg in legs]
    if 0 in products:
        raise Refusal(m.UNKNOWN_SYMBOL, "LegSymbol is a product's number")
    if products != list(range(products[0], products[0] + len(products))):
        raise Refusal(m.OTHER, "BLOCK_NOT_CONSECUTIVE")
    for leg in legs:
        _check_leg(leg, message, lots)
    return products


def _check_leg(leg: Entry, message: Message, lots: int) -> None:
    if leg.get(624) not in (None, message.values[54]):
        raise Refusal(m.OTHER, "LegSide is the block's Side in every leg")
    if leg.get(623) is not None and scaled(leg.values[623], 0) != 1:
        raise Refusal(m.INCORRECT_QUANTITY, "LegRatioQty of a block is 1")
    for tag in (685, 687):
        if tag in leg.values and scaled(leg.values[tag], m.QUANTITY_DECIMALS) != lots:
            raise Refusal(m.INCORRECT_QUANTITY, f"{d.FIELDS[tag][0]} is the block's OrderQty")
