"""Inverters and batteries over Modbus TCP: each is polled, told its set-points, and left alone when it fails.

A device is who it is by its address, its unit and the serial number in its registers: one that answers with
another serial number is not listened to and not written to.
"""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from ringmain.core.errors import RingmainError
from ringmain.gateway.credentials import changing, replace_file
from ringmain.gateway.devices import sunspec
from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.fleet_port import Setpoint
from ringmain.gateway.devices.pace import Backoff
from ringmain.gateway.devices.readings import SECOND_NS, Bounds, UnfitError

LOG = logging.getLogger("ringmain.devices")
FILE_NAME = "inverters.json"
CHUNK_REGISTERS = 120  # Modbus allows 125 in one answer
RECHECK_S = 600.0  # so often a device is asked again who it is
DEVICE_FAILED, DEVICE_SILENT = "DEVICE_FAILED", "DEVICE_SILENT"
SETPOINT_WRITTEN, SETPOINT_REFUSED, UNABLE = "SETPOINT_WRITTEN", "SETPOINT_REFUSED", "UNABLE"


class Inverter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device with SunSpec registers: one asset of the fleet.

    Parameters
    ----------
    serial : str
        As model 1 has it.
    kind : "battery" or "solar"
    import_limit_w, export_limit_w, energy_capacity_wh : int
        As it was registered with the fleet.
    unit : int
        Its Modbus address behind host and port.
    poll_s, timeout_s : float
        How often it is read, and how long it may take to answer.
    """

    asset_id: int
    host: str
    serial: str
    kind: Literal["battery", "solar"]
    export_limit_w: int
    import_limit_w: int = 0
    energy_capacity_wh: int = 0
    port: int = 502
    unit: int = 1
    poll_s: float = 5.0
    timeout_s: float = 3.0

    @property
    def bounds(self) -> Bounds:
        """What it can do at most."""
        return Bounds(self.import_limit_w, self.export_limit_w, self.energy_capacity_wh)


@dataclass(frozen=True)
class PollLimits:
    """How a device that fails is left alone: the first pause, the longest, and the circuit's."""

    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    circuit_failures: int = 6
    circuit_pause_s: float = 300.0


def read_inverters(data: Path) -> list[Inverter]:
    """Return the devices of a data folder; RM755 if the file is not one of them, RM756 for what can't be."""
    path = data / FILE_NAME
    try:
        inverters = msgspec.json.decode(path.read_bytes(), type=list[Inverter])
    except FileNotFoundError:
        return []
    except msgspec.MsgspecError as error:
        raise RingmainError("RM755", "inverters", f"{path.name}: {error}", "Correct the file") from None
    for inverter in inverters:
        _check(inverter, path)
    return inverters


def add_inverter(data: Path, inverter: Inverter) -> None:
    """Poll a device from the next start on; one of the same asset is forgotten. RM755, RM756 as above."""
    _check(inverter, data / FILE_NAME)
    with changing(data / FILE_NAME):
        others = [each for each in read_inverters(data) if each.asset_id != inverter.asset_id]
        replace_file(data / FILE_NAME, msgspec.json.encode([*others, inverter]))


def _check(inverter: Inverter, path: Path) -> None:
    limits = (inverter.export_limit_w, inverter.import_limit_w, inverter.energy_capacity_wh)
    what = ""
    if min(limits) < 0:
        what = "has a limit below 0"
    elif not inverter.serial:
        what = "has no serial number"
    elif not (0 < inverter.port < 1 << 16 and 0 <= inverter.unit < 256):
        what = f"port {inverter.port}, unit {inverter.unit} is no Modbus address"
    elif not (0.05 <= inverter.poll_s <= 3_600 and 0.05 <= inverter.timeout_s <= 60):
        what = "poll_s is 0.05 to 3600, timeout_s 0.05 to 60"
    if what:
        who = f"{path.name}: asset {inverter.asset_id}"
        raise RingmainError("RM756", "inverters", f"{who} {what}", "Correct it")


class Poller:
    """One device: its connection, its models, its set-point.

    Attributes
    ----------
    state : str
        ``connecting``, ``polled``, ``paused`` after a failure or ``circuit open`` after many.
    """

    def __init__(self, inverter: Inverter, assets: Assets, limits: PollLimits | None = None) -> None:
        limits = limits or PollLimits()
        self.inverter, self._assets = inverter, assets
        self.state = "connecting"
        self._wanted: Setpoint | None = None
        self._stirred = asyncio.Event()
        self._backoff = Backoff(
            limits.first_pause_s, limits.longest_pause_s, limits.circuit_failures,
            limits.circuit_pause_s, seed=inverter.asset_id,
        )  # fmt: skip

    async def run(self) -> None:
        """Poll for ever."""
        asset_id = self.inverter.asset_id
        self._assets.listen(asset_id, self._want)
        try:
            while True:
                reason = await self._session()
                if reason:
                    self._assets.refuse(asset_id, reason)
                    pause_s = self._backoff.failed()
                    self.state = "circuit open" if self._backoff.is_open else "paused"
                    await asyncio.sleep(pause_s)
        finally:
            self._assets.unlisten(asset_id, self._want)

    def _want(self, setpoint: Setpoint) -> None:
        self._wanted = setpoint
        self._stirred.set()

    async def _session(self) -> str:
        """Connect, ask who it is, poll until something fails or it is time to ask again; return why."""
        inverter = self.inverter
        client = AsyncModbusTcpClient(
            inverter.host, port=inverter.port, timeout=inverter.timeout_s, retries=1, reconnect_delay=0
        )
        registers = Registers(client, inverter.unit)
        try:
            if not await client.connect():
                return DEVICE_SILENT
            places, models = await self._meet(registers)
            deadline = asyncio.get_running_loop().time() + RECHECK_S
            while asyncio.get_running_loop().time() < deadline:
                await self._turn(registers, places, models)
            return ""
        except UnfitError as unfit:
            return unfit.reason
        except (ModbusException, OSError, TimeoutError) as error:
            LOG.debug("asset %d: %s", inverter.asset_id, error)
            return DEVICE_FAILED
        finally:
            client.close()

    async def _meet(self, registers: "Registers") -> tuple[list[sunspec.Place], dict[int, Any]]:
        """Find a device's models and check that it is the one that was meant."""
        places = await registers.discover()
        models = {each.model_id: await registers.model(each) for each in places}
        plate = models.get(sunspec.NAMEPLATE)
        if plate is None or plate.text("SN") != self.inverter.serial:
            raise UnfitError(sunspec.WRONG_SERIAL)
        if self._wanted is not None:
            self._stirred.set()  # it may have been away when that was sent
        return places, models

    async def _turn(
        self, registers: "Registers", places: list[sunspec.Place], models: dict[int, Any]
    ) -> None:
        """Read once, report, and wait until the next time, writing set-points as they come."""
        for place in places:
            if place.model_id not in sunspec.READ_ONCE:
                models[place.model_id] = await registers.model(place)
        inverter = self.inverter
        reading = sunspec.reading_of(
            models, self._assets.port.now_ns(), inverter.kind, inverter.energy_capacity_wh
        )
        self._assets.take(inverter.asset_id, reading)
        self._backoff.succeeded()
        self.state = "polled"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(inverter.poll_s):
                await self._stirred.wait()
        if self._stirred.is_set():
            self._stirred.clear()
            await self._apply(registers, models)

    async def _apply(self, registers: "Registers", models: dict[int, Any]) -> None:
        wanted, inverter = self._wanted, self.inverter
        if wanted is None:
            return
        lease_s = (wanted.valid_until_ns - self._assets.port.now_ns()) // SECOND_NS
        if lease_s < 1:
            return
        power_w = min(max(wanted.power_w, -inverter.import_limit_w), inverter.export_limit_w)
        try:
            writes = sunspec.commands(models, inverter.kind, power_w, lease_s, inverter.export_limit_w)
        except UnfitError as unfit:
            self._assets.refuse(inverter.asset_id, unfit.reason)
            return
        for write in writes:
            if not await registers.write(write):
                self._assets.refuse(inverter.asset_id, SETPOINT_REFUSED)
                return
        self._assets.counts[SETPOINT_WRITTEN] += 1


class Registers:
    """The holding registers of one unit."""

    def __init__(self, client: AsyncModbusTcpClient, unit: int) -> None:
        self._client, self._unit = client, unit

    async def read(self, address: int, count: int) -> bytes:
        """Return registers as bytes; UnfitError with the exception's code if the device refuses that."""
        data = b""
        while count:
            portion = min(count, CHUNK_REGISTERS)
            answer = await self._client.read_holding_registers(address, count=portion, device_id=self._unit)
            if answer.isError() or len(answer.registers) != portion:
                raise UnfitError(f"MODBUS_EXCEPTION_{getattr(answer, 'exception_code', 0)}")
            data += b"".join(register.to_bytes(2, "big") for register in answer.registers)
            address, count = address + portion, count - portion
        return data

    async def write(self, write: sunspec.Write) -> bool:
        """Write registers; False if the device refuses that."""
        answer = await self._client.write_registers(
            write.address, list(write.registers), device_id=self._unit
        )
        return not answer.isError()

    async def model(self, place: sunspec.Place) -> sunspec.ModelData:
        """Read a model."""
        return sunspec.ModelData(place, await self.read(place.address, place.register_count))

    async def discover(self) -> list[sunspec.Place]:
        """Return the models that are known, of all that the device has."""
        address = await self._marker() + 2
        places: list[sunspec.Place] = []
        for _ in range(sunspec.MODELS_MOST):
            model_id = int.from_bytes(await self.read(address, 1), "big")
            if model_id == sunspec.END_MODEL:
                return places
            length = int.from_bytes(await self.read(address + 1, 1), "big")
            if address + length + 2 >= 1 << 16:
                break
            if model_id in sunspec.KNOWN and all(each.model_id != model_id for each in places):
                places.append(sunspec.Place(model_id, address, length))
            address += length + 2
        raise UnfitError(sunspec.BAD_MODEL)

    async def _marker(self) -> int:
        """Return where "SunS" stands."""
        for address in sunspec.BASES:
            with contextlib.suppress(UnfitError):  # no registers there
                if await self.read(address, 2) == sunspec.MARKER:
                    return address
        raise UnfitError(sunspec.NOT_SUNSPEC)


class Fieldbus:
    """All devices of a data folder, each with its own task."""

    def __init__(self, inverters: list[Inverter], assets: Assets, limits: PollLimits | None = None) -> None:
        self.pollers = [Poller(inverter, assets, limits) for inverter in inverters]
        for inverter in inverters:
            assets.add({inverter.asset_id: inverter.bounds}, f"{inverter.host} unit {inverter.unit}")

    async def run(self) -> None:
        """Poll them all for ever."""
        async with asyncio.TaskGroup() as group:
            for poller in self.pollers:
                group.create_task(poller.run())
