"""Folds of reserve: what is held, what is active, how it was kept; and which units take part."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.vpp.loop_messages import AS_FLEET, SUBMIT_ON, SubmitModeSet
from ringmain.vpp.messages import AwardRecorded, NodeSet
from ringmain.vpp.reserve_messages import (
    RESERVE_UP,
    ReserveActivated,
    ReserveDefined,
    ReserveKept,
    ReservePaid,
    ReserveShort,
)
from ringmain.vpp.rows import rows_of, rows_of_any, values_of
from ringmain.vpp.state import NODES, PERIOD_NS, SECOND_NS


@dataclass(frozen=True)
class Activation:
    """What is owed of a reserve product now, up positive, until it ends by itself."""

    product_id: int
    power_w: int
    until_ns: int


@dataclass(frozen=True)
class Short:
    """The worst that a quarter-hour's reserve lacked so far."""

    time_ns: int
    period_start_ns: int
    owed_up_w: int
    available_up_w: int
    owed_down_w: int
    available_down_w: int


@dataclass(frozen=True)
class Kept:
    """A settled quarter-hour's reserve: power in W, money in minor units."""

    period_start_s: int
    activated_wh: int
    availability_minor: int
    up_w: int
    down_w: int
    short_up_w: int
    short_down_w: int


@dataclass(frozen=True)
class _Terms:
    """What a reserve product obliges to."""

    periods: range
    lot_power_w: int
    activation_max_s: int
    is_up: bool


class Reserves:
    """Reserve that awards oblige the fleet to hold, by quarter-hour, and what came of it.

    Attributes
    ----------
    up_w, down_w : dict of int to int
        W owed, by the number of the quarter-hour since 1970.
    active : dict of int to Activation
        What runs of each product; who reads it minds `until_ns`.
    shorts, kept : dict of int to Short, Kept
        By the number of the quarter-hour.
    paid_minor : int
        What activated energy has brought.
    """

    def __init__(self) -> None:
        self.up_w: dict[int, int] = {}
        self.down_w: dict[int, int] = {}
        self.active: dict[int, Activation] = {}
        self.shorts: dict[int, Short] = {}
        self.kept: dict[int, Kept] = {}
        self.paid_minor = 0
        self._terms: dict[int, _Terms] = {}
        self._longest_s: dict[int, int] = {}

    def duration_s(self, period: int) -> int:
        """Return how long activations may last in a quarter-hour's deliveries, at full power and in all."""
        return self._longest_s.get(period, 0)

    def fold(self, events: Any) -> None:
        """Follow definitions, awards, activations, shortages and settlement."""
        for row in rows_of(events, ReserveDefined):
            self._define(row)
        for row in rows_of(events, AwardRecorded):
            if int(row["product_id"]) in self._terms:
                self._owe(int(row["product_id"]), int(row["quantity_lots"]))
        for row in rows_of(events, ReserveActivated):
            self._activate(Activation(**_values(row, Activation)))
        for record, row in rows_of_any(events, ReserveShort, ReserveKept):
            if record is ReserveShort:
                self.shorts[int(row["period_start_ns"]) // PERIOD_NS] = Short(**_values(row, Short))
            else:
                self.kept[int(row["period_start_s"]) * SECOND_NS // PERIOD_NS] = Kept(**_values(row, Kept))
        self.paid_minor += int(rows_of(events, ReservePaid)["amount_minor"].sum())

    def _define(self, row: Any) -> None:
        first = int(row["delivery_start_s"]) * SECOND_NS // PERIOD_NS
        self._terms[int(row["product_id"])] = _Terms(
            range(first, first + int(row["delivery_duration_s"]) * SECOND_NS // PERIOD_NS),
            int(row["lot_power_w"]),
            int(row["activation_max_s"]),
            int(row["service"]) == RESERVE_UP,
        )

    def _owe(self, product_id: int, lots: int) -> None:
        terms = self._terms[product_id]
        held_w = self.up_w if terms.is_up else self.down_w
        for period in terms.periods:
            held_w[period] = held_w.get(period, 0) + lots * terms.lot_power_w
            self._longest_s[period] = max(self.duration_s(period), terms.activation_max_s)

    def _activate(self, told: Activation) -> None:
        self.active.pop(told.product_id, None)
        if told.power_w != 0:
            self.active[told.product_id] = told


class Units:
    """Which units take part in the market: the submit modes of nodes and of all below them."""

    def __init__(self) -> None:
        self._parent_id = np.zeros(NODES, np.int64)
        self._own = np.zeros(NODES, np.int64)
        self._counts: Any = None

    def fold(self, events: Any) -> None:
        """Follow the hierarchy and the modes."""
        nodes = rows_of(events, NodeSet)
        self._parent_id[nodes["node_id"]] = nodes["parent_id"]
        modes = rows_of(events, SubmitModeSet)
        modes = modes[modes["unit_id"] > 0]
        self._own[modes["unit_id"]] = modes["submit_mode"]
        if nodes.size or modes.size:
            self._counts = None

    def mode_of(self, node_id: Any) -> Any:
        """Return the mode of a node, or an int64 array of those of many.

        It is that of the nearest node, at or above it, that has one; else SUBMIT_ON. The modes of
        products and of the whole fleet don't show here.
        """
        if self._counts is None:
            self._counts = self._handed_down()
        found = self._counts[node_id]
        return int(found) if np.ndim(found) == 0 else found

    def _handed_down(self) -> Any:
        """Hand every mode down to the nodes that have none, a level at a time."""
        modes, above = self._own.copy(), self._parent_id
        modes[0] = SUBMIT_ON
        while (is_open := modes == AS_FLEET).any():
            modes[is_open] = modes[above[is_open]]
        return modes


def _values(row: Any, kind: type[Activation] | type[Short] | type[Kept]) -> dict[str, int]:
    """Return the values of a row that a dataclass has."""
    return {name: value for name, value in values_of(row).items() if name in kind.__dataclass_fields__}
