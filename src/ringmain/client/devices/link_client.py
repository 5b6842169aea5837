"""A device on a binary websocket, on picows: to simulate, and to try things."""

import asyncio
import logging
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from ringmain.gateway.devices import frames
from ringmain.gateway.devices.pace import Backoff
from ringmain.gateway.sheets import Sheet

logging.getLogger("picows").setLevel(logging.WARNING)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
Answering = Callable[[Any], Any]


@dataclass(frozen=True)
class LinkAccount:
    """Where a device comes in, and by what: a token, or the certificate in its TLS context."""

    url: str
    token: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None


def accept(setpoints: Any) -> Any:
    """Say yes to all set-points."""
    return np.full(setpoints.size, frames.ACCEPTED)


class LinkClient:
    """One link: it connects, and again when the connection ends; each set-point is answered.

    Parameters
    ----------
    on_setpoints : callable
        Is given an array of SETPOINT_RECORD of shape (n,); returns ACCEPTED or DECLINED for each: (n,).
    on_sheet : callable
        Is given the prices, as often as they are told.

    Attributes
    ----------
    refusals : Counter
        Readings that were refused, by reason.
    ended : list of (code, reason)
        How its connections ended.
    fleet_ahead_ns : int or None
        How far the fleet's clock is ahead of this machine's, as it said last.
    """

    def __init__(
        self, account: LinkAccount, on_setpoints: Answering = accept, seed: int = 0,
        on_sheet: Callable[[Sheet], object] = lambda sheet: None,
    ) -> None:  # fmt: skip
        self._account, self._on_setpoints, self._on_sheet = account, on_setpoints, on_sheet
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, circuit=1 << 30, open_s=0.0, seed=seed)
        self._transport: WSTransport | None = None
        self.refusals: Counter[str] = Counter()
        self.ended: list[tuple[WSCloseCode, str]] = []
        self.fleet_ahead_ns: int | None = None
        self.connections = 0

    async def run(self) -> None:
        """Stay connected for ever."""
        while True:
            try:
                transport = await self._connect()
                await transport.wait_disconnected()
                self._note_end(transport)
            except (OSError, WSError):
                pass
            self._transport = None
            await asyncio.sleep(self._backoff.failed())

    async def _connect(self) -> WSTransport:
        token = self._account.token
        transport, _ = await ws_connect(
            lambda: _Ear(self), self._account.url, ssl_context=self._account.tls,
            extra_headers={"Authorization": f"Bearer {token}"} if token else None,
        )  # fmt: skip
        return transport

    def _note_end(self, transport: WSTransport) -> None:
        said = transport.close_handshake.recv
        if said is not None:
            self.ended.append((said.code, said.reason or ""))

    @property
    def is_connected(self) -> bool:
        """Whether the fleet has greeted it."""
        return self._transport is not None

    def report(self, readings: Any) -> bool:
        """Send readings, an array of READING; False if it is not connected."""
        return self.send(frames.telemetry_of(readings).tobytes())

    def send(self, data: bytes) -> bool:
        """Send a frame as it is; False if it is not connected."""
        if self._transport is None:
            return False
        self._transport.send(WSMsgType.BINARY, data)
        return True

    def hang_up(self) -> None:
        """End the connection; the next one comes by itself while it runs."""
        if self._transport is not None:
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect()

    def greeted(self, transport: WSTransport, now_ns: int) -> None:
        """The fleet has said what time it is."""
        self._transport, self.fleet_ahead_ns = transport, now_ns - time.time_ns()
        self.connections += 1
        self._backoff.succeeded()

    def heard(self, transport: WSTransport, rows: Any) -> None:
        """Take what the fleet says: (n,) records of any kind."""
        kinds = rows["kind"]
        for row in rows.view(frames.WELCOME_RECORD)[kinds == frames.WELCOME]:
            self.greeted(transport, int(row["now_ns"]))
        for row in rows.view(frames.REFUSAL_RECORD)[kinds == frames.REFUSAL]:
            self.refusals[frames.REASONS[int(row["reason"])]] += 1
        for sheet in frames.sheets_of(rows):
            self._on_sheet(sheet)
        setpoints = rows.view(frames.SETPOINT_RECORD)[kinds == frames.SETPOINT]
        if not setpoints.size:
            return
        answers = self._on_setpoints(setpoints)
        acks = frames.records(
            frames.ACK, frames.ACK_RECORD, setpoints.size,
            asset_id=setpoints["asset_id"], number=setpoints["number"], answer=answers,
        )  # fmt: skip
        self.send(acks.tobytes())


class _Ear(WSListener):
    """Hears one connection."""

    def __init__(self, client: LinkClient) -> None:
        self._client = client

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            self._client.heard(transport, np.frombuffer(frame.get_payload_as_bytes(), frames.RECORD))
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
