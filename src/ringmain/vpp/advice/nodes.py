"""The limits of the nodes above the batteries, less what the rest of the homes may run.

What is taken off a limit is what the others are foretold to run and a margin: the tenth of the hours in which
they draw most of what may be taken, that in which they give most of what may be given. A site has its own
margin, a feeder that of all below it together, which is much smaller than the sum of theirs. A margin takes a
limit down to nothing, and no further.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringmain.vpp.advice.fleet_optimum import add_up
from ringmain.vpp.advice.forecast import HOUR_NS
from ringmain.vpp.advice.home_forecast import HomeForecast
from ringmain.vpp.advice.homes import HomePlans, foretold_w
from ringmain.vpp.home_views import RUNS_BY_ITSELF, Homes, Nodes
from ringmain.vpp.messages import LOAD, SOLAR
from ringmain.vpp.state import PERIOD_NS

PERIODS_PER_HOUR = HOUR_NS // PERIOD_NS
NOT_PLANNED = (LOAD, SOLAR)


@dataclass(frozen=True)
class NodeLimits:
    """What the batteries beneath each node may give and take, by hour.

    Parameters
    ----------
    nodes : Nodes
    others_w : mapping of int to float array of shape (n_hours,)
        By node, what all that is no battery gives right at it; below zero: takes.
    margins_w, group_margins_w : mappings of int to (low_w, high_w), float arrays of shape (n_hours,)
        How far that may be off, downwards and upwards: right at a node, and of all that is below one.
    """

    nodes: Nodes
    others_w: Mapping[int, Any] = field(default_factory=dict)
    margins_w: Mapping[int, tuple[Any, Any]] = field(default_factory=dict)
    group_margins_w: Mapping[int, tuple[Any, Any]] = field(default_factory=dict)

    def above(self, node_ids: Any, n_hours: int) -> tuple[Any, Any, Any, Any]:
        """Return the hierarchy above some assets, the fleet in row 0.

        Parameters
        ----------
        node_ids : int64 array of shape (n,)

        Returns
        -------
        node : int64 array of shape (n,)
            Row of each asset's node.
        parent : int64 array of shape (n_nodes,)
        give_wh, take_wh : float64 arrays of shape (n_nodes, n_hours)
            As of :class:`ringmain.vpp.advice.fleet_optimum.Fleet`.
        """
        ids = {0}
        for below in [*np.unique(node_ids).tolist(), *self.others_w]:
            node_id = below
            while node_id not in ids:
                ids.add(node_id)
                node_id = self.nodes.parent_id(node_id)
        rows = sorted(ids)  # a node's id is above its parent's
        row_of = {node_id: row for row, node_id in enumerate(rows)}
        parent = np.array([-1, *(row_of[self.nodes.parent_id(node_id)] for node_id in rows[1:])])
        others = np.zeros((len(rows), n_hours))
        for node_id, power_w in self.others_w.items():
            others[row_of[node_id]] += power_w[:n_hours]
        add_up(parent, others)
        limits = np.array([self.nodes.limits_w(node_id) for node_id in rows])
        places = np.searchsorted(rows, node_ids)
        low_w, high_w = self._margins(row_of, parent, n_hours)
        return places, parent, less(limits[:, 1:] - others, high_w), less(limits[:, :1] + others, low_w)

    def _margins(self, row_of: Mapping[int, int], parent: Any, n_hours: int) -> tuple[Any, Any]:
        """Return each node's margins: its own if it has some, else of what is below it, as independent."""
        squares = np.zeros((2, len(row_of), n_hours))
        for node_id, margins in self.margins_w.items():
            if node_id in row_of:
                squares[:, row_of[node_id]] = np.square([each[:n_hours] for each in margins])
        for side in squares:
            add_up(parent, side)
        for node_id, margins in self.group_margins_w.items():
            if node_id in row_of:
                squares[:, row_of[node_id]] = np.square([each[:n_hours] for each in margins])
        low_w, high_w = np.sqrt(squares)
        return low_w, high_w


def less(room_w: Any, margin_w: Any) -> Any:
    """Return what a margin leaves of some room; what is below zero already stays as it is."""
    return np.where(room_w > 0, np.maximum(room_w - margin_w, 0.0), room_w)


NO_NODES = NodeLimits(Nodes())


def limits_of(
    nodes: Nodes, homes: Homes, start_ns: int, n_hours: int, planned: HomePlans | None = None,
    forecast: HomeForecast | None = None,
) -> NodeLimits:  # fmt: skip
    """Return the limits that are left to the batteries when all others run as they are foretold to.

    Parameters
    ----------
    planned : HomePlans, optional
        What cars and heat stores are to run.
    forecast : HomeForecast, optional
        Without it the profiles tell, and there is no margin.
    """
    periods = np.arange(n_hours * PERIODS_PER_HOUR) + start_ns // PERIOD_NS
    ids = homes.of(*(RUNS_BY_ITSELF if planned is None else NOT_PLANNED))
    power_w = foretold_w(homes, ids, periods, forecast)
    power_w = power_w.reshape(ids.size, n_hours, PERIODS_PER_HOUR).mean(axis=2)
    node_ids = homes.node_id[ids]
    if planned is not None:
        power_w = np.concatenate([power_w, planned.power_w])
        node_ids = np.concatenate([node_ids, homes.node_id[planned.asset_id]])
    found, place = np.unique(node_ids, return_inverse=True)
    sums = np.zeros((found.size, n_hours))
    np.add.at(sums, place, power_w)
    others_w = dict(zip(found.tolist(), sums, strict=True))
    if forecast is None:
        return NodeLimits(nodes, others_w)
    hours = np.arange(n_hours) + start_ns // HOUR_NS
    return NodeLimits(nodes, others_w, *forecast.margins_w(homes, hours))
