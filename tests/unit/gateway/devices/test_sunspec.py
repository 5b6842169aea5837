"""Inverters with real registers over Modbus TCP on loopback, and what goes wrong with them."""

import asyncio
import contextlib

import pytest
from pymodbus.constants import ExcCodes
from recording import SECOND_NS, RecordingPort, until

from ringmain.client.devices.sunspec_server import SunSpecServer
from ringmain.core.errors import RingmainError
from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.modbus import (
    Fieldbus,
    Inverter,
    PollLimits,
    add_inverter,
    read_inverters,
)
from ringmain.world.inverters import BatteryInverter, SolarInverter

NOON_NS = 12 * 3_600 * SECOND_NS
QUICK = PollLimits(0.02, 0.1, circuit_failures=4, circuit_pause_s=30.0)


class Roof:
    """A gateway that polls one device."""

    def __init__(self, data) -> None:
        self.port = RecordingPort()
        self.assets = Assets(self.port, data / "meters")
        self.counts = self.assets.counts
        self.works: list = []

    async def poll(self, server, kind="battery", serial="SN-7", **options) -> None:
        port = await server.start() if isinstance(server, SunSpecServer) else server
        self.server = server
        values = {"export_limit_w": 5_000, "import_limit_w": 5_000, "energy_capacity_wh": 10_000,
                  "poll_s": 0.05, "timeout_s": 0.3} | options  # fmt: skip
        inverter = Inverter(1, "127.0.0.1", serial, kind, port=port, **values)
        self.bus = Fieldbus([inverter], self.assets, QUICK)
        self.works = [asyncio.create_task(self.bus.run()), asyncio.create_task(self.assets.deal())]

    async def close(self) -> None:
        for work in self.works:
            work.cancel()
        await asyncio.gather(*self.works, return_exceptions=True)
        if isinstance(self.server, SunSpecServer):
            await self.server.stop()

    @property
    def last(self):
        return self.port.reports[-1]


@contextlib.asynccontextmanager
async def roof(data):
    made = Roof(data)
    try:
        yield made
    finally:
        await made.close()


def run(test) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


def battery_values(**changes) -> dict:
    values = {
        1: {"Mn": "R", "Md": "B", "SN": "SN-7"},
        103: {"W": 150, "W_SF": 1, "WH": 77, "WH_SF": 3},
        802: {"WHRtg": 100, "WHRtg_SF": 2, "SoC": 505, "SoC_SF": -1},
    }
    for model_id, points in changes.items():
        values[int(model_id[1:])] |= points
    return values


@pytest.mark.parametrize("is_older", [False, True])
def test_a_battery_follows_its_setpoints_until_the_lease_ends(tmp_path, is_older):
    async def test():
        async with roof(tmp_path) as site:
            port = site.port
            battery = BatteryInverter("SN-7", seed=3, clock=port.now_ns, is_older=is_older)
            await site.poll(battery.server)
            await until(lambda: port.reports)
            assert site.last.power_w == 0
            assert site.last.energy_wh == pytest.approx(battery.energy_wh, abs=11)
            port.want(1, 3_000)
            await until(lambda: site.last.power_w == 3_000)
            port.want(1, -9_000)  # more than it can
            await until(lambda: site.last.power_w == -5_000)
            charged_wh = site.last.charged_wh
            port.ahead_ns += 60 * SECOND_NS
            await until(lambda: site.last.charged_wh > charged_wh)
            assert site.last.charged_wh - charged_wh == pytest.approx(5_000 / 60, abs=3)
            port.ahead_ns += 241 * SECOND_NS  # nobody renews the lease: the device itself reverts
            await until(lambda: site.last.power_w == 0)
            assert site.counts["SETPOINT_WRITTEN"] == 2

    run(test())


def test_a_roof_gives_less_until_the_lease_ends(tmp_path):
    async def test():
        async with roof(tmp_path) as site:
            port = site.port
            port.ahead_ns = NOON_NS - port.now_ns() % (2 * NOON_NS) + 2 * NOON_NS
            sun = SolarInverter("SN-7", seed=3, clock=port.now_ns)
            await site.poll(sun.server, "solar", export_limit_w=8_000, import_limit_w=0, energy_capacity_wh=0)
            await until(lambda: port.reports)
            assert (
                site.last.power_w == pytest.approx(sun.sunlight_w(port.now_ns()), abs=2)
                and sun.power_w > 3_000
            )
            assert site.last.discharged_wh == pytest.approx(sun.discharged_wh, abs=2)
            port.want(1, 2_000)
            await until(lambda: site.last.power_w == 2_000)
            port.want(1, 8_000)  # all it can
            await until(lambda: site.last.power_w > 3_000)
            assert sun.server.get(123, "WMaxLim_Ena") == 0
            port.want(1, 1_000, lease_s=20)
            await until(lambda: site.last.power_w == 1_000)
            port.ahead_ns += 21 * SECOND_NS
            await until(lambda: site.last.power_w > 3_000)

    run(test())


def test_scale_factors_are_heeded(tmp_path):
    async def test():
        async with roof(tmp_path) as site:
            await site.poll(SunSpecServer(battery_values(), base=0))
            await until(lambda: site.port.reports)
            assert (site.last.power_w, site.last.energy_wh) == (1_500, 5_050)
            site.port.want(1, 1_000)  # models 103 and 802 take no command
            await until(lambda: site.counts["NO_CONTROL"])

    run(test())


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (battery_values(_103={"W_SF": 3}), "POWER_OUT_OF_RANGE"),  # a wrong scale factor
        (battery_values(_103={"W_SF": None}), "BAD_SCALE_FACTOR"),
        (battery_values(_103={"W_SF": 31}), "BAD_SCALE_FACTOR"),
        (battery_values(_103={"W": None}), "NO_MEASUREMENT"),
        (battery_values(_802={"SoC": 1_300}), "ENERGY_OUT_OF_RANGE"),
        (battery_values(_802={"SoC": None}), "NO_MEASUREMENT"),
        (battery_values(_1={"SN": "SN-8"}), "WRONG_SERIAL"),
        ({1: {"SN": "SN-7"}}, "NO_MEASUREMENT"),
    ],
)
def test_what_cannot_be_is_counted_and_not_reported(tmp_path, values, reason):
    async def test():
        async with roof(tmp_path) as site:
            await site.poll(SunSpecServer(values))
            await until(lambda: site.counts[reason] >= 2)
            assert not site.port.reports

    run(test())


def test_a_device_of_another_serial_is_not_written_to(tmp_path):
    async def test():
        async with roof(tmp_path) as site:
            battery = BatteryInverter("SN-8", seed=3, clock=site.port.now_ns)
            site.port.want(1, 3_000)
            await site.poll(battery.server)
            await until(lambda: site.counts["WRONG_SERIAL"] >= 3)
            assert battery.server.write_count == 0

    run(test())


def test_a_register_map_that_is_cut_off(tmp_path):
    async def test():
        async with roof(tmp_path) as site:
            server = SunSpecServer(battery_values())
            server._registers = server._registers[:100]
            server._live = server._registers
            await site.poll(server)
            await until(lambda: site.counts["MODBUS_EXCEPTION_2"] >= 2)
            assert not site.port.reports

    run(test())


def test_a_length_that_leads_nowhere(tmp_path):
    async def test():
        async with roof(tmp_path) as site:
            server = SunSpecServer(battery_values())
            server._registers[3] = 0xFFF0
            await site.poll(server)
            await until(lambda: site.counts["BAD_MODEL"] >= 2)

    run(test())


def test_an_exception_a_silence_and_nobody_open_the_circuit(tmp_path):
    async def test():
        async with roof(tmp_path) as site:
            battery = BatteryInverter("SN-7", seed=3, clock=site.port.now_ns)
            await site.poll(battery.server)
            await until(lambda: site.port.reports)
            battery.server.exception = ExcCodes.DEVICE_BUSY
            await until(lambda: site.counts["MODBUS_EXCEPTION_6"] or site.counts["NOT_SUNSPEC"])
            battery.server.exception = None
            count = len(site.port.reports)
            await until(lambda: len(site.port.reports) > count + 1)  # it comes back by itself
            battery.server.delay_s = 5.0
            await until(lambda: site.counts["DEVICE_FAILED"] >= 1)
            await until(lambda: site.bus.pollers[0].state == "circuit open", 20)
            asked = battery.server.request_count
            await asyncio.sleep(0.3)
            assert battery.server.request_count == asked

    run(test())


def test_nobody_there_and_half_an_answer(tmp_path):
    async def test():
        async def half(reader, writer):
            request = await reader.read(100)
            writer.write(request[:4] + b"\x00\x07\x01\x03\x04Su")  # and no more
            await writer.drain()
            await reader.read()
            writer.close()

        listener = await asyncio.start_server(half, "127.0.0.1", 0)
        async with roof(tmp_path) as site:
            await site.poll(listener.sockets[0].getsockname()[1])
            await until(lambda: site.counts["DEVICE_FAILED"] >= 1)
            listener.close()
            await until(lambda: site.counts["DEVICE_SILENT"] >= 1)
            assert not site.port.reports

    run(test())


def test_one_asset_has_one_device(tmp_path):
    inverter = Inverter(1, "127.0.0.1", "SN-7", "solar", 5_000)
    with pytest.raises(RingmainError, match="RM750"):
        Fieldbus([inverter, inverter], Assets(RecordingPort(), tmp_path / "meters"))


def test_devices_are_kept_in_a_file(tmp_path):
    inverter = Inverter(1, "127.0.0.1", "SN-7", "solar", 5_000)
    add_inverter(tmp_path, inverter)
    add_inverter(tmp_path, Inverter(1, "127.0.0.1", "SN-9", "solar", 5_000))
    assert [each.serial for each in read_inverters(tmp_path)] == ["SN-9"]
    for wrong in ({"serial": ""}, {"port": 70_000}, {"export_limit_w": -1}, {"poll_s": 0.0}):
        fields = {"serial": "SN-7", "kind": "solar", "export_limit_w": 5_000} | wrong
        with pytest.raises(RingmainError, match="RM756"):
            add_inverter(tmp_path, Inverter(2, "127.0.0.1", **fields))
    (tmp_path / "inverters.json").write_text("{}")
    with pytest.raises(RingmainError, match="RM755"):
        read_inverters(tmp_path)
