"""FIX's codes beside the exchange's."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ringmain.exchange.messages import (
    BALANCING,
    BUY,
    CALL,
    CANCEL_BOTH,
    CANCEL_NEWEST,
    CANCEL_OLDEST,
    CANCELLATIONS,
    CLOSED,
    CLOSING,
    CLOSING_CALL,
    CONTINUOUS,
    DECREMENT,
    DEFINED,
    DELIVERING,
    FOK,
    FREE,
    GOOD_FOR_SESSION,
    GOOD_TILL_CANCELLED,
    GOOD_TILL_DATE,
    HALTED,
    HOLDING,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    PRE_OPEN,
    REJECTIONS,
    SELL,
    STOP,
    STOP_LIMIT,
    UNCROSSING,
)

PRICE_DECIMALS = 2  # a tick is 0.01 EUR/MWh
QUANTITY_DECIMALS = 1  # a lot is 0.1 MW
AVERAGE_DECIMALS = 6  # of AvgPx, rounded half away from zero
CL_ORD_ID_BYTES = 48

SIDES: Mapping[bytes, int] = {b"1": BUY, b"2": SELL}  # 54
ORDER_TYPES: Mapping[bytes, int] = {  # 40
    b"1": MARKET, b"2": LIMIT, b"3": STOP, b"4": STOP_LIMIT, b"K": MARKET_TO_LIMIT,
}  # fmt: skip
TIMES_IN_FORCE: Mapping[bytes, int] = {  # 59
    b"0": GOOD_FOR_SESSION, b"1": GOOD_TILL_CANCELLED, b"3": IOC, b"4": FOK, b"6": GOOD_TILL_DATE,
}  # fmt: skip
PLAIN_TYPES = {b"1": MARKET, b"2": LIMIT, b"K": MARKET_TO_LIMIT}  # without StopPx
PLAIN_TIMES = {key: code for key, code in TIMES_IN_FORCE.items() if code != GOOD_TILL_DATE}
PRICED_TYPES = frozenset((LIMIT, STOP_LIMIT))  # order types that need Price
STOP_TYPES = frozenset((STOP, STOP_LIMIT))  # and those that need StopPx
SELF_TRADES: Mapping[bytes, int] = {  # 2964 (EP280); from 100 on the values are the venue's own
    b"1": CANCEL_NEWEST, b"2": CANCEL_OLDEST, b"3": CANCEL_BOTH, b"100": DECREMENT,
}  # fmt: skip
NO_SYMBOL = b"[N/A]"  # Symbol of what is of several products
POST_ONLY = b"6"  # ExecInst (18): participate, don't initiate

NEW, PARTIALLY_FILLED, FILLED, CANCELLED, REPLACED, REJECTED, EXPIRED, TRADE, ORDER_STATUS = b"012458CFI"
PENDING_NEW, RESTATED, TRIGGERED = b"ADL"
REPRICED, QUANTITY_REDUCED, MARKET_OPTION = 3, 5, 8  # ExecRestatementReason, 378

# Why the exchange ends an order, as OrdStatus and ExecType.
ENDS: Mapping[int, int] = {
    code: EXPIRED if name in ("GATE_CLOSURE", "EXPIRED", "SESSION_END") else CANCELLED
    for name, code in CANCELLATIONS.items()
}

ORD_REJ_REASONS: Mapping[str, int] = {  # 103; what is not here is 99, Other
    "UNKNOWN_PRODUCT": 1, "WRONG_PHASE": 2, "CREDIT_EXCEEDED": 3, "POSITION_LIMIT_EXCEEDED": 3,
    "UNKNOWN_ORDER": 5, "WRONG_ORDER_TYPE": 11, "WRONG_TIME_IN_FORCE": 11, "QUANTITY_OUT_OF_RANGE": 13,
    "QUANTITY_ABOVE_MAXIMUM": 13, "QUANTITY_BELOW_MINIMUM": 13, "OFF_LOT": 13, "DISPLAY_OUT_OF_RANGE": 13,
    "WRONG_SELF_TRADE": 11, "ORDER_TOO_LARGE": 3, "ORDER_VALUE_TOO_LARGE": 3, "ACCOUNT_NOT_OPEN": 15,
}  # fmt: skip
QUOTE_REJ_REASONS: Mapping[str, int] = {  # 300, 368; what is not here is 99, Other
    "UNKNOWN_PRODUCT": 1, "WRONG_PHASE": 2, "CREDIT_EXCEEDED": 3, "POSITION_LIMIT_EXCEEDED": 3,
    "ORDER_TOO_LARGE": 3, "ORDER_VALUE_TOO_LARGE": 3, "QUOTE_CROSSED": 7, "PRICE_OUT_OF_RANGE": 8,
    "OFF_TICK": 8, "OUTSIDE_COLLAR": 8, "NOT_A_QUOTER": 9,
}  # fmt: skip
OTHER = 99
(UNKNOWN_QUOTED, EXCEEDS_LIMIT, INVALID_SPREAD, INVALID_PRICE, NOT_AUTHORISED_TO_QUOTE) = (1, 3, 7, 8, 9)
QUOTE_ACCEPTED, CANCELLED_SYMBOL, CANCELLED_ALL, QUOTE_REJECTED, QUOTE_NOT_FOUND = 0, 1, 4, 5, 9  # 297
CANCELLED_ONE = 17  # 297 of FIX 5.0 SP2; FIX 4.4 has no word for it but CANCELLED_SYMBOL
FOR_SYMBOLS, ALL_QUOTES, ONE_QUOTE = b"145"  # 298
DUPLICATE_ORDER, UNSUPPORTED_ORDER, UNKNOWN_SYMBOL, INCORRECT_QUANTITY = 6, 11, 1, 13
TOO_LATE, UNKNOWN_ORDER, EXCHANGE_OPTION, DUPLICATE_CL_ORD_ID = 0, 1, 2, 6  # CxlRejReason, 102

TRADING_STATUS: Mapping[int, int] = {  # 326, by phase
    FREE: 20, DEFINED: 18, CALL: 21, UNCROSSING: 22, CONTINUOUS: 17, HALTED: 2, CLOSING: 18, DELIVERING: 18,
    PRE_OPEN: 21, CLOSING_CALL: 24, BALANCING: 23, CLOSED: 26, HOLDING: 18,
}  # fmt: skip

LIQUIDITY = (0, 1, 2, 4)  # LastLiquidityInd (851) by role: maker added, taker removed, auction


def _codes(table: Mapping[bytes, int]) -> Any:
    """Return the exchange's code for each character, 0 for those that are none."""
    codes = np.zeros(256, np.uint8)
    for character, code in table.items():
        codes[ord(character)] = code
    return codes


def _characters(table: Mapping[bytes, int]) -> Any:
    """Return the character for each of the exchange's codes."""
    characters = np.full(256, ord("0"), np.uint8)
    for character, code in table.items():
        characters[code] = ord(character)
    return characters


def reason_name(code: int) -> str:
    """Return the exchange's name for why; empty for 0."""
    return REASON_TEXTS[code & 255, : REASON_LENGTHS[code & 255]].tobytes().decode()


def _reason_texts() -> tuple[Any, Any]:
    """Return each rejection's and cancellation's name, and its length, by code."""
    names = {code: name.encode() for name, code in (REJECTIONS | CANCELLATIONS).items()}
    texts = np.zeros((256, 32), np.uint8)
    lengths = np.zeros(256, np.int64)
    for code, name in names.items():
        assert len(name) <= texts.shape[1], name
        texts[code, : len(name)] = np.frombuffer(name, np.uint8)
        lengths[code] = len(name)
    return texts, lengths


def _order_reject_reasons() -> Any:
    reasons = np.full(256, OTHER, np.int64)
    for name, reason in ORD_REJ_REASONS.items():
        reasons[REJECTIONS[name]] = reason
    return reasons


SIDE_CODES, TYPE_CODES, TIME_CODES = _codes(SIDES), _codes(PLAIN_TYPES), _codes(PLAIN_TIMES)
SIDE_CHARACTERS, TYPE_CHARACTERS, TIME_CHARACTERS = (
    _characters(SIDES), _characters(ORDER_TYPES), _characters(TIMES_IN_FORCE),
)  # fmt: skip
REASON_TEXTS, REASON_LENGTHS = _reason_texts()
ORDER_REJECT_REASONS = _order_reject_reasons()

IS_PRICED, HAS_STOP = np.zeros((2, 256), np.uint8)
IS_PRICED[[LIMIT, STOP_LIMIT, MARKET_TO_LIMIT]] = 1  # what is left of a market-to-limit order has a price
HAS_STOP[[*STOP_TYPES]] = 1


def symbol(product_id: int) -> bytes:
    """Return Symbol (55): the product's id in digits."""
    return b"%d" % product_id


def product_of(text: bytes | None) -> int:
    """Return the product that a Symbol names; 0 for none."""
    if text is None or not text.isdigit() or text.startswith(b"0") or len(text) > 9:
        return 0
    return int(text)
