"""Products of a day and their ids, and what is fair for them."""

from datetime import date, timedelta

import numpy as np

from ringmain.exchange.messages import RESERVE_DOWN, RESERVE_UP
from ringmain.exchange.state import PRODUCTS
from ringmain.world.calendar import (
    AUCTION_NS,
    HOUR_NS,
    OPENING_NS,
    QUARTER_NS,
    Product,
    hour_id,
    midnight_ns,
    products_of,
    quarter_ids,
    quarters_of,
    reserve_of,
)
from ringmain.world.fair import FairPrices

DAY = date(2024, 5, 20)
BEGIN_NS = midnight_ns(DAY)


def test_ids_ascend_by_one_within_each_kind_and_say_what_is_delivered():
    hours, quarters = products_of(DAY), quarters_of(DAY)
    for products, length_ns in ((hours, HOUR_NS), (quarters, QUARTER_NS)):
        ids = [product.product_id for product in products]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        starts = [product.delivery_start_ns for product in products]
        assert starts == list(range(BEGIN_NS, BEGIN_NS + 24 * HOUR_NS, length_ns))
        assert {product.duration_ns for product in products} == {length_ns}
    assert [product.label for product in quarters[5:7]] == ["01:15", "01:30"]


def test_a_quarter_lies_in_its_hour():
    for hour in products_of(DAY):
        assert hour_id(hour.delivery_start_ns + 1) == hour.product_id == hour.hour_id
        assert [Product(n).hour_id for n in quarter_ids(hour.product_id)] == [hour.product_id] * 4


def test_no_two_products_of_a_week_share_a_slot():
    days = [DAY + timedelta(n) for n in range(7)]
    ids = [p.product_id for day in days for p in (*products_of(day), *quarters_of(day), *reserve_of(day))]
    assert len({n % PRODUCTS for n in ids}) == len(ids) == 7 * 132


def test_blocks_of_reserve_cover_the_day_in_both_directions_and_close_before_the_auction():
    blocks = reserve_of(DAY)
    up, down = blocks[:6], blocks[6:]
    for products, kind in ((up, RESERVE_UP), (down, RESERVE_DOWN)):
        starts = [product.delivery_start_ns for product in products]
        assert starts == list(range(BEGIN_NS, BEGIN_NS + 24 * HOUR_NS, 4 * HOUR_NS))
        assert {product.kind.product_kind for product in products} == {kind}
        assert all(product.is_reserve and not product.is_hour for product in products)
        assert all(product.is_upward == (kind == RESERVE_UP) for product in products)
    assert blocks[-1].delivery_end_ns == BEGIN_NS + 24 * HOUR_NS
    assert {product.call_end_ns for product in blocks} == {BEGIN_NS + OPENING_NS + QUARTER_NS}
    assert all(p.call_end_ns < p.gate_closure_ns < BEGIN_NS + AUCTION_NS for p in blocks)
    assert {(p.value_minor, p.lot_kwh) for p in blocks} == {(4_000, 0)}
    others = (*products_of(DAY), *quarters_of(DAY))
    assert not any(product.is_reserve or product.is_upward for product in others)


def test_fair_prices_begin_at_the_given_ones_and_quarters_lie_around_their_hour():
    given = [4_000 + 300 * n for n in range(24)]
    fair = FairPrices(1, [DAY], [given])
    at = fair.at(BEGIN_NS + AUCTION_NS)
    assert [at[p.product_id] for p in products_of(DAY)] == given
    for hour, price in zip(products_of(DAY), given, strict=True):
        quarters = [at[n] for n in quarter_ids(hour.product_id)]
        assert quarters == sorted(quarters) and abs(np.mean(quarters) - price) <= 1
        assert fair.given(hour.product_id) == price
    assert fair.at(BEGIN_NS + AUCTION_NS - 2 * HOUR_NS) == {}
    later = fair.at(BEGIN_NS + HOUR_NS)
    assert all(Product(n).delivery_start_ns > BEGIN_NS + HOUR_NS for n in later)
    assert len(later) == 22 + 91
