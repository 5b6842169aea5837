"""The auctioneer: reads the tape, solves what is frozen, and proposes, until the engine has booked it."""

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from ringmain.core.clock import Clock
from ringmain.core.errors import RingmainError
from ringmain.core.tape import TapeReader
from ringmain.exchange.advice.dayahead.book import Book
from ringmain.exchange.advice.dayahead.proposal import AuctionView, proposal_commands
from ringmain.exchange.advice.dayahead.solve import GAP, Solution, solve
from ringmain.exchange.dayahead_messages import FROZEN
from ringmain.exchange.messages import schema

LOG = logging.getLogger("ringmain.dayahead")
SHARE = 0.6  # of the time to the result that the search may take; the rest is for sending and booking
TIME_LIMIT_S = 60.0


class Session(Protocol):
    """What the auctioneer needs of a client: an operator's session."""

    def send_batch(self, commands: Any) -> int:
        """Send commands."""

    def flush(self) -> None:
        """Write them out."""

    def poll(self, timeout_s: float = 0.0) -> Any:
        """Keep the session alive."""


class Auctioneer:
    """Advice for day-ahead auctions. ``advise`` returns the commands of a proposal when one is due.

    Restarted, it finds from the tape whether an auction is frozen and still wants a proposal.

    Parameters
    ----------
    time_limit_s, gap : float
        How long to search at most, and what is good enough.
    """

    def __init__(self, time_limit_s: float = TIME_LIMIT_S, gap: float = GAP) -> None:
        self.view = AuctionView()
        self.last: Solution | None = None
        self._time_limit_s, self._gap = time_limit_s, gap
        self._proposed: tuple[int, int] = (0, 0)  # auction, refusals seen when it was proposed
        self._refusals = 0

    def fold(self, events: Any) -> None:
        """Take events of the tape in."""
        before = self.view.fault
        self.view.fold(events)
        if self.view.fault is not None and self.view.fault is not before:
            self._refusals += 1

    def advise(self, seconds_left: float) -> Any:
        """Return the commands that are due now, as one batch of shape (n,), mostly empty.

        Parameters
        ----------
        seconds_left : float
            Wall time until the engine clears the curves alone.
        """
        due = self.view.phase == FROZEN and self._proposed != (self.view.auction_id, self._refusals)
        if not due:
            return schema.empty(0)
        self._proposed = (self.view.auction_id, self._refusals)
        book = self.view.book()
        if self.view.fault is not None:
            LOG.warning("the engine refused the proposal: %s", self.view.fault)
            book = _without_blocks(book)
        limit_s = min(self._time_limit_s, max(seconds_left * SHARE, 0.1))
        try:
            self.last = solve(book, limit_s, self._gap)
        except RingmainError as error:  # the engine will clear the curves alone
            LOG.error("auction %d has no proposal: %s", self.view.auction_id, error)
            return schema.empty(0)
        LOG.info(
            "auction %d: welfare %d, gap %.2g, %d of %d blocks, %d paradoxically rejected, %.1f s",
            self.view.auction_id, self.last.welfare, self.last.gap, int((self.last.ratios > 0).sum()),
            len(book.blocks), self.last.paradoxes, self.last.seconds,
        )  # fmt: skip
        return proposal_commands(self.view.auction_id, book, self.last)


def run(data: Path, session: Session, auctioneer: Auctioneer | None = None, auctions: int = 0) -> None:
    """Serve auctions beside the exchange's node, until so many have had a proposal; 0: for ever.

    Parameters
    ----------
    data : Path
        The data folder, for the exchange's tape and the clock.
    session : Session
        An operator's.
    """
    auctioneer = auctioneer or Auctioneer()
    clock = Clock(data / "clock")
    tape = TapeReader(data / "exchange", schema)
    tape.position = tape.first()
    done: set[int] = set()
    with ThreadPoolExecutor(1) as thread:  # the session's heart beats on while one solves
        while not auctions or len(done) < auctions:
            events = tape.read()
            while events.size:
                auctioneer.fold(events)
                events = tape.read()
            left_s = clock.wall_seconds_until(auctioneer.view.result_ns)
            advice = thread.submit(auctioneer.advise, left_s if math.isfinite(left_s) else TIME_LIMIT_S)
            while not advice.done():
                session.poll(0.05)
            commands = advice.result()
            if commands.size:
                session.send_batch(commands)
                session.flush()
                done.add(auctioneer.view.auction_id)
            session.poll(0.0)
            tape.wait(0.25)
    tape.close()


def _without_blocks(book: Book) -> Book:
    """Return the book with curves and lines alone: what the engine takes in any case."""
    return Book(
        book.zone_count, book.period_count, book.price_min_ticks, book.price_max_ticks, book.segments,
        [], book.lines,
    )  # fmt: skip
