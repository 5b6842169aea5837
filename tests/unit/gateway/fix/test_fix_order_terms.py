"""What an order asks for: each term at its limits and beyond them, and the reason that is given."""

import pytest
from fix_bytes import order

from ringmain.exchange import messages as e
from ringmain.exchange.state import PRICE_TICKS_MAX, PRICE_TICKS_MIN
from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix.codec import parse
from ringmain.gateway.fix.order_terms import Refusal, change_fault, lots_of, moved_limit, terms_of
from ringmain.gateway.fix.rules import Fault, fault_of

DATED, EVE = {"time_in_force": e.GOOD_TILL_DATE}, b"20391231-23:59:59"
STEP, BALANCING = f"_{d.CLIP_PRICE_STEP}", f"_{d.BALANCING}"


def asked(**changes) -> dict:
    message = parse(order(2, **changes))
    assert fault_of(message) is None
    return terms_of(message)


def told(**changes) -> dict:
    """Return what the order has beside a plain one's terms."""
    plain = asked()
    return {name: value for name, value in asked(**changes).items() if value != plain[name]}


@pytest.mark.parametrize(
    "changes, terms",
    [
        ({"_40": b"1", "_44": None}, {"order_type": e.MARKET, "price_ticks": 0}),
        ({"_59": b"3"}, {"time_in_force": e.IOC}),
        ({"_40": b"K", "_44": None}, {"order_type": e.MARKET_TO_LIMIT, "price_ticks": 0}),
        ({"_40": b"3", "_99": b"51"}, {"order_type": e.STOP, "price_ticks": 0, "stop_ticks": 5_100}),
        ({"_40": b"4", "_99": b"-3.25"}, {"order_type": e.STOP_LIMIT, "stop_ticks": -325}),
        ({"_59": b"1"}, {"time_in_force": e.GOOD_TILL_CANCELLED}),
        ({"_59": b"4"}, {"time_in_force": e.FOK}),
        ({"_59": None}, {}),
        ({"_59": b"6", "_126": b"20400101-00:00:01"}, {**DATED, "expires_s": 2_208_988_801}),
        ({"_59": b"6", "_126": b"20400101-00:00:01.000"}, {**DATED, "expires_s": 2_208_988_801}),
        ({"_59": b"6", "_432": b"20391231"}, {**DATED, "expires_s": 2_208_988_800}),
        ({"_59": b"6", "_126": b"21060207-06:28:15"}, {**DATED, "expires_s": 2**32 - 1}),
        ({"_18": b"6"}, {"post_only": 1}),
        ({"_111": b"0.1"}, {"display_lots": 1}),
        ({"_1138": b"0.5"}, {"display_lots": 5}),
        ({"_111": b"0.5", STEP: b"-0.02"}, {"display_lots": 5, "clip_step_ticks": -2}),
        ({"_111": b"0.5", STEP: b"327.67"}, {"display_lots": 5, "clip_step_ticks": 2**15 - 1}),
        ({"_2964": b"1"}, {"self_trade": e.CANCEL_NEWEST}),
        ({"_2964": b"2"}, {"self_trade": e.CANCEL_OLDEST}),
        ({"_2964": b"3"}, {"self_trade": e.CANCEL_BOTH}),
        ({"_2964": b"100"}, {"self_trade": e.DECREMENT}),
        ({BALANCING: b"Y"}, {"balancing": 1}),
        ({BALANCING: b"N"}, {}),
        ({"_9001": b"1"}, {}),
    ],
)  # fmt: skip
def test_every_term_of_the_exchange_is_there_to_ask_for(changes, terms):
    assert told(**changes) == terms


def test_every_code_of_the_exchange_is_there_to_ask_for():
    asked_for = [
        asked(**{"_40": kind, "_99": b"1" if kind in b"34" else None})
        for kind in (b"1", b"2", b"3", b"4", b"K")
    ]
    assert {each["order_type"] for each in asked_for} == set(e.ORDER_TYPES.values())


@pytest.mark.parametrize(
    "changes, reason, text",
    [
        ({"_44": None}, 99, "Price is missing"),
        ({"_40": b"4", "_99": b"1", "_44": None}, 99, "Price is missing"),
        ({"_40": b"3"}, 99, "StopPx is missing"),
        ({"_40": b"4", "_99": b"1.005"}, 99, "StopPx is no multiple of the tick 0.01"),
        ({"_40": b"4", "_99": b"99999999999"}, 99, "PRICE_OUT_OF_RANGE"),
        ({"_99": b"1"}, 99, "StopPx goes with OrdType 3 or 4"),
        ({"_40": b"K", "_44": None, "_99": b"1"}, 99, "StopPx goes with OrdType 3 or 4"),
        ({"_59": b"6"}, 99, "ExpireTime is missing"),
        ({"_126": b"20400101-00:00:00"}, 99, "ExpireTime goes with TimeInForce 6"),
        ({"_59": b"1", "_432": b"20400101"}, 99, "ExpireTime goes with TimeInForce 6"),
        ({"_59": b"6", "_126": EVE, "_432": b"20400101"}, 99, "ExpireTime or ExpireDate: not both"),
        ({"_59": b"6", "_126": b"20400101-00:00:00.001"}, 99, "ExpireTime is no whole second"),
        ({"_59": b"6", "_126": b"21060207-06:28:16"}, 99, "EXPIRY_OUT_OF_RANGE"),
        ({"_59": b"6", "_126": b"19700101-00:00:00"}, 99, "EXPIRY_OUT_OF_RANGE"),
        ({"_111": b"0"}, 13, "DISPLAY_OUT_OF_RANGE"),
        ({"_111": b"-1"}, 13, "DISPLAY_OUT_OF_RANGE"),
        ({"_1138": b"0.05"}, 13, "DisplayQty is no multiple of the lot 0.1"),
        ({"_111": b"999999999999"}, 13, "QUANTITY_OUT_OF_RANGE"),
        ({"_111": b"1", "_1138": b"1"}, 99, "MaxFloor and DisplayQty are the same: one of them will do"),
        ({"_40": b"1", "_111": b"1", "_59": b"3"}, 11, "WRONG_ORDER_TYPE"),
        ({STEP: b"0.01"}, 99, "ClipPriceStep goes with MaxFloor or DisplayQty"),
        ({"_111": b"1", STEP: b"0.001"}, 99, "ClipPriceStep is no multiple of the tick 0.01"),
        ({"_111": b"1", STEP: b"327.68"}, 99, "CLIP_STEP_OUT_OF_RANGE"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_named(changes, reason, text):
    with pytest.raises(Refusal) as refused:
        asked(**changes)
    assert (refused.value.reason, refused.value.text) == (reason, text)


@pytest.mark.parametrize("quantity, reason, text", [
    (b"1.05", 13, "OrderQty is no multiple of the lot 0.1"), (b"999999999999", 13, "QUANTITY_OUT_OF_RANGE"),
])  # fmt: skip
def test_a_quantity_that_cannot_be_is_named(quantity, reason, text):
    with pytest.raises(Refusal) as refused:
        lots_of(parse(order(2, _38=quantity)))
    assert (refused.value.reason, refused.value.text) == (reason, text)


@pytest.mark.parametrize(
    "changes, reason, tag",
    [
        ({"_99": b"x"}, d.WRONG_FORMAT, 99),
        ({"_111": b"many"}, d.WRONG_FORMAT, 111),
        ({"_126": b"tomorrow"}, d.WRONG_FORMAT, 126),
        ({"_126": b"20400230-00:00:00"}, d.WRONG_FORMAT, 126),
        ({"_432": b"20401301"}, d.WRONG_FORMAT, 432),
        ({"_432": b"2040-01-01"}, d.WRONG_FORMAT, 432),
        ({"_40": b"P"}, d.VALUE_OUT_OF_RANGE, 40),
        ({"_59": b"2"}, d.VALUE_OUT_OF_RANGE, 59),
        ({"_18": b"G"}, d.VALUE_OUT_OF_RANGE, 18),
        ({"_18": b"6 G"}, d.VALUE_OUT_OF_RANGE, 18),
        ({"_2964": b"4"}, d.VALUE_OUT_OF_RANGE, 2964),
        ({BALANCING: b"1"}, d.WRONG_FORMAT, d.BALANCING),
        ({STEP: b"x"}, d.WRONG_FORMAT, d.CLIP_PRICE_STEP),
        ({"_110": b"1"}, d.INVALID_TAG, 110),
    ],
)
def test_what_is_no_such_term_is_rejected_by_its_tag(changes, reason, tag):
    assert fault_of(parse(order(2, **changes))) == Fault(reason, tag)


def test_the_venues_own_tags_are_of_orders_alone():
    from fix_bytes import message

    heartbeat = parse(message(b"0", 2, [(d.BALANCING, b"Y")]))
    assert fault_of(heartbeat) == Fault(d.TAG_NOT_OF_MESSAGE, d.BALANCING)


@pytest.mark.parametrize(
    "changes, text",
    [
        ({}, ""),
        ({"_44": b"51.00"}, ""),
        ({"_40": b"1", "_44": None}, "OrdType of an order does not change"),
        ({"_59": b"1"}, "TimeInForce of an order does not change"),
        ({"_111": b"0.5"}, "MaxFloor or DisplayQty of an order does not change"),
        ({"_18": b"6"}, "ExecInst of an order does not change"),
        ({"_2964": b"1"}, "SelfMatchPreventionInstruction of an order does not change"),
        ({BALANCING: b"Y"}, "Balancing of an order does not change"),
    ],
)
def test_what_a_replace_cannot_change_is_named(changes, text):
    assert change_fault(asked(), asked(**changes), False) == text


def test_a_stop_price_changes_until_it_is_reached():
    stop, moved = asked(_40=b"4", _99=b"51.00"), asked(_40=b"4", _99=b"52.00")
    assert change_fault(stop, moved, False) == ""
    assert change_fault(stop, moved, True) == "StopPx of an order that was triggered does not change"
    assert change_fault(stop, stop, True) == ""


def test_a_stop_orders_range_goes_with_its_stop_price():
    assert moved_limit(6_000, 5_000, 5_500) == 6_500
    assert moved_limit(4_000, 5_000, 4_500) == 3_500
    assert moved_limit(PRICE_TICKS_MAX - 1, 5_000, 5_500) == PRICE_TICKS_MAX
    assert moved_limit(PRICE_TICKS_MIN + 1, 5_000, 4_500) == PRICE_TICKS_MIN
