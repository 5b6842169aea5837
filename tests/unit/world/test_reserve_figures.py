"""Reserve in a report: sums of what tapes tell, and how well calls were followed."""

from types import SimpleNamespace

import pytest

from ringmain.exchange import messages as exchange
from ringmain.exchange.reserve_messages import ReserveLevelSet, ReserveSettled
from ringmain.vpp import messages as vpp
from ringmain.vpp.reserve_messages import ReserveActivated, ReserveKept, ReservePaid
from ringmain.world import fleet_reserve, reserve_figures
from ringmain.world.calendar import MINUTE_NS, QUARTER_NS, day_of, reserve_of
from ringmain.world.recorded import Rows
from ringmain.world.reserve_figures import ReserveFills, reserve_blocks, reserve_sums, settled_minor
from ringmain.world.seats import FLEET_ACCOUNT, SYSTEM_OPERATOR_ACCOUNT

DAY_NS = 19_900 * 96 * QUARTER_NS
PLAN = SimpleNamespace(start_ns=0, end_ns=2**62, days=[day_of(DAY_NS)])
UP = reserve_of(day_of(DAY_NS))[0].product_id
OTHER = 3


def event(record, time_ns=DAY_NS, **values):
    said = record(**{**{field.name: 0 for field in record.fields}, **values})
    said["time_ns"] = time_ns
    return said


def rows(schema, records, *events):
    return Rows([schema.batch(events)], schema, records, PLAN)


def fill(account_id, lots, ticks=850, product_id=UP):
    return [
        event(exchange.OrderFilled, product_id=product_id, quantity_lots=lots, price_ticks=ticks, side=side,
              account_id=account)
        for side, account in ((exchange.BUY, SYSTEM_OPERATOR_ACCOUNT), (exchange.SELL, account_id))
    ]  # fmt: skip


def test_a_blocks_line_says_what_was_held_called_and_paid_and_the_fleets_part():
    records = (exchange.OrderFilled, exchange.AuctionUncrossed, ReserveLevelSet, ReserveSettled)
    events = rows(
        exchange.schema, records, *fill(FLEET_ACCOUNT, 3), *fill(OTHER, 17),
        *fill(OTHER, 5, product_id=UP - 128),
        event(exchange.AuctionUncrossed, product_id=UP, volume_lots=20, price_ticks=850),
        event(ReserveLevelSet, product_id=UP, quantity_lots=8), event(ReserveLevelSet, product_id=UP),
        event(ReserveSettled, product_id=UP, account_id=OTHER, activated_lot_ms=7_200_000, amount_minor=40),
        event(ReserveSettled, product_id=UP, account_id=FLEET_ACCOUNT, activated_lot_ms=3_600_000,
              amount_minor=20),
    )  # fmt: skip
    fills = ReserveFills(events.of(exchange.OrderFilled))
    lines = reserve_blocks(PLAN, events, fills)
    line, none = lines[0], lines[1]
    assert (line["direction"], line["price_eur"], line["mw"], line["fleet_mw"]) == ("up", 8.5, 2.0, 0.3)
    assert line["availability_eur"] == pytest.approx(8.5 * 2.0 * 4)
    assert line["fleet_availability_eur"] == pytest.approx(8.5 * 0.3 * 4)
    assert (line["calls"], line["most_mw"]) == (1, 0.8)
    assert (line["called_mwh"], line["fleet_called_mwh"]) == (pytest.approx(0.3), pytest.approx(0.1))
    assert (none["price_eur"], none["mw"], none["calls"]) == (None, 0, 0)
    sums = reserve_sums(lines)
    assert (sums["up_mw"], sums["down_mw"], sums["calls"]) == (pytest.approx(2.0 / 6), 0, 1)
    accounts = (FLEET_ACCOUNT, OTHER, SYSTEM_OPERATOR_ACCOUNT)
    assert sum(fills.of_account(account) for account in accounts) == 0
    settled = [settled_minor(events, account, SYSTEM_OPERATOR_ACCOUNT) for account in accounts]
    assert settled == [20, 40, -60]


def test_a_call_is_followed_as_far_as_the_meters_say():
    """Of 100 kWh called, 90 came: 40 kWh were sold, and the homes took 15 by themselves."""
    events = rows(
        vpp.SCHEMA, fleet_reserve.RECORDS,
        event(ReserveKept, period_start_s=DAY_NS // 10**9, activated_wh=100_000, up_w=500_000,
              availability_minor=7),
        event(ReserveKept, period_start_s=DAY_NS // 10**9 + 900, up_w=500_000, short_up_w=1_000),
        event(ReservePaid, amount_minor=3_000_000, period_start_ns=DAY_NS + QUARTER_NS),
    )  # fmt: skip
    metered = rows(
        vpp.SCHEMA, [vpp.FleetMetered],
        event(vpp.FleetMetered, period_start_ns=DAY_NS, committed_wh=140_000, metered_wh=115_000),
        event(vpp.FleetMetered, period_start_ns=DAY_NS + QUARTER_NS, committed_wh=40_000, metered_wh=1_000),
    ).of(vpp.FleetMetered)  # fmt: skip
    found = fleet_reserve.fleet_reserve(events, metered, {DAY_NS: -15_000})
    assert [row["given_mwh"] for row in found["quarters"]] == pytest.approx([0.09, -0.039])
    assert (found["called_mwh"], found["followed_share"]) == (pytest.approx(0.1), pytest.approx(0.9))
    assert (found["up_mw_hours"], found["down_mw_hours"], found["short_quarters"]) == (0.25, 0, 1)
    assert (found["up_mw"], found["down_mw"]) == (0.5, 0)
    assert found["activation_eur"] == 3


def test_what_is_called_ends_by_itself_or_by_a_word():
    events = rows(
        vpp.SCHEMA, fleet_reserve.RECORDS,
        event(ReserveActivated, DAY_NS, product_id=UP, power_w=300_000, until_ns=DAY_NS + 10 * MINUTE_NS),
        event(ReserveActivated, DAY_NS + 2 * MINUTE_NS, product_id=UP + 6, power_w=-100_000,
              until_ns=DAY_NS + 4 * MINUTE_NS),
        event(ReserveActivated, DAY_NS + 6 * MINUTE_NS, product_id=UP),
    )  # fmt: skip
    times_ns = [DAY_NS + n * MINUTE_NS for n in (-1, 0, 2, 3, 4, 5, 6, 9)]
    assert fleet_reserve.called_mw(events, times_ns) == pytest.approx([0, 0.3, 0.2, 0.2, 0.3, 0.3, 0, 0])


def test_energy_is_apart_from_reserve():
    records = (exchange.OrderFilled,)
    events = rows(exchange.schema, records, *fill(OTHER, 5, product_id=UP - 100), *fill(OTHER, 4))
    assert reserve_figures.is_reserve(events.of(exchange.OrderFilled)).tolist() == [False, False, True, True]
