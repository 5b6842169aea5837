"""Which commands name products that an account may trade: the one of an order, and all of a block."""

import pytest

from ringmain.exchange.messages import BUY, GOOD_FOR_SESSION, schema
from ringmain.exchange.multileg_messages import AddBasketLeg, PlaceBlock
from ringmain.gateway.entitlements import Entitlement, ProductScreen, Rights

RIGHTS = Rights([Entitlement("exchange", 1, first_product=10, last_product=12, trade=True)])


def block(first, count):
    return PlaceBlock(
        first_product_id=first, product_count=count, side=BUY, price_ticks=1, quantity_lots=1,
        time_in_force=GOOD_FOR_SESSION,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "count", "may"), [(10, 1, 1), (10, 3, 1), (10, 4, 0), (9, 2, 0), (12, 1, 1), (12, 255, 0)]
)
def test_a_block_is_for_all_of_its_products(first, count, may):
    frames = schema.batch([block(first, count)])
    assert ProductScreen(schema).allowed(frames, RIGHTS) == may


def test_the_commands_before_the_first_that_is_not_allowed_pass():
    legs = [
        AddBasketLeg(product_id=product, side=BUY, price_ticks=1, quantity_lots=1) for product in (10, 12, 13)
    ]
    assert ProductScreen(schema).allowed(schema.batch([*legs, block(10, 2)]), RIGHTS) == 2
