"""The hierarchy: feeders, sites, inverters, each with the limits of its cable.

Node 0 is the fleet. A node's id is above its parent's, so that going through the ids downwards adds
everything up, and going through them upwards hands everything down.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.vpp.messages import (
    FLAG_OUT_OF_RANGE,
    NODE_ID_OUT_OF_RANGE,
    NODE_LIMIT_OUT_OF_RANGE,
    PARENT_CHANGED,
    PARENT_NOT_BELOW,
    SITE_CHANGED,
    SITE_WITHIN_SITE,
    UNKNOWN_PARENT,
)
from ringmain.vpp.state import ACTIVE, FLEET_POWER_LIMIT_W

ROOT = 0


@kernel
def is_node(fleet: Any, node_id: int) -> bool:
    """Tell whether a node is in the hierarchy; the fleet always is."""
    return node_id == ROOT or (node_id < fleet.nodes.size and fleet.nodes[node_id].status == ACTIVE)


@kernel
def make_site(fleet: Any, node_id: int) -> None:
    """Make a site of its own, under the fleet, without limits."""
    add_node(fleet, node_id, ROOT, node_id)
    limit(fleet.nodes[node_id], FLEET_POWER_LIMIT_W, FLEET_POWER_LIMIT_W)


@kernel
def add_node(fleet: Any, node_id: int, parent_id: int, site_id: int) -> None:
    """Put a node into the hierarchy."""
    node = fleet.nodes[node_id]
    node.status = ACTIVE
    node.parent_id = parent_id
    node.site_id = site_id
    fleet.feeder_count += site_id == 0
    fleet.node_end = max(fleet.node_end, node_id + 1)


@kernel
def limit(node: Any, import_limit_w: int, export_limit_w: int) -> None:
    """Set what may flow through a node."""
    node.import_limit_w = import_limit_w
    node.export_limit_w = export_limit_w


@kernel
def node_fault(fleet: Any, asked: Any) -> int:
    """Return the reason why a node can't be, or can't be changed so, or 0."""
    if asked.node_id == ROOT or asked.node_id >= fleet.nodes.size:
        return NODE_ID_OUT_OF_RANGE
    if asked.is_site > 1:
        return FLAG_OUT_OF_RANGE
    if asked.import_limit_w < 0 or asked.import_limit_w > FLEET_POWER_LIMIT_W:
        return NODE_LIMIT_OUT_OF_RANGE
    if asked.export_limit_w < 0 or asked.export_limit_w > FLEET_POWER_LIMIT_W:
        return NODE_LIMIT_OUT_OF_RANGE
    if not is_node(fleet, asked.parent_id):
        return UNKNOWN_PARENT
    if asked.parent_id >= asked.node_id:
        return PARENT_NOT_BELOW
    if asked.is_site == 1 and fleet.nodes[asked.parent_id].site_id != 0:
        return SITE_WITHIN_SITE
    return change_fault(fleet, asked)


@kernel
def change_fault(fleet: Any, asked: Any) -> int:
    """Return the reason why a node that is there can't be changed so, or 0: only its limits can be."""
    if not is_node(fleet, asked.node_id):
        return 0
    node = fleet.nodes[asked.node_id]
    if node.parent_id != asked.parent_id:
        return PARENT_CHANGED
    return 0 if (node.site_id == asked.node_id) == (asked.is_site == 1) else SITE_CHANGED


@kernel
def set_node(fleet: Any, asked: Any) -> int:
    """Put a node into the hierarchy, or change its limits; return the reason not to, or 0."""
    fault = node_fault(fleet, asked)
    if fault:
        return fault
    if not is_node(fleet, asked.node_id):
        above = fleet.nodes[asked.parent_id].site_id
        add_node(fleet, asked.node_id, asked.parent_id, asked.node_id if asked.is_site == 1 else above)
    limit(fleet.nodes[asked.node_id], asked.import_limit_w, asked.export_limit_w)
    return 0


@kernel
def site_of(fleet: Any, asset: Any) -> int:
    """Return the site that is paid for an asset; 0: the fleet keeps what it earns."""
    return fleet.nodes[asset.node_id].site_id
