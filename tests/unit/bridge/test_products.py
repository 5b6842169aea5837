"""What the fleet is told of the exchange's products and prices."""

import pytest

from ringmain.bridge.products import Products
from ringmain.exchange import messages as exchange
from ringmain.exchange.reserve_messages import ReserveTermsSet
from ringmain.vpp import messages as vpp
from ringmain.vpp.reserve_messages import RESERVE_DOWN, RESERVE_UP, DefineReserve

START_NS, GATE_NS = 3_600_000_000_000 * 400_000, 3_600_000_000_000 * 400_000 - 300_000_000_000


def event(record, **values):
    names = {field.name: 0 for field in record.fields}
    return record(**{**names, **values})


def defined(product_id=7, kind=exchange.HOURLY, value_minor=1_000):
    return event(
        exchange.ProductDefined, product_id=product_id, product_kind=kind, delivery_start_ns=START_NS,
        value_minor=value_minor,
    )  # fmt: skip


def scheduled(product_id=7, gate_closure_ns=GATE_NS):
    return event(exchange.ProductScheduled, product_id=product_id, gate_closure_ns=gate_closure_ns)


def uncrossed(product_id=7, volume_lots=12, price_ticks=-350):
    return event(
        exchange.AuctionUncrossed, product_id=product_id, volume_lots=volume_lots, price_ticks=price_ticks
    )


def told(*events):
    products = Products()
    return [products.command(each) for each in events]


@pytest.mark.parametrize(
    ("kind", "seconds", "value"), [(exchange.HOURLY, 3_600, 1_000), (exchange.QUARTER_HOURLY, 900, 250)]
)
def test_a_product_is_told_when_it_is_scheduled(kind, seconds, value):
    nothing, command = told(defined(kind=kind, value_minor=value), scheduled())
    assert nothing is None
    said = vpp.DefineProduct.unpack(command)
    assert (said["product_id"], said["delivery_start_ns"], said["gate_closure_ns"]) == (7, START_NS, GATE_NS)
    assert (said["delivery_duration_s"], said["lot_power_w"], said["value_minor"]) == (
        seconds,
        100_000,
        value,
    )


def test_the_money_of_a_lot_is_what_its_power_and_time_are_worth():
    """A lot is 0.1 MW: the fleet's money for a tick has to be the exchange's."""
    said = vpp.DefineProduct.unpack(told(defined(), scheduled())[1])
    energy_mwh = said["lot_power_w"] * said["delivery_duration_s"] / 3_600 / 1e6
    assert said["value_minor"] == energy_mwh * 0.01 * 1e6


def test_a_product_whose_times_are_moved_is_told_once():
    assert [c is None for c in told(defined(), scheduled(), scheduled(gate_closure_ns=1))] == [
        True,
        False,
        True,
    ]


def test_an_auctions_price_is_told_for_the_time_of_delivery():
    said = vpp.RecordPrice.unpack(told(defined(), scheduled(), uncrossed())[2])
    assert (said["delivery_start_ns"], said["delivery_duration_s"]) == (START_NS, 3_600)
    assert (said["price_ticks"], said["price_kind"]) == (-350, vpp.REFERENCE)


def test_what_concerns_no_power_or_has_no_price_is_not_told():
    assert told(defined(kind=exchange.INSTRUMENT), scheduled(), uncrossed()) == [None] * 3
    assert told(scheduled(), uncrossed()) == [None] * 2  # defined before what is kept of the tape
    assert told(defined(), scheduled(), uncrossed(volume_lots=0))[2] is None


@pytest.mark.parametrize(
    ("kind", "service"), [(exchange.RESERVE_UP, RESERVE_UP), (exchange.RESERVE_DOWN, RESERVE_DOWN)]
)
def test_a_block_of_reserve_is_told_with_its_terms_and_its_price_is_none_of_energy(kind, service):
    terms = event(
        ReserveTermsSet, product_id=7, buyer_account_id=3, activation_ticks=900, delivery_duration_s=14_400,
        activation_max_s=1_800,
    )  # fmt: skip
    products = Products()
    block = defined(kind=kind, value_minor=4_000)
    said = [products.command(each) for each in (block, terms, scheduled(), uncrossed())]
    assert [command is None for command in said] == [True, True, False, True]
    product = DefineReserve.unpack(said[2])
    assert (product["delivery_start_s"], product["gate_closure_s"]) == (START_NS // 10**9, GATE_NS // 10**9)
    assert (product["service"], product["delivery_duration_s"]) == (service, 14_400)
    assert (product["activation_ticks"], product["activation_max_s"]) == (900, 1_800)
    assert (product["lot_power_w"], product["value_minor"]) == (100_000, 4_000)
    assert products.day_ahead_price(7, 400) is None
