"""A device on MQTT, on aiomqtt: to simulate, and to try things."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import aiomqtt
import msgspec

from ringmain.gateway.devices import payloads, topics
from ringmain.gateway.devices.pace import Backoff
from ringmain.gateway.devices.payloads import Ack, Error, SetpointMessage, Telemetry
from ringmain.gateway.sheets import Sheet

QUIET = logging.getLogger("ringmain.devices.mqtt.client")
QUIET.setLevel(logging.CRITICAL)
WAITING_MOST = 10_000
Answer = Literal["accepted", "declined"]


@dataclass(frozen=True)
class MqttAccount:
    """Where a device comes in: its user name is its asset id."""

    host: str
    port: int
    asset_id: int
    password: str = field(repr=False)


class MqttClient:
    """One device: it connects, and again when the connection ends; what it publishes has QoS 1.

    Parameters
    ----------
    on_setpoint : callable
        Is given a set-point; returns what to answer.
    on_sheet : callable
        Is given the prices, as often as they are told.

    Attributes
    ----------
    refusals : Counter
        What was refused, by reason.
    failures : list of str
        How its connections failed.
    """

    def __init__(
        self, account: MqttAccount, on_setpoint: Callable[[SetpointMessage], Answer],
        on_sheet: Callable[[Sheet], object] = lambda sheet: None,
    ) -> None:  # fmt: skip
        self._account, self._on_setpoint, self._on_sheet = account, on_setpoint, on_sheet
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(WAITING_MOST)
        self.refusals: Counter[str] = Counter()
        self.failures: list[str] = []
        self.is_connected = False

    async def run(self) -> None:
        """Stay connected for ever."""
        backoff = Backoff(0.2, 15.0, circuit=1 << 30, open_s=0.0, seed=self._account.asset_id)
        while True:
            try:
                await self._live(backoff)
            except aiomqtt.MqttError as error:
                self.failures.append(str(error))
            self.is_connected = False
            await asyncio.sleep(backoff.failed())

    async def _live(self, backoff: Backoff) -> None:
        account = self._account
        client = aiomqtt.Client(
            account.host, account.port, username=str(account.asset_id), password=account.password,
            identifier=f"asset-{account.asset_id}", clean_session=False, logger=QUIET,
        )  # fmt: skip
        async with client:
            for what in (topics.SETPOINT, topics.ERROR):
                await client.subscribe(topics.topic_of(account.asset_id, what), qos=1)
            await client.subscribe(topics.PRICES, qos=0)  # an old sheet is not worth being kept
            backoff.succeeded()
            self.is_connected = True
            publishing = asyncio.create_task(self._publish(client))
            try:
                async for message in client.messages:
                    self._heard(str(message.topic), message.payload)
            finally:
                self.is_connected = False
                publishing.cancel()
                await asyncio.gather(publishing, return_exceptions=True)

    async def _publish(self, client: aiomqtt.Client) -> None:
        while self.is_connected:  # aiomqtt waits with asyncio.wait_for, which may swallow being cancelled
            topic, payload = await self._waiting.get()
            await client.publish(topic, payload, qos=1)

    def _heard(self, topic: str, payload: object) -> None:
        if not isinstance(payload, bytes):
            return
        if topic.endswith(topics.ERROR):
            self.refusals[msgspec.json.decode(payload, type=Error).reason] += 1
            return
        if topic == topics.PRICES:
            sheet = payloads.sheet(payload)
            if sheet is not None:
                self._on_sheet(sheet)
            return
        setpoint = msgspec.json.decode(payload, type=SetpointMessage)
        answer = self._on_setpoint(setpoint)
        self.publish(topics.ACK, msgspec.json.encode(Ack(setpoint.number, answer)))

    def report(self, telemetry: Telemetry) -> None:
        """Say what was measured."""
        said = {name: value for name, value in msgspec.structs.asdict(telemetry).items() if value is not None}
        self.publish(topics.TELEMETRY, msgspec.json.encode(said))

    def publish(self, what: str, payload: bytes, asset_id: int = 0) -> None:
        """Publish something as it is, when it is connected; on another asset's topic if one is named."""
        if not self._waiting.full():
            self._waiting.put_nowait((topics.topic_of(asset_id or self._account.asset_id, what), payload))
