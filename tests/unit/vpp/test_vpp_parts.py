"""Units that are in shadow or off: left out of the fleet's plans, planned by themselves."""

import numpy as np
import pytest

from ringmain.vpp.advice.bidding import expected_power_w, shadow_power_w
from ringmain.vpp.advice.fleet_plan import plan_fleet
from ringmain.vpp.advice.homes import plan_homes
from ringmain.vpp.advice.parts import Part, fleet_part, shadow_parts
from ringmain.vpp.loop_messages import AS_FLEET, SUBMIT_OFF, SUBMIT_ON, SUBMIT_SHADOW, SetSubmitMode
from ringmain.vpp.messages import BUY, SELL, SetNode
from ringmain.vpp.state import NODES, PERIOD_NS
from ringmain.vpp.views import DeskView
from unit.vpp.rig import DESK, HOUR_NS, LINK, MIDNIGHT_NS, MINUTE_NS, Rig, battery, report
from unit.vpp.test_vpp_desk import DELIVERY_NS, bid, product
from unit.vpp.test_vpp_homes import CHARGER, PRICES, Street, street  # noqa: F401

FEEDER, SITE, OTHER_SITE, ALONE = 20, 21, 22, 30
SWING = np.array([1_000, 9_000] * 12, np.int64)


class Grid:
    """Three batteries: two sites at a feeder, one by itself."""

    def __init__(self) -> None:
        self.rig, self.view = Rig(), DeskView()
        above = {FEEDER: 0, SITE: FEEDER, OTHER_SITE: FEEDER}
        nodes = [
            SetNode(
                node_id=node, parent_id=parent, import_limit_w=50_000, export_limit_w=50_000,
                is_site=int(node != FEEDER),
            )
            for node, parent in above.items()
        ]  # fmt: skip
        batteries = [battery(n + 1, node_id=site) for n, site in enumerate((SITE, OTHER_SITE, ALONE))]
        self.send(*nodes, *batteries, product())
        for minute in range(1, 17):
            self.rig.now_ns = MIDNIGHT_NS + minute * MINUTE_NS
            self.rig.run_timers()
            self.rig.apply(LINK, [report(n, minute, self.rig.now_ns) for n in (1, 2, 3)])
        self.send()

    def send(self, *commands) -> None:
        self.rig.apply(DESK, commands)
        self.view.fold(self.rig.rows())
        self.rig.blocks.clear()

    def set_modes(self, **modes: int) -> None:
        ids = {"feeder": FEEDER, "site": SITE, "other_site": OTHER_SITE, "alone": ALONE}
        self.send(
            *(SetSubmitMode(product_id=0, submit_mode=mode, unit_id=ids[n]) for n, mode in modes.items())
        )

    def members(self, part: Part) -> list[int]:
        return np.flatnonzero(part.is_in[[SITE, OTHER_SITE, ALONE]]).tolist()

    def shadows(self) -> list[tuple[int, list[int]]]:
        node_ids = self.view.assets.active.node_id
        parts = shadow_parts(self.view.units, self.view.nodes, node_ids)
        return [(part.unit_id, self.members(part)) for part in parts]


@pytest.fixture
def grid() -> Grid:
    return Grid()


def test_the_topmost_node_in_shadow_is_the_unit(grid: Grid) -> None:
    assert grid.members(fleet_part(grid.view.units)) == [0, 1, 2]
    assert grid.shadows() == []
    grid.set_modes(feeder=SUBMIT_SHADOW)
    assert grid.members(fleet_part(grid.view.units)) == [2]
    assert grid.shadows() == [(FEEDER, [0, 1])]
    grid.set_modes(site=SUBMIT_ON, alone=SUBMIT_SHADOW)
    assert grid.members(fleet_part(grid.view.units)) == [0]
    assert grid.shadows() == [(FEEDER, [1]), (ALONE, [2])]
    grid.set_modes(feeder=SUBMIT_OFF, site=AS_FLEET, alone=AS_FLEET)
    assert grid.members(fleet_part(grid.view.units)) == [2]
    assert grid.shadows() == []


def test_who_takes_no_part_is_told_to_idle(grid: Grid) -> None:
    start_ns = MIDNIGHT_NS + HOUR_NS
    everyone = plan_fleet(grid.view, start_ns, SWING, SWING, grid.rig.now_ns)
    commands = everyone.commands(grid.view)
    assert set(commands["asset_id"].tolist()) == {1, 2, 3}
    grid.send(*(commands[i : i + 1] for i in range(commands.size)))
    grid.set_modes(site=SUBMIT_OFF)
    plan = plan_fleet(grid.view, start_ns, SWING, SWING, grid.rig.now_ns)
    assert plan.fleet.asset_id.tolist() == [2, 3]
    told = plan.commands(grid.view)
    assert told["asset_id"].tolist() == [1]
    assert told["power_w"].tolist() == [0]
    grid.send(told)
    assert not plan.commands(grid.view).size
    assert not grid.view.plans.power_w(np.array([1]), plan.periods).any()
    shown = {period: want.power_w for period, want in plan.wants().items()}
    two = everyone.hours[1:].power_w.sum(axis=0)
    assert list(shown.values())[::4] == pytest.approx(two.tolist(), abs=3)


def test_shadowed_bids_count_as_filled_for_their_unit_only(grid: Grid) -> None:
    grid.set_modes(feeder=SUBMIT_SHADOW)
    grid.send(bid(quantity_lots=4, unit_id=FEEDER), bid(bid_id=2, quantity_lots=1, side=BUY, unit_id=FEEDER))
    grid.send(bid(bid_id=3, quantity_lots=2))
    assert [one.ending for one in grid.view.bids.by_id.values()] == ["SHADOWED", "SHADOWED", None]
    period = DELIVERY_NS // PERIOD_NS
    commitments, bids = grid.view.commitments, grid.view.bids
    assert shadow_power_w(commitments, bids, FEEDER)[period] == 3_000
    assert shadow_power_w(commitments, bids, ALONE) == {}
    assert expected_power_w(commitments, bids)[period] == 2_000
    assert grid.view.bids.by_id[3].side == SELL


def test_cars_that_take_no_part_charge_at_once_and_are_not_traded(street: Street) -> None:  # noqa: F811
    street.plug(hours=8, required_wh=20_000)
    street.run(16, car_wh=5_000)
    start_ns = (street.rig.now_ns // HOUR_NS + 1) * HOUR_NS
    nobody = Part(0, np.zeros(NODES, np.bool_))
    whole, alone = (plan_homes(street.view, start_ns, PRICES, PRICES[:0], *part) for part in ((), (nobody,)))
    drawn_w = -alone.power_w[alone.asset_id.tolist().index(CHARGER)]
    limit_w = int(street.view.import_limit_w[CHARGER])
    assert drawn_w[0] == limit_w
    assert drawn_w.tolist() == sorted(drawn_w.tolist(), reverse=True)
    assert not alone.shifted_w.any()
    assert whole.shifted_w.any()
    assert drawn_w.sum() == -whole.power_w[whole.asset_id.tolist().index(CHARGER)].sum()
