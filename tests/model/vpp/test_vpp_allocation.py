"""Dispatch over random hierarchies, against what a slow recursion says is possible."""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from ringmain.vpp.kernels.ranges import base_power_w
from unit.vpp.rig import DESK, LINK, MIDNIGHT_NS, MINUTE_NS, Rig, battery, named, report
from unit.vpp.test_vpp_hierarchy import NO_LIMIT, UNCORRECTED, charger, heat_store, load, node, solar, target

NODES, ASSETS = 14, 40
FLEET = 0


class Tree:
    """A random hierarchy with random assets, each heard of just now."""

    def __init__(self, seed: int) -> None:
        self.dice = np.random.default_rng(seed)
        self.rig = Rig()
        self.rig.send(DESK, UNCORRECTED)
        self.parent, self.limits = {}, {FLEET: (NO_LIMIT, NO_LIMIT)}
        self.node_of: dict[int, int] = {}
        for node_id in range(1, NODES + 1):
            self.parent[node_id] = self.roll(0, node_id - 1)
            limits = [NO_LIMIT if self.roll(0, 2) == 0 else self.roll(0, 12_000) for _ in range(2)]
            self.limits[node_id] = (limits[0], limits[1])
            asked = node(
                node_id, parent_id=self.parent[node_id], import_limit_w=limits[0], export_limit_w=limits[1]
            )
            assert self.rig.send(DESK, asked)[-1]["record"] == "NodeSet"
        for asset_id in range(1, ASSETS + 1):
            self.add(asset_id)

    def roll(self, low: int, high: int) -> int:
        return int(self.dice.integers(low, high + 1))

    def add(self, asset_id: int) -> None:
        node_id = self.node_of[asset_id] = self.roll(1, NODES)
        kind = self.roll(0, 4)
        make: Any = (battery, solar, charger, heat_store, load)[kind]
        wear = {"wear_price_ticks": self.roll(0, 9_000)} if make is battery else {}
        assert self.rig.send(DESK, make(asset_id, node_id=node_id, **wear))[-1]["record"].endswith(
            "Registered"
        )
        said = {
            battery: {"energy_wh": self.roll(0, 10_000), "power_w": self.roll(-5_000, 5_000)},
            solar: {"energy_wh": 0, "power_w": self.roll(0, 8_000)},
            charger: {"energy_wh": self.roll(0, 60_000)},
            heat_store: {"energy_wh": self.roll(0, 9_000)},
            load: {"energy_wh": 0, "power_w": -self.roll(0, 10_000)},
        }[make]
        assert self.rig.send(LINK, report(asset_id, 1, self.rig.now_ns, **said)) == []

    def possible(self, ranges: dict[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
        """Return the least and the most of each node: its limits, or what comes nearest to them."""
        found = {}
        for node_id in range(NODES, -1, -1):
            own = [ranges[a] for a in self.node_of if self.node_of[a] == node_id]
            own += [found[n] for n in self.parent if self.parent[n] == node_id]
            least, most = sum(low for low, _ in own), sum(high for _, high in own)
            taking, giving = self.limits[node_id]
            low, high = max(least, -taking), min(most, giving)
            if low > high:  # one limit can't be kept
                low = high = most if most < -taking else least
            found[node_id] = low, high
        return found


@pytest.mark.parametrize("seed", range(25))
def test_every_share_is_possible_and_the_sum_is_the_nearest_to_the_target(seed: int) -> None:
    tree = Tree(seed)
    now_ns = MIDNIGHT_NS
    for minute in range(1, 5):
        wanted_w = tree.roll(-60_000, 60_000)
        tree.rig.send(DESK, target(tree.rig, wanted_w))
        now_ns = MIDNIGHT_NS + minute * MINUTE_NS
        before = [base_power_w(tree.rig.fleet, asset_id, now_ns) for asset_id in range(ASSETS + 1)]
        events = tree.rig.advance(now_ns)
        ranges = {a: (int(before[a][1]), int(before[a][2])) for a in tree.node_of}
        low, high = tree.possible(ranges)[FLEET]
        dispatched = named(events, "FleetDispatched")[-1]
        assert dispatched["allocated_power_w"] == max(low, min(wanted_w, high))
        check(tree, ranges, {a: int(before[a][0]) for a in tree.node_of}, dispatched["allocated_power_w"])


def check(tree: Tree, ranges: dict[int, tuple[int, int]], bases: dict[int, int], allocated_w: int) -> None:
    """Find every wish in its range, every node in what is possible, and the sum as it was told."""
    fleet, sums = tree.rig.fleet, defaultdict(int)
    for asset_id, node_id in tree.node_of.items():
        asset, wish = fleet.assets[asset_id], int(fleet.twins[asset_id].desired_power_w)
        if asset.kind == 5 or (asset.kind == 2 and wish == asset.export_limit_w):
            wish = bases[asset_id]  # nobody tells a load, and a roof that gives all it can is told no number
        assert ranges[asset_id][0] <= wish <= ranges[asset_id][1]
        sums[node_id] += wish
    for node_id in range(NODES, 0, -1):
        sums[tree.parent[node_id]] += sums[node_id]
    assert sums[FLEET] == allocated_w
    for node_id, (low, high) in tree.possible(ranges).items():
        assert low <= sums[node_id] <= high
