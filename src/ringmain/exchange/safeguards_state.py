"""What the safeguards remember: one aligned structured dtype, all zero while none is set."""

from typing import Any

import numpy as np

GROUPS = 16  # of products; 0 is where a product begins
ORDERS_PER_SECOND_MAX = 1_000_000
BURST_ORDERS_MAX = 1_000_000
ORDERS_PER_TRADE_MAX = 1_000_000
FREE_ORDERS_MAX = 1_000_000_000
CALL_S_MAX = 86_400

ORDER_LIMITS = np.dtype(  # 0: any
    [
        ("value_max_minor", "i8"),
        ("quantity_max_lots", "i4"),
        ("static_collar_ticks", "i4"),
        ("dynamic_collar_ticks", "i4"),
    ],
    align=True,
)
GROUP = np.dtype(
    [("dynamic_range_ticks", "i4"), ("extension_range_ticks", "i4"), ("call_s", "i4")], align=True
)
PRODUCT_GUARD = np.dtype(  # in the product's own slot
    [
        ("anchor_ticks", "i4"),  # of the volatility interruption
        ("product_group", "u1"),
        ("interruption", "u1"),
        ("is_killed", "u1"),
    ],
    align=True,
)
ACCOUNT_GUARD = np.dtype(
    [
        ("day", "i8"),  # the UTC day that the counts are of
        ("order_count", "i8"),
        ("trade_count", "i8"),
        ("free_orders", "i8"),
        ("orders_per_trade", "i4"),
        ("has_tripped", "u1"),  # and has been told
        ("is_killed", "u1"),
    ],
    align=True,
)
SESSION_GUARD = np.dtype(
    [
        ("interval_ns", "i8"),  # between two orders at the allowed rate; 0: any rate
        ("slack_ns", "i8"),  # how far the orders taken may run ahead of that rate
        ("paid_until_ns", "i8"),  # the orders taken are worth the time until then
        ("order_count", "i8"),
        ("has_tripped", "u1"),
        ("is_killed", "u1"),
    ],
    align=True,
)


def safeguards_dtype(products: int, accounts: int, sessions: int) -> np.dtype[Any]:
    """Return the dtype of an exchange's safeguards, for so many products, accounts and sessions."""
    return np.dtype(
        [
            ("are_on", "u1"),  # one has been set: until then no order is looked at
            ("venue_is_killed", "u1"),
            ("groups", GROUP, (GROUPS,)),
            ("order_limits", ORDER_LIMITS, (accounts, GROUPS)),
            ("products", PRODUCT_GUARD, (products,)),
            ("accounts", ACCOUNT_GUARD, (accounts,)),
            ("sessions", SESSION_GUARD, (sessions,)),
        ],
        align=True,
    )
