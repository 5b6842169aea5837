"""Charge points of both versions, real clients over loopback, against the central system."""

import asyncio
import contextlib
import json

import pytest
from ocpp.v16 import call as call16
from picows import WSHandshakeError, WSMsgType
from recording import SECOND_NS, RecordingPort, until

from ringmain.client.devices.charge_points import (
    ChargePoint16,
    ChargePoint201,
    Identity,
    Measured,
    connect_line,
)
from ringmain.core.errors import RingmainError
from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.chargers import Chargers, Connector, add_charger, remove_charger
from ringmain.gateway.devices.csms import Csms, CsmsLimits

BOTH = pytest.mark.parametrize("version", [ChargePoint16, ChargePoint201])
HOUR_NS = 3_600 * SECOND_NS


class Site:
    """A central system with two charge points: one connector each, assets 1 and 2."""

    def __init__(self, data, export_limit_w: int = 0, **limits) -> None:
        self.data, self.port = data, RecordingPort()
        self.assets = Assets(self.port, data / "meters")
        self.counts = self.assets.counts
        self.passwords = {
            name: add_charger(data, name, {1: Connector(n, 11_000, 60_000, export_limit_w)})
            for n, name in enumerate(("street-1", "street-2"), 1)
        }
        self.csms = Csms(Chargers(data), self.assets, CsmsLimits(**limits))
        self.points: list = []

    async def __aenter__(self) -> "Site":
        self.url = f"ws://127.0.0.1:{await self.csms.start('127.0.0.1', 0)}/ocpp"
        self.dealing = asyncio.create_task(self.assets.deal())
        return self

    async def __aexit__(self, *_) -> None:
        for point in self.points:
            await point.close()
        self.dealing.cancel()
        await asyncio.gather(self.dealing, return_exceptions=True)
        await self.csms.stop()

    def identity(self, name: str = "street-1", password: str | None = None) -> Identity:
        return Identity(name, password or self.passwords[name], self.url)

    async def connect(self, version, name: str = "street-1"):
        point = await version.connect(self.identity(name))
        self.points.append(point)
        await until(lambda: "StatusNotification" in point.triggered)
        return point


def run(test) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


@BOTH
def test_a_car_is_charged_from_plug_to_unplug(tmp_path, version):
    async def test():
        async with Site(tmp_path) as site:
            point, port = await site.connect(version), site.port
            now_ns = port.now_ns()
            assert abs(point.clock_ns - now_ns) < 5 * SECOND_NS
            assert point.outlet(1).limit_w(now_ns) == 0  # what holds without a set-point

            departs_ns = now_ns + 8 * HOUR_NS
            await point.plug(1, now_ns, departs_ns, 20_000)
            assert port.plugged == {1: (departs_ns // SECOND_NS, 20_000)}

            port.want(1, -7_400)
            assert await point.start_charging(1, now_ns, "card-1", 1_000_000)
            await until(lambda: point.outlet(1).limit_w(port.now_ns()) == 7_400)
            assert point.outlet(1).transaction_id == point.transactions[1]
            lease_s = (point.outlet(1).until_ns - port.now_ns()) / SECOND_NS
            assert 290 <= lease_s <= 300

            port.ahead_ns = 60 * SECOND_NS
            await point.meter(1, port.now_ns(), Measured(7_400.0, 1_000_123, is_kilo=True))
            telemetry = port.reports[-1]
            assert (telemetry.asset_id, telemetry.power_w, telemetry.charged_wh) == (1, -7_400, 1_000_123)
            assert telemetry.energy_wh == 123  # counted from the car's arrival, for it does not say

            port.want(1, -3_000)
            await until(lambda: point.outlet(1).limit_w(port.now_ns()) == 3_000)
            port.ahead_ns = 120 * SECOND_NS
            await point.stop_charging(1, port.now_ns(), 1_000_150)
            await point.unplug(1, port.now_ns())
            assert port.plugged == {}
            assert port.reports[-1].charged_wh == 1_000_150
            assert not site.counts["BAD_MESSAGE"] and not site.counts["CALL_REFUSED"]
            assert site.counts["SETPOINT_ACCEPTED"] == 2

    run(test())


def test_a_car_gives_over_2_0_1_as_a_limit_below_zero(tmp_path):
    async def test():
        async with Site(tmp_path, export_limit_w=6_000) as site:
            point, port = await site.connect(ChargePoint201), site.port
            await point.plug(1, port.now_ns(), port.now_ns() + 8 * HOUR_NS, 20_000)
            await point.start_charging(1, port.now_ns(), "card-1", 1_000)
            await point.meter(1, port.now_ns() + 1, Measured(0.0, 1_000.0, given_wh=0.0, soc=0.5))
            port.want(1, 9_000)
            await until(lambda: point.outlet(1).limit_w(port.now_ns()) == -6_000)  # what it can at most
            port.ahead_ns = 60 * SECOND_NS
            await point.meter(1, port.now_ns(), Measured(-6_000.0, 1_000.0, given_wh=100.0))
            told = port.reports[-1]
            assert (told.power_w, told.charged_wh, told.discharged_wh) == (6_000, 1_000, 100)
            assert told.energy_wh == 30_000 - 100  # counted on from what the car said
            assert site.counts["SETPOINT_ACCEPTED"] == 1 and not site.counts["CANNOT_GIVE"]

    run(test())


def test_1_6_cannot_ask_a_car_to_give(tmp_path):
    async def test():
        async with Site(tmp_path, export_limit_w=6_000) as site:
            point, port = await site.connect(ChargePoint16), site.port
            port.want(1, -4_000)
            await point.start_charging(1, port.now_ns(), "card-1", 1_000)
            await until(lambda: point.outlet(1).limit_w(port.now_ns()) == 4_000)
            port.want(1, 6_000)
            await until(lambda: point.outlet(1).limit_w(port.now_ns()) == 0)  # it rests
            assert site.counts["CANNOT_GIVE"] == 1

    run(test())


def test_a_charger_that_was_not_registered_to_give_is_never_asked(tmp_path):
    async def test():
        async with Site(tmp_path) as site:
            point, port = await site.connect(ChargePoint201), site.port
            port.want(1, -4_000)
            await point.start_charging(1, port.now_ns(), "card-1", 1_000)
            await until(lambda: point.outlet(1).limit_w(port.now_ns()) == 4_000)
            port.want(1, 6_000)
            await until(lambda: point.outlet(1).limit_w(port.now_ns()) == 0)
            assert site.counts["CANNOT_GIVE"] == 1

    run(test())


@BOTH
def test_a_car_that_says_its_charge_is_believed(tmp_path, version):
    async def test():
        async with Site(tmp_path) as site:
            point, port = await site.connect(version), site.port
            now_ns = port.now_ns()
            await point.plug(1, now_ns, now_ns + HOUR_NS, 20_000)
            await point.start_charging(1, now_ns, "card-1", 5_000)
            port.ahead_ns = 60 * SECOND_NS
            await point.meter(1, port.now_ns(), Measured(6_000.0, 5_100, soc=0.5))
            assert port.reports[-1].energy_wh == 30_000
            assert port.plugged[1][1] == 30_000 - 100 + 20_000  # what it came with, and what it is to take

    run(test())


@BOTH
@pytest.mark.parametrize(
    ("measured", "ahead_s", "reason"),
    [
        (Measured(7_400_000.0, 100.0), 0, "POWER_OUT_OF_RANGE"),
        (Measured(7_400.0, 100.0), 60, "FUTURE_DATED"),
        (Measured(7_400.0, -5.0), 0, "METER_OUT_OF_RANGE"),
        (Measured(7_400.0, 100.0, soc=2.5), 0, "NOT_A_NUMBER"),
    ],
)
def test_what_cannot_be_true_is_counted_and_not_reported(tmp_path, version, measured, ahead_s, reason):
    async def test():
        async with Site(tmp_path) as site:
            point = await site.connect(version)
            await point.meter(1, site.port.now_ns() + ahead_s * SECOND_NS, measured)
            assert site.counts[reason] == 1 and not site.port.reports
            await point.meter(1, site.port.now_ns(), Measured(7_400.0, 100.0))
            assert len(site.port.reports) == 1

    run(test())


def test_garbage_of_any_kind_ends_nothing(tmp_path):
    bad = [
        "", "{", "[]", "[2]", "null", '[2,"1","Heartbeat"]', '[2,"1",["x"],{}]', '[9,"1","Heartbeat",{}]',
        '[2,"1","NoSuchThing",{}]', '[2,"1","MeterValues",{"connectorId":"one"}]', "[" * 5_000,
        '[2,"1","BootNotification",{}]', '[3,"nobody asked",{}]', '[4,"nobody asked","GenericError","",{}]',
        json.dumps([2, "1", "MeterValues", {"connectorId": 1, "meterValue": [
            {"timestamp": "2023-11-14T22:13:20Z",
             "sampledValue": [{"value": "NaN", "measurand": "Power.Active.Import"}]},
            {"timestamp": "soon", "sampledValue": [{"value": "7"}]}]}]),
        json.dumps([2, "1", "MeterValues", {"connectorId": 7, "meterValue": [
            {"timestamp": "2023-11-14T22:13:20Z", "sampledValue": [{"value": "1"}]}]}]),
        json.dumps([2, "1", "StopTransaction", {"transactionId": 99, "meterStop": 1,
                                                "timestamp": "2023-11-14T22:13:20Z"}]),
        json.dumps([2, "1", "StartTransaction", {"connectorId": -1, "meterStart": 1, "idTag": "card",
                                                 "timestamp": "2023-11-14T22:13:20Z"}]),
    ]  # fmt: skip

    async def test():
        async with Site(tmp_path) as site:
            point = await site.connect(ChargePoint16)
            for _ in range(2):  # by then the greeting's last answer has been taken
                await point.heartbeat()
            for text in bad:
                await point.line.send(text)
            await point.heartbeat()
            assert site.csms.connected == ["street-1"] and not site.port.reports
            for reason in ("BAD_MESSAGE", "UNASKED_ANSWER", "NOT_A_NUMBER", "BAD_TIME", "UNKNOWN_CONNECTOR"):
                assert site.counts[reason] >= 1, reason
            assert site.counts["UNKNOWN_TRANSACTION"] == 1

    run(test())


@pytest.mark.parametrize(
    ("name", "password", "user", "subprotocols", "status", "reason"),
    [
        ("street-9", "whatever", "street-9", "ocpp1.6", 404, "UNKNOWN_CHARGER"),
        ("street-1", "wrong", "street-1", "ocpp1.6", 401, "WRONG_PASSWORD"),
        ("street-1", "street-2's", "street-2", "ocpp1.6", 401, "WRONG_PASSWORD"),
        ("street-1", "street-2's", "street-1", "ocpp1.6", 401, "WRONG_PASSWORD"),
        ("street-1", "street-1's", "street-1", "ocpp1.5, mqtt", 400, "NO_SUBPROTOCOL"),
    ],
)
def test_who_is_not_let_in(tmp_path, name, password, user, subprotocols, status, reason):
    async def test():
        async with Site(tmp_path) as site:
            known = site.passwords.get(password.removesuffix("'s"), password)
            with pytest.raises(WSHandshakeError) as refused:
                await connect_line(f"{site.url}/{name}", user, known, subprotocols)
            assert refused.value.response.status == status
            assert site.counts[reason] == 1 and site.csms.connected == []

    run(test())


def test_the_newest_version_that_both_speak_is_chosen(tmp_path):
    async def test():
        async with Site(tmp_path) as site:
            line = await connect_line(
                f"{site.url}/street-1", "street-1", site.passwords["street-1"], "ocpp1.6, ocpp2.0.1"
            )
            assert line.transport.response.headers["Sec-WebSocket-Protocol"] == "ocpp2.0.1"
            line.transport.disconnect()

    run(test())


def test_a_charger_speaks_for_its_own_assets_alone(tmp_path):
    async def test():
        async with Site(tmp_path) as site:
            one, two = await site.connect(ChargePoint16), await site.connect(ChargePoint16, "street-2")
            await two.start_charging(1, site.port.now_ns(), "card", 0)
            others = two.transactions[1]
            reports = len(site.port.reports)
            await one.call(call16.StopTransaction(99, "2023-11-14T22:13:20Z", others))
            await one.call(call16.StatusNotification(2, "NoError", "Available"))
            assert site.counts["UNKNOWN_TRANSACTION"] == 1 and site.counts["UNKNOWN_CONNECTOR"] == 1
            assert 2 in site.port.plugged and len(site.port.reports) == reports
            site.port.want(2, -5_000)
            await until(lambda: two.outlet(1).limit_w(site.port.now_ns()) == 5_000)
            assert one.outlet(1).limit_w(site.port.now_ns()) == 0

    run(test())


def test_a_newer_connection_replaces_the_older_one(tmp_path):
    async def test():
        async with Site(tmp_path) as site:
            first = await site.connect(ChargePoint16)
            await first.start_charging(1, site.port.now_ns(), "card", 0)
            second = await site.connect(ChargePoint16)
            second.transactions = dict(first.transactions)
            await until(lambda: first.line.is_gone)
            assert first.line.close_code == 1008
            site.port.want(1, -4_000)
            await until(lambda: second.outlet(1).limit_w(site.port.now_ns()) == 4_000)
            assert site.csms.connected == ["street-1"] and site.counts["REPLACED"] == 1

    run(test())


def test_cards_that_may_not_charge(tmp_path):
    async def test():
        async with Site(tmp_path) as site:
            connectors = {1: Connector(3, 11_000, 60_000)}
            site.passwords["depot"] = add_charger(tmp_path, "depot", connectors, ["card-1"])
            for version in (ChargePoint16, ChargePoint201):
                point = await site.connect(version, "depot")
                assert not await point.start_charging(1, site.port.now_ns(), "card-2", 0)
                assert 3 not in site.port.plugged
            assert await point.start_charging(1, site.port.now_ns(), "card-1", 0)

    run(test())


def test_a_flood_ends_the_connection_and_nothing_else(tmp_path):
    async def test():
        async with Site(tmp_path, waiting=16, messages_per_s=50, burst=5) as site:
            other = await site.connect(ChargePoint201, "street-2")
            line = await connect_line(
                f"{site.url}/street-1", "street-1", site.passwords["street-1"], "ocpp1.6"
            )
            with contextlib.suppress(ConnectionError):
                for n in range(1_000):
                    await line.send(f'[2,"{n}","Heartbeat",{{}}]')
            await until(lambda: line.is_gone)
            assert site.counts["TOO_MANY_WAITING"] == 1
            await other.heartbeat()
            assert site.csms.connected == ["street-2"]

    run(test())


def test_long_half_and_binary_messages(tmp_path):
    async def test():
        async with Site(tmp_path, message_bytes=2_000) as site:
            point = await site.connect(ChargePoint16)
            text = b'[2,"5","Heartbeat",{}]'
            wire = point.line.transport
            wire.send(WSMsgType.TEXT, text[:7], fin=False)
            wire.send(WSMsgType.CONTINUATION, text[7:], fin=False)
            await asyncio.sleep(0.05)
            assert site.csms.connected == ["street-1"]
            wire.send(WSMsgType.CONTINUATION, b"", fin=True)
            await until(lambda: point._response_queue.qsize() == 1)  # the answer to what it sent in parts
            for n in range(4):
                wire.send(WSMsgType.TEXT if not n else WSMsgType.CONTINUATION, b"x" * 600, fin=False)
            await until(lambda: point.line.is_gone)
            assert site.counts["TOO_BIG"] == 1
            again = await site.connect(ChargePoint16)
            again.line.transport.send(WSMsgType.BINARY, b"\x00\x01")
            await until(lambda: again.line.is_gone)
            assert site.counts["NOT_TEXT"] == 1

    run(test())


def test_a_charger_that_was_removed_is_put_out(tmp_path):
    async def test():
        async with Site(tmp_path) as site:
            point = await site.connect(ChargePoint16)
            remove_charger(tmp_path, "street-1")
            await until(lambda: point.line.is_gone)
            assert site.counts["REVOKED"] == 1

    run(test())


def test_profiles_are_taken_back_when_the_gateway_ends(tmp_path):
    async def test():
        async with Site(tmp_path) as site:
            point = await site.connect(ChargePoint16)
            cleared = point.outlet(1).cleared_count
            await point.start_charging(1, site.port.now_ns(), "card", 0)
            site.port.want(1, -4_000)
            await until(lambda: point.outlet(1).limit_w(site.port.now_ns()) == 4_000)
            await site.csms.stop()
            assert point.outlet(1).cleared_count == cleared + 1
            assert point.outlet(1).limit_w(site.port.now_ns()) == 0

    run(test())


def test_setpoints_that_come_late_or_out_of_order_are_dropped(tmp_path):
    async def test():
        async with Site(tmp_path) as site:
            point = await site.connect(ChargePoint16)
            await point.start_charging(1, site.port.now_ns(), "card", 0)
            old, new = site.port.want(1, -4_000), site.port.want(1, -5_000)
            await until(lambda: point.outlet(1).limit_w(site.port.now_ns()) == 5_000)
            site.assets.hand(old)
            site.assets.hand(site.port.want(1, -6_000, lease_s=-1))
            site.assets.hand(site.port.want(9, -6_000))
            await point.heartbeat()
            assert point.outlet(1).limit_w(site.port.now_ns()) == 5_000 and new.power_w == -5_000
            assert site.counts["SETPOINT_TOO_LATE"] and site.counts["SETPOINT_FOR_NOBODY"]

    run(test())


def test_files_that_cannot_be_are_named(tmp_path):
    add_charger(tmp_path, "a", {1: Connector(1, 11_000, 60_000)})
    with pytest.raises(RingmainError, match=r"RM752.*asset 1 is at another connector too"):
        add_charger(tmp_path, "b", {1: Connector(1, 11_000, 60_000)})
    with pytest.raises(RingmainError, match=r"RM752.*an identity is"):
        add_charger(tmp_path, "b/c", {1: Connector(2, 11_000, 60_000)})
    with pytest.raises(RingmainError, match="RM753"):
        remove_charger(tmp_path, "b")
    (tmp_path / "chargers.json").write_text('[{"charger_id": 7}]')
    with pytest.raises(RingmainError, match="RM751"):
        Chargers(tmp_path).all()


def test_no_password_is_kept(tmp_path):
    password = add_charger(tmp_path, "a", {1: Connector(1, 11_000, 60_000)})
    assert 16 <= len(password) <= 40
    assert password not in (tmp_path / "chargers.json").read_text()
    assert (tmp_path / "chargers.json").stat().st_mode & 0o077 == 0
