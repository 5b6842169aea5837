"""The day-ahead auction's part of the exchange's state, and its limits. One auction runs at a time.

Slot 0 of each table is nobody's, as in the exchange's other tables.
"""

import numpy as np

from ringmain.core.sessions import SESSIONS

ZONES = 32
PERIODS = 100  # a day of quarter-hours, when the clocks go back
LINES = 64
MARKETS = ZONES * PERIODS  # a zone in a period; its slot is zone x PERIODS + period
CURVES = 32_768  # of an account in a market
CURVE_SEGMENTS = 256  # of one curve
SEGMENTS = 131_072  # of all curves, those that come included
CURVE_BUCKETS = 2 * CURVES
BLOCKS = 4_096
GROUPS = 1_024  # exclusive groups, of all accounts
FAMILY_BLOCKS = 256  # blocks that are linked with each other
GENERATIONS = 8  # of a family
MARKET_LOTS_MAX = 2_000_000_000  # of all curves in a market, both sides
AWARDS_PER_STEP = 256
MARKETS_PRICED_PER_STEP = 8

FREE_BLOCK, FILLING, COUNTING = 0, 1, 2  # phases of a block
PRICES, FLOWS, CURVE_AWARDS, BLOCK_AWARDS, END = range(5)  # stages of booking

POOL = np.dtype([("free", "i4"), ("highest", "i4"), ("count", "i4")], align=True)
SEGMENT = np.dtype(
    [
        ("begin_ticks", "i4"),
        ("end_ticks", "i4"),
        ("lots", "i4"),  # above zero: buy; below: sell
        ("next", "i4"),
    ],
    align=True,
)
CURVE = np.dtype(
    [
        ("owed_minor", "i8"),  # what is set aside for it
        ("bid_lots", "i4"),
        ("offer_lots", "i4"),
        ("first", "i4"),  # its segments
        ("coming_first", "i4"),  # the segments of the one that is to replace it
        ("coming_last", "i4"),
        ("coming_session_id", "u4"),
        ("account_id", "u4"),
        ("market", "i4"),
        ("next", "i4"),  # curve of the same market
        ("coming_count", "u2"),
        ("coming_total", "u2"),
    ],
    align=True,
)
MARKET = np.dtype(
    [
        ("curve_lots", "i8"),
        ("block_lots", "i8"),  # net of what blocks buy
        ("import_lots", "i8"),
        ("bids_sure", "i8"),  # better than the price
        ("bids_marginal", "i8"),  # at the price
        ("offers_sure", "i8"),
        ("offers_marginal", "i8"),
        ("marginal_bought", "i8"),  # how much of the bids at the price is accepted
        ("marginal_sold", "i8"),
        ("passed_bids", "i8"),  # of the bids at the price, how much has had its share
        ("passed_offers", "i8"),
        ("bought_lots", "i8"),
        ("sold_lots", "i8"),
        ("price_ticks", "i4"),
        ("first_curve", "i4"),
        ("last_curve", "i4"),
        ("is_priced", "u1"),
    ],
    align=True,
)
BLOCK = np.dtype(
    [
        ("owed_minor", "i8"),
        ("surplus", "i8"),  # tick-lots, of itself and of its descendants
        ("block_id", "u4"),  # of the slot's present or last block
        ("account_id", "u4"),
        ("parent_block_id", "u4"),
        ("group_number", "u4"),
        ("price_ticks", "i4"),
        ("parent", "i4"),
        ("root", "i4"),  # the family's first
        ("group", "i4"),
        ("next", "i4"),  # free slot
        ("ratio", "i4"),  # billionths
        ("family_count", "i4"),  # of a root: how many descend from it, itself included
        ("child_count", "i4"),
        ("zone", "u2"),
        ("first_period", "u2"),
        ("period_count", "u2"),
        ("filled_count", "u2"),
        ("minimum_permille", "u2"),
        ("side", "u1"),
        ("phase", "u1"),
        ("generation", "u1"),
        ("lots", "i4", (PERIODS,)),
    ],
    align=True,
)
GROUP = np.dtype([("ratio", "i8"), ("account_id", "u4"), ("number", "u4"), ("block_count", "i4")], align=True)
LINE = np.dtype(
    [
        ("from_zone", "u2"),
        ("to_zone", "u2"),
        ("is_defined", "u1"),
        ("forward_lots", "i4", (PERIODS,)),
        ("backward_lots", "i4", (PERIODS,)),
        ("flow_lots", "i4", (PERIODS,)),
    ],
    align=True,
)
DAYAHEAD = np.dtype(
    [
        ("due_ns", "i8"),  # when it next changes by itself; 0: never
        ("gate_ns", "i8"),
        ("result_ns", "i8"),
        ("welfare_tick_lots", "i8"),
        ("congestion_minor", "i8"),
        ("auction_id", "u4"),  # the present or the last one
        ("value_minor", "u4"),
        ("gap_millionths", "u4"),
        ("price_min_ticks", "i4"),
        ("price_max_ticks", "i4"),
        ("cursor", "i4"),
        ("curve_count", "i4"),  # that count
        ("block_count", "i4"),
        ("paradox_count", "i4"),
        ("period_count", "u2"),
        ("zone_count", "u2"),
        ("phase", "u1"),
        ("outcome", "u1"),
        ("stage", "u1"),
        ("curve_pool", POOL),
        ("segment_pool", POOL),
        ("block_pool", POOL),
        ("first_product_id", "u4", (ZONES,)),
        ("lines", LINE, (LINES,)),
        ("markets", MARKET, (MARKETS,)),
        ("curve_at", "i4", (CURVE_BUCKETS,)),
        ("curves", CURVE, (CURVES,)),
        ("segments", SEGMENT, (SEGMENTS,)),
        ("groups", GROUP, (GROUPS,)),
        ("filling", "i4", (SESSIONS,)),  # the block of a session that still lacks quantities
        ("blocks", BLOCK, (BLOCKS,)),
    ],
    align=True,
)
