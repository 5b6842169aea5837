"""Devices over MQTT: JSON on the topics ``ringmain/v1/<asset>/telemetry``, ``setpoint``, ``ack``, ``error``.

The fleet's prices are on ``ringmain/v1/prices``, for all of them. What many devices measure within some
milliseconds goes to the fleet as one batch.

The broker sees to who speaks on which topic (topics.py). Our session there is kept while we are away, and
devices publish with QoS 1, so what they say meanwhile is waiting when we come back.
"""

import asyncio
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.gateway.devices import payloads, topics
from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.broker import Broker
from ringmain.gateway.devices.frames import ACCEPTED, DECLINED, REASONS
from ringmain.gateway.devices.leases import (
    SETPOINT_ACCEPTED,
    SETPOINT_REFUSED,
    SETPOINT_TOO_LATE,
    SETPOINT_UNANSWERED,
    Leases,
)
from ringmain.gateway.devices.pace import Backoff, Pace
from ringmain.gateway.devices.payloads import MILLISECOND_NS, Error, SetpointMessage
from ringmain.gateway.devices.readings import READING, UnfitError
from ringmain.gateway.devices.topics import Speakers
from ringmain.gateway.sheets import Sheet

LOG = logging.getLogger("ringmain.devices")
QUIET = logging.getLogger("ringmain.devices.mqtt")
QUIET.setLevel(logging.CRITICAL)
IDENTIFIER = "ringmain-devices"
REVIEW_S, RETRY_S = 2.0, 0.5
AT_ONCE = 64  # messages that are published side by side
FLUSH_S, FLUSHED_MOST = 0.004, 512  # readings are gathered for so long, or until there are so many
UNKNOWN_ASSET, TOO_FAST, TOO_BIG = "UNKNOWN_ASSET", "TOO_FAST", "TOO_BIG"
BROKER_AWAY = "BROKER_AWAY"


@dataclass(frozen=True)
class MqttLimits:
    """Limits of each device.

    Parameters
    ----------
    payload_bytes : int
        Longest message.
    messages_per_s, burst : float, int
        Beyond that it is refused, and told so: a broker's reader can't hold one device back alone.
    errors_per_s, errors_burst : float, int
        So often it is told why something is refused.
    held : int
        Messages taken from the broker and not dealt with; it keeps the others.
    """

    payload_bytes: int = 4_096
    messages_per_s: float = 2.0
    burst: int = 100
    errors_per_s: float = 1.0
    errors_burst: int = 20
    held: int = 10_000


class MqttGateway:
    """The gateway to one broker.

    Parameters
    ----------
    broker : Broker, optional
        Told to read its files again when devices come or go, if it is ours.
    """

    def __init__(
        self, data: Path, speakers: Speakers, assets: Assets, address: tuple[str, int],
        broker: Broker | None = None, limits: MqttLimits | None = None,
    ) -> None:  # fmt: skip
        self._data, self._speakers, self._assets, self._address = data, speakers, assets, address
        self._broker, self._limits = broker, limits or MqttLimits()
        self._leases = Leases(assets.rows)
        self._is_known = np.zeros(assets.rows, bool)
        self._paces: dict[int, Pace] = {}
        self._error_paces: dict[int, Pace] = {}
        self._due: dict[int, None] = {}  # assets whose set-point is to be published, in order
        self._errors: list[tuple[int, Error]] = []
        self._readings: list[tuple[float, ...]] = []  # rows of READING that have come since the last flush
        self._flushing: asyncio.TimerHandle | None = None
        self._is_sheet_due = False
        self._stirred = asyncio.Event()
        self._spoken_for: set[int] = set()
        self._client: aiomqtt.Client | None = None
        self._speak_for()
        assets.listen_to_prices(self.price)

    @property
    def is_connected(self) -> bool:
        """Whether the broker listens to us."""
        return self._client is not None

    def _speak_for(self) -> None:
        """Take charge of the assets of devices that are new."""
        known = {each.asset_id: each.bounds for each in self._speakers.all()}
        fresh = {n: bounds for n, bounds in known.items() if n not in self._spoken_for}
        self._assets.add(fresh, "MQTT")
        self._assets.listen_to_many(list(fresh), self.want)
        self._spoken_for.update(fresh)
        self._is_known[:] = False
        self._is_known[list(known)] = True

    async def run(self) -> None:
        """Serve for ever; while the broker is away try again, longer and longer apart."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._review())
            group.create_task(self._retry())
            group.create_task(self._stay_connected())

    async def _stay_connected(self) -> None:
        backoff = Backoff(0.2, 15.0, circuit=1 << 30, open_s=0.0)
        while True:
            try:
                await self._serve(backoff)
            except aiomqtt.MqttError as error:
                self._assets.refuse(0, BROKER_AWAY)
                LOG.info("the broker at %s:%d: %s", *self._address, error)
            finally:
                self._client = None
            await asyncio.sleep(backoff.failed())

    async def _serve(self, backoff: Backoff) -> None:
        """Serve one connection to its end."""
        host, port = self._address
        client = aiomqtt.Client(
            host, port, username=topics.GATEWAY_USER, password=topics.gateway_password(self._data),
            identifier=IDENTIFIER, clean_session=False, logger=QUIET,
            max_queued_incoming_messages=self._limits.held, max_inflight_messages=AT_ONCE,
        )  # fmt: skip
        async with client:
            self._client = client
            backoff.succeeded()
            for what in (topics.TELEMETRY, topics.ACK):
                await client.subscribe(f"{topics.PREFIX}/+/{what}", qos=1)
            self._stir(self._leases.holding(np.flatnonzero(self._is_known), self._assets.port.now_ns()))
            if self._assets.sheet is not None:
                self.price(self._assets.sheet)
            publishing = asyncio.create_task(self._publish(client))
            try:
                async for message in client.messages:
                    self._take(message)
                    if self._assets.port.room() < len(self._readings) + 1:
                        self._flush()
                        await self._assets.port.settle()  # what comes meanwhile waits at the broker
            finally:
                self._client = None
                self._flush()
                publishing.cancel()
                await asyncio.gather(publishing, return_exceptions=True)

    # What they say.

    def _take(self, message: aiomqtt.Message) -> None:
        """Deal with one message; what is wrong with it is counted, and the device told."""
        topic, payload = str(message.topic), message.payload
        asset_id = topics.asset_of(topic)
        if not 0 < asset_id < self._assets.rows or not self._is_known[asset_id]:
            self._assets.refuse(asset_id, UNKNOWN_ASSET)
            return
        limits = self._limits
        pace = self._paces.setdefault(asset_id, Pace(limits.messages_per_s, limits.burst))
        if not pace.has_token():
            self._refuse(asset_id, TOO_FAST)
        elif not isinstance(payload, bytes) or len(payload) > limits.payload_bytes:
            self._refuse(asset_id, TOO_BIG)
        elif topic.endswith(topics.ACK):
            self._answered(asset_id, payload)
        else:
            self._measured(asset_id, payload)

    def _measured(self, asset_id: int, payload: bytes) -> None:
        try:
            said = payloads.telemetry(payload)
        except UnfitError as unfit:
            self._refuse(asset_id, unfit.reason)
            return
        try:
            reading = payloads.reading(said)
        except UnfitError as unfit:
            self._refuse(asset_id, unfit.reason, said.measured_ms)
            return
        values = (reading.power_w, reading.charged_wh, reading.discharged_wh, reading.energy_wh)
        known = (math.nan if value is None else value for value in values)
        self._readings.append((asset_id, reading.measured_ns, *known))
        if len(self._readings) >= FLUSHED_MOST:
            self._flush()
        elif self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    def _flush(self) -> None:
        """Deal with all readings that have come, as one batch."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if not self._readings:
            return
        readings = np.array(self._readings, READING)
        self._readings.clear()
        reasons = self._assets.take_many(readings, np.zeros(readings.size, np.uint16))
        for place in np.flatnonzero(reasons).tolist():
            measured_ms = int(readings["measured_ns"][place]) // MILLISECOND_NS
            error = Error(REASONS[reasons[place]], measured_ms)
            self._tell_error(int(readings["asset_id"][place]), error)

    def _answered(self, asset_id: int, payload: bytes) -> None:
        try:
            said = payloads.ack(payload)
        except UnfitError as unfit:
            self._refuse(asset_id, unfit.reason)
            return
        answer = ACCEPTED if said.answer == "accepted" else DECLINED
        told = self._leases.answer(np.array([asset_id]), np.array([said.number]), np.array([answer]))
        for name, count in zip((SETPOINT_ACCEPTED, SETPOINT_REFUSED), told, strict=True):
            self._assets.counts[name] += count

    def _refuse(self, asset_id: int, reason: str, measured_ms: int | None = None) -> None:
        self._assets.refuse(asset_id, reason)
        self._tell_error(asset_id, Error(reason, measured_ms))

    def _tell_error(self, asset_id: int, error: Error) -> None:
        limits = self._limits
        pace = self._error_paces.setdefault(asset_id, Pace(limits.errors_per_s, limits.errors_burst))
        if pace.has_token():
            self._errors.append((asset_id, error))
            self._stirred.set()

    # What they are told.

    def want(self, setpoints: Any) -> None:
        """Publish set-points, an array of SETPOINT, and see to it that they are answered."""
        asset_ids, late = self._leases.want(setpoints, self._assets.port.now_ns())
        if late:
            self._assets.counts[SETPOINT_TOO_LATE] += late
        self._stir(asset_ids)

    def price(self, sheet: Sheet) -> None:
        """Publish the prices, for all devices."""
        self._is_sheet_due = True
        self._stirred.set()

    def _stir(self, asset_ids: Any) -> None:
        if asset_ids.size:
            self._due.update(dict.fromkeys(asset_ids.tolist()))
            self._stirred.set()

    async def _retry(self) -> None:
        """Publish again what is not answered, until its lease ends."""
        while True:
            await asyncio.sleep(RETRY_S)
            is_connected = self._is_known if self._client is not None else np.zeros_like(self._is_known)
            asset_ids, over = self._leases.due(is_connected, self._assets.port.now_ns(), time.monotonic())
            if over:
                self._assets.counts[SETPOINT_UNANSWERED] += over
            self._stir(asset_ids)

    async def _publish(self, client: aiomqtt.Client) -> None:
        """Publish what is due while connected. A set-point is retained: who comes back hears what holds."""
        while self._client is client:  # being cancelled may be swallowed in a publish that just succeeds
            await self._stirred.wait()
            self._stirred.clear()
            while self._due or self._errors or self._is_sheet_due:
                sending = [
                    client.publish(topic, payload, qos=qos, retain=retain)
                    for topic, payload, qos, retain in self._next_messages()
                ]
                failed = [each for each in await asyncio.gather(*sending, return_exceptions=True) if each]
                if failed:  # what is not answered is published again later
                    LOG.info("%d messages were not published: %s", len(failed), failed[0])

    def _next_messages(self) -> Iterator[tuple[str, bytes, int, bool]]:
        """Yield the next messages: topic, payload, quality of service, whether it is retained.

        Prices are retained, and not kept for those who are away: they are told again soon.
        """
        now_ns, told = self._assets.port.now_ns(), list(self._due)[:AT_ONCE]
        errors, self._errors = self._errors[:AT_ONCE], self._errors[AT_ONCE:]
        if self._is_sheet_due and self._assets.sheet is not None:
            yield topics.PRICES, payloads.prices(self._assets.sheet, now_ns), 0, True
        self._is_sheet_due = False
        for asset_id, error in errors:
            yield topics.topic_of(asset_id, topics.ERROR), msgspec.json.encode(error), 1, False
        for asset_id in told:
            del self._due[asset_id]
            wanted = self._leases.rows[asset_id]
            message = SetpointMessage(
                int(wanted["number"]), int(wanted["power_w"]),
                int(wanted["valid_until_ns"]) // MILLISECOND_NS, now_ns // MILLISECOND_NS,
            )  # fmt: skip
            yield topics.topic_of(asset_id, topics.SETPOINT), msgspec.json.encode(message), 1, True
        if told:
            self._leases.sent(np.array(told), time.monotonic())

    async def _review(self) -> None:
        """Learn of devices that come and go, and have the broker know."""
        seen = self._speakers.readings
        while True:
            await asyncio.sleep(REVIEW_S)
            try:
                self._speakers.all()
                if self._speakers.readings != seen:
                    seen = self._speakers.readings
                    self._speak_for()
                    topics.write_broker_files(self._data)
                    if self._broker is not None:
                        self._broker.reload()
            except RingmainError as error:
                LOG.error("%s", error)
