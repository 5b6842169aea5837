"""MQTT: payloads, and the gateway at a real mosquitto where one is installed."""

import asyncio
import base64
import json
import math

import pytest
from recording import SECOND_NS, RecordingPort, until

from ringmain.client.devices.mqtt_client import MqttAccount, MqttClient
from ringmain.core.errors import RingmainError
from ringmain.gateway.devices import payloads, topics
from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.broker import Broker, program_path
from ringmain.gateway.devices.mqtt import MqttGateway, MqttLimits
from ringmain.gateway.devices.payloads import Telemetry
from ringmain.gateway.devices.readings import UnfitError
from ringmain.gateway.devices.topics import Speaker, Speakers, add_speakers, remove_speaker
from ringmain.gateway.sheets import Sheet


def is_installed() -> bool:
    try:
        program_path()
    except RingmainError:
        return False
    return True


with_mosquitto = pytest.mark.skipif(not is_installed(), reason="mosquitto is not installed")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"measured_ms": 1, "power": NaN, "power_unit": "W"}', "NOT_A_NUMBER"),
        (b'{"measured_ms": 1, "power": -Infinity, "power_unit": "W"}', "NOT_A_NUMBER"),
        (b'{"measured_ms": 1, "power": "5", "power_unit": "W"}', "BAD_MESSAGE"),
        (b'{"measured_ms": 1, "power": 5, "power_unit": "Wh"}', "UNKNOWN_UNIT"),
        (b'{"measured_ms": 1, "power": 5}', "UNKNOWN_UNIT"),
        (b'{"measured_ms": 1, "charged": 5, "power_unit": "W"}', "UNKNOWN_UNIT"),
        (b'{"measured_ms": 1, "power": 5, "power_unit": "W", "more": 1}', "BAD_MESSAGE"),
        (b'{"measured_ms": -1}', "BAD_MESSAGE"),
        (b'{"measured_ms": 9e18}', "BAD_MESSAGE"),
        (b'{"power": 5, "power_unit": "W"}', "BAD_MESSAGE"),
        (b"[]", "BAD_MESSAGE"),
        (b"\xff\x00", "BAD_MESSAGE"),
        (b"", "BAD_MESSAGE"),
    ],
)
def test_garbage_has_a_reason(payload, reason):
    with pytest.raises(UnfitError) as caught:
        payloads.reading(payloads.telemetry(payload))
    assert caught.value.reason == reason


def test_units_are_scaled():
    said = payloads.telemetry(
        b'{"measured_ms": 7, "power": 1.5, "power_unit": "kW", "discharged": 2, "energy_unit": "MWh"}'
    )
    read = payloads.reading(said)
    assert (read.measured_ns, read.power_w, read.discharged_wh) == (7_000_000, 1_500, 2_000_000)
    assert read.charged_wh is None and read.energy_wh is None


def test_a_password_hash_is_mosquittos():
    """Of `mosquitto_passwd -b`, version 2.0.11, for the password "secret"."""
    hashed = (
        "$7$101$kooac7411HLDpTFs$8eHuvhF5x9CmcvXyK+3udWZ0V51m/H3woFNCWjAhRVmf"
        "2NXiLMrub7ZkcXGdsNNgtlrCnuGHLYNiXtuZgG6VkQ=="
    )
    assert topics.password_hash("secret", base64.b64decode("kooac7411HLDpTFs")) == hashed


def test_topics_are_assets():
    assert topics.asset_of(topics.topic_of(17, topics.ACK)) == 17
    for topic in (
        "ringmain/v1/x/ack",
        "ringmain/v1//ack",
        "ringmain/v1/\u0661/ack",
        "else",
        "ringmain/v1/1234567890/ack",
    ):
        assert topics.asset_of(topic) == 0


class Site:
    """A broker, and devices of assets 1 and 2."""

    def __init__(self, data, limits) -> None:
        self.data, self.limits, self.port = data, limits, RecordingPort()
        self.assets = Assets(self.port, data / "meters")
        speakers = [Speaker(n, 5_000, 5_000, 10_000) for n in (1, 2)]
        self.passwords = dict(zip((1, 2), add_speakers(data, speakers), strict=True))
        self.broker = Broker(data)
        self.tasks: list[asyncio.Task] = []
        self.sheets: list[Sheet] = []  # that devices heard

    async def __aenter__(self) -> "Site":
        await self.broker.start()
        self.begin(self.assets.deal())
        self.serving = self.serve()
        return self

    def begin(self, work) -> asyncio.Task:
        self.tasks.append(asyncio.create_task(work))
        return self.tasks[-1]

    def serve(self) -> asyncio.Task:
        address = ("127.0.0.1", self.broker.port)
        self.gateway = MqttGateway(
            self.data, Speakers(self.data), self.assets, address, self.broker, self.limits
        )
        return self.begin(self.gateway.run())

    async def __aexit__(self, *_) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.broker.stop()

    async def device(self, asset_id: int, answer="accepted", password="") -> MqttClient:
        self.heard = []

        def told(setpoint):
            self.heard.append(setpoint)
            return answer

        password = password or self.passwords[asset_id]
        account = MqttAccount("127.0.0.1", self.broker.port, asset_id, password)
        client = MqttClient(account, told, self.sheets.append)
        self.begin(client.run())
        await until(lambda: client.is_connected or client.failures)
        return client

    def now_ms(self) -> int:
        return self.port.now_ns() // 1_000_000


def run(test, data, limits=None) -> None:
    async def body() -> None:
        async with Site(data, limits) as site:
            await test(site)

    asyncio.run(asyncio.wait_for(body(), 40))


@with_mosquitto
def test_telemetry_set_point_and_answer(tmp_path):
    async def test(site):
        device = await site.device(1)
        device.report(Telemetry(site.now_ms(), 1.5, "kW", stored=4_000, energy_unit="Wh"))
        await until(lambda: site.port.reports)
        assert (site.port.reports[0].power_w, site.port.reports[0].energy_wh) == (1_500, 4_000)
        wanted = site.port.want(1, -2_000)
        await until(lambda: site.assets.counts["SETPOINT_ACCEPTED"] == 1)
        assert (site.heard[0].power_w, site.heard[0].number) == (-2_000, wanted.number)
        assert site.heard[0].valid_until_ms == wanted.valid_until_ns // 1_000_000

        late = await site.device(2, "declined")
        site.port.want(2, 9_000)
        await until(lambda: site.assets.counts["SETPOINT_REFUSED"] == 1)
        assert not late.refusals

    run(test, tmp_path)


@with_mosquitto
def test_what_is_refused_is_told(tmp_path):
    async def test(site):
        device = await site.device(1)
        device.publish(topics.TELEMETRY, b'{"measured_ms": 1, "power": NaN, "power_unit": "W"}')
        device.report(Telemetry(site.now_ms(), 3.0, "horse"))
        device.report(Telemetry(site.now_ms() + 60_000, 3.0, "kW"))
        device.report(Telemetry(site.now_ms(), 3_000.0, "kW"))  # W, said to be kW
        device.report(Telemetry(site.now_ms() - 60_000, -3.0, "W", charged=1_000, energy_unit="Wh"))
        device.report(
            Telemetry(site.now_ms(), -3.0, "W", charged=1_050, energy_unit="Wh")
        )  # kW, said to be W
        device.publish(topics.ACK, b'{"number": -1, "answer": "accepted"}')
        device.publish(topics.TELEMETRY, bytes(4_000))
        reasons = {"NOT_A_NUMBER": 1, "UNKNOWN_UNIT": 1, "FUTURE_DATED": 1, "POWER_OUT_OF_RANGE": 1,
                   "WRONG_SCALE": 1, "BAD_MESSAGE": 2}  # fmt: skip
        await until(lambda: device.refusals == reasons)
        assert len(site.port.reports) == 1

    run(test, tmp_path)


@with_mosquitto
def test_the_broker_keeps_each_to_its_own(tmp_path):
    async def test(site):
        stranger = await site.device(2, password="guessed")
        assert stranger.failures and not stranger.is_connected
        device = await site.device(1)
        message = json.dumps({"measured_ms": site.now_ms(), "power": 77, "power_unit": "W"}).encode()
        device.publish(topics.TELEMETRY, message, asset_id=2)
        device.publish(topics.SETPOINT, b"{}")  # nor does it set its own
        device.publish(topics.TELEMETRY, message)
        await until(lambda: site.port.reports)
        await asyncio.sleep(0.2)
        assert [report.asset_id for report in site.port.reports] == [1]
        assert site.heard == []

        remove_speaker(site.data, 1)
        (site.passwords[3],) = add_speakers(site.data, [Speaker(3, 5_000)])
        await asyncio.sleep(0)
        newcomer = await site.device(3)
        await until(lambda: newcomer.is_connected)  # within two seconds the broker has been told
        newcomer.report(Telemetry(site.now_ms(), -1.0, "kW"))
        await until(lambda: len(site.port.reports) == 2)

    run(test, tmp_path)


@with_mosquitto
def test_nothing_is_lost_while_the_gateway_is_away(tmp_path):
    async def test(site):
        device = await site.device(1)
        device.report(Telemetry(site.now_ms() - 30_000, 1.0, "W"))
        await until(lambda: site.port.reports)
        site.serving.cancel()
        await asyncio.gather(site.serving, return_exceptions=True)
        for n in range(10):
            device.report(Telemetry(site.now_ms() - 20_000 + n, float(n), "W"))
        await until(device._waiting.empty)
        await asyncio.sleep(0.1)
        site.assets = Assets(site.port, tmp_path / "meters")  # as a new process has it
        site.begin(site.assets.deal())
        site.serve()
        await until(lambda: len(site.port.reports) == 11)
        assert [report.power_w for report in site.port.reports[1:]] == list(range(10))

    run(test, tmp_path)


@with_mosquitto
def test_a_device_that_comes_back_hears_what_holds_and_a_fast_one_is_refused(tmp_path):
    async def test(site):
        site.port.want(1, 500)
        await until(lambda: site.gateway.is_connected)
        await asyncio.sleep(0.1)
        device = await site.device(1)
        await until(lambda: site.heard and site.heard[0].power_w == 500)
        for n in range(30):
            device.report(Telemetry(site.now_ms() - 1_000 + n, 5.0, "W"))
        await until(lambda: device.refusals["TOO_FAST"] >= 5)
        assert len(site.port.reports) < 30 and math.isclose(site.port.reports[0].power_w, 5)

    run(test, tmp_path, MqttLimits(messages_per_s=1.0, burst=10))


@with_mosquitto
def test_set_points_are_published_until_they_are_answered(tmp_path):
    async def test(site):
        device = await site.device(1)
        times = []
        device._heard = lambda topic, payload: times.append(payload)
        site.port.want(1, 500, lease_s=3.5)
        await until(lambda: site.assets.counts["SETPOINT_UNANSWERED"] == 1)
        assert len(times) >= 2
        assert site.port.now_ns() > SECOND_NS

    run(test, tmp_path)


def test_without_mosquitto_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("ringmain.gateway.devices.broker.PLACES", str(tmp_path))
    monkeypatch.setattr("os.defpath", str(tmp_path))
    with pytest.raises(RingmainError, match=r"RM768.*apt-get install mosquitto"):
        program_path()


def sheet_of(number: int, count: int = 24) -> Sheet:
    begins_ns = 460_000 * 3_600 * SECOND_NS
    ends_ns = begins_ns + count * 3_600 * SECOND_NS
    return Sheet(number, begins_ns + 600 * SECOND_NS, ends_ns, begins_ns, 3_600, tuple(range(-5, count - 5)))


def test_a_payload_of_prices_is_read_or_is_none():
    payload = payloads.prices(sheet_of(9), 5)
    assert payloads.sheet(payload) == sheet_of(9) and len(payload) < 400
    dear = Sheet(1 << 60, 1 << 60, 1 << 60, 0, 900, (-10_000_000,) * 192)
    assert len(payloads.prices(dear, 1 << 60)) < 4_096  # the longest
    said = json.loads(payload)
    for changes in (
        {"price_ticks": ["dear"]}, {"price_ticks": []}, {"period_s": 1}, {"begins_ms": 1 << 70},
        {"valid_until_ms": -1}, {"number": None},
    ):  # fmt: skip
        assert payloads.sheet(json.dumps(said | changes).encode()) is None, changes
    assert payloads.sheet(b"\xff") is None and payloads.sheet(b"[]") is None


@with_mosquitto
def test_prices_reach_every_device_and_who_comes_later_hears_the_newest(tmp_path):
    async def test(site):
        await site.device(1)
        await site.device(2)
        await until(lambda: site.gateway.is_connected)
        site.assets.hand_sheet(sheet_of(5))
        await until(lambda: len(site.sheets) == 2)
        site.assets.hand_sheet(sheet_of(6))
        await until(lambda: len(site.sheets) == 4)
        assert site.sheets == [sheet_of(5)] * 2 + [sheet_of(6)] * 2
        site.passwords |= dict(zip((3,), add_speakers(tmp_path, [Speaker(3, 1, 1, 1)]), strict=True))
        site.broker.reload()
        await asyncio.sleep(0.2)
        await site.device(3)
        await until(lambda: len(site.sheets) == 5)
        assert site.sheets[-1] == sheet_of(6)

    run(test, tmp_path)


@with_mosquitto
def test_a_device_cannot_tell_prices(tmp_path):
    async def test(site):
        liar = await site.device(1)
        await site.device(2)
        liar._waiting.put_nowait((topics.PRICES, payloads.prices(sheet_of(99), 5)))
        await asyncio.sleep(0.3)
        site.assets.hand_sheet(sheet_of(5))
        await until(lambda: len(site.sheets) == 2)
        assert site.sheets == [sheet_of(5)] * 2

    run(test, tmp_path)


@with_mosquitto
def test_readings_of_many_go_to_the_fleet_as_one_batch(tmp_path):
    batches: list[int] = []

    async def test(site):
        many, said = site.port.report_many, list(range(20, 60))
        site.port.report_many = lambda rows: (batches.append(rows.size), many(rows))
        speakers = [Speaker(n, 5_000, 5_000, 10_000) for n in said]
        site.passwords |= dict(zip(said, add_speakers(tmp_path, speakers), strict=True))
        site.gateway._speak_for()
        now_ns = site.port.now_ns()
        for n in said:  # as they come out of the broker, faster than a flush
            power_w = 10 * n if n != 33 else 99_000
            said_n = {"measured_ms": now_ns // 1_000_000, "power": power_w, "power_unit": "W"}
            site.gateway._measured(n, json.dumps(said_n).encode())
        await until(lambda: len(site.port.reports) == 39)
        assert {each.asset_id: each.power_w for each in site.port.reports} == {
            n: 10 * n for n in said if n != 33
        }
        assert site.assets.counts["POWER_OUT_OF_RANGE"] == 1 and batches == [39]

    run(test, tmp_path)
