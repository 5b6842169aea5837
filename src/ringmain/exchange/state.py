"""The exchange's state: one aligned structured dtype, and the limits of everything in it.

Slot 0 of each table is nobody's, so that a link of 0 means none, and a zeroed state is empty.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ringmain.core.records import Record
from ringmain.core.sessions import SESSIONS
from ringmain.exchange.dayahead_state import DAYAHEAD
from ringmain.exchange.messages import schema
from ringmain.exchange.multileg_state import BASKETS_STATE, BLOCKS_STATE, QUOTERS, QUOTES_STATE
from ringmain.exchange.reserve_state import RESERVE, SHARE
from ringmain.exchange.safeguards_state import GROUPS, safeguards_dtype
from ringmain.ledger.accounts import ACCOUNT

PRODUCTS = 2_048  # books open at a time; a product's slot is its id modulo this
ACCOUNTS = 1_024  # account 0 is the operator
ORDERS = 262_144  # resting orders
LEVELS = 262_144  # price levels that hold an order, in all books
NODES = 32_768  # branches of the price tries, in all books
POSITIONS = 131_072  # net positions of an account in a product
BUCKETS = 2 * ORDERS  # of the directory that finds an order by its name
PROBES = 256  # the longest run of taken buckets; a name that would need more is refused

PRICE_TICKS_MIN, PRICE_TICKS_MAX = -(2**23), 2**23 - 1
LOTS_MAX = 1_000_000  # of one order
VALUE_MINOR_MAX = 1_000_000  # of one lot at one tick: price x lots x value stays below 2**63
POSITION_LOTS_MAX = 1_000_000_000  # of a position limit
FEE_MILLITICKS_MAX = 1_000_000  # 10 EUR/MWh, either way
CREDIT_MINOR_MAX = 10**15  # of one account; all accounts together stay far below the ledger's limit
DEPOSITS_MINOR_MAX = 2 * 10**18  # paid in and not paid out, in all

FILLS_PER_COMMAND = 128
PRO_RATA_ORDERS = 1_024  # of a price, the first so many share what comes in
CANCELS_PER_STEP = 256
RANDOM_END_MS_MAX = 3_600_000
INDICATIVE_MS_MIN = 100
SLOTS_SWEPT_PER_STEP = 8_192
STEPS_PER_TIMER = 64
EVENTS_PER_STEP = 4 * FILLS_PER_COMMAND + 8  # two sides of a trade, and what two icebergs show then
EVENTS_PER_COMMAND = 2 * EVENTS_PER_STEP

CASH, LOTS_OF = 1, 2  # units of the ledger; of a product's lots, LOTS_OF + its slot

# Matching: orders hang in a queue at their price level; levels hang in a trie for each side.

BRANCHES = 64
DEPTH = 4  # BRANCHES ** DEPTH prices
RECENT = 4  # nodes of a ladder that are found without a walk
ORDER = np.dtype(
    [
        ("session_number", "i8"),
        ("session_id", "u4"),
        ("account_id", "u2"),
        ("self_trade", "u1"),
        ("is_special", "u1"),  # a row of `specials` says more about it
        ("lots", "i4"),  # open and shown
        ("level", "i4"),
        ("previous", "i4"),
        ("next", "i4"),
    ],
    align=True,
)  # 32 bytes: two share a cache line
SPECIAL = np.dtype(  # of an order that is more than a limit and a quantity; in the order's own slot
    [
        ("expires_ns", "i8"),  # 0: never
        ("hidden_lots", "i4"),  # open and not shown
        ("display_lots", "i4"),  # of a clip; 0: no iceberg
        ("clip_step_ticks", "i4"),
        ("limit_ticks", "i4"),  # of an order that waits for its stop price; its level is the stop price's
        ("expiry_place", "i4"),  # in the heap of expiries
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("post_only", "u1"),
        ("balancing", "u1"),
        ("is_waiting", "u1"),  # for its stop price
    ],
    align=True,
)
LEVEL = np.dtype(
    [
        ("lots", "i8"),  # open, hidden ones included
        ("first", "i4"),
        ("last", "i4"),
        ("key", "i4"),  # rank of the price on its side: the lower the better
        ("price_ticks", "i4"),
        ("ladder", "i4"),
        ("order_count", "i4"),
    ],
    align=True,
)
NODE = np.dtype([("taken", "i8"), ("child", "i4", (BRANCHES,))], align=True)
LADDER = np.dtype(
    [
        ("root", "i4"),
        ("best", "i4"),  # the best level
        ("leaf", "i4", (RECENT,)),  # the nodes last looked at, and what they stand for
        ("leaf_key", "i4", (RECENT,)),
    ],
    align=True,
)
BUCKET = np.dtype([("order", "i4"), ("home", "i4")], align=True)
LADDERS = 4 * PRODUCTS  # bids and offers of each product, then its stop orders of both sides
POOL = np.dtype([("free", "i4"), ("highest", "i4"), ("count", "i4")], align=True)
EXPIRIES = np.dtype(  # a binary heap of the orders that end at a time, the earliest first
    [("count", "i8"), ("orders", "i4", (ORDERS,))], align=True
)
MATCHING = np.dtype(
    [
        ("expiries", EXPIRIES),
        ("order_pool", POOL),
        ("level_pool", POOL),
        ("node_pool", POOL),
        ("ladders", LADDER, (LADDERS,)),
        ("orders", ORDER, (ORDERS,)),
        ("specials", SPECIAL, (ORDERS,)),
        ("levels", LEVEL, (LEVELS,)),
        ("nodes", NODE, (NODES,)),
        ("directory", BUCKET, (BUCKETS,)),
    ],
    align=True,
)

# Products, participants and what they hold.

PRODUCT = np.dtype(
    [
        ("delivery_start_ns", "i8"),
        ("auction_ns", "i8"),
        ("gate_closure_ns", "i8"),
        ("auction_left_lots", "i8"),
        ("call_start_ns", "i8"),
        ("closing_call_ns", "i8"),
        ("call_end_ns", "i8"),  # of the call that runs, its random part included
        ("indicative_due_ns", "i8"),
        ("indicative_lots", "i8"),  # the volume last told
        ("delivered", ACCOUNT),  # takes over the positions when the product expires
        ("product_id", "u4"),  # of the slot's present or last product
        ("value_minor", "u4"),
        ("reference_price_ticks", "i4"),
        ("market_range_ticks", "i4"),
        ("auction_price_ticks", "i4"),
        ("first_position", "i4"),
        ("last_ticks", "i4"),  # price of the last trade
        ("stop_count", "i4"),  # orders that wait for a stop price
        ("block_count", "i4"),  # resting blocks that span it
        ("price_step_ticks", "i4"),
        ("lot_step_lots", "i4"),
        ("quantity_min_lots", "i4"),
        ("quantity_max_lots", "i4"),
        ("maker_fee_minor", "i4"),  # of a lot; below zero: received
        ("taker_fee_minor", "i4"),
        ("auction_fee_minor", "i4"),
        ("fee_reserve_minor", "i4"),  # the largest of them, 0 at least: set aside for a lot that is open
        ("indicative_ticks", "i4"),  # the price last told
        ("random_end_ms", "u4"),
        ("seed", "u4"),
        ("indicative_ms", "u4"),
        ("swept", "i4"),  # how far the order table is swept for the session's end
        ("phase", "u1"),
        ("kind", "u1"),
        ("after_uncrossing", "u1"),  # the phase
        ("is_expiring", "u1"),
        ("allocation", "u1"),
        ("has_traded", "u1"),
        ("has_fees", "u1"),
        ("stops_due", "u1"),  # the last price has brought in more than the command had room for
        ("blocks_due", "u1"),  # the book has changed since its blocks were tried
    ],
    align=True,
)
POSITION = np.dtype([("lots", ACCOUNT), ("next", "i4"), ("account_id", "u4")], align=True)
TARIFF = np.dtype(
    [("maker_milliticks", "i4"), ("taker_milliticks", "i4"), ("auction_milliticks", "i4")], align=True
)
PARTICIPANT = np.dtype(
    [
        ("cash", ACCOUNT),
        ("long_limit_lots", "i8"),
        ("short_limit_lots", "i8"),
        ("open", "u1"),
        ("may_balance", "u1"),
    ],
    align=True,
)
SEAT = np.dtype(  # what the market knows of a session
    [
        ("last_order_number", "i8"),
        ("sweep_until_number", "i8"),
        ("sweep_command_number", "i8"),
        ("sweep_goal", "i8"),
        ("sweep_product_id", "u4"),
        ("sweep_count", "u4"),
        ("account_id", "u4"),
        ("sweep_reason", "u2"),
        ("cancel_on_disconnect", "u1"),
        ("sweeping", "u1"),
    ],
    align=True,
)
SWEEP = np.dtype(  # the mass cancels that run, oldest first
    [("swept", "i8"), ("first", "i4"), ("count", "i4"), ("queue", "u4", (SESSIONS,))], align=True
)

EXCHANGE = np.dtype(
    [
        ("next_deadline_ns", "i8"),
        ("uncrossing_count", "i8"),
        ("trade_sequence", "i8"),  # of the command that has traded last
        ("trade_count", "i8"),  # its trades so far
        ("sweep", SWEEP),
        ("due_ns", "i8", (PRODUCTS,)),  # when each product next changes by itself; 0: never
        ("products", PRODUCT, (PRODUCTS,)),
        ("participants", PARTICIPANT, (ACCOUNTS,)),
        ("seats", SEAT, (SESSIONS,)),
        ("position_pool", POOL),
        ("position_at", "i4", (PRODUCTS, ACCOUNTS)),
        ("positions", POSITION, (POSITIONS,)),
        ("safeguards", safeguards_dtype(PRODUCTS, ACCOUNTS, SESSIONS)),
        ("tariffs", TARIFF, (GROUPS,)),
        ("matching", MATCHING),
        ("dayahead", DAYAHEAD),
        ("preparing", BASKETS_STATE),
        ("blocks", BLOCKS_STATE),
        ("quoting", QUOTES_STATE),
        ("quote_numbers", "i8", (QUOTERS + 1, PRODUCTS)),  # of each quoter's last one in a product
        ("reserves", RESERVE, (PRODUCTS,)),
        ("shares", SHARE, (POSITIONS,)),  # each in its position's own slot
    ],
    align=True,
)


def _overlay(records: Iterable[Record]) -> np.dtype[Any]:
    """Return a dtype that reads one slot as its header or as any of the records.

    ``events[n].head.kind``, ``events[n].order_filled.price_ticks``: kernels then pass one type of
    command and one of event, and are compiled once.
    """
    layouts = {"head": schema.header} | {_snake(record.name): record.dtype for record in records}
    layout: Any = {
        "names": list(layouts),
        "formats": list(layouts.values()),
        "offsets": [0] * len(layouts),
        "itemsize": schema.record_bytes,
    }
    dtype: np.dtype[Any] = np.dtype(layout, align=True)
    return dtype


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


COMMAND = _overlay(schema.commands.values())
EVENT = _overlay(schema.events.values())
