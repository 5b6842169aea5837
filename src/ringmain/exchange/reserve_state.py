"""State of reserve products: what is called of each, and each seller's part; a part of the exchange's."""

import numpy as np

RESERVE_DURATION_S_MAX = 604_800  # of a block: a week
DELIVERY_START_NS_MAX = 2**62  # of a block: its end is a time as well
SHARES_TOLD_PER_STEP = 256
SHARES_SETTLED_PER_STEP = 256
LOT_MS_PER_MINOR = 3_600  # of energy: so many cost 1e-6 EUR at a tick of 0.01 EUR/MWh, a lot being 0.1 MW

RESERVE = np.dtype(  # in the product's own slot
    [
        ("until_ns", "i8"),  # when the level ends, or has ended
        ("since_ms", "i8"),  # up to when energy has been counted
        ("activated_lot_ms", "i8"),  # by all sellers
        ("set_aside_minor", "i8"),  # of the buyer's cash, for energy
        ("paid_minor", "i8"),
        ("buyer_account_id", "u4"),
        ("delivery_duration_s", "u4"),
        ("activation_max_s", "u4"),
        ("activation_ticks", "i4"),
        ("level_lots", "i4"),  # called now
        ("next_told", "i4"),  # the account whose share is looked at next
        ("untold", "i4"),  # how many accounts are to be looked at
        ("next_settled", "i4"),  # the account that is settled next
        ("has_terms", "u1"),
    ],
    align=True,
)
SHARE = np.dtype(  # of a position; all zero while nothing was called of it
    [
        ("activated_lot_ms", "i8"),
        ("told_until_ns", "i8"),
        ("lots", "i4"),
        ("told_lots", "i4"),
    ],
    align=True,
)
