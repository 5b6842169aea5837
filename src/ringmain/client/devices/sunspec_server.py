"""A Modbus TCP server with SunSpec registers, on pymodbus and pysunspec2: to simulate, and to try things."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from sunspec2 import device as definitions  # type: ignore[import-untyped]

from ringmain.gateway.devices import sunspec

BASE = 40_000
UNIT = 1
Values = Mapping[int, Mapping[str, float | str]]


def register_map(values: Values) -> tuple[list[int], dict[int, int]]:
    """Return the registers from "SunS" to the end marker, and where each model begins, counted from there.

    Parameters
    ----------
    values : by model, each point's raw value, scale factors among them
        Points that are not named are not implemented.
    """
    data, places = bytearray(sunspec.MARKER), {}
    for model_id, points in values.items():
        model: Any = definitions.Model(model_id)
        for name, value in points.items():
            model.points[name].set_value(value)
        places[model_id] = len(data) // 2
        data += model.get_mb()
    data += sunspec.END_MODEL.to_bytes(2, "big") + b"\0\0"
    return [int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2)], places


class SunSpecServer:
    """One device that answers at a port of the loopback.

    Attributes
    ----------
    exception : ExcCodes or None
        What every request is answered with, instead of registers.
    delay_s : float
        How long an answer takes.
    request_count, write_count : int
        Requests so far, and how many of them wrote.
    before_read : callable
        Called before registers are read, to bring them up to date.
    """

    def __init__(self, values: Values, unit: int = UNIT, base: int = BASE) -> None:
        self._values, self._unit, self._base = values, unit, base
        self.exception: ExcCodes | None = None
        self.delay_s = 0.0
        self.request_count = self.write_count = 0
        self.before_read: Callable[[], None] = lambda: None
        self._registers, self._places = register_map(values)
        self._models = {model_id: definitions.Model(model_id) for model_id in values}
        self._server: ModbusTcpServer | None = None
        self._live: list[int] = self._registers

    async def start(self, port: int = 0) -> int:
        """Listen; return the port."""
        device = SimDevice(
            self._unit,
            [SimData(self._base, values=self._registers, datatype=DataType.REGISTERS)],
            action=self._action,
        )
        self._server = ModbusTcpServer(device, address=("127.0.0.1", port))
        await self._server.serve_forever(background=True)
        assert isinstance(self._server.transport, asyncio.Server)
        return int(self._server.transport.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """End."""
        if self._server is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._server.shutdown()  # type: ignore[no-untyped-call]
            await asyncio.sleep(0)

    def get(self, model_id: int, name: str) -> float | None:
        """Return a point in its unit, as it stands in the registers now."""
        place = self._places[model_id]
        length = self._live[place + 1]
        data = b"".join(each.to_bytes(2, "big") for each in self._live[place : place + length + 2])
        return sunspec.ModelData(sunspec.Place(model_id, place, length), data).value(name)

    def set(self, model_id: int, name: str, raw: float) -> None:
        """Write a point's raw value into the registers."""
        point: Any = self._models[model_id].points[name]
        data = point.info.to_data(round(raw), int(point.len) * 2)
        start = self._places[model_id] + point.offset
        for n in range(0, len(data), 2):
            self._live[start + n // 2] = int.from_bytes(data[n : n + 2], "big")

    async def _action(
        self, code: int, start: int, address: int, count: int, registers: list[int], written: Any
    ) -> ExcCodes | None:
        self.request_count += 1
        if self._live is not registers:
            assert start == self._base
            registers[:] = self._live  # the server made its own of them
            self._live = registers
        if written is None:
            self.before_read()
        else:
            self.write_count += 1
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        return self.exception
