"""State of the orders over several products; a part of the exchange's.

Slot 0 of each table is nobody's.
"""

import numpy as np

from ringmain.core.sessions import SESSIONS
from ringmain.exchange.multileg_messages import BASKET_LEGS_MAX

BASKETS = 64  # in preparation at a time, one for a session

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
