"""The process of the devices' gateways: all protocols of a data folder's devices, on one session.

``ringmain devices serve --data DATA`` runs it beside the fleet's node and gateway.
"""

import asyncio
import contextlib
import logging
import os
import signal
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ringmain.client.devices.fleet_link import FleetLink
from ringmain.client.devices.known_assets import warnings
from ringmain.core.errors import RingmainError
from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.broker import HOST as BROKER_HOST
from ringmain.gateway.devices.broker import Broker
from ringmain.gateway.devices.chargers import Chargers
from ringmain.gateway.devices.csms import Csms, CsmsLimits
from ringmain.gateway.devices.links import Links
from ringmain.gateway.devices.modbus import Fieldbus, PollLimits, read_inverters
from ringmain.gateway.devices.mqtt import MqttGateway, MqttLimits
from ringmain.gateway.devices.openadr import Vtn, VtnLimits
from ringmain.gateway.devices.sockets import SocketLimits, Sockets
from ringmain.gateway.devices.topics import Speakers
from ringmain.gateway.devices.vens import Vens

LOG = logging.getLogger("ringmain.devices")
PORTS_FILE = "devices-ports.json"
STATUS_FILE = "devices-status.json"
METERS_FILE = "devices-meters"
OCPP, OPENADR, SOCKETS, MQTT = "ocpp", "openadr", "websockets", "mqtt"
STATUS_S = 2.0
ASSETS_MOST = 1 << 20


@dataclass(frozen=True)
class Options:
    """How the devices' gateways are run.

    Parameters
    ----------
    token : str
        Of the device link's account, for the fleet's gateway.
    ocpp_port, openadr_port, sockets_port : int
        0: any free one.
    broker : (str, int), optional
        Host and port of an MQTT broker that runs.
    broker_port : int, optional
        Start a mosquitto of our own at this port of the loopback; 0: any free one.
    tls : ssl.SSLContext, optional
        For all ports but the broker's; with client certificates VENs and links are known by theirs.
    """

    data: Path
    token: str = field(repr=False)
    host: str = "127.0.0.1"
    ocpp_port: int = 0
    openadr_port: int = 0
    sockets_port: int = 0
    tls: ssl.SSLContext | None = None
    broker: tuple[str, int] | None = None
    broker_port: int | None = None
    csms: CsmsLimits = field(default_factory=CsmsLimits)
    polls: PollLimits = field(default_factory=PollLimits)
    vtn: VtnLimits = field(default_factory=VtnLimits)
    sockets: SocketLimits = field(default_factory=SocketLimits)
    mqtt: MqttLimits = field(default_factory=MqttLimits)


class Service:
    """The gateways, started and stopped together."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.link: FleetLink | None = None
        self.ports: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stack = contextlib.AsyncExitStack()
        self._mqtt: MqttGateway | None = None
        self._gateways: tuple[Assets, Csms, Fieldbus, Sockets] | None = None

    async def __aenter__(self) -> "Service":
        """Log in, listen, poll. Raises as the client library and the gateways do."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: Any) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def _start(self) -> None:
        options = self._options
        data = options.data
        link = self.link = await FleetLink.connect(data, options.token)
        self._stack.push_async_callback(link.close)
        inverters, chargers, vens, links = read_inverters(data), Chargers(data), Vens(data), Links(data)
        speakers = Speakers(data)
        ids = {each.asset_id for each in inverters} | {each.asset_id for each in vens.all()}
        ids |= {each.asset_id for each in speakers.all()}
        ids.update(chargers.bounds(), *(each.assets for each in links.all()))
        assets = Assets(link, data / METERS_FILE, _largest(ids))
        for line in await asyncio.to_thread(warnings, data, ids, options.token):
            LOG.warning("%s", line)
        csms = Csms(chargers, assets, options.csms)
        self._stack.push_async_callback(csms.stop)
        self.ports[OCPP] = await csms.start(options.host, options.ocpp_port, options.tls)
        vtn = Vtn(data, vens, assets, options.vtn)
        self._stack.push_async_callback(vtn.stop)
        self.ports[OPENADR] = await vtn.start(options.host, options.openadr_port, options.tls)
        sockets = Sockets(links, assets, options.sockets)
        self._stack.push_async_callback(sockets.stop)
        self.ports[SOCKETS] = await sockets.start(options.host, options.sockets_port, options.tls)
        works = [*await self._start_mqtt(speakers, assets), assets.deal(), assets.deal_prices(), self._tell()]
        bus = Fieldbus(inverters, assets, options.polls)
        self._gateways = assets, csms, bus, sockets
        _write(data / PORTS_FILE, self.ports)
        if inverters:  # a bus of none is done at once
            works.append(bus.run())
        self._tasks = [asyncio.create_task(work) for work in works]
        LOG.info("%d inverters; listening: %s", len(inverters), self.ports)

    async def _start_mqtt(self, speakers: Speakers, assets: Assets) -> list[Any]:
        """Start our own broker, if one is wanted, and the gateway to it or another; return what is to run."""
        options = self._options
        broker, address, works = None, options.broker, []
        if options.broker_port is not None:
            broker = Broker(options.data, options.broker_port)
            self._stack.push_async_callback(broker.stop)
            await broker.start()
            address = BROKER_HOST, broker.port
            works.append(broker.wait())
        if address is None:
            return []
        self.ports[MQTT] = address[1]
        self._mqtt = MqttGateway(options.data, speakers, assets, address, broker, options.mqtt)
        return [*works, self._mqtt.run()]

    async def wait(self, stopping: asyncio.Event) -> None:
        """Wait until told to stop; raises what ended a gateway before that."""
        told = asyncio.create_task(stopping.wait())
        done, _ = await asyncio.wait([told, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        for task in done - {told}:
            task.result()

    def status(self) -> dict[str, Any]:
        """Return who is connected, and what was counted."""
        assert self._gateways is not None and self.link is not None, "it has been started"
        assets, csms, bus, sockets = self._gateways
        states = {str(each.inverter.asset_id): each.state for each in bus.pollers}
        return {
            "chargers": csms.connected, "inverters": states, "links": sockets.connected,
            "mqtt": self._mqtt is not None and self._mqtt.is_connected,
            "counts": dict(assets.counts), "fleet": dict(self.link.counts), "prices": assets.sheet,
        }  # fmt: skip

    async def _tell(self) -> None:
        while True:
            _write(self._options.data / STATUS_FILE, self.status())
            await asyncio.sleep(STATUS_S)


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT, then take back what was set, log out and end.

    The ports stand in ``devices-ports.json`` of the folder as soon as they are listened on, who is connected
    and what was counted in ``devices-status.json``.

    Raises
    ------
    RingmainError
        RM301 or RM302 if the fleet's gateway does not let the link in, RM303 if it is gone for too long;
        RM750 to RM759, RM764 to RM767, RM777 and RM778 for the files and ports of the devices; RM768 and
        RM769 if a mosquitto is wanted and is not installed, or does not run.
    """
    asyncio.run(_run(options))


async def _run(options: Options) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with contextlib.AsyncExitStack() as stack:
        service = Service(options)
        starting = asyncio.create_task(stack.enter_async_context(service))
        if await _begun(starting, stopping):
            await service.wait(stopping)


async def _begun(starting: "asyncio.Task[Service]", stopping: asyncio.Event) -> bool:
    """Wait for the start, which may wait long for the fleet; False if it was told to stop before."""
    told = asyncio.create_task(stopping.wait())
    await asyncio.wait([starting, told], return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if starting.done():
        starting.result()
        return True
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    return False


def read_ports(data: Path) -> dict[str, int]:
    """Return the ports of the gateways that run in a folder, or ran last."""
    try:
        return msgspec.json.decode((data / PORTS_FILE).read_bytes(), type=dict[str, int])
    except (FileNotFoundError, msgspec.MsgspecError):
        return {}


def _largest(asset_ids: set[int]) -> int:
    """Return the largest asset id; RM764 if it is none that a fleet has."""
    largest = max(asset_ids, default=0)
    if largest >= ASSETS_MOST:
        raise RingmainError("RM764", "devices", f"asset {largest} is no asset", "Correct the devices' files")
    return largest


def _write(path: Path, content: Any) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(msgspec.json.encode(content) + b"\n")
    temporary.replace(path)
