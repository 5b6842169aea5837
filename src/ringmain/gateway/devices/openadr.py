"""OpenADR 2.0b: the VTN (server) of a data folder's VENs, on openleadr.

The simple HTTP pull profile: VENs register, offer reports of real power and energy, are asked for them, and
poll for events. Who a VEN is shows in HTTP basic authentication with its id and token, or in its client
certificate; what it says in a message counts only if it is the same.
"""

import asyncio
import base64
import binascii
import contextvars
import functools
import logging
import ssl
import warnings
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from openleadr import OpenADRServer, enums, errors, objects, utils  # type: ignore[import-untyped]

from ringmain.core.errors import RingmainError
from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.fleet_port import Setpoint
from ringmain.gateway.devices.pace import Pace
from ringmain.gateway.devices.readings import SECOND_NS, Reading, UnfitError, number
from ringmain.gateway.devices.vens import Ven, Vens

LOG = logging.getLogger("ringmain.devices")
logging.getLogger("openleadr").setLevel(logging.ERROR)  # it logs whole messages, of strangers too
VTN_ID = "ringmain"
PREFIX = "/OpenADR2/Simple/2.0b"
POLL = timedelta(seconds=10)
OPTS_FILE = "opts.jsonl"
OPTS_KEPT = 1_000
EVENTS_KEPT = 8  # of one VEN
MARKET_CONTEXT = "https://ringmain.example/fleet"
LEVELS = ((0.99, 0), (2 / 3, 1), (1 / 3, 2), (0.0, 3))  # of SIMPLE, by the share of its limit that is left
SCALES = {"none": 1.0, "k": 1e3, "M": 1e6, "m": 1e-3, "": 1.0, None: 1.0}
POWER, ENERGY, STORED = "RealPower", "RealEnergy", "StoredEnergy"
OFFERS = {(POWER, "W"), (ENERGY, "Wh"), (STORED, "Wh")}

UNKNOWN_VEN, TOO_FAST, OTHER_VEN, UNKNOWN_REPORT = "UNKNOWN_VEN", "TOO_FAST", "OTHER_VEN", "UNKNOWN_REPORT"
TOO_BIG, BAD_MESSAGE = "TOO_BIG", "BAD_MESSAGE"
OPT_IN, OPT_OUT = "OPT_IN", "OPT_OUT"
_peer: contextvars.ContextVar[tuple[Ven, bytes | None] | None] = contextvars.ContextVar("peer", default=None)


@dataclass(frozen=True)
class VtnLimits:
    """Limits of the VTN, and of each VEN.

    Parameters
    ----------
    message_bytes : int
        Longest message; a longer one is answered 413.
    messages_per_s, burst : float, int
        Of one VEN; beyond that it is answered 429.
    shortest_sampling_s : float
        Readings are asked for no more often.
    """

    message_bytes: int = 1 << 18
    messages_per_s: float = 5.0
    burst: int = 50
    shortest_sampling_s: float = 10.0


@dataclass(frozen=True)
class Opt:
    """What a VEN said to an event."""

    time_ns: int
    ven_id: str
    event_id: str
    power_w: int
    opt: str


@dataclass
class _Told:
    """The event that a VEN follows, by the wall's clock."""

    event_id: str
    power_w: int
    ends: datetime


class Vtn:
    """The server.

    Attributes
    ----------
    opts : deque of Opt
        The last answers to events; all are in ``opts.jsonl`` of the folder.
    """

    def __init__(self, data: Path, vens: Vens, assets: Assets, limits: VtnLimits | None = None) -> None:
        self._vens, self._assets, self._limits = vens, assets, limits or VtnLimits()
        self._opts_path = data / OPTS_FILE
        self.opts: deque[Opt] = deque(maxlen=OPTS_KEPT)
        self._registrations: dict[str, str] = {}
        self._paces: dict[str, Pace] = {}
        self._told: dict[int, _Told] = {}
        self._halves: dict[int, list[tuple[int, str, float]]] = {}  # by asset: time, measurand, value
        self._last: dict[int, dict[str, float]] = {}  # by asset, of power and what is stored
        self._by_asset = {ven.asset_id: ven for ven in vens.all()}
        for ven in self._by_asset.values():
            assets.add({ven.asset_id: ven.bounds}, ven.ven_id)
        self._server = self._made_server()
        self._runner: web.AppRunner | None = None

    def _made_server(self) -> Any:
        with warnings.catch_warnings():  # of an application that the library makes and nobody runs here
            warnings.simplefilter("ignore", web.NotAppKeyWarning)
            server = OpenADRServer(VTN_ID, requested_poll_freq=POLL, ven_lookup=self._look_up)
        for service in server.services.values():  # the library would share it with other servers
            service.ven_lookup = self._look_up
        server.add_handler("on_create_party_registration", self._register)
        server.add_handler("on_cancel_party_registration", self._cancel)
        server.add_handler("on_register_report", self._offered)
        server.add_handler("on_update_report", self._unasked)
        return server

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen; return the port. RM759 if it is taken."""
        app = web.Application(client_max_size=self._limits.message_bytes, middlewares=[self._door()])
        for service in self._server.services.values():
            app.router.add_post(f"{PREFIX}/{service.__service_name__}", service.handler)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=tls)
        try:
            await site.start()
        except OSError as error:
            what = f"{host}:{port} for OpenADR: {error.strerror}"
            raise RingmainError("RM759", "openadr", what, "Choose another port, or end who has it") from None
        for asset_id in self._by_asset:
            self._assets.listen(asset_id, self._tell)
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """End."""
        for asset_id in self._by_asset:
            self._assets.unlisten(asset_id, self._tell)
        if self._runner is not None:
            await self._runner.cleanup()
            await asyncio.sleep(0)  # what it closed is gone a turn later

    # Who speaks.

    def _door(self) -> Any:
        @web.middleware
        async def identify(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            try:
                ven, certificate = self._who(request)
            except RingmainError as error:
                LOG.error("%s", error)
                return web.Response(status=503)
            if ven is None:
                self._assets.refuse(0, UNKNOWN_VEN)
                return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="OpenADR"'})
            limits = self._limits
            pace = self._paces.setdefault(ven.ven_id, Pace(limits.messages_per_s, limits.burst))
            if pace.wait_s() > 0:
                self._assets.refuse(ven.asset_id, TOO_FAST)
                return web.Response(status=429, headers={"Retry-After": str(int(POLL.total_seconds()))})
            if (request.content_length or 0) > limits.message_bytes:
                self._assets.refuse(ven.asset_id, TOO_BIG)
                return web.Response(status=413)
            if not request.content_type.startswith("application/xml"):
                self._assets.refuse(ven.asset_id, BAD_MESSAGE)
                return web.Response(status=415)
            _peer.set((ven, certificate))
            answer = await handler(request)
            if answer.status != HTTPStatus.OK:
                self._assets.refuse(ven.asset_id, BAD_MESSAGE)
            return answer

        return identify

    def _who(self, request: web.Request) -> tuple[Ven | None, bytes | None]:
        secure = request.transport.get_extra_info("ssl_object") if request.transport else None
        certificate = secure.getpeercert(binary_form=True) if secure is not None else None
        if certificate is not None:
            return self._known(self._vens.with_certificate(certificate)), certificate
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        try:
            user, _, token = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None, None
        return (self._known(self._vens.with_token(user, token)) if scheme == "Basic" else None), None

    def _known(self, ven: Ven | None) -> Ven | None:
        """Return a VEN, unless it was added since the start: its asset is not spoken for yet."""
        return ven if ven is not None and self._by_asset.get(ven.asset_id) is not None else None

    def _speaker(self, ven_id: object) -> Ven:
        """Return the VEN that speaks; openleadr's refusal (403) if it names itself otherwise."""
        peer = _peer.get()
        if peer is None or peer[0].ven_id != ven_id:
            self._assets.refuse(0, OTHER_VEN)
            raise errors.FingerprintMismatch("the message names another VEN than the one that sent it")
        return peer[0]

    def _look_up(self, ven_id: str) -> dict[str, Any]:
        ven, peer = self._speaker(ven_id), _peer.get()
        certificate = peer[1] if peer is not None else None
        return {
            "ven_id": ven.ven_id,
            "ven_name": ven.ven_id,
            "registration_id": self._registrations.get(ven.ven_id),
            "fingerprint": certificate and utils.certificate_fingerprint_from_der(certificate),
        }

    def _register(self, payload: dict[str, Any]) -> Any:
        try:
            ven = self._speaker(payload.get("ven_id") or payload.get("ven_name"))
        except errors.FingerprintMismatch:
            return False
        self._registrations[ven.ven_id] = utils.generate_id()
        LOG.info("%s is registered", ven.ven_id)
        return ven.ven_id, self._registrations[ven.ven_id]

    def _cancel(self, payload: dict[str, Any]) -> Any:
        ven = self._speaker(payload.get("ven_id"))
        registration_id = self._registrations.pop(ven.ven_id, None)
        return "oadrCanceledPartyRegistration", {"registration_id": registration_id, "ven_id": ven.ven_id}

    # What it measured.

    def _offered(
        self, ven_id: str, resource_id: str, measurement: str, unit: str, scale: str,
        min_sampling_interval: timedelta, max_sampling_interval: timedelta,
    ) -> Any:  # fmt: skip
        """Ask for real power, for energy (a meter's reading) and for what is stored (a name of our own)."""
        ven = self._speaker(ven_id)
        if (measurement, unit) not in OFFERS or scale not in SCALES:
            self._assets.refuse(ven.asset_id, UNKNOWN_REPORT)
            return None
        wanted = timedelta(seconds=self._limits.shortest_sampling_s)
        interval = min(max(wanted, min_sampling_interval), max(max_sampling_interval, min_sampling_interval))
        return functools.partial(self._measured, ven, measurement, SCALES[scale]), interval

    def _unasked(self, report: Any) -> None:
        self._assets.refuse(0, UNKNOWN_REPORT)

    def _measured(self, ven: Ven, measurement: str, factor: float, values: list[Any]) -> None:
        """Take values of one measurand; those of the other, of the same times, come in the same message."""
        self._speaker(ven.ven_id)
        if not self._halves:
            asyncio.get_running_loop().call_soon(self._flush)
        for stamp, value in values:
            try:
                read = number(value) * factor
            except UnfitError as unfit:
                self._assets.refuse(ven.asset_id, unfit.reason)
                continue
            stamp_ns = int(stamp.timestamp() * 1_000) * SECOND_NS // 1_000
            self._halves.setdefault(ven.asset_id, []).append((stamp_ns, measurement, read))

    def _flush(self) -> None:
        """Report what has come, oldest first. OpenADR counts what is taken as positive."""
        halves, self._halves = self._halves, {}
        behind_ns = self._assets.port.now_ns() - _wall_ns()
        for asset_id, values in halves.items():
            for stamp_ns, measured in _together(sorted(values)):
                last = self._last.setdefault(asset_id, {})
                last |= {name: value for name, value in measured.items() if name != ENERGY}
                power_w = -last[POWER] if POWER in last else None
                self._assets.take(
                    asset_id,
                    Reading(stamp_ns + behind_ns, power_w, measured.get(ENERGY), energy_wh=last.get(STORED)),
                )

    # What it is asked for.

    def _tell(self, setpoint: Setpoint) -> None:
        """Make an event of a set-point, unless the one that runs says the same for long enough."""
        ven, now = self._by_asset[setpoint.asset_id], datetime.now(UTC)
        lease = timedelta(seconds=(setpoint.valid_until_ns - self._assets.port.now_ns()) / SECOND_NS)
        told = self._told.get(setpoint.asset_id)
        starts = now
        if told is not None and told.ends > now:
            if told.power_w == setpoint.power_w:
                if told.ends - now > lease / 2:
                    return
                starts = told.ends
            else:
                self._server.cancel_event(ven.ven_id, told.event_id)
        self._forget_old(ven.ven_id, now)
        event_id = utils.generate_id()
        event = self._event(ven, event_id, setpoint.power_w, starts, now + lease - starts)
        self._server.add_raw_event(ven.ven_id, event, callback=self._opted(setpoint.power_w))
        self._told[setpoint.asset_id] = _Told(event_id, setpoint.power_w, now + lease)

    def _forget_old(self, ven_id: str, now: datetime) -> None:
        """Keep few events of a VEN, whether it polls or not."""
        events = self._server.events.setdefault(ven_id, [])
        events[:] = [each for each in events if _end_of(each) > now][-EVENTS_KEPT + 1 :]
        kept = {each.event_descriptor.event_id for own in self._server.events.values() for each in own}
        for event_id in [each for each in self._server.event_callbacks if each not in kept]:
            del self._server.event_callbacks[event_id]

    def _event(self, ven: Ven, event_id: str, power_w: int, starts: datetime, lasts: timedelta) -> Any:
        taken_w = -power_w
        if ven.signal == "simple":
            share = max(0.0, taken_w / ven.import_limit_w) if ven.import_limit_w else 1.0
            payload = next(level for least, level in LEVELS if share >= least)
            name, kind, measurement = enums.SIGNAL_NAME.SIMPLE, enums.SIGNAL_TYPE.LEVEL, None
        else:
            payload, measurement = taken_w, enums.MEASUREMENTS.POWER_REAL
            name, kind = enums.SIGNAL_NAME.LOAD_DISPATCH, enums.SIGNAL_TYPE.SETPOINT
        interval = objects.Interval(starts, lasts, payload)
        signal = objects.EventSignal([interval], name, kind, utils.generate_id(), measurement=measurement)
        descriptor = objects.EventDescriptor(event_id, 0, MARKET_CONTEXT, enums.EVENT_STATUS.FAR)
        return objects.Event(descriptor, [signal], targets=[objects.Target(ven_id=ven.ven_id)])

    def _opted(self, power_w: int) -> Callable[..., None]:
        def note(ven_id: str, event_id: str, opt_type: str) -> None:
            ven = self._speaker(ven_id)
            opt = Opt(self._assets.port.now_ns(), ven.ven_id, event_id, power_w, opt_type)
            self.opts.append(opt)
            self._assets.counts[OPT_IN if opt_type == "optIn" else OPT_OUT] += 1
            with self._opts_path.open("ab") as file:
                file.write(msgspec.json.encode(opt) + b"\n")

        return note


def _together(values: list[tuple[int, str, float]]) -> list[tuple[int, dict[str, float]]]:
    """Put together what was measured within a second: a VEN reads one after the other."""
    groups: list[tuple[int, dict[str, float]]] = []
    for stamp_ns, measurement, value in values:
        if groups and stamp_ns - groups[-1][0] < SECOND_NS and measurement not in groups[-1][1]:
            groups[-1][1][measurement] = value
        else:
            groups.append((stamp_ns, {measurement: value}))
    return groups


def _end_of(event: Any) -> datetime:
    period = utils.getmember(event, "active_period")
    ends: datetime = utils.getmember(period, "dtstart") + utils.getmember(period, "duration")
    return ends


def _wall_ns() -> int:
    return int(datetime.now(UTC).timestamp() * SECOND_NS)
