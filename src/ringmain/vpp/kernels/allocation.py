"""Allocation: the fleet's power handed down the hierarchy, every node within its limits.

Going up, each node adds what is planned below it and the room around that, by class of cost; a node
that would be beyond its limit is moved into it, and its room ends there. Going down, each node spreads
what it is to do more or less over what is below it, the cheapest class first, within a class by room.
A share is never more than the room that it is a share of, so every node and every asset can do what it
is handed; where a limit can't be kept at all, the least violation remains, and is told.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import head_event
from ringmain.vpp.kernels.hierarchy import ROOT
from ringmain.vpp.kernels.ranges import SUNLIGHT, base_power_w, cost_class, is_controlled
from ringmain.vpp.kernels.units import clamp, share
from ringmain.vpp.messages import SOLAR, NodeOverloaded
from ringmain.vpp.state import ACTIVE, COST_CLASSES, FLEET_POWER_LIMIT_W, OVERLOADS_PER_TICK, SECOND_NS

NODE_OVERLOADED, NODE_OVERLOADED_RECORD = NodeOverloaded.kind, NodeOverloaded.dtype
DOWN, UP = 0, 1


@kernel
def allocate(fleet: Any, target_w: int, now_ns: int, may_curtail: bool) -> int:
    """Wish each asset its plan and its part of the rest; return the sum of the wishes.

    Sunlight is given up where a limit demands it, and for the target only if `may_curtail`.
    """
    gather(fleet, now_ns)
    root = fleet.nodes[ROOT]
    least_w = -open_room_w(root, DOWN)
    if not may_curtail:
        least_w += root.open_w[DOWN, SUNLIGHT]
    root.extra_w = clamp(target_w - root.base_w, least_w, open_room_w(root, UP))
    for node_id in range(fleet.node_end):
        if node_id == ROOT or fleet.nodes[node_id].status == ACTIVE:
            hand_down(fleet, node_id)
    for asset_id in range(1, fleet.asset_end):
        if fleet.assets[asset_id].status == ACTIVE:
            ask(fleet, asset_id, now_ns)
    return root.base_w + root.extra_w


# Upwards.


@kernel
def gather(fleet: Any, now_ns: int) -> None:
    """Find what is planned at each node, and the room around it."""
    for node_id in range(fleet.node_end):
        node = fleet.nodes[node_id]
        node.children_w = 0
        for c in range(COST_CLASSES):
            node.room_w[DOWN, c] = 0
            node.room_w[UP, c] = 0
    for asset_id in range(1, fleet.asset_end):
        asset = fleet.assets[asset_id]
        if asset.status == ACTIVE:
            base, low, high = base_power_w(fleet, asset_id, now_ns)
            node, c = fleet.nodes[asset.node_id], cost_class(asset)
            node.children_w += base
            node.room_w[DOWN, c] += base - low
            node.room_w[UP, c] += high - base
    for back in range(fleet.node_end - 1):
        node = fleet.nodes[fleet.node_end - 1 - back]
        if node.status == ACTIVE:
            close(node, node.import_limit_w, node.export_limit_w)
            lift(fleet.nodes[node.parent_id], node)
    if fleet.node_end > 0:
        close(fleet.nodes[ROOT], FLEET_POWER_LIMIT_W, FLEET_POWER_LIMIT_W)


@kernel
def close(node: Any, import_limit_w: int, export_limit_w: int) -> None:
    """Move a node's plan into its limits, and find what room they leave."""
    least_w = node.children_w - total_w(node, DOWN)
    most_w = node.children_w + total_w(node, UP)
    low = min(max(least_w, -import_limit_w), most_w)
    high = max(min(most_w, export_limit_w), least_w)
    node.base_w = clamp(node.children_w, low, high)
    leave_open(node, DOWN, node.base_w - low, node.children_w - node.base_w)
    leave_open(node, UP, high - node.base_w, node.base_w - node.children_w)


@kernel
def leave_open(node: Any, way: int, most_w: int, used_w: int) -> None:
    """Find the room that is left of each class: the plan's own move has used the cheapest of it."""
    for c in range(COST_CLASSES):
        used = clamp(used_w, 0, node.room_w[way, c])
        used_w -= used
        node.open_w[way, c] = clamp(node.room_w[way, c] - used, 0, most_w)
        most_w -= node.open_w[way, c]


@kernel
def total_w(node: Any, way: int) -> int:
    """Return the room of what is below a node."""
    total = 0
    for c in range(COST_CLASSES):
        total += node.room_w[way, c]
    return total


@kernel
def open_room_w(node: Any, way: int) -> int:
    """Return the room that a node's limits leave."""
    total = 0
    for c in range(COST_CLASSES):
        total += node.open_w[way, c]
    return total


@kernel
def lift(parent: Any, node: Any) -> None:
    """Add a node to the one above."""
    parent.children_w += node.base_w
    for c in range(COST_CLASSES):
        parent.room_w[DOWN, c] += node.open_w[DOWN, c]
        parent.room_w[UP, c] += node.open_w[UP, c]


# Downwards.


@kernel
def hand_down(fleet: Any, node_id: int) -> None:
    """Take a node's share from the one above, and make it ready to be shared in turn."""
    node = fleet.nodes[node_id]
    if node_id != ROOT:
        parent = fleet.nodes[node.parent_id]
        node.extra_w = 0
        for c in range(COST_CLASSES):
            way = UP if parent.given_w[c] > 0 else DOWN
            node.extra_w += take_share(parent, c, node.open_w[way, c])
    left_w = node.base_w + node.extra_w - node.children_w
    for c in range(COST_CLASSES):
        node.given_w[c] = clamp(left_w, -node.room_w[DOWN, c], node.room_w[UP, c])
        node.passed_w[c] = 0
        left_w -= node.given_w[c]
    assert left_w == 0


@kernel
def take_share(node: Any, c: int, room_w: int) -> int:
    """Return the part of a class that goes to the next one below, by room; the parts add up exactly."""
    given_w = node.given_w[c]
    if given_w == 0:
        return 0
    whole_w = node.room_w[UP if given_w > 0 else DOWN, c]
    before_w = share(given_w, node.passed_w[c], whole_w)
    node.passed_w[c] += room_w
    return share(given_w, node.passed_w[c], whole_w) - before_w


@kernel
def ask(fleet: Any, asset_id: int, now_ns: int) -> None:
    """Wish an asset its plan and its share."""
    asset = fleet.assets[asset_id]
    base, low, high = base_power_w(fleet, asset_id, now_ns)
    node, c = fleet.nodes[asset.node_id], cost_class(asset)
    part_w = take_share(node, c, high - base if node.given_w[c] > 0 else base - low)
    assert low <= base + part_w
    assert base + part_w <= high
    if is_controlled(asset):
        is_free_roof = asset.kind == SOLAR and part_w == 0
        wish(fleet.twins[asset_id], asset.export_limit_w if is_free_roof else base + part_w, now_ns)


@kernel
def wish(twin: Any, power_w: int, now_ns: int) -> None:
    """Note what the asset is to do, and since when."""
    if twin.desired_power_w != power_w:
        twin.desired_power_w = power_w
        twin.desired_s = -(-now_ns // SECOND_NS)  # up: a report of the same second is older


@kernel
def tell_overloads(fleet: Any, command: Any, events: Any, n: int) -> int:
    """Name the nodes whose limits can't be kept; return the next free event row."""
    end = n + OVERLOADS_PER_TICK
    for node_id in range(1, fleet.node_end):
        node = fleet.nodes[node_id]
        power_w = node.base_w + node.extra_w
        is_within = -node.import_limit_w <= power_w <= node.export_limit_w
        if node.status == ACTIVE and not is_within and n < end:
            head_event(events[n], command, NODE_OVERLOADED)
            told = events.view(NODE_OVERLOADED_RECORD)[n]
            told.node_id = node_id
            told.power_w = clamp(power_w, -FLEET_POWER_LIMIT_W, FLEET_POWER_LIMIT_W)
            told.import_limit_w = node.import_limit_w
            told.export_limit_w = node.export_limit_w
            n += 1
    return n
