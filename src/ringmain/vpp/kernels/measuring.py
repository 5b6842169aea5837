"""Measuring: twins added up over the hierarchy, with how far the sums may be off."""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.core.sessions import head_event
from ringmain.vpp.kernels.estimates import NEVER, estimate_of_w, quality, stored_wh, variance_w2
from ringmain.vpp.kernels.hierarchy import ROOT
from ringmain.vpp.kernels.ranges import range_of_w
from ringmain.vpp.kernels.reserve import tell_short
from ringmain.vpp.kernels.units import clamp
from ringmain.vpp.messages import CONTRADICTORY, FRESH, LATE, SILENT, FleetHeard, FleetMeasured, NodeMeasured
from ringmain.vpp.state import ACTIVE, FLEET_POWER_LIMIT_W, NODES_PER_TIMER, SECOND_NS

FLEET_MEASURED, FLEET_MEASURED_RECORD = FleetMeasured.kind, FleetMeasured.dtype
FLEET_HEARD, FLEET_HEARD_RECORD = FleetHeard.kind, FleetHeard.dtype
NODE_MEASURED, NODE_MEASURED_RECORD = NodeMeasured.kind, NodeMeasured.dtype
COUNT_MAX, I4_MAX = 65_535, 2**31 - 1


@kernel
def tell_fleet(fleet: Any, command: Any, events: Any, n: int) -> int:
    """Measure the fleet and tell it; return the next free event row."""
    now_ns = command.time_ns
    fleet.next_measure_ns = (now_ns // fleet.measure_ns + 1) * fleet.measure_ns
    head_event(events[n], command, FLEET_MEASURED)
    head_event(events[n + 1], command, FLEET_HEARD)
    heard = events.view(FLEET_HEARD_RECORD)[n + 1]
    measure(fleet, heard, now_ns)
    measured, root = events.view(FLEET_MEASURED_RECORD)[n], fleet.nodes[ROOT]
    measured.energy_wh = root.energy_wh
    measured.power_w = root.power_w
    measured.headroom_up_w = max(0, root.high_w - root.power_w)
    measured.headroom_down_w = max(0, root.power_w - root.low_w)
    heard.power_deviation_w = deviation_w(root)
    heard.dropped_count = fleet.dropped_count
    heard.oldest_age_s = age_s(root, now_ns)
    return tell_short(fleet, command, events, n + 2)


@kernel
def measure(fleet: Any, heard: Any, now_ns: int) -> None:
    """Add up the twins, node by node, and count who was heard of."""
    for node_id in range(fleet.node_end):
        clear(fleet.nodes[node_id])
    fleet.reported_w = 0
    for asset_id in range(1, fleet.asset_end):
        if fleet.assets[asset_id].status == ACTIVE:
            known = quality(fleet, fleet.twins[asset_id], now_ns)
            add_asset(fleet, asset_id, now_ns, known)
            count(heard, known)
    for back in range(fleet.node_end - 1):
        node = fleet.nodes[fleet.node_end - 1 - back]
        if node.status == ACTIVE:
            narrow(node)
            add_node(fleet.nodes[node.parent_id], node)


@kernel
def clear(node: Any) -> None:
    """Begin a sum."""
    node.power_w = 0
    node.energy_wh = 0
    node.variance_w2 = 0
    node.low_w = 0
    node.high_w = 0
    node.oldest_ns = NEVER
    node.asset_count = 0
    node.heard_count = 0


@kernel
def add_asset(fleet: Any, asset_id: int, now_ns: int, known: int) -> None:
    """Add one twin to its node."""
    asset, twin = fleet.assets[asset_id], fleet.twins[asset_id]
    node = fleet.nodes[asset.node_id]
    power = estimate_of_w(fleet, asset_id, now_ns, known)
    low, high = range_of_w(fleet, asset_id, now_ns, known, power)
    node.energy_wh += stored_wh(asset, twin, now_ns)
    node.power_w += power
    node.variance_w2 += variance_w2(fleet, asset_id, now_ns)
    node.low_w += low
    node.high_w += high
    node.asset_count += 1
    if known in (FRESH, LATE):
        node.heard_count += 1
        node.oldest_ns = older_ns(node.oldest_ns, twin.measured_ns)
        fleet.reported_w += twin.power_w
    else:
        fleet.reported_w += power


@kernel
def older_ns(one_ns: int, other_ns: int) -> int:
    """Return the earlier one; NEVER is none."""
    if one_ns == NEVER or other_ns == NEVER:
        return max(one_ns, other_ns)
    return min(one_ns, other_ns)


@kernel
def narrow(node: Any) -> None:
    """Keep a range within the node's limits, as far as what is below it lets that be."""
    low = max(node.low_w, -node.import_limit_w)
    high = min(node.high_w, node.export_limit_w)
    node.low_w = min(low, node.high_w)
    node.high_w = max(high, min(node.low_w, node.high_w))


@kernel
def add_node(parent: Any, node: Any) -> None:
    """Add a node to the one above."""
    parent.energy_wh += node.energy_wh
    parent.power_w += node.power_w
    parent.variance_w2 += node.variance_w2
    parent.low_w += node.low_w
    parent.high_w += node.high_w
    parent.asset_count += node.asset_count
    parent.heard_count += node.heard_count
    parent.oldest_ns = older_ns(parent.oldest_ns, node.oldest_ns)


@kernel
def count(heard: Any, known: int) -> None:
    """Count one asset by what is known of it."""
    heard.fresh_count += known == FRESH
    heard.late_count += known == LATE
    heard.silent_count += known == SILENT
    heard.contradictory_count += known == CONTRADICTORY


@kernel
def deviation_w(node: Any) -> int:
    """Return the standard deviation of a node's power."""
    return int(np.sqrt(float(node.variance_w2)))


@kernel
def age_s(node: Any, now_ns: int) -> int:
    """Return the age of the oldest report that counts, 0 if none does."""
    return 0 if node.oldest_ns == NEVER else (now_ns - node.oldest_ns) // SECOND_NS


@kernel
def tell_nodes(fleet: Any, command: Any, events: Any, n: int) -> int:
    """Tell one portion of the nodes above the sites; return the next free event row."""
    end = n + NODES_PER_TIMER
    node_id = fleet.node_cursor
    while node_id < fleet.node_end and n < end:
        node = fleet.nodes[node_id]
        if node.status == ACTIVE and node.site_id == 0:
            head_event(events[n], command, NODE_MEASURED)
            tell_node(node, node_id, command.time_ns, events.view(NODE_MEASURED_RECORD)[n])
            n += 1
        node_id += 1
    fleet.node_cursor = node_id if node_id < fleet.node_end else 0
    return n


@kernel
def tell_node(node: Any, node_id: int, now_ns: int, told: Any) -> None:
    """Write a node as it was last measured."""
    told.node_id = node_id
    told.power_w = clamp(node.power_w, -FLEET_POWER_LIMIT_W, FLEET_POWER_LIMIT_W)
    told.energy_wh = min(node.energy_wh, I4_MAX)
    told.headroom_up_w = clamp(node.high_w - node.power_w, 0, FLEET_POWER_LIMIT_W)
    told.headroom_down_w = clamp(node.power_w - node.low_w, 0, FLEET_POWER_LIMIT_W)
    told.power_deviation_w = min(deviation_w(node), I4_MAX)
    told.oldest_age_s = age_s(node, now_ns)
    told.asset_count = min(node.asset_count, COUNT_MAX)
    told.coverage_permille = node.heard_count * 1_000 // max(1, node.asset_count)
