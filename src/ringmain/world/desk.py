"""The fleet's desk: the fleet's tape, folded, goes to the advice, and its commands to the market."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.client import Client
from ringmain.client.checkpoint import Checkpoint
from ringmain.client.protocol import pick
from ringmain.core.tape import TapeReader
from ringmain.vpp.advice.desk import Desk, DeskTimes
from ringmain.vpp.advice.foretelling import Foreteller
from ringmain.vpp.advice.known import Known
from ringmain.vpp.messages import SCHEMA, BidRejected, PlanRejected, RegisterBattery, SetNode
from ringmain.vpp.state import PERIOD_NS
from ringmain.vpp.views import DeskView
from ringmain.world.calendar import DAY_NS, HOUR_NS, MINUTE_NS, OPENING_NS

TIMES = DeskTimes(
    day_ahead_ns=DAY_NS + OPENING_NS + 20 * MINUTE_NS
)  # a census has been taken since the opening

KEPT_EVERY = 32_768  # events: most of them are set-points, which are folded many at once


class FleetDesk:
    """The operator's session with the fleet, for plans and bids.

    Parameters
    ----------
    data : Path
        The data folder, whose tape of the fleet is read.
    client : Client
        The operator's session.
    known_ticks : mapping of int to int
        Start of hour, nanoseconds, to its day-ahead price: what was published before the fleet came.
    inputs : mapping of str to Known
        What others foretell of the hours, such as load and wind.
    memory : Path, optional
        File of a checkpoint of the view.

    Attributes
    ----------
    rejected : int
        How many bids and plans were refused.
    """

    def __init__(
        self, data: Path, client: Client, known_ticks: Mapping[int, int], inputs: Mapping[str, Known],
        memory: Path | None = None,
    ) -> None:  # fmt: skip
        self.client, self.view, self.rejected = client, DeskView(), 0
        self._desk = Desk(TIMES, Foreteller(inputs))
        self._known_ticks = known_ticks
        self._tape = TapeReader(data / "vpp", SCHEMA)
        self._tape.position = self._tape.first()
        self._memory = Checkpoint(memory, (self._tape,), KEPT_EVERY) if memory else None
        if self._memory is not None and (state := self._memory.load()):
            self.view = state["view"]

    def register(self, batteries: Any, others: Sequence[Any] = ()) -> None:
        """Take in what is not in the fleet yet.

        Parameters
        ----------
        batteries : array of shape (n,), RegisterBattery
        others : commands that register nodes and other assets
            Nodes first: who hangs on one that is not there makes a site of it.
        """
        self.look()
        if not self.view.assets.active.size:
            for command in others:
                if int(command["kind"][0]) == SetNode.kind:
                    self.client.send(command)
        missing = pick(batteries, ~np.isin(batteries["asset_id"], self.view.assets.active.asset_id))
        if missing.size:
            self.client.send_batch(missing.view(RegisterBattery.dtype))
        known = self.view.homes.kind
        for command in others:
            if int(command["kind"][0]) != SetNode.kind and not known[int(command["asset_id"][0])]:
                self.client.send(command)
        self._settle()

    def look(self) -> None:
        """Read on to the tape's end."""
        while (events := self._tape.read()).size:
            self.view.fold(events)
        if self._memory is not None and self._memory.is_due:
            self._memory.save({"view": self.view})

    def act(self, now_ns: int) -> None:
        """Plan and bid, if it is time to."""
        self.look()
        history = {**self._known_ticks, **published_ticks(self.view.prices.price_ticks)}
        commands = self._desk.advise(self.view, history, now_ns)
        if commands.size:
            self.client.send_batch(commands)
            self._settle()

    def _settle(self) -> None:
        self.client.settle()
        refusals = np.isin(self.client.poll()["kind"], [BidRejected.kind, PlanRejected.kind])
        self.rejected += int(refusals.sum())


def published_ticks(price_ticks: Mapping[int, int]) -> dict[int, int]:
    """Return the auction's prices by start of hour, from those by quarter-hour."""
    starts = ((period * PERIOD_NS, ticks) for period, ticks in price_ticks.items())
    return {start_ns: ticks for start_ns, ticks in starts if start_ns % HOUR_NS == 0}
