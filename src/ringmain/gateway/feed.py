"""Public market data: a follower of the tape that tells subscribers what changed.

A subscriber gets a snapshot, then changes. One that does not read is not written to; when it reads
again it gets a new snapshot, so that what it missed is conflated. What goes to many is joined and
encoded once, and all of them are handed the same bytes.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ringmain.core.clock import Clock
from ringmain.core.errors import RingmainError
from ringmain.core.records import Schema
from ringmain.core.tape import TapeReader
from ringmain.gateway.book import Book, Subject
from ringmain.gateway.broadcast import Broadcast
from ringmain.gateway.depth import BATCH_EVENTS
from ringmain.gateway.messages import DELAYED, session_record
from ringmain.gateway.price_feed import PriceFeed

if TYPE_CHECKING:
    from ringmain.gateway.port import Link

NANOSECONDS_PER_S = 1_000_000_000


class Feed:
    """The feeds of one exchange, as of now, or of some time ago.

    It starts to follow the tape, from its beginning, when somebody first subscribes.

    Parameters
    ----------
    folder : Path
        The market's folder.
    schema : Schema
    mark : int
        What stands in the feed numbers of its records beside the feed: DELAYED or 0.
    horizon_ns : callable
        Returns up to which logical time events may be shown; all of them if not given.
    """

    def __init__(
        self, folder: Path, schema: Schema, mark: int = 0, horizon_ns: Callable[[], int] | None = None
    ) -> None:
        self._folder, self._schema, self._mark, self._horizon_ns = folder, schema, mark, horizon_ns
        self._reader: TapeReader | None = None
        self._book = Book(schema)
        self._is_live = False
        self._early_ns = 0  # the time of the next event, if it may not be shown yet
        self._turn = 0
        self._subjects: dict[Link, set[Subject]] = {}
        self._awaiting: dict[Link, set[Subject]] = {}  # subjects whose snapshot is still to be sent
        self._audiences: dict[frozenset[Subject], None] = {}
        self._audience_of: dict[Link, frozenset[Subject]] = {}
        self._followed: set[Subject] = set()
        self._begun, self._ended = (
            session_record(schema.slots, name) for name in ("SnapshotBegun", "SnapshotEnded")
        )

    def start(self) -> bool:
        """Begin to follow the tape, unless that was done; False if its beginning is gone."""
        if self._reader is None:
            reader = TapeReader(self._folder, self._schema)
            if reader.first() > 0:
                reader.close()
                return False
            self._reader = reader
        return True

    def subscribe(self, link: "Link", subject: Subject) -> bool:
        """Follow a product's feed; False if there is none, or the tape does not reach back for it."""
        if subject[0] not in self._book.feeds or not self.start():
            return False
        self._subjects.setdefault(link, set()).add(subject)
        self._awaiting.setdefault(link, set()).add(subject)
        self._regroup()
        return True

    def unsubscribe(self, link: "Link", subject: Subject) -> None:
        """Follow it no longer."""
        for subjects in (self._subjects, self._awaiting):
            subjects.get(link, set()).discard(subject)
        self._regroup()

    def forget(self, link: "Link") -> None:
        """Drop a link's subscriptions."""
        self._awaiting.pop(link, None)
        if self._subjects.pop(link, None) is not None:
            self._regroup()

    def subjects(self, link: "Link") -> set[Subject]:
        """Return a copy of what a link follows."""
        return set(self._subjects.get(link, ()))

    def product_of(self, session_id: int, order_number: int) -> int:
        """Return the product of an order that rests, or 0 if none is known, as far as the tape was folded."""
        return self._book.product_of(session_id, order_number)

    def has_more(self, until: int) -> bool:
        """Whether there is something to fold before a position of the tape, or a snapshot to send."""
        if self._reader is None:
            return False
        is_more = until > self._reader.position and not self._is_early()
        return is_more or self._has_snapshots()

    def advance(self, until: int) -> None:
        """Fold one batch before `until`; tell subscribers what it changed; send snapshots that are due."""
        if self._reader is None:
            return
        try:
            events = self._read(until)
        except RingmainError:  # the tape was cut before it could be read: begin anew from what is shown
            self._reader.position = self._reader.readable()
            return
        changes = self._book.fold(events, self._followed)
        self._is_live = self._is_live or self._early_ns > 0 or self._reader.position >= until
        if self._is_live:
            self._tell(changes)
            self._send_snapshots()

    def _read(self, until: int) -> Any:
        """Read whole commands' events, those alone that are due."""
        reader = self._reader
        assert reader is not None, "it was started"
        if self._is_early():
            return self._schema.empty(0)
        begin, self._early_ns = reader.position, 0
        events = reader.read(min(BATCH_EVENTS, max(0, until - begin)))
        shown = events.size
        if self._horizon_ns is not None and events.size:
            times = np.maximum.accumulate(events["time_ns"])
            shown = int(np.searchsorted(times, self._horizon_ns(), side="right"))
        if shown < events.size:
            self._early_ns = int(events["time_ns"][shown])
        elif events.size and reader.position < until:
            whole = int(np.searchsorted(events["sequence"], events["sequence"][-1]))
            shown = whole or events.size  # a command with more events than a batch is cut
        reader.position = begin + shown
        return events[:shown]

    def _is_early(self) -> bool:
        """Tell whether the next event is known, and may not be shown yet."""
        return self._horizon_ns is not None and self._early_ns > self._horizon_ns()

    def _has_snapshots(self) -> bool:
        return any(subjects and link.is_writable for link, subjects in self._awaiting.items())

    def _regroup(self) -> None:
        """Sort the links by what they follow: those who follow the same are sent the same bytes."""
        self._audience_of = {
            link: frozenset(subjects) for link, subjects in self._subjects.items() if subjects
        }
        self._audiences = dict.fromkeys(self._audience_of.values())
        self._followed = {subject for audience in self._audiences for subject in audience}

    def _tell(self, changes: dict[Subject, bytes]) -> None:
        """Send each link its changes, beginning with another one each time."""
        joined = {audience: _joined(changes, audience) for audience in self._audiences} if changes else {}
        links = list(self._audience_of.items())
        self._turn = (self._turn + 1) % max(1, len(links))
        for link, audience in links[self._turn :] + links[: self._turn]:
            awaiting = self._awaiting[link]
            if not link.is_writable:
                awaiting |= audience
                continue
            data = joined.get(audience, b"") if not awaiting else _joined(changes, audience - awaiting)
            if data:
                link.write(data)

    def _send_snapshots(self) -> None:
        due = {link: subjects for link, subjects in self._awaiting.items() if subjects and link.is_writable}
        made: dict[Subject, bytes] = {}
        for link, subjects in due.items():
            for subject in sorted(subjects):
                if subject not in made:
                    made[subject] = self._snapshot(subject)
                link.write(made[subject])
            subjects.clear()

    def _snapshot(self, subject: Subject) -> bytes:
        feed, product_id = subject
        frame = {"feed": feed | self._mark, "product_id": product_id}
        begun, ended = self._begun(**frame), self._ended(**frame)
        for record in (begun, ended):
            record["sequence"], record["session_number"] = self._book.sequence, self._book.count(subject)
            record["time_ns"] = self._book.time_ns
        return Broadcast(begun.tobytes() + self._book.snapshot(subject) + ended.tobytes())


class Feeds:
    """A market's feeds, live and delayed; subjects are as clients name them."""

    def __init__(self, folder: Path, schema: Schema, delay_s: float) -> None:
        self._clock_path, self._delay_ns = folder.parent / "clock", int(delay_s * NANOSECONDS_PER_S)
        self._clock: Clock | None = None
        self._feeds: dict[int, Feed] = {0: Feed(folder, schema)}
        self._make_delayed: Callable[[], Feed] = lambda: Feed(folder, schema, DELAYED, self._horizon_ns)

    def subscribe(self, link: "Link", subject: Subject) -> bool:
        """Follow a product's feed, live or delayed but not both; False as :meth:`Feed.subscribe`."""
        mark = subject[0] & DELAYED
        if mark not in self._feeds:
            self._feeds[mark] = self._make_delayed()
        self.unsubscribe(link, (subject[0] ^ DELAYED, subject[1]))
        return self._feeds[mark].subscribe(link, (subject[0] ^ mark, subject[1]))

    def unsubscribe(self, link: "Link", subject: Subject) -> None:
        """Follow it no longer."""
        mark = subject[0] & DELAYED
        if mark in self._feeds:
            self._feeds[mark].unsubscribe(link, (subject[0] ^ mark, subject[1]))

    def forget(self, link: "Link") -> None:
        """Drop a link's subscriptions."""
        for feed in self._feeds.values():
            feed.forget(link)

    def subjects(self, link: "Link") -> set[Subject]:
        """Return what a link follows."""
        return {
            (number | mark, product_id)
            for mark, feed in self._feeds.items()
            for number, product_id in feed.subjects(link)
        }

    def count(self, link: "Link") -> int:
        """Return how many subjects a link follows."""
        return len(self.subjects(link))

    def product_of(self, session_id: int, order_number: int) -> int:
        """Return the product of an order that rests, or 0 if none is known; the first call begins to look."""
        return self._feeds[0].product_of(session_id, order_number) if self._feeds[0].start() else 0

    def has_more(self, until: int) -> bool:
        """Whether :meth:`advance` would find something to do."""
        return any(feed.has_more(until) for feed in self._feeds.values())

    def advance(self, until: int) -> None:
        """Go on by one batch, not beyond a position of the tape: what the sessions were told of."""
        for feed in self._feeds.values():
            feed.advance(until)

    def _horizon_ns(self) -> int:
        if self._clock is None:
            self._clock = Clock(self._clock_path)
        return self._clock.now_ns() - self._delay_ns


def feed_of(folder: Path, schema: Schema, delay_s: float = 900.0) -> Feeds | PriceFeed | None:
    """Return the feeds of a market, if it publishes any."""
    if schema.name == "vpp":
        return PriceFeed(folder, schema)
    return Feeds(folder, schema, delay_s) if schema.name == "exchange" else None


def _joined(changes: dict[Subject, bytes], subjects: Iterable[Subject]) -> bytes:
    """Join the changes of some subjects, in the feeds' order."""
    wanted = [changes[subject] for subject in sorted(subjects) if subject in changes] if changes else []
    return wanted[0] if len(wanted) == 1 else Broadcast(b"".join(wanted))
