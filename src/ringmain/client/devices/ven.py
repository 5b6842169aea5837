"""A VEN of OpenADR 2.0b, on openleadr: to simulate, and to try things."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openleadr import OpenADRClient  # type: ignore[import-untyped]

SIMPLE = "SIMPLE"
IN, OUT = "optIn", "optOut"
logging.getLogger("apscheduler").setLevel(logging.WARNING)
logging.getLogger("openleadr").setLevel(logging.ERROR)


@dataclass
class Asked:
    """What an event asks for: a power taken from the grid, or a level of SIMPLE."""

    event_id: str
    signal: str
    payload: float
    starts: datetime
    ends: datetime

    def holds(self, now: datetime) -> bool:
        """Tell whether it holds at a time."""
        return self.starts <= now < self.ends


@dataclass
class Account:
    """How a VEN comes in: by token, or with a certificate that the VTN trusts."""

    ven_id: str
    url: str
    token: str = field(default="", repr=False)
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None

    @property
    def address(self) -> str:
        """The VTN's address, with id and token in it where there is one."""
        if not self.token:
            return self.url
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{self.ven_id}:{self.token}@{parts.netloc}").geturl()


class VenClient:
    """One VEN.

    Parameters
    ----------
    takes_w, meter_wh, stored_wh : callable
        What it takes now, the meter of all energy that it took, and what it stores if it does.
    opts : callable
        Whether it goes along with an event.
    """

    def __init__(
        self, account: Account, takes_w: Callable[[], float], meter_wh: Callable[[], float],
        opts: Callable[[Asked], bool] = lambda asked: True, sampling_s: float = 10.0,
        stored_wh: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        def path(file: Path | None) -> str | None:
            return None if file is None else str(file)

        self.client = OpenADRClient(
            account.ven_id, account.address, cert=path(account.certificate), key=path(account.key),
            ca_file=path(account.authority), ven_id=account.ven_id, show_fingerprint=False,
            allow_jitter=False,
        )  # fmt: skip
        self.asked: dict[str, Asked] = {}
        self._opts = opts
        every = timedelta(seconds=sampling_s)
        offers = {"REAL_POWER": takes_w, "REAL_ENERGY": meter_wh, "StoredEnergy": stored_wh}
        for measurement, value in offers.items():
            if value is not None:
                own = {"unit": "Wh"} if measurement == "StoredEnergy" else {}
                self.client.add_report(
                    callback=value, resource_id="meter", measurement=measurement, sampling_rate=every,
                    report_duration=timedelta(hours=1), **own,
                )  # fmt: skip
        self.client.add_handler("on_event", self._take)
        self.client.add_handler("on_update_event", self._take)

    @property
    def is_registered(self) -> bool:
        """Whether the VTN has taken it."""
        return self.client.registration_id is not None

    async def start(self) -> bool:
        """Register, offer the reports, and poll from now on; False if the VTN refuses it."""
        await self.client.run()
        return self.is_registered

    async def poll(self) -> None:
        """Poll now."""
        await self.client._poll()

    async def stop(self) -> None:
        """End."""
        await self.client.stop()
        await asyncio.sleep(0)

    def wanted(self, now: datetime | None = None) -> Asked | None:
        """Return the event that holds, the newest of several."""
        now = now or datetime.now(UTC)
        holding = [each for each in self.asked.values() if each.holds(now)]
        return holding[-1] if holding else None

    def _take(self, event: dict[str, Any]) -> str:
        """Take an event, or its change."""
        descriptor, signal = event["event_descriptor"], event["event_signals"][0]
        event_id = descriptor["event_id"]
        if descriptor["event_status"] == "cancelled":
            self.asked.pop(event_id, None)
            return IN
        interval = signal["intervals"][0]
        starts = interval["dtstart"]
        asked = Asked(
            event_id, signal["signal_name"], float(interval["signal_payload"]), starts,
            starts + interval["duration"],
        )  # fmt: skip
        if not self._opts(asked):
            return OUT
        self.asked[event_id] = asked
        return IN
