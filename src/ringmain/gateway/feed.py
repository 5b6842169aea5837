"""Public market data: a follower of the tape that tells subscribers what changed.

A subscriber gets a snapshot, then changes. One that does not read is not written to; when it reads
again it gets a new snapshot, so that what it missed is conflated.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.records import Schema
from ringmain.core.tape import TapeReader
from ringmain.gateway.depth import BATCH_EVENTS, Depth
from ringmain.gateway.messages import DEPTH, FEEDS, PHASES, TRADES, session_record

if TYPE_CHECKING:
    from ringmain.gateway.port import Link

Subject = tuple[int, int]  # feed, product_id


class Feed:
    """The feeds of one exchange.

    It starts to follow the tape, from its beginning, when somebody first subscribes.
    """

    def __init__(self, folder: Path, schema: Schema) -> None:
        self._folder, self._schema = folder, schema
        self._reader: TapeReader | None = None
        self._depth = Depth()
        self._depth.fold(schema.empty(0))  # compiled before anyone waits for it
        self._is_live = False
        self._subjects: dict[Link, set[Subject]] = {}
        self._awaiting: dict[Link, set[Subject]] = {}  # subjects whose snapshot is still to be sent
        self._levels, self._trades, self._phases, self._begun, self._ended = (
            session_record(schema.slots, name)
            for name in ("LevelChanged", "TradePrinted", "PhaseChanged", "SnapshotBegun", "SnapshotEnded")
        )

    def subscribe(self, link: "Link", subject: Subject) -> bool:
        """Follow a product's feed; False if there is none, or the tape does not reach back for it."""
        if self._reader is None:
            reader = TapeReader(self._folder, self._schema)
            if reader.first() > 0:
                reader.close()
                return False
            self._reader = reader
        if subject[0] not in FEEDS.values():
            return False
        self._subjects.setdefault(link, set()).add(subject)
        self._awaiting.setdefault(link, set()).add(subject)
        return True

    def unsubscribe(self, link: "Link", subject: Subject) -> None:
        """Follow it no longer."""
        for subjects in (self._subjects, self._awaiting):
            subjects.get(link, set()).discard(subject)

    def forget(self, link: "Link") -> None:
        """Drop a link's subscriptions."""
        self._subjects.pop(link, None)
        self._awaiting.pop(link, None)

    def count(self, link: "Link") -> int:
        """Return how many subjects a link follows."""
        return len(self._subjects.get(link, ()))

    @property
    def has_more(self) -> bool:
        """Whether there is something to fold, or a snapshot to send that can be."""
        if self._reader is None:
            return False
        return self._reader.readable() > self._reader.position or any(
            subjects and link.is_writable for link, subjects in self._awaiting.items()
        )

    def advance(self) -> None:
        """Fold one batch; tell subscribers what it changed; send snapshots that are due."""
        if self._reader is None:
            return
        try:
            events = self._reader.read(BATCH_EVENTS)
        except RingmainError:  # the tape was cut before it could be read: begin anew from what is shown
            self._reader.position = self._reader.readable()
            return
        self._depth.fold(events)
        phases = self._depth.phase_changes(events)
        levels, trades = self._depth.take_changes()
        self._is_live = self._is_live or self._reader.position == self._reader.readable()
        if self._is_live:
            self._tell(self._packed_changes(levels, trades, phases))
            self._send_snapshots()

    def _tell(self, changes: dict[Subject, bytes]) -> None:
        for link, subjects in self._subjects.items():
            awaiting = self._awaiting[link]
            if not link.is_writable:
                awaiting |= subjects
                continue
            data = b"".join(changes[subject] for subject in changes if subject in subjects - awaiting)
            if data:
                link.write(data)

    def _send_snapshots(self) -> None:
        due = {link: subjects for link, subjects in self._awaiting.items() if subjects and link.is_writable}
        if not due:
            return
        products = {product_id for subjects in due.values() for feed, product_id in subjects if feed == DEPTH}
        levels = self._depth.levels_of(products) if products else {}
        for link, subjects in due.items():
            link.write(b"".join(self._snapshot(subject, levels) for subject in sorted(subjects)))
            subjects.clear()

    def _snapshot(self, subject: Subject, levels: dict[int, Any]) -> bytes:
        feed, product_id = subject
        begun, ended = (record(feed=feed, product_id=product_id) for record in (self._begun, self._ended))
        begun["sequence"] = ended["sequence"] = self._depth.sequence
        body = b""
        if feed == DEPTH:
            body = self._packed(self._levels, levels[product_id])
        elif feed == PHASES and product_id in self._depth.phases:
            body = self._phase(product_id, *self._depth.phases[product_id])
        return begun.tobytes() + body + ended.tobytes()

    def _packed_changes(
        self, levels: Any, trades: Any, phases: list[tuple[int, int, int]]
    ) -> dict[Subject, bytes]:
        changes: dict[Subject, bytes] = {}
        followed = {subject for subjects in self._subjects.values() for subject in subjects}
        for feed, rows, record in ((DEPTH, levels, self._levels), (TRADES, trades, self._trades)):
            for product_id in np.unique(rows["product_id"]).tolist():
                if (feed, product_id) in followed:
                    changes[feed, product_id] = self._packed(record, rows[rows["product_id"] == product_id])
        for sequence, product_id, phase in phases:
            subject = (PHASES, product_id)
            changes[subject] = changes.get(subject, b"") + self._phase(product_id, sequence, phase)
        return changes

    def _packed(self, record: Any, rows: Any) -> bytes:
        """Pack rows of levels or trades as records: the fields that they share."""
        packed = np.zeros(rows.size, record.dtype)
        record.stamp(packed)
        for name in ("sequence", "product_id", "price_ticks", "quantity_lots", "side"):
            if name in rows.dtype.names and name in record.dtype.names:
                packed[name] = rows[name]
        return packed.tobytes()

    def _phase(self, product_id: int, sequence: int, phase: int) -> bytes:
        record = self._phases(product_id=product_id, phase=phase)
        record["sequence"] = sequence
        return record.tobytes()


def feed_of(folder: Path, schema: Schema) -> Feed | None:
    """Return the feeds of a market, if it publishes any."""
    return Feed(folder, schema) if schema.name == "exchange" else None
