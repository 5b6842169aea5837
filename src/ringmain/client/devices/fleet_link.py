"""The way to the fleet's node over the binary gateway, for the gateways of devices."""

import logging
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.client.aio import AsyncClient
from ringmain.client.protocol import ENDED
from ringmain.core.clock import Clock
from ringmain.core.errors import RingmainError
from ringmain.gateway.app import read_ports
from ringmain.gateway.devices.fleet_port import REPORT, SETPOINT, Telemetry
from ringmain.gateway.messages import PRICES
from ringmain.gateway.sheets import Sheet, SheetReader
from ringmain.vpp.messages import (
    SCHEMA,
    AssetRejected,
    PlugIn,
    ReportTelemetry,
    SetpointIssued,
    TelemetryRejected,
    Unplug,
)

LOG = logging.getLogger("ringmain.devices")
RECONNECT_S = 600.0
HEARTBEAT_MS = 10_000
WAITING_MOST = 1 << 18  # commands that the fleet has not dealt with; more reports are not sent
ROUND_S = 1.0
WAITED_FOR = "RM306"


class FleetLink:
    """A :class:`ringmain.gateway.devices.fleet_port.FleetPort` on a session of the fleet's node.

    Attributes
    ----------
    counts : Counter
        Reports ``sent`` and ``dropped``, and how often the fleet rejected something, by reason.
    """

    def __init__(self, client: AsyncClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self.counts: Counter[str] = Counter()

    @classmethod
    async def connect(cls, data: Path, token: str, reconnect_s: float = RECONNECT_S) -> "FleetLink":
        """Log in at the gateway of a data folder, as the client library does."""
        port = read_ports(data).get(SCHEMA.name, 0)
        client = await AsyncClient.connect("127.0.0.1", port, token, SCHEMA, HEARTBEAT_MS, reconnect_s)
        return cls(client, Clock(data / "clock"))

    def now_ns(self) -> int:
        """Return the fleet's logical time."""
        return self._clock.now_ns()

    def report(self, telemetry: Telemetry) -> None:
        """Send what an asset measured, unless too much waits: the next report's meters have it all."""
        if self._client.protocol.unanswered > WAITING_MOST:
            self.counts["dropped"] += 1
            return
        self.counts["sent"] += 1
        self._client.send(
            ReportTelemetry(
                asset_id=telemetry.asset_id, device_number=telemetry.device_number,
                measured_ns=telemetry.measured_ns, power_w=telemetry.power_w,
                energy_wh=telemetry.energy_wh, charged_wh=telemetry.charged_wh,
                discharged_wh=telemetry.discharged_wh,
            )
        )  # fmt: skip

    def report_many(self, reports: Any) -> None:
        """Send what many assets measured, in one batch; what there is no room for is dropped."""
        room = self.room()
        if reports.size > room:
            self.counts["dropped"] += reports.size - room
            reports = reports[:room]
        if not reports.size:
            return
        self.counts["sent"] += reports.size
        commands = np.zeros(reports.size, ReportTelemetry.dtype)
        ReportTelemetry.stamp(commands)
        for name in REPORT.names or ():
            commands[name] = reports[name]
        self._client.send_batch(commands)

    def room(self) -> int:
        """Return how many more reports will be sent."""
        return max(0, WAITING_MOST - self._client.protocol.unanswered)

    def plug_in(self, asset_id: int, departs_s: int, required_wh: int) -> None:
        """Say that a car is at a charger, when it leaves and what it has to hold then."""
        self._client.send(PlugIn(asset_id=asset_id, departs_s=departs_s, required_wh=required_wh))

    def unplug(self, asset_id: int) -> None:
        """Say that the car is gone."""
        self._client.send(Unplug(asset_id=asset_id))

    async def setpoints(self) -> AsyncIterator[Any]:
        """Yield set-points as they come, until the session ends; raises as the client library does."""
        protocol = self._client.protocol
        while protocol.phase != ENDED:
            setpoints = self._read(await self._client.poll(ROUND_S))
            if setpoints.size:
                yield setpoints
            if protocol.unanswered:
                protocol.ping()  # reports are not answered: its Pong tells that they were dealt with

    async def sheets(self) -> AsyncIterator[Sheet]:
        """Yield price sheets as they come, until the session ends; raises as the client library does."""
        reader, protocol, newest = SheetReader(SCHEMA), self._client.protocol, 0
        self._client.subscribe(PRICES, 0)
        while protocol.phase != ENDED:
            for sheet in reader.read(await self._client.poll_data(ROUND_S)):
                if sheet.number > newest:
                    newest = sheet.number
                    yield sheet

    async def settle(self) -> None:
        """Wait until the fleet has dealt with all that was sent, however long it is away."""
        while True:
            try:
                return await self._client.settle()
            except RingmainError as error:
                if error.code != WAITED_FOR:
                    raise

    async def close(self) -> None:
        """Log out."""
        await self._client.close()

    def _read(self, events: Any) -> Any:
        kinds = events["kind"]
        for record in (TelemetryRejected, AssetRejected):
            rejected = events.view(record.dtype)[kinds == record.kind]
            for asset_id, reason in zip(
                rejected["asset_id"].tolist(), rejected["reason"].tolist(), strict=True
            ):
                self._rejected(record.name, asset_id, SCHEMA.reasons.get(reason, str(reason)))
        issued = events.view(SetpointIssued.dtype)[kinds == SetpointIssued.kind]
        setpoints = np.empty(issued.size, SETPOINT)
        for name in ("asset_id", "power_w", "valid_until_ns"):
            setpoints[name] = issued[name]
        setpoints["number"] = issued["setpoint_number"]
        return setpoints

    def _rejected(self, name: str, asset_id: int, reason: str) -> None:
        self.counts[reason] += 1
        if self.counts[reason] & (self.counts[reason] - 1) == 0:
            LOG.warning("asset %d: %s %s, %d of these so far", asset_id, name, reason, self.counts[reason])
