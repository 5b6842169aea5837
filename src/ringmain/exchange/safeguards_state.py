"""What the safeguards remember: one aligned structured dtype, all zero while none is set."""

from typing import Any

import numpy as np

GROUPS = 16  # of products; 0 is where a product begins
ORDERS_PER_SECOND_MAX = 1_000_000
BURST_ORDERS_MAX = 1_000_000
ORDERS_PER_TRADE_MAX = 1_000_000
FREE_ORDERS_MAX = 1_000_000_000
CALL_S_MAX = 86_400
TRADES_KEPT = 8_192  # the last so many trades may be busted or corrected
PROPOSALS = 16  # that wait for approval at a time
PROPOSAL_S = 600  # how long one waits

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

TRADE = np.dtype(
    [
        ("sequence", "i8"),
        ("trade_index", "u4"),
        ("product_id", "u4"),
        ("price_ticks", "i4"),
        ("lots", "i4"),
        ("buyer_id", "u2"),
        ("seller_id", "u2"),
        ("is_busted", "u1"),
    ],
    align=True,
)
PROPOSAL = np.dtype(
    [
        ("sequence", "i8"),  # of its ProposeTradeChange; 0: none
        ("expires_ns", "i8"),
        ("trade_sequence", "i8"),
        ("trade_index", "u4"),
        ("session_id", "u4"),
        ("price_ticks", "i4"),
        ("action", "u1"),
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
            ("trade_count", "i8"),  # noted so far; the next goes to this place, modulo TRADES_KEPT
            ("trades", TRADE, (TRADES_KEPT,)),
            ("proposals", PROPOSAL, (PROPOSALS,)),
        ],
        align=True,
    )
