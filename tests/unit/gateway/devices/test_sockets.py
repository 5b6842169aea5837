"""Binary websockets over the loopback: who may say what, and what comes of it."""

import asyncio
import base64
import hashlib
import ssl
from collections import Counter

import numpy as np
import pytest
from certificates import owned
from picows import WSCloseCode, WSMsgType
from recording import SECOND_NS, RecordingPort, until

from ringmain.client.devices.link_client import LinkAccount, LinkClient, accept
from ringmain.core.errors import RingmainError
from ringmain.gateway.certificate import make
from ringmain.gateway.devices import frames
from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.links import Link, LinkAsset, Links, add_links, remove_link
from ringmain.gateway.devices.readings import READING
from ringmain.gateway.devices.sockets import SocketLimits, Sockets
from ringmain.gateway.sheets import Sheet
from ringmain.gateway.tls import Tls

BATTERY = LinkAsset(5_000, 5_000, 10_000)


class Site:
    """A door with two links, `north` with assets 1 and 2 and `south` with asset 3."""

    def __init__(self, data, limits=None) -> None:
        self.data, self.port = data, RecordingPort()
        self.assets = Assets(self.port, data / "meters")
        links = [Link("north", {1: BATTERY, 2: BATTERY}), Link("south", {3: BATTERY})]
        self.tokens = dict(zip(("north", "south"), add_links(data, links), strict=True))
        self.sockets = Sockets(Links(data), self.assets, limits)
        self.tasks: list[asyncio.Task] = []

    async def __aenter__(self) -> "Site":
        self.url = f"ws://127.0.0.1:{await self.sockets.start('127.0.0.1', 0)}/"
        self.tasks.append(asyncio.create_task(self.assets.deal()))
        return self

    async def __aexit__(self, *_) -> None:
        for task in self.tasks:
            task.cancel()
        await self.sockets.stop()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.sleep(0.05)

    async def device(self, name: str, on_setpoints=accept, on_sheet=lambda sheet: None) -> LinkClient:
        account = LinkAccount(self.url, self.tokens.get(name, name))
        client = LinkClient(account, on_setpoints, on_sheet=on_sheet)
        self.tasks.append(asyncio.create_task(client.run()))
        await until(lambda: client.is_connected or client.ended)
        return client

    def reading(self, asset_id: int, power_w: float = 1_000.0, **said: float):
        row = np.array([(asset_id, self.port.now_ns(), power_w, np.nan, np.nan, np.nan)], READING)
        for name, value in said.items():
            row[name] = value
        return row


def run(test, data, limits=None) -> None:
    async def body() -> None:
        async with Site(data, limits) as site:
            await test(site)

    asyncio.run(asyncio.wait_for(body(), 30))


def test_telemetry_of_several_assets_in_one_frame(tmp_path):
    async def test(site):
        device = await site.device("north")
        assert abs(device.fleet_ahead_ns) < SECOND_NS
        device.report(np.concatenate([
            site.reading(1, 2_000, discharged_wh=70.0, energy_wh=5_000), site.reading(2, -500)
        ]))  # fmt: skip
        await until(lambda: len(site.port.reports) == 2)
        first, second = site.port.reports
        assert (first.asset_id, first.power_w, first.discharged_wh, first.energy_wh) == (1, 2_000, 70, 5_000)
        assert (second.asset_id, second.power_w, second.charged_wh) == (2, -500, 0)

    run(test, tmp_path)


def test_set_points_are_sent_answered_and_sent_again(tmp_path):
    async def test(site):
        heard: list[tuple[int, int, int]] = []

        def decline(setpoints):
            heard.extend(setpoints[["asset_id", "power_w", "valid_until_ns"]].tolist())
            return np.where(setpoints["asset_id"] == 1, frames.ACCEPTED, frames.DECLINED)

        wanted = site.port.want(1, 3_000)
        site.port.want(2, 9_000)
        await asyncio.sleep(0.05)
        device = await site.device("north", decline)  # it was not connected: it hears them when it is
        await until(lambda: site.assets.counts["SETPOINT_REFUSED"] == 1)
        assert site.assets.counts["SETPOINT_ACCEPTED"] == 1
        assert sorted(heard)[0] == (1, 3_000, wanted.valid_until_ns)

        device.hang_up()
        await until(lambda: device.connections == 2)
        await until(lambda: len(heard) == 4)  # a device that comes back may have forgotten
        assert site.assets.counts["SETPOINT_ACCEPTED"] == 1, "each answer counts once"

    run(test, tmp_path)


def test_what_is_not_answered_is_sent_until_its_lease_ends(tmp_path):
    async def test(site):
        device = await site.device("south")
        heard = []
        device.heard = lambda transport, rows: heard.append(rows)  # and says nothing
        site.port.want(3, 100, lease_s=3.0)
        await until(lambda: site.assets.counts["SETPOINT_UNANSWERED"] == 1)
        assert len(heard) >= 2 and heard[0].tobytes() == heard[1].tobytes()

    run(test, tmp_path)


def test_strangers_and_those_put_out_stay_out(tmp_path):
    async def test(site):
        site.tasks.append(asyncio.create_task(LinkClient(LinkAccount(site.url, "no such token")).run()))
        site.tasks.append(asyncio.create_task(LinkClient(LinkAccount(site.url)).run()))
        await until(lambda: site.assets.counts["UNKNOWN_LINK"] >= 2)
        device = await site.device("south")
        assert site.sockets.connected == ["south"]
        remove_link(site.data, "south")
        await until(lambda: device.ended)
        assert device.ended == [(WSCloseCode.POLICY_VIOLATION, "REVOKED")]
        assert site.sockets.connected == []

    run(test, tmp_path)


def test_nobody_speaks_for_another(tmp_path):
    async def test(site):
        north, south = await site.device("north"), await site.device("south")
        south.report(np.concatenate([site.reading(3), site.reading(1, 4_000)]))
        await until(lambda: south.ended)
        assert south.ended == [(WSCloseCode.POLICY_VIOLATION, "OTHER_ASSET")]
        for asset_id in (16_383, 1 << 31):  # nobody's, and none that a fleet has
            await until(lambda: south.is_connected)
            south.report(site.reading(asset_id))
            await until(lambda: not south.is_connected)
        assert site.assets.counts["OTHER_ASSET"] == 3
        assert {report.asset_id for report in site.port.reports} == {3}
        assert north.is_connected
        frames_of = frames.records(frames.ACK, frames.ACK_RECORD, 1, asset_id=1, number=1)
        site.port.want(1, 10)
        await until(lambda: site.assets.counts["SETPOINT_ACCEPTED"] == 1)
        await until(lambda: south.is_connected)
        south.send(frames_of.tobytes())
        await until(lambda: site.assets.counts["OTHER_ASSET"] == 4)

    run(test, tmp_path)


def test_a_second_connection_replaces_the_first(tmp_path):
    async def test(site):
        first = await site.device("south")
        first.report(site.reading(3, 111))
        second = LinkClient(LinkAccount(site.url, site.tokens["south"]))
        site.tasks.append(asyncio.create_task(second.run()))
        await until(lambda: first.ended)
        assert first.ended[0] == (WSCloseCode.POLICY_VIOLATION, "REPLACED")
        assert [report.power_w for report in site.port.reports] == [111], "what it said before counts"

    run(test, tmp_path)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (WSMsgType.BINARY, b""),
        (WSMsgType.BINARY, bytes(39)),
        (WSMsgType.BINARY, bytes(40)),  # of no kind
        (WSMsgType.BINARY, frames.records(frames.SETPOINT, frames.SETPOINT_RECORD, 1, asset_id=3).tobytes()),
        (WSMsgType.BINARY, b"\x01\x00\x09" + bytes(37)),  # of another version
        (WSMsgType.TEXT, b"{}"),
    ],
)
def test_malformed_frames_end_the_connection(tmp_path, kind, data):
    async def test(site):
        device = await site.device("south")
        device._transport.send(kind, data)
        await until(lambda: device.ended)
        assert device.ended == [(WSCloseCode.UNSUPPORTED_DATA, "BAD_FRAME")]
        assert site.assets.counts["BAD_FRAME"] == 1 and not site.port.reports
        await until(lambda: device.connections == 2)
        device.report(site.reading(3))
        await until(lambda: site.port.reports)

    run(test, tmp_path)


def test_a_frame_that_is_too_long_ends_the_connection(tmp_path):
    async def test(site):
        device = await site.device("south")
        device.send(bytes(1 << 17))
        await until(lambda: device.connections == 2)
        assert not site.port.reports

    run(test, tmp_path)


def test_refused_readings_are_told(tmp_path):
    async def test(site):
        device = await site.device("north")
        nan = frames.telemetry_of(site.reading(1))
        nan["power_w"] = np.nan
        device.send(nan.tobytes())
        late = site.reading(1)
        late["measured_ns"] += 60 * SECOND_NS
        device.report(late)
        device.report(site.reading(2, 5_000_000.0))
        device.report(site.reading(2, np.nan))
        await until(lambda: device.refusals.total() == 4)
        assert device.refusals == Counter(
            NOT_A_NUMBER=1, FUTURE_DATED=1, POWER_OUT_OF_RANGE=1, NOTHING_MEASURED=1
        )
        assert not site.port.reports and device.is_connected

    run(test, tmp_path)


def test_who_is_too_fast_is_read_later_and_loses_nothing(tmp_path):
    async def test(site):
        device = await site.device("south")
        for n in range(60):
            row = site.reading(3)
            row["measured_ns"] -= (60 - n) * SECOND_NS
            device.report(row)
            if n % 10 == 9:
                await asyncio.sleep(0.02)
        await until(lambda: len(site.port.reports) == 60)
        assert site.assets.counts["HELD_BACK"] >= 1

    run(test, tmp_path, SocketLimits(records_per_s=50.0, burst=20))


def test_nobody_is_read_while_the_fleet_has_no_room(tmp_path):
    async def test(site):
        north, south = await site.device("north"), await site.device("south")
        site.port.most = 1
        north.report(site.reading(1))
        await until(lambda: site.assets.counts["HELD_BACK_ALL"] == 1)
        south.report(site.reading(3))
        await asyncio.sleep(0.1)
        assert len(site.port.reports) == 1
        site.port.most = 1 << 20
        await until(lambda: len(site.port.reports) == 2)

    run(test, tmp_path, SocketLimits(room=1))


def test_a_certificate_is_an_identity_too(tmp_path):
    async def test():
        server_certificate, server_key = make(tmp_path, ["127.0.0.1"])
        files = [owned(tmp_path, name) for name in ("depot", "others")]
        trusted = tmp_path / "trusted.pem"
        trusted.write_bytes(b"".join(certificate.read_bytes() for certificate, _ in files))
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(files[0][0].read_text())).hexdigest()
        add_links(tmp_path, [Link("depot", {1: BATTERY}, certificate_sha256=digest)])
        port = RecordingPort()
        assets = Assets(port, tmp_path / "meters")
        sockets = Sockets(Links(tmp_path), assets)
        tls = Tls(server_certificate, server_key, trusted).context()
        url = f"wss://127.0.0.1:{await sockets.start('127.0.0.1', 0, tls)}/"
        clients = []
        for certificate, key in files:
            context = ssl.create_default_context(cafile=server_certificate)
            context.load_cert_chain(certificate, key)
            clients.append(LinkClient(LinkAccount(url, "", context)))
        tasks = [asyncio.create_task(client.run()) for client in clients]
        await until(lambda: clients[0].is_connected and clients[1].ended)
        assert clients[1].ended[0] == (WSCloseCode.POLICY_VIOLATION, "UNKNOWN_LINK")
        clients[0].report(np.array([(1, port.now_ns(), 5.0, np.nan, np.nan, np.nan)], READING))
        await until(lambda: port.reports)
        for task in tasks:
            task.cancel()
        await sockets.stop()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(test(), 30))


def test_files_that_cannot_be_are_named(tmp_path):
    add_links(tmp_path, [Link("north", {1: BATTERY})])
    for wrong, why in (
        (Link("south", {1: BATTERY}), "another one has its name or one of its assets"),
        (Link("a/b", {2: BATTERY}), "a name is"),
        (Link("b", {}), "1 to 4096 assets"),
        (Link("b", {2: LinkAsset(-1)}), "below 0"),
        (Link("b", {2: BATTERY}, certificate_sha256="x"), "SHA-256"),
    ):
        with pytest.raises(RingmainError, match=f"RM766.*{why}"):
            add_links(tmp_path, [wrong])
    with pytest.raises(RingmainError, match="RM766"):
        remove_link(tmp_path, "south")
    (tmp_path / "links.json").write_text("[1]")
    with pytest.raises(RingmainError, match="RM765"):
        Links(tmp_path).all()


def test_the_upgrade_of_others_is_answered_in_http(tmp_path):
    async def test(site):
        port = int(site.url.split(":")[2].strip("/"))
        for header, status in (
            ("", b"401"),
            ("Authorization: Basic " + base64.b64encode(b"a:b").decode(), b"401"),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            request = (
                f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{header}\r\n\r\n"
            )
            writer.write(request.replace("\r\n\r\n\r\n", "\r\n\r\n").encode())
            assert status in await reader.readline()
            writer.close()

    run(test, tmp_path)


def sheet_of(number: int, count: int = 24) -> Sheet:
    begins_ns = 460_000 * 3_600 * SECOND_NS
    ends_ns = begins_ns + count * 900 * SECOND_NS
    return Sheet(number, begins_ns + 600 * SECOND_NS, ends_ns, begins_ns, 900, tuple(range(-5, count - 5)))


def test_prices_go_to_all_who_are_connected_and_to_who_comes_later(tmp_path):
    async def test(site):
        heard: dict[str, list[Sheet]] = {"north": [], "south": []}
        await site.device("north", on_sheet=heard["north"].append)
        site.assets.hand_sheet(sheet_of(5))
        await until(lambda: heard["north"])
        await site.device("south", on_sheet=heard["south"].append)
        await until(lambda: heard["south"])
        site.assets.hand_sheet(sheet_of(4))  # overtaken
        site.assets.hand_sheet(sheet_of(6, 192))
        await until(lambda: all(len(sheets) == 2 for sheets in heard.values()))
        assert list(heard.values()) == [[sheet_of(5), sheet_of(6, 192)]] * 2

    run(test, tmp_path)


def test_prices_are_told_even_before_anybody_listens(tmp_path):
    async def test(site):
        heard: list[Sheet] = []
        await site.device("north", on_sheet=heard.append)
        await until(lambda: heard)
        assert heard == [sheet_of(5)]

    async def body() -> None:
        site = Site(tmp_path)
        site.assets.hand_sheet(sheet_of(5))
        async with site:
            await test(site)

    asyncio.run(asyncio.wait_for(body(), 30))


def test_a_frame_that_holds_no_whole_sheet_is_none():
    whole = np.frombuffer(frames.frame_of_sheet(sheet_of(3)), frames.RECORD)
    assert frames.sheets_of(whole) == [sheet_of(3)] and whole.size == 25
    assert frames.sheets_of(whole[:-1]) == [] and frames.sheets_of(whole[1:]) == []
    assert frames.sheets_of(np.frombuffer(whole.tobytes() * 2, frames.RECORD)) == [sheet_of(3)] * 2
    swapped = whole.copy()
    swapped[[4, 5]] = swapped[[5, 4]]
    assert frames.sheets_of(swapped) == []
    other = whole.copy()
    other.view(frames.PRICE_RECORD)["number"][7] = 2
    assert frames.sheets_of(other) == []
    unfit = whole.copy()
    unfit.view(frames.SHEET_RECORD)["period_s"][0] = 7
    assert frames.sheets_of(unfit) == []
