"""Who is planned together: the fleet without the units that take no part, and each shadow unit by itself."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.vpp.home_views import Nodes
from ringmain.vpp.loop_messages import SUBMIT_OFF, SUBMIT_SHADOW
from ringmain.vpp.reserve_views import Units
from ringmain.vpp.state import NODES


@dataclass(frozen=True)
class Part:
    """Nodes whose assets are planned and bid for together.

    Parameters
    ----------
    unit_id : int
        The node that its bids are for; 0: the fleet.
    is_in : bool array of shape (NODES,)
        By node.
    """

    unit_id: int
    is_in: Any


WHOLE = Part(0, np.ones(NODES, np.bool_))


def fleet_part(units: Units) -> Part:
    """Return the nodes that take part in the fleet's own bids."""
    modes = units.mode_of(np.arange(NODES))
    return Part(0, (modes != SUBMIT_SHADOW) & (modes != SUBMIT_OFF))


def shadow_parts(units: Units, nodes: Nodes, node_ids: Any) -> list[Part]:
    """Return the units that are bid for in shadow only: the topmost node in that mode, and all below it.

    Parameters
    ----------
    node_ids : int64 array of shape (n,)
        Nodes with assets; a unit without any is none.
    """
    found = np.unique(node_ids)
    below: dict[int, list[int]] = {}
    for node_id in found[units.mode_of(found) == SUBMIT_SHADOW].tolist():
        top = node_id
        while top and units.mode_of(nodes.parent_id(top)) == SUBMIT_SHADOW:
            top = nodes.parent_id(top)
        below.setdefault(top, []).append(node_id)
    parts = []
    for unit_id, members in sorted(below.items()):
        is_in = np.zeros(NODES, np.bool_)
        is_in[members] = True
        parts.append(Part(unit_id, is_in))
    return parts
