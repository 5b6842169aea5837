"""The fleet's prices as a feed: whoever subscribes gets the newest sheet, and each that follows.

One session a device link is what follows it, so that a sheet is small beside what such a session carries.
A sheet is told when a price has changed, and in any case so often that devices know the fleet to be there.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ringmain.core.errors import RingmainError
from ringmain.core.records import Schema
from ringmain.core.tape import TapeReader
from ringmain.gateway.book import Subject
from ringmain.gateway.broadcast import Broadcast
from ringmain.gateway.depth import BATCH_EVENTS
from ringmain.gateway.messages import PRICES
from ringmain.gateway.sheets import PriceBook, Sheet, records_of
from ringmain.vpp.state import SECOND_NS

if TYPE_CHECKING:
    from ringmain.gateway.port import Link

SUBJECT: Subject = (PRICES, 0)
CHANGES_EVERY_NS = 5 * SECOND_NS  # an auction's prices come one by one


class PriceFeed:
    """The prices of one fleet: it follows the tape, as far as that is kept, once somebody has subscribed."""

    def __init__(self, folder: Path, schema: Schema) -> None:
        self._folder, self._schema = folder, schema
        self._reader: TapeReader | None = None
        self._book = PriceBook()
        self._is_live = self._is_other = False
        self._told: Sheet | None = None
        self._told_ns = 0
        self._data = b""
        self._awaiting: dict[Link, bool] = {}  # by subscriber: whether a sheet is still to be sent

    def subscribe(self, link: "Link", subject: Subject) -> bool:
        """Follow the prices; False if it is something else that is asked for."""
        if subject != SUBJECT:
            return False
        if self._reader is None:
            self._reader = TapeReader(self._folder, self._schema)
            self._reader.position = self._reader.first()
        self._awaiting[link] = True
        return True

    def unsubscribe(self, link: "Link", subject: Subject) -> None:
        """Follow them no longer."""
        if subject == SUBJECT:
            self.forget(link)

    def forget(self, link: "Link") -> None:
        """Drop a link's subscription."""
        self._awaiting.pop(link, None)

    def subjects(self, link: "Link") -> set[Subject]:
        """Return what a link follows."""
        return {SUBJECT} if link in self._awaiting else set()

    def count(self, link: "Link") -> int:
        """Return how many subjects a link follows."""
        return int(link in self._awaiting)

    def product_of(self, session_id: int, order_number: int) -> int:
        """Return 0: nobody orders here."""
        return 0

    def has_more(self, until: int) -> bool:
        """Whether :meth:`advance` would find something to do."""
        if self._reader is None:
            return False
        is_due = any(is_due and link.is_writable for link, is_due in self._awaiting.items())
        return until > self._reader.position or (is_due and bool(self._data))

    def advance(self, until: int) -> None:
        """Fold one batch before `until`; make a new sheet if it is time; send it to who can take it."""
        reader = self._reader
        if reader is None:
            return
        try:
            events = reader.read(min(BATCH_EVENTS, max(0, until - reader.position)))
        except RingmainError:  # what was to be read is gone: go on from what is shown
            reader.position = reader.readable()
            return
        self._is_other |= self._book.fold(events)
        self._is_live = self._is_live or reader.position >= until
        if self._is_live:
            self._renew()
            self._send()

    def _renew(self) -> None:
        elapsed_ns = self._book.time_ns - self._told_ns
        if elapsed_ns < (CHANGES_EVERY_NS if self._is_other else self._book.renewal_ns):
            return
        sheet = self._book.sheet()
        self._is_other, self._told_ns = False, self._book.time_ns
        if sheet is None or (self._told is not None and sheet.number <= self._told.number):
            return
        self._told = sheet
        self._data = Broadcast(records_of(sheet, self._schema, self._book.time_ns))
        self._awaiting = dict.fromkeys(self._awaiting, True)

    def _send(self) -> None:
        for link, is_due in self._awaiting.items() if self._data else ():
            if is_due and link.is_writable:
                link.write(self._data)
                self._awaiting[link] = False
