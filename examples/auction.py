"""An English auction: a market of forty lines, run by a real node. docs/tutorial explains it."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.clock import Clock
from ringmain.core.engine import Machine, Market
from ringmain.core.jit import kernel
from ringmain.core.messages import STRICT, TIMER, market_schema, record_of
from ringmain.core.node import Node
from ringmain.core.records import Field
from ringmain.core.replay import replay
from ringmain.core.ring import Ring
from ringmain.core.sessions import head_event
from ringmain.core.shared import ring_path
from ringmain.core.tape import TapeReader

# Messages.

AFTER_CLOSE, UNKNOWN_BIDDER, PRICE_TOO_LOW = 1, 2, 3
REASONS = {"AFTER_CLOSE": AFTER_CLOSE, "UNKNOWN_BIDDER": UNKNOWN_BIDDER, "PRICE_TOO_LOW": PRICE_TOO_LOW}

PRICE_MINOR = Field("price_minor", "i8", "the bid, in cents")
BIDDER_ID = Field("bidder_id", "u4", "who bids")
REASON = Field("reason", "u2", "why", REASONS)

SCHEMA = market_schema("auction", version=1)
SCHEMA.refusals(REASONS)
PlaceBid = SCHEMA.command(1, "PlaceBid", "Offer a price.", (PRICE_MINOR, BIDDER_ID))
BidAccepted = SCHEMA.event(1, "BidAccepted", "The bid leads.", (PRICE_MINOR, BIDDER_ID))
BidRejected = SCHEMA.event(2, "BidRejected", "The bid counts for nothing.", (PRICE_MINOR, BIDDER_ID, REASON))
AuctionClosed = SCHEMA.event(3, "AuctionClosed", "The leader has bought.", (PRICE_MINOR, BIDDER_ID))

# State.

BIDDERS = 1_024
OPEN_NS = 60_000_000_000  # an auction closes this long after its first bid

AUCTION = np.dtype(
    [
        ("best_price_minor", "i8"),
        ("closes_ns", "i8"),
        ("next_deadline_ns", "i8"),
        ("leader_id", "u4"),
        ("bid_count", "u4", (BIDDERS,)),
    ],
    align=True,
)

# Kernels.

PLACE_BID = PlaceBid.kind
BID_ACCEPTED, BID_REJECTED, AUCTION_CLOSED = BidAccepted.kind, BidRejected.kind, AuctionClosed.kind
PLACE_BID_RECORD, BID_REJECTED_RECORD = PlaceBid.dtype, BidRejected.dtype


@kernel
def refusal(auction: Any, bid: Any) -> int:
    """Return the reason to turn the bid down, or 0."""
    if auction.closes_ns > 0 and bid.time_ns >= auction.closes_ns:
        return AFTER_CLOSE
    if bid.bidder_id >= BIDDERS:
        return UNKNOWN_BIDDER
    if bid.price_minor <= auction.best_price_minor:
        return PRICE_TOO_LOW
    return 0


@kernel
def lead(auction: Any, bid: Any) -> None:
    """Let the bidder lead; the first bid starts the clock."""
    if auction.closes_ns == 0:
        auction.closes_ns = auction.next_deadline_ns = bid.time_ns + OPEN_NS
    auction.best_price_minor = bid.price_minor
    auction.leader_id = bid.bidder_id
    auction.bid_count[bid.bidder_id] += 1


@kernel
def answer(auction: Any, bid: Any, event: Any) -> None:
    """Decide about one bid."""
    reason = refusal(auction, bid)
    head_event(event, bid, BID_REJECTED if reason else BID_ACCEPTED)
    event.price_minor = bid.price_minor
    event.bidder_id = bid.bidder_id
    event.reason = reason
    if reason == 0:
        lead(auction, bid)
        assert auction.best_price_minor == bid.price_minor


@kernel
def close(auction: Any, timer: Any, event: Any) -> None:
    """Sell to the leader."""
    head_event(event, timer, AUCTION_CLOSED)
    event.price_minor = auction.best_price_minor
    event.bidder_id = auction.leader_id
    auction.next_deadline_ns = 0


# Engine.


@kernel
def apply(state: Any, commands: Any, events: Any) -> tuple[int, int]:
    """Decide about a batch; return how many commands were used and how many events written."""
    auction = state[0]
    bids, rows = commands.view(PLACE_BID_RECORD), events.view(BID_REJECTED_RECORD)
    count = 0
    for i in range(commands.size):
        if count == events.size:
            return i, count
        if commands[i].kind == PLACE_BID:
            answer(auction, bids[i], rows[count])
            count += 1
        elif commands[i].kind == TIMER and 0 < auction.next_deadline_ns <= commands[i].time_ns:
            close(auction, commands[i], rows[count])
            count += 1
    return commands.size, count


def start(state: Any) -> None:
    """Begin with an auction that waits for its first bid: all zeros."""


MARKET = Market(SCHEMA, AUCTION, start, apply, events_per_command=1)


# Use.

OpenSession = record_of(SCHEMA, "OpenSession")
SECOND_NS = 1_000_000_000


def some_commands() -> Any:
    """Open a session and bid three times; the second bid is too low."""
    opening = OpenSession(session_id=1, account_id=7, numbering=STRICT, cancel_on_disconnect=0)
    prices_minor = [10_00, 9_00, 12_00]
    bids = [
        PlaceBid(session_id=1, session_number=i + 1, bidder_id=i, price_minor=price)
        for i, price in enumerate(prices_minor)
    ]
    return SCHEMA.batch([opening, *bids])


def decide(commands: Any) -> list[dict[str, Any]]:
    """Let a machine decide, without a node: place and time are stamped here."""
    commands["sequence"] = np.arange(1, commands.size + 1)
    commands["time_ns"] = commands["sequence"] * SECOND_NS
    decided: list[dict[str, Any]] = []
    Machine(MARKET).step(commands, lambda events: decided.extend(map(SCHEMA.unpack_event, events)))
    return decided


def live(folder: Path) -> list[dict[str, Any]]:
    """Run a node in `folder`: bids through the ring, the close by a timer, the events from the tape."""
    clock = Clock.stepped(folder / "clock", start_ns=SECOND_NS)
    node = Node(folder / "auction", MARKET, clock)
    producer = Ring.open(ring_path(folder / "auction")).producer()
    producer.offer(some_commands())
    node.turn()
    clock.step_to(SECOND_NS + OPEN_NS)
    node.turn()
    node.close()  # everything is durable now, and so it shows
    return [SCHEMA.unpack_event(event) for event in TapeReader(folder / "auction", SCHEMA).read()]


def main() -> None:
    """Live through one auction, then replay it from its journal."""
    with tempfile.TemporaryDirectory() as name:
        for event in live(Path(name)):
            print(
                event["record"], {k: event[k] for k in ("price_minor", "bidder_id", "reason") if k in event}
            )
        machine, report = replay(Path(name) / "auction", MARKET, verify=True)
        leader, cents = machine.state[0].leader_id, machine.state[0].best_price_minor
        print(f"replayed {report.sequence} commands, compared {report.events_compared} events")
        print(f"bidder {leader} has it for {cents / 100:.2f}")


if __name__ == "__main__":
    main()
