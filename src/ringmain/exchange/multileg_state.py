"""State of the orders over several products; a part of the exchange's.

Slot 0 of each table is nobody's.
"""

import numpy as np

from ringmain.core.sessions import SESSIONS
from ringmain.exchange.multileg_messages import BASKET_LEGS_MAX, BLOCK_PRODUCTS_MAX
from ringmain.exchange.safeguards_state import GROUPS

BASKETS = 64  # in preparation at a time, one for a session
BLOCKS = 1_024  # resting
BLOCKS_OF_SESSION = 128
BLOCK_TRIES = 16  # of each side, when a book that they span has changed
QUOTERS = 64  # sessions that may quote
PERIOD_MINOR_MAX = 10**15  # what a block may trade for in one of its products

LEG = np.dtype(
    [
        ("session_number", "i8"),
        ("product_id", "u4"),
        ("price_ticks", "i4"),
        ("quantity_lots", "i4"),
        ("side", "u1"),
    ],
    align=True,
)
BASKET = np.dtype(
    [
        ("session_number", "i8"),
        ("session_id", "u4"),  # 0: the slot is free
        ("leg_count", "u4"),
        ("added_count", "u4"),
        ("legs", LEG, (BASKET_LEGS_MAX,)),
    ],
    align=True,
)
BASKETS_STATE = np.dtype([("basket_of", "u2", (SESSIONS,)), ("baskets", BASKET, (BASKETS + 1,))], align=True)

BLOCK = np.dtype(
    [
        ("session_number", "i8"),
        ("session_id", "u4"),  # 0: the slot is free
        ("account_id", "u4"),
        ("first_product_id", "u4"),
        ("price_ticks", "i4"),
        ("quantity_lots", "i4"),
        ("product_count", "u1"),
        ("side", "u1"),
    ],
    align=True,
)
BLOCKS_STATE = np.dtype(
    [
        ("counts", "i4", (2,)),  # resting bids and offers
        ("queues", "i4", (2, BLOCKS)),  # the best price first, then the one that came first
        ("worst_ticks", "i4", (BLOCK_PRODUCTS_MAX,)),  # of the sweep that was asked for last
        ("blocks", BLOCK, (BLOCKS + 1,)),  # slot 0: the one that comes in
    ],
    align=True,
)

WINDOW_PARTS = 16  # a protection's window moves by so much of its length
WINDOW_MS_MAX = 3_600_000
PROTECTED_LOTS_MAX = 10**15
PROTECTED_FILLS_MAX = 1_000_000_000
PROTECTION = np.dtype(  # of a quoter in a product group
    [
        ("part_ns", "i8"),  # a sixteenth of the window; 0: no protection
        ("volume_max_lots", "i8"),
        ("net_max_lots", "i8"),
        ("newest_part", "i8"),  # parts since 1970
        ("volume_lots", "i8", (WINDOW_PARTS,)),
        ("net_lots", "i8", (WINDOW_PARTS,)),
        ("fills", "i4", (WINDOW_PARTS,)),
        ("fills_max", "i4"),
        ("product_id", "u4"),  # in which a limit was reached
        ("next_slot", "i4"),  # whose quotes are withdrawn next
        ("tripped", "u1"),  # the limit that was reached; 0: none
        ("is_withdrawing", "u1"),
        ("is_told", "u1"),
    ],
    align=True,
)

QUOTES_STATE = np.dtype(
    [
        ("quoter_of", "u2", (SESSIONS,)),
        ("sessions", "u4", (QUOTERS + 1,)),  # 0: the row is free
        ("withdrawals", "i4"),  # protections that have tripped and whose quotes are not all gone
        ("protections", PROTECTION, (QUOTERS + 1, GROUPS)),
    ],
    align=True,
)
