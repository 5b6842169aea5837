"""VENs of openleadr, as they come, against the VTN; and those that are none of its own."""

import asyncio
import contextlib
import datetime
import hashlib
import json
import ssl

import aiohttp
import pytest
from certificates import owned
from openleadr.messaging import create_message
from recording import RecordingPort, until

from ringmain.client.devices.ven import Account, VenClient
from ringmain.core.errors import RingmainError
from ringmain.gateway.certificate import make
from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.openadr import PREFIX, Vtn, VtnLimits
from ringmain.gateway.devices.vens import Ven, Vens, add_ven
from ringmain.gateway.tls import Tls


class Programme:
    """A VTN with two VENs, assets 1 and 2."""

    def __init__(self, data, **limits) -> None:
        self.data, self.port = data, RecordingPort()
        self.assets = Assets(self.port, data / "meters")
        self.counts = self.assets.counts
        self.tokens = {
            "shop": add_ven(data, Ven("shop", 1, 20_000)),
            "school": add_ven(data, Ven("school", 2, 30_000, signal="simple")),
        }
        self.vtn = Vtn(data, Vens(data), self.assets, VtnLimits(**{"shortest_sampling_s": 1.0} | limits))
        self.vens: list[VenClient] = []

    def account(self, name: str, token: str | None = None) -> Account:
        return Account(name, self.url, self.tokens.get(name, "") if token is None else token)

    def ven(self, name: str, power_w: float = 5_000.0, token: str | None = None, **options) -> VenClient:
        options = {"sampling_s": 1.0, "takes_w": lambda: power_w, "meter_wh": lambda: 123_000.0} | options
        ven = VenClient(self.account(name, token), **options)
        self.vens.append(ven)
        return ven

    async def say(self, service: str, message: str, who: str = "shop", **headers) -> tuple[int, str]:
        """Post a message as it stands."""
        url = self.url.replace("//", f"//{who}:{self.tokens[who]}@")
        headers = {"content-type": "application/xml"} | headers
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}/{service}", data=message, headers=headers) as answer,
        ):
            return answer.status, await answer.text()


@contextlib.asynccontextmanager
async def programme(data, **limits):
    made = Programme(data, **limits)
    made.url = f"http://127.0.0.1:{await made.vtn.start('127.0.0.1', 0)}{PREFIX}"
    dealing = asyncio.create_task(made.assets.deal())
    try:
        yield made
    finally:
        for ven in made.vens:
            await ven.stop()
        dealing.cancel()
        await asyncio.gather(dealing, return_exceptions=True)
        await made.vtn.stop()


def run(test) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


def test_power_and_meter_are_reported(tmp_path):
    async def test():
        async with programme(tmp_path) as site:
            assert await site.ven("shop").start()
            await until(lambda: len(site.port.reports) >= 2)
            telemetry = site.port.reports[-1]
            assert (telemetry.asset_id, telemetry.power_w) == (1, -5_000)
            assert 123_000 <= telemetry.charged_wh < 123_010
            assert abs(telemetry.measured_ns - site.port.now_ns()) < 10_000_000_000

    run(test())


def test_a_setpoint_becomes_an_event_and_the_answer_is_kept(tmp_path):
    async def test():
        async with programme(tmp_path) as site:
            ven = site.ven("shop")
            await ven.start()
            site.port.want(1, -3_000)
            await until(lambda: site.vtn._server.events.get("shop"))
            await ven.poll()
            asked = ven.wanted()
            assert (asked.signal, asked.payload) == ("LOAD_DISPATCH", 3_000)
            lease_s = (asked.ends - asked.starts).total_seconds()
            assert 295 <= lease_s <= 300
            await until(lambda: site.counts["OPT_IN"] == 1)

            site.port.want(1, -3_000)  # the same, for hardly longer: nothing new
            site.port.want(1, -1_000)
            await until(lambda: len(site.vtn._server.events["shop"]) == 2)
            await ven.poll()
            await until(lambda: site.counts["OPT_IN"] >= 2)
            assert [each.payload for each in ven.asked.values()] == [1_000]  # the other was cancelled
            kept = [json.loads(line) for line in (tmp_path / "opts.jsonl").read_text().splitlines()]
            assert [each["power_w"] for each in kept][:2] == [-3_000, -1_000]

    run(test())


def test_levels_and_a_no(tmp_path):
    async def test():
        async with programme(tmp_path) as site:
            ven = site.ven("school", opts=lambda asked: asked.payload < 3)
            await ven.start()
            for count, (power_w, level) in enumerate(((-30_000, 0), (-21_000, 1), (-12_000, 2)), 1):
                site.port.want(2, power_w)
                await until(lambda power_w=power_w: (t := site.vtn._told.get(2)) and t.power_w == power_w)
                await ven.poll()
                assert (ven.wanted().signal, ven.wanted().payload) == ("SIMPLE", level)
                await until(lambda count=count: site.counts["OPT_IN"] == count)
            site.port.want(2, 0)
            await until(lambda: site.vtn._told[2].power_w == 0)
            await ven.poll()
            await until(lambda: site.counts["OPT_OUT"] == 1)
            assert site.vtn.opts[-1].opt == "optOut"

    run(test())


def test_events_of_a_ven_that_never_polls_do_not_pile_up(tmp_path):
    async def test():
        async with programme(tmp_path) as site:
            for n in range(50):
                site.assets.hand(site.port.want(1, -100 * n))
            events = site.vtn._server.events["shop"]
            assert len(events) <= 8 and len(site.vtn._server.event_callbacks) <= 8
            assert events[-1].event_signals[0].intervals[0].signal_payload == 4_900

    run(test())


@pytest.mark.parametrize(
    ("name", "token"), [("shop", "wrong"), ("shop", ""), ("stranger", "x"), ("shop", "school's")]
)
def test_who_is_not_let_in(tmp_path, name, token):
    async def test():
        async with programme(tmp_path) as site:
            token_ = site.tokens["school"] if token == "school's" else token
            assert not await site.ven(name, token=token_).start()
            assert site.counts["UNKNOWN_VEN"] >= 1 and not site.port.reports

    run(test())


def test_a_ven_speaks_for_itself_alone(tmp_path):
    async def test():
        async with programme(tmp_path) as site:
            await site.ven("school", sampling_s=10.0).start()
            for service, kind, payload in (
                ("EiRegisterParty", "oadrCreatePartyRegistration", {
                    "request_id": "1", "ven_name": "school", "http_pull_model": True, "report_only": False,
                    "xml_signature": False, "profile_name": "2.0b", "transport_name": "simpleHttp",
                    "transport_address": None, "ven_id": None, "registration_id": None}),
                ("OadrPoll", "oadrPoll", {"ven_id": "school"}),
                ("EiEvent", "oadrRequestEvent", {"ven_id": "school", "request_id": "1"}),
            ):  # fmt: skip
                status, text = await site.say(service, create_message(kind, **payload), who="shop")
                assert status == (200 if service == "EiRegisterParty" else 403), text
                assert "registrationID>" not in text  # nothing was registered
            assert site.counts["OTHER_VEN"] == 3

    run(test())


def test_reports_that_were_asked_of_another(tmp_path):
    async def test():
        async with programme(tmp_path) as site:
            await site.ven("school", sampling_s=20.0).start()
            await site.ven("shop", sampling_s=20.0).start()
            (request_id, r_id), _ = next(
                iter(site.vtn._server.services["report_service"].report_callbacks.items())
            )
            now = datetime.datetime.now(datetime.UTC)
            interval = {"dtstart": now, "duration": None, "report_payload": {"r_id": r_id, "value": 9_999.0}}
            report = {
                "report_request_id": request_id, "report_specifier_id": "1", "report_name": "TELEMETRY_USAGE",
                "intervals": [interval], "created_date_time": now, "dtstart": now, "duration": None,
                "report_id": None, "report_descriptions": [],
            }  # fmt: skip
            message = create_message("oadrUpdateReport", request_id="1", ven_id="shop", reports=[report])
            status, text = await site.say("EiReport", message, who="shop")
            assert status == 403 and site.counts["OTHER_VEN"] == 1, (status, text)
            await asyncio.sleep(0.05)
            assert not site.port.reports
            message = create_message("oadrUpdateReport", request_id="1", ven_id="school", reports=[report])
            await site.say("EiReport", message, who="school")
            await until(lambda: site.port.reports)
            assert site.port.reports[-1].asset_id == 2

    run(test())


@pytest.mark.parametrize(
    ("power_w", "reason"),
    [(5_000_000.0, "POWER_OUT_OF_RANGE"), (float("nan"), "BAD_MESSAGE"), (-5_000.0, "POWER_OUT_OF_RANGE")],
)
def test_what_cannot_be_true_is_counted(tmp_path, power_w, reason):
    async def test():
        async with programme(tmp_path) as site:
            await site.ven("shop", power_w, meter_wh=lambda: power_w).start()
            await until(lambda: site.counts[reason] >= 1)
            assert not site.port.reports

    run(test())


def test_garbage_long_messages_and_a_flood(tmp_path):
    async def test():
        async with programme(tmp_path, message_bytes=5_000, messages_per_s=0.01, burst=6) as site:
            for text in ("", "<oadrPoll", "<a/>", "\x00" * 100):
                assert (await site.say("OadrPoll", text))[0] == 400
            assert (await site.say("OadrPoll", "<a>" + "x" * 6_000 + "</a>"))[0] == 413
            assert (await site.say("OadrPoll", "{}", **{"content-type": "application/json"}))[0] == 415
            assert (await site.say("OadrPoll", "<a/>"))[0] == 429
            assert site.counts["TOO_FAST"] == 1
            assert (await site.say("OadrPoll", "<a/>", who="school"))[0] == 400  # others are served

    run(test())


def test_a_ven_that_is_not_registered_is_asked_to(tmp_path):
    async def test():
        async with programme(tmp_path) as site:
            _, text = await site.say("OadrPoll", create_message("oadrPoll", ven_id="shop"))
            assert "oadrRequestReregistration" in text

    run(test())


def test_a_certificate_is_an_identity_too(tmp_path):
    async def test():
        server_certificate, server_key = make(tmp_path, ["127.0.0.1"])
        mine, key = owned(tmp_path, "depot")
        others, others_key = owned(tmp_path, "others")
        trusted = tmp_path / "trusted.pem"
        trusted.write_bytes(mine.read_bytes() + others.read_bytes())
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(mine.read_text())).hexdigest()
        add_ven(tmp_path, Ven("depot", 1, 20_000, certificate_sha256=digest))
        port = RecordingPort()
        assets = Assets(port, tmp_path / "meters")
        vtn = Vtn(tmp_path, Vens(tmp_path), assets, VtnLimits(shortest_sampling_s=1.0))
        tls = Tls(server_certificate, server_key, trusted).context()
        url = f"https://127.0.0.1:{await vtn.start('127.0.0.1', 0, tls)}{PREFIX}"
        for files, is_taken in (((mine, key), True), ((others, others_key), False)):
            account = Account("depot", url, "", *files, server_certificate)
            ven = VenClient(account, lambda: 4_000.0, lambda: 5_000.0, sampling_s=1.0)
            assert await ven.start() is is_taken
            if is_taken:
                await until(lambda: port.reports)
                await ven.stop()
        assert assets.counts["UNKNOWN_VEN"] >= 1
        await vtn.stop()

    run(test())


def test_files_that_cannot_be_are_named(tmp_path):
    add_ven(tmp_path, Ven("shop", 1, 20_000))
    for wrong, why in (
        (Ven("school", 1, 20_000), "another one has its id or its asset"),
        (Ven("a/b", 2, 20_000), "an id is"),
        (Ven("b", 2, -1), "below 0"),
        (Ven("b", 2, 5, certificate_sha256="x"), "SHA-256"),
    ):
        with pytest.raises(RingmainError, match=f"RM758.*{why}"):
            add_ven(tmp_path, wrong)
    (tmp_path / "vens.json").write_text("[1]")
    with pytest.raises(RingmainError, match="RM757"):
        Vens(tmp_path).all()
