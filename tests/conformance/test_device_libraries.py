"""The devices' gateways beside clients and servers that others wrote, used as their own documents say.

aiohttp's websockets under ocpp's charge points and, with struct, for binary records; pysunspec2's Modbus
client on the simulated registers, and openleadr's VEN with nothing around it.
"""

import asyncio
import base64
import struct
from datetime import UTC, datetime, timedelta

import aiohttp
import numpy as np
import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call as call16
from ocpp.v16 import call_result as result16
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call as call201
from ocpp.v201 import call_result as result201
from openleadr import OpenADRClient
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from ringmain.client.devices.loop_thread import LoopThread
from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.chargers import Chargers, Connector, add_charger
from ringmain.gateway.devices.csms import Csms
from ringmain.gateway.devices.fleet_port import SETPOINT, Setpoint, Telemetry
from ringmain.gateway.devices.links import Link, LinkAsset, Links, add_links
from ringmain.gateway.devices.openadr import PREFIX, Vtn, VtnLimits
from ringmain.gateway.devices.sockets import Sockets
from ringmain.gateway.devices.vens import Ven, Vens, add_ven
from ringmain.world.inverters import BatteryInverter, SolarInverter, serve

SECOND_NS = 1_000_000_000


class Ledger:
    """The fleet's side, which only notes."""

    def __init__(self) -> None:
        self.reports, self.plugged = [], {}

    def now_ns(self) -> int:
        return int(datetime.now(UTC).timestamp() * SECOND_NS)

    def report(self, telemetry) -> None:
        self.reports.append(telemetry)

    def report_many(self, reports) -> None:
        self.reports += [Telemetry(*row) for row in reports.tolist()]

    def room(self) -> int:
        return 1 << 30

    def plug_in(self, asset_id, departs_s, required_wh) -> None:
        self.plugged[asset_id] = required_wh

    def unplug(self, asset_id) -> None:
        del self.plugged[asset_id]


class Socket:
    """aiohttp's websocket with the two methods that ocpp asks for."""

    def __init__(self, socket) -> None:
        self._socket = socket

    async def recv(self) -> str:
        return await self._socket.receive_str()

    async def send(self, text: str) -> None:
        await self._socket.send_str(text)


class Own16(ChargePoint16):
    profiles: list

    @on("SetChargingProfile")
    def profile(self, connector_id, cs_charging_profiles):
        self.profiles.append(cs_charging_profiles)
        return result16.SetChargingProfile("Accepted")

    @on("ClearChargingProfile")
    def clear(self, **_):
        return result16.ClearChargingProfile("Unknown")


class Own201(ChargePoint201):
    profiles: list

    @on("SetChargingProfile")
    def profile(self, evse_id, charging_profile):
        self.profiles.append(charging_profile)
        return result201.SetChargingProfile("Accepted")

    @on("ClearChargingProfile")
    def clear(self, **_):
        return result201.ClearChargingProfile("Unknown")


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def charge_16(point) -> None:
    await point.call(call16.BootNotification(charge_point_vendor="V", charge_point_model="M"), suppress=False)
    await point.call(call16.Authorize("card"), suppress=False)
    await point.call(
        call16.StatusNotification(connector_id=1, error_code="NoError", status="Preparing"), suppress=False
    )
    started = await point.call(call16.StartTransaction(1, "card", 1_000, now()), suppress=False)
    value = {"timestamp": now(), "sampledValue": [
        {"value": "3.6", "unit": "kW", "measurand": "Power.Active.Import", "context": "Sample.Periodic"},
        {"value": "1.001", "unit": "kWh"}]}  # fmt: skip
    await point.call(call16.MeterValues(1, [value], started.transaction_id), suppress=False)


async def charge_201(point) -> None:
    station = {"model": "M", "vendorName": "V"}
    await point.call(call201.BootNotification(station, "PowerUp"), suppress=False)
    await point.call(call201.Authorize({"idToken": "card", "type": "Central"}), suppress=False)
    await point.call(call201.StatusNotification(now(), "Occupied", 1, 1), suppress=False)
    value = {"timestamp": now(), "sampledValue": [
        {"value": 3.6, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W", "multiplier": 3}},
        {"value": 1_001}]}  # fmt: skip
    event = call201.TransactionEvent(
        event_type="Started", timestamp=now(), trigger_reason="Authorized", seq_no=0,
        transaction_info={"transactionId": "T-1", "chargingState": "Charging"},
        evse={"id": 1, "connectorId": 1}, id_token={"idToken": "card", "type": "Central"},
        meter_value=[value],
    )  # fmt: skip
    await point.call(event, suppress=False)


@pytest.mark.parametrize(
    ("version", "subprotocol", "charge"),
    [(Own16, "ocpp1.6", charge_16), (Own201, "ocpp2.0.1", charge_201)],
)
def test_ocpp_over_another_websocket(tmp_path, version, subprotocol, charge):
    async def test():
        ledger = Ledger()
        assets = Assets(ledger, tmp_path / "meters")
        password = add_charger(tmp_path, "CP=1", {1: Connector(1, 11_000, 60_000)})
        csms = Csms(Chargers(tmp_path), assets)
        url = f"http://127.0.0.1:{await csms.start('127.0.0.1', 0)}/ocpp/CP%3D1"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=(subprotocol,), headers=basic("CP=1", password)) as socket,
        ):
            assert socket.protocol == subprotocol
            point = version("CP=1", Socket(socket))
            point.profiles = []
            reading = asyncio.create_task(point.start())
            await charge(point)
            assert ledger.reports[-1].power_w == -3_600 and ledger.reports[-1].charged_wh == 1_001
            assert ledger.plugged == {1: 10_000}
            assets.hand(Setpoint(1, -2_000, ledger.now_ns() + 300 * SECOND_NS, 1))
            async with asyncio.timeout(10):
                while not any(each["charging_profile_purpose"] == "TxProfile" for each in point.profiles):
                    await asyncio.sleep(0.01)
            schedule = point.profiles[-1]["charging_schedule"]
            schedule = schedule[0] if isinstance(schedule, list) else schedule
            assert schedule["charging_rate_unit"] == "W"
            assert schedule["charging_schedule_period"] == [{"start_period": 0, "limit": 2_000}]
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        await csms.stop()
        await asyncio.sleep(0.05)  # for aiohttp, which closes behind its back

    asyncio.run(asyncio.wait_for(test(), 30))


@pytest.mark.parametrize("made", [BatteryInverter, SolarInverter])
def test_pysunspec2_finds_the_simulated_registers(made):
    loop = LoopThread()
    inverter = made("SN-1", 3, Ledger().now_ns)
    device = SunSpecModbusClientDeviceTCP(
        slave_id=1, ipaddr="127.0.0.1", ipport=serve(inverter, loop), timeout=5
    )
    try:
        device.scan()
        assert device.common[0].SN.value == "SN-1"
        assert not any(model.error_info for model in device.model_list)
        if made is BatteryInverter:
            assert device.models[713][0].SoC.cvalue == pytest.approx(
                100 * inverter.energy_wh / inverter.capacity_wh, abs=0.1
            )
            device.connect()
            control = device.models[704][0]
            for name, value in (("WSetMod", 1), ("WSetRvrtTms", 60), ("WSet", 1_500.0), ("WSetEna", 1)):
                control.points[name].cvalue = value
            control.write()
            device.models[701][0].read()
            device.models[701][0].read()
            assert device.models[701][0].W.cvalue == 1_500 == inverter.power_w
        else:
            assert device.models[121][0].WMax.cvalue == inverter.peak_w
    finally:
        device.disconnect()
        loop.run(inverter.server.stop())
        loop.close()


def test_a_stock_ven(tmp_path):
    async def test():
        ledger = Ledger()
        assets = Assets(ledger, tmp_path / "meters")
        token = add_ven(tmp_path, Ven("shop", 1, 20_000))
        vtn = Vtn(tmp_path, Vens(tmp_path), assets, VtnLimits(shortest_sampling_s=1.0))
        port = await vtn.start("127.0.0.1", 0)
        client = OpenADRClient(ven_name="shop", vtn_url=f"http://shop:{token}@127.0.0.1:{port}{PREFIX}")
        heard = asyncio.Queue()

        async def on_event(event):
            heard.put_nowait(event)
            return "optIn"

        async def takes_kw():
            return 4.5

        client.add_report(
            callback=takes_kw, resource_id="meter", measurement="REAL_POWER", scale="k",
            sampling_rate=timedelta(seconds=1), report_duration=timedelta(hours=1),
        )  # fmt: skip
        client.add_handler("on_event", on_event)
        assets.hand(Setpoint(1, -2_000, ledger.now_ns() + 300 * SECOND_NS, 1))
        await client.run()
        event = await asyncio.wait_for(heard.get(), 10)
        (signal,) = event["event_signals"]
        assert (signal["signal_name"], signal["signal_type"]) == ("LOAD_DISPATCH", "setpoint")
        assert signal["intervals"][0]["signal_payload"] == 2_000
        assert signal["measurement"]["unit"] == "W"
        async with asyncio.timeout(15):
            while not (ledger.reports and vtn.opts):
                await asyncio.sleep(0.05)
        assert ledger.reports[-1].power_w == -4_500
        assert vtn.opts[-1].opt == "optIn"
        await client.stop()
        await vtn.stop()

    asyncio.run(asyncio.wait_for(test(), 30))


def test_binary_records_over_another_websocket(tmp_path):
    """Layouts as docs/howto/websockets.md has them."""

    async def test():
        ledger = Ledger()
        assets = Assets(ledger, tmp_path / "meters")
        (token,) = add_links(tmp_path, [Link("box", {7: LinkAsset(5_000, 5_000, 10_000)})])
        sockets = Sockets(Links(tmp_path), assets)
        url = f"http://127.0.0.1:{await sockets.start('127.0.0.1', 0)}/"
        bearer = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=bearer) as socket:
            kind, version, _, _, now_ns = struct.unpack("<HBBIq24x", await socket.receive_bytes())
            assert (kind, version) == (5, 1) and abs(now_ns - ledger.now_ns()) < SECOND_NS
            said = (now_ns, 120_000.5, 95_000.0, -1_500.0, 4_200.0)
            await socket.send_bytes(struct.pack("<HBBIqddff", 1, 1, 15, 7, *said))
            until_ns = now_ns + 300 * SECOND_NS
            assets.hand_many(np.array([(7, -2_000, until_ns, 71)], SETPOINT))
            told = struct.unpack("<HBBIqq8xi4x", await socket.receive_bytes())
            assert told == (2, 1, 0, 7, 71, until_ns, -2_000)
            ahead_ns = now_ns + 60 * SECOND_NS
            await socket.send_bytes(struct.pack("<HBBIqH22x", 3, 1, 0, 7, 71, 0))
            await socket.send_bytes(struct.pack("<HBBIqddff", 1, 1, 1, 7, ahead_ns, 0, 0, 5, 0))
            kind, _, _, asset_id, measured_ns, reason = struct.unpack(
                "<HBBIqH22x", await socket.receive_bytes()
            )
            assert (kind, asset_id, measured_ns, reason) == (4, 7, ahead_ns, 6)
        assert assets.counts["SETPOINT_ACCEPTED"] == 1
        (report,) = ledger.reports
        assert (report.power_w, report.charged_wh, report.discharged_wh, report.energy_wh) == (
            -1_500, 120_000, 95_000, 4_200,
        )  # fmt: skip
        await sockets.stop()
        await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(test(), 30))
